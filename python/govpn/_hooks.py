"""Calls a training's callbacks, and tells the log about its epochs."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .callbacks import Callback, Training

if TYPE_CHECKING:
    from ._model import Model

_log = logging.getLogger("govpn")


class Hooks:
    """The callbacks of one fit. All methods run before, between or after epochs."""

    def __init__(self, model: Model, callbacks: Sequence[Callback]) -> None:
        self._model, self._callbacks = model, callbacks
        self._begun: list[Callback] = []
        self._epochs = 0
        self.stopped = False

    def begin(self, epochs: int) -> None:
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
        """After an epoch; whether a callback wants to stop."""
        if not self._callbacks and not _log.isEnabledFor(logging.INFO):
            return False
        training = self._training()
        for callback in self._callbacks:
            self._call(callback, "on_epoch_end", training)
        _log.info("epoch %d/%d: %s", training.epoch, self._epochs, figures(training.metrics))
        return self.stopped

    def end(self) -> None:
        """All that have begun end, and the first error comes out."""
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


def figures(metrics: dict[str, Any]) -> str:
    """The metrics of an epoch but its number, in a line."""
    known = {k: v for k, v in metrics.items() if k != "epoch" and v is not None and not math.isnan(v)}
    return ", ".join(f"{k} {v:.4g}" for k, v in known.items())
