"""Calls the callbacks of a training and writes its epochs to the log."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from ._types import Description, History
from .callbacks import Callback, Training

_log = logging.getLogger("govpn")


class Trained(Protocol):
    """What the hooks need of the model that trains."""

    def history(self) -> History: ...

    def describe(self) -> Description: ...

    def set_learning_rate(self, rate: float) -> None: ...


class Hooks:
    """The callbacks of one fit. All methods run before, between or after epochs."""

    def __init__(self, model: Trained, callbacks: Sequence[Callback]) -> None:
        self._model, self._callbacks = model, callbacks
        self._begun: list[Callback] = []
        self._epochs = 0
        self.stopped = False  # whether a callback has called Training.stop

    def begin(self, epochs: int) -> None:
        """Calls on_train_begin. If that fails, those that have begun get on_train_end."""
        self._epochs = epochs
        training = self._training()
        try:
            for callback in self._callbacks:
                self._call(callback, "on_train_begin", training)
                self._begun.append(callback)
        except BaseException:
            self.end()
            raise

    def epoch(self) -> bool:
        """Calls on_epoch_end after an epoch. Returns whether a callback wants to stop."""
        if not self._callbacks and not _log.isEnabledFor(logging.INFO):
            return False
        training = self._training()
        for callback in self._callbacks:
            self._call(callback, "on_epoch_end", training)
        _log.info("epoch %d/%d: %s", training.epoch, self._epochs, figures(training.metrics))
        return self.stopped

    def end(self) -> None:
        """Calls on_train_end of all callbacks that have begun, then raises the first error of them."""
        training, begun = self._training(), self._begun
        self._begun = []
        with contextlib.ExitStack() as stack:
            for callback in reversed(begun):
                stack.callback(self._call, callback, "on_train_end", training)

    def _training(self) -> Training:
        rate = self._model.describe()["config"]["learning_rate"]
        return Training(self._model.history(), self._epochs, rate, self._model.set_learning_rate)

    def _call(self, callback: Callback, method: str, training: Training) -> None:
        if function := getattr(callback, method, None):
            function(training)
        self.stopped = self.stopped or training.stopped


def figures(metrics: Mapping[str, float | None]) -> str:
    """Returns the metrics of an epoch in one line, without the epoch's number and without missing ones."""
    known = {k: v for k, v in metrics.items() if k != "epoch" and v is not None and not math.isnan(v)}
    return ", ".join(f"{k} {v:.4g}" for k, v in known.items())
