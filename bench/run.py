"""Times a joint training step of govpn, PyTorch and JAX side by side: the same work, in turns.

    python bench/run.py                  # about five minutes on an idle machine
    python bench/run.py --rounds 1 --batches 2 --only go,torch      # to see that it works

The work: base and generator dnn3, joint, 28x28x1 images, float32, Adam, bounded sigma, m = 1, noise drawn at
every step, batches gathered by index from uint8 images that stay on the device, the loss read back at every
step. Every contestant is one process, all on the same --threads cores. A round is one epoch of each in turn;
the first round, which compiles, does not count. Written are a JSON file and a Markdown table, with the median
over rounds and the median of the ratios to eager PyTorch within a round.
"""

import argparse
import contextlib
import datetime
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import worker

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
REFERENCE = "torch"
CONTESTANTS = {
    "go": ("govpn, device go", None),
    "cpu": ("govpn, device cpu (XLA)", None),
    "torch": ("PyTorch, eager", "torch"),
    "torch-fused": ("PyTorch, eager, fused Adam", "torch"),
    "torch-compile": ("PyTorch, torch.compile, fused Adam", "torch"),
    "jax": ("JAX, jit", "optax"),
}
CONFIG = {
    "base": "dnn3",
    "generator": "dnn3",
    "mode": "joint",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "noise_samples": 1,
    "label_encoding": "scaled",
    "label_coefficient": 0.01,
    "std": "bounded",
    "std_range": [0.01, 0.3],
    "seed": 0,
}


def build():
    """Builds the Go contestant and returns its path."""
    program = ROOT / "build" / "bench-step"
    program.parent.mkdir(exist_ok=True)
    env = os.environ | {"GOEXPERIMENT": "simd"}
    subprocess.run(["go", "build", "-o", program, "./bench/step"], cwd=ROOT, env=env, check=True)
    return program


def command(name, program, folder, config):
    text = json.dumps(config)
    if name in ("go", "cpu"):
        return [program, "-device", name, "-data", folder, "-config", text]
    script, *options = name.split("-")
    if options == ["compile"]:
        options = ["compile", "fused"]
    return [sys.executable, HERE / f"peers_{script}.py", folder, text, *options]


class Contestant:
    """A running contestant; see worker.py for what it says."""

    def __init__(self, name, argv, cores):
        env = os.environ | {"OMP_NUM_THREADS": str(len(cores)), "GOMAXPROCS": str(len(cores))}
        env.setdefault("VIRTUAL_ENV", sys.prefix)  # where govpn looks for the plugin of cpu
        self.name = name
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def answer(self):
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                return json.loads(line)
        raise RuntimeError(f"{self.name} ended with status {self.process.wait()}")

    def epoch(self):
        self.process.stdin.write("epoch\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def race(names, args, program, folder, config):
    """Images per second, all rounds and their median, of every contestant that starts."""
    cores, running, rows = sorted(os.sched_getaffinity(0))[: args.threads], [], {}
    for name in names:
        c = Contestant(name, command(name, program, folder, config), cores)
        try:
            rows[name] = {
                "description": c.answer()["ready"],
                "first_epoch_s": c.epoch()["seconds"],
                "rounds": [],
            }
            running.append(c)
        except RuntimeError as error:
            rows.pop(name, None)
            print(f"bench: left out: {error}", file=sys.stderr)
    for _ in range(args.rounds):
        for c in running:
            time.sleep(args.pause)  # until the threads of the one before have stopped spinning
            result = c.epoch()
            rows[c.name]["rounds"].append(args.batches * args.batch / result["seconds"])
            rows[c.name]["loss"] = result["loss"]
    for c in running:
        c.close()
    for row in rows.values():
        row["images_per_second"] = statistics.median(row["rounds"])
        if REFERENCE in rows:
            pairs = zip(row["rounds"], rows[REFERENCE]["rounds"], strict=True)
            row["ratio"] = statistics.median(a / b for a, b in pairs)
    return rows


def table(report):
    """The report as Markdown."""
    head = "Joint training step, dnn3 with dnn3, 28×28×1, batch {batch}, {threads} threads, {cpu}, {date}"
    lines = [
        f"{head.format(**report)}; medians of {report['rounds']} rounds in turns.",
        "",
        "| λ | contestant | × eager PyTorch | images/s | lowest | highest | loss at the end | version |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for weight, rows in report["results"].items():
        for name, r in rows.items():
            ratio = f"{r['ratio']:.2f}" if "ratio" in r else "–"
            speeds = (r["images_per_second"], min(r["rounds"]), max(r["rounds"]))
            cells = [weight, CONTESTANTS[name][0], ratio, *(f"{s:,.0f}" for s in speeds)]
            lines.append(f"| {' | '.join(cells)} | {r['loss']:.3f} | {r['description']} |")
    return "\n".join(lines) + "\n"


def cpu():
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=7, help="default 7")
    p.add_argument("--batches", type=int, default=40, help="batches of an epoch, default 40")
    p.add_argument("--batch", type=int, default=256, help="images of a batch, default 256")
    p.add_argument("--threads", type=int, default=2, help="cores for each contestant, default 2")
    p.add_argument("--weights", default="1,0", help="values of lambda, default 1,0")
    p.add_argument("--only", default=",".join(CONTESTANTS), help=f"of {', '.join(CONTESTANTS)}")
    p.add_argument("--pause", type=float, default=0.5, help="seconds between turns, default 0.5")
    p.add_argument("--out", default=str(ROOT / "build" / "bench"), help="path of the results, without suffix")
    return p.parse_args()


def main():
    args = arguments()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(
            f"bench: the load is {load:.1f} before the start: the figures will not be worth much",
            file=sys.stderr,
        )
    names = []
    for name in args.only.split(","):
        module = CONTESTANTS[name][1]
        if module is None or importlib.util.find_spec(module):
            names.append(name)
        else:
            print(f"bench: left out: {name} needs {module} (bench/requirements.txt)", file=sys.stderr)
    program = build()
    report = {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu(),
        "load_before": load,
        "config": CONFIG,
        **{k: getattr(args, k) for k in ("threads", "batch", "batches", "rounds")},
        "results": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        worker.write_data(folder, args.batches * args.batch)
        for weight in args.weights.split(","):
            config = CONFIG | {"batch_size": args.batch, "base_loss_weight": float(weight)}
            report["results"][weight] = race(names, args, program, folder, config)
    pathlib.Path(f"{args.out}.json").write_text(json.dumps(report, indent=1) + "\n")
    pathlib.Path(f"{args.out}.md").write_text(table(report))
    print(table(report))


if __name__ == "__main__":
    main()
