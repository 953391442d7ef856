"""A folder of runs that any number of processes and machines fill together.

- runs/<id>.json is a finished run. It is never repeated.
- runs/<table>.jsonl holds finished runs that `pack` has gathered, a line each.
- runs/<id>.npz holds σ and drawn noise of a run that a figure may show.
- runs/<id>.lock says which process works on a run. The process touches the file while it works. After
  two minutes without a touch, another process takes the run over.
- runs/<id>.part is what an interrupted run has learned.
- weights/<id>.safetensors are weights from which other rows start. Delete them freely: they are trained
  again when they are needed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .._files import replace
from .._lib import path_bytes
from .._printable import printable
from .._reading import reading
from . import _data
from ._document import FORMATS, checked_formats
from ._lock import locked
from ._rows import PRETRAINED, ROWS, Result, Run, drawn_by_a_figure
from ._run import execute, learn, pictures, used
from ._runs import Runs, as_text


class Study:
    """Runs in a folder.

    Parameters
    ----------
    out : str or path
        The folder. It is made if it does not exist.
    data : str or path, optional
        The folder of the data sets. None looks in $GOVPN_DATA, then for shared/data beside the current
        folder or one of its parents.
    device : str
        That of `govpn.VPNClassifier`.
    resume : bool
        Whether interrupted runs go on. False begins them anew.
    verbose : bool
        Whether to print a line per run.
    formats : sequence of {"md", "html", "png", "svg"}
        The files that reports and figures write: tables as Markdown and HTML, pictures as PNG and SVG.

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
        formats: Iterable[str] = FORMATS,
    ) -> None:
        with reading("out", out, "the path of a folder"):
            self.out = Path(os.fsdecode(path_bytes(out)))
        self.data, self.device = _data.folder_of(data), device
        self.resume, self.verbose, self.formats = resume, verbose, checked_formats(formats)
        with reading("out", out, "a folder that can be written"):
            for folder in ("runs", "weights"):
                (self.out / folder).mkdir(parents=True, exist_ok=True)
        self._runs = Runs(self.out / "runs")

    def result(self, run: Run) -> Result | None:
        """Returns what a run has left, or None if it has not finished."""
        return self._runs.get(run.id)

    def results(self) -> list[Result]:
        """Returns all finished runs, packed or loose, sorted by id."""
        return self._runs.all()

    def noise_of(self, run: Run) -> dict[str, np.ndarray] | None:
        """Returns the arrays index, std, noise and gradient for the first image of each of ten classes.

        A run keeps them if a figure can show it: with seed 0, a generator, and all images or a reward
        for entropy. Otherwise this returns None.
        """
        path = self._file(run, ".npz")
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return dict(arrays)

    def train(self, runs: Iterable[Run]) -> None:
        """Finishes all runs and those that they need. Other processes may work in the folder, too."""
        todo = list(dict.fromkeys(r for run in runs for r in (*_chain(run), run)))
        count = len(todo)
        while todo := [run for run in todo if not self._runs.has(run.id)]:
            ready = (r for r in todo if (needed := r.needed()) is None or self._runs.has(needed.id))
            for run in ready:
                with self._locked(run) as mine:
                    if mine:
                        self._say(f"[{count - len(todo) + 1}/{count}] {run.id}")
                        self._train(run)
                        break
            else:
                time.sleep(2)  # other processes work on all that is left

    def _train(self, run: Run) -> None:
        if self._runs.has(run.id):
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
            replace(self._weights(run), lambda p: clf.export_safetensors(p, part="base"))
        if "explanation" in result and drawn_by_a_figure(run):
            arrays = pictures(clf, data.valid)
            replace(self._file(run, ".npz"), lambda p: _savez(p, arrays))
        replace(self._file(run, ".json"), lambda p: p.write_text(as_text(result)))
        part.unlink(missing_ok=True)
        accuracy = 100 * result["validation"]["none"]["accuracy"]
        self._say(f"    {accuracy:.2f} % of the validation images, {result['seconds']} s, {result['device']}")

    def _weights_for(self, run: Run) -> Path:
        """Returns the published weights of a base, or those of the run's baseline.

        If the baseline's weights are missing, it is trained again.
        """
        if run.dataset == PRETRAINED:
            return self.data / f"{run.base}.safetensors"
        base = run.baseline()
        if not self._weights(base).exists():
            self._say(f"    the weights of {base.id} are missing: trained again")
            data = used(base, _data.load(base.dataset, base.seed, self.data))
            clf, _ = learn(base, data, self.device)
            replace(self._weights(base), lambda p: clf.export_safetensors(p, part="base"))
        return self._weights(base)

    def _file(self, run: Run, suffix: str) -> Path:
        return self.out / "runs" / (run.id + suffix)

    def _weights(self, run: Run) -> Path:
        return self.out / "weights" / (run.id + ".safetensors")

    def _say(self, text: str) -> None:
        if self.verbose:
            print(printable(text), flush=True)

    @contextlib.contextmanager
    def _locked(self, run: Run) -> Iterator[bool]:
        """Yields whether the run is this process's until the end of the block."""
        with locked(self._file(run, ".lock")) as lock:
            yield lock is not None


def _chain(run: Run) -> Iterator[Run]:
    """Yields the runs that a run needs, in the order in which they must be trained."""
    if (needed := run.needed()) is not None:
        yield from _chain(needed)
        yield needed


def _savez(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, allow_pickle=True, **arrays)
