"""Replaces files as a whole: whatever happens, a path holds the old or the new content."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from .errors import FileError


def replace(path: Path, write: Callable[[Path], object], allowed: Callable[[], bool] = lambda: True) -> bool:
    """Writes beside the file and renames, unless it is no longer allowed. Returns whether it was.

    A symbolic link stays, and the file that it leads to is replaced. A new file has the mode that
    the umask leaves of 0666. A file that is replaced keeps its mode and, where the system permits,
    its owner and group.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise FileError(f"{path} cannot be written: its symbolic links go round in a circle")
    # Of a long name a part is taken: names have at most 255 bytes.
    beside = target.with_name(f".{socket.gethostname()}-{os.getpid()}-{target.name[:50]}")
    beside.unlink(missing_ok=True)
    old = target.stat() if target.exists() else None
    try:
        beside.touch(0o666 if old is None else 0o600, exist_ok=False)  # what write opens keeps its mode
        write(beside)
        if not allowed():
            return False
        if old is not None:
            _keep_owner_and_mode(beside, old)
        os.replace(beside, target)
        return True
    finally:
        beside.unlink(missing_ok=True)


def _keep_owner_and_mode(path: Path, old: os.stat_result) -> None:
    """Gives a file the mode of another and, where the system permits, its owner and group.

    If the group cannot be kept, the file's group may do no more than everybody.
    """
    mode, now = stat.S_IMODE(old.st_mode) & 0o777, path.stat()
    if now.st_gid != old.st_gid:
        try:
            os.chown(path, -1, old.st_gid)
        except OSError:
            mode &= 0o707 | mode << 3
    if now.st_uid != old.st_uid:
        with contextlib.suppress(OSError):  # root alone may give files away
            os.chown(path, old.st_uid, -1)
    path.chmod(mode)
