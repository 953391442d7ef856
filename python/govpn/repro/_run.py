"""One run: trains, measures, and returns a dictionary that becomes a JSON file."""

from __future__ import annotations

import datetime
import math
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._fitted import fitted
from .._lib import build_info
from .._load import load
from .._version import __version__
from ..errors import ArgumentError, GovpnWarning
from ..estimator import VPNClassifier
from ._data import Data, Part, corrupted, subset
from ._explain import explain
from ._rows import ROWS, Run


def execute(run: Run, data: Data, device: str, **start: Any) -> tuple[VPNClassifier, dict[str, Any]]:
    """Trains (see `learn`) and measures. Returns the classifier and the result."""
    clock = time.perf_counter()
    data = used(run, data)
    clf, before = learn(run, data, device, **start)
    about = fitted(clf).describe()
    result = {
        "id": run.id,
        "run": vars(run),
        "data": {k: len(p.X) for k, p in zip(("train", "validation", "test"), data[:3], strict=True)}
        | {"note": data.note},
        "config": about["config"],
        "parameters": about["parameters"],
        "warnings": about["warnings"],
        "best_epoch": about["best_epoch"],
        "history": {k: [_short(x) for x in v] for k, v in clf.history_.items()},
        **_measure(clf, data, run),
        "seconds": round(before + time.perf_counter() - clock, 1),
        "device": clf.device_,
        "machine": machine(),
        "versions": versions(),
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    return clf, result


def used(run: Run, data: Data) -> Data:
    """Returns the images that a run uses."""
    train = subset(data.train, run.images, run.label_noise, run.seed)
    valid, test = (subset(p, run.eval_images, 0, 0) for p in (data.valid, data.test))
    return Data(train, valid, test, data.note)


def learn(
    run: Run,
    data: Data,
    device: str,
    needed: dict[str, Any] | None = None,
    weights: Path | None = None,
    teacher: Path | None = None,
    part: Path | None = None,
    show: Callable[[str], None] = print,
) -> tuple[VPNClassifier, float]:
    """Trains. Returns the classifier and the seconds that an interrupted run took before.

    Parameters
    ----------
    needed : the result of run.needed()
    weights : the file that a frozen or pretrained base starts from
    teacher : the file of a base whose probabilities become a part of the labels
    part : the file in which an interrupted run is kept, and from which it goes on
    show : prints a line
    """
    params = run.parameters() | {"device": device, "verbose": 0}
    if ROWS[run.row].needs.startswith("vpn"):
        if needed is None:
            raise ArgumentError(f"needed is None, want the result that {run.id} takes σ from")
        params["fixed_std"] = needed["std"]["std_rms" if run.row.startswith("power") else "std_mean"]
    clf, before = _start(params, data.train, weights, part)
    resume = clf.__dict__.get("n_epochs_", 0) > 0
    try:
        if run.epochs:
            with warnings.catch_warnings():  # the result has them
                warnings.simplefilter("ignore", GovpnWarning)
                labels = _taught(run, data.train, teacher, device)
                clf.fit(data.train.X, labels, validation_data=_pair(data.valid), resume=resume)
    except KeyboardInterrupt:
        if part and clf.__dict__.get("n_epochs_", 0):
            clf.save(part)
            show(f"{run.id}: stopped after {clf.n_epochs_} epochs, kept")
        raise
    return clf, before


def _start(
    params: dict[str, Any], train: Part, weights: Path | None, part: Path | None
) -> tuple[VPNClassifier, float]:
    """Returns a new classifier, or the one that an interrupted run has left, with the seconds it took."""
    if part is not None and part.exists():
        clf = load(part, device=params["device"], verbose=0).set_params(epochs=params["epochs"])
        return clf, sum(clf.history_["seconds"])
    clf = VPNClassifier(**params)
    if weights is not None:
        stream = train.y is None
        classes = np.unique(train.X.labels if stream else train.y)
        clf.import_safetensors(weights, train.X.shape if stream else train.X.shape[1:], classes)
    return clf, 0.0


def _taught(run: Run, train: Part, teacher: Path | None, device: str) -> Any:
    """Returns the labels. With a teacher they are soft, (N, K): its probabilities mixed with the labels."""
    if teacher is None:
        return train.y
    classes = np.unique(train.y)
    clf = VPNClassifier.from_safetensors(
        teacher,
        base=run.base,
        image_shape=train.X.shape[1:],
        classes=classes,
        mode="plain",
        device=device,
        verbose=0,
    )
    own = (train.y[:, None] == classes).astype(np.float32)
    return (1 - run.teacher) * own + run.teacher * clf.predict_proba(train.X)


def _pair(part: Part) -> Any:
    return part.X if part.y is None else (part.X, part.y)


def _measure(clf: VPNClassifier, data: Data, run: Run) -> dict[str, Any]:
    """Returns validation and test figures for every way of prediction, and σ on the validation images.

    With a generator it adds what σ explains and what the noise is worth.
    """
    none = clf.evaluate(*data.valid)
    std = {k: _short(v) for k, v in none.items() if k.startswith("std_")}
    measured: dict[str, Any] = {
        "std": std if std["std_mean"] is not None else None,
        "validation": _scores(clf, data.valid, run, std, none),
        "test": _scores(clf, data.test, run, std, clf.evaluate(*data.test)) if run.test else None,
    }
    if measured["std"] is None:
        return measured
    benefit = clf.noise_benefit(*(data.test if run.test else data.valid), samples=4).to_dict()
    measured["benefit"] = {k: _short(v) for k, v in benefit.items() if isinstance(v, (int, float))}
    if isinstance(data.valid.X, np.ndarray) and not clf.config_["noise_layer"]:
        measured["explanation"] = explain(clf, *data.valid, run.seed)
    return measured


def _scores(
    clf: VPNClassifier, part: Part, run: Run, std: dict[str, Any], none: dict[str, Any]
) -> dict[str, Any]:
    """Returns accuracy and cross-entropy for every way of prediction.

    none is the evaluation without noise, std has the statistics of σ. With a generator, the other ways
    are classwise, and Gaussian noise of the mean and of the RMS of σ.
    """
    ways = {"none": none}
    if std["std_mean"] is not None:
        ways["classwise"] = clf.evaluate(*part, noise="classwise")
        ways["gaussian"] = clf.evaluate(*part, noise="gaussian", std=std["std_mean"])
        ways["power"] = clf.evaluate(*part, noise="gaussian", std=std["std_rms"])
    scores = {
        name: {k: _short(found[k]) for k in ("accuracy", "cross_entropy")} for name, found in ways.items()
    }
    if isinstance(part.X, np.ndarray):
        scores["corrupted"] = {
            name: _short(clf.evaluate(x, part.y)["accuracy"]) for name, x in corrupted(part.X, run.seed)
        }
    return scores


def _short(value: Any) -> Any:
    """Rounds a number to eight digits. What JSON cannot say becomes None."""
    if isinstance(value, float):
        return float(f"{value:.8g}") if math.isfinite(value) else None
    return value


def machine() -> dict[str, Any]:
    """Returns the processor, for those who read seconds."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return {"processor": model, "cpus": os.cpu_count()}


def versions() -> dict[str, str]:
    """Returns the versions of everything that a result may depend on."""
    build = build_info()
    return {
        "govpn": __version__,
        "gomlx": build["gomlx_version"],
        "go": build["go_version"],
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def pictures(clf: VPNClassifier, part: Part) -> dict[str, np.ndarray]:
    """Returns σ, one drawn noise and the input gradient for the first image of each of ten classes.

    index says which images these are.
    """
    if part.y is None:
        raise ArgumentError("part is a stream, want images")
    index = np.array([np.flatnonzero(part.y == c)[0] for c in clf.classes_[:10]])
    std = clf.noise_std(part.X[index], part.y[index])
    noise = clf.sample_noise(part.X[index], part.y[index])[0]
    arrays = {"std": std, "noise": noise, "gradient": clf.input_gradient(part.X[index], part.y[index])}
    return {"index": index} | {k: v.astype(np.float16) for k, v in arrays.items()}
