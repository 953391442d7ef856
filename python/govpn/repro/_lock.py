"""Locks that processes and machines share through a folder."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

STALE = 120.0  # seconds without a touch after which a lock is nobody's


class Lock:
    """A lock that this process has taken. Its file holds a line that no other lock has."""

    def __init__(self, path: Path, line: str) -> None:
        self._path, self._line = path, line

    def held(self) -> bool:
        """Returns whether the lock is still ours. A process that slept for two minutes may have lost it."""
        with contextlib.suppress(OSError):
            return self._path.read_text() == self._line
        return False

    def touch(self) -> None:
        """Tells the other processes that the holder lives."""
        if self.held():
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def release(self) -> None:
        """Removes the file, unless another process has taken the lock over."""
        if self.held():
            self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Lock | None]:
    """Takes the lock until the end of the block. Yields None if another process holds it."""
    lock = _take(path)
    if lock is None:
        yield None
        return
    done = threading.Event()
    touch = threading.Thread(target=_keep_touching, args=(lock, done), daemon=True)
    touch.start()
    try:
        yield lock
    finally:
        done.set()
        touch.join()
        lock.release()


def _take(path: Path) -> Lock | None:
    try:
        if time.time() - path.stat().st_mtime < STALE:
            return None
        old = path.with_name(f".{socket.gethostname()}-{os.getpid()}-{path.name}")
        os.rename(path, old)  # of several processes, one succeeds
        old.unlink()
    except FileNotFoundError:
        pass
    line = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}\n"
    try:
        with open(path, "x") as file:
            file.write(line)
    except FileExistsError:
        return None
    return Lock(path, line)


def _keep_touching(lock: Lock, done: threading.Event) -> None:
    while not done.wait(STALE / 6):
        lock.touch()
