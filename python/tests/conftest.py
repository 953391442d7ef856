"""Fixtures that all tests share: small problems, a small classifier, and the devices to test."""

import gzip
import os
import struct
import zlib

import govpn
import numpy as np
import pytest

NAMES = ("a", "b", "c", "d")  # the class folders that `write` makes
DEVICES = {d["device"]: d for d in govpn.devices()}
LONG = os.environ.get("GOVPN_TEST_LONG") == "1"
# The first line of a script that does without scikit-learn, as govpn can: its import takes a second.
LIGHT = 'import sys; sys.modules["sklearn"] = None'


def pytest_collection_modifyitems(items):
    """Leaves out what is marked `long`: `make test-long` runs it."""
    if not LONG:
        skip = pytest.mark.skip(reason="long: GOVPN_TEST_LONG=1 runs it")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)


CPU_IF_LONG = ["go", pytest.param("cpu", marks=pytest.mark.long)]


def devices_and(*values, on_cpu):
    """Returns parameters (device, value). On cpu, where each compiles anew, all but `on_cpu` are long."""
    marks = {v: () if v in on_cpu else pytest.mark.long for v in values}
    return [("go", v) for v in values] + [pytest.param("cpu", v, marks=marks[v]) for v in values]


@pytest.fixture(params=["go", "cpu"], scope="session")
def device(request):
    """Every device that the tests run on."""
    name = request.param
    if not DEVICES[name]["available"]:
        # `make test` requires cpu, because it installs the plugin.
        stop = pytest.fail if os.environ.get("GOVPN_TEST_REQUIRE") == name else pytest.skip
        stop(f"device {name}: {DEVICES[name]['why']}")
    return name


def make_quadrants(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 8, 8, 1) of dark noise with one bright quarter.

    The label says which quarter.
    """
    random = np.random.default_rng(seed)
    y = random.integers(4, size=n)
    y[:4] = range(4)
    x = random.integers(0, 120, (n, 8, 8, 1))
    for i, label in enumerate(y):
        top, left = divmod(label, 2)
        x[i, 4 * top : 4 * top + 4, 4 * left : 4 * left + 4] += 60
    return x.astype(np.uint8), y


def png(image: np.ndarray) -> bytes:
    """Encodes an image, uint8 (H, W, C), as PNG."""
    height, width, channels = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    kind = {1: 0, 3: 2}[channels]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    ends = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(ends)


def write(folder, x, y):
    """Writes images as <class>/<number>.png."""
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        path = folder / NAMES[label] / f"{i:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))


@pytest.fixture(scope="session")
def quadrants():
    return make_quadrants(384)


@pytest.fixture(scope="session")
def make():
    """A function that makes a small classifier. Keyword arguments change its parameters."""

    def build(device="go", **params):
        settings = {"epochs": 4, "batch_size": 32, "learning_rate": 0.01, "random_state": 7, "verbose": 0}
        return govpn.VPNClassifier("sr", "dnn3", device=device, **settings | params)

    return build


@pytest.fixture(scope="session")
def fitted(device, make, quadrants):
    """A classifier trained on the quadrants. Tests must not change it."""
    x, y = quadrants
    return make(device).fit(x, y, validation_data=make_quadrants(100, seed=1))


def idx(path, array):
    kinds = {1: (8, 1), 3: (8, 3)}[array.ndim]
    header = struct.pack(">BBBB", 0, 0, *kinds) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def draw_bars(folder, train, test):
    """Writes a small Fashion-MNIST of so many images. Each class has a bright bar in another row."""
    random = np.random.default_rng(0)
    (folder / "fashion-mnist").mkdir()
    for name, count in (("train", train), ("t10k", test)):
        y = np.arange(count, dtype=np.uint8) % 10
        x = random.integers(0, 200, (count, 28, 28)).astype(np.uint8)
        x[np.arange(count)[:, None], 2 * y[:, None] + np.arange(3)] = 255
        idx(folder / "fashion-mnist" / f"{name}-images-idx3-ubyte.gz", x)
        idx(folder / "fashion-mnist" / f"{name}-labels-idx1-ubyte.gz", y)
    return folder


@pytest.fixture(scope="session")
def bars(tmp_path_factory):
    """A folder with a small Fashion-MNIST of 400 and 100 images."""
    return draw_bars(tmp_path_factory.mktemp("bars"), 400, 100)


@pytest.fixture(scope="session")
def few_bars(tmp_path_factory):
    """The same of 200 and 50 images, for those that train often."""
    return draw_bars(tmp_path_factory.mktemp("few_bars"), 200, 50)
