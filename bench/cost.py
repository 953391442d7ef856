"""Measures what learned noise costs beside the same training without it.

    python bench/cost.py --out docs/repro/cost.json

It prints and writes CPU seconds per epoch and per prediction of 2,000 images, and their ratios to
those without noise. Other programs on the machine hardly change CPU time.

Fashion-MNIST, preset "paper" (batch 256, Adam), device cpu. Numbers are medians of three calls. A
first call, which compiles, does not count.
"""

import argparse
import datetime
import json
import pathlib
import resource
import statistics
import warnings

import govpn

MODES = {
    "no noise": {"mode": "plain"},
    "gaussian": {"mode": "gaussian"},
    "VPN": {"mode": "joint"},
    "VPN, λ = 1": {"mode": "joint", "base_loss_weight": 1.0},
    "VPN, m = 4": {"mode": "joint", "noise_samples": 4},
}


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def median(function, repeat):
    """Returns the median of the CPU seconds of a call, after a first call that does not count."""
    seconds = []
    function()
    for _ in range(repeat):
        start = cpu_seconds()
        function()
        seconds.append(cpu_seconds() - start)
    return statistics.median(seconds)


def measure(base, options, images, labels, repeat):
    clf = govpn.VPNClassifier(
        base, preset="paper", device="cpu", epochs=0, random_state=0, verbose=0, **options
    )

    def epoch():
        clf.set_params(epochs=clf.epochs + 1).fit(images, labels, resume=clf.epochs > 1)

    seconds = {"training": median(epoch, repeat)}
    for noise in ("none", "classwise") if options["mode"] == "joint" else ("none",):
        seconds[noise] = median(lambda noise=noise: clf.predict(images[:2000], noise=noise), repeat)
    return seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore", govpn.GovpnWarning)

    images, labels = (a[: args.images] for a in govpn.datasets.fashion_mnist("train"))
    result = {"date": f"{datetime.date.today()}", "images": args.images, "repeat": args.repeat, "seconds": {}}
    for base in ("sr", "dnn3"):
        rows = {name: measure(base, o, images, labels, args.repeat) for name, o in MODES.items()}
        result["seconds"][base] = rows
        plain = rows["no noise"]
        for name, row in rows.items():
            ratios = {k: v / plain["none" if k != "training" else k] for k, v in row.items()}
            print(
                f"{base:5} {name:11}",
                *(f"{k} {v:.2f} s, × {ratios[k]:.1f};" for k, v in row.items()),
                flush=True,
            )
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
