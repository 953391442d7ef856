"""Shows how far training has come: a tqdm bar (terminal or notebook) where tqdm is installed, else a line per
epoch."""

from __future__ import annotations

import ctypes
import math
import threading
import warnings
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from . import _lib
from ._hooks import figures

_announced: set[str] = set()  # devices that "auto" was said to be
_BAR = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"


class Progress:
    """Receives the library's progress calls and draws them, on the main thread where that is possible.

    verbose 0 shows nothing, 1 a bar, 2 a line per epoch with all its figures, from history(). ended is called
    after every epoch, while the library waits; it says whether to stop."""

    def __init__(
        self, verbose: int, history: Callable[[], dict[str, list[Any]]], ended: Callable[[], bool]
    ) -> None:
        self._verbose, self._history, self._ended = verbose, history, ended
        self._inline = threading.current_thread() is not threading.main_thread()
        self._state: dict[str, Any] | None = None
        self._bar: Any = None
        self._shown = len(history()["epoch"])  # rows printed; a resumed run has some from before
        self._announced = False
        self._error: BaseException | None = None
        self.stop: Callable[[], bool] = lambda: False
        self.callback = _lib.PROGRESS_FN(self._receive)  # kept here: the library calls it until fit returns

    def _receive(self, struct: Any, user_data: Any) -> int:
        """Called by the library; an exception must not reach it."""
        try:
            if struct.contents.struct_size >= ctypes.sizeof(_lib.ProgressStruct):
                names = [field[0] for field in _lib.ProgressStruct._fields_]
                self._state = {name: getattr(struct.contents, name) for name in names}
            if self._inline:
                self.show()
            stop = self._state is not None and self._state["phase"] == _lib.EPOCH and self._ended()
            return int(stop or self.stop())
        except BaseException as error:
            self._error = error
            return 1

    def show(self) -> None:
        """Draws the state."""
        state = self._state
        if state is None or self._verbose == 0:
            return
        if self._verbose == 1 and self._open_bar():
            self._draw_bar(state)
        else:
            self._print_lines(state)

    def close(self) -> None:
        """Draws the last state; raises what went wrong while drawing."""
        self.show()
        if self._bar:
            self._bar.close()
        if self._error is not None:
            raise self._error

    def _open_bar(self) -> bool:
        if self._bar is None:
            try:
                with warnings.catch_warnings():  # of a notebook without ipywidgets, which gets a bar of text
                    warnings.simplefilter("ignore")
                    from tqdm.auto import tqdm
            except ImportError:
                self._bar = False
            else:
                self._bar = tqdm(total=1.0, bar_format=_BAR, leave=True)
        return self._bar is not False

    def _draw_bar(self, state: dict[str, Any]) -> None:
        note = " (compiling)" if state["phase"] == _lib.COMPILING else ""
        self._bar.set_description_str(f"epoch {state['epoch']}/{state['epochs']}{note}", refresh=False)
        if state["phase"] != _lib.COMPILING:
            figures = f"loss {state['loss']:.4f}, accuracy {state['metric']:.4f}{self._validation()}"
            self._bar.set_postfix_str(figures, refresh=False)
        self._bar.n = state["step"] / max(state["steps"], 1)
        self._bar.refresh()

    def _validation(self) -> str:
        accuracies = self._history().get("val_accuracy") or [None]
        return "" if _missing(accuracies[-1]) else f", val_accuracy {accuracies[-1]:.4f}"

    def _print_lines(self, state: dict[str, Any]) -> None:
        """A line per epoch that has ended since the last call."""
        if state["phase"] == _lib.COMPILING and not self._announced:
            self._announced = True
            print("compiling", flush=True)
        history = self._history()
        for row in range(self._shown, len(history["epoch"])):
            self._shown = row + 1
            metrics = {k: v[row] for k, v in history.items()}
            print(f"epoch {history['epoch'][row]}/{state['epochs']}: {figures(metrics)}", flush=True)


def announce_choice(device: str) -> None:
    """Says, once in a process, which device "auto" has taken, and why not a better one."""
    if device in _announced:
        return
    _announced.add(device)
    devices = {d["device"]: d for d in _lib.devices()}  # the best first
    better = [f"not {d}: {devices[d]['why']}" for d in takewhile(lambda d: d != device, devices)]
    reasons = "; ".join([devices[device]["description"], *better])
    print(f"device auto is {device} ({reasons})", flush=True)


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)
