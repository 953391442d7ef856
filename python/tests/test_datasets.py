"""Fashion-MNIST, real where it is there, and three images of our own where it is not."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
from govpn import datasets


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
LABELS = np.array([2, 0, 1], np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return tmp_path


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No data, wherever the reader looks."""
    monkeypatch.delenv("GOVPN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        datasets, "_places", lambda path: iter([tmp_path / "cache" / "govpn" / "fashion-mnist"])
    )


def test_reads_a_folder(folder, monkeypatch):
    monkeypatch.setenv("GOVPN_DATA", str(folder))
    for path in (folder, None):
        x, y = datasets.fashion_mnist("test", path=path)
        np.testing.assert_array_equal(x, IMAGES[..., None])
        assert (x.dtype, y.dtype, y.tolist()) == (np.uint8, np.int64, [2, 0, 1])


def test_the_published_files(monkeypatch):
    try:
        x, y = datasets.fashion_mnist("test")
    except OSError as error:
        pytest.skip(str(error))
    assert (x.shape, y.shape) == ((10000, 28, 28, 1), (10000,))
    assert np.bincount(y).tolist() == [1000] * 10
    assert [datasets.FASHION_MNIST_CLASSES[k] for k in y[:3]] == ["Ankle boot", "Pullover", "Trouser"]


def test_missing_data_names_the_places(folder, nowhere):
    with pytest.raises(OSError, match=r"(?s)none of these folders:.*download=True"):
        datasets.fashion_mnist("train", path=folder)
    with pytest.raises(OSError, match="download=True"):
        datasets.fashion_mnist("train")
    with pytest.raises(ValueError, match='split is \'dev\', want "train" or "test"'):
        datasets.fashion_mnist("dev")


def test_download_checks_and_caches(folder, nowhere, tmp_path, monkeypatch):
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    monkeypatch.setattr(datasets, "_PUBLISHER", folder.as_uri() + "/")
    with pytest.raises(ValueError, match="SHA-256"):
        datasets.fashion_mnist("test", download=True)
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.gz")}
    monkeypatch.setattr(datasets, "_SHA256", sums)
    _, y = datasets.fashion_mnist("test", download=True)
    assert y.tolist() == [2, 0, 1]
    cache = tmp_path / "cache" / "govpn" / "fashion-mnist"
    assert sorted(p.name for p in cache.iterdir()) == sorted(sums)
    with pytest.raises(OSError, match="cannot be downloaded"):
        datasets.fashion_mnist("train", download=True)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x09\1", idx(IMAGES)[:-1], idx(IMAGES) + b"x", b"\x1f\x8b\x08", gzip.compress(b"a")[:-4]],
)
def test_damaged_files(folder, content):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match="t10k-images"):
        datasets.fashion_mnist("test", path=folder)
