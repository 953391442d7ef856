"""Data-parallel training with Ray Train's worker groups and torch.distributed's collectives."""

from __future__ import annotations

import copy
import hashlib
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .. import _lib, _params
from .._fitted import adopt, fitted
from ..callbacks import Callback, Training, as_callbacks
from ..errors import ArgumentError, ArgumentTypeError, InternalError
from ..estimator import VPNClassifier
from ._import import ray_module
from ._tune import MODEL, load

_REFUSED = "error.pickle"  # stands in a checkpoint in place of a model if the arguments are wrong


def fit(
    estimator: VPNClassifier,
    X: Any,
    y: Any = None,
    validation_data: Any = None,
    resume: bool = False,
    *,
    sample_weight: Any = None,
    callbacks: Any = (),
    workers: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    max_failures: int = 3,
    storage_path: str | None = None,
    name: str | None = None,
) -> VPNClassifier:
    """Trains the estimator as its `fit` does, in several processes.

    Each process computes the gradients of its share of every batch. The gradients are added up (Gloo), and
    all processes make the same step. Losses equal those of one process with the same batch_size, apart from
    rounding. If a process or machine dies, all go on from the last epoch.

    Parameters
    ----------
    estimator, X, y, validation_data, resume, sample_weight : those of `VPNClassifier.fit`
        batch_size is that of all workers together, and a multiple of workers. The last batch of an epoch is
        cut to a multiple. X is kept once per machine in Ray's object store. Every worker reads a path, or a
        stream of files, itself.
    callbacks : those of `VPNClassifier.fit`
        Every worker has a copy. All copies see the same metrics and must do the same.
    workers : int
        Number of processes. They do not divide the validation.
    num_cpus, num_gpus : float
        Resources of each worker. It computes with num_cpus threads (at least 1).
    max_failures : int
        How often the training begins again; -1 sets no limit.
    storage_path, name : those of ray.train.RunConfig
        Where checkpoints are kept. With several machines, a folder that all of them see, or a URI. An
        interrupted training of the same name goes on.

    Returns
    -------
    VPNClassifier
        The estimator itself.

    Raises
    ------
    ImportError : without Ray or torch
    ArgumentError : as `VPNClassifier.fit`, and for a batch that the workers cannot divide
    ray.train.TrainingFailedError : if something else goes wrong in the workers, after max_failures

    Notes
    -----
    Noise and augmentation are drawn for the whole batch. Rounding changes losses by less than 1e-4 for tens
    of steps. From then on Adam lets it grow, as with any other order of a sum. Batch norms see each worker's
    share only, as with `accumulate`, and their running statistics are the mean over the workers. After every
    epoch, all workers compare their weights and the optimiser's state bit by bit. A difference is an
    InternalError.

    Examples
    --------
    >>> clf = govpn.ray.fit(clf, X, y, workers=2, storage_path=folder)
    >>> clf.n_epochs_, clf.predict(X).shape
    (3, (12,))
    """
    ray = ray_module("train.torch")
    if not isinstance(estimator, VPNClassifier):
        raise ArgumentTypeError(f"estimator is a {type(estimator).__name__}, want a VPNClassifier")
    if _params.whole(workers, "workers") < 1:
        raise ArgumentError(f"workers is {workers}, want at least 1")
    ours = copy.copy(estimator).set_params(random_state=_params.seed_of(estimator.random_state), verbose=0)
    given = {"X": X, "y": y, "validation_data": validation_data, "sample_weight": sample_weight}
    config = {
        "estimator": ray.put(ours),
        "data": ray.put(given),
        "resume": resume,
        "callbacks": as_callbacks(callbacks),
        "threads": max(1, int(num_cpus)),
    }
    trainer = ray.train.torch.TorchTrainer(
        _worker,
        train_loop_config=config,
        torch_config=ray.train.torch.TorchConfig(backend="gloo"),  # gradients lie in the host's memory
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers,
            use_gpu=num_gpus > 0,
            resources_per_worker={"CPU": num_cpus, "GPU": num_gpus} if num_gpus else {"CPU": num_cpus},
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=storage_path,
            failure_config=ray.train.FailureConfig(max_failures=max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
        ),
    )
    checkpoint = trainer.fit().checkpoint
    with checkpoint.as_directory() as folder:
        if (refused := Path(folder, _REFUSED)).exists():
            raise pickle.loads(refused.read_bytes())
    trained = load(checkpoint, estimator.device, verbose=0)
    adopt(estimator, fitted(trained).model, trained.classes_)
    return estimator


def _worker(config: dict[str, Any]) -> None:
    """Trains in a process of the group, from the beginning or from the last epoch's checkpoint."""
    ray = ray_module("train")
    _lib.limit_threads(config["threads"])
    estimator, data = ray.get([config["estimator"], config["data"]])
    checkpoint, resume = ray.train.get_checkpoint(), config["resume"]
    if checkpoint is not None:
        epochs, device = estimator.epochs, estimator.device
        estimator, resume = load(checkpoint, device, verbose=0), True
        estimator.set_params(epochs=epochs or estimator.epochs)
    worker = Worker()
    try:
        estimator.fit(**data, resume=resume, callbacks=[*config["callbacks"], worker])
    except ArgumentError as error:  # all workers raise it; to begin again would not help
        worker.folder.joinpath(_REFUSED).write_bytes(pickle.dumps(error))
        worker.report({})
        return
    estimator.save(worker.folder / MODEL)
    worker.report({k: v[-1] for k, v in estimator.history_.items()})


class Worker(Callback):
    """A process of a group that shares batches. Training asks it for rank, workers and sum."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        context = ray_module("train").train.get_context()
        self.rank, self.workers = context.get_world_rank(), context.get_world_size()
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.fit_options = {"checkpoint": str(self.folder / MODEL)}

    def sum(self, values: np.ndarray) -> None:
        """Replaces values, float32 (N,), by their sums over all workers."""
        if self.workers > 1:
            self._torch.distributed.all_reduce(self._torch.from_numpy(values))

    def on_epoch_end(self, training: Training) -> None:
        self._compare(training.epoch)
        self.report(training.metrics)

    def _compare(self, epoch: int) -> None:
        own, all_of_them = checksum(self.folder / MODEL), [""] * self.workers
        if self.workers > 1:
            self._torch.distributed.all_gather_object(all_of_them, own)
            if len(set(all_of_them)) > 1:
                raise InternalError(
                    f"after epoch {epoch} the workers have weights {all_of_them}, want the same"
                )

    def report(self, metrics: dict[str, Any]) -> None:
        """Reports metrics to Ray. The first worker's checkpoint stands for all."""
        train = ray_module("train").train
        checkpoint = train.Checkpoint.from_directory(str(self.folder)) if self.rank == 0 else None
        train.report(dict(metrics), checkpoint=checkpoint)


def checksum(path: Path) -> str:
    """Returns a checksum of all tensors in a model's file: weights, optimiser, best epoch.

    The history, which has times, is no tensor.
    """
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")  # safetensors: length of the JSON, JSON, tensors
        file.seek(header, 1)
        return hashlib.sha256(file.read()).hexdigest()[:16]
