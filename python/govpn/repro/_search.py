"""The search: settings are tried on validation data and confirmed on test data with fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import _settings
from ._cell import Difference, scores, signed
from ._document import FORMATS, Block, Document, Items
from ._rows import FIRST_FRESH, Result, Run
from ._study import Study

ROWS_OF_A_SETTING = ("baseline", "vpn-dnn3", "matched-dnn3", "power-dnn3")
# Comparisons over all settings: title, and the positions of two of the rows above.
COMPARED = (
    ("VPN − baseline", 1, 0),
    ("VPN − Gaussian of its mean σ", 1, 2),
    ("VPN − Gaussian of its RMS σ", 1, 3),
    ("Gaussian of the RMS σ − baseline", 3, 0),
)
CONDITIONS = ("noise 0.1", "noise 0.3", "blur 1 px", "contrast 0.5")


def runs_of(
    dataset: str, base: str, settings: Sequence[str], seeds: int, epochs: int, test: bool
) -> list[Run]:
    """Returns the baseline, VPN and its controls of each setting, seed by seed."""
    first = FIRST_FRESH if test else 0
    runs = [
        Run(dataset, base, row, seed, epochs, **_settings.SETTINGS[name], test=test)
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
    settings : list of names
        None takes all. An unknown name is an error that lists the known ones.
    seeds, epochs : int
    train : bool
        Whether to train what is missing. False only reports.
    options
        Those of `Study`.

    Returns
    -------
    SearchReport
        Also written to the folder as search.md and search.html.

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
    """Measures the settings that a search has chosen, on test data and with seeds that it has not seen.

    The parameters are those of `search`.

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
    _settings.check(settings or ())
    study = Study(**options)
    if train:
        plans = (
            runs_of(d, b, settings or list(_settings.SETTINGS), seeds, epochs, test)
            for d in datasets
            for b in bases
        )
        study.train(run for runs in plans for run in runs)
    report = SearchReport(study.results(), study.out, test, study.formats)
    report.save()
    return report


class SearchReport(Document):
    """What each setting earns: VPN minus the baseline, and minus noise of one σ. A notebook shows it."""

    def __init__(
        self, results: Sequence[Result], folder: Path, test: bool, formats: Sequence[str] = FORMATS
    ) -> None:
        self.folder, self.formats = folder, formats
        self.part = "test" if test else "validation"
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
        """Returns a line per data set, base, setting and number of epochs that has results."""
        return [
            [place, name, *self._line(of_epochs[epochs])]
            for place, name, of_epochs in self._found()
            for epochs in sorted(of_epochs, reverse=True)
        ]

    def after(self) -> list[Block]:
        """Returns what several settings say together, for each data set, base and number of epochs."""
        places: dict[tuple[str, int], list[list[list[Result]]]] = {}
        for place, _, of_epochs in self._found():
            for epochs, found in of_epochs.items():
                places.setdefault((place, epochs), []).append(found)
        blocks: list[Block] = []
        for (place, epochs), settings in places.items():
            if len(settings) > 1:
                title = f"{place}, {epochs} epochs: {len(settings)} settings together"
                blocks += [("title", title), ("text", TOGETHER), ("list", self._together(settings))]
        return blocks

    def _together(self, settings: list[list[list[Result]]]) -> Items:
        """Returns, per comparison, the median over the settings and in how many it is above 0."""
        items = []
        for title, first, second in COMPARED:
            said = []
            for condition in ("", *CONDITIONS):
                d = np.array(
                    [np.mean([self._minus(f[first], f[second], condition) for f in s]) for s in settings]
                )
                said.append(
                    f"{condition or 'as they are'} {signed(np.median(d))} ({np.sum(d > 0)} of {len(d)})"
                )
            items.append((f"{title}: {', '.join(said)}", ""))
        return items

    def _minus(self, first: Result, second: Result, condition: str) -> float:
        """Returns the first's accuracy minus the second's in points. "" is no condition."""
        a, b = self._hard((first, second), condition) if condition else self._scores((first, second))
        return 100 * (a - b)

    def _found(self) -> Iterator[tuple[str, str, dict[int, list[list[Result]]]]]:
        """Yields data set and base, setting, and what `_groups` returns, if there is any."""
        for dataset, base in sorted({(r["run"]["dataset"], r["run"]["base"]) for r in self.results.values()}):
            for name, fields in _settings.SETTINGS.items():
                if of_epochs := self._groups(dataset, base, fields):
                    yield f"{dataset}/{base}", name, of_epochs

    def _groups(self, dataset: str, base: str, fields: dict[str, Any]) -> dict[int, list[list[Result]]]:
        """Returns, by epochs, (baseline, VPN, both controls) of each seed that has them all."""
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

        def minus_controls(measure: Callable[[list[Result]], list[float]]) -> str:
            return "\n".join(_bold(Difference.of(measure(vpn), measure(control))) for control in controls)

        baseline = self._scores(plain)
        return [
            f"{100 * np.mean(baseline):.2f}",
            str(Difference.of(self._scores(vpn), baseline)),
            str(Difference.of(scores(vpn, "classwise", self.part), baseline)),
            minus_controls(self._scores),
            *(minus_controls(partial(self._hard, condition=c)) for c in CONDITIONS),
            "\n".join(f"{np.mean([r['std'][k] for r in vpn]):.3f}" for k in ("std_mean", "std_rms")),
            f"{len(found)} × {vpn[0]['run']['epochs']}",
        ]

    def _scores(self, results: Sequence[Result]) -> list[float]:
        """Returns the accuracies without noise."""
        return scores(results, "none", self.part)

    def _hard(self, results: Sequence[Result], condition: str) -> list[float]:
        """Returns the accuracies on images under a condition."""
        return [float(r[self.part]["corrupted"][condition]) for r in results]


def _bold(d: Difference | None) -> str:
    """Returns a difference, in bold if its interval is above 0."""
    return f"**{d}**" if d is not None and d.mean - d.half > 0 else str(d)


LEGEND = """\
The columns have the baseline's accuracy on {part} data in %, then paired differences in points with
Student's 95 % interval over the seeds. “Gaussian” is the same setting with noise of one σ. The upper
number takes the mean of the generator's σ in the same seed, the lower one its RMS, which gives the same
power.

The last four differences are on harder images: with Gaussian noise of σ 0.1 and 0.3, blurred by a
Gaussian of 1 pixel, and with half the contrast. Prediction adds no noise of its own. An interval above 0
is bold. Of so many intervals, one in forty is above 0 by chance.

If a setting does not say otherwise, σ is bounded from 0.01 to 0.3, κ is 1, and 5,000 images train."""
TOGETHER = """\
Differences in points: the median over the settings of the mean over the seeds, and in how many settings
that mean is above 0. The images are as they are, or under one of the conditions. Settings share seeds,
splits and images, so they are no independent trials."""
