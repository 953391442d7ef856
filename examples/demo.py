"""Trains on Fashion-MNIST with and without learned noise: a table of test accuracies, a picture of the noise.

python examples/demo.py [--device go|cpu|cuda|auto] [--epochs 5] [--out demo.png]
"""

import argparse
import time

import govpn
import numpy as np
from govpn.datasets import FASHION_MNIST_CLASSES, fashion_mnist


def fit(mode, data, valid, args):
    """Trains the 3-layer MLP in one mode. Returns it and the seconds that it took."""
    print(f"\n{'baseline, no noise' if mode == 'plain' else 'VPN, base and generator together'}:", flush=True)
    clf = govpn.VPNClassifier(
        "dnn3", "dnn3", mode=mode, epochs=args.epochs, device=args.device, random_state=0, verbose=2
    )
    start = time.perf_counter()
    clf.fit(*data, validation_data=valid)
    return clf, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--out", default="demo.png")
    args = parser.parse_args()

    images, labels = fashion_mnist("train", download=True)
    test_images, test_labels = fashion_mnist("test", download=True)
    order = np.random.default_rng(0).permutation(len(images))
    train, valid = order[:50_000], order[50_000:]
    data, held_out = (images[train], labels[train]), (images[valid], labels[valid])

    baseline, baseline_seconds = fit("plain", data, held_out, args)
    vpn, vpn_seconds = fit("joint", data, held_out, args)
    plain = baseline.evaluate(test_images, test_labels)
    none = vpn.evaluate(test_images, test_labels)
    start = time.perf_counter()
    classwise = vpn.evaluate(test_images, test_labels, noise="classwise")
    classwise_seconds = time.perf_counter() - start

    print(f"\nFashion-MNIST, 10,000 test images, dnn3 with dnn3, {args.epochs} epochs, device {vpn.device_}")
    print(f"{'':24} {'accuracy %':>10} {'cross-entropy':>14} {'seconds':>8}")
    for name, e, seconds in (
        ("baseline", plain, baseline_seconds),
        ("VPN, no noise", none, vpn_seconds),
        ("VPN, classwise noise", classwise, classwise_seconds),
    ):
        print(f"{name:24} {100 * e['accuracy']:10.2f} {e['cross_entropy']:14.4f} {seconds:8.1f}")
    mean, low, high = none["std_mean"], none["std_min"], none["std_max"]
    print(f"σ at the true labels: mean {mean:.4f}, min {low:.4f}, max {high:.4f}")
    print("(pixels in [0, 1]; seconds are training, and for classwise noise the evaluation)")
    print("One run of one seed: differences of a few tenths are chance. docs/results.md has five seeds.")

    names = FASHION_MNIST_CLASSES
    figure = govpn.plot.plot_noise(vpn, test_images, test_labels, class_names=names, random_state=0)
    figure.savefig(args.out)
    print(f"\nwrote {args.out}: image, σ and sampled noise for each class")


if __name__ == "__main__":
    main()
