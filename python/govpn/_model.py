"""A model in the library: each method is one call, long ones can be interrupted."""

from __future__ import annotations

import contextlib
import ctypes
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import _arrow, _lib, _params
from ._hooks import Hooks
from ._progress import Progress
from ._run import Task, run
from .callbacks import Callback
from .errors import BusyError, CancelledError, GovpnError

Path = str | os.PathLike[str]
_SHARING = ("rank", "workers", "sum")  # what a callback has by which models train together


class Model:
    """Owns a handle; freed with the object."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._task: Task | None = None
        self._sum: Any = None  # what a training that is shared calls
        self._finalizer = weakref.finalize(self, _lib.free("govpn_model_free"), handle)
        self._finalizer.atexit = False  # a daemon thread may use it, and must find it to be cancelled

    @classmethod
    def create(cls, config: Mapping[str, Any]) -> Model:
        return cls(_lib.call_handle("govpn_model_create", _lib.encode(config)))

    @classmethod
    def load(cls, path: Path, device: str) -> Model:
        options = _lib.encode({"device": device})
        return cls(_lib.call_handle("govpn_model_load", _lib.path_bytes(path), options))

    @classmethod
    def from_bytes(cls, content: bytes, device: str, devices: int | list[int] = 1) -> Model:
        memory = ctypes.cast(ctypes.c_char_p(content), ctypes.POINTER(ctypes.c_uint8))
        options = _lib.encode({"device": device, "devices": devices})
        return cls(_lib.call_handle("govpn_model_from_bytes", memory, len(content), options))

    def spread(self, devices: int | list[int]) -> Model:
        """A model that trains on these devices: this one, or a copy."""
        about = self.describe()
        if about["devices"] == (list(range(devices)) if isinstance(devices, int) else devices):
            return self
        return Model.from_bytes(self.to_bytes(), about["device"], devices)

    def to_bytes(self) -> bytes:
        return self._run(lambda: _lib.call_bytes("govpn_model_to_bytes", self.handle))

    def save(self, path: Path) -> None:
        target = _lib.path_bytes(path)
        self._run(lambda: _lib.call("govpn_model_save", self.handle, target))

    def export_safetensors(self, path: Path, options: Mapping[str, Any]) -> None:
        target, text = _lib.path_bytes(path), _lib.encode(options)
        self._run(lambda: _lib.call("govpn_model_export_safetensors", self.handle, target, text))

    def import_safetensors(self, path: Path, options: Mapping[str, Any]) -> None:
        source, text = _lib.path_bytes(path), _lib.encode(options)
        self._run(lambda: _lib.call("govpn_model_import_safetensors", self.handle, source, text))

    def fit(
        self,
        train: _arrow.Data,
        valid: _arrow.Data | None,
        options: Mapping[str, Any],
        verbose: int,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        hooks = Hooks(self, callbacks)
        progress = Progress(verbose, self.history, hooks.epoch)
        text = _lib.encode(
            {k: v for c in callbacks for k, v in getattr(c, "fit_options", {}).items()} | dict(options)
        )

        def work() -> None:
            handles = self.handle, train.handle, valid.handle if valid else 0
            try:
                _lib.call("govpn_model_fit", *handles, text, progress.callback, None)
            except CancelledError:
                if not hooks.stopped:
                    raise

        def started(task: Task) -> None:
            progress.stop = lambda: task.cancelled

        hooks.begin(options["epochs"] or self.describe()["config"]["epochs"])
        try:
            with self._shared(callbacks):
                self._run(work, progress.show, started)
        finally:
            try:
                progress.close()
            finally:
                hooks.end()

    @contextlib.contextmanager
    def _shared(self, callbacks: Sequence[Callback]) -> Iterator[None]:
        """Training takes a share of every batch where a callback has rank, workers and sum, which replaces
        values, float32 (N,), by their sums over all workers."""
        worker, errors = next((c for c in callbacks if all(hasattr(c, n) for n in _SHARING)), None), []
        self._unshare()
        if worker is None:
            yield
            return

        def add(values: Any, count: int, user_data: Any) -> int:
            try:
                worker.sum(np.ctypeslib.as_array(values, (count,)))
            except BaseException as error:
                errors.append(error)
            return len(errors)

        self._sum = _lib.SUM_FN(add)
        _lib.call("govpn_model_share", self.handle, worker.rank, worker.workers, self._sum, None)
        try:
            yield
        finally:
            with contextlib.suppress(BusyError):  # a training that Ctrl-C has left behind still calls it
                self._unshare()
            if errors:
                raise errors[0]

    def _unshare(self) -> None:
        if self._sum is not None:
            _lib.call("govpn_model_share", self.handle, 0, 1, _lib.SUM_FN(), None)
            self._sum = None

    def set_learning_rate(self, rate: float) -> None:
        """From the next step on; also while the model trains."""
        _lib.call("govpn_model_set_learning_rate", self.handle, _params.real(rate, "learning_rate"))

    def predict(self, data: _arrow.Data, options: Mapping[str, Any]) -> np.ndarray:
        return self._receive("govpn_model_predict", data, options)

    def noise(self, data: _arrow.Data, options: Mapping[str, Any]) -> np.ndarray:
        return self._receive("govpn_model_noise", data, options)

    def evaluate(self, data: _arrow.Data, options: Mapping[str, Any]) -> dict[str, Any]:
        text = _lib.encode(options)
        return self._run(lambda: _lib.call_json("govpn_model_evaluate", self.handle, data.handle, text))

    def history(self) -> dict[str, list[Any]]:
        """A list per column; answers at once, also while the model trains."""
        rows = _arrow.receive("govpn_model_history", self.handle)
        names = [rows.type.field(i).name for i in range(rows.type.num_fields)]
        return {name: rows.field(name).to_pylist() for name in names}

    def describe(self) -> dict[str, Any]:
        """config, parameters, device, epochs_done, best_epoch and warnings; answers at once."""
        return _lib.call_json("govpn_model_config", self.handle)

    def _receive(self, name: str, data: _arrow.Data, options: Mapping[str, Any]) -> np.ndarray:
        text = _lib.encode(options)
        return _arrow.writable(self._run(lambda: _arrow.receive(name, self.handle, data.handle, text)))

    def _cancel(self) -> None:
        with contextlib.suppress(GovpnError):
            _lib.call("govpn_model_cancel", self.handle)

    def _run(
        self,
        work: Callable[[], Any],
        poll: Callable[[], None] = lambda: None,
        started: Callable[[Task], None] = lambda task: None,
    ) -> Any:
        if self._task is not None and not self._task.done.is_set():
            raise BusyError(
                "the model still ends a call that Ctrl-C has left behind (a compilation cannot be cancelled)"
            )

        def keep(task: Task) -> None:
            self._task = task
            started(task)

        try:
            return run(work, self._cancel, poll, keep)
        finally:
            if self._task is not None and self._task.done.is_set():
                self._task = None  # and with it what the call has kept alive
