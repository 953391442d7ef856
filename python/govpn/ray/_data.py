"""Scoring with Ray Data: each actor has a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from .. import _params
from .._scorer import Scorer
from ..errors import ArgumentError, ArgumentTypeError
from ._import import ray_module


def predict_batches(
    dataset: Any,
    model: Any,
    output: str | Sequence[str] | Mapping[str, str] = ("label", "proba"),
    *,
    workers: int = 2,
    batch_size: int = 1024,
    num_cpus: float = 1,
    num_gpus: float = 0,
    **options: Any,
) -> Any:
    """Scores a Ray Dataset: replaces its images by predictions and noise maps, and keeps all other columns.

    Every row comes out once and in its order. If an actor's process or machine dies, Ray starts it anew and
    repeats its batches.

    Parameters
    ----------
    dataset : ray.data.Dataset
        Its own context gets execution_options.preserve_order = True.
    model, output : those of `govpn.Scorer`
        A classifier, or a model's bytes, is kept once in Ray's object store.
    workers : int
        The most actors. Each is a process with the model. Scoring begins as soon as one is ready.
    batch_size : int
        Images in a batch.
    num_cpus, num_gpus : float
        Resources of each actor. It computes with num_cpus threads (at least 1), unless threads is given.
    options
        The other parameters of `govpn.Scorer`, such as image_column, noise, device.

    Returns
    -------
    ray.data.Dataset
        Lazy: nothing runs before it is read.

    Raises
    ------
    ImportError : without Ray
    ArgumentError
        For wrong parameters, at once. For wrong batches, when they are scored, within Ray's
        UserCodeException.

    Examples
    --------
    >>> import ray, pyarrow as pa
    >>> table = pa.table({"id": range(12), "image": govpn.to_arrow(X)})
    >>> scored = govpn.ray.predict_batches(ray.data.from_arrow(table), clf.fit(X, y), device="go")
    >>> scored.take_batch(12)["proba"].shape
    (12, 4)
    """
    ray = ray_module("data")
    if not isinstance(dataset, ray.data.Dataset):
        raise ArgumentTypeError(f"dataset is a {type(dataset).__name__}, want a ray.data.Dataset")
    for name, value in (("workers", workers), ("batch_size", batch_size)):
        if _params.whole(value, name) < 1:
            raise ArgumentError(f"{name} is {value}, want at least 1")
    scorer = Scorer(model, output, **{"threads": max(1, int(num_cpus))} | options)
    scored = dataset.map_batches(
        Actor,
        fn_constructor_args=(ray.put(scorer),),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        udf_modifying_row_count=False,
    )  # Ray restarts its actors and repeats their tasks without limit
    scored.context.execution_options.preserve_order = True
    return scored


class Actor:
    """The actor that a process of Ray's runs. scorer lies in the object store."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = ray_module().get(scorer)
        self.scorer.classifier()

    def __call__(self, batch: pa.Table) -> pa.Table:
        return self.scorer(batch)
