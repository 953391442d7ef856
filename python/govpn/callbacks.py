"""What `VPNClassifier.fit(callbacks=[...])` does after every epoch.

A callback is one of these, an object with some of their methods, or any function of a `Training`:

>>> def show(training):
...     print(f"epoch {training.epoch} of {training.epochs}", training.metrics["loss"] < 5)
>>> clf = clf.set_params(epochs=2).fit(X, y, callbacks=[show])
epoch 1 of 2 True
epoch 2 of 2 True

In these examples X are images, y their labels, clf is a `govpn.VPNClassifier`.

Callbacks are called between two epochs on a thread of govpn's, and the next epoch waits for them; what they
raise stops the training and comes out of fit.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from typing import Any

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

Path = str | os.PathLike[str]


class Training:
    """What a callback sees of a training in progress.

    Attributes
    ----------
    epoch : int, the number of the epoch that has just ended, from 1. epochs : int, how many there will be
    history : dict of lists, a list per column, as `history_`, of all epochs so far
    metrics : dict, the last value of each column: losses in nats, accuracies 0 to 1, NaN where there is none
    stopped : bool, whether a callback has called `stop`
    learning_rate : float, may be set to a number > 0: the base rate from the next epoch on, which the
        schedule multiplies

    >>> seen = []
    >>> clf = clf.fit(X, y, callbacks=lambda training: seen.append(training.history["epoch"][-1]))
    >>> seen
    [1, 2, 3]
    """

    def __init__(
        self, history: dict[str, list[Any]], epochs: int, rate: float, set_rate: Callable[[float], None]
    ) -> None:
        self.history, self.epochs = history, epochs
        self.metrics = {k: v[-1] for k, v in history.items() if v}
        self.epoch = self.metrics.get("epoch", 0)
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
        """Ends the training here. With validation data, the weights of the best epoch are used."""
        self.stopped = True


class Callback:
    """Base of callbacks: each method gets a `Training`. fit_options are of the library's fit.

    >>> class Best(govpn.callbacks.Callback):
    ...     def on_train_end(self, training):
    ...         self.loss = min(training.history["loss"])
    >>> best = Best()
    >>> clf.fit(X, y, callbacks=[best]).history_["loss"].count(best.loss)
    1
    """

    fit_options: dict[str, Any] = {}  # noqa: RUF012

    def on_train_begin(self, training: Training) -> None:
        """Before the first epoch; epoch is that of the model, 0 for a new one."""

    def on_epoch_end(self, training: Training) -> None:
        """After every epoch."""

    def on_train_end(self, training: Training) -> None:
        """After the last epoch, also after an error."""


class _Function(Callback):
    def __init__(self, function: Callable[[Training], Any]) -> None:
        self.on_epoch_end = function  # type: ignore[method-assign]


class EarlyStopping(Callback):
    """Stops when a metric has not become better by more than min_delta for patience epochs. For val_accuracy
    and no min_delta, the parameter `patience` of VPNClassifier does the same.

    Parameters
    ----------
    monitor : a column of history_; those that end in accuracy are to grow, others to shrink. ArgumentError in
        fit where there is none, or it has no value
    patience : int, epochs
    min_delta : float, in units of the metric

    >>> stop = govpn.callbacks.EarlyStopping("loss", patience=1, min_delta=10)
    >>> clf.set_params(epochs=50).fit(X, y, callbacks=[stop]).n_epochs_
    2
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0) -> None:
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta

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
    """Sets the learning rate of every epoch to function(epoch), a number > 0, epochs counted from 1. Wants
    schedule="constant", or the schedule multiplies it.

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
    """Multiplies the learning rate by factor when a metric has not become better for patience epochs.

    Parameters
    ----------
    monitor : a column of history_, as of `EarlyStopping`
    factor : float between 0 and 1, else ArgumentError
    patience : int, epochs

    >>> slower = govpn.callbacks.ReduceOnPlateau("epoch", factor=0.1, patience=1)  # which only grows
    >>> clf = clf.set_params(schedule="constant", learning_rate=1).fit(X, y, callbacks=[slower])
    >>> [round(rate, 6) for rate in clf.history_["learning_rate"]]
    [1.0, 1.0, 0.1]
    """

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 5) -> None:
        if not 0 < factor < 1:
            raise ArgumentError(f"factor is {factor}, want a number between 0 and 1")
        self.monitor, self.factor, self.patience = monitor, factor, patience

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
    """Saves the model to path after every epoch, replacing the file in one step: `govpn.load` reads it, and
    fit(..., resume=True) goes on from it. A file that cannot be written is a FileError.

    >>> clf = clf.fit(X, y, callbacks=[govpn.callbacks.Checkpoint("model.govpn")])
    >>> govpn.load("model.govpn", device="go").n_epochs_
    3
    """

    def __init__(self, path: Path) -> None:
        self.fit_options = {"checkpoint": os.path.abspath(os.fspath(path))}


class CSVLogger(Callback):
    """Writes a line per epoch, the columns of history_, to a file that can be read while training goes on.

    >>> clf = clf.fit(X, y, callbacks=[govpn.callbacks.CSVLogger("log.csv")])
    >>> np.loadtxt("log.csv", delimiter=",", skiprows=1)[:, 0]  # the epochs
    array([1., 2., 3.])
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, training: Training) -> None:
        self._file = open(self.path, "w", newline="")  # noqa: SIM115
        self._writer = csv.DictWriter(self._file, list(training.history))
        self._writer.writeheader()
        for i in range(training.epoch):  # of a model that goes on
            self._writer.writerow({k: v[i] for k, v in training.history.items()})

    def on_epoch_end(self, training: Training) -> None:
        self._writer.writerow(training.metrics)
        self._file.flush()

    def on_train_end(self, training: Training) -> None:
        self._file.close()


class TensorBoard(Callback):
    """Writes the metrics of every epoch to a folder that TensorBoard shows. Needs tensorboardX, or torch
    with tensorboard, else ImportError.

    >>> clf.fit(X, y, callbacks=[govpn.callbacks.TensorBoard("runs/1")])  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._open = os.fspath(folder), _summary_writer()

    def on_train_begin(self, training: Training) -> None:
        self._writer = self._open(self.folder)

    def on_epoch_end(self, training: Training) -> None:
        for name, value in training.metrics.items():
            if name != "epoch" and math.isfinite(value):
                self._writer.add_scalar(name, value, training.epoch)
        self._writer.flush()

    def on_train_end(self, training: Training) -> None:
        self._writer.close()


def _summary_writer() -> Any:
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
    """A metric, to be made small."""
    if name not in training.metrics:
        raise ArgumentError(f"monitor is {name!r}, want one of {', '.join(training.metrics)}")
    value = training.metrics[name]
    if math.isnan(value):
        raise ArgumentError(
            f"monitor is {name!r}, which has no value: fit got no validation_data, or the mode no noise"
        )
    return -value if name.endswith("accuracy") else value


def as_callbacks(given: Any) -> list[Callback]:
    """Callbacks of a list of them and of functions."""
    given = [given] if callable(given) or hasattr(given, "on_epoch_end") else list(given or ())
    return [c if hasattr(c, "on_epoch_end") else _Function(_callable(c)) for c in given]


def _callable(given: Any) -> Callable[[Training], Any]:
    if not callable(given):
        raise ArgumentError(f"callbacks has {given!r}, want functions, or objects with on_epoch_end")
    return given
