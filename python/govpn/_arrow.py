"""Carries images and labels into the library, and results back, over Arrow's C interfaces.

Nothing here copies pixels or results, except where a docstring says so.
"""

from __future__ import annotations

import ctypes
import operator
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike

from . import _lib
from ._reading import described, reading
from ._types import AnyArray, DataInfo
from .errors import (
    ArgumentError,
    FileError,
    FormatError,
    OutOfMemoryError,
    UnsupportedError,
)

T = TypeVar("T")


class Data:
    """A data set in the library. It is freed together with this object."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._finalizer = weakref.finalize(self, _lib.free("govpn_data_free"), handle)

    def info(self) -> DataInfo:
        """Returns what the library tells of the data set."""
        return cast(DataInfo, _lib.call_json("govpn_data_info", self.handle))

    def set_labels(self, labels: AnyArray, class_names: Sequence[str] | None = None) -> None:
        """Gives every image its label, int32 (N,), or its probabilities, float32 (N, K)."""
        options = _lib.encode({"class_names": class_names})
        _give(
            label_array(labels),
            lambda s, a: _lib.call("govpn_data_set_labels", self.handle, s, a, options),
        )

    def set_weights(self, weights: AnyArray | None) -> None:
        """Gives every image its weight in training. None removes the weights.

        weights is float32 (N,), finite and at least 0. At least one weight must be above 0.
        """
        if weights is None:
            _lib.call("govpn_data_set_weights", self.handle, None, None, None)
            return
        _give(
            pa.array(weights),
            lambda s, a: _lib.call("govpn_data_set_weights", self.handle, s, a, None),
        )

    def split(self, first: int, seed: int) -> tuple[Data, Data]:
        """Returns two parts, which share the images.

        first is the number of images in the first part. Every class is split in the same
        proportion.
        """
        a, b = ctypes.c_uint64(), ctypes.c_uint64()
        options = _lib.encode({"first": first, "seed": seed})
        _lib.call("govpn_data_split", self.handle, options, ctypes.byref(a), ctypes.byref(b))
        return Data(a.value), Data(b.value)

    def export(self, **options: object) -> Iterator[pa.RecordBatch]:
        """Yields the images and labels in batches. Closing the iterator stops the decoding.

        options are those of govpn_data_export_stream.
        """
        stream = _lib.ArrowStream()
        _lib.call("govpn_data_export_stream", self.handle, _lib.encode(options), ctypes.byref(stream))
        return _batches(pa.RecordBatchReader._import_from_c(ctypes.addressof(stream)))


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yields the batches of a reader and turns Arrow's errors into those of govpn."""
    try:
        yield from reader
    except pa.ArrowInvalid as error:
        raise FormatError(str(error)) from None
    except pa.ArrowNotImplementedError as error:
        raise UnsupportedError(str(error)) from None
    except MemoryError as error:
        raise OutOfMemoryError(str(error)) from None
    except OSError as error:
        raise FileError(str(error)) from None
    finally:
        reader.close()


def import_chunks(chunks: Sequence[pa.Array], labels: AnyArray | None, shape: Sequence[int] | None) -> Data:
    """Makes a data set of images in one or more Arrow arrays.

    labels are int32 (N,), probabilities float32 (N, K), or None. shape is (H, W, C). It is needed
    where the type of the arrays does not tell it.
    """
    options = _lib.encode({} if shape is None else {"shape": list(shape)})
    if len(chunks) == 1 and labels is None:
        return _import(chunks[0], options)
    batches, start = [], 0
    for chunk in chunks:
        columns = {"image": chunk}
        if labels is not None:
            columns["label"] = label_array(labels[start : start + len(chunk)])
        batches.append(pa.RecordBatch.from_arrays(list(columns.values()), list(columns)))
        start += len(chunk)
    if len(batches) == 1:
        return _import(batches[0], options)
    return _import_stream(pa.RecordBatchReader.from_batches(batches[0].schema, batches), options)


def _import(array: pa.Array | pa.RecordBatch, options: bytes) -> Data:
    return Data(_give(array, lambda s, a: _lib.call_handle("govpn_data_import", s, a, options)))


def _import_stream(reader: pa.RecordBatchReader, options: bytes) -> Data:
    stream = _lib.ArrowStream()
    reader._export_to_c(ctypes.addressof(stream))
    try:
        return Data(_lib.call_handle("govpn_data_import_stream", ctypes.byref(stream), options))
    finally:
        _lib.release(stream)


def _give(array: pa.Array | pa.RecordBatch, use: Callable[[_lib.Argument, _lib.Argument], T]) -> T:
    """Returns use(schema, array) of the exported array. What use does not take over is released."""
    schema, struct = _lib.ArrowSchema(), _lib.ArrowArray()
    array._export_to_c(ctypes.addressof(struct), ctypes.addressof(schema))
    try:
        return use(ctypes.byref(schema), ctypes.byref(struct))
    finally:
        _lib.release(struct)
        _lib.release(schema)


def receive(name: str, *args: _lib.Argument) -> pa.Array:
    """Calls a function whose last two parameters receive an Arrow schema and an Arrow array."""
    schema, struct = _lib.ArrowSchema(), _lib.ArrowArray()
    _lib.call(name, *args, ctypes.byref(schema), ctypes.byref(struct))
    return pa.Array._import_from_c(ctypes.addressof(struct), ctypes.addressof(schema))


# ---- numpy to Arrow and back -------------------------------------------------------------------------------


def tensor_array(images: AnyArray) -> pa.Array:
    """Returns a C-contiguous array (N, …) as an Arrow array of N tensors over the same memory."""
    shape = images.shape[1:]
    kind = pa.from_numpy_dtype(images.dtype)
    values = pa.array(images.reshape(-1))  # booleans, of which Arrow has bits
    if images.dtype != bool:
        values = pa.Array.from_buffers(kind, images.size, [None, pa.py_buffer(images)])
    storage = pa.FixedSizeListArray.from_arrays(values, int(np.prod(shape)))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(kind, shape), storage)


def label_array(labels: AnyArray) -> pa.Array:
    """Returns labels, int32 (N,), or probabilities, float32 (N, K), as Arrow over the same memory."""
    if labels.ndim == 1:
        return pa.array(labels, pa.int32())
    return pa.FixedSizeListArray.from_arrays(pa.array(labels.reshape(-1), pa.float32()), labels.shape[1])


def is_list(kind: pa.DataType) -> bool:
    """Says whether values of the type are lists, of any or of one fixed length."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def numbers(array: pa.Array) -> AnyArray:
    """Returns all numbers of tensors, of lists or of a plain array, over the same memory and read-only."""
    values = array.storage if isinstance(array, pa.ExtensionArray) else array
    while is_list(values.type):
        values = values.flatten()
    return cast(AnyArray, values.to_numpy(zero_copy_only=values.null_count == 0))


def writable(array: pa.Array) -> AnyArray:
    """Returns numbers (N,), or tensors (N, …), of the library as numpy over the same memory.

    The result may be written to. The array must therefore be the only user of its memory.
    """
    tensors = isinstance(array, pa.ExtensionArray)
    values = array.storage.flatten() if tensors else array
    kind: np.dtype[Any] = np.dtype(values.type.to_pandas_dtype())
    start = values.buffers()[1].address + values.offset * kind.itemsize
    memory: Any = (ctypes.c_uint8 * (len(values) * kind.itemsize)).from_address(start)
    memory.owner = array  # keeps the library's memory while the view lives
    numbers: AnyArray = np.frombuffer(memory, kind)
    return numbers.reshape((len(array), *array.type.shape)) if tensors else numbers


def to_arrow(array: object) -> pa.Array:
    """Returns a numpy array, for example a result of the classifier, as a pyarrow array.

    An array (N,) becomes N numbers. An array (N, …) becomes N tensors of type fixed_shape_tensor.
    Both share the memory of the given array and keep it alive, so do not write to it afterwards.
    Booleans, text and arrays that are not C-contiguous are copied. An array without an axis raises
    an ArgumentError.

    >>> import numpy as np, govpn
    >>> govpn.to_arrow(np.zeros((5, 28, 28, 1), np.float32)).type.shape
    [28, 28, 1]
    """
    with reading("array", array, "numbers (N,) or (N, …)"):
        array = np.asarray(array)
        if array.ndim == 0:
            raise ArgumentError("array has no axis, want (N,) or (N, …)")
        if array.ndim == 1:
            return pa.array(array)
        if 0 in array.shape[1:] or array.dtype.kind not in "fiub":
            raise ArgumentError(f"array is {described(array)}, want real numbers (N, …), one or more each")
        return tensor_array(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))


# ---- memory of the device ----------------------------------------------------------------------------------


class LentArray(np.ndarray[Any, np.dtype[Any]]):
    """A numpy array over memory that the device computes on directly. `govpn.empty` makes it.

    The array itself goes to fit and predict without a copy. Its views and slices are ordinary
    arrays, and so are its copies and pickles.
    """

    lent: Data | None = None

    def __array_finalize__(self, source: object) -> None:
        self.lent = None

    def __reduce__(self) -> Any:
        return np.asarray(self).copy().__reduce__()

    def __deepcopy__(self, memo: object) -> AnyArray:  # type: ignore[override]
        return np.asarray(self).copy()


def empty(shape: Sequence[int], dtype: DTypeLike = "uint8", device: str = "auto") -> AnyArray:
    """Returns an array for images in memory of the library, which fit and predict use without a copy.

    Fill the array before you first pass it to fit or predict. A device other than the one named
    here copies it like any other array.

    Parameters
    ----------
    shape : (N, H, W, C) or (N, H, W)
    dtype : "uint8" for pixels from 0 to 255, or "float32" for pixels from 0 to 1
    device : as of `VPNClassifier`

    Returns
    -------
    ndarray of this shape and dtype, filled with 0
    """
    with reading("shape", shape, "(N, H, W, C) or (N, H, W)"):
        n_h_w_c = [operator.index(s) for s in shape] + [1] * (len(shape) == 3)
    with reading("dtype", dtype, '"uint8" or "float32"'):
        dtype = np.dtype(dtype)
    options = _lib.encode({"shape": n_h_w_c, "dtype": dtype.name, "device": device})
    schema, struct = _lib.ArrowSchema(), _lib.ArrowArray()
    handle = _lib.call_handle("govpn_data_alloc", options, ctypes.byref(schema), ctypes.byref(struct))
    data = Data(handle)
    array = pa.Array._import_from_c(ctypes.addressof(struct), ctypes.addressof(schema))
    view = writable(array).reshape(tuple(shape)).view(LentArray)
    view.lent = data
    return view
