"""Write the JPEG files of this folder and, beside each, what libjpeg decodes.

NAME.ycbcr holds the rows of Y, Cb, Cr (or of Y only) after upsampling, before colour conversion. The
committed files were written with Pillow 13.0.0 (libjpeg-turbo 3.2.0) and numpy 2.4.6. Other versions may
write other files.
"""

import io
import pathlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent


def picture(width, height, channels=3):
    """Return a gradient with a bright corner and noise, which has coefficients of all sizes."""
    rng = np.random.default_rng([width, height])
    y, x = np.mgrid[:height, :width]
    ramp = np.stack([x * 255 / width, y * 255 / height, 255 - x * 200 / width], -1)[..., :channels]
    noise = rng.normal(0, 40, ramp.shape) * (x > width // 3)[..., None]
    corner = 200.0 * ((x < width // 3) & (y < height // 3))[..., None]
    pixels = np.clip(ramp + noise + corner, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def resized(data, width, height, factors):
    """Return a file with the same blocks but another size and other luma sampling factors."""
    at = data.index(b"\xff\xc0") + 5
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return data[:at] + size + data[at + 4 : at + 6] + bytes([factors]) + data[at + 7 :]


def wide(data):
    """Return the file with 16-bit quantisation tables."""
    out, at = b"", 0
    while (start := data.find(b"\xff\xdb", at)) >= 0:
        table = data[start + 5 : start + 69]
        out += data[at:start] + b"\xff\xdb" + (131).to_bytes(2, "big") + bytes([data[start + 4] | 16])
        out += b"".join(bytes([0, step]) for step in table)
        at = start + 69
    return out + data[at:]


def filled(data):
    """Return the file with fill bytes before each marker except the first."""
    return data[:2] + b"".join(b"\xff\xff" + part for part in split(data[2:]))


def split(data):
    """Yield the file's segments, the last with the coded data, and the end marker."""
    at = 0
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at:end]
        at = end
    yield data[at:-2]
    yield data[-2:]


FILES = {
    "grey": jpeg(picture(29, 19, 1), quality=60),
    "grey-optimised": jpeg(picture(17, 33, 1), quality=100, optimize=True),
    "444": jpeg(picture(37, 21), quality=75, subsampling=0),
    "444-worst": jpeg(picture(24, 24), quality=1, subsampling=0),
    "422": jpeg(picture(43, 22), quality=80, subsampling=1),
    "420": jpeg(picture(53, 47), quality=90, subsampling=2),
    "420-narrow": jpeg(picture(3, 35), quality=90, subsampling=2),
    "420-dot": jpeg(picture(1, 1), quality=90, subsampling=2),
    "420-restart": jpeg(picture(50, 49), quality=85, subsampling=2, restart_marker_blocks=3),
    "422-restart-rows": jpeg(picture(35, 41), quality=50, subsampling=1, restart_marker_rows=1),
    "440": resized(jpeg(picture(48, 40), quality=70, subsampling=1), 21, 75, 0x12),
    "420-wide": wide(jpeg(picture(33, 18), quality=30, subsampling=2)),
    "420-filled": filled(jpeg(picture(18, 33), quality=70, subsampling=2, comment="a comment")),
}

for name, data in FILES.items():
    image = Image.open(io.BytesIO(data))
    image.draft("YCbCr" if image.mode == "RGB" else "L", None)
    (HERE / f"{name}.jpg").write_bytes(data)
    (HERE / f"{name}.ycbcr").write_bytes(np.asarray(image).tobytes())
(HERE / "progressive.jpg").write_bytes(jpeg(picture(16, 16), quality=50, progressive=True))
(HERE / "cmyk.jpg").write_bytes(jpeg(picture(16, 16).convert("CMYK"), quality=50))
(HERE / "rgb.jpg").write_bytes(jpeg(picture(16, 16), quality=50, keep_rgb=True))
