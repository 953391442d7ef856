"""Measures govpn beside PyTorch (eager and compiled) and JAX: every row of rows.py in one run.

    python bench/run.py                                  # about an hour on 2 idle cores
    python bench/run.py --rows 'joint/dnn3/*' --rounds 1 --batches 0.05      # to see that it works
    python bench/run.py --device cuda

Every contestant of a row is a process (worker.py). All run on the same --threads cores and do the
same work: float32 (TF32 on cuda), Adam, λ = 1, bounded σ, one noise per image drawn at every step.
Images are uint8 and lie on the device. Batches are gathered by index. The loss is read back at
every step. A frozen base runs in inference mode and gets no gradient.

Some contestants have variants. Without batch norm, training takes clean and noisy images in one
pass of the base or in two, as govpn does. Classwise inference goes class by class, or takes all
classes as one batch. All variants are tried, and the fastest one runs.

A round is one epoch of each contestant in turn. The first round compiles and does not count. A
ratio is the median over the rounds of the ratio within a round. The results are speed.json,
speed.md and speed.png.
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
import threading
import time

import report
import rows

HERE = pathlib.Path(__file__).resolve().parent
CONTESTANTS = {  # name → program, module that it imports
    "govpn": ("peers_govpn.py", "govpn"),
    "govpn-go": ("peers_govpn.py", "govpn"),
    "torch": ("peers_torch.py", "torchvision"),
    "torch-compile": ("peers_torch.py", "torchvision"),
    "jax": ("peers_jax.py", "optax"),
}
PASSES = {
    "cpu": (2560, 160),
    "cuda": (20480, 2560),
}  # passes in a batch over all classes: dense, convolutional


def variants(name, row, device):
    """Returns the variants of a contestant, of which the fastest one runs."""
    if name.startswith("govpn"):
        return [""]
    if row.task == "classwise":
        return ["loop", str(max(row.classes, PASSES[device][0 if row.dense else 1]))]
    passes = (
        ["", "two passes"] if row.task == "joint" and row.base != "resnet18" else [""]
    )  # with batch norm, one pass
    return passes + (["graphs"] if name == "torch-compile" and device == "cuda" and row.trains else [])


class Contestant:
    """A running contestant. worker.py has the protocol."""

    def __init__(self, name, job, args):
        self.name, self.timeout = name, args.timeout
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115, close does
        cores = sorted(os.sched_getaffinity(0))[: args.threads or None]
        env = os.environ | {k: str(len(cores)) for k in ("OMP_NUM_THREADS", "GOMAXPROCS", "NPROC")}
        env["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # other contestants need the device, too
        env.setdefault("VIRTUAL_ENV", sys.prefix)  # where govpn looks for the plugin of cpu
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", HERE / CONTESTANTS[name][0], json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=env,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def answer(self):
        late = threading.Timer(self.timeout, self.process.kill)
        late.start()
        try:
            for line in self.process.stdout:
                with contextlib.suppress(json.JSONDecodeError):
                    return json.loads(line)
        finally:
            late.cancel()
        status = self.process.wait()
        self.log.seek(0)
        raise RuntimeError(f"status {status}: " + "".join(self.log.readlines()[-4:]).strip()[-600:])

    def round(self):
        with contextlib.suppress(BrokenPipeError):  # answer says why
            self.process.stdin.write("round\n")
            self.process.stdin.flush()
        return self.answer()

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.log.close()


def start(name, row, args):
    """Starts a contestant in its fastest variant. Returns it, and what its first round told."""
    best, others, errors = None, {}, []
    options = variants(name, row, args.device)
    for variant in options:
        device = "go" if name == "govpn-go" else args.device
        job = row.job(args.device, args.batches) | {"device": device, "variant": variant, "contestant": name}
        c = Contestant(name, job, args)
        try:
            ready = c.answer()
            about = {"version": ready["ready"], "parameters": ready["parameters"], "variant": variant}
            about["first_s"] = c.round().get("first_s")
            seconds = others[variant] = c.round()["seconds"] if len(options) > 1 else 0.0
        except RuntimeError as error:
            errors.append(f"{variant} {error}".strip())
            c.close()
            continue
        if best is None or seconds < best[0]:
            best, c = (seconds, c, about), best and best[1]
        if c:
            c.close()
    if best is None:
        return None, {"error": "; ".join(errors)}
    return best[1], best[2] | ({"variants_s": others} if len(options) > 1 else {}) | {"rounds": []}


def contestants(row, names, args):
    """Returns the contestants of a row: `go` only if the row has a target for it."""
    return [n for n in names if n != "govpn-go" or row.target(args.device)[2]]


def race(row, names, args):
    """Measures a row. Returns everything by contestant."""
    results, running, images = {}, [], None
    for name in contestants(row, names, args):
        c, results[name] = start(name, row, args)
        running += [c] if c else []
        print(
            f"  {name}: {results[name].get('error') or results[name]['variant'] or 'ready'}", file=sys.stderr
        )
    job = row.job(args.device, args.batches)
    images = job["batch"] * job["batches"]
    for _ in range(args.rounds):
        for c in list(running):
            time.sleep(args.pause)  # until the threads of the contestant before have stopped spinning
            try:
                answer = c.round()
            except RuntimeError as error:
                running.remove(c)
                results[c.name] |= {"error": str(error)}
                continue
            results[c.name]["rounds"].append(images / answer["seconds"])
            results[c.name] |= {k: answer[k] for k in ("loss", "rss_mib", "device_mib")}
    for c in running:
        c.close()
    return {"images": images, "batch": job["batch"], "contestants": results} | check(row, results)


def check(row, results):
    """Compares the contestants. Other parameters end the program, other losses give a warning."""
    done = {n: r for n, r in results.items() if r.get("rounds") and "error" not in r}
    for r in done.values():
        r["images_per_second"] = statistics.median(r["rounds"])
    if len({r["parameters"] for r in done.values()}) > 1:
        raise SystemExit(f"bench: {row.name}: parameters {[(n, r['parameters']) for n, r in done.items()]}")
    losses = [r["loss"] for r in done.values() if r["loss"] is not None]
    wide = len(losses) > 1 and max(losses) > 1.25 * min(losses)
    return {"warning": f"losses from {min(losses):.3f} to {max(losses):.3f}"} if wide else {}


def installed(names):
    found = []
    for name in names:
        module = CONTESTANTS[name][1]
        if importlib.util.find_spec(module):
            found.append(name)
        else:
            print(f"bench: left out: {name} needs {module} (bench/requirements.txt)", file=sys.stderr)
    return found


def processor():
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def arguments(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--rows", nargs="+", default=["*"], help="patterns such as 'joint/*', default all")
    p.add_argument(
        "--only", nargs="+", default=list(CONTESTANTS), choices=list(CONTESTANTS), help="contestants"
    )
    p.add_argument("--rounds", type=int, default=5, help="default 5")
    p.add_argument("--batches", type=float, default=1.0, help="factor on the batches of a round, default 1")
    p.add_argument("--threads", type=int, help="cores for each contestant; default 2, on cuda and for 0 all")
    p.add_argument("--pause", type=float, default=0.5, help="seconds between turns, default 0.5")
    p.add_argument("--timeout", type=float, default=1800, help="seconds for a round with compilation")
    p.add_argument("--out", type=pathlib.Path, default=HERE.parent / "build" / "bench", help="folder")
    args = p.parse_args(argv)
    if args.rounds < 1 or args.batches <= 0:
        p.error("want at least 1 round and a factor above 0")
    if args.threads is None:
        args.threads = 0 if args.device == "cuda" else 2
    return args


def measure(args, **more):
    """Measures all rows. Writes the report after every row, so that an interrupted run leaves what it has."""
    load = os.getloadavg()[0]
    if load > 0.5:
        print(
            f"bench: the load is {load:.1f} before the start: the figures are not worth much", file=sys.stderr
        )
    names = installed(args.only if args.device == "cpu" else [n for n in args.only if n != "govpn-go"])
    about = {"date": datetime.date.today().isoformat(), "cpu": processor(), "load_before": load}
    about |= {k: getattr(args, k) for k in ("device", "threads", "rounds", "batches")} | more
    about |= {"rows": {}}
    args.out.mkdir(parents=True, exist_ok=True)
    for row in rows.select(args.rows, args.device):
        print(row.name, file=sys.stderr)
        result = about["rows"][row.name] = race(row, names, args)
        result["ratios"] = report.ratios(row, result, args.device)
        (args.out / "speed.json").write_text(json.dumps(about, indent=1) + "\n")
    (args.out / "speed.md").write_text(report.table(about))
    report.plot(about, args.out / "speed.png")
    return about


if __name__ == "__main__":
    print(report.table(measure(arguments())))
