"""The paper's tables: what they train, and their reports."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import ArgumentError
from ._report import Report
from ._rows import GENERATORS, TABLES, Run, cells, columns, paper_epochs
from ._study import Study

Names = Sequence[str] | None


def table1(**options: Any) -> Report:
    """Table I: joint training on Fashion-MNIST and CIFAR-10.

    Parameters
    ----------
    datasets, bases, generators, rows : lists of names, which part of the table; None is all. The baseline is
        always a part
    seeds : int [5], runs with seeds 0 to seeds - 1
    epochs : int; None is the paper's 40 for sr and dnn3, 100 for the others
    images, eval_images : int [0], of the training set; of the validation and the test set: stratified
        subsets, 0 is all
    out, data, device, resume, verbose : of `Study`
    train : bool [True]; False only reports

    Returns
    -------
    Report : of everything that the folder has; also written there as table1.md, .html, .png and .svg

    Examples
    --------
    >>> report = govpn.repro.table1(datasets=["fashion-mnist"], bases=["sr"], rows=["baseline"], seeds=1,
    ...                             epochs=1, images=256, eval_images=100, device="go", verbose=False)
    >>> report.columns, report.cells["baseline", ("fashion-mnist", "sr")].values
    ([('fashion-mnist', 'sr')], (...,))
    """
    return table("table1", **options)


def table2(**options: Any) -> Report:
    """Table II: joint training on Tiny ImageNet. The options are those of `table1`.

    >>> govpn.repro.table2(train=False, verbose=False).columns  # nothing has been trained
    []
    """
    return table("table2", **options)


def table3(**options: Any) -> Report:
    """Table III: joint training of pretrained ResNets on ILSVRC2012, whose weights in torchvision's layout
    (resnet18.safetensors, ...) lie beside the images. The options are those of `table1`.

    >>> govpn.repro.table3(train=False, verbose=False).columns
    []
    """
    return table("table3", **options)


def table4(**options: Any) -> Report:
    """Table IV: a generator for a frozen base. The options are those of `table1`; differences are to the base
    that was frozen, without noise.

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
    **part: Any,
) -> Report:
    """Trains what a table needs and is not there yet, and reports everything that is. part are the arguments
    of `runs_of`.

    out : the folder of the study. data : the folder of the data sets (see `govpn.datasets`)
    resume : whether interrupted runs go on, or begin anew. train=False only reports"""
    runs, study = runs_of(name, **part), Study(out, data, device, resume, verbose)
    if train:
        study.train(runs)
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
    eval_images: int = 0,
) -> list[Run]:
    """The runs of a table, all rows of a seed before the next seed.

    datasets, bases, generators, rows : which part; None is all. The baseline is always a part
    seeds : 0 to seeds - 1. epochs : None is the paper's 40 for sr and dnn3, 100 for the others
    images, eval_images : of the training set; of the validation and the test set. Stratified subsets; 0 is
        all"""
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
    for value in given or ():
        if value not in known:
            raise ArgumentError(f"{name} has {value!r}, want of {', '.join(known)}")


def _has(row: str, generators: Names) -> bool:
    """Whether a row is of the baselines or of one of the generators."""
    generator = row.partition("-")[2] if row.startswith(("vpn", "matched", "power", "frozen")) else None
    return generator is None or generators is None or generator in generators
