"""Hyper-parameter search with Ray Tune, and a callback that reports to it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import _lib, _load, callbacks
from ..errors import ArgumentError, ArgumentTypeError
from ..estimator import VPNClassifier
from ._import import ray_module

MODEL = "model.govpn"  # the file in a checkpoint
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


def tune(
    estimator: VPNClassifier,
    X: Any,
    y: Any,
    param_space: Mapping[str, Any],
    *,
    validation_data: Any = None,
    metric: str = "val_loss",
    num_samples: int = 1,
    scheduler: Any = None,
    search_alg: Any = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    max_failures: int = 2,
    storage_path: str | None = None,
    name: str | None = None,
    verbose: int = 0,
) -> Any:
    """Searches parameters of the estimator with Ray Tune.

    A trial trains a copy of the estimator with some of the parameters. After every epoch it reports metrics
    and a checkpoint. A trial whose process or machine dies goes on from its last checkpoint.

    Parameters
    ----------
    estimator : VPNClassifier
        Gives all other parameters, and does not change. A `govpn.repro.Run` has them as run.parameters().
    X, y, validation_data : those of `VPNClassifier.fit`
        Kept once in Ray's object store. Arrays are read there without a copy.
    param_space : dict
        Maps parameters to values, or to ray.tune's grid_search, choice, loguniform and so on.
    metric : {"loss", "accuracy", "val_loss", "val_accuracy"}
        An accuracy is maximised, a loss minimised.
    num_samples, scheduler, search_alg : those of ray.tune.TuneConfig
        For example, scheduler=ray.tune.schedulers.ASHAScheduler() stops poor trials early.
    num_cpus, num_gpus : float
        Resources of each trial. It computes with num_cpus threads (at least 1).
    max_failures : int
        How often a trial begins again; -1 sets no limit.
    storage_path, name, verbose : those of ray.tune.RunConfig
        Where results are kept. With several machines, a folder that all of them see, or a URI.

    Returns
    -------
    ray.tune.ResultGrid
        `govpn.ray.load` reads its get_best_result().checkpoint. Its errors are those of the trials.

    Raises
    ------
    ImportError : without Ray
    ArgumentError : for parameters that do not exist, or a metric that lacks validation_data

    Examples
    --------
    >>> import ray.tune
    >>> space = {"learning_rate": ray.tune.grid_search([1e-2, 1e-4])}
    >>> grid = govpn.ray.tune(clf, X, y, space, metric="loss", storage_path=folder)
    >>> best = grid.get_best_result()
    >>> best.metrics["epoch"], govpn.ray.load(best.checkpoint, device="go").n_epochs_
    (3, 3)
    """
    ray = ray_module("tune")
    if not isinstance(estimator, VPNClassifier):
        raise ArgumentTypeError(f"estimator is a {type(estimator).__name__}, want a VPNClassifier")
    if unknown := sorted(param_space.keys() - estimator.get_params().keys()):
        raise ArgumentError(f"param_space has {unknown[0]!r}, want parameters of VPNClassifier")
    if metric not in METRICS:
        raise ArgumentError(f"metric is {metric!r}, want one of {', '.join(METRICS)}")
    if metric.startswith("val_") and validation_data is None:
        raise ArgumentError(f"metric is {metric!r}, which wants validation_data")
    data = {"params": estimator.get_params(), "X": X, "y": y, "valid": validation_data, "cpus": num_cpus}
    trial = ray.tune.with_parameters(_trial, **data)
    tuner = ray.tune.Tuner(
        ray.tune.with_resources(trial, {"cpu": num_cpus, "gpu": num_gpus}),
        param_space=dict(param_space),
        tune_config=ray.tune.TuneConfig(
            metric=metric,
            mode="max" if metric.endswith("accuracy") else "min",
            num_samples=num_samples,
            scheduler=scheduler,
            search_alg=search_alg,
        ),
        run_config=ray.tune.RunConfig(
            name=name,
            storage_path=storage_path,
            failure_config=ray.tune.FailureConfig(max_failures=max_failures),
            checkpoint_config=ray.tune.CheckpointConfig(num_to_keep=1),
            verbose=verbose,
        ),
    )
    return tuner.fit()


def _trial(config: dict[str, Any], params: dict[str, Any], X: Any, y: Any, valid: Any, cpus: float) -> None:
    """Trains in a worker, from the beginning or from the trial's last checkpoint."""
    tune = ray_module("tune").tune
    _lib.limit_threads(max(1, int(cpus)))
    params = params | config | {"verbose": 0}
    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        clf = VPNClassifier(**params)
    else:
        clf = load(checkpoint, device=params["device"], verbose=0)
        clf.set_params(epochs=params["epochs"] or clf.epochs)
    clf.fit(X, y, validation_data=valid, resume=checkpoint is not None, callbacks=[TuneReportCallback()])


class TuneReportCallback(callbacks.Callback):
    """Reports to Ray Tune: the metrics of every epoch, and the model as a checkpoint of the current trial.

    It is meant for a trainable of your own. `govpn.ray.tune` has it built in.

    >>> def trainable(config):
    ...     clf.set_params(**config).fit(X, y, callbacks=[govpn.ray.TuneReportCallback()])
    >>> import ray.tune
    >>> run = ray.tune.RunConfig(verbose=0, storage_path=folder)
    >>> grid = ray.tune.Tuner(trainable, param_space={"batch_size": 6}, run_config=run).fit()
    >>> grid[0].metrics["epoch"]
    3
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.fit_options = {"checkpoint": str(Path(self._folder.name, MODEL))}

    def on_epoch_end(self, training: callbacks.Training) -> None:
        tune = ray_module("tune").tune
        checkpoint = tune.Checkpoint.from_directory(self._folder.name)  # report copies it
        tune.report(dict(training.metrics), checkpoint=checkpoint)


def load(checkpoint: Any, device: str = "auto", verbose: int = 1) -> VPNClassifier:
    """Loads the classifier of a checkpoint that `govpn.ray.tune`, `TuneReportCallback` or `fit` wrote.

    device and verbose are those of `govpn.load`.

    >>> import ray.tune
    >>> clf.save("model.govpn") if hasattr(clf, "classes_") else clf.fit(X, y).save("model.govpn")
    >>> govpn.ray.load(ray.tune.Checkpoint.from_directory("."), device="go").n_epochs_
    3
    """
    with checkpoint.as_directory() as folder:
        return _load.load(Path(folder, MODEL), device, verbose)
