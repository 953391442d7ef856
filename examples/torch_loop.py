"""Uses learned noise in a training loop of PyTorch, with a torchvision ResNet-18 on Fashion-MNIST.

The network is trained three times: on clean images, on images with the learned noise and, as a control, on
images with Gaussian noise of the same power.

pip install torch torchvision
python examples/torch_loop.py [--images 10000] [--epochs 3] [--device cpu|cuda]
"""

import argparse

import govpn
import torch
import torchvision
from torch.utils.data import DataLoader, TensorDataset


def tensors(images, labels):
    """Converts uint8 (N, 28, 28, 1) to torchvision's layout: float32 (N, 1, 28, 28), 0 to 1."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return TensorDataset(pixels, torch.from_numpy(labels))


def train(data, transform, epochs, device):
    """Trains a ResNet-18 with transform(images, labels) in the loop."""
    torch.manual_seed(0)
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1 = torch.nn.Conv2d(1, 64, kernel_size=3, padding=1, bias=False)  # grey, small images
    net.to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for images, labels in DataLoader(data, batch_size=128, shuffle=True):
            images, labels = images.to(device), labels.to(device)
            loss = torch.nn.functional.cross_entropy(net(transform(images, labels)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        print(f"  epoch {epoch + 1}/{epochs}: loss {total / len(data):.3f}", flush=True)
    return net


@torch.no_grad()
def accuracy(net, data, device):
    net.eval()
    right = sum(
        (net(images.to(device)).argmax(1).cpu() == labels).sum().item()
        for images, labels in DataLoader(data, batch_size=500)
    )
    return right / len(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()

    (images, labels), (valid, valid_labels) = govpn.datasets.split(
        *govpn.datasets.fashion_mnist("train", download=True), first=args.images
    )
    valid, valid_labels = valid[:5000], valid_labels[:5000]

    # The noise comes from a generator, which is trained together with a small classifier of its own.
    clf = govpn.VPNClassifier("dnn3", "dnn3", epochs=5, random_state=0, verbose=2).fit(images, labels)
    rms = clf.evaluate(valid, valid_labels)["std_rms"]
    print(f"learned σ: root mean square {rms:.3f}, in units of the pixel range")

    ways = {
        "clean images": lambda images, labels: images,
        "learned noise": clf.noise_transform(random_state=0),
        "Gaussian noise": lambda images, labels: images + rms * torch.randn_like(images),
    }
    data, held_out = tensors(images, labels), tensors(valid, valid_labels)
    results = {}
    for name, transform in ways.items():
        print(f"{name}:")
        results[name] = accuracy(train(data, transform, args.epochs, args.device), held_out, args.device)
    for name, value in results.items():
        print(f"{name:15} validation accuracy {value:.4f}")


if __name__ == "__main__":
    main()
