"""Builds libgovpn with the Go toolchain into the package; pyproject.toml declares the rest."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

GO_VERSION = (1, 26, 5)
INSTALL = "see https://go.dev/doc/install"
ROOT = Path(__file__).resolve().parent
LIBRARY = {"darwin": "libgovpn.dylib"}.get(sys.platform, "libgovpn.so")


def find_go() -> str:
    """The Go toolchain, $GO or on the PATH; ends with a clear message where it is missing or too old."""
    want = ".".join(map(str, GO_VERSION))
    go = os.environ.get("GO") or shutil.which("go")
    if not go:
        sys.exit(f"govpn: building needs Go {want} or newer, and no `go` is on the PATH; {INSTALL}")
    env = dict(os.environ, GOTOOLCHAIN="local")  # the version that is installed; downloads none
    command = [go, "env", "GOVERSION"]
    version = subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout.strip()
    number = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", version)
    if not number or tuple(int(n or 0) for n in number.groups()) < GO_VERSION:
        found = version or "no version"
        sys.exit(f"govpn: building needs Go {want} or newer, {go} is {found}; {INSTALL}")
    return go


class BuildLibrary(build_ext):
    """Builds the one extension, a C library that ctypes loads, with Go."""

    def build_extension(self, ext: Extension) -> None:
        go = find_go()
        if not shutil.which(os.environ.get("CC", "cc").split()[0]) and not shutil.which("gcc"):
            sys.exit(
                "govpn: building needs a C compiler besides Go, such as gcc "
                "(Debian: apt-get install gcc libc6-dev)"
            )
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        env = dict(os.environ, CGO_ENABLED="1")
        if os.environ.get("GOARCH", platform.machine().lower()) in ("x86_64", "amd64"):
            env.setdefault("GOEXPERIMENT", "simd")  # matrix products in pure Go, several times faster
        command = [go, "build", "-trimpath", "-buildmode=c-shared", f"-ldflags={self.link_flags()}"]
        subprocess.run([*command, "-o", str(target), "./capi"], cwd=ROOT, env=env, check=True)
        target.with_suffix(".h").unlink(missing_ok=True)  # cgo's header; capi/govpn.h is the one to use

    @staticmethod
    def link_flags() -> str:
        """Without symbol tables; only govpn_* is exported."""
        if not sys.platform.startswith("linux"):
            return "-s -w"
        abi = re.search(r"define GOVPN_ABI_VERSION (\d+)", (ROOT / "capi/govpn.h").read_text())[1]
        link = f"-Wl,--strip-all,--version-script={ROOT}/capi/exports.map,-soname,{LIBRARY}.{abi}"
        return f"-s -w \"-extldflags='{link}'\""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")[:-1], LIBRARY))


class Wheel(bdist_wheel):
    """The library does not depend on the version of Python, only on the platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[Extension("govpn.libgovpn", sources=[])],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": Wheel},
)
