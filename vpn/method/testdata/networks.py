"""The networks of the reference: torchvision's ResNets, timm's vision transformers, the paper's perceptrons
and its ResNet18 generator, all with weights by formula.

Every network takes images (N, H, W, C). Base models give (N, K), generators (N, H, W, C).
"""

import math
import zlib
from collections import OrderedDict

import numpy as np
import timm
import torch
import torchvision
from timm.layers import convert_splitbn_model
from timm.layers.split_batchnorm import SplitBatchNorm2d
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models.resnet import BasicBlock

HIDDEN = 1024


def mix(i):
    """A 32-bit hash of each uint32 (the constants of a 32-bit finaliser; wraps modulo 2^32)."""
    x = np.asarray(i).astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def hashes(name, n):
    """n uint32, from nothing but a name and the index: mix(i * 2654435761 + crc32(name))."""
    return mix(np.arange(n, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(zlib.crc32(name.encode())))


def uniform(name, *shape):
    """float64 values 2 hash / 2^32 - 1 in [-1, 1), in row-major order: they take the place of stored ones."""
    values = 2.0 * hashes(name, math.prod(shape)).astype(np.float64) / 2.0**32 - 1.0
    return torch.from_numpy(values.reshape(shape))


def formula(name, shape):
    """The float64 value of a variable: a rule on its name, as in a state dictionary, and its shape."""
    leaf, u = name.split(".")[-1], uniform(name, *shape)
    if leaf == "weight" and len(shape) > 1:  # of a linear layer or a convolution: (out, in, ...)
        return math.sqrt(6 / math.prod(shape[1:])) * u
    if leaf == "weight":  # of a norm
        return 1 + 0.2 * u
    if leaf == "running_var":
        return 1 + 0.5 * u
    if leaf == "num_batches_tracked":
        return 0 * u
    return 0.2 * u  # biases, running means, class token, positions


def fill(net, dtype):
    """Gives every variable of a network its value by formula, rounded to dtype."""
    net.to(dtype).load_state_dict({k: formula(k, v.shape) for k, v in net.state_dict().items()}, strict=True)
    return net


def channels_first(net):
    """Makes a network for (N, C, H, W) one for (N, H, W, C), under the same names."""
    net.register_forward_pre_hook(lambda _, inputs: (inputs[0].permute(0, 3, 1, 2).contiguous(),))
    return net


def perceptron(inputs, outputs):
    """d -> 1024 -> 1024 -> outputs with ReLU."""
    return OrderedDict(
        flatten=nn.Flatten(),
        fc1=nn.Linear(inputs, HIDDEN),
        relu1=nn.ReLU(),
        fc2=nn.Linear(HIDDEN, HIDDEN),
        relu2=nn.ReLU(),
        fc3=nn.Linear(HIDDEN, outputs),
    )


def resnet(name, stem, channels, classes):
    """torchvision's ResNet; the 3x3 stem replaces conv1 and max-pool."""
    net = getattr(torchvision.models, name)(num_classes=classes)
    net.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    if stem == "3x3":
        net.conv1, net.maxpool = nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.Identity()
    return channels_first(net)


def base(name, shape, classes):
    """The base model of a name of Config.base. Where that has no stem or patch, the image's size decides."""
    height, width, channels = shape
    inputs = height * width * channels
    family, _, variant = name.partition("_")
    if family == "sr":
        return nn.Sequential(OrderedDict(flatten=nn.Flatten(), linear=nn.Linear(inputs, classes)))
    if family == "dnn3":
        return nn.Sequential(perceptron(inputs, classes))
    if family != "vit":
        stem = variant or ("3x3" if max(height, width) <= 64 else "7x7")
        return resnet(family, stem, channels, classes)
    patch = next(p for side, p in ((32, 4), (64, 8), (math.inf, 16)) if max(height, width) <= side)
    size, patch = variant.split("_patch") if variant else ("tiny", patch)
    options = {"img_size": (height, width), "patch_size": int(patch), "in_chans": channels}
    return channels_first(timm.create_model(f"vit_{size}_patch16_224", **options, num_classes=classes))


class ResNet18Generator(nn.Module):
    """The paper's: ResNet18 of widths 64, 128, 256, 64, upsampled to the image's size; 3x3 convolution."""

    def __init__(self, channels):
        super().__init__()
        net = torchvision.models.resnet18()
        self.conv1, self.bn1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False), net.bn1
        self.layer1, self.layer2, self.layer3 = net.layer1, net.layer2, net.layer3
        net.inplanes = 256
        self.layer4 = net._make_layer(BasicBlock, 64, 2, stride=2)
        self.head = nn.Conv2d(64, channels, 3, 1, 1, bias=False)

    def forward(self, u):
        x = torch.relu(self.bn1(self.conv1(u.permute(0, 3, 1, 2).contiguous())))
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = interpolate(x, u.shape[1:3], mode="bilinear", align_corners=True)
        return self.head(x).permute(0, 2, 3, 1)


def generator(name, shape):
    if name == "resnet18":
        return ResNet18Generator(shape[-1])
    d = math.prod(shape)
    return nn.Sequential(OrderedDict(**perceptron(d, d), image=nn.Unflatten(1, tuple(shape))))


class RoutedBatchNorm2d(SplitBatchNorm2d):
    """timm's norms for clean and for noisy images. The caller says which; timm's forward halves the batch."""

    noisy = False

    def forward(self, x):
        return self.aux_bn[0](x) if self.noisy else nn.BatchNorm2d.forward(self, x)


def with_auxiliary_norms(net):
    net = convert_splitbn_model(net)
    for module in net.modules():
        if isinstance(module, SplitBatchNorm2d):
            module.__class__ = RoutedBatchNorm2d
    return net


def route(net, noisy):
    """Sends what follows through the auxiliary norms, where there are any, or through the main ones."""
    for module in net.modules():
        if isinstance(module, RoutedBatchNorm2d):
            module.noisy = noisy
