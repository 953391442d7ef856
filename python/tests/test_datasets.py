"""The readers, on published data if it is there and else on a few images in the same format."""

import gzip
import hashlib
import os
import struct
import tarfile
from pathlib import Path

import govpn
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from conftest import png
from govpn import _fashion_mnist, datasets


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
    """A place where the reader finds no data."""
    monkeypatch.delenv("GOVPN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        _fashion_mnist, "_places", lambda path: iter([tmp_path / "cache" / "govpn" / "fashion-mnist"])
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
    monkeypatch.setattr(_fashion_mnist, "_PUBLISHER", folder.as_uri() + "/")
    with pytest.raises(ValueError, match="SHA-256"):
        datasets.fashion_mnist("test", download=True)
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.gz")}
    monkeypatch.setattr(_fashion_mnist, "_SHA256", sums)
    _, y = datasets.fashion_mnist("test", download=True)
    assert y.tolist() == [2, 0, 1]
    cache = tmp_path / "cache" / "govpn" / "fashion-mnist"
    assert sorted(p.name for p in cache.iterdir()) == sorted(sums)
    (tmp_path / "new").touch()
    assert {p.stat().st_mode for p in cache.iterdir()} == {(tmp_path / "new").stat().st_mode}
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


def test_idx(folder, tmp_path):
    images, labels = folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte"
    x, y = datasets.idx(images, labels)
    np.testing.assert_array_equal(x, IMAGES[..., None])
    assert (y.tolist(), y.class_names) == ([2, 0, 1], None)
    assert datasets.idx(images)[1] is None
    stream = datasets.idx(images, stream=True)
    assert (len(stream), stream.labels, stream.class_names) == (3, None, None)
    assert repr(stream) == "<govpn stream of 3 images 28×28×1>"
    ((batch, none),) = stream.batches(5)
    np.testing.assert_array_equal(batch, x)
    assert none is None
    batch[:] = 0  # the caller may write to it
    np.testing.assert_array_equal(next(stream.batches(3))[0], x)


def test_fashion_mnist_names_its_classes():
    try:
        _, y = datasets.fashion_mnist("test")
        stream = datasets.fashion_mnist("test", stream=True)
    except OSError as error:
        pytest.skip(str(error))
    assert y.class_names == stream.class_names == datasets.FASHION_MNIST_CLASSES


RANDOM = np.random.default_rng(0)
CIFAR = RANDOM.integers(0, 256, (12, 32, 32, 3), np.uint8)


@pytest.fixture
def cifar(tmp_path):
    """Writes both binary versions with two images per file: label bytes, then a plane per colour."""
    planes = CIFAR.transpose(0, 3, 1, 2)
    ten, hundred = tmp_path / "cifar-10-batches-bin", tmp_path / "cifar-100-binary"
    for folder in (ten, hundred):
        folder.mkdir()
    for k, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        records = (bytes([i % 10]) + planes[i].tobytes() for i in (2 * k, 2 * k + 1))
        (ten / name).write_bytes(b"".join(records))
    (ten / "batches.meta.txt").write_text("".join(f"class{i}\n" for i in range(10)))
    for name, rows in (("train.bin", range(10)), ("test.bin", range(10, 12))):
        records = (bytes([i % 20, 99 - i]) + planes[i].tobytes() for i in rows)
        (hundred / name).write_bytes(b"".join(records))
    (hundred / "fine_label_names.txt").write_text("".join(f"fine{i}\n" for i in range(100)))
    (hundred / "coarse_label_names.txt").write_text("".join(f"coarse{i}\n" for i in range(20)))
    return tmp_path


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_cifar(cifar, tmp_path, archive, stream):
    def read(reader, folder, *args, **options):
        path = cifar / folder
        if archive:
            path = tmp_path / f"{folder}.tar.gz"
            with tarfile.open(path, "w:gz") as tar:
                tar.add(cifar / folder, folder)
        found = reader(path, *args, stream=stream, **options)
        if not stream:
            return found
        ((images, labels),) = found.batches(100)
        return images, labels

    x, y = read(datasets.cifar10, "cifar-10-batches-bin")
    np.testing.assert_array_equal(x, CIFAR[:10])
    assert (y.tolist(), y.class_names[9]) == (list(range(10)), "class9")
    x, y = read(datasets.cifar10, "cifar-10-batches-bin", "test")
    np.testing.assert_array_equal(x, CIFAR[10:])
    assert y.tolist() == [0, 1]
    x, y = read(datasets.cifar100, "cifar-100-binary")
    np.testing.assert_array_equal(x, CIFAR[:10])
    assert (y.tolist(), y.class_names[99]) == ([99 - i for i in range(10)], "fine99")
    _, y = read(datasets.cifar100, "cifar-100-binary", "test", labels="coarse")
    assert (y.tolist(), y.class_names[19]) == ([10, 11], "coarse19")


@pytest.fixture
def tiny(tmp_path):
    """Writes the layout of Tiny ImageNet with three classes, of which val has two."""
    images = RANDOM.integers(0, 256, (5, 64, 64, 3), np.uint8)
    names = ["n02", "n01", "n03"]
    (tmp_path / "wnids.txt").write_text("\n".join(names))
    for k, name in enumerate(names):
        path = tmp_path / "train" / name / "images"
        path.mkdir(parents=True)
        (path / f"{name}_0.png").write_bytes(png(images[k]))
    (tmp_path / "val" / "images").mkdir(parents=True)
    for k, name in ((3, "val_0.png"), (4, "val_1.png")):
        (tmp_path / "val" / "images" / name).write_bytes(png(images[k]))
    (tmp_path / "val" / "val_annotations.txt").write_text(
        "val_0.png\tn03\t0\t0\t62\t62\nval_1.png\tn01\t0\t0\t62\t62\n"
    )
    return tmp_path, images


def test_tiny_imagenet(tiny):
    root, images = tiny
    x, y = datasets.tiny_imagenet(root)
    by_class = {y.class_names[k]: image for k, image in zip(y, x, strict=True)}
    for k, name in enumerate(["n02", "n01", "n03"]):
        np.testing.assert_array_equal(by_class[name], images[k])
    x, y = datasets.tiny_imagenet(root, "val")
    np.testing.assert_array_equal(x, images[[4, 3]])
    assert [y.class_names[k] for k in y] == ["n01", "n03"]
    (root / "words.txt").write_text("n01\tcat, true cat\nn02\tdog\n")
    assert datasets.tiny_imagenet(root, "val", stream=True).class_names == ("cat", "dog", "n03")
    assert datasets.tiny_imagenet(root, "val", image_size=32, channels=1)[0].shape == (2, 32, 32, 1)


def shared_data() -> Path | None:
    places = [os.environ.get("GOVPN_DATA"), *(p / "shared" / "data" for p in Path(__file__).parents)]
    return next((Path(p) for p in places if p and Path(p).is_dir()), None)


def test_published_tiny_imagenet(make):
    """1,000 images of an archive can be read and streamed."""
    folder = shared_data()
    if folder is None:
        pytest.skip("no shared/data")
    path = folder / "tiny-imagenet-20.tar.gz"
    x, y = datasets.tiny_imagenet(path, "val")
    stream = datasets.tiny_imagenet(path, "val", stream=True)
    assert (x.shape, x.dtype) == ((1000, 64, 64, 3), np.uint8)
    assert np.bincount(y).tolist() == [50] * 20
    np.testing.assert_array_equal(np.concatenate([images for images, _ in stream.batches(300)]), x)
    np.testing.assert_array_equal(stream.labels, y)
    assert y.class_names[0] == "bullfrog"
    assert 0 < stream.info()["memory_bytes"] < 100 << 20


def image(i: int) -> bytes:
    return png(np.full((4, 4, 3), i, np.uint8))


def test_other_files_in_class_folders(tmp_path):
    for name in (
        "a/1.PNG",
        "a/2.gif",
        "a/3.txt",
        "b/1.Jfif",
        "b/2.GIF",
        "b/.DS_Store",
        "b/Thumbs.db",
        "b/._1.png",
    ):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(image(1))
    with pytest.warns(govpn.GovpnWarning, match=r"set has other files .* left out: 2 \.gif, 1 \.txt$"):
        x, _ = datasets.image_folder(tmp_path / "set")
    assert len(x) == 2
    with pytest.warns(govpn.GovpnWarning, match=r"2 \.gif, 1 \.txt$"):
        stream = datasets.image_folder(tmp_path / "set", stream=True)
    assert len(stream.info()["warnings"]) == 1
    (tmp_path / "set" / "a" / "1.PNG").unlink()
    with pytest.raises(ValueError, match=r'without images: \["a"\].*; the files there are 2 \.gif, 1 \.txt'):
        datasets.image_folder(tmp_path / "set")


def test_a_folder_of_links(tmp_path):
    for i in range(4):
        (tmp_path / "store").mkdir(exist_ok=True)
        (tmp_path / "store" / f"{i}.png").write_bytes(image(i))
        (tmp_path / "set" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "ab"[i % 2] / f"{i}.png").symlink_to(tmp_path / "store" / f"{i}.png")
    x, y = datasets.image_folder(tmp_path / "set")
    assert (x[:, 0, 0, 0].tolist(), y.tolist()) == ([0, 2, 1, 3], [0, 0, 1, 1])


def test_a_class_folder_that_is_not_utf8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    Path(os.fsdecode(folder), "1.png").write_bytes(image(1))
    with pytest.raises(ValueError, match=r'class folder "caf\\xe9", whose name is not UTF-8'):
        datasets.image_folder(tmp_path)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_null_images(tmp_path, kind):
    table = pa.table({"image": [image(0), None, image(2)], "label": ["x", "y", "z"]})
    path = tmp_path / f"x.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        feather.write_feather(table, path)
    read = getattr(datasets, kind)
    with pytest.raises(ValueError, match=rf"x\.{kind}: row 1 has no"):
        read(path)
    with pytest.warns(govpn.GovpnWarning, match=rf"1 broken image was left out: .*x\.{kind}: row 1"):
        x, y = read(path, skip_broken=True)
    assert (x[:, 0, 0, 0].tolist(), [y.class_names[k] for k in y]) == ([0, 2], ["x", "z"])


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_arrow_files_of_polars(tmp_path, compression):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"image": [image(i) for i in range(3)], "label": ["b", "a", "b"]})
    frame.write_ipc(tmp_path / "x.arrow", compression=compression)
    x, y = datasets.arrow(tmp_path / "x.arrow")
    assert (x[:, 0, 0, 0].tolist(), y.tolist(), y.class_names) == ([0, 1, 2], [1, 0, 1], ("a", "b"))
