"""A folder of runs that any number of processes and machines fill together.

runs/<id>.json is a finished run, and is never repeated. runs/<id>.lock says who is at it; its holder touches
it, and others take it over when it has not been touched for two minutes. runs/<id>.part is what an
interrupted run has learned. weights/<id>.safetensors are for rows that start from them; they may be deleted,
and are trained again when they are needed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import _data
from ._rows import PRETRAINED, ROWS, Run
from ._run import execute, learn, pictures, used

_STALE = 120.0  # seconds without a touch after which a lock is nobody's


class Study:
    """Runs in a folder.

    Parameters
    ----------
    out : the folder; it is made
    data : the folder of the data sets; None looks in $GOVPN_DATA, and for shared/data beside this folder or a
        parent
    device : of `govpn.VPNClassifier`
    resume : bool, whether interrupted runs go on, or begin anew
    verbose : bool, whether to print a line per run

    Examples
    --------
    >>> study = govpn.repro.Study("my-study", device="go", verbose=False)
    >>> run = govpn.repro.Run("fashion-mnist", "sr", "baseline", epochs=1, images=256, eval_images=100)
    >>> study.train([run])
    >>> 0 <= study.result(run)["test"]["none"]["accuracy"] <= 1
    True
    """

    def __init__(
        self,
        out: str | os.PathLike[str] = "govpn-repro",
        data: str | os.PathLike[str] | None = None,
        device: str = "auto",
        resume: bool = True,
        verbose: bool = True,
    ) -> None:
        self.out, self.data, self.device = Path(out), _data.folder_of(data), device
        self.resume, self.verbose = resume, verbose
        for folder in ("runs", "weights"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)

    def result(self, run: Run) -> dict[str, Any] | None:
        """What a finished run has left; None before."""
        path = self._file(run, ".json")
        return json.loads(path.read_text()) if path.exists() else None

    def results(self) -> list[dict[str, Any]]:
        """All finished runs."""
        return [json.loads(p.read_text()) for p in sorted((self.out / "runs").glob("*.json"))]

    def noise_of(self, run: Run) -> dict[str, np.ndarray] | None:
        """index, std, noise and gradient (see `pictures`); kept for seed 0 of rows with a generator."""
        path = self._file(run, ".npz")
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return dict(arrays)

    def train(self, runs: Iterable[Run]) -> None:
        """Finishes all runs, and those that they need, beside other processes that work in the folder."""
        todo = list(dict.fromkeys(r for run in runs for r in (*_chain(run), run)))
        count = len(todo)
        while todo := [run for run in todo if not self._file(run, ".json").exists()]:
            ready = (r for r in todo if (needed := r.needed()) is None or self.result(needed))
            for run in ready:
                with self._locked(run) as mine:
                    if mine:
                        self._say(f"[{count - len(todo) + 1}/{count}] {run.id}")
                        self._train(run)
                        break
            else:
                time.sleep(2)  # others are at what is left

    def _train(self, run: Run) -> None:
        if self._file(run, ".json").exists():
            return
        part = self._file(run, ".part")
        if not self.resume:
            part.unlink(missing_ok=True)
        data = _data.load(run.dataset, run.seed, self.data)
        starts_from = ROWS[run.row].needs == "baseline" or run.dataset == PRETRAINED
        clf, result = execute(
            run,
            data,
            self.device,
            needed=self.result(needed) if (needed := run.needed()) else None,
            weights=self._weights_for(run) if starts_from else None,
            teacher=self._weights_for(run) if run.teacher else None,
            part=part,
            show=self._say,
        )
        if run.row == "baseline" and run.epochs:
            self._replace(self._weights(run), lambda p: clf.export_safetensors(p, part="base"))
        kept = run.test or "entropy_weight" in run.options
        if "explanation" in result and run.seed == 0 and kept:
            arrays = pictures(clf, data.valid)
            self._replace(self._file(run, ".npz"), lambda p: _savez(p, arrays))
        self._replace(self._file(run, ".json"), lambda p: p.write_text(as_text(result)))
        part.unlink(missing_ok=True)
        accuracy = 100 * result["validation"]["none"]["accuracy"]
        self._say(f"    {accuracy:.2f} % of the validation images, {result['seconds']} s, {result['device']}")

    def _weights_for(self, run: Run) -> Path:
        """The published weights of a base, or those of the run's baseline, trained again where missing."""
        if run.dataset == PRETRAINED:
            return self.data / f"{run.base}.safetensors"
        base = run.baseline()
        if not self._weights(base).exists():
            self._say(f"    the weights of {base.id} are missing: trained again")
            data = used(base, _data.load(base.dataset, base.seed, self.data))
            clf, _ = learn(base, data, self.device)
            self._replace(self._weights(base), lambda p: clf.export_safetensors(p, part="base"))
        return self._weights(base)

    def _file(self, run: Run, suffix: str) -> Path:
        return self.out / "runs" / (run.id + suffix)

    def _weights(self, run: Run) -> Path:
        return self.out / "weights" / (run.id + ".safetensors")

    def _say(self, text: str) -> None:
        if self.verbose:
            print(text, flush=True)

    @staticmethod
    def _replace(path: Path, write: Any) -> None:
        """Writes beside the file and renames."""
        beside = path.with_name(f".{os.getpid()}-{path.name}")
        try:
            write(beside)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, run: Run) -> Iterator[bool]:
        """Whether the run is this process's until the end of the block."""
        path = self._file(run, ".lock")
        if not _take(path):
            yield False
            return
        done = threading.Event()
        touch = threading.Thread(target=_keep_touching, args=(path, done), daemon=True)
        touch.start()
        try:
            yield True
        finally:
            done.set()
            touch.join()
            path.unlink(missing_ok=True)


def _chain(run: Run) -> Iterator[Run]:
    """What a run needs, first things first."""
    if (needed := run.needed()) is not None:
        yield from _chain(needed)
        yield needed


def _take(path: Path) -> bool:
    try:
        if time.time() - path.stat().st_mtime < _STALE:
            return False
        old = path.with_name(f".{socket.gethostname()}-{os.getpid()}-{path.name}")
        os.rename(path, old)  # one process alone succeeds
        old.unlink()
    except FileNotFoundError:
        pass
    try:
        with open(path, "x") as lock:
            lock.write(f"{socket.gethostname()} {os.getpid()}\n")
    except FileExistsError:
        return False
    return True


def _keep_touching(path: Path, done: threading.Event) -> None:
    while not done.wait(_STALE / 6):
        with contextlib.suppress(OSError):
            os.utime(path)


def _savez(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def as_text(result: dict[str, Any]) -> str:
    """JSON with a line per entry."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in result.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
