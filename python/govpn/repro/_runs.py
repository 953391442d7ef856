"""The finished runs of a folder: a file per run, and files of packed runs.

A running study writes <id>.json for every run that finishes. `pack` gathers these files into one file
of JSON lines per table. A loose file wins over a packed line of the same id.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .._files import replace
from ..errors import FileError
from ._lock import Lock, locked
from ._rows import Result, Run, table_of

Signature = tuple[int, int, int]
Rows = dict[str, Result]


class Runs:
    """Reads the finished runs of a folder.

    Another process may pack the folder at any time. It removes a loose file only when the packed line
    is in place, so every method looks at the loose files first and at the packed files second.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[Path, tuple[Signature, Rows]] = {}

    def has(self, run_id: str) -> bool:
        """Returns whether the run has finished."""
        return self._loose(run_id).exists() or run_id in self._packed()

    def get(self, run_id: str) -> Result | None:
        """Returns what the run has left, or None if it has not finished."""
        found = _read_loose(self._loose(run_id))
        return self._packed().get(run_id) if found is None else found

    def all(self) -> list[Result]:
        """Returns every finished run, sorted by id."""
        loose = {p.stem: r for p in loose_files(self.folder) if (r := _read_loose(p)) is not None}
        rows = self._packed() | loose
        return [rows[k] for k in sorted(rows)]

    def _loose(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.json"

    def _packed(self) -> Rows:
        """Returns the packed runs. A file is read again only if it has changed."""
        merged: Rows = {}
        for path in packed_files(self.folder):
            for key, row in self._rows_of(path).items():
                _refuse_other(path, key, row, merged.setdefault(key, row))
        return merged

    def _rows_of(self, path: Path) -> Rows:
        try:
            known = self._read.get(path)
            if known is None or known[0] != _signature(os.stat(path)):
                with open(path, "rb") as file:
                    signature = _signature(os.fstat(file.fileno()))
                    known = signature, parse(path, file.read())
                self._read[path] = known
        except FileNotFoundError:  # packed files do not vanish, but somebody may delete one
            return {}
        return known[1]


def pack(out: str | os.PathLike[str] = "govpn-repro") -> int:
    """Packs the finished runs of a study folder: one file runs/<table>.jsonl, a line per run, in place
    of a file per run. Returns how many files were packed.

    The lines are sorted by run id, so the same runs always give the same file. Studies may go on in the
    folder meanwhile: `pack` writes each file beside the old one and renames it. It then removes the
    loose files, except those that have changed since they were read.

    >>> govpn.repro.pack("an-empty-study")
    0
    """
    folder = Path(out) / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    waited = 0
    while True:
        with locked(folder / "pack.lock") as lock:
            if lock is not None and (count := _pack(folder, lock)) is not None:
                return count
        if waited == 5:
            print(f"govpn.repro: another process packs {folder}; waiting for it", file=sys.stderr)
        time.sleep(1)
        waited += 1


def _pack(folder: Path, lock: Lock) -> int | None:
    """Packs once. Returns the number of loose files, or None if the lock was lost on the way.

    A process that sleeps for two minutes loses the lock, perhaps just before it renames. So whoever
    takes the lock first removes the files that others were writing. Their renaming then fails.
    """
    for path in folder.glob(".*.jsonl"):
        path.unlink(missing_ok=True)
    packed = {path.stem: parse(path, path.read_bytes()) for path in packed_files(folder)}
    home: dict[str, str] = {}
    for table, rows in packed.items():
        for key in list(rows):
            if home.setdefault(key, table) != table:
                _refuse_other(folder / f"{table}.jsonl", key, rows.pop(key), packed[home[key]][key])
    loose: dict[Path, bytes] = {}
    for path in loose_files(folder):
        with contextlib.suppress(FileNotFoundError):
            loose[path] = path.read_bytes()
    for path, content in loose.items():
        row = _loose_row(path, content)
        table = home.get(path.stem) or _table(path, row)
        packed.setdefault(table, {})[path.stem] = row
    for table, rows in packed.items():
        path, content = folder / f"{table}.jsonl", _as_lines(rows)
        if path.exists() and path.read_bytes() == content:
            continue
        try:
            if not replace(path, _writer(content), lock.held):
                return None
        except FileNotFoundError:
            return None
    for path, content in loose.items():
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == content:
                path.unlink()
    return len(loose)


def _refuse_other(path: Path, key: str, row: Result, other: Result) -> None:
    """Raises FileError unless a run that two packed files hold is the same in both."""
    if row != other:
        raise FileError(f"{path}: {key} is also in another packed file, with other content")


def packed_files(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.glob("*.jsonl")) if not p.name.startswith(".")]


def loose_files(folder: Path) -> list[Path]:
    """Returns the files of single runs. Files that are being written begin with a dot."""
    return [p for p in sorted(folder.glob("*.json")) if not p.name.startswith(".")]


def parse(path: Path, content: bytes) -> Rows:
    """Returns the runs of a packed file by id. An error names the file and the line."""
    rows: Rows = {}
    first: dict[str, int] = {}
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n") if content else [], 1):
        where = f"{path}, line {number}"
        row = _checked(where, line)
        key = row["id"]
        if key in rows:
            raise FileError(f"{where}: {key} is on line {first[key]} already")
        rows[key], first[key] = row, number
    return rows


def as_text(result: Result) -> str:
    """Returns the JSON of a loose file, a line per entry."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in result.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _as_lines(rows: Rows) -> bytes:
    lines = (json.dumps(rows[k], ensure_ascii=False, separators=(",", ":")) for k in sorted(rows))
    return "".join(f"{line}\n" for line in lines).encode()


def _writer(content: bytes) -> Callable[[Path], None]:
    """Returns a function that writes the content through to the disk: loose files are deleted next."""

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    return write


def _read_loose(path: Path) -> Result | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return _loose_row(path, content)


def _loose_row(path: Path, content: bytes) -> Result:
    row = _checked(str(path), content)
    if row["id"] != path.stem:
        raise FileError(f"{path}: its id is {row['id']}, want the name of the file")
    return row


def _checked(where: str, text: bytes) -> Result:
    """Returns the run that a text holds, or raises an error that says where it stands."""
    try:
        row = json.loads(text)
    except ValueError as error:  # no JSON, or no UTF-8
        raise FileError(f"{where}: not a finished run: {error}") from None
    if (
        not isinstance(row, dict)
        or not isinstance(row.get("id"), str)
        or not isinstance(row.get("run"), dict)
    ):
        raise FileError(f"{where}: not a finished run: want an object with id and run")
    return row


def _table(path: Path, row: Result) -> str:
    try:
        return table_of(Run(**row["run"]))
    except (TypeError, ValueError) as error:  # a field or a row of another version
        raise FileError(f"{path}: not a run of this version: {error}") from None


def _signature(about: os.stat_result) -> Signature:
    return about.st_mtime_ns, about.st_size, about.st_ino
