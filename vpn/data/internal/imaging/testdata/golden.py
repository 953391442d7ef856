"""Write files/*, golden.json and expected.gz.

The files are small images of every kind that govpn reads. expected.gz holds the pixels that Pillow and
torchvision return for them. golden.json names the versions of both.
"""

import gzip
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import torchvision
from PIL import Image, ImageOps, features
from torchvision.transforms.functional import center_crop, resize, resized_crop

HERE = Path(__file__).parent
FILES = HERE / "files"
cases, expected, offset = [], [], 0


def picture(h, w, channels=3, seed=0, top=255):
    """Return a smooth picture with hard, saturated edges and a little noise."""
    y, x = np.mgrid[:h, :w].astype(np.float64)
    waves = [np.sin(x / 5 + c + seed) * np.cos(y / (6 + c)) for c in range(channels)]
    image = 0.5 + 0.4 * np.stack(waves, -1)
    disc = (x - w / 3) ** 2 + (y - h / 2) ** 2 < (min(h, w) / 4) ** 2
    image[disc] = np.arange(channels) == seed % channels
    image[-h // 4 :, -w // 5 :] = 1
    image += np.random.default_rng(seed).normal(0, 0.005, image.shape)
    return np.clip(image * top + 0.5, 0, top).astype(np.uint16 if top > 255 else np.uint8).squeeze()


def save(name, image, **options):
    exif = Image.Exif()
    if orientation := options.pop("orientation", None):
        exif[0x112] = orientation
        exif[0x10F] = "a maker before it"
        options["exif"] = exif
    image.save(FILES / name, **options)


def png(name, kind, depth, samples, *chunks, interlaced=False):
    """Write a PNG file of a kind that Pillow cannot write.

    That is 2, 4 and 16 bits, transparent colours, and interlacing. samples is (h, w, channels).
    """

    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    def rows(part):
        for row in part:
            bits = "".join(f"{v:0{depth}b}" for v in row.ravel())
            bits += "0" * (-len(bits) % 8)
            yield b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")

    h, w = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: first row, first column, steps
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    raw = b"".join(r for y, x, dy, dx in passes for r in rows(samples[y::dy, x::dx]))
    header = struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlaced)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in chunks)
    (FILES / name).write_bytes(data + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def patched(name, source, sampling, size, new_sampling, new_size):
    """Write a JPEG file with another sampling and the same blocks, of which it has as many.

    Pillow writes neither 4:4:0 nor 4:1:1.
    """
    data = bytearray((FILES / source).read_bytes())
    at = data.index(b"\xff\xc0")
    assert data[at + 5 : at + 9] == struct.pack(">HH", *size)
    assert data[at + 11] == sampling
    data[at + 5 : at + 9], data[at + 11] = struct.pack(">HH", *new_size), new_sampling
    (FILES / name).write_bytes(data)


def add(file, pixels, transform=None, step=1, **more):
    global offset
    pixels = np.asarray(pixels)
    flat = pixels.ravel()[::step]
    case = {"file": file, "transform": transform or {}, "h": pixels.shape[0], "w": pixels.shape[1]}
    case |= {"c": 1 if pixels.ndim == 2 else 3, "step": step, "at": offset, "count": flat.size, **more}
    cases.append(case)
    expected.append(flat.tobytes())
    offset += flat.size


def load(file, mode="RGB"):
    return ImageOps.exif_transpose(Image.open(FILES / file)).convert(mode)


def write_pngs():
    h, w = 23, 37
    rgb = Image.fromarray(picture(h, w))
    alpha = Image.fromarray(picture(h, w, 1, 3))
    grey = Image.fromarray(picture(h, w, 1, 1))
    save("rgb.png", rgb)
    save("rgba.png", Image.merge("RGBA", [*rgb.split(), alpha]))
    save("l.png", grey)
    save("la.png", Image.merge("LA", [grey, alpha]))
    save("bit.png", grey.convert("1"))
    save("palette.png", rgb.quantize(200))
    save("palette4.png", rgb.quantize(11), bits=4)
    save("palette_trns.png", rgb.quantize(60), transparency=bytes(range(0, 240, 4)))
    png("grey2.png", 0, 2, picture(h, w, 1, 2, top=3))
    png("grey4.png", 0, 4, picture(h, w, 1, 2, top=15))
    png("grey_trns.png", 0, 8, picture(h, w, 1, 2), (b"tRNS", b"\0\xff"))
    png("rgb_trns.png", 2, 8, picture(h, w), (b"tRNS", b"\0\xff\0\xff\0\xff"))
    png("interlaced.png", 2, 8, picture(h, w), interlaced=True)
    png("rgb16.png", 2, 16, picture(9, 13, top=65535))
    png("la16.png", 4, 16, picture(9, 13, 2, top=65535))
    png("rgba16.png", 6, 16, picture(9, 13, 4, top=65535))
    png("grey16.png", 0, 16, picture(9, 13, 1, top=65535))
    save("exif5.png", rgb, orientation=5)
    for path in sorted(FILES.glob("*.png")):
        if path.name == "grey16.png":  # Pillow clips this file at 255
            high = (picture(9, 13, 1, top=65535) >> 8).astype(np.uint8)
            add(path.name, np.stack([high] * 3, -1))
            add(path.name, high)
            continue
        add(path.name, load(path.name))
        add(path.name, load(path.name, "L"))


def write_jpegs():
    rgb = Image.fromarray(picture(23, 37))
    for sampling in (444, 422, 420):
        save(f"{sampling}.jpg", rgb, quality=90, subsampling={444: 0, 422: 1, 420: 2}[sampling])
    save("optimized.jpg", rgb, quality=30, optimize=True)
    save("progressive.jpg", rgb, quality=85, progressive=True)
    save("grey.jpg", Image.fromarray(picture(23, 37, 1)), quality=85)
    save("keep_rgb.jpg", rgb, quality=85, keep_rgb=True)
    save("restart.jpg", rgb, quality=85, restart_marker_blocks=2)
    save("cmyk.jpg", Image.fromarray(picture(23, 37, 4), "CMYK"), quality=85)
    ycck = bytearray((FILES / "cmyk.jpg").read_bytes())
    ycck[ycck.index(b"Adobe") + 11] = 2
    (FILES / "ycck.jpg").write_bytes(ycck)
    # libjpeg repeats chroma, instead of smoothing it, if it is at most two samples wide
    for size in ((1, 1), (1, 2), (5, 3), (3, 4), (17, 2)):
        save(f"{size[0]}x{size[1]}.jpg", Image.fromarray(picture(*size).reshape(*size, 3)), quality=90)
    save("source.jpg", Image.fromarray(picture(24, 32)), quality=90, subsampling=1)
    patched("440.jpg", "source.jpg", 0x21, (24, 32), 0x12, (45, 13))
    save("source.jpg", Image.fromarray(picture(32, 32)), quality=90, subsampling=2)
    patched("411.jpg", "source.jpg", 0x22, (32, 32), 0x41, (13, 61))
    (FILES / "source.jpg").unlink()
    for path in sorted(FILES.glob("*.jpg")):
        add(path.name, load(path.name))
    add("420.jpg", load("420.jpg", "L"))
    add("cmyk.jpg", load("cmyk.jpg", "L"))
    corner = Image.fromarray(picture(9, 14))
    for orientation in range(1, 9):
        name = f"orientation{orientation}.jpg"
        save(name, corner, quality=70, orientation=orientation)
        add(name, load(name))
    add(
        "orientation6.jpg",
        center_crop(resize(load("orientation6.jpg"), [12]), [10]),
        {"resize": [12], "center_crop": [10]},
    )


def write_others():
    rgb = Image.fromarray(picture(23, 37))
    rgba = Image.merge("RGBA", [*rgb.split(), Image.fromarray(picture(23, 37, 1, 3))])
    save("lossy.webp", rgb, quality=80)
    save("lossy_rgba.webp", rgba, quality=80)
    save("lossy_even.webp", Image.fromarray(picture(24, 18)), quality=60)
    save("lossless.webp", rgb, lossless=True)
    save("lossless_rgba.webp", rgba, lossless=True, exact=True)
    save("exif8.webp", rgb, quality=80, orientation=8)
    save("bit.bmp", rgb.convert("1"))
    save("l.bmp", rgb.convert("L"))
    save("palette.bmp", rgb.quantize(200))
    save("rgb.bmp", rgb)
    save("rgba.bmp", rgba)
    for path in sorted([*FILES.glob("*.webp"), *FILES.glob("*.bmp")]):
        add(path.name, load(path.name))
    add("lossy.webp", load("lossy.webp", "L"))


def write_transforms():
    """Add torchvision's results for PIL images, as its data loaders compute them."""
    save("photo.jpg", Image.fromarray(picture(400, 500, seed=1)), quality=60)
    in_rgb = "rgb.png la.png 420.jpg 422.jpg 440.jpg 411.jpg 444.jpg grey.jpg 3x4.jpg cmyk.jpg"
    in_rgb += " progressive.jpg lossy.webp"
    in_grey = "rgb.png 420.jpg lossy.webp"
    for file, mode in [(f, "RGB") for f in in_rgb.split()] + [(f, "L") for f in in_grey.split()]:
        image = load(file, mode)
        for size in ([16], [50, 41], [7, 30]):
            if file in ("rgb.png", "420.jpg") or size == [16]:
                add(file, resize(image, size), {"resize": size})
    for file in ("rgb.png", "420.jpg"):
        image = load(file)
        for crop in ([20], [11, 14], [30, 15], [12, 60], [40]):
            add(file, center_crop(image, crop), {"center_crop": crop})
        add(file, center_crop(resize(image, [16]), [15]), {"resize": [16], "center_crop": [15]})
        add(file, center_crop(resize(image, [29]), [33]), {"resize": [29], "center_crop": [33]})
        for top, left, h, w in ((3, 5, 11, 17), (0, 0, 23, 37), (20, 30, 3, 7), (8, 11, 14, 9)):
            for size in ([12, 12], [5, 31]):
                add(file, resized_crop(image, top, left, h, w, size), box=[top, left, h, w])
    photo = load("photo.jpg")
    add(
        "photo.jpg",
        center_crop(resize(photo, [256]), [224]),
        {"resize": [256], "center_crop": [224]},
        step=31,
    )
    add("photo.jpg", center_crop(resize(photo, [64]), [56]), {"resize": [64], "center_crop": [56]}, step=5)
    add("photo.jpg", resized_crop(photo, 33, 71, 201, 155, [224, 224]), box=[33, 71, 201, 155], step=31)


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True)
    for old in FILES.iterdir():
        old.unlink()
    write_pngs()
    write_jpegs()
    write_others()
    write_transforms()
    versions = {"Pillow": PIL.__version__, "torchvision": torchvision.__version__, "numpy": np.__version__}
    versions |= {name: features.version(name) for name in ("libjpeg_turbo", "webp", "zlib")}
    text = ",\n".join(json.dumps(c) for c in cases)
    (HERE / "golden.json").write_text(f'{{"versions": {json.dumps(versions)}, "cases": [\n{text}\n]}}\n')
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        file.write(b"".join(expected))
    (HERE / "expected.gz").write_bytes(buffer.getvalue())
