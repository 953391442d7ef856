"""Joint training of ResNets beside eager PyTorch with torchvision: images per second and peak memory.

    python bench/convnet.py --base resnet18 --generator dnn3 resnet18 --base-loss-weight 0 1 --out build/bench

Both train on the same 32x32x3 images in float32 with Adam, noise drawn at every step. They run in turns,
each in a process of its own: a rate is the median over the steps after the first two, and over the rounds;
the peak is the process's largest resident set, everything included.
"""

import argparse
import itertools
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

SHAPE, CLASSES = (32, 32, 3), 10


def data(batch):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (batch, *SHAPE), np.uint8), np.arange(batch, dtype=np.int32) % CLASSES


def govpn_steps(c):
    import govpn

    names = ("base", "generator", "batch_size", "device", "base_loss_weight")
    clf = govpn.VPNClassifier(epochs=c["steps"], verbose=0, random_state=0, **{k: c[k] for k in names})
    images, labels = data(c["batch_size"])
    return clf.fit(images, labels).history_["seconds"]  # an epoch is one step


def torch_steps(c):
    import torch
    import torchvision
    from torch import nn
    from torch.nn.functional import cross_entropy, interpolate
    from torchvision.models.resnet import BasicBlock

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            net = torchvision.models.resnet18()
            self.stem = nn.Sequential(net.conv1, net.bn1, nn.ReLU(), net.maxpool)
            widths = [64, 64, 128, 256, 64]
            net.inplanes = 64
            stages = [net._make_layer(BasicBlock, w, 2, min(i, 2)) for i, w in enumerate(widths) if i]
            self.stages = nn.Sequential(*stages)
            self.head = nn.Conv2d(64, SHAPE[2], 3, padding=1, bias=False)

        def forward(self, u):
            x = interpolate(self.stages(self.stem(u)), SHAPE[:2], mode="bilinear", align_corners=True)
            return self.head(x)

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    base = getattr(torchvision.models, c["base"])(num_classes=CLASSES)
    base.conv1, base.maxpool = nn.Conv2d(SHAPE[2], 64, 3, padding=1, bias=False), nn.Identity()
    d = int(np.prod(SHAPE))
    layers = [
        nn.Flatten(),
        nn.Linear(d, 1024),
        nn.ReLU(),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Linear(1024, d),
    ]
    dnn3 = nn.Sequential(*layers, nn.Unflatten(1, (SHAPE[2], *SHAPE[:2])))
    generator = Generator() if c["generator"] == "resnet18" else dnn3
    for module in (base, generator):
        module.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam([*base.parameters(), *generator.parameters()], fused=True)
    images, labels = data(c["batch_size"])
    images, labels = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels).long()

    seconds = []
    for _ in range(c["steps"]):
        start = time.perf_counter()
        x = images.float() / 255
        sigma = 0.01 + 0.29 * torch.sigmoid(generator(x + labels[:, None, None, None] / (CLASSES - 1)))
        noisy, weight = x + sigma * torch.randn_like(x), c["base_loss_weight"]
        if weight:
            clean, dirty = base(torch.cat([x, noisy])).chunk(2)
            loss = cross_entropy(dirty, labels) + weight * cross_entropy(clean, labels)
        else:
            loss = cross_entropy(base(noisy), labels)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        seconds.append(time.perf_counter() - start)
    return seconds


CONTESTANTS = {"govpn": govpn_steps, "torch": torch_steps}


def measure(name, config):
    """One contestant in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--worker", name, json.dumps(config)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def worker(name, config):
    """Says on standard output what one contestant needed."""
    seconds = CONTESTANTS[name](json.loads(config))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": statistics.median(seconds[2:]), "peak_mib": peak}))


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--base", default=["resnet18"], nargs="+", choices=["resnet18", "resnet34", "resnet50"])
    p.add_argument("--generator", default=["dnn3", "resnet18"], nargs="+", choices=["dnn3", "resnet18"])
    p.add_argument("--base-loss-weight", default=[0.0, 1.0], nargs="+", type=float)
    p.add_argument("--batch", default=64, type=int)
    p.add_argument("--device", default="cpu", choices=["cpu", "go"])
    p.add_argument("--steps", default=10, type=int)
    p.add_argument("--rounds", default=3, type=int)
    p.add_argument("--out", default="build/bench", type=pathlib.Path)
    a = p.parse_args()
    if min(a.steps - 2, a.rounds, a.batch - 1) < 1:
        p.error("want at least 3 steps, 1 round and 2 images")
    return a


def main():
    a, rows = options(), []
    print("| base | generator | λ | images/s | × PyTorch | peak MiB | ÷ PyTorch |\n|" + " --- |" * 7)
    for base, generator, weight in itertools.product(a.base, a.generator, a.base_loss_weight):
        config = {"base": base, "generator": generator, "base_loss_weight": weight}
        config |= {"batch_size": a.batch, "device": a.device, "steps": a.steps}
        runs = {name: [] for name in CONTESTANTS}
        for name in list(runs) * a.rounds:
            runs[name].append(measure(name, config))
        rate = {k: a.batch / statistics.median(r["seconds"] for r in v) for k, v in runs.items()}
        peak = {k: max(r["peak_mib"] for r in v) for k, v in runs.items()}
        speed, memory = rate["govpn"] / rate["torch"], peak["govpn"] / peak["torch"]
        names = f"| {base} | {generator} | {weight:g} | "
        print(f"{names}{rate['govpn']:.1f} | {speed:.2f} | {peak['govpn']:.0f} | {memory:.2f} |", flush=True)
        rows.append({**config, "runs": runs})
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / f"convnet-{a.device}.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        main()
