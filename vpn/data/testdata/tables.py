"""Write the Parquet and Arrow files of ../table_test.go: python tables.py

The committed files were written with pyarrow 26.0.1, Pillow 13.0.0, numpy 2.4.6 and polars
2.1.0. Image i is a PNG
file of pixels(i), 4×4 RGB.
"""

import io
import json
import pathlib

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

here = pathlib.Path(__file__).parent
COUNT = 5
LABELS = [1, 0, 1, 1, 0]


def pixels(i):
    return np.arange(i, i + 48, dtype=np.uint8).reshape(4, 4, 3)


def png(i):
    out = io.BytesIO()
    Image.fromarray(pixels(i)).save(out, "png")
    return out.getvalue()


def hugging_face():
    """Return a table as datasets 4 writes it.

    Images are struct<bytes, path>, labels are int64, class names are in the metadata.
    """
    images = [{"bytes": png(i), "path": f"{i}.png"} for i in range(COUNT)]
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    return pa.table({"image": images, "label": LABELS}, schema=schema)


def plain(image_type, label):
    return pa.table({"img": pa.array([png(i) for i in range(COUNT)], image_type), "y": label})


def stream(name, table, **options):
    with pa.ipc.new_stream(here / name, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=2)


def file(name, table, **options):
    with pa.ipc.new_file(here / name, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=2)


def tensors(kind):
    """Return a table with images as fixed_shape_tensor: float32 in [0, 1], or uint8."""
    values = np.stack([pixels(i) for i in range(COUNT)])
    if kind == pa.float32():
        values = (values / 255).astype(np.float32)
    storage = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), kind), 48)
    images = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(kind, [4, 4, 3]), storage)
    return pa.table({"image": images, "label": pa.array(LABELS, pa.uint8())})


def lists():
    nested = pa.list_(pa.list_(pa.list_(pa.uint8())))
    return pa.table(
        {
            "image": pa.array([pixels(i).tolist() for i in range(COUNT)], nested),
            "label": pa.array(LABELS, pa.int8()),
        }
    )


def with_nulls():
    """Return Hugging Face's table: image 0 is there, 1 is null, 2 has null bytes, 3 no bytes, 4 is there."""
    images = hugging_face().column("image").to_pylist()
    images[1] = None
    images[2] = {"bytes": None, "path": "2.png"}
    images[3] = {"bytes": b"", "path": "3.png"}
    return hugging_face().set_column(0, "image", pa.array(images, hugging_face().schema.field("image").type))


def lists_with_nulls():
    """Return lists() with images 0, 2 and 3 null."""
    images = [x if i in (1, 4) else None for i, x in enumerate(lists().column("image").to_pylist())]
    return lists().set_column(0, "image", pa.array(images, lists().schema.field("image").type))


names = pa.array(["dog", "cat", "dog", "dog", "cat"])
dictionary = pa.DictionaryArray.from_arrays(pa.array(LABELS, pa.int8()), pa.array(["cat", "dog"]))
stream("hf.arrow", hugging_face())
stream("zstd.arrow", plain(pa.large_binary(), dictionary), compression="zstd")
file("lz4.arrow", plain(pa.binary_view(), names), compression="lz4")
file("file.arrow", plain(pa.binary(), dictionary))
stream("tensor.arrow", tensors(pa.uint8()))
stream("lists.arrow", lists())
stream("nulls.arrow", with_nulls())
stream("nulls-lists.arrow", lists_with_nulls())
pl.from_arrow(plain(pa.binary(), names)).write_ipc(here / "polars.arrow", compression="zstd")
pq.write_table(with_nulls(), here / "nulls.parquet", row_group_size=3)
pq.write_table(lists_with_nulls(), here / "nulls-lists.parquet", row_group_size=3, store_schema=False)
pq.write_table(hugging_face(), here / "hf.parquet", row_group_size=2)
pq.write_table(
    hugging_face(), here / "v2.parquet", data_page_version="2.0", compression="zstd", use_dictionary=False
)
pq.write_table(hugging_face(), here / "gzip.parquet", compression="gzip")
pq.write_table(hugging_face(), here / "brotli.parquet", compression="brotli")
pq.write_table(hugging_face(), here / "lz4.parquet", compression="lz4")
pq.write_table(plain(pa.binary(), dictionary), here / "names.parquet", compression="none")
pq.write_table(tensors(pa.uint8()), here / "tensor.parquet", row_group_size=3)
pq.write_table(tensors(pa.float32()), here / "float.parquet")
pq.write_table(lists(), here / "lists.parquet", row_group_size=2, store_schema=False)
with pq.ParquetWriter(here / "empty.parquet", hugging_face().schema) as writer:
    writer.write_table(hugging_face()[:0])  # a row group of no rows
    writer.write_table(hugging_face())
