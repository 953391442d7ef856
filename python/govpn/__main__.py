"""python -m govpn info: what to put into a bug report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from . import __version__, _lib
from ._printable import printable
from ._types import DeviceInfo, JsonObject
from .errors import GovpnError

PACKAGES = (
    *("numpy", "pyarrow", "scikit-learn", "matplotlib", "tqdm", "pillow", "safetensors", "pandas", "polars"),
    *("torch", "torchvision", "timm", "jax", "fastatomstruct-xla-cpu", "jax-cuda12-pjrt", "jax-cuda13-pjrt"),
    *("ray", "pyspark"),
)
VARIABLES = ("GOVPN_LIBRARY", "GOVPN_PLUGIN_PATH", "GOVPN_DATA", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")


def info() -> JsonObject:
    """Returns what is installed and what works, so that it can become JSON.

    It imports no package and starts no training. It opens every device once. If the library is
    missing or broken, "library" has an "error" in place of what the library would tell.

    >>> info()["library"]["abi_version"], info()["devices"][-1]["device"]
    (1, 'go')
    """
    library: JsonObject = {"path": os.environ.get("GOVPN_LIBRARY")}
    devices: list[DeviceInfo] = []
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
    """Returns the version of an installed package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def text(about: JsonObject) -> str:
    """Returns what `info` returned as text, a block per key."""
    blocks = {name: entries for name, entries in about.items() if name != "devices"}
    blocks["packages"] = {name: v or "-" for name, v in about["packages"].items()}
    blocks["devices"] = {d["device"]: _device(d) for d in about["devices"]}
    lines = []
    for name in about:
        lines.append(f"{name}:")
        lines += [f"  {key}: {_shown(value)}" for key, value in blocks[name].items()] or ["  -"]
    return "\n".join(lines)


def _device(device: DeviceInfo) -> str:
    if not device["available"]:
        return f"does not open: {device['why']}"
    return f"opens: {device['description']}, {device['devices']} of its kind; {device['why']}"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command. Returns its exit status, which is 1 if the library does not work."""
    parser = argparse.ArgumentParser(
        "python -m govpn", description=f"{__doc__} python -m govpn.repro trains the paper's tables anew."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("info", help="versions, devices and why they do not open, packages")
    command.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(arguments)
    about = info()
    print(json.dumps(about, indent=2) if given.json else printable(text(about)))
    return int("error" in about["library"])


if __name__ == "__main__":
    sys.exit(main())
