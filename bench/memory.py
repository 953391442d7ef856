"""Compares the memory that training takes with what estimate_memory says.

    python bench/memory.py [--device go cpu] [--base dnn3 resnet18 vit] [--batch 16 64 256]

Every row is a process of its own. Its figure is the peak resident size less the size before.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

MIB = 1 << 20


def measure(device: str, base: str, batch: int) -> dict[str, float]:
    """Measures a row in this process."""
    import govpn
    import numpy as np

    shape = (28, 28, 1) if base in ("sr", "dnn3") else (32, 32, 3)
    x = np.random.default_rng(0).integers(0, 256, (3 * batch, *shape), np.uint8)
    y = np.arange(len(x)) % 10
    common = {"batch_size": batch, "epochs": 1, "device": device, "random_state": 0, "verbose": 0}
    govpn.VPNClassifier("sr", mode="plain", **common).fit(x[:64, :4, :4], y[:64])  # loads the engine itself
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = govpn.VPNClassifier(base, restore_best=False, **common)
    estimated = model.estimate_memory(shape, 10, len(x))["training"]["host_bytes"] / MIB
    model.fit(x, y)
    return {
        "estimated": estimated,
        "measured": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--device", nargs="*", default=["go", "cpu"])
    p.add_argument("--base", nargs="*", default=["dnn3", "resnet18", "vit"])
    p.add_argument("--batch", nargs="*", type=int, default=[16, 64, 256])
    p.add_argument("--one", action="store_true", help="one row, in this process")
    a = p.parse_args()
    if a.one:
        print(json.dumps(measure(a.device[0], a.base[0], a.batch[0])))
        return
    print("| device | base | batch | estimated MiB | measured MiB | ratio |", "| --- " * 6 + "|", sep="\n")
    for device, base, batch in [(d, b, n) for d in a.device for b in a.base for n in a.batch]:
        row = ["--device", device, "--base", base, "--batch", str(batch)]
        out = subprocess.run(
            [sys.executable, __file__, "--one", *row], capture_output=True, text=True, check=False
        )
        if out.returncode:
            print(f"| {device} | {base} | {batch} | {out.stderr.strip().splitlines()[-1]} | | |", flush=True)
            continue
        estimated, measured = json.loads(out.stdout.splitlines()[-1]).values()
        figures = f"{estimated:.0f} | {measured:.0f} | {estimated / measured:.2f}"
        print(f"| {device} | {base} | {batch} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
