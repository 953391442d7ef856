"""Names of types that several modules use."""

from __future__ import annotations

import os
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

# Arguments that may come from many libraries. numpy, torch, pandas, pyarrow and Pillow have no type
# in common, so the checker accepts every object here and `_inputs` checks what arrives at run time.
ImagesLike: TypeAlias = object  # X: see the Notes of VPNClassifier
LabelsLike: TypeAlias = object  # y: see the Notes of VPNClassifier
CallbacksLike: TypeAlias = object  # one callback, or a list of them: see govpn.callbacks

# A value whose type no checker knows here: it belongs to a library that has no types or is not
# imported.
Foreign: TypeAlias = Any

# An object of JSON as the library reads or writes it, where no TypedDict below describes it.
JsonObject: TypeAlias = dict[str, Any]

Path: TypeAlias = str | os.PathLike[str]
RandomState: TypeAlias = int | np.integer[Any] | np.random.Generator | np.random.RandomState | None
Real: TypeAlias = float | np.floating[Any]
Shape: TypeAlias = tuple[int, int, int]  # (H, W, C)

AnyArray: TypeAlias = NDArray[Any]  # the dtype depends on the caller's data
Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int32]  # of classes, 0 to K - 1
Targets: TypeAlias = NDArray[np.int32] | NDArray[np.float32]  # indices (N,), or probabilities (N, K)

# A list per column, an entry per epoch: epoch, loss, accuracy, val_loss, val_accuracy, std_mean,
# std_min, std_max, seconds, images_per_second, data_wait, learning_rate. A missing value is NaN.
History: TypeAlias = dict[str, list[float]]


class _RequiredConfig(TypedDict):
    base: str
    generator: str
    mode: str
    initial_values: str
    epochs: int
    batch_size: int
    eval_batch_size: int
    accumulate: int
    remat: bool
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: str
    compute_dtype: str
    noise_samples: int
    noise_distribution: str
    base_loss_weight: float
    label_smoothing: float
    entropy_weight: float
    label_fusion: str
    label_coefficient: float
    label_encoding: str
    noise_layer: int
    std: str
    std_range: list[float]
    std_rms: float
    std_epsilon: float
    fixed_std: float
    clip_noisy: bool
    noisy_batch_norm: str
    normalize: JsonObject
    augment: list[JsonObject]
    patience: int
    restore_best: bool
    seed: int
    image_shape: list[int]
    classes: int
    class_names: list[str] | None


class Config(_RequiredConfig, total=False):
    """The resolved configuration of a model: `VPNClassifier.config_`."""

    attributes: dict[str, str]  # what govpn keeps for itself, such as the layout of features
    labels: JsonObject | None  # the values of classes_, where these are not text


class Description(TypedDict):
    """What a model in the library tells of itself."""

    config: Config
    parameters: dict[str, int]  # how many weights "base" and, where there is one, "generator" have
    epochs_done: int
    best_epoch: int  # counted from 1; 0 if no epoch was chosen
    trained: bool
    generator_trained: bool
    warnings: list[str] | None
    device: str
    devices: list[int]


class DataInfo(TypedDict):
    """What the library tells of a data set."""

    images: int
    height: int
    width: int
    channels: int
    dtype: str
    labelled: bool
    classes: int
    class_names: list[str]
    bytes_copied: int
    why: str  # the reasons for the copies, separated by semicolons
    streamed: bool
    memory_bytes: int  # of a stream, the most that its queue of decoded images has held
    skipped: list[str]  # broken images that were left out, and why
    warnings: list[str]  # other files that were left out
    soft_labels: bool
    weighted: bool


class TrainingInfo(DataInfo):
    """What `VPNClassifier.data_info_` tells of the training data."""

    bytes_borrowed: int  # bytes that the library reads where the caller has them


class DeviceInfo(TypedDict):
    """One row of `govpn.devices`."""

    device: str
    available: bool
    description: str
    plugin: str
    devices: int
    why: str


class BuildInfo(TypedDict):
    """What `govpn.build_info` returns."""

    version: str
    abi_version: int
    go_version: str
    gomlx_version: str
    os: str
    arch: str
    simd: bool
    xla: bool
    default_device: str
    base_models: list[str]
    generators: list[str]
