"""Runs everything on one NVIDIA GPU: versions, parity with the host, then every row of rows.py.

    python bench/cuda.py                                  # build/bench/cuda, bench/results/cuda-DATE.json
    python bench/cuda.py --device cpu --dry-run           # the same code on the host, small, no result kept

It needs neither network nor Go. It needs a built library (GOVPN_LIBRARY, or an installed govpn),
jax[cuda12] or jax[cuda13], whose plugin govpn finds, torch with CUDA, and the rest of
bench/requirements.txt. The other options are those of run.py.

No figures exist yet: no machine with a GPU was at hand. This file has only run as --dry-run.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import report
import run

HERE = pathlib.Path(__file__).resolve().parent
BASES = {"sr": (28, 28, 1), "dnn3": (28, 28, 1), "resnet18": (32, 32, 3), "vit_tiny_patch4": (32, 32, 3)}
# Largest relative differences that float32 explains. FIRST is for a first step's loss and for logits of the
# same weights. LATER is for the next losses: batch norm and Adam have amplified the rounding by then.
FIRST, LATER = 1e-3, 5e-2
STEPS, IMAGES = 4, 16


def versions(device):
    """Returns what computes: plugin, driver and GPU. Ends the program if the device does not open."""
    import govpn

    found = {d["device"]: d for d in govpn.devices()}
    about = {"govpn": govpn.__version__, "plugin": found[device]["plugin"], "why": found[device]["why"]}
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        out = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
        about["gpu"], about["driver"], about["gpu_memory"] = (x.strip() for x in out.split(","))
    about["packages"] = packages()
    print(json.dumps(about, indent=1))
    if not found[device]["available"]:
        raise SystemExit(f"bench: device {device} does not open: {found[device]['why']}")
    reference = next(d for d in ("cpu", "go") if found[d]["available"] and d != device)
    return about, reference


def packages():
    import importlib.metadata as m

    want = ("jax", "jaxlib", "torch", "nvidia-cudnn", "nvidia-cublas", "optax", "torchvision", "numpy")
    names = {d.metadata["Name"]: d.version for d in m.distributions()}
    return {n: v for n, v in sorted(names.items()) if n and n.lower().startswith(want)}


def trained(base, device, weights, write):
    """Returns losses of a few joint steps, and logits and σ of the weights in a file.

    One of the devices writes the file. The devices draw different noise from the same seed, so the σ of the
    steps is too small to matter.
    """
    import govpn

    rng, shape = np.random.default_rng(0), BASES[base]
    x, y = rng.integers(0, 256, (IMAGES, *shape), np.uint8), np.arange(IMAGES) % 10
    common = {"device": device, "random_state": 1, "verbose": 0, "batch_size": IMAGES, "epochs": STEPS}
    steps = {"base_loss_weight": 1.0, "schedule": "constant", "std_range": (1e-8, 1e-7)}
    clf = govpn.VPNClassifier(base, "dnn3", **steps, **common).fit(x, y)
    if write:
        clf.export_safetensors(weights)
    same = govpn.VPNClassifier(base, "dnn3", **common).import_safetensors(weights, shape, 10)
    found = {"logits": same.decision_function(x), "labels": same.predict(x), "std": same.noise_std(x, y)}
    return {"losses": clf.history_["loss"]} | {k: v.ravel().tolist() for k, v in found.items()}


def compute(base, device, weights, write):
    """Calls `trained` in a process of its own, without TF32 if NVIDIA's libraries heed that."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", base, device, weights, str(int(write))]
    env = os.environ | {"NVIDIA_TF32_OVERRIDE": "0"}
    env.setdefault("VIRTUAL_ENV", sys.prefix)
    out = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def apart(a, b):
    """Returns the largest difference, relative to the largest value."""
    a, b = np.array(a), np.array(b)
    return float(np.abs(a - b).max() / np.abs(a).max())


def parity(device, reference, bases):
    """Returns how both devices differ for every family of bases. Ends the program if they differ too much."""
    rows, bad = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for base in bases:
            weights = os.path.join(folder, f"{base}.safetensors")
            want, got = (compute(base, d, weights, d == reference) for d in (reference, device))
            rows[base] = {
                "first_loss": apart(want["losses"][:1], got["losses"][:1]),
                "later_losses": apart(want["losses"][1:], got["losses"][1:]),
                "logits": apart(want["logits"], got["logits"]),
                "std": apart(want["std"], got["std"]),
                "other_labels": float(np.mean(np.array(want["labels"]) != np.array(got["labels"]))),
            }
            text = ", ".join(f"{k} {v:.1e}" for k, v in rows[base].items())
            print(f"parity {base}, {device} with {reference}: {text}", flush=True)
            limits = {
                "first_loss": FIRST,
                "later_losses": LATER,
                "logits": FIRST,
                "std": FIRST,
                "other_labels": 0,
            }
            bad += [
                f"{base} {k} {rows[base][k]:.2g}" for k, most in limits.items() if not rows[base][k] <= most
            ]
    if bad:
        raise SystemExit(
            f"bench: no parity of {device} with {reference}, nothing is measured: {'; '.join(bad)}"
        )
    return {"reference": reference, "relative_differences": rows}


def main():
    if sys.argv[1:2] == ["--one"]:
        base, device, weights, write = sys.argv[2:]
        print(json.dumps(trained(base, device, weights, write == "1")))
        return
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    p.add_argument("--dry-run", action="store_true", help="one round of the smallest rows, no result kept")
    p.add_argument("--parity", nargs="*", default=list(BASES), choices=list(BASES), help="bases, default all")
    own, others = p.parse_known_args()
    small = ["--rounds", "1", "--batches", "0.02", "--rows", "*/sr/*", "none/dnn3", "classwise/dnn3/*/10"]
    out = HERE.parent / "build" / "bench" / ("dry-run" if own.dry_run else "cuda")
    defaults = ["--device", own.device, "--out", str(out), *(small if own.dry_run else [])]
    args = run.arguments([*defaults, *others])
    if own.device != "cuda" and not own.dry_run:
        p.error("--device cpu is for --dry-run; bench/run.py measures the CPU")
    about, reference = versions(own.device)
    result = run.measure(args, **about, parity=parity(own.device, reference, own.parity))
    print(report.table(result))
    if not own.dry_run:
        path = HERE / "results" / f"cuda-{datetime.date.today().isoformat()}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"bench: wrote {path}")


if __name__ == "__main__":
    main()
