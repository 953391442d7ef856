"""Images and labels to the library and results back, over Arrow's C interfaces. Nothing is copied here."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from . import _lib
from .errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    FormatError,
    OutOfMemoryError,
    UnsupportedError,
)


class Data:
    """A data set in the library; freed with the object."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._finalizer = weakref.finalize(self, _lib.free("govpn_data_free"), handle)

    def info(self) -> dict[str, Any]:
        """images, height, width, channels, dtype, labelled, classes, class_names, bytes_copied and why,
        streamed, memory_bytes, skipped, soft_labels and weighted."""
        return _lib.call_json("govpn_data_info", self.handle)

    def set_labels(self, labels: np.ndarray, class_names: Sequence[str] | None = None) -> None:
        """Gives every image its label, int32 (N,), or its probabilities, float32 (N, K)."""
        options = _lib.encode({"class_names": class_names})
        _give(
            label_array(labels),
            lambda s, a: _lib.call("govpn_data_set_labels", self.handle, s, a, options),
        )

    def set_weights(self, weights: np.ndarray | None) -> None:
        """Gives every image its weight in training, float32 (N,), finite, 0 or more, at least one above 0;
        None takes the weights away."""
        if weights is None:
            _lib.call("govpn_data_set_weights", self.handle, None, None, None)
            return
        _give(
            pa.array(weights),
            lambda s, a: _lib.call("govpn_data_set_weights", self.handle, s, a, None),
        )

    def split(self, first: int, seed: int) -> tuple[Data, Data]:
        """Two parts, the first of so many images, every class in proportion; they share the images."""
        a, b = ctypes.c_uint64(), ctypes.c_uint64()
        options = _lib.encode({"first": first, "seed": seed})
        _lib.call("govpn_data_split", self.handle, options, ctypes.byref(a), ctypes.byref(b))
        return Data(a.value), Data(b.value)

    def export(self, **options: Any) -> Iterator[pa.RecordBatch]:
        """The images and labels in batches; closing the iterator stops the decoding."""
        stream = _lib.ArrowStream()
        _lib.call("govpn_data_export_stream", self.handle, _lib.encode(options), ctypes.byref(stream))
        return _batches(pa.RecordBatchReader._import_from_c(ctypes.addressof(stream)))


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
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


def tensor_array(images: np.ndarray) -> pa.Array:
    """A C-contiguous array (N, …) as an Arrow array of N tensors over the same memory."""
    shape = images.shape[1:]
    kind = pa.from_numpy_dtype(images.dtype)
    values = pa.Array.from_buffers(kind, images.size, [None, pa.py_buffer(images)])
    storage = pa.FixedSizeListArray.from_arrays(values, int(np.prod(shape)))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(kind, shape), storage)


def tensors(images: pa.Array, name: str) -> pa.Array:
    """Images of Arrow as tensors over the same memory: fixed_shape_tensor as they are, and lists in lists, of
    fixed or of any length, that are all of one shape. Lists of numbers stay fixed-size lists, which tell no
    shape."""
    if isinstance(images.type, pa.FixedShapeTensorType):
        return images
    values, sizes = images.storage if isinstance(images, pa.ExtensionArray) else images, []
    nested = _is_list(values.type) and _is_list(values.type.value_type)
    if not nested and not pa.types.is_fixed_size_list(values.type):
        raise ArgumentTypeError(
            f"{name} has Arrow type {images.type}, want fixed_shape_tensor, lists of lists of one size, "
            "fixed-size lists of pixels, or encoded images"
        )
    while nested and _is_list(values.type):
        inner = values.flatten()
        size = len(inner) // max(len(values), 1)
        if values.null_count or not _all_of_size(values, size):
            raise ArgumentError(f"{name} has nulls or lists of several lengths, want images of one size")
        values = inner
        sizes.append(size)
    if not nested:
        return values
    storage = pa.FixedSizeListArray.from_arrays(values, int(np.prod(sizes)))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(values.type, sizes), storage)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _all_of_size(lists: pa.Array, size: int) -> bool:
    if pa.types.is_fixed_size_list(lists.type):
        return lists.type.list_size == size
    return bool((lists.value_lengths().to_numpy() == size).all())


def channels_first(images: pa.Array) -> pa.Array:
    """The same tensors, whose memory is said to be (C, H, W)."""
    kind = pa.fixed_shape_tensor(images.type.value_type, images.type.shape, dim_names=["C", "H", "W"])
    return pa.ExtensionArray.from_storage(kind, images.storage)


def to_arrow(array: Any) -> pa.Array:
    """A result of the classifier, or another numpy array, as a pyarrow array over the same memory: of (N,)
    numbers, of (N, …) N tensors, fixed_shape_tensor. The Arrow array keeps the memory alive, and nobody may
    write to it afterwards. Booleans, text and what is not C-contiguous are copied.

    >>> import numpy as np, govpn
    >>> govpn.to_arrow(np.zeros((5, 28, 28, 1), np.float32)).type.shape
    [28, 28, 1]
    """
    array = np.asarray(array)
    if array.ndim == 0:
        raise ArgumentError("array has no axis, want (N,) or (N, …)")
    return pa.array(array) if array.ndim == 1 else tensor_array(np.ascontiguousarray(array))


def label_array(labels: np.ndarray) -> pa.Array:
    """Labels, int32 (N,), or probabilities, float32 (N, K), as an Arrow array over the same memory."""
    if labels.ndim == 1:
        return pa.array(labels, pa.int32())
    return pa.FixedSizeListArray.from_arrays(pa.array(labels.reshape(-1), pa.float32()), labels.shape[1])


def import_chunks(chunks: Sequence[pa.Array], labels: np.ndarray | None, shape: Sequence[int] | None) -> Data:
    """A data set of images in one or more Arrow arrays, and their labels, int32 (N,), or probabilities,
    float32 (N, K).

    shape is (H, W, C), needed where the arrays' type does not tell."""
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


def _give(array: pa.Array | pa.RecordBatch, use: Callable[[Any, Any], Any]) -> Any:
    """use(schema, array) with exported structs; what use does not take is released."""
    schema, struct = _lib.ArrowSchema(), _lib.ArrowArray()
    array._export_to_c(ctypes.addressof(struct), ctypes.addressof(schema))
    try:
        return use(ctypes.byref(schema), ctypes.byref(struct))
    finally:
        _lib.release(struct)
        _lib.release(schema)


def receive(name: str, *args: Any) -> pa.Array:
    """Calls a function whose last two parameters receive an Arrow schema and array."""
    schema, struct = _lib.ArrowSchema(), _lib.ArrowArray()
    _lib.call(name, *args, ctypes.byref(schema), ctypes.byref(struct))
    return pa.Array._import_from_c(ctypes.addressof(struct), ctypes.addressof(schema))


def numbers(array: pa.Array) -> np.ndarray:
    """All numbers of tensors or lists, or of the array itself, over the same memory, read-only."""
    values = array.storage if isinstance(array, pa.ExtensionArray) else array
    while _is_list(values.type):
        values = values.flatten()
    return values.to_numpy(zero_copy_only=values.null_count == 0)


def writable(array: pa.Array) -> np.ndarray:
    """Numbers (N,), or tensors (N, …), of the library as numpy over the same memory, which may be written:
    only where nothing else uses it."""
    tensors = isinstance(array, pa.ExtensionArray)
    values = array.storage.flatten() if tensors else array
    kind = np.dtype(values.type.to_pandas_dtype())
    start = values.buffers()[1].address + values.offset * kind.itemsize
    memory = (ctypes.c_uint8 * (len(values) * kind.itemsize)).from_address(start)
    memory.owner = array  # the view keeps it, and with it the library's memory
    numbers = np.frombuffer(memory, kind)
    return numbers.reshape(len(array), *array.type.shape) if tensors else numbers


class LentArray(np.ndarray):
    """A numpy array over memory that the device computes on directly; `govpn.empty` makes it.

    The array itself goes to fit and predict without any copy. Views and slices of it are ordinary arrays."""

    lent: Data | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.lent = None

    def __reduce__(self) -> Any:  # pickled and deep-copied as what it holds
        return np.asarray(self).copy().__reduce__()

    def __deepcopy__(self, memo: Any) -> np.ndarray:
        return np.asarray(self).copy()


def empty(shape: Sequence[int], dtype: Any = "uint8", device: str = "auto") -> np.ndarray:
    """Images in memory that the library lends and the device reads directly: fill it, and fit copies nothing.

    shape is (N, H, W, C) or (N, H, W); dtype is "uint8" (0 to 255) or "float32" (0 to 1); the pixels start at
    0. Fill the array before it is first used to fit or predict. On a device other than the one given here it
    is copied as any array."""
    n_h_w_c = [int(s) for s in shape] + [1] * (len(shape) == 3)
    options = _lib.encode({"shape": n_h_w_c, "dtype": np.dtype(dtype).name, "device": device})
    schema, struct = _lib.ArrowSchema(), _lib.ArrowArray()
    handle = _lib.call_handle("govpn_data_alloc", options, ctypes.byref(schema), ctypes.byref(struct))
    data = Data(handle)
    array = pa.Array._import_from_c(ctypes.addressof(struct), ctypes.addressof(schema))
    view = writable(array).reshape(tuple(shape)).view(LentArray)
    view.lent = data
    return view
