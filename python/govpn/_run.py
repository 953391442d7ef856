"""Runs long library calls so that Ctrl-C works: on a worker thread, while the main thread waits in short
intervals."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import Any

_INTERVAL = 0.05  # seconds between two looks of the main thread
_GRACE = (
    0.8  # seconds that an interrupted call gets to stop; a compilation takes longer, and cannot be cancelled
)


class Task:
    """One call on a worker thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._value: Any = None
        self._error: BaseException | None = None
        self.done = threading.Event()
        self.cancelled = False
        # Not a daemon: the interpreter must not go away while the library may still call back into it.
        self.thread = threading.Thread(target=self._run, name="govpn")

    def _run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value


def run(
    work: Callable[[], Any],
    cancel: Callable[[], None],
    poll: Callable[[], None] = lambda: None,
    started: Callable[[Task], None] = lambda task: None,
) -> Any:
    """Returns work(). On the main thread, Ctrl-C calls cancel and raises KeyboardInterrupt as soon as work
    has ended, at the latest after 0.8 seconds; the worker then ends by itself. poll is called about every 50
    ms."""
    if threading.current_thread() is not threading.main_thread():
        return _beside(work, cancel)
    task = Task(work)
    started(task)
    try:
        task.thread.start()
        while not task.done.wait(_INTERVAL):
            poll()
    except BaseException:
        _stop(task, cancel)
        raise
    return task.result()


_calls: dict[object, Callable[[], None]] = {}  # on other threads, with what cancels them
_exiting = threading.Event()


def _beside(work: Callable[[], Any], cancel: Callable[[], None]) -> Any:
    key = object()
    _calls[key] = cancel
    try:
        return work()
    finally:
        del _calls[key]
        if _exiting.is_set():  # a daemon thread: nothing of it is to be seen any more
            threading.Event().wait()


@atexit.register
def _stop_others() -> None:
    """The library must not call back into an interpreter that goes away, as it may on daemon threads."""
    _exiting.set()
    end = time.monotonic() + 10  # a compilation takes its time
    while _calls and time.monotonic() < end:
        for cancel in list(_calls.values()):
            cancel()
        time.sleep(0.02)


def _stop(task: Task, cancel: Callable[[], None]) -> None:
    """Cancels until the task ends or the grace is over: a first cancel may come before the library has
    begun."""
    task.cancelled = True
    if task.thread.ident is None:  # interrupted before it started
        task.done.set()
        return
    for _ in range(round(_GRACE / _INTERVAL)):
        cancel()
        if task.done.wait(_INTERVAL):
            return
