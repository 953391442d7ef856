"""Scoring with Ray Data: a model per actor."""

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
    """Scores a Ray Dataset: its images go, predictions and noise maps come, other columns pass. Every row
    comes out once and in its order, also where processes or machines of the actors die: Ray starts them anew
    and repeats what they were at.

    Parameters
    ----------
    dataset : ray.data.Dataset
        Its own context gets execution_options.preserve_order = True.
    model, output : as of `govpn.Scorer`
        A model that is given as such, or as bytes, is kept once in Ray's object store.
    workers : int
        Actors at most, each a process with the model; one is enough to begin with.
    batch_size : int
        Images in a batch.
    num_cpus, num_gpus : float
        Of each actor. It computes with num_cpus threads (at least 1), unless threads is given.
    options
        The other parameters of `govpn.Scorer`, such as image_column, noise, device.

    Returns
    -------
    ray.data.Dataset : lazy; nothing runs before it is read

    Raises
    ------
    ImportError : without Ray
    ArgumentError : of parameters, here; of batches, when they are scored, within Ray's UserCodeException

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
    )  # Ray restarts its actors, and repeats their tasks, as often as it takes
    scored.context.execution_options.preserve_order = True
    return scored


class Actor:
    """What a process of Ray's runs; scorer is in the object store."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = ray_module().get(scorer)
        self.scorer.classifier()

    def __call__(self, batch: pa.Table) -> pa.Table:
        return self.scorer(batch)
