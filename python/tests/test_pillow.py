"""Files that Pillow wrote are decoded as Pillow does it, and resized and cropped as torchvision does it."""

import io

import numpy as np
import pytest
from govpn import datasets
from govpn._inputs import source

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")
PngImagePlugin = pytest.importorskip("PIL.PngImagePlugin")

N, HEIGHT, WIDTH = 20, 37, 50


def picture(seed: int) -> Image.Image:
    """Returns a picture of smooth colours with an edge and some noise."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (4, 5, 3), np.uint8)).resize((WIDTH, HEIGHT))
    pixels = np.asarray(small).astype(int) + random.integers(-4, 5, (HEIGHT, WIDTH, 3))
    pixels[5 : 5 + seed % 20, 10:30] = random.integers(0, 256, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def alpha(image: Image.Image) -> Image.Image:
    image.putalpha(Image.fromarray(np.asarray(image.convert("L"))[::-1]))
    return image


def turned(seed: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 1 + seed % 8  # the orientation
    return exif


KINDS = {  # name: (suffix, mode or conversion, options of Image.save)
    "png RGB": (".png", "RGB", {}),
    "png grey": (".png", "L", {}),
    "png black and white": (".png", "1", {}),
    "png palette": (".png", "P", {}),
    "png RGBA": (".png", alpha, {}),
    "png grey with alpha": (".png", lambda image: alpha(image.convert("L")), {}),
    "bmp": (".bmp", "RGB", {}),
    "webp": (".webp", "RGB", {"lossless": True}),
    "jpeg": (".jpg", "RGB", {"quality": 90, "subsampling": 0}),
    "jpeg 4:2:0": (".jpg", "RGB", {"quality": 75}),
    "jpeg progressive": (".jpg", "RGB", {"progressive": True}),
    "jpeg grey": (".jpeg", "L", {}),
    "jpeg CMYK": (".jpg", "CMYK", {"quality": 95}),
    "jpeg with EXIF": (".jpg", "RGB", {"exif": turned}),
    "png with EXIF": (".png", "RGB", {"exif": turned}),
}


def save(folder, kind: str, seeds) -> list[Image.Image]:
    """Writes a class of pictures. Returns what Pillow reads, upright and in RGB."""
    suffix, convert, options = KINDS[kind]
    (folder / "only").mkdir(exist_ok=True)
    images = []
    for seed in seeds:
        image = picture(seed)
        image = image.convert(convert) if isinstance(convert, str) else convert(image)
        content = io.BytesIO()
        given = {k: v(seed) if callable(v) else v for k, v in options.items()}
        image.save(content, {".jpg": "jpeg", ".jpeg": "jpeg"}.get(suffix, suffix[1:]), **given)
        (folder / "only" / f"{seed:02}{suffix}").write_bytes(content.getvalue())
        images.append(ImageOps.exif_transpose(Image.open(content)).convert("RGB"))
    return images


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_pillow(tmp_path, kind):
    seeds = [s for s in range(N) if "EXIF" not in kind or s % 8 < 4]  # the others swap height and width
    want = np.stack(save(tmp_path, kind, seeds)).astype(int)
    x, y = datasets.image_folder(tmp_path)
    assert (x.shape, y.class_names) == (want.shape, ("only",))
    if kind.startswith("jpeg"):
        assert np.abs(x - want).mean() < 1  # out of 255
    else:
        np.testing.assert_array_equal(x, want)


@pytest.mark.parametrize("kind", ["png RGB", "jpeg 4:2:0", "jpeg with EXIF"])
@pytest.mark.parametrize("stream", [False, True])
def test_resize_and_crop_as_torchvision(tmp_path, kind, stream):
    images = save(tmp_path, kind, range(N))

    def shorter(image: Image.Image, size: int) -> Image.Image:
        """Resizes as torchvision's Resize(size) does: the length of the longer side is rounded down."""
        w, h = image.size
        to = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
        return image.resize(to, Image.Resampling.BILINEAR)

    def middle(image: Image.Image, size: int) -> Image.Image:
        left, top = (round((side - size) / 2) for side in image.size)
        return image.crop((left, top, left + size, top + size))

    for options, reference in (
        ({"image_size": 16}, lambda image: middle(shorter(image, 16), 16)),
        ({"image_size": (20, 31)}, lambda image: image.resize((31, 20), Image.Resampling.BILINEAR)),
        ({"resize": 60, "center_crop": 48}, lambda image: middle(shorter(image, 60), 48)),
    ):
        got = datasets.image_folder(tmp_path, stream=stream, **options)
        x = next(got.batches(N))[0] if stream else got[0]
        want = np.stack([reference(image) for image in images]).astype(int)
        assert x.shape == want.shape
        assert np.abs(x - want).mean() < 2  # out of 255


def test_channels(tmp_path):
    images = save(tmp_path, "png RGB", range(3))
    x, _ = datasets.image_folder(tmp_path, channels=1)
    np.testing.assert_array_equal(x[..., 0], np.stack([image.convert("L") for image in images]))


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "where"),
    [
        *((suffix, "exif") for suffix in ("png", "jpg", "webp", "tif")),
        ("png", "xmp"),
        ("jpg", "xmp"),
        ("webp", "xmp"),
    ],
)
def test_a_photo_is_the_same_as_file_and_as_pil_image(suffix, orientation, where):
    options = {"png": {}, "webp": {"lossless": True}, "tif": {}, "jpg": {"quality": 100, "subsampling": 0}}
    how = {"exif": exif_of(orientation)} if where == "exif" else {"xmp": XMP % orientation}
    if where == "xmp" and suffix == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", (XMP % orientation).decode(), zip=True)
        how = {"pnginfo": info}
    file = io.BytesIO()
    picture(3).save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix), **options[suffix], **how)
    plain, upright = Image.open(file), ImageOps.exif_transpose(Image.open(file))
    want = np.asarray(upright)
    assert want.shape[:2] == ((WIDTH, HEIGHT) if orientation > 4 else (HEIGHT, WIDTH))
    np.testing.assert_array_equal(datasets.image_files([file.getvalue()])[0], want)
    for given in (plain, [plain], [upright]):  # one that the caller has turned is not turned again
        np.testing.assert_array_equal(source.read(given).x[0], want)


def test_pil_images_of_one_size_after_turning():
    file = io.BytesIO()
    picture(1).rotate(90, expand=True).save(file, "PNG", exif=exif_of(6))
    pixels = source.read([picture(0), Image.open(file)]).x
    assert pixels.shape == (2, HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(pixels[1], np.asarray(picture(1)))


def test_pil_image_with_damaged_exif():
    image = picture(0)
    image.info["exif"] = b"Exif\0\0 no TIFF"
    np.testing.assert_array_equal(source.read(image).x[0], np.asarray(image))
