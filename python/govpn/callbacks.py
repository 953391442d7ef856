"""Callbacks: `VPNClassifier.fit(callbacks=[...])` calls them after every epoch.

A callback is an object of this module, another object with some of the methods of `Callback`, or a
function that takes a `Training`:

>>> def show(training):
...     print(f"epoch {training.epoch} of {training.epochs}", training.metrics["loss"] < 5)
>>> clf = clf.set_params(epochs=2).fit(X, y, callbacks=[show])
epoch 1 of 2 True
epoch 2 of 2 True

In these examples X holds images, y holds their labels, and clf is a `govpn.VPNClassifier`.

Callbacks run between two epochs, on a thread of govpn. The next epoch waits for them. An exception
that a callback raises stops the training, and fit raises it.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from typing import cast

from . import _lib, _params
from ._reading import reading, shown
from ._types import CallbacksLike, Foreign, History, JsonObject, Path
from .errors import ArgumentError

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LearningRate",
    "ReduceOnPlateau",
    "TensorBoard",
    "Training",
]


class Training:
    """What a callback gets to know of the training.

    Attributes
    ----------
    epoch : int, the number of the epoch that has just ended, counted from 1; 0 before the first one
    epochs : int, how many epochs there will be
    history : dict of lists, all epochs so far, a list per column as in `history_`
    metrics : dict, the last value of each column: losses in nats, accuracies from 0 to 1, NaN if
        missing
    stopped : bool, whether a callback has called `stop`
    learning_rate : float above 0, the base rate, which the schedule multiplies. Set it to change
        the rate from the next epoch on

    Examples
    --------
    >>> seen = []
    >>> clf = clf.fit(X, y, callbacks=lambda training: seen.append(training.history["epoch"][-1]))
    >>> seen
    [1, 2, 3]
    """

    def __init__(self, history: History, epochs: int, rate: float, set_rate: Callable[[float], None]) -> None:
        self.history, self.epochs = history, epochs
        self.metrics = {k: v[-1] for k, v in history.items() if v}
        self.epoch = cast(int, self.metrics.get("epoch", 0))
        self.stopped = False
        self._rate, self._set_rate = rate, set_rate

    @property
    def learning_rate(self) -> float:
        return self._rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._set_rate(rate)
        self._rate = rate

    def stop(self) -> None:
        """Ends the training now.

        With validation data, the model then uses the weights of its best epoch.
        """
        self.stopped = True


class Callback:
    """The base class of callbacks. Each method gets a `Training`.

    fit_options are options of the library's fit function that the callback needs.

    >>> class Best(govpn.callbacks.Callback):
    ...     def on_train_end(self, training):
    ...         self.loss = min(training.history["loss"])
    >>> best = Best()
    >>> clf.fit(X, y, callbacks=[best]).history_["loss"].count(best.loss)
    1
    """

    fit_options: JsonObject = {}  # noqa: RUF012

    def on_train_begin(self, training: Training) -> None:
        """Called before the first epoch. training.epoch is the number of earlier epochs of the model."""

    def on_epoch_end(self, training: Training) -> None:
        """Called after every epoch."""

    def on_train_end(self, training: Training) -> None:
        """Called after the last epoch, and also after an error."""


class _Function(Callback):
    """A function as a callback."""

    def __init__(self, function: Callable[[Training], object]) -> None:
        self.on_epoch_end = function  # type: ignore[method-assign, assignment]


class EarlyStopping(Callback):
    """Stops the training when a metric has not improved for some epochs.

    For val_accuracy without min_delta, the parameter `patience` of VPNClassifier does the same.

    Parameters
    ----------
    monitor : a column of history_. A metric whose name ends in accuracy improves when it grows, any
        other when it shrinks. fit raises ArgumentError if there is no such column or if it has no
        value
    patience : int, how many epochs may pass without an improvement
    min_delta : float in units of the metric; a smaller change is no improvement

    Examples
    --------
    >>> stop = govpn.callbacks.EarlyStopping("loss", patience=1, min_delta=10)
    >>> clf.set_params(epochs=50).fit(X, y, callbacks=[stop]).n_epochs_
    2
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.patience = _params.whole(patience, "patience")
        self.min_delta = _params.real(min_delta, "min_delta")

    def on_train_begin(self, training: Training) -> None:
        self._best, self._since = math.inf, 0

    def on_epoch_end(self, training: Training) -> None:
        value = _monitored(training, self.monitor)
        if value < self._best - self.min_delta:
            self._best, self._since = value, 0
            return
        self._since += 1
        if self._since >= self.patience:
            training.stop()


class LearningRate(Callback):
    """Sets the learning rate of every epoch to function(epoch).

    The epochs count from 1. The function returns a number above 0. Use schedule="constant": any
    other schedule multiplies the rate.

    >>> halved = govpn.callbacks.LearningRate(lambda epoch: 0.5**epoch)
    >>> clf.set_params(schedule="constant").fit(X, y, callbacks=[halved]).history_["learning_rate"]
    [0.5, 0.25, 0.125]
    """

    def __init__(self, function: Callable[[int], float]) -> None:
        self.function = function

    def on_train_begin(self, training: Training) -> None:
        training.learning_rate = self.function(training.epoch + 1)

    def on_epoch_end(self, training: Training) -> None:
        training.learning_rate = self.function(training.epoch + 1)


class ReduceOnPlateau(Callback):
    """Multiplies the learning rate by a factor when a metric has not improved for some epochs.

    Parameters
    ----------
    monitor : a column of history_, as for `EarlyStopping`
    factor : float above 0 and below 1; another value raises ArgumentError
    patience : int, how many epochs may pass without an improvement

    Examples
    --------
    >>> slower = govpn.callbacks.ReduceOnPlateau("epoch", factor=0.1, patience=1)  # the epoch only grows
    >>> clf = clf.set_params(schedule="constant", learning_rate=1).fit(X, y, callbacks=[slower])
    >>> [round(rate, 6) for rate in clf.history_["learning_rate"]]
    [1.0, 1.0, 0.1]
    """

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 5) -> None:
        self.factor = _params.real(factor, "factor")
        if not 0 < self.factor < 1:
            raise ArgumentError(f"factor is {factor}, want a number between 0 and 1")
        self.monitor, self.patience = monitor, _params.whole(patience, "patience")

    def on_train_begin(self, training: Training) -> None:
        self._best, self._since = math.inf, 0

    def on_epoch_end(self, training: Training) -> None:
        value = _monitored(training, self.monitor)
        if value < self._best:
            self._best, self._since = value, 0
            return
        self._since += 1
        if self._since >= self.patience:
            training.learning_rate *= self.factor
            self._since = 0


class Checkpoint(Callback):
    """Saves the model after every epoch. The file is replaced in one step.

    `govpn.load` reads the file, and fit(..., resume=True) then continues the training. A file that
    cannot be written raises FileError.

    >>> clf = clf.fit(X, y, callbacks=[govpn.callbacks.Checkpoint("model.govpn")])
    >>> govpn.load("model.govpn", device="go").n_epochs_
    3
    """

    def __init__(self, path: Path) -> None:
        self.fit_options = {"checkpoint": os.path.join(os.getcwd(), _path_of(path))}


class CSVLogger(Callback):
    """Writes the columns of history_ to a file, one line per epoch.

    It can be read while training goes on.

    >>> clf = clf.fit(X, y, callbacks=[govpn.callbacks.CSVLogger("log.csv")])
    >>> np.loadtxt("log.csv", delimiter=",", skiprows=1)[:, 0]  # the epochs
    array([1., 2., 3.])
    """

    def __init__(self, path: Path) -> None:
        self.path = _path_of(path)

    def on_train_begin(self, training: Training) -> None:
        with reading("path", self.path, "a file that can be written"):
            self._file = open(self.path, "w", newline="")  # noqa: SIM115
        self._writer = csv.DictWriter(self._file, list(training.history))
        self._writer.writeheader()
        for i in range(training.epoch):  # epochs from before, if the model resumes
            self._writer.writerow({k: v[i] for k, v in training.history.items()})

    def on_epoch_end(self, training: Training) -> None:
        self._writer.writerow(training.metrics)
        self._file.flush()

    def on_train_end(self, training: Training) -> None:
        self._file.close()


class TensorBoard(Callback):
    """Writes the metrics of every epoch to a folder that TensorBoard shows.

    This needs tensorboardX, or torch with tensorboard. Without them it raises ImportError.

    >>> clf.fit(X, y, callbacks=[govpn.callbacks.TensorBoard("runs/1")])  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._open = _path_of(folder, "folder"), _summary_writer()

    def on_train_begin(self, training: Training) -> None:
        self._writer = self._open(self.folder)

    def on_epoch_end(self, training: Training) -> None:
        for name, value in training.metrics.items():
            if name != "epoch" and math.isfinite(value):
                self._writer.add_scalar(name, value, training.epoch)
        self._writer.flush()

    def on_train_end(self, training: Training) -> None:
        self._writer.close()


def _path_of(path: Path, name: str = "path") -> str:
    return os.fsdecode(_lib.path_bytes(path, name))


def _summary_writer() -> Foreign:
    """Returns the class SummaryWriter of tensorboardX or else of torch."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "govpn.callbacks.TensorBoard needs tensorboardX: pip install tensorboardX"
            ) from error
    return SummaryWriter


def _monitored(training: Training, name: str) -> float:
    """Returns a metric with a sign such that smaller is better."""
    if not isinstance(name, str) or name not in training.metrics:
        raise ArgumentError(f"monitor is {shown(name)}, want one of {', '.join(training.metrics)}")
    value = training.metrics[name]
    if math.isnan(value):
        raise ArgumentError(
            f"monitor is {name!r}, which has no value: fit got no validation_data, or the mode no noise"
        )
    return -value if name.endswith("accuracy") else value


def as_callbacks(given: CallbacksLike) -> list[Callback]:
    """Returns what fit got as callbacks as a list in which functions have become callbacks."""
    with reading("callbacks", given, "functions, or objects with on_epoch_end"):
        several: Foreign = () if given is None else given
        each: list[Foreign] = [given] if callable(given) or hasattr(given, "on_epoch_end") else list(several)
        return [c if hasattr(c, "on_epoch_end") else _Function(_callable(c)) for c in each]


def _callable(given: object) -> Callable[[Training], object]:
    if not callable(given):
        raise ArgumentError(f"callbacks has {shown(given)}, want functions, or objects with on_epoch_end")
    return given


def __dir__() -> list[str]:
    return sorted(__all__)
