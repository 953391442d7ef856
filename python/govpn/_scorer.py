"""Scores Arrow batches: the function that Ray Data, Spark's mapInArrow and plain Python call."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import _arrow, _lib, _params
from ._fitted import fitted
from ._inputs.arrow import labels_in, tensors
from ._inputs.columns import IMAGE_COLUMNS, column_of
from ._inputs.features import scaled
from ._load import classifier_of, load
from ._model import Model
from ._reading import described, reading, shown
from ._types import AnyArray, Foreign, LabelsLike, Path, RandomState
from .errors import ArgumentError, ArgumentTypeError
from .estimator import VPNClassifier

_BATCHES = "an iterable of RecordBatches or Tables of pyarrow"
OUTPUTS = ("label", "proba", "std", "gradient")
Batch: TypeAlias = Foreign  # a RecordBatch or a Table of pyarrow, which has no types


class _Options(TypedDict):
    """How labels and probabilities are predicted, as in `VPNClassifier.predict`."""

    noise: str
    samples: int
    random_state: RandomState


class Scorer:
    """Scores Arrow batches that have a column of images.

    The result is the batch without its images and with predictions and noise maps. Other columns,
    such as ids and labels, stay. A Scorer can be pickled. Each process that calls it opens the
    model once.

    Parameters
    ----------
    model : VPNClassifier, bytes or path
        A fitted classifier, or the content of its file: both travel with the function. Or the path
        of its file, which every process opens for itself.
    output : str, sequence of str, or dict of str to str
        Which results to compute. "label" has the type of classes_. "proba" is float32 (K,). "std"
        is sigma as in `VPNClassifier.noise_std`, float32 (H, W, C) in units of the pixel range.
        "gradient" is that of `VPNClassifier.input_gradient`. A dict renames the columns: {"label":
        "predicted"}.
    image_column : str or None
        None takes the first of image, images, img, pixels. Images are tensors (Arrow's or Ray's),
        lists in lists, flat lists of H * W * C numbers, or encoded images. Their numbers are uint8,
        or floats from 0 to 1.
    label_column : str or None
        The labels for which "std" and "gradient" are computed. None takes the predicted labels.
    noise, samples, random_state
        As in `VPNClassifier.predict`. The noise of an image depends on its place in its batch.
    raw : bool
        Whether a column of binary values has raw pixels, H * W * C bytes, instead of encoded
        images. Spark needs this, because it has no uint8.
    tensors : bool
        Whether results with many numbers are Arrow's fixed_shape_tensor. False gives flat lists,
        which every engine knows.
    device : str
        The device on which to compute where the function is called, as in `VPNClassifier`.
    threads : int
        How many threads each process uses to compute; 0 is one per core. It takes effect before the
        process first opens a device.

    Raises
    ------
    ArgumentError
        A parameter is wrong. When called: a batch lacks a column, or its images have another size.

    Examples
    --------
    >>> import pyarrow as pa
    >>> scorer = govpn.Scorer(clf.fit(X, y), ["label", "proba"], device="go")
    >>> batch = pa.record_batch({"id": pa.array(range(12)), "image": govpn.to_arrow(X)})
    >>> scorer(batch).column_names
    ['id', 'label', 'proba']
    >>> [len(scored) for scored in scorer.map([batch, batch[:5]])]  # the body of Spark's mapInArrow
    [12, 5]
    """

    def __init__(
        self,
        model: VPNClassifier | bytes | Path,
        output: str | Sequence[str] | Mapping[str, str] = ("label", "proba"),
        *,
        image_column: str | None = None,
        label_column: str | None = None,
        noise: str = "none",
        samples: int = 1,
        random_state: RandomState = None,
        raw: bool = False,
        tensors: bool = True,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        self.source, self.columns = source_of(model), _columns(output)
        for name, column in (("image_column", image_column), ("label_column", label_column)):
            if column is not None:
                _params.text(column, name, "None or a str")
        self.image_column, self.label_column = image_column, label_column
        self.options: _Options = {"noise": noise, "samples": samples, "random_state": random_state}
        self.raw, self.tensors = _params.truth(raw, "raw"), _params.truth(tensors, "tensors")
        self.device, self.threads = _params.text(device, "device"), _params.whole(threads, "threads")
        if self.threads < 0:
            raise ArgumentError(f"threads is {threads}, want 0 (all cores) or more")

    def __call__(self, batch: Batch) -> Batch:
        """Returns the batch, a pyarrow RecordBatch or Table, without its images and with the results."""
        if not isinstance(batch, (pa.RecordBatch, pa.Table)):
            raise ArgumentTypeError(f"batch is {described(batch)}, want a RecordBatch or a Table of pyarrow")
        clf = self.classifier()
        image = self.image_column or column_of(batch.column_names, IMAGE_COLUMNS)
        if image is None or image not in batch.column_names:
            want = image or f"one named {', '.join(IMAGE_COLUMNS)}, or image_column"
            raise ArgumentError(f"the batch has columns {batch.column_names}, want {want}")
        if (count := batch.column_names.count(image)) > 1:
            raise ArgumentError(f"the batch has {count} columns named {image!r}, want one")
        kept = [field for field in batch.schema if field.name != image]
        if taken := {field.name for field in kept} & set(self.columns.values()):
            raise ArgumentError(
                f"output has {sorted(taken)[0]!r}, which is a column of the batch; want another name, as in "
                f'{{"label": "predicted"}}'
            )
        with reading("the batch", batch, "images as the model takes them"):
            results = self._results(clf, batch, image)
        columns = {self.columns[name]: self._to_arrow(x) for name, x in results.items()}
        schema = pa.schema([*kept, *(pa.field(name, x.type) for name, x in columns.items())])
        others = (batch.column(i) for i, name in enumerate(batch.column_names) if name != image)
        arrays = [*others, *columns.values()]
        return type(batch).from_arrays(arrays, schema=schema)

    def map(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yields each batch scored. It scores a batch when that is asked for."""
        with reading("batches", batches, _BATCHES):
            return self._scored(batches, iter(batches))

    def _scored(self, batches: Iterable[Batch], each: Iterator[Batch]) -> Iterator[Batch]:
        end = object()
        while True:
            with reading("batches", batches, _BATCHES):
                batch: Foreign = next(each, end)
            if batch is end:
                return
            yield self(batch)

    def classifier(self) -> VPNClassifier:
        """Returns the classifier of this process. The first call opens it."""
        with reading("model", self.source, "a fitted classifier, or the path of its file or its bytes"):
            changed = os.stat(self.source).st_mtime_ns if isinstance(self.source, str) else 0
        return _open(self.source, changed, self.device, self.threads)

    def _results(self, clf: VPNClassifier, batch: Batch, image: str) -> dict[str, AnyArray]:
        """Returns a column per output, in their order. image is the name of the column of images."""
        column = batch.column(image)
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        chunks = [pixels(chunk, clf.image_shape_, self.raw) for chunk in chunks if len(chunk)]
        if not chunks:  # an empty batch: the columns that one image would give, without its row
            black = np.zeros((1, *clf.image_shape_), np.uint8)
            first = clf.classes_[:1] if self.label_column else None
            return {name: x[:0] for name, x in self._computed(clf, black, first).items()}
        labels = labels_in(batch, self.label_column) if self.label_column else None
        return self._computed(clf, _as_trained(chunks, clf), labels)

    def _computed(self, clf: VPNClassifier, X: Foreign, labels: LabelsLike) -> dict[str, AnyArray]:
        """Returns the outputs for images X. labels are those for sigma and gradients; None: the predicted."""
        found: dict[str, AnyArray] = {}
        by_label = {"std": clf.noise_std, "gradient": clf.input_gradient}
        if "proba" in self.columns:
            found["proba"] = clf.predict_proba(X, **self.options)
            found["label"] = clf.classes_[found["proba"].argmax(axis=1)]
        elif "label" in self.columns or labels is None:
            found["label"] = clf.predict(X, **self.options)
        for name in by_label.keys() & self.columns.keys():
            found[name] = by_label[name](X, found["label"] if labels is None else labels)
        return {name: found[name] for name in self.columns}

    def _to_arrow(self, x: AnyArray) -> pa.Array:
        array = _arrow.to_arrow(x)
        if self.tensors or not isinstance(array, pa.ExtensionArray):
            return array
        offsets = np.arange(0, x.size + 1, math.prod(x.shape[1:]), dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), array.storage.flatten())


def source_of(model: object) -> bytes | str:
    """Returns the content of a model's file, or the path of the file."""
    if isinstance(model, VPNClassifier):
        return fitted(model).model.to_bytes()
    if isinstance(model, bytes):
        return model
    if isinstance(model, (str, os.PathLike)):
        path: str = os.path.abspath(os.fsdecode(_lib.path_bytes(model, "model")))
        return path
    raise ArgumentTypeError(
        f"model is a {type(model).__name__}, want a fitted VPNClassifier, the path of its file or its bytes"
    )


def _columns(output: str | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Returns the name of each output's column."""
    want = f"at least one of {', '.join(OUTPUTS)}, of own names"
    with reading("output", output, want):
        names = [output] if isinstance(output, str) else output
        columns = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
    for name in columns:
        if name not in OUTPUTS:
            raise ArgumentError(f"output has {shown(name)}, want of {', '.join(OUTPUTS)}")
    texts = all(isinstance(name, str) for name in columns.values())
    if not columns or not texts or len(set(columns.values())) != len(columns):
        raise ArgumentError(f"output is {shown(output)}, want {want}")
    return columns


@functools.lru_cache(maxsize=2)
def _open(source: bytes | str, changed: int, device: str, threads: int) -> VPNClassifier:
    """Opens a model in this process. changed is when its file changed, so that a new file is opened anew."""
    _lib.limit_threads(threads)
    if isinstance(source, str):
        return load(source, device, verbose=0)
    return classifier_of(Model.from_bytes(source, device), device, verbose=0)


def pixels(images: pa.Array, shape: Sequence[int], raw: bool) -> pa.Array:
    """Returns images as `VPNClassifier` takes them, over the same memory.

    Tensors of other libraries, flat lists and, with raw, raw bytes become Arrow's tensors. shape is
    (H, W, C) of the model's images.
    """
    if isinstance(images, pa.ExtensionArray) and not isinstance(images.type, pa.FixedShapeTensorType):
        shape = getattr(images.type, "shape", shape)
        images = images.storage
    binary = pa.types.is_binary(images.type) or pa.types.is_large_binary(images.type)
    flat = _is_list(images.type) and pa.types.is_primitive(images.type.value_type)
    if not flat and not (raw and binary):
        return images
    size = math.prod(shape)
    lengths = pc.binary_length(images) if binary else images.value_lengths()
    if images.null_count or not bool((lengths.to_numpy() == size).all()):
        raise ArgumentError(
            f"the batch has nulls or images of other than {size} numbers, want {tuple(shape)} of the model"
        )
    values = _bytes(images, size) if binary else images.flatten()
    storage = pa.FixedSizeListArray.from_arrays(values, size)
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(values.type, list(shape)), storage)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _bytes(images: pa.Array, size: int) -> pa.Array:
    """Returns all bytes of binary values, which lie one after another in memory."""
    offsets, data = images.buffers()[1:]
    kind = np.int64 if pa.types.is_large_binary(images.type) else np.int32
    first = int(np.frombuffer(offsets, kind)[images.offset])
    return pa.Array.from_buffers(pa.uint8(), len(images) * size, [None, data], offset=first)


def _as_trained(chunks: Sequence[pa.Array], clf: VPNClassifier) -> Foreign:
    """Returns the images for predict: scaled if the model has a pixel_range, which Arrow does not get."""
    encoded = not isinstance(chunks[0], pa.ExtensionArray) and not pa.types.is_nested(chunks[0].type)
    if clf.pixel_range_ is None or encoded:
        return pa.table({"image": pa.chunked_array(chunks)})
    features = fitted(clf).layout().n_features
    if not features:
        return pa.table({"image": pa.chunked_array([_scaled(chunk, clf) for chunk in chunks])})
    count = sum(len(chunk) for chunk in chunks)
    return np.concatenate([_arrow.numbers(chunk) for chunk in chunks]).reshape(count, features)


def _scaled(chunk: pa.Array, clf: VPNClassifier) -> pa.Array:
    """Returns images with pixels from 0 to 1. The order of their dimensions in memory stays."""
    images = tensors(chunk, "the batch")
    kind = images.type if isinstance(images.type, pa.FixedShapeTensorType) else None
    pixels = scaled(_arrow.numbers(images), clf.pixel_range_ or (0, 1))
    storage = pa.FixedSizeListArray.from_arrays(pa.array(pixels), len(pixels) // len(chunk))
    shape, names, order = list(clf.image_shape_), None, None
    if kind is not None:
        shape, names, order = kind.shape, kind.dim_names, kind.permutation
    told = pa.fixed_shape_tensor(storage.type.value_type, shape, dim_names=names, permutation=order)
    return pa.ExtensionArray.from_storage(told, storage)
