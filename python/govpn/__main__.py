"""python -m govpn info: what a bug report wants to know."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from . import __version__, _lib
from .errors import GovpnError

PACKAGES = (
    *("numpy", "pyarrow", "scikit-learn", "matplotlib", "tqdm", "pillow", "safetensors", "pandas", "polars"),
    *("torch", "torchvision", "timm", "jax", "fastatomstruct-xla-cpu", "jax-cuda12-pjrt", "jax-cuda13-pjrt"),
    *("ray", "pyspark"),
)
VARIABLES = ("GOVPN_LIBRARY", "GOVPN_PLUGIN_PATH", "GOVPN_DATA", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")


def info() -> dict[str, Any]:
    """What is installed and what works, as JSON has it. Imports no package, starts no training; every device
    is opened once. A library that is missing or broken is told in place of what it would tell.

    >>> info()["library"]["abi_version"], info()["devices"][-1]["device"]
    (1, 'go')
    """
    library: dict[str, Any] = {"path": os.environ.get("GOVPN_LIBRARY")}
    devices: list[dict[str, Any]] = []
    try:
        library["path"] = str(_lib.find_library())
        library |= _lib.build_info()
        devices = _lib.devices()
    except (ImportError, GovpnError) as error:
        library["error"] = str(error)
    return {
        "govpn": {"version": __version__, "path": os.path.dirname(os.path.abspath(__file__))},
        "library": library,
        "devices": devices,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "platform": {"system": platform.platform(), "machine": platform.machine(), "cpus": os.cpu_count()},
        "packages": {name: _version(name) for name in PACKAGES},
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def text(about: dict[str, Any]) -> str:
    """The same to read, a block per key."""
    blocks = {name: entries for name, entries in about.items() if name != "devices"}
    blocks["packages"] = {name: v or "-" for name, v in about["packages"].items()}
    blocks["devices"] = {d["device"]: _device(d) for d in about["devices"]}
    lines = []
    for name in about:
        lines.append(f"{name}:")
        lines += [f"  {key}: {_shown(value)}" for key, value in blocks[name].items()] or ["  -"]
    return "\n".join(lines)


def _device(device: dict[str, Any]) -> str:
    if not device["available"]:
        return f"does not open: {device['why']}"
    return f"opens: {device['description']}, {device['devices']} of its kind; {device['why']}"


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status, 1 where the library does not work."""
    parser = argparse.ArgumentParser(
        "python -m govpn", description=f"{__doc__} python -m govpn.repro trains the paper's tables anew."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("info", help="versions, devices and why they do not open, packages")
    command.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(arguments)
    about = info()
    print(json.dumps(about, indent=2) if given.json else text(about))
    return int("error" in about["library"])


if __name__ == "__main__":
    sys.exit(main())
