"""The report of what σ explains. A reward for entropy lets the noise grow where it costs little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _plots, _settings
from ._cell import spread
from ._document import FORMATS, Block, Document
from ._figures import pictured
from ._rows import Result, Run
from ._study import Study

# The settings that are compared if none are given.
BETAS = (
    "5,000 images",
    "entropy reward β = 0.1",
    "entropy reward β = 0.01",
    "entropy reward β = 0.01, σ from 0.01 to 1",
)


class ExplainReport(Document):
    """What σ explains, setting by setting. A notebook shows it.

    Each line has Spearman's rank correlation of σ with the absolute input gradient, and the accuracy
    under noise that is placed in four ways.
    """

    name, title = "explain", "What σ explains"

    def __init__(self, results: Sequence[Result], folder: Path, formats: Sequence[str] = FORMATS) -> None:
        self.folder, self.formats, self.legend = folder, formats, LEGEND
        self.results = [r for r in results if "explanation" in r]

    def rows(self) -> list[list[str]]:
        """Returns a line per data set, base and setting."""
        groups: dict[tuple[str, str, str, int], list[Result]] = {}
        for r in self.results:
            run = Run(**r["run"])
            if (name := _settings.named(run)) is not None:
                groups.setdefault((run.dataset, run.base, name, run.epochs), []).append(r)
        return [_line(*key, found) for key, found in sorted(groups.items())]

    def grid(self) -> list[list[str]]:
        head = ["data, base", "setting", "mean σ", "rank correlation with the gradient", "RMS", *_PLACES]
        return [head, *self.rows()]

    def after(self) -> list[Block]:
        drawn = any((self.folder / f"explain.{suffix}").exists() for suffix in ("png", "svg"))
        return [("picture", "images, σ, gradients" if drawn else "")]


_PLACES = ("as σ", "evenly", "as σ, shuffled", "where the gradient is small")
LEGEND = """\
The rank correlation is Spearman's, over the pixels of an image, between σ at the true label and the
absolute input gradient. It is −1 if σ is large exactly where the gradient is small.

The columns on the right are accuracies in % under Gaussian noise of the same RMS per image. The noise is
placed in four ways and clipped to the pixel range.

All figures are of the first 1,000 validation images: means over the seeds ± standard deviation."""


def _line(dataset: str, base: str, name: str, epochs: int, found: list[Result]) -> list[str]:
    explained = [r["explanation"] for r in found]
    levels = list(explained[0]["accuracy"])
    places = [
        "\n".join(spread([100 * e["accuracy"][level][place] for e in explained], 1) for level in levels)
        for place in _PLACES
    ]
    std = f"{np.mean([r['std']['std_mean'] for r in found]):.3f}"
    setting = f"{name}; {len(found)} seed{'s' if len(found) > 1 else ''}, {epochs} epochs"
    correlation = spread([e["rank_correlation"] for e in explained], 3)
    return [f"{dataset}/{base}", setting, std, correlation, "\n".join(levels), *places]


def explain(
    datasets: Sequence[str] = ("fashion-mnist",),
    base: str = "dnn3",
    settings: Sequence[str] = BETAS,
    seeds: int = 3,
    epochs: int = 40,
    train: bool = True,
    **options: Any,
) -> ExplainReport:
    """Compares σ with input gradients in some settings of the search, on validation data.

    Writes a table, and a picture of the last setting's first seed. The parameters are those of `search`.

    >>> govpn.repro.explain(train=False, verbose=False).rows()
    []
    """
    _settings.check(settings)
    study = Study(**options)
    runs = [
        Run(dataset, base, "vpn-dnn3", seed, epochs, **_settings.SETTINGS[name], test=False)
        for seed in range(seeds)
        for dataset in datasets
        for name in settings
    ]
    if train:
        study.train(runs)
    last = [
        r for r in runs if r.seed == 0 and r.options == _settings.SETTINGS[settings[-1]].get("options", {})
    ]
    rows = [row for run in last for row in pictured(study, run, "gradient")]
    if rows:
        _plots.save(_plots.explanation(rows), study.out / "explain", study.formats, photographs=True)
    report = ExplainReport(study.results(), study.out, study.formats)
    report.save()
    return report
