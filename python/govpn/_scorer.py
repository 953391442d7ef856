"""Scores Arrow batches: one function that Ray Data, Spark's mapInArrow and plain Python share."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import _arrow, _lib, _params
from ._inputs import IMAGE_COLUMNS, column_of
from ._load import classifier_of, load
from ._model import Model
from .errors import ArgumentError, ArgumentTypeError
from .estimator import VPNClassifier

OUTPUTS = ("label", "proba", "std", "gradient")
Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)


class Scorer:
    """A function of Arrow batches with a column of images: the images go, predictions and noise maps come,
    other columns (ids, labels) pass. It can be pickled, and each process that calls it opens the model once.

    Parameters
    ----------
    model : VPNClassifier, bytes or path
        A fitted classifier or the content of its file, which travel with the function; or the path of its
        file, which every process opens for itself.
    output : str, sequence of str, or dict of str to str
        Of "label" (the type of classes_), "proba" (float32 (K,)), "std" (sigma as of
        `VPNClassifier.noise_std`, float32 (H, W, C), in units of the pixel range) and "gradient" (as of
        `VPNClassifier.input_gradient`). A dict gives the columns other names: {"label": "predicted"}.
    image_column : str or None
        None takes the first of image, images, img, pixels. Images are tensors (Arrow's or Ray's), lists in
        lists, flat lists of H * W * C numbers, or encoded images; uint8 or floats from 0 to 1.
    label_column : str or None
        Whose labels "std" and "gradient" are for; None: the predicted ones.
    noise, samples, random_state
        Of `VPNClassifier.predict`. What noise an image gets depends on its place in its batch.
    raw : bool
        A column of binary values has pixels, H * W * C bytes, and not encoded images. Spark has no uint8.
    tensors : bool
        Whether results of many numbers are Arrow's fixed_shape_tensor; False: flat lists, which every engine
        knows.
    device : str
        Of `VPNClassifier`, where the function is called.
    threads : int
        That each process computes with; 0: as many as it has cores. Takes effect before the process first
        opens a device.

    Raises
    ------
    ArgumentError
        Here, of parameters; when called, of batches without the columns, or with images of another size.

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
        model: VPNClassifier | bytes | str | os.PathLike[str],
        output: str | Sequence[str] | Mapping[str, str] = ("label", "proba"),
        *,
        image_column: str | None = None,
        label_column: str | None = None,
        noise: str = "none",
        samples: int = 1,
        random_state: Any = None,
        raw: bool = False,
        tensors: bool = True,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        self.source, self.columns = source_of(model), _columns(output)
        self.image_column, self.label_column = image_column, label_column
        self.options = {"noise": noise, "samples": samples, "random_state": random_state}
        self.raw, self.tensors = _params.truth(raw, "raw"), _params.truth(tensors, "tensors")
        self.device, self.threads = device, _params.whole(threads, "threads")
        if self.threads < 0:
            raise ArgumentError(f"threads is {threads}, want 0 (all cores) or more")

    def __call__(self, batch: Batch) -> Batch:
        """The batch, pyarrow's RecordBatch or Table, without its images and with the results."""
        clf = self.classifier()
        image = self.image_column or column_of(batch.column_names, IMAGE_COLUMNS)
        if image not in batch.column_names:
            want = image or f"one named {', '.join(IMAGE_COLUMNS)}, or image_column"
            raise ArgumentError(f"the batch has columns {batch.column_names}, want {want}")
        kept = [field for field in batch.schema if field.name != image]
        if taken := {field.name for field in kept} & set(self.columns.values()):
            raise ArgumentError(
                f"output has {sorted(taken)[0]!r}, which is a column of the batch; want another name, as in "
                f'{{"label": "predicted"}}'
            )
        results = self._results(clf, batch, image)
        columns = {self.columns[name]: self._to_arrow(x) for name, x in results.items()}
        schema = pa.schema([*kept, *(pa.field(name, x.type) for name, x in columns.items())])
        arrays = [*(batch.column(field.name) for field in kept), *columns.values()]
        return type(batch).from_arrays(arrays, schema=schema)

    def map(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Each batch scored, when it is asked for."""
        return map(self, batches)

    def classifier(self) -> VPNClassifier:
        """The model as this process has it; the first call opens it."""
        changed = os.stat(self.source).st_mtime_ns if isinstance(self.source, str) else 0
        return _open(self.source, changed, self.device, self.threads)

    def _results(self, clf: VPNClassifier, batch: Batch, image: str) -> dict[str, np.ndarray]:
        """A column per output, in their order."""
        column = batch.column(image)
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        chunks = [pixels(chunk, clf.image_shape_, self.raw) for chunk in chunks if len(chunk)]
        if not chunks:  # what one image would give, without that image
            black = np.zeros((1, *clf.image_shape_), np.uint8)
            labels = clf.classes_[:1] if self.label_column else None
            return {name: x[:0] for name, x in self._computed(clf, black, labels).items()}
        labels = batch.column(self.label_column) if self.label_column else None
        return self._computed(clf, _as_trained(chunks, clf), labels)

    def _computed(self, clf: VPNClassifier, X: Any, labels: Any) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        by_label = {"std": clf.noise_std, "gradient": clf.input_gradient}
        if "proba" in self.columns:
            found["proba"] = clf.predict_proba(X, **self.options)
            found["label"] = clf.classes_[found["proba"].argmax(axis=1)]
        elif "label" in self.columns or labels is None:
            found["label"] = clf.predict(X, **self.options)
        for name in by_label.keys() & self.columns.keys():
            found[name] = by_label[name](X, found["label"] if labels is None else labels)
        return {name: found[name] for name in self.columns}

    def _to_arrow(self, x: np.ndarray) -> pa.Array:
        array = _arrow.to_arrow(x)
        if self.tensors or not isinstance(array, pa.ExtensionArray):
            return array
        offsets = np.arange(0, x.size + 1, math.prod(x.shape[1:]), dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), array.storage.flatten())


def source_of(model: Any) -> bytes | str:
    """A model's bytes, or its file's path."""
    if isinstance(model, VPNClassifier):
        return model._fitted().to_bytes()
    if isinstance(model, bytes):
        return model
    if isinstance(model, (str, os.PathLike)):
        return os.path.abspath(os.fspath(model))
    raise ArgumentTypeError(
        f"model is a {type(model).__name__}, want a fitted VPNClassifier, the path of its file or its bytes"
    )


def _columns(output: Any) -> dict[str, str]:
    """The name of each output's column."""
    names = [output] if isinstance(output, str) else output
    columns = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
    for name in columns:
        if name not in OUTPUTS:
            raise ArgumentError(f"output has {name!r}, want of {', '.join(OUTPUTS)}")
    if not columns or len(set(columns.values())) != len(columns):
        raise ArgumentError(f"output is {output!r}, want at least one of {', '.join(OUTPUTS)}, of own names")
    return columns


@functools.lru_cache(maxsize=2)
def _open(source: bytes | str, changed: int, device: str, threads: int) -> VPNClassifier:
    """A model in this process; changed is when its file did."""
    if threads:
        _lib.limit_threads(threads)
    if isinstance(source, str):
        return load(source, device, verbose=0)
    return classifier_of(Model.from_bytes(source, device), device, verbose=0)


def pixels(images: pa.Array, shape: Sequence[int], raw: bool) -> pa.Array:
    """Images as `VPNClassifier` takes them, over the same memory: tensors of other libraries, flat lists and
    raw bytes, of a model with images of this shape, become Arrow's."""
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
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _bytes(images: pa.Array, size: int) -> pa.Array:
    """All bytes of binary values, which lie one after another."""
    offsets, data = images.buffers()[1:]
    kind = np.int64 if pa.types.is_large_binary(images.type) else np.int32
    first = int(np.frombuffer(offsets, kind)[images.offset])
    return pa.Array.from_buffers(pa.uint8(), len(images) * size, [None, data], offset=first)


def _as_trained(chunks: Sequence[pa.Array], clf: VPNClassifier) -> Any:
    """The images for predict, which scales numpy's numbers, and no Arrow's, from pixel_range."""
    encoded = not isinstance(chunks[0], pa.ExtensionArray) and not pa.types.is_nested(chunks[0].type)
    if clf.pixel_range_ is None or encoded:
        return pa.table({"image": pa.chunked_array(chunks)})
    count = sum(len(chunk) for chunk in chunks)
    numbers = np.concatenate([_arrow.numbers(chunk) for chunk in chunks])
    features = clf._layout().n_features
    return numbers.reshape((count, features) if features else (count, *clf.image_shape_))
