"""Shows how far a training has come.

That is a tqdm bar, in a terminal or a notebook, where tqdm is installed. Elsewhere it is a line per
epoch.
"""

from __future__ import annotations

import ctypes
import math
import threading
import warnings
from collections.abc import Callable
from itertools import takewhile
from typing import TypedDict, cast

from . import _lib
from ._hooks import figures
from ._printable import printable
from ._types import Foreign, History

_announced: set[str] = set()  # the devices that announce_choice has named in this process
_BAR = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"


class State(TypedDict):
    """The fields of govpn_progress."""

    struct_size: int
    epoch: int
    epochs: int
    phase: int
    step: int
    steps: int
    loss: float
    metric: float
    elapsed_s: float


class Progress:
    """Receives the library's reports of progress and draws them, on the main thread if it is waiting.

    verbose 0 shows nothing, 1 shows a bar, 2 shows a line per epoch with all figures of history().
    ended is called after every epoch, while the library waits. It returns whether to stop.
    """

    def __init__(self, verbose: int, history: Callable[[], History], ended: Callable[[], bool]) -> None:
        self._verbose, self._history, self._ended = verbose, history, ended
        self._inline = threading.current_thread() is not threading.main_thread()
        self._state: State | None = None
        self._bar: Foreign = None  # tqdm's, or False without tqdm
        self._shown = len(history()["epoch"])  # epochs that are printed; a resumed training has earlier ones
        self._announced = False
        self._error: BaseException | None = None
        self.stop: Callable[[], bool] = lambda: False
        self.callback = _lib.PROGRESS_FN(self._receive)  # an attribute, because the library calls it later

    def _receive(self, struct: Foreign, user_data: object) -> int:
        """Takes a report.

        The library calls this, so no exception may leave it. Returns 1 to stop.
        """
        try:
            if struct.contents.struct_size >= ctypes.sizeof(_lib.ProgressStruct):
                names = [field[0] for field in _lib.ProgressStruct._fields_]
                self._state = cast(State, {name: getattr(struct.contents, name) for name in names})
            if self._inline:
                self.show()
            stop = self._state is not None and self._state["phase"] == _lib.EPOCH and self._ended()
            return int(stop or self.stop())
        except BaseException as error:
            self._error = error
            return 1

    def show(self) -> None:
        """Draws the last report."""
        state = self._state
        if state is None or self._verbose == 0:
            return
        if self._verbose == 1 and self._open_bar():
            self._draw_bar(state)
        else:
            self._print_lines(state)

    def close(self) -> None:
        """Draws the last report, then raises the error of an earlier call, if there was one."""
        self.show()
        if self._bar:
            self._bar.close()
        if self._error is not None:
            raise self._error

    def _open_bar(self) -> bool:
        """Opens the bar unless it is open. Returns False without tqdm."""
        if self._bar is None:
            try:
                with warnings.catch_warnings():  # tqdm warns in notebooks without ipywidgets
                    warnings.simplefilter("ignore")
                    from tqdm.auto import tqdm
            except ImportError:
                self._bar = False
            else:
                self._bar = tqdm(total=1.0, bar_format=_BAR, leave=True)
        return self._bar is not False

    def _draw_bar(self, state: State) -> None:
        note = " (compiling)" if state["phase"] == _lib.COMPILING else ""
        self._bar.set_description_str(f"epoch {state['epoch']}/{state['epochs']}{note}", refresh=False)
        if state["phase"] != _lib.COMPILING:
            figures = f"loss {state['loss']:.4f}, accuracy {state['metric']:.4f}{self._validation()}"
            self._bar.set_postfix_str(figures, refresh=False)
        self._bar.n = state["step"] / max(state["steps"], 1)
        self._bar.refresh()

    def _validation(self) -> str:
        """Returns the validation accuracy of the last epoch as text, "" if there is none."""
        accuracies = self._history().get("val_accuracy") or [math.nan]
        return "" if _missing(accuracies[-1]) else f", val_accuracy {accuracies[-1]:.4f}"

    def _print_lines(self, state: State) -> None:
        """Prints a line for every epoch that has ended since the last call."""
        if state["phase"] == _lib.COMPILING and not self._announced:
            self._announced = True
            print("compiling", flush=True)
        history = self._history()
        for row in range(self._shown, len(history["epoch"])):
            self._shown = row + 1
            metrics = {k: v[row] for k, v in history.items()}
            print(f"epoch {history['epoch'][row]}/{state['epochs']}: {figures(metrics)}", flush=True)


def announce_choice(device: str) -> None:
    """Prints, once per process, which device "auto" has chosen and why it is not a better one."""
    if device in _announced:
        return
    _announced.add(device)
    devices = {d["device"]: d for d in _lib.devices()}  # the best first
    better = [f"not {d}: {devices[d]['why']}" for d in takewhile(lambda d: d != device, devices)]
    reasons = "; ".join([devices[device]["description"], *better])
    print(printable(f"device auto is {device} ({reasons})"), flush=True)


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)
