"""The method in PyTorch, written from the paper: the reference that the golden files come from.

Images are (N, H, W, C), labels (N,), noise z (N, m, H, W, C). A configuration is a dict with the keys
of the Go package's Config. Nothing here is fast or general; it is short enough to be checked by reading.
"""

import networks
import torch
from torch import nn
from torch.nn.functional import cross_entropy


class Reference(nn.Module):
    """The functions of one configuration, with weights by formula, in training mode."""

    def __init__(self, config, dtype):
        super().__init__()
        self.config, self.dtype, self.classes = config, dtype, config["classes"]
        self.base = networks.base(config["base"], config["image_shape"], self.classes)
        if config.get("noisy_batch_norm") == "separate":
            self.base = networks.with_auxiliary_norms(self.base)
        if config["mode"] in ("joint", "frozen"):
            self.generator = networks.generator(config["generator"], config["image_shape"])
        networks.fill(self, dtype)
        if config["mode"] == "frozen":
            self.base.eval().requires_grad_(False)
        norm = config.get("normalize", {})
        self.where = norm.get("where") if norm.get("mean") else None
        if self.where:
            self.mean, self.std = (torch.tensor(norm[k], dtype=dtype) for k in ("mean", "std"))

    def images(self, x):
        """The images that generator and noise see: normalised already where = "input"."""
        return (x - self.mean) / self.std if self.where == "input" else x

    def logits(self, x, noisy=False):
        """f(x), of images() or of noisy ones. where = "image" normalises inside the base model."""
        if self.where == "image":
            x = (x - self.mean) / self.std
        networks.route(self.base, noisy)
        return self.base(x)

    def sigma(self, x, y):
        """sigma = g(x + kappa ybar), of images(): (N, H, W, C)."""
        c = self.config
        label = y.to(self.dtype)
        if c["label_encoding"] == "scaled":
            label = label / (self.classes - 1)
        o = self.generator(x + (c["label_coefficient"] * label)[:, None, None, None])
        if c["std"] == "abs":
            return o.abs()
        if c["std"] == "bounded":
            lo, hi = c["std_range"]
            return lo + (hi - lo) * torch.sigmoid(o)
        root = (o.square().mean((1, 2), keepdim=True) + 1e-6).sqrt()  # per image and channel
        return o.abs() * c["std_rms"] / root

    def noisy(self, x, y, z):
        """x + sigma * z for z (N, m, H, W, C), of images(): (N * m, H, W, C)."""
        c = self.config
        sigma = c["fixed_std"] if c["mode"] == "gaussian" else self.sigma(x, y)[:, None]
        out = (x[:, None] + sigma * z).flatten(0, 1)
        return out.clamp(0, 1) if c.get("clip_noisy") else out

    def loss(self, x, y, z):
        """Eq. 13, L_VPN + lambda L_base; Eq. 12, L_VPN, where mode is frozen; L_base where it is plain.

        Batch norm sees clean and noisy images as one batch, clean first, or each kind has norms of its own.
        """
        c, x = self.config, self.images(x)
        if c["mode"] == "plain":
            return cross_entropy(self.logits(x), y)
        noisy, repeated = self.noisy(x, y, z), y.repeat_interleave(z.shape[1])
        if c["mode"] == "frozen" or c["base_loss_weight"] == 0:
            return cross_entropy(self.logits(noisy, noisy=True), repeated)
        if c.get("noisy_batch_norm") == "separate":
            clean, dirty = self.logits(x), self.logits(noisy, noisy=True)
        else:
            clean, dirty = self.logits(torch.cat([x, noisy])).split([len(x), len(noisy)])
        return cross_entropy(dirty, repeated) + c["base_loss_weight"] * cross_entropy(clean, y)

    def trained(self):
        """The parameters that the mode trains, by name."""
        return {k: v for k, v in self.named_parameters() if v.requires_grad}

    def classwise(self, x, z):
        """Scores s_k = softmax(f(x + g(x + kappa kbar) * z_k))_k, averaged over samples:
        z (samples, N, classes, H, W, C) -> (N, classes). They do not sum to 1."""
        x, columns = self.images(x), []
        for k in range(self.classes):
            labels = torch.full((len(x),), k)
            noisy = self.noisy(x, labels, z[:, :, k].transpose(0, 1))  # (N * samples, H, W, C)
            s = self.logits(noisy, noisy=True).softmax(1)[:, k]
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
