"""The method in PyTorch, written from the paper: the reference that the golden files come from.

Images are (N, H, W, C), labels (N,), noise z (N, m, H, W, C). A configuration is a dict with the keys
of the Go package's Config. Nothing here is fast or general; it is short enough to be checked by reading.
"""

import math
import zlib

import numpy as np
import torch
from torch.nn.functional import cross_entropy, linear, relu

HIDDEN = 1024


def mix(i):
    """A 32-bit hash of each uint32 (the constants of a 32-bit finaliser; wraps modulo 2^32)."""
    x = np.asarray(i).astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def uniform(name, n):
    """n float64 values in [-1, 1), from nothing but a name and the index: 2 u / 2^32 - 1,
    u = mix(i * 2654435761 + crc32(name)). They take the place of stored weights."""
    i = np.arange(n, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(zlib.crc32(name.encode()))
    return 2.0 * mix(i).astype(np.float64) / 2.0**32 - 1.0


def layers(name, d, out):
    """(layer, outputs, inputs) of an architecture, in order."""
    if name == "sr":
        return [("linear", out, d)]
    return [("fc1", HIDDEN, d), ("fc2", HIDDEN, HIDDEN), ("fc3", out, HIDDEN)]


def formula_weights(part, architecture, d, out, dtype):
    """Parameters by PyTorch name, each of shape (out, in) or (out,): weights sqrt(6 / in) * uniform(name),
    biases uniform(name) / sqrt(in), computed in float64 and then rounded to dtype."""
    params = {}
    for layer, o, i in layers(architecture, d, out):
        weight, bias = f"{part}.{layer}.weight", f"{part}.{layer}.bias"
        values = math.sqrt(6.0 / i) * uniform(weight, o * i)
        params[weight] = torch.from_numpy(values.reshape(o, i)).to(dtype)
        params[bias] = torch.from_numpy(uniform(bias, o) / math.sqrt(i)).to(dtype)
    return params


def mlp(params, part, architecture, x):
    """(N, ...) -> (N, out): linear layers with ReLU between them."""
    x = x.flatten(1)
    for n, (layer, _, _) in enumerate(layers(architecture, 0, 0)):
        x = linear(relu(x) if n else x, params[f"{part}.{layer}.weight"], params[f"{part}.{layer}.bias"])
    return x


class Reference:
    """The functions of one configuration."""

    def __init__(self, config, dtype):
        self.config, self.dtype = config, dtype
        self.d, self.classes = math.prod(config["image_shape"]), config["classes"]
        norm = config.get("normalize", {})
        self.where = norm.get("where") if norm.get("mean") else None
        if self.where:
            self.mean, self.std = (torch.tensor(norm[k], dtype=dtype) for k in ("mean", "std"))

    def parameters(self):
        params = formula_weights("base", self.config["base"], self.d, self.classes, self.dtype)
        if self.config["mode"] in ("joint", "frozen"):
            params |= formula_weights("generator", self.config["generator"], self.d, self.d, self.dtype)
        return params

    def images(self, x):
        """The images that generator and noise see: normalised already where = "input"."""
        return (x - self.mean) / self.std if self.where == "input" else x

    def logits(self, params, x):
        """f(x), of images() or of noisy ones. where = "image" normalises inside the base model."""
        if self.where == "image":
            x = (x - self.mean) / self.std
        return mlp(params, "base", self.config["base"], x)

    def sigma(self, params, x, y):
        """sigma = g(x + kappa ybar), of images(): (N, H, W, C)."""
        c = self.config
        label = y.to(self.dtype)
        if c["label_encoding"] == "scaled":
            label = label / (self.classes - 1)
        u = x + (c["label_coefficient"] * label)[:, None, None, None]
        o = mlp(params, "generator", c["generator"], u).view(x.shape)
        if c["std"] == "abs":
            return o.abs()
        if c["std"] == "bounded":
            lo, hi = c["std_range"]
            return lo + (hi - lo) * torch.sigmoid(o)
        root = (o.square().mean((1, 2), keepdim=True) + 1e-6).sqrt()  # per image and channel
        return o.abs() * c["std_rms"] / root

    def noisy(self, params, x, y, z):
        """x + sigma * z for z (N, m, H, W, C), of images(): (N, m, H, W, C)."""
        c = self.config
        sigma = c["fixed_std"] if c["mode"] == "gaussian" else self.sigma(params, x, y)[:, None]
        out = x[:, None] + sigma * z
        return out.clamp(0, 1) if c.get("clip_noisy") else out

    def losses(self, params, x, y, z):
        """(loss, L_VPN of Eq. 12, L_base); the loss is Eq. 13 where mode is joint, L_base where it is plain,
        L_VPN where it is frozen, L_VPN + lambda L_base with noise of a fixed sigma where it is gaussian."""
        c, x = self.config, self.images(x)
        base = cross_entropy(self.logits(params, x), y)
        if c["mode"] == "plain":
            return base, base, base
        noisy = self.noisy(params, x, y, z)
        vpn = cross_entropy(self.logits(params, noisy.flatten(0, 1)), y.repeat_interleave(z.shape[1]))
        return (vpn if c["mode"] == "frozen" else vpn + c["base_loss_weight"] * base), vpn, base

    def trained(self, params):
        """The parameters that the mode trains."""
        frozen = self.config["mode"] == "frozen"
        return {k: v for k, v in params.items() if not frozen or k.startswith("generator.")}

    def classwise(self, params, x, z):
        """Scores s_k = softmax(f(x + g(x + kappa kbar) * z_k))_k, averaged over samples:
        z (samples, N, classes, H, W, C) -> (N, classes). They do not sum to 1."""
        x, columns = self.images(x), []
        for k in range(self.classes):
            y = torch.full((len(x),), k)
            noisy = self.noisy(params, x, y, z[:, :, k].transpose(0, 1))  # (N, samples, H, W, C)
            s = self.logits(params, noisy.flatten(0, 1)).softmax(1)[:, k]
            columns.append(s.view(len(x), -1).mean(1))
        return torch.stack(columns, 1)


def optimizer(config, params):
    """PyTorch's optimiser and its schedule, stepped once per epoch."""
    lr, decay = config["learning_rate"], config["weight_decay"]
    if config["optimizer"] == "adam":
        opt = torch.optim.Adam(params, lr=lr, weight_decay=decay)
    else:
        opt = torch.optim.SGD(params, lr=lr, momentum=config["momentum"], weight_decay=decay)
    if config["schedule"] == "cosine":
        return opt, torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=config["epochs"])
    return opt, torch.optim.lr_scheduler.ConstantLR(opt, factor=1.0)
