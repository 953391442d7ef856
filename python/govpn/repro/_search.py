"""Settings in which learned noise might earn what noise of one σ does not, and those beyond the paper: tried
on validation data, confirmed on test data with fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ._cell import Difference, Result, score
from ._document import Document
from ._rows import Run
from ._study import Study

FEW = {"images": 5000}
BOUNDED = {"std": "bounded", "label_coefficient": 1.0}  # the library's defaults, over the paper's preset


def _few(**options: Any) -> dict[str, Any]:
    return FEW | {"options": BOUNDED | options}


# name: fields of Run. All but the first two have 5,000 training images.
SETTINGS: dict[str, dict[str, Any]] = {
    "1,000 images": {"images": 1000, "options": BOUNDED},
    "20,000 images": {"images": 20000, "options": BOUNDED},
    "5,000 images": _few(),
    "the paper's σ = |o|, κ = 0.01": FEW,
    "σ of RMS 0.1": _few(std="rms"),
    "σ from 0.05 to 0.5": _few(std_range=[0.05, 0.5]),
    "σ from 0.1 to 1": _few(std_range=[0.1, 1.0]),
    "λ = 1": _few(base_loss_weight=1.0),
    "m = 4": _few(noise_samples=4),
    "Laplace noise": _few(noise_distribution="laplace"),
    "uniform noise": _few(noise_distribution="uniform"),
    "entropy reward β = 0.01": _few(entropy_weight=0.01),
    "entropy reward β = 0.01, σ from 0.01 to 1": _few(entropy_weight=0.01, std_range=[0.01, 1.0]),
    "entropy reward β = 0.1": _few(entropy_weight=0.1),
    "entropy reward β = 0.1, λ = 1": _few(entropy_weight=0.1, base_loss_weight=1.0),
    "entropy reward β = 0.5, σ from 0.01 to 1": _few(entropy_weight=0.5, std_range=[0.01, 1.0]),
    "label as embedding": _few(label_fusion="embedding"),
    "label as one-hot planes": _few(label_fusion="plane"),
    "label as FiLM": _few(label_fusion="film"),
    "noise at hidden layer 1, σ from 0.1 to 1": _few(noise_layer=1, std_range=[0.1, 1.0]),
    "noise at hidden layer 2, σ from 0.1 to 1": _few(noise_layer=2, std_range=[0.1, 1.0]),
    "label smoothing 0.1": _few(label_smoothing=0.1),
    "soft labels, half the baseline's": _few() | {"teacher": 0.5},
    "20 % wrong labels": _few() | {"label_noise": 0.2},
    "40 % wrong labels": _few() | {"label_noise": 0.4},
    "40 % wrong labels, σ from 0.1 to 1": _few(std_range=[0.1, 1.0]) | {"label_noise": 0.4},
    "40 % wrong labels, β = 0.1": _few(entropy_weight=0.1) | {"label_noise": 0.4},
}
ROWS_OF_A_SETTING = ("baseline", "vpn-dnn3", "matched-dnn3", "power-dnn3")
CONDITIONS = ("noise 0.1", "noise 0.3", "blur 1 px", "contrast 0.5")
_FIRST_FRESH = 100  # the first seed of a confirmation


def named(run: Run) -> str | None:
    """The setting that a run belongs to."""
    same = (k for k, f in SETTINGS.items() if run == Run(*_place(run), **f, test=run.test))
    return next(same, None)


def _place(run: Run) -> tuple[str, str, str, int, int]:
    return run.dataset, run.base, run.row, run.seed, run.epochs


def runs_of(
    dataset: str, base: str, settings: Sequence[str], seeds: int, epochs: int, test: bool
) -> list[Run]:
    """The baseline, VPN and its control of each setting, seed by seed."""
    first = _FIRST_FRESH if test else 0
    runs = [
        Run(dataset, base, row, seed, epochs, **SETTINGS[name], test=test)
        for seed in range(first, first + seeds)
        for name in settings
        for row in ROWS_OF_A_SETTING
    ]
    return list(dict.fromkeys(r.baseline() if r.row == "baseline" else r for r in runs))


def search(
    datasets: Sequence[str] = ("fashion-mnist", "cifar-10"),
    bases: Sequence[str] = ("dnn3",),
    settings: Sequence[str] | None = None,
    seeds: int = 3,
    epochs: int = 40,
    train: bool = True,
    **options: Any,
) -> SearchReport:
    """Tries settings on validation data: each beside its baseline and beside noise of one σ.

    Parameters
    ----------
    datasets, bases : lists of names
    settings : list of names; None is all. An unknown name is an error that lists them
    seeds, epochs : int
    train : bool, whether what is missing is trained
    options : those of `Study`

    Returns
    -------
    SearchReport : also written to the folder as search.md and .html

    Examples
    --------
    >>> govpn.repro.search(train=False, verbose=False).part
    'validation'
    >>> govpn.repro.search(settings=["more luck"])
    Traceback (most recent call last):
    ...
    govpn.errors.ArgumentError: settings has 'more luck', want of ...
    """
    return _tried(datasets, bases, settings, seeds, epochs, train, False, options)


def confirm(
    settings: Sequence[str],
    datasets: Sequence[str] = ("fashion-mnist", "cifar-10"),
    bases: Sequence[str] = ("dnn3",),
    seeds: int = 5,
    epochs: int = 40,
    train: bool = True,
    **options: Any,
) -> SearchReport:
    """Measures settings that a search has chosen on test data, with seeds that it has not seen. The
    parameters are those of `search`.

    >>> govpn.repro.confirm(["λ = 1"], train=False, verbose=False).part
    'test'
    """
    return _tried(datasets, bases, settings, seeds, epochs, train, True, options)


def _tried(
    datasets: Sequence[str],
    bases: Sequence[str],
    settings: Sequence[str] | None,
    seeds: int,
    epochs: int,
    train: bool,
    test: bool,
    options: dict[str, Any],
) -> SearchReport:
    check(settings or ())
    study = Study(**options)
    if train:
        plans = (
            runs_of(d, b, settings or list(SETTINGS), seeds, epochs, test) for d in datasets for b in bases
        )
        study.train(run for runs in plans for run in runs)
    report = SearchReport(study.results(), study.out, test)
    report.save()
    return report


def check(settings: Sequence[str]) -> None:
    """Refuses names that are none of SETTINGS."""
    for name in settings:
        if name not in SETTINGS:
            raise ArgumentError(f"settings has {name!r}, want of {'; '.join(SETTINGS)}")


class SearchReport(Document):
    """What each setting earns: VPN minus the baseline, and minus noise of one σ. A notebook shows it."""

    def __init__(self, results: Sequence[Result], folder: Path, test: bool) -> None:
        self.folder, self.part = folder, "test" if test else "validation"
        self.name = "confirm" if test else "search"
        self.title = "Search: confirmed" if test else "Search: settings tried on validation data"
        self.legend = LEGEND.format(part=self.part)
        self.results = {r["id"]: r for r in results if r["run"]["test"] == test}

    def grid(self) -> list[list[str]]:
        head = [
            "data, base",
            "setting",
            "baseline",
            "VPN − baseline",
            "classwise − baseline",
            "VPN − Gaussian",
        ]
        head += [f"{c}: VPN − Gaussian" for c in CONDITIONS] + ["σ: mean, RMS", "seeds × epochs"]
        return [head, *self.rows()]

    def rows(self) -> list[list[str]]:
        """A line per data set, base, setting and number of epochs that has results."""
        lines = []
        for dataset, base in sorted({(r["run"]["dataset"], r["run"]["base"]) for r in self.results.values()}):
            for name, fields in SETTINGS.items():
                of_epochs = self._groups(dataset, base, fields)
                for epochs in sorted(of_epochs, reverse=True):
                    lines.append([f"{dataset}/{base}", name, *self._line(of_epochs[epochs])])
        return lines

    def _groups(self, dataset: str, base: str, fields: dict[str, Any]) -> dict[int, list[list[Result]]]:
        """By epochs: (baseline, VPN and both controls) of each seed that has them all."""
        of_epochs: dict[int, list[list[Result]]] = {}
        for r in self.results.values():
            run = Run(**r["run"])
            if run != Run(dataset, base, "vpn-dnn3", run.seed, run.epochs, **fields, test=run.test):
                continue
            controls = [Run(**(vars(run) | {"row": row})) for row in ROWS_OF_A_SETTING[2:]]
            ids = [r.id for r in (run.baseline(), run, *controls)]
            if all(i in self.results for i in ids):
                of_epochs.setdefault(run.epochs, []).append([self.results[i] for i in ids])
        return of_epochs

    def _line(self, found: list[list[Result]]) -> list[str]:
        plain, vpn, *controls = (list(column) for column in zip(*found, strict=True))

        def of(results: list[Result], noise: str = "none") -> list[float]:
            return [score(r, noise, self.part) for r in results]

        def hard(results: list[Result], condition: str) -> list[float]:
            return [r[self.part]["corrupted"][condition] for r in results]

        def minus_controls(measure: Any) -> str:
            return "\n".join(_bold(Difference.of(measure(vpn), measure(control))) for control in controls)

        return [
            f"{100 * np.mean(of(plain)):.2f}",
            str(Difference.of(of(vpn), of(plain))),
            str(Difference.of(of(vpn, "classwise"), of(plain))),
            minus_controls(of),
            *(minus_controls(lambda results, c=c: hard(results, c)) for c in CONDITIONS),
            "\n".join(f"{np.mean([r['std'][k] for r in vpn]):.3f}" for k in ("std_mean", "std_rms")),
            f"{len(found)} × {vpn[0]['run']['epochs']}",
        ]


def _bold(d: Difference) -> str:
    """Bold where the interval is above 0."""
    return f"**{d}**" if d.mean - d.half > 0 else str(d)


LEGEND = (
    "Accuracy on {part} data in %; paired differences in points with Student's 95 % interval over the "
    "seeds. “Gaussian” is the same setting with noise of one σ: above, the generator's mean in the same "
    "seed; below, its RMS, the same power. The last four differences are on images with Gaussian noise of"
    " σ 0.1 and 0.3, blurred by a Gaussian of 1 pixel, and with half the contrast; without noise of our "
    "own in prediction. Bold: the interval is above 0; of so many intervals, one in forty is by chance. "
    "Where the table does not say otherwise, σ is bounded from 0.01 to 0.3, κ is 1, and 5,000 images "
    "train."
)
