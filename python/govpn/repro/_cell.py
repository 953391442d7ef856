"""From the results of runs to the figures of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._rows import ROWS, Run, cells, paper_epochs, printed

Result = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """A mean over pairs of the same seed, with Student's 95 % interval; in points."""

    mean: float
    half: float  # of the interval; NaN for one pair
    pairs: int

    @classmethod
    def of(cls, values: Sequence[float], reference: Sequence[float]) -> Difference | None:
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

    run: Run  # the first of them
    values: tuple[float, ...]
    seeds: tuple[int, ...]
    to_baseline: Difference | None  # None for the baseline itself, or without one of the same seeds
    paper: float | None
    std: tuple[float, float] | None  # mean and RMS of σ, of rows with a generator

    def lines(self) -> list[str]:
        """What the table shows."""
        shown = [spread(self.values, 2)]
        if self.to_baseline is not None:
            shown.append(str(self.to_baseline))
        if self.paper is not None:
            shown.append(f"paper {self.paper:.2f}")
        return shown + ([self.mark()] if self.mark() else [])

    def mark(self) -> str:
        """What is not as it should be: 5 seeds, the paper's epochs, all images."""
        n = len(self.seeds)
        marks = [f"{n} seed{'s' if n > 1 else ''}"] if n < 5 else []
        if self.run.epochs not in (0, paper_epochs(self.run.base)):
            marks.append(f"{self.run.epochs} epoch{'s' if self.run.epochs > 1 else ''}")
        marks += [f"{self.run.images:,} images"] if self.run.images else []
        marks += [f"{self.run.eval_images:,} test images"] if self.run.eval_images else []
        return ", ".join(marks)


def spread(values: Sequence[float], digits: int) -> str:
    """Mean ± standard deviation."""
    sd = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{sd}".replace("-", "−")


def signed(value: float) -> str:
    """Two decimals and a sign that is not a hyphen."""
    return f"{value:+.2f}".replace("-", "−")


def score(result: Result, noise: str, part: str = "test") -> float | None:
    """An accuracy of a result, 0 to 1; None where it was not measured."""
    measured = (result[part] or {}).get(noise)
    return measured["accuracy"] if measured else None


def cell(table: str, line: str, dataset: str, base: str, results: Sequence[Result]) -> Cell | None:
    """The cell that the results give, of the runs that have seen the most images; None without any."""
    row, noise = cells(table)[line]
    fitting = [r for r in results if score(r, noise) is not None and _is(r, dataset, base, row)]
    if not fitting:
        return None
    group = max(_seen(r) for r in fitting)
    chosen = sorted((r for r in fitting if _seen(r) == group), key=lambda r: r["run"]["seed"])
    by_id = {r["id"]: r for r in results}
    runs = [Run(**r["run"]) for r in chosen]
    frozen = ROWS[row].options["mode"] == "frozen"  # without noise, it is the very base that was trained on
    others = [r if frozen else by_id.get(run.baseline().id) for r, run in zip(chosen, runs, strict=True)]
    pairs = [
        (score(r, noise), score(b, "none")) for r, b in zip(chosen, others, strict=True) if b is not None
    ]
    pairs = pairs if row != "baseline" else []
    std = [[r["std"][k] for r in chosen if r["std"]] for k in ("std_mean", "std_rms")]
    return Cell(
        runs[0],
        tuple(100 * score(r, noise) for r in chosen),
        tuple(run.seed for run in runs),
        Difference.of(*zip(*pairs, strict=True)) if pairs else None,
        printed(table, line, dataset, base),
        (float(np.mean(std[0])), float(np.mean(std[1]))) if std[0] else None,
    )


def _is(result: Result, dataset: str, base: str, row: str) -> bool:
    """Whether a result is of that row of a table, and not of a variant."""
    run = Run(**result["run"])
    return run == Run(dataset, base, row, run.seed, run.epochs, run.images, run.eval_images)


def _seen(result: Result) -> tuple[int, int, int]:
    run = result["run"]
    return run["epochs"] * result["data"]["train"], run["epochs"], result["data"]["test"]


def between(first: Cell | None, second: Cell | None) -> Difference | None:
    """The first minus the second, over the seeds that both have."""
    if first is None or second is None or first.run.epochs != second.run.epochs:
        return None
    if (first.run.images, first.run.eval_images) != (second.run.images, second.run.eval_images):
        return None
    seeds = [s for s in first.seeds if s in second.seeds]
    values = ([c.values[c.seeds.index(s)] / 100 for s in seeds] for c in (first, second))
    return Difference.of(*values)
