"""The paper's figures. Runs that are missing are trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .. import datasets as readers
from ..errors import ArgumentError
from . import _data, _plots
from ._rows import Run, paper_epochs
from ._study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def fig3(
    datasets: Sequence[str] = ("fashion-mnist", "cifar-10"),
    base: str = "dnn3",
    generator: str = "dnn3",
    seeds: int = 5,
    epochs: int | None = None,
    **options: Any,
) -> Figure:
    """Draws Figure 3: loss, training accuracy and validation accuracy by epoch.

    Lines are means over the seeds, bands their range. The paper shows the test accuracy. Here a run
    looks at the test data once, so the validation accuracy takes its place.

    Parameters
    ----------
    datasets : list of names
        A column of panels each.
    base, generator : str
        Names that `govpn.VPNClassifier` knows.
    seeds, epochs : int
        Those of `table1`.
    options
        train, and those of `Study`.

    Returns
    -------
    matplotlib.figure.Figure
        Also written to the folder as fig3.png and fig3.svg.

    Examples
    --------
    >>> figure = govpn.repro.fig3(["fashion-mnist"], "sr", train=False, verbose=False)
    >>> [axes.get_ylabel() or axes.get_title() for axes in figure.axes][:1]
    ['training loss, nats']
    """
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
) -> Figure:
    """Draws Figure 4: the influence of the number of noises m, by epoch.

    noise_samples is a list of m. The other parameters and the result are those of `fig3`.
    """
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


def fig1(generator: str = "dnn3", epochs: int | None = None, base: str = "dnn3", **options: Any) -> Figure:
    """Draws Figure 1: two images of Fashion-MNIST, two of CIFAR-10 and five of Tiny ImageNet.

    Each image stands beside its σ and a draw of its noise. The parameters and the result are those of
    `fig3`, for seed 0. The files are called fig1 with generator dnn3, fig1-resnet18 with resnet18.
    """
    wanted = (("fashion-mnist", 2), ("cifar-10", 2), ("tiny-imagenet", 5))
    return _pictures("fig1", wanted, base, generator, epochs, options)


def fig5(generator: str = "dnn3", epochs: int | None = None, base: str = "dnn3", **options: Any) -> Figure:
    """Draws Figure 5: an image of each of the first ten classes of Tiny ImageNet, like `fig1`."""
    return _pictures("fig5", (("tiny-imagenet", 10),), base, generator, epochs, options)


def fig6(generator: str = "dnn3", epochs: int | None = None, base: str = "dnn3", **options: Any) -> Figure:
    """Draws Figure 6: an image of each class of CIFAR-10, like `fig1`."""
    return _pictures("fig6", (("cifar-10", 10),), base, generator, epochs, options)


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
) -> Figure:
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
    _plots.save(fig, study.out / name, study.formats)
    return fig


def _pictures(
    name: str,
    wanted: Iterable[tuple[str, int]],
    base: str,
    generator: str,
    epochs: int | None,
    options: dict[str, Any],
) -> Figure:
    study, train = _opened(options)
    runs = [(_runs(dataset, base, f"vpn-{generator}", 1, epochs)[0], count) for dataset, count in wanted]
    if train:
        study.train(run for run, _ in runs)
    rows: list[_plots.Row] = []
    for run, count in runs:
        found = pictured(study, run, "noise")
        if not found:
            raise ArgumentError(f"{name}: run {run.id} has not finished, want train=True")
        rows += found[:count]
    fig = _plots.noise(rows)
    name += "" if generator == "dnn3" else f"-{generator}"
    _plots.save(fig, study.out / name, study.formats, photographs=True)
    return fig


def pictured(study: Study, run: Run, other: str) -> list[_plots.Row]:
    """Returns title, image, σ and other, which is "noise" or "gradient", of the images that a run kept.

    A run that has kept none gives an empty list.
    """
    arrays = study.noise_of(run) or {}
    if other not in arrays:
        return []
    X, y = _data.load(run.dataset, run.seed, study.data).valid
    names = getattr(y, "class_names", None) or readers.FASHION_MNIST_CLASSES
    columns = zip(arrays["index"], arrays["std"], arrays[other], strict=True)
    return [(names[y[i]], X[i] / 255.0, std, values) for i, std, values in columns]
