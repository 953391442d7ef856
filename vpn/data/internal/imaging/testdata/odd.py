"""Write odd.json.gz: odd files, sound or not, and what Pillow makes of them: python odd.py

The committed file was written with Pillow 13.0.0 (libjpeg-turbo 3.2.0) and numpy 2.4.6.
"""

import base64
import gzip
import io
import json
import pathlib
import struct
import warnings
import zlib

import numpy as np
from jpeg_encoder import Picture, segment
from PIL import Image

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(0)
FILES = {}


def picture(w=35, h=21, c=3):
    y, x = np.mgrid[:h, :w]
    ramp = np.stack([x * 255 / w, y * 255 / h, 255 - x * 200 / w, (x + y) * 255 / (w + h)], -1)[..., :c]
    return np.clip(ramp + RNG.normal(0, 25, ramp.shape) * (x > w // 3)[..., None], 0, 255).astype(np.uint8)


def planes(w=35, h=21, c=3):
    return list(picture(w, h, c).transpose(2, 0, 1))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg_files():
    for text in [
        "11 11 11",
        "21 11 11",
        "12 11 11",
        "22 11 11",
        "41 11 11",
        "42 11 11",
        "14 11 11",
        "24 11 11",
        "41 21 21",
        "22 21 12",
        "11 22 11",
        "31 11 11",
        "13 11 11",
        "32 11 11",
        "33 11 11",
        "22 22 22",
        "44 11 11",
        "31 21 11",
        "22 12 12",
        "12 12 11",
        "41 11 41",
    ]:
        factors = [tuple(map(int, f)) for f in text.split()]
        image = Picture(planes(), factors)
        together = sum(h * v for h, v in factors) <= 10
        FILES[f"jpeg {text} baseline"] = image.sequential(restart=3, together=together)
        FILES[f"jpeg {text} progressive"] = image.progressive(restart=2, together=together)
        FILES[f"jpeg {text} too large"] = image.sequential()  # more than 10 blocks in an MCU
    adobe = [segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([t])) for t in range(3)]
    jfif = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    for name, segments in {"": b"", "adobe 0": adobe[0], "adobe 2": adobe[2], "jfif": jfif}.items():
        FILES[f"jpeg cmyk {name}"] = Picture(planes(c=4), [(1, 1)] * 4).sequential(segments)
        image = Picture(planes(c=4), [(2, 2), (1, 1), (1, 1), (2, 2)])
        FILES[f"jpeg subsampled cmyk {name}"] = image.progressive(segments)
        for ids in ([1, 2, 3], [82, 71, 66], [1, 1, 1], [3, 2, 1]):
            image = Picture(planes(9, 9), [(1, 1)] * 3, ids=ids)
            FILES[f"jpeg components {ids} {name}"] = image.sequential(segments)
    grey = Picture(planes(c=1), [(1, 1)])
    FILES["jpeg grey 2×2"] = grey.sequential(factors=[(2, 2)])
    FILES["jpeg grey 3×1 progressive"] = grey.progressive(factors=[(3, 1)])
    for w, h in ((1, 1), (2, 2), (3, 17)):
        FILES[f"jpeg {w}×{h}"] = Picture(planes(w, h), [(2, 2), (1, 1), (1, 1)]).progressive()
    image = Picture(planes(), [(2, 1), (1, 1), (1, 1)])
    FILES["jpeg fill bytes"] = image.sequential(restart=1, fill=b"\xff")
    FILES["jpeg progressive fill bytes"] = image.progressive(restart=1, fill=b"\xff\xff")
    good = image.sequential()
    for name, extra in {
        "junk": b"abc",
        "zeros": b"\0\0",
        "comment": segment(0xFE, b"x"),
        "no length": b"\xff\xe4\0\0",
        "restart": b"\xff\xd3",
        "TEM": b"\xff\1",
        "start": b"\xff\xd8",
        "end": b"\xff\xd9",
        "DNL": segment(0xDC, b"\0\x15"),
        "reserved": segment(0x50, b"x"),
        "JPG0": segment(0xF0, b"x"),
        "expand": segment(0xDF, b"x"),
        "stuffed": b"\xff\0",
    }.items():
        FILES[f"jpeg {name} first"] = good[:2] + extra + good[2:]
        FILES[f"jpeg {name} before the frame"] = good.replace(b"\xff\xc0", extra + b"\xff\xc0", 1)
        FILES[f"jpeg {name} last"] = good[:-2] + extra + good[-2:]
    FILES["jpeg without end"], FILES["jpeg and more"] = good[:-2], good + b"more"
    plain = saved(Image.fromarray(picture()), "JPEG")
    FILES["jpeg without Huffman tables"] = plain.replace(b"\xff\xc4", b"\xff\xfe")
    FILES["jpeg without quantisation"] = plain.replace(b"\xff\xdb", b"\xff\xfe")


def chunk(kind, body, crc=None):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc or zlib.crc32(kind + body))


def rows(w, h, depth, colour):
    size = (w * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * depth + 7) // 8
    return b"".join(bytes([RNG.integers(5), *RNG.integers(0, 256, size)]) for _ in range(h if w else 0))


def png_files():
    sign, end = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")

    def head(depth, colour, last=(0, 0, 0), w=11, h=7):
        return chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, *last))

    kinds = [
        (1, 0),
        (2, 0),
        (4, 0),
        (8, 0),
        (8, 2),
        (16, 2),
        (1, 3),
        (2, 3),
        (4, 3),
        (8, 3),
        (8, 4),
        (16, 4),
        (8, 6),
        (16, 6),
    ]
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    for depth, colour in [*kinds, (3, 0), (4, 2), (16, 3), (8, 1)]:
        palette = chunk(b"PLTE", RNG.integers(0, 256, 3 << min(depth, 8)).astype(np.uint8).tobytes())
        known = (depth, colour) in kinds
        data = rows(11, 7, depth, colour) if known else b"\0" * 999
        laced = b"".join(
            rows(-(-(11 - x) // dx), -(-(7 - y) // dy), depth, colour) for x, y, dx, dy in passes if known
        )
        for name, method, pixels in (("", 0, data), (" interlaced", 1, laced)):
            body = (palette if colour == 3 else b"") + chunk(b"IDAT", zlib.compress(pixels)) + end
            FILES[f"png {depth} {colour}{name}"] = sign + head(depth, colour, (0, 0, method)) + body
        FILES[f"png {depth} {colour} no palette"] = (
            sign + head(depth, colour) + chunk(b"IDAT", zlib.compress(data)) + end
        )
    first, packed = head(8, 2), zlib.compress(rows(11, 7, 8, 2))
    data = chunk(b"IDAT", packed)
    for name, body in {
        "compression 1": head(8, 2, (1, 0, 0)) + data + end,
        "filter 1": head(8, 2, (0, 1, 0)) + data + end,
        "more pixels": first + chunk(b"IDAT", zlib.compress(rows(11, 8, 8, 2))) + end,
        "cut in the data": (first + data)[:-30],
        "bytes after zlib": first + chunk(b"IDAT", packed + b"junk") + end,
        "no end": first + data,
        "junk after": first + data + b"x" * 30,
        "bad checksum of pixels": first + chunk(b"IDAT", packed, 1) + end,
        "bad checksum of text": first + chunk(b"tEXt", b"a\0b", 1) + data + end,
        "bad checksum of later text": first + data + chunk(b"tEXt", b"a\0b", 1) + end,
        "bad Adler": first + chunk(b"IDAT", packed[:-4] + b"\0\0\0\1") + end,
        "no Adler": first + chunk(b"IDAT", packed[:-4]) + end,
        "unknown chunk": first + chunk(b"ABCD", b"x") + data + end,
        "no pixels": first + end,
        "two parts": first
        + chunk(b"IDAT", packed[:9])
        + chunk(b"IDAT", b"")
        + chunk(b"IDAT", packed[9:])
        + end,
        "text between": first
        + chunk(b"IDAT", packed[:9])
        + chunk(b"tEXt", b"a\0b")
        + chunk(b"IDAT", packed[9:])
        + end,
        "short gamma": first + chunk(b"gAMA", b"\0") + data + end,
        "text first": chunk(b"tEXt", b"a\0b") + first + data + end,
        "chunk not of letters": first + chunk(b"a-bc", b"") + data + end,
        "cut after": (first + data + chunk(b"tEXt", b"a\0bcdef"))[:-8],
    }.items():
        FILES[f"png {name}"] = sign + body


def other_files():
    image, moved = Image.fromarray(picture()), [Image.fromarray(255 - picture())]
    FILES["apng"] = saved(image, "PNG", save_all=True, append_images=moved)
    FILES["apng with a default image"] = saved(
        image, "PNG", save_all=True, default_image=True, append_images=moved
    )
    FILES["animated webp"] = saved(image, "WEBP", save_all=True, append_images=moved, lossless=True)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        FILES[f"tiff {mode}"] = saved(image.convert(mode), "TIFF", compression="tiff_lzw")
    FILES["tiff fax"] = saved(image.convert("1"), "TIFF", compression="group4")
    for w, magic in (
        (3, b"P6 3 1 255\n"),
        (6, b"P5\n# x\n3 2\n100\n"),
        (2, b"P4 3 2\n"),
        (0, b"P2 2 1 9 4 9 "),
        (0, b"P1 3 1 1 01"),
    ):
        FILES[f"pnm {magic[:2].decode()}"] = magic + bytes(range(95, 95 + (9 if w == 3 else w)))
    FILES["pnm cut"] = b"P6 3 1 255\n12345678"
    masks = {
        "565": (16, 0xF800, 0x7E0, 0x1F, 0),
        "rgba": (32, 0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        "10": (32, 0x3FF00000, 0xFFC00, 0x3FF, 0),
    }
    for name, (bits, *mask) in masks.items():
        body = struct.pack("<IiiHHIIiiII", 56, 5, -3, 1, bits, 3, 0, 0, 0, 0, 0) + struct.pack("<IIII", *mask)
        FILES[f"bmp {name}"] = (
            b"BM" + struct.pack("<III", 0, 0, 70) + body + RNG.integers(0, 256, 60).astype(np.uint8).tobytes()
        )
    for name, packed in {
        "": b"\5\1\0\0\3\2\2\3\0\0\0\3\1\2\3\0\2\1\0\1",
        " cut": b"\5\1\0\0",
        " with gaps": b"\0\2\2\1\1\3\0\0\5\2\0\1",
    }.items():
        body = struct.pack("<IiiHHIIiiII", 40, 5, 3, 1, 8, 1, 0, 0, 0, 4, 0) + bytes(range(16))
        FILES[f"bmp rle{name}"] = b"BM" + struct.pack("<III", 0, 0, 70) + body + packed
    FILES["bmp of OS/2"] = (
        b"BM"
        + struct.pack("<IIIIHHHH", 0, 0, 38, 12, 5, 3, 1, 4)
        + bytes(range(0, 96, 8))
        + bytes(range(16, 28))
    )


def case(name, file):
    """Return a file, with the size and the CRC-32 of its RGB pixels, or 0 if Pillow refuses it."""
    try:
        pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        size, crc = list(pixels.shape[:2]), zlib.crc32(pixels.tobytes())
    except Exception:  # of many kinds
        size, crc = None, 0
    return {"name": name, "file": base64.b64encode(file).decode(), "size": size, "crc": crc}


warnings.simplefilter("ignore")
jpeg_files()
png_files()
other_files()
text = json.dumps([case(name, file) for name, file in FILES.items()])
(HERE / "odd.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
