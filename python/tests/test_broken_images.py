"""Files that are broken, hostile, of another format, or of different sizes."""

import io
import os
import tarfile

import govpn
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import make_quadrants, png, write
from govpn import datasets

BROKEN = {"cut": png(np.zeros((8, 8, 1), np.uint8))[:-30], "text": b"no image", "empty": b""}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("stream", [False, True])
def test_broken_files(tmp_path, make, kind, stream):
    write(tmp_path, *make_quadrants(20))
    bad = tmp_path / "b" / "0007x.png"
    bad.write_bytes(BROKEN[kind])

    def use(**options):
        opened = datasets.image_folder(tmp_path, channels=1, stream=stream, **options)
        return list(opened.batches(5)) if stream else [opened]

    with pytest.raises(ValueError, match=r"b/0007x\.png") as caught:
        use()
    assert caught.value.status == "GOVPN_E_FORMAT"
    if stream:
        with pytest.raises(ValueError, match=r"b/0007x\.png"):
            make(epochs=1).fit(datasets.image_folder(tmp_path, channels=1, stream=True))
    with pytest.warns(UserWarning, match=r"1 broken image.*b/0007x\.png"):
        batches = use(skip_broken=True)
    assert sum(len(images) for images, _ in batches) == 20
    labels = np.concatenate([y for _, y in batches])
    np.testing.assert_array_equal(labels, np.sort(make_quadrants(20)[1]))


def test_images_of_several_sizes_need_one(tmp_path):
    write(tmp_path, np.zeros((3, 8, 8, 1), np.uint8), [0, 1, 1])
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "wide.png").write_bytes(png(np.full((8, 10, 1), 9, np.uint8)))
    with pytest.raises(ValueError, match=r"d/wide\.png: .*8×10"):
        datasets.image_folder(tmp_path)
    x, y = datasets.image_folder(tmp_path, image_size=4)
    assert x.shape == (4, 4, 4, 3)
    assert (x[3] == 9).all()
    assert y.class_names == ("a", "b", "d")
    assert datasets.image_folder(tmp_path, image_size=(4, 6), channels=1)[0].shape == (4, 4, 6, 1)


def test_hostile_files(tmp_path):
    """Files that once blocked, filled the disk or took all memory: a pipe, a sparse entry, sizes, a link."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        datasets.idx(tmp_path / "pipe")

    with pytest.raises(ValueError, match="not UTF-8"):
        datasets.idx(os.fsencode(tmp_path) + b"/\xff")

    image = png(np.zeros((2, 2, 3), np.uint8))
    for name, change, message in (
        ("sparse", {"pax_headers": {"GNU.sparse.map": "0,1", "GNU.sparse.realsize": "9"}}, "sparse"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "a"}, "link to"),
    ):
        entry = tarfile.TarInfo("train/b" if name == "link" else "train/a/2.png")
        for key, value in change.items():
            setattr(entry, key, value)
        with tarfile.open(tmp_path / name, "w", format=tarfile.PAX_FORMAT) as archive:
            first = tarfile.TarInfo("train/a/1.png")
            first.size = len(image)
            archive.addfile(first, io.BytesIO(image))
            archive.addfile(entry)
        with pytest.raises(govpn.GovpnError, match=message):
            datasets.image_folder(tmp_path / name, split="train")

    table = pa.table({"image": [image] * 3, "label": [0, 1, 0]})
    packed = {"use_dictionary": False, "column_encoding": {"image": "PLAIN", "label": "DELTA_BINARY_PACKED"}}
    pq.write_table(table, tmp_path / "packed.parquet", **packed)
    with pytest.raises(govpn.GovpnError, match="DELTA_BINARY_PACKED"):
        datasets.parquet(tmp_path / "packed.parquet")


def test_a_broken_first_file_is_skipped(tmp_path):
    write(tmp_path, *make_quadrants(8))
    (tmp_path / "a" / "0.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 broken image was left out"):
        x, _ = datasets.image_folder(tmp_path, skip_broken=True)
    assert x.shape == (8, 8, 8, 3)
