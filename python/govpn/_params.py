"""Checks parameters and converts them to what the library takes."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from ._reading import shown
from ._types import Config, Foreign, JsonObject
from .augment import as_config
from .errors import ArgumentError, ArgumentTypeError, GovpnError

Value: TypeAlias = object  # a parameter as the caller gave it


# Each of these returns the value as JSON takes it, or raises TypeError or ValueError.


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(value: Foreign) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError
    return operator.index(value)


def _number(value: Value) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError
    return float(value)


def _boolean(value: Value) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _pair(value: Foreign) -> list[float]:
    low, high = (_number(v) for v in value)
    return [low, high]


def _normalize(value: Value) -> JsonObject:
    if not isinstance(value, Mapping):
        raise TypeError
    return {
        k: v if isinstance(v, str) else np.atleast_1d(np.asarray(v, float)).tolist() for k, v in value.items()
    }


def augmentation(value: Value) -> list[JsonObject]:
    """Returns a list of `govpn.augment` as the library writes it: with x in place of [x]."""
    return [
        {k: v[0] if isinstance(v, list) and len(v) == 1 else v for k, v in entry.items()}
        for entry in as_config(value)
    ]


_TEXT, _INT, _NUM = (_text, "a str"), (_integer, "an int"), (_number, "a number")
_KINDS: dict[str, tuple[Callable[[Value], object], str]] = {  # parameter: its conversion, what it wants
    "base": _TEXT,
    "generator": _TEXT,
    "mode": _TEXT,
    "initial_values": _TEXT,
    "optimizer": _TEXT,
    "schedule": _TEXT,
    "label_fusion": _TEXT,
    "label_encoding": _TEXT,
    "std": _TEXT,
    "noise_distribution": _TEXT,
    "noisy_batch_norm": _TEXT,
    "compute_dtype": _TEXT,
    "preset": _TEXT,
    "epochs": _INT,
    "batch_size": _INT,
    "drop_last": (_boolean, "a bool"),
    "accumulate": _INT,
    "remat": (_boolean, "a bool"),
    "noise_samples": _INT,
    "noise_layer": _INT,
    "patience": _INT,
    "learning_rate": _NUM,
    "momentum": _NUM,
    "weight_decay": _NUM,
    "base_loss_weight": _NUM,
    "label_smoothing": _NUM,
    "entropy_weight": _NUM,
    "label_coefficient": _NUM,
    "std_rms": _NUM,
    "std_epsilon": _NUM,
    "fixed_std": _NUM,
    "std_range": (_pair, "a pair of numbers (low, high)"),
    "clip_noisy": (_boolean, "a bool"),
    "restore_best": (_boolean, "a bool"),
    "augment": (augmentation, "a list of govpn.augment"),
    "normalize": (_normalize, 'a dict such as {"mean": [0.5], "std": [0.25]}, a value per channel'),
}


def configuration(params: Mapping[str, Value]) -> JsonObject:
    """Returns the parameters that are not None as the library's configuration.

    The preset decides on the others. Raises ArgumentTypeError and ArgumentError.
    """
    config: JsonObject = {}
    for name, (convert, want) in _KINDS.items():
        if (value := params[name]) is None:
            continue
        try:
            config[name] = convert(value)
        except GovpnError:
            raise
        except Exception:
            raise _wrong(value, name, want) from None
        numbers_in = config[name] if isinstance(config[name], list) else [config[name]]
        if any(isinstance(v, float) and not np.isfinite(v) for v in numbers_in):
            raise ArgumentError(f"{name} is {shown(value)}, want finite numbers")
    return config


def _wrong(value: Value, name: str, want: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{name} is {shown(value)} of type {type(value).__name__}, want {want}")


def restore(config: Config) -> dict[str, Foreign]:
    """Returns the parameters of a classifier that has this configuration."""
    params: dict[str, Foreign] = {name: value for name, value in config.items() if name in _KINDS}
    params["std_range"] = tuple(config["std_range"])
    if not config["normalize"].get("mean"):
        params["normalize"] = None
    return params | {"random_state": config["seed"]}


def whole(value: Value, name: str) -> int:
    """Returns value as an int, or raises ArgumentTypeError. name is the parameter's, for the message."""
    try:
        return _integer(value)
    except Exception:
        raise _wrong(value, name, "an int") from None


def devices_of(devices: Value) -> int | list[int]:
    """Returns the parameter `devices`: how many devices, or a list of their numbers."""
    try:
        return [_integer(d) for d in devices] if isinstance(devices, (list, tuple)) else _integer(devices)
    except Exception:
        raise ArgumentTypeError(f"devices is {shown(devices)}, want an int or a list of ints") from None


def real(value: Value, name: str) -> float:
    """Returns value as a finite float, or raises ArgumentTypeError or ArgumentError."""
    try:
        number = _number(value)
    except Exception:
        raise _wrong(value, name, "a number") from None
    if not np.isfinite(number):
        raise ArgumentError(f"{name} is {number}, want a finite number")
    return number


def truth(value: Value, name: str) -> bool:
    """Returns value as a bool, or raises ArgumentTypeError. 0 and 1 are no bools."""
    try:
        return _boolean(value)
    except Exception:
        raise _wrong(value, name, "a bool") from None


def text(value: Value, name: str, want: str = "a str") -> str:
    """Returns value if it is a str, or raises ArgumentTypeError."""
    if not isinstance(value, str):
        raise _wrong(value, name, want)
    return value


def flatten_of(flatten: Value) -> str:
    """Returns the order of flattened images as the library takes it: "" for None."""
    if flatten is None:
        return ""
    if text(flatten, "flatten") not in ("hwc", "chw"):
        raise ArgumentError(f'flatten is {shown(flatten)}, want None, "hwc" or "chw"')
    return str(flatten)


def shape_of(image_shape: Foreign) -> list[int]:
    """Returns [H, W, C] of (H, W, C) or (H, W)."""
    try:
        shape = [_integer(s) for s in image_shape]
    except Exception:
        shape = []
    if len(shape) not in (2, 3):
        raise ArgumentError(f"image_shape is {shown(image_shape)}, want (H, W, C) or (H, W)")
    return shape + [1] * (3 - len(shape))


def seed_of(random_state: Value) -> int:
    """Returns a seed from 0 to 2**63 - 1.

    A whole number is the seed itself. A numpy generator draws one. None gives a fresh one.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63 - 1))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    try:
        seed = _integer(random_state)
    except Exception:
        want = "None, an int, a numpy.random.Generator or a numpy.random.RandomState"
        raise ArgumentTypeError(f"random_state is {shown(random_state)}, want {want}") from None
    if not 0 <= seed < 2**63:
        raise ArgumentError(f"random_state is {seed}, want 0 to 2**63 - 1")
    return seed


def draw_seed_of(random_state: Value) -> int:
    """Returns the seed of one call.

    None gives 0, which tells the library to use the model's own seed.

    A random_state of 0 therefore becomes 2**63 - 1.
    """
    if random_state is None:
        return 0
    return seed_of(random_state) or 2**63 - 1
