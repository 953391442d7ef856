"""Measures how the cost of govpn grows, and how good estimate_memory is.

    python bench/growth.py [--device cpu] [--base dnn3] [--only batch draws] --out build/bench

Every point is measured in --repeat processes of few steps. The expected time of a training step, or
of one image in classwise inference:

    batch        a + b·batch            the optimiser's pass over the weights, then work per image
    noise        a + b·m                the base's passes over 1 + m images; a: one pass of the generator
    size         a + b·pixels           convolutions, and the first and last weights of dense networks
    classes      a + b·K                a pass of the generator and of the base per class
    draws        a + b·K·samples        both passes per class and draw

The peak memory of training follows the same laws. That of classwise inference does not grow,
because it computes in chunks of a bounded size. The figure is the smallest of the processes, which
have one arena of glibc's malloc. Other arenas keep memory that another thread has freed, and how
much differs from run to run by up to a half. Lines in the plots are least-squares fits of a and b.
The distance is that of the farthest point.
"""

import argparse
import datetime
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import warnings

import numpy as np
import rows
from report import BLUE, GREY, ORANGE
from worker import clock, data

MIB, HERE = 1 << 20, pathlib.Path(__file__).resolve().parent
POINT = {"batch": 64, "noises": 1, "classes": 10, "side": 28, "draws": 1}
AXES = {  # name → what grows, unit of time, task, points
    "batch": ("batch size", "step", "joint", [{"batch": b} for b in (32, 64, 128, 256, 512)]),
    "noise": ("noises per image, m", "step", "joint", [{"noises": m} for m in (1, 2, 4, 8)]),
    "size": ("pixels, H·W", "step", "joint", [{"side": s} for s in (16, 24, 32, 48, 64)]),
    "classes": ("classes, K", "image", "classwise", [{"classes": k} for k in (10, 25, 50, 100, 200)]),
    "draws": (
        "classes × draws, K·samples",
        "image",
        "classwise",
        [{"classes": k, "draws": s} for k, s in ((10, 1), (10, 4), (25, 4), (50, 4), (100, 3))],
    ),
}


def value(axis, p):
    """Returns where a point lies on its axis."""
    return {"size": p["side"] ** 2, "draws": p["classes"] * p["draws"], "noise": p["noises"]}.get(axis) or p[
        axis
    ]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(job, draws):
    """Measures a point in this process: seconds of a step or an image, and MiB above the engine itself."""
    import govpn
    import peers_govpn

    warnings.simplefilter("ignore", govpn.GovpnWarning)
    options = {"device": job["device"], "random_state": 0, "verbose": 0, "batch_size": 4, "epochs": 1}
    images, labels = data(job)
    govpn.VPNClassifier("sr", mode="plain", **options).fit(images[:4, :4, :4], [0, 1, 0, 1])
    before = peak()
    clf = peers_govpn.classifier(job, epochs=4)
    part = "training" if job["task"] == "joint" else "classwise"
    estimate = clf.estimate_memory(job["shape"], job["classes"], len(images))[part]["host_bytes"]
    if part == "training":
        seconds = statistics.median(clf.fit(images, labels).history_["seconds"][1:]) / job["batches"]
    else:
        clf, times = peers_govpn.with_weights(job), []
        for _ in range(4):
            start = clock()
            clf.predict(images, noise="classwise", samples=draws)
            times.append((clock() - start) / len(images))
        seconds = statistics.median(times[1:])
    return {"seconds": seconds, "peak_mib": peak() - before, "estimated_mib": estimate / MIB}


def point(axis, p, args):
    """Measures a point in processes of its own: the median of their seconds, the smallest of their peaks."""
    p = POINT | p
    job = rows.CONFIG | {"task": AXES[axis][2], "base": args.base, "generator": "dnn3", "dtype": "float32"}
    job |= {"shape": (p["side"], p["side"], 1), "classes": p["classes"], "noise_samples": p["noises"]}
    job |= {
        "batch": p["batch"],
        "batches": args.steps if job["task"] == "joint" else 1,
        "device": args.device,
    }
    command = [sys.executable, "-W", "ignore", __file__, "--one", json.dumps(job), str(p["draws"])]
    result, runs = {"x": value(axis, p), **p}, []
    for _ in range(args.repeat):
        out = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"MALLOC_ARENA_MAX": "1"}
        )
        if out.returncode:
            result["error"] = out.stderr.strip()[-400:]
            break
        runs.append(json.loads(out.stdout.splitlines()[-1]))
    else:
        result |= {"seconds": statistics.median(r["seconds"] for r in runs)}
        result |= {k: min(r[k] for r in runs) for k in ("peak_mib", "estimated_mib")}
    print(f"{axis} {result}", flush=True)
    return result


def line(points, key):
    """Fits a + b·x by least squares. Returns a, b and the largest relative distance of a point."""
    x, y = (np.array([p[k] for p in points], float) for k in ("x", key))
    b, a = np.polyfit(x, y, 1)
    return float(a), float(b), float(np.max(np.abs(a + b * x - y) / y))


def laws(report):
    """Adds the fitted lines, and the largest distance of the estimated from the measured memory."""
    for axis in report["axes"].values():
        done = [p for p in axis["points"] if "error" not in p]
        if len(done) > 1:
            names = ("a", "b", "largest_distance")
            axis["law"] = {k: dict(zip(names, line(done, k), strict=True)) for k in ("seconds", "peak_mib")}
            axis["estimate_off"] = max(abs(p["estimated_mib"] / p["peak_mib"] - 1) for p in done)


def plot(report, path):
    """Draws a column per axis: the time above, the memory below."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    axes = {n: a for n, a in report["axes"].items() if "law" in a}
    figure, grid = pyplot.subplots(
        2, len(axes), figsize=(3 * len(axes), 5.4), layout="constrained", squeeze=False
    )
    for column, (name, axis) in zip(grid.T, axes.items(), strict=True):
        what, unit, _, _ = AXES[name]
        done = [p for p in axis["points"] if "error" not in p]
        x = np.array([p["x"] for p in done])
        for panel, key, factor, label in zip(
            column, ("seconds", "peak_mib"), (1000, 1), (f"ms per {unit}", "peak memory, MiB"), strict=True
        ):
            law = axis["law"][key]
            panel.plot(x, [p[key] * factor for p in done], "o", color=BLUE, label="measured")
            panel.plot(x, (law["a"] + law["b"] * x) * factor, color=GREY, linewidth=1, label="a + b·x")
            panel.set_ylabel(label, fontsize=9)
            panel.set_xlabel(what, fontsize=9)
            panel.set_title(f"within {law['largest_distance']:.0%} of the line", fontsize=8, color=GREY)
            panel.set_xlim(0, 1.05 * max(x))
            panel.spines[["top", "right"]].set_visible(False)
        column[1].plot(x, [p["estimated_mib"] for p in done], "x", color=ORANGE, label="estimate_memory")
        for panel in column:
            panel.set_ylim(0, 1.08 * panel.get_ylim()[1])
    handles, names = grid[1, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    about = f"govpn, {report['base']} with dnn3, device {report['device']}, {report['date']}"
    figure.suptitle(about, fontsize=10)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main():
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(json.loads(sys.argv[2]), int(sys.argv[3]))))
        return
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", choices=["go", "cpu", "cuda"], default="cpu")
    p.add_argument("--base", default="dnn3")
    p.add_argument(
        "--steps",
        type=int,
        default=8,
        help="of an epoch, default 8; of four epochs, the first does not count",
    )
    p.add_argument("--repeat", type=int, default=3, help="processes per point, default 3")
    p.add_argument("--only", nargs="+", choices=list(AXES), default=list(AXES))
    p.add_argument("--out", type=pathlib.Path, default=HERE.parent / "build" / "bench", help="folder")
    args = p.parse_args()
    report = {"date": datetime.date.today().isoformat(), "device": args.device, "base": args.base}
    report["axes"] = {a: {"points": [point(a, q, args) for q in AXES[a][3]]} for a in args.only}
    laws(report)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "growth.json").write_text(json.dumps(report, indent=1) + "\n")
    plot(report, args.out / "growth.png")
    for name, axis in report["axes"].items():
        if "law" in axis:
            print(f"{name}: {axis['law']}, estimate off by up to {axis['estimate_off']:.0%}")


if __name__ == "__main__":
    main()
