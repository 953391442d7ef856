"""Parquet and Arrow files are read as data sets."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import png
from govpn import datasets

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (5, 6, 7, 3), np.uint8)
PNGS = [png(image) for image in PIXELS]


def hugging_face(label_names) -> pa.Table:
    """Returns a table as the package datasets writes it."""
    structs = pa.array(
        [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(PNGS)],
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    )
    features = {"image": {"_type": "Image"}, "label": {"names": label_names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"image": structs, "label": pa.array([0, 1, 1, 0, 2])})
    return table.replace_schema_metadata(metadata)


def write_arrow(table, path, random_access=True):
    new = pa.ipc.new_file if random_access else pa.ipc.new_stream
    with new(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "parquet bytes", "arrow", "arrow stream"])
def test_tables(tmp_path, kind, stream):
    table = hugging_face(["cat", "dog", "owl"])
    path = tmp_path / "data"
    options = {}
    if kind == "parquet bytes":
        table = pa.table({"picture": PNGS, "kind": [0, 1, 1, 0, 2]})
        options = {"image_column": "picture", "label_column": "kind", "class_names": ["cat", "dog", "owl"]}
    if kind.startswith("parquet"):
        pq.write_table(table, path, row_group_size=2)
    else:
        write_arrow(table, path, kind == "arrow")
    reader = datasets.parquet if kind.startswith("parquet") else datasets.arrow
    got = reader(path, stream=stream, **options)
    x, y = next(got.batches(5)) if stream else got
    assert (x.shape, y.tolist(), y.class_names) == ((5, 6, 7, 3), [0, 1, 1, 0, 2], ("cat", "dog", "owl"))
    np.testing.assert_array_equal(x, PIXELS)
    with pytest.raises(ValueError, match="picture2"):
        reader(path, image_column="picture2", stream=stream)


@pytest.mark.parametrize("cut", [0, 10, 400, -1])
def test_damaged_tables(tmp_path, cut):
    for reader, name in ((datasets.parquet, "x.parquet"), (datasets.arrow, "x.arrow")):
        path = tmp_path / name
        if reader is datasets.parquet:
            pq.write_table(hugging_face(["a", "b", "c"]), path)
        else:
            write_arrow(hugging_face(["a", "b", "c"]), path)
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(ValueError, match=name) as caught:
            reader(path)
        assert caught.value.status == "GOVPN_E_FORMAT"
