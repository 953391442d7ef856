"""Runs long calls of the library so that Ctrl-C works.

The call runs on a worker thread, while the main thread waits for it in short intervals.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")

_INTERVAL = 0.05  # seconds that the main thread waits between two looks
_GRACE = (
    0.8  # seconds that an interrupted call has to stop; a compilation cannot be cancelled and takes longer
)


class Task(Generic[T]):
    """One call on a worker thread."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._value: T | None = None
        self._error: BaseException | None = None
        self.done = threading.Event()
        self.cancelled = False
        # Not a daemon: the interpreter must not end while the library may still call back into it.
        self.thread = threading.Thread(target=self._run, name="govpn")

    def _run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> T:
        """Returns the value of the call, or raises its error. The call must be done."""
        if self._error is not None:
            raise self._error
        return cast(T, self._value)


def run(
    work: Callable[[], T],
    cancel: Callable[[], object],
    poll: Callable[[], object] = lambda: None,
    started: Callable[[Task[T]], object] = lambda task: None,
) -> T:
    """Returns work().

    On the main thread, poll is called about every 50 ms while work runs. Ctrl-C calls cancel and
    raises KeyboardInterrupt as soon as work has ended, but at the latest after 0.8 seconds. If work
    has not ended by then, its thread ends later by itself. started gets the task before it starts.
    """
    if threading.current_thread() is not threading.main_thread():
        return _run_here(work, cancel)
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


_calls: dict[object, Callable[[], object]] = {}  # the calls on other threads, with what cancels each
_exiting = threading.Event()


def _run_here(work: Callable[[], T], cancel: Callable[[], object]) -> T:
    """Runs work on the present thread, which is not the main one."""
    key = object()
    _calls[key] = cancel
    try:
        return work()
    finally:
        del _calls[key]
        if _exiting.is_set():  # This is a daemon thread. It must not run Python code any more.
            threading.Event().wait()


@atexit.register
def _stop_others() -> None:
    """Cancels the calls on daemon threads: they must not call back into an interpreter that ends."""
    _exiting.set()
    end = time.monotonic() + 10  # A compilation cannot be cancelled and takes its time.
    while _calls and time.monotonic() < end:
        for cancel in list(_calls.values()):
            cancel()
        time.sleep(0.02)


def _stop(task: Task[T], cancel: Callable[[], object]) -> None:
    """Cancels until the task ends or the grace is over.

    It cancels more than once, because the first time may come before the library has begun.
    """
    task.cancelled = True
    if task.thread.ident is None:  # interrupted before it started
        task.done.set()
        return
    for _ in range(round(_GRACE / _INTERVAL)):
        cancel()
        if task.done.wait(_INTERVAL):
            return
