"""The figures of a table's cell, computed from the results of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ._rows import ROWS, Result, Run, cells, paper_epochs, printed


@dataclass(frozen=True)
class Difference:
    """A mean over pairs of the same seed with Student's 95 % interval, in points."""

    mean: float
    half: float  # half the width of the interval; NaN for one pair
    pairs: int

    @classmethod
    def of(cls, values: Sequence[float], reference: Sequence[float]) -> Difference | None:
        """Returns the values minus the reference, both 0 to 1. Without a pair it returns None."""
        if not len(values):
            return None
        from scipy import stats

        d = 100 * (np.asarray(values) - np.asarray(reference))
        n = len(d)
        half = stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
        return cls(float(d.mean()), float(half), n)

    def __str__(self) -> str:
        low, high = self.mean - self.half, self.mean + self.half
        return signed(self.mean) + (f" [{signed(low)}, {signed(high)}]" if self.pairs > 1 else "")


@dataclass(frozen=True)
class Cell:
    """Accuracies in % of the seeds that have finished, all with the same epochs and images."""

    run: Run  # of the lowest seed
    values: tuple[float, ...]
    seeds: tuple[int, ...]
    to_baseline: Difference | None  # None for the baseline itself, and without a baseline of the same seed
    paper: float | None
    std: tuple[float, float] | None  # mean and RMS of σ; None without a generator

    def lines(self) -> list[str]:
        """Returns what the table shows."""
        shown = [spread(self.values, 2)]
        if self.to_baseline is not None:
            shown.append(str(self.to_baseline))
        if self.paper is not None:
            shown.append(f"paper {self.paper:.2f}")
        return shown + ([self.mark()] if self.mark() else [])

    def mark(self) -> str:
        """Returns what deviates from 5 seeds, the paper's epochs and all images."""
        n = len(self.seeds)
        marks = [f"{n} seed{'s' if n > 1 else ''}"] if n < 5 else []
        if self.run.epochs not in (0, paper_epochs(self.run.base)):
            marks.append(f"{self.run.epochs} epoch{'s' if self.run.epochs > 1 else ''}")
        marks += [f"{self.run.images:,} images"] if self.run.images else []
        marks += [f"{self.run.eval_images:,} test images"] if self.run.eval_images else []
        return ", ".join(marks)


def spread(values: Sequence[float], digits: int) -> str:
    """Returns mean ± standard deviation."""
    sd = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{sd}".replace("-", "−")


def signed(value: float | np.floating) -> str:
    """Returns two decimals with a sign, which is a minus and no hyphen."""
    return f"{value:+.2f}".replace("-", "−")


def score(result: Result, noise: str, part: str = "test") -> float | None:
    """Returns an accuracy of a result, 0 to 1, or None if it was not measured."""
    measured = (result[part] or {}).get(noise)
    return float(measured["accuracy"]) if measured else None


def scores(results: Iterable[Result], noise: str, part: str = "test") -> list[float]:
    """Returns an accuracy of every result. Each of them must have measured it."""
    return [float(r[part][noise]["accuracy"]) for r in results]


def cell(table: str, line: str, dataset: str, base: str, results: Sequence[Result]) -> Cell | None:
    """Returns the cell that the results give, or None if no run belongs to it.

    Runs may differ in their epochs and images. The cell takes those that have seen the most images.
    """
    row, noise = cells(table)[line]
    fitting = [r for r in results if score(r, noise) is not None and _is(r, dataset, base, row)]
    if not fitting:
        return None
    group = max(_seen(r) for r in fitting)
    chosen = sorted((r for r in fitting if _seen(r) == group), key=lambda r: int(r["run"]["seed"]))
    by_id = {r["id"]: r for r in results}
    runs = [Run(**r["run"]) for r in chosen]
    frozen = ROWS[row].options["mode"] == "frozen"  # without noise it is the base that was trained on
    baselines = [r if frozen else by_id.get(run.baseline().id) for r, run in zip(chosen, runs, strict=True)]
    pairs = [(r, b) for r, b in zip(chosen, baselines, strict=True) if b is not None and row != "baseline"]
    std = [r["std"] for r in chosen if r["std"]]
    return Cell(
        runs[0],
        tuple(100 * value for value in scores(chosen, noise)),
        tuple(run.seed for run in runs),
        Difference.of(scores((r for r, _ in pairs), noise), scores((b for _, b in pairs), "none")),
        printed(table, line, dataset, base),
        _means(std) if std else None,
    )


def _means(std: Sequence[Result]) -> tuple[float, float]:
    mean, rms = (float(np.mean([s[k] for s in std])) for k in ("std_mean", "std_rms"))
    return mean, rms


def _is(result: Result, dataset: str, base: str, row: str) -> bool:
    """Returns whether a result is of that row of a table, and not of a variant."""
    run = Run(**result["run"])
    return run == Run(dataset, base, row, run.seed, run.epochs, run.images, run.eval_images)


def _seen(result: Result) -> tuple[int, int, int]:
    """Returns a measure of how much a run has seen: training images, epochs, test images."""
    run = result["run"]
    return run["epochs"] * result["data"]["train"], run["epochs"], result["data"]["test"]


def between(first: Cell | None, second: Cell | None) -> Difference | None:
    """Returns the first minus the second over the seeds that both have.

    Cells of other epochs or images are not compared: the answer is None.
    """
    if first is None or second is None or first.run.epochs != second.run.epochs:
        return None
    if (first.run.images, first.run.eval_images) != (second.run.images, second.run.eval_images):
        return None
    seeds = [s for s in first.seeds if s in second.seeds]
    values = ([c.values[c.seeds.index(s)] / 100 for s in seeds] for c in (first, second))
    return Difference.of(*values)
