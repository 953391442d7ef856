"""The paper's tables and figures, trained and drawn anew::

    python -m govpn.repro table1 --dataset fashion-mnist --base sr --seeds 5
    govpn.repro.table1(datasets=["fashion-mnist"], bases=["sr"], seeds=5)       # the same in a notebook

Every training run leaves a small JSON file in the folder `out`. Runs that have finished are never repeated,
interrupted ones go on where they stopped, and several processes or machines may work in one folder together.
Settings are chosen on validation data; a run looks at the test data once, at its end.

table1, table2, table3, table4 : the paper's Tables I to IV, with the controls that it lacks → Report
fig1, fig5, fig6 : variance heat maps and drawn noise → figure
fig3, fig4 : convergence, and the influence of m → figure

Needs govpn[notebook].
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from .. import datasets as datasets_
from ..errors import ArgumentError
from . import _data, _plots
from ._report import Report
from ._rows import GENERATORS, TABLES, Run, cells, columns, paper_epochs
from ._study import Study

__all__ = [
    "Report",
    "Run",
    "Study",
    "fig1",
    "fig3",
    "fig4",
    "fig5",
    "fig6",
    "table1",
    "table2",
    "table3",
    "table4",
]
Names = Sequence[str] | None


def table1(**options: Any) -> Report:
    """Table I: joint training on Fashion-MNIST and CIFAR-10. For the options see `table`."""
    return table("table1", **options)


def table2(**options: Any) -> Report:
    """Table II: joint training on Tiny ImageNet. For the options see `table`."""
    return table("table2", **options)


def table3(**options: Any) -> Report:
    """Table III: joint training of pretrained ResNets on ILSVRC2012, whose weights in torchvision's layout
    (resnet18.safetensors, ...) lie beside the images. For the options see `table`."""
    return table("table3", **options)


def table4(**options: Any) -> Report:
    """Table IV: a generator for a frozen base. For the options see `table`."""
    return table("table4", **options)


def table(
    name: str,
    datasets: Names = None,
    bases: Names = None,
    generators: Names = None,
    rows: Names = None,
    seeds: int = 5,
    epochs: int | None = None,
    images: int = 0,
    out: str | os.PathLike[str] = "govpn-repro",
    data: str | os.PathLike[str] | None = None,
    device: str = "auto",
    resume: bool = True,
    train: bool = True,
    verbose: bool = True,
) -> Report:
    """Trains what a table needs and is not there yet, and reports everything that is.

    datasets, bases, generators, rows : which part; None is all. The baseline is always a part
    seeds : 0 to seeds - 1. epochs : None is the paper's 40 for sr and dnn3, 100 for the others
    images : of the training set, a stratified subset; 0 is all
    out : the folder of the study. data : the folder of the data sets (see `govpn.datasets`)
    resume : whether interrupted runs go on, or begin anew. train=False only reports"""
    study = Study(out, data, device, resume, verbose)
    if train:
        study.train(runs_of(name, datasets, bases, generators, rows, seeds, epochs, images))
    report = Report(name, study.results(), study.out)
    report.save()
    return report


def runs_of(
    name: str,
    datasets: Names = None,
    bases: Names = None,
    generators: Names = None,
    rows: Names = None,
    seeds: int = 5,
    epochs: int | None = None,
    images: int = 0,
) -> list[Run]:
    """The runs of a table, all rows of a seed before the next seed."""
    if name not in TABLES:
        raise ArgumentError(f"table is {name!r}, want one of {', '.join(TABLES)}")
    if seeds < 1:
        raise ArgumentError(f"seeds is {seeds}, want at least 1")
    known = columns(name)
    _check("datasets", datasets, dict.fromkeys(d for d, _ in known))
    _check("bases", bases, dict.fromkeys(b for _, b in known))
    _check("generators", generators, GENERATORS)
    names = dict.fromkeys(row for row, _ in cells(name).values())
    _check("rows", rows, names)
    wanted = names if rows is None else {"baseline", *rows}
    chosen = [row for row in names if row in wanted and _has(row, generators)]
    runs = [
        Run(dataset, base, row, seed, paper_epochs(base) if epochs is None else epochs, images)
        for seed in range(seeds)
        for dataset, base in known
        if (datasets is None or dataset in datasets) and (bases is None or base in bases)
        for row in chosen
    ]
    return [run.baseline() if run.row == "baseline" else run for run in runs]


def _check(name: str, given: Names, known: Iterable[str]) -> None:
    if isinstance(given, str):
        raise ArgumentError(f"{name} is {given!r}, want a list of names")
    for value in given or ():
        if value not in known:
            raise ArgumentError(f"{name} has {value!r}, want of {', '.join(known)}")


def _has(row: str, generators: Names) -> bool:
    """Whether a row is of the baselines or of one of the generators."""
    generator = row.partition("-")[2] if row.startswith(("vpn", "matched", "frozen")) else None
    return generator is None or generators is None or generator in generators


def fig3(
    datasets: Sequence[str] = ("fashion-mnist", "cifar-10"),
    base: str = "dnn3",
    generator: str = "dnn3",
    seeds: int = 5,
    epochs: int | None = None,
    **options: Any,
) -> Any:
    """Figure 3: loss, training accuracy and, in place of the paper's test accuracy (test data is looked at
    once), validation accuracy by epoch; mean and range over the seeds."""
    study, train = _opened(options)
    rows = {
        "baseline": "baseline",
        "VPN": f"vpn-{generator}",
        "Gaussian, mean σ of VPN": f"matched-{generator}",
    }
    lines = {d: {n: _runs(d, base, r, seeds, epochs) for n, r in rows.items()} for d in datasets}
    panels = {
        "training loss, nats": "loss",
        "training accuracy": "accuracy",
        "validation accuracy": "val_accuracy",
    }
    return _curves(study, train, "fig3", lines, panels)


def fig4(
    datasets: Sequence[str] = ("fashion-mnist",),
    base: str = "dnn3",
    generator: str = "dnn3",
    seeds: int = 5,
    epochs: int | None = None,
    noise_samples: Sequence[int] = (1, 2, 4, 8),
    **options: Any,
) -> Any:
    """Figure 4: the influence of the number of noises m, by epoch; mean and range over the seeds."""
    study, train = _opened(options)
    lines = {
        d: {
            f"m = {m}": _runs(
                d, base, f"vpn-{generator}", seeds, epochs, {"noise_samples": m} if m > 1 else {}
            )
            for m in noise_samples
        }
        for d in datasets
    }
    panels = {"training loss, nats": "loss", "validation accuracy": "val_accuracy", "mean σ": "std_mean"}
    return _curves(study, train, "fig4", lines, panels)


def fig1(generator: str = "dnn3", epochs: int | None = None, base: str = "dnn3", **options: Any) -> Any:
    """Figure 1: two images of Fashion-MNIST, two of CIFAR-10 and five of Tiny ImageNet."""
    wanted = (("fashion-mnist", 2), ("cifar-10", 2), ("tiny-imagenet", 5))
    return _pictures("fig1", wanted, base, generator, epochs, options)


def fig5(generator: str = "dnn3", epochs: int | None = None, base: str = "dnn3", **options: Any) -> Any:
    """Figure 5: an image of each of the first ten classes of Tiny ImageNet."""
    return _pictures("fig5", (("tiny-imagenet", 10),), base, generator, epochs, options)


def fig6(generator: str = "dnn3", epochs: int | None = None, base: str = "dnn3", **options: Any) -> Any:
    """Figure 6: an image of each class of CIFAR-10."""
    return _pictures("fig6", (("cifar-10", 10),), base, generator, epochs, options)


# ---- inside ------------------------------------------------------------------------------------------------


def _opened(options: dict[str, Any]) -> tuple[Study, bool]:
    train = options.pop("train", True)
    return Study(**options), train


def _runs(
    dataset: str, base: str, row: str, seeds: int, epochs: int | None, options: dict[str, Any] | None = None
) -> list[Run]:
    epochs = paper_epochs(base) if epochs is None else epochs
    return [Run(dataset, base, row, seed, epochs, options=options or {}) for seed in range(seeds)]


def _curves(
    study: Study, train: bool, name: str, lines: dict[str, dict[str, list[Run]]], panels: dict[str, str]
) -> Any:
    if train:
        study.train(run for named in lines.values() for runs in named.values() for run in runs)
    histories = {
        title: {
            line: found
            for line, runs in named.items()
            if (found := [r["history"] for r in map(study.result, runs) if r])
        }
        for title, named in lines.items()
    }
    fig = _plots.curves(histories, panels)
    _plots.save(fig, study.out / name)
    return fig


def _pictures(
    name: str,
    wanted: Iterable[tuple[str, int]],
    base: str,
    generator: str,
    epochs: int | None,
    options: dict[str, Any],
) -> Any:
    study, train = _opened(options)
    runs = [(_runs(dataset, base, f"vpn-{generator}", 1, epochs)[0], count) for dataset, count in wanted]
    if train:
        study.train(run for run, _ in runs)
    rows = []
    for run, count in runs:
        found = study.noise_of(run)
        if found is None:
            raise ArgumentError(f"{name}: run {run.id} has not finished, want train=True")
        X, y = _data.load(run.dataset, run.seed, study.data).valid
        for i, std, noise in list(zip(found["index"], found["std"], found["noise"], strict=True))[:count]:
            title = getattr(y, "class_names", None) or datasets_.FASHION_MNIST_CLASSES
            rows.append((title[y[i]], X[i] / 255.0, std, noise))
    fig = _plots.noise(rows)
    _plots.save(fig, study.out / name)
    return fig
