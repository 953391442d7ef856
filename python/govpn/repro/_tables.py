"""The paper's tables: the runs that they need, and their reports."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from .. import _params
from .._reading import reading, shown
from ..errors import ArgumentError
from ._document import FORMATS
from ._report import Report
from ._rows import GENERATORS, TABLES, Run, cells, columns, paper_epochs
from ._study import Study

Names = Sequence[str] | None


def table1(**options: Any) -> Report:
    """Trains and reports Table I: joint training on Fashion-MNIST and CIFAR-10.

    Parameters
    ----------
    datasets, bases, generators, rows : lists of names
        The part of the table to train. None takes all. The baseline is always a part.
    seeds : int, default 5
        Runs have the seeds 0 to seeds - 1.
    epochs : int
        None takes the paper's: 40 for sr and dnn3, 100 for the others.
    images, eval_images : int, default 0
        Sizes of stratified subsets, of the training set, and of the validation and test set. 0 takes all.
    out, data, device, resume, verbose, formats
        Those of `Study`.
    train : bool, default True
        Whether to train what is missing. False only reports.

    Returns
    -------
    Report
        Of everything that the folder has. It is also written there as table1.md, .html, .png and .svg.

    Examples
    --------
    >>> report = govpn.repro.table1(datasets=["fashion-mnist"], bases=["sr"], rows=["baseline"], seeds=1,
    ...                             epochs=1, images=256, eval_images=100, device="go", verbose=False)
    >>> report.columns, report.cells["baseline", ("fashion-mnist", "sr")].values
    ([('fashion-mnist', 'sr')], (...,))
    """
    return table("table1", **options)


def table2(**options: Any) -> Report:
    """Trains and reports Table II: joint training on Tiny ImageNet. The options are those of `table1`.

    >>> govpn.repro.table2(train=False, verbose=False).columns  # nothing has been trained
    []
    """
    return table("table2", **options)


def table3(**options: Any) -> Report:
    """Trains and reports Table III: joint training of pretrained ResNets on ILSVRC2012.

    Their weights in torchvision's layout (resnet18.safetensors, ...) lie beside the images. The options
    are those of `table1`.

    >>> govpn.repro.table3(train=False, verbose=False).columns
    []
    """
    return table("table3", **options)


def table4(**options: Any) -> Report:
    """Trains and reports Table IV: a generator for a frozen base. The options are those of `table1`.

    Differences are to the base that was frozen, without noise.

    >>> print(govpn.repro.table4(train=False, verbose=False).title)
    Table IV: frozen base training
    """
    return table("table4", **options)


def table(
    name: str,
    *,
    out: str | os.PathLike[str] = "govpn-repro",
    data: str | os.PathLike[str] | None = None,
    device: str = "auto",
    resume: bool = True,
    train: bool = True,
    verbose: bool = True,
    formats: Sequence[str] = FORMATS,
    **part: Any,
) -> Report:
    """Trains the runs that a table needs and the folder lacks. Reports everything that the folder has.

    part are the arguments of `runs_of`, the others those of `Study`. train=False only reports.
    """
    runs, study = runs_of(name, **part), Study(out, data, device, resume, verbose, formats)
    if train:
        study.train(runs)
    report = Report(name, study.results(), study.out, study.formats)
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
    eval_images: int = 0,
) -> list[Run]:
    """Returns the runs of a table: all rows of a seed, then those of the next seed.

    The parameters are those of `table1`.
    """
    if not isinstance(name, str) or name not in TABLES:
        raise ArgumentError(f"table is {shown(name)}, want one of {', '.join(TABLES)}")
    if _params.whole(seeds, "seeds") < 1:
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
        Run(dataset, base, row, seed, paper_epochs(base) if epochs is None else epochs, images, eval_images)
        for seed in range(seeds)
        for dataset, base in known
        if (datasets is None or dataset in datasets) and (bases is None or base in bases)
        for row in chosen
    ]
    return [run.baseline() if run.row == "baseline" else run for run in runs]


def _check(name: str, given: Names, known: Iterable[str]) -> None:
    if isinstance(given, str):
        raise ArgumentError(f"{name} is {given!r}, want a list of names")
    if given is None:
        return
    with reading(name, given, "a list of names"):
        values = list(given)
    for value in values:
        if not isinstance(value, str) or value not in known:
            raise ArgumentError(f"{name} has {shown(value)}, want of {', '.join(known)}")


def _has(row: str, generators: Names) -> bool:
    """Returns whether a row needs no generator, or one of those given."""
    generator = row.partition("-")[2] if row.startswith(("vpn", "matched", "power", "frozen")) else None
    return generator is None or generators is None or generator in generators
