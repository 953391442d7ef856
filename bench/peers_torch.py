"""The training step in PyTorch, as a contestant of run.py: peers_torch.py FOLDER CONFIG [compile] [fused]."""

import json
import os
import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from worker import CLASSES, initial, read_data, serve


def network(layers):
    modules = []
    for weight, bias in layers:
        linear = nn.Linear(*weight.shape[::-1])
        linear.weight.data, linear.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


class Objective(nn.Module):
    """L_VPN + lambda L_base; the base passes once over clean and noisy images where both count."""

    def __init__(self, config):
        super().__init__()
        self.base, self.generator = (network(layers) for layers in initial(config))
        self.config = config

    def forward(self, pixels, labels):
        c = self.config
        x = pixels.float() / 255
        kappa = c["label_coefficient"] / (CLASSES - 1)
        lo, hi = c["std_range"]
        sigma = lo + (hi - lo) * torch.sigmoid(self.generator(x + kappa * labels[:, None]))
        noisy = x + sigma * torch.randn_like(x)
        if c["base_loss_weight"] == 0:
            return cross_entropy(self.base(noisy), labels)
        clean, dirty = self.base(torch.cat([x, noisy])).chunk(2)
        return cross_entropy(dirty, labels) + c["base_loss_weight"] * cross_entropy(clean, labels)


def main():
    folder, config, options = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(config["seed"])
    images, labels = (torch.from_numpy(a) for a in read_data(folder))
    labels = labels.long()
    objective = Objective(config)
    adam = torch.optim.Adam(
        objective.parameters(), lr=config["learning_rate"], fused="fused" in options or None
    )
    loss_of = torch.compile(objective) if "compile" in options else objective

    def step(indices):
        indices = torch.from_numpy(indices)
        adam.zero_grad()
        loss = loss_of(images[indices], labels[indices])
        loss.backward()
        adam.step()
        return loss.item()

    serve(f"torch {torch.__version__}", len(labels), config["batch_size"], step)


if __name__ == "__main__":
    main()
