"""PyTorch as a contestant of run.py, eager or compiled: peers_torch.py JOB.

Variants of training: "" (one pass of the base), "two passes" (over clean and over noisy images)
and, compiled for cuda, "graphs" (CUDA graphs). Variants of classwise inference: "loop" (class by
class), or the number of passes, images x classes, in one batch over all classes.

On the CPU, the noise is drawn outside of the compiled function: Inductor's own normal numbers are
several times slower there than torch.randn.
"""

import itertools
import os

import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy, gelu, interpolate, relu, scaled_dot_product_attention
from torchvision.models.resnet import BasicBlock
from worker import HIDDEN, clock, data, divisor, inference, job, serve, training


class MLP(nn.Module):
    """Perceptron: (N, H, W, C) -> (N, outputs)."""

    def __init__(self, *sizes, std=None):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in itertools.pairwise(sizes))
        for layer in self.layers if std else ():
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = x.flatten(1)
        for i, layer in enumerate(self.layers):
            x = layer(relu(x) if i else x)
        return x


def conv3(i, o):
    layer = nn.Conv2d(i, o, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


class ResNet18(nn.Module):
    """torchvision's ResNet-18 with a 3x3 stem: (N, H, W, C) -> (N, classes)."""

    def __init__(self, channels, classes):
        super().__init__()
        self.net = torchvision.models.resnet18(num_classes=classes)
        self.net.conv1, self.net.maxpool = conv3(channels, 64), nn.Identity()
        self.to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.net(x.permute(0, 3, 1, 2))


class ConvGenerator(nn.Module):
    """torchvision's stem, stages of 64, 128, 256, 64, upsampling, a 3x3 convolution: (N, H, W, C) -> same."""

    def __init__(self, channels):
        super().__init__()
        net = torchvision.models.resnet18()
        self.conv = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.stem, net.inplanes = nn.Sequential(net.bn1, nn.ReLU(), net.maxpool), 64
        widths = ((64, 1), (128, 2), (256, 2), (64, 2))
        self.stages = nn.Sequential(*(net._make_layer(BasicBlock, w, 2, s) for w, s in widths))
        self.head = nn.Conv2d(64, channels, 3, padding=1, bias=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, u):
        with torch.autocast(u.device.type, enabled=False):  # bfloat16 would merge the labels
            x = self.conv(u.permute(0, 3, 1, 2))
        x = interpolate(self.stages(self.stem(x)), u.shape[1:3], mode="bilinear", align_corners=True)
        return self.head(x).permute(0, 2, 3, 1)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.fc2(gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    """timm's VisionTransformer, tiny: (N, H, W, C) -> (N, classes)."""

    def __init__(self, shape, classes, patch=4, width=192, depth=12, heads=3):
        super().__init__()
        h, w, c = shape
        self.patch_embed = nn.Conv2d(c, width, patch, patch)
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + h // patch * (w // patch), width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        x = self.patch_embed(x.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x)[:, 0]))


def base_of(job):
    (h, w, c), k = job["shape"], job["classes"]
    match job["base"]:
        case "sr":
            return MLP(h * w * c, k)
        case "dnn3":
            return MLP(h * w * c, HIDDEN, HIDDEN, k)
        case "resnet18":
            return ResNet18(c, k)
    return ViT(job["shape"], k)


def generator_of(job):
    h, w, c = job["shape"]
    if job["generator"] == "resnet18":
        return ConvGenerator(c)
    return MLP(h * w * c, HIDDEN, HIDDEN, h * w * c, std=0.002) if job["generator"] else nn.Identity()


class VPN(nn.Module):
    """The method. Pixels are uint8 (N, H, W, C)."""

    def __init__(self, job):
        super().__init__()
        self.base, self.generator, self.job = base_of(job), generator_of(job), job
        if job["task"] == "frozen":
            self.base.eval().requires_grad_(False)
        self.half = job["dtype"] == "bfloat16"

    def autocast(self, x):
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.half)

    def logits(self, x):
        with self.autocast(x):
            return self.base(x).float()

    def noisy(self, x, labels, z):
        lo, hi = self.job["std_range"]
        bias = self.job["label_coefficient"] / max(self.job["classes"] - 1, 1) * labels
        with self.autocast(x):
            output = self.generator(x + bias[:, None, None, None])
        return x + (lo + (hi - lo) * output.float().view_as(x).sigmoid()) * z

    def loss(self, pixels, labels, z):
        x = pixels.float() / 255
        noisy = self.noisy(x, labels, torch.randn_like(x) if z is None else z)
        if self.job["task"] == "frozen":  # the loss on clean images is constant
            return cross_entropy(self.logits(noisy), labels)
        if self.job["variant"] == "two passes":
            clean, dirty = self.logits(x), self.logits(noisy)
        else:
            clean, dirty = self.logits(torch.cat([x, noisy])).chunk(2)
        return cross_entropy(dirty, labels) + self.job["base_loss_weight"] * cross_entropy(clean, labels)

    def none(self, pixels):
        return self.logits(pixels.float() / 255).argmax(1)

    def own(self, pixels, labels, z):
        """Returns the probability (N, C) of labels (C) for each image under noise drawn for them."""
        x = (pixels.float() / 255).repeat_interleave(len(labels), 0)
        y = labels.repeat(len(pixels))
        noisy = self.noisy(x, y, torch.randn_like(x) if z is None else z)
        return self.logits(noisy).softmax(1).gather(1, y[:, None]).view(len(pixels), len(labels))


def stepper(job, device, compiled, images, labels):
    start = clock()
    model = VPN(job).to(device)
    images, labels = images.to(device), labels.to(device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.Adam(parameters, lr=job["learning_rate"], fused=True)
    loss_of = model.loss
    if compiled:
        loss_of = torch.compile(loss_of, mode="reduce-overhead" if job["variant"] == "graphs" else None)
    inside = compiled and device == "cuda"

    def step(indices):
        i = torch.from_numpy(indices).to(device)
        z = None if inside else torch.randn(len(i), *job["shape"], device=device)
        adam.zero_grad()
        loss = loss_of(images[i], labels[i], z)
        loss.backward()
        adam.step()
        return loss.item()

    return model, training(job, clock() - start, step)


def predictor(job, device, compiled, images):
    model, classes = VPN(job).eval().to(device), torch.arange(job["classes"], device=device)
    images, wrap = images.to(device), torch.compile if compiled else lambda f: f
    none, own, inside = wrap(model.none), wrap(model.own), compiled and device == "cuda"
    passes = job["variant"] if job["variant"] not in ("", "loop") else None

    def classwise(i, j):
        chosen, columns = images[i:j], []
        for labels in [classes] if passes else classes.split(1):
            z = None if inside else torch.randn(len(chosen) * len(labels), *job["shape"], device=device)
            columns.append(own(chosen, labels, z))
        return torch.cat(columns, 1).argmax(1)

    def predict(i, j):
        with torch.no_grad():
            return none(images[i:j]) if job["task"] == "none" else classwise(i, j)

    def host(labels):
        return labels.cpu().numpy()

    chunk = divisor(len(images), int(passes) // job["classes"]) if passes else job["batch"]
    return model, inference(job, chunk, predict, host)


def main():
    j = job()
    device, compiled = j["device"], j["contestant"] == "torch-compile"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_float32_matmul_precision("high")  # TF32 where the device has it
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, True
    torch.manual_seed(0)
    torch.empty(1, device=device)  # opens it
    images, labels = (torch.from_numpy(a) for a in data(j))
    if j["trains"]:
        model, round_ = stepper(j, device, compiled, images, labels.long())
    else:
        model, round_ = predictor(j, device, compiled, images)

    def device_peak():
        return torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None

    serve(f"torch {torch.__version__}", sum(p.numel() for p in model.parameters()), round_, device_peak)


if __name__ == "__main__":
    main()
