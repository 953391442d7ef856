"""The golden files of single networks and layers: outputs, gradients and statistics of batch norm.

Inputs are by formula too, and gradients those of sum(output * cotangent) for a cotangent by formula.
"""

from functools import partial

import networks
import torch
from files import METHOD, MODELS, agree, digest, write
from networks import uniform
from torch import nn
from torch.nn.functional import interpolate

# Config.base, image shape, classes, batch. Small images keep the tests fast; in training mode batch norm
# needs several values per channel of the last maps, whose sides are an 8th (3x3 stem) or a 32nd of the image.
# Where float32 leaves float64 because rounding turns a ReLU unit on or off, another size may help.
BASES = [
    ("sr", [6, 5, 2], 4, 5),
    ("dnn3", [4, 7, 1], 3, 5),
    ("resnet18", [12, 12, 3], 5, 4),
    ("resnet18", [70, 66, 2], 5, 3),
    ("resnet34", [9, 12, 2], 1, 4),
    ("resnet50", [9, 10, 2], 5, 6),
    ("vit_tiny_patch4", [8, 12, 2], 5, 4),
    ("vit_small_patch8", [16, 8, 3], 1, 3),
]
# Logits alone, in inference mode: the sizes of the data sets, and the largest transformer.
BASES_AT_SIZE = [
    ("sr", [28, 28, 1], 10, 2),
    ("dnn3", [32, 32, 3], 10, 2),
    ("resnet18", [28, 28, 1], 10, 2),
    ("resnet50", [32, 32, 3], 10, 2),
    ("resnet34_7x7", [64, 64, 3], 200, 2),
    ("resnet18", [224, 224, 3], 1000, 2),
    ("vit", [28, 28, 1], 10, 2),
    ("vit", [32, 32, 3], 10, 2),
    ("vit", [64, 64, 3], 200, 2),
    ("vit", [224, 224, 3], 1000, 2),
    ("vit_base_patch16", [32, 48, 3], 7, 2),
]
# Config.generator, image shape, batch
GENERATORS = [("dnn3", [9, 7, 2], 4), ("resnet18", [9, 7, 2], 8), ("resnet18", [70, 66, 3], 3)]
GENERATORS_AT_SIZE = [(g, s, 4) for g in ("dnn3", "resnet18") for s in ([28, 28, 1], [32, 32, 3])]

CONVOLUTIONS = [
    {"image_shape": [height, width, 2], "out": 3, "kernel": kernel, "stride": stride}
    for kernel in (1, 3, 7)
    for stride in (1, 2)
    for height, width in ((5, 8), (6, 7), (1, 2))
]
POOLS = [[6, 5, 2], [7, 8, 2], [1, 1, 2], [2, 3, 2]]
RESIZES = [[1, 1, 5, 4], [1, 1, 1, 1], [2, 3, 7, 8], [3, 2, 3, 5], [4, 5, 1, 2], [7, 7, 28, 28], [2, 2, 9, 1]]

# In 53 layers some unit turns, whatever the images.
DOUBLE_ONLY = {"resnet50-9x10x2"}


class Interpolate(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return interpolate(x, self.size, mode="bilinear", align_corners=True)


def layer(kind, image_shape, **c):
    """The layer of a row, for and to (N, H, W, C)."""
    channels, k = image_shape[-1], c.get("kernel")
    net = {
        "conv": lambda: nn.Conv2d(channels, c["out"], k, c["stride"], (k - 1) // 2, bias=False),
        "max_pool": lambda: nn.MaxPool2d(3, 2, 1),
        "upsample": lambda: Interpolate(c["to"]),
        "batch_norm": lambda: nn.BatchNorm2d(channels),
    }[kind]()
    net.register_forward_hook(lambda _m, _x, y: y.permute(0, 2, 3, 1))
    return networks.channels_first(net)


def measure(net, part, x, dtype, training, backward):
    """All that a case holds of a network: inference and, where there is batch norm, training mode."""
    parent, out = nn.Module(), {}
    parent.add_module(part, net)
    networks.fill(parent, dtype)
    for mode in ("inference", "training") if training and dict(net.named_buffers()) else ("inference",):
        net.train(mode == "training")
        images = x.to(dtype, copy=True).requires_grad_()
        y = net(images)
        out[f"{mode}/output"] = y
        if backward:
            parent.zero_grad()
            (y * uniform("cotangent", *y.shape).to(dtype)).sum().backward()
            out |= {f"{mode}/grad/{k}": v.grad for k, v in parent.named_parameters()}
            out[f"{mode}/grad/input"] = images.grad
    if mode == "training":
        out |= {f"after/{k}": v for k, v in parent.named_buffers()}
    return {k: v.detach().clone() for k, v in out.items()}


def case(part, name, make, config, batch, training=True, backward=True, levels=0):
    """The row and tensors of one network. levels > 0 rounds the input to multiples of 1/levels, for ties."""
    x = uniform(f"{name} input", batch, *config["image_shape"])
    x = torch.round(x * levels) / levels if levels else x
    single, double = (measure(make(), part, x, t, training, backward) for t in (torch.float32, torch.float64))
    if name not in DOUBLE_ONLY:
        agree(f"{part} {name}", single, double, 1e-4)
    small = part == "base"  # logits
    tensors = {k: v if small and k.endswith("/output") else digest(v) for k, v in double.items()}
    row = {"name": name, "config": config, "batch": batch, "levels": levels}
    row["parameters"] = sum(p.numel() for p in make().parameters())
    return row | {"double_only": name in DOUBLE_ONLY}, tensors


def title(*parts):
    return "-".join("x".join(map(str, p)) if isinstance(p, list) else str(p) for p in parts)


def bases():
    cases = []
    for table, backward in ((BASES, True), (BASES_AT_SIZE, False)):
        for base, shape, classes, batch in table:
            config = {"base": base, "image_shape": shape, "classes": classes}
            make = partial(networks.base, *config.values())
            cases.append(case("base", title(base, shape), make, config, batch, backward, backward))
    return write(MODELS, "base", cases)


def generators():
    cases = []
    for table, backward in ((GENERATORS, True), (GENERATORS_AT_SIZE, False)):
        for generator, shape, batch in table:
            config = {"generator": generator, "image_shape": shape}
            make = partial(networks.generator, *config.values())
            cases.append(case("generator", title(generator, shape), make, config, batch, True, backward))
    return write(METHOD, "generator", cases)


def layers():
    rows = [("conv", 0, c) for c in CONVOLUTIONS]
    rows += [("max_pool", levels, {"image_shape": shape}) for shape in POOLS for levels in (0, 2)]
    rows += [("upsample", 0, {"image_shape": [*r[:2], 3], "to": r[2:]}) for r in RESIZES]
    rows += [("batch_norm", 0, {"image_shape": shape}) for shape in ([4, 3, 5], [1, 1, 2])]
    cases = []
    for kind, levels, config in rows:
        make, name = partial(layer, kind, **config), title(kind, *config.values(), levels)
        cases.append(case("layer", name, make, {"layer": kind} | config, batch=3, levels=levels))
    return write(MODELS, "layer", cases)
