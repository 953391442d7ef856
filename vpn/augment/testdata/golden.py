"""Write augment.safetensors and cases.json: torchvision's results for given images and parameters.

    python vpn/augment/testdata/golden.py

Each image (N, H, W, C) of a case has parameters of its own: image i has column i of "params". Their order
is that in which the Go augmentation draws them. Results are computed in float64 and stored as float32;
results computed in float32 must agree. The metadata of the safetensors file name the versions (last: torch
2.15.0, torchvision 0.29.2).
"""

import json
import pathlib

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.transforms.v2 import functional

FOLDER = pathlib.Path(__file__).resolve().parent
N, H, W = 4, 10, 9


def images(channels):
    """Return smooth shapes with texture, float32 (N, C, H, W) in [0, 1].

    Some pixels are black, white or grey.
    """
    rng = np.random.default_rng(channels)
    y, x = np.mgrid[:H, :W] / 3
    phase = rng.uniform(0, 6, (N, channels, 2, 1, 1))
    smooth = 0.5 + 0.45 * np.sin(x + phase[:, :, 0]) * np.cos(y + phase[:, :, 1])
    pixels = np.clip(smooth + rng.uniform(-0.15, 0.15, smooth.shape), 0, 1)
    pixels[:, :, 0, :3] = [0, 1, 0.25]
    return torch.from_numpy(pixels.astype(np.float32))


IMAGES = {"colour": images(3), "grey": images(1)}


def each(function):
    """Return a function of a batch, with one row per parameter, that applies function to each image."""
    return lambda x, params: torch.stack([function(x[i], *[row[i] for row in params]) for i in range(len(x))])


def crop(padding, **options):
    def one(image, top, left):
        return functional.crop(functional.pad(image, padding, **options), top, left, H, W)

    return each(one)


def rotate(**options):
    return each(lambda image, angle: functional.rotate(image, angle, **options))


def affine(**options):
    def one(image, angle, dx, dy, scale, shear_x, shear_y):
        return functional.affine(image, angle, [dx, dy], scale, [shear_x, shear_y], **options)

    return each(one)


def jitter(image, brightness, contrast, saturation, hue, *order):
    """Apply the adjustments in the order of their numbers. A factor of None means no adjustment."""
    adjust = [
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    ]
    factors = [brightness, contrast, saturation, hue]
    for i in np.argsort(order):
        if factors[i] is not None:
            image = adjust[i](image, factors[i])
    return image


def blur(kernel_size):
    return each(lambda image, sigma: functional.gaussian_blur(image, kernel_size, [sigma, sigma]))


NEAREST, BILINEAR = functional.InterpolationMode.NEAREST, functional.InterpolationMode.BILINEAR
ALL_AFFINE = [  # angle, shifts, scale, shears
    [20.0, -75.0, 0.0, 133.0],
    [2, 0, -3, 1],
    [-1, 0, 2, 0],
    [1.1, 0.8, 1.3, 0.57],
    [0.0, 12.0, -20.0, 7.0],
    [0.0, 0.0, 9.0, -15.0],
]
ORDERS = [
    [0, 3, 1, 2],
    [1, 0, 3, 1],
    [2, 1, 2, 3],
    [3, 2, 0, 0],
]  # column i: the places of image i's adjustments
FACTORS = [[1.5, 0.6, 1.2, 0.9], [0.5, 1.8, 0.0, 1.3], [1.9, 0.3, 1.4, 0.0], [0.1, -0.5, 0.5, -0.23]]
NO_HUE = [*FACTORS[:3], [None] * N, *ORDERS]
CASES = [  # name, images, augmentation, params, torchvision's function of images and params
    (
        "crop",
        "colour",
        {"name": "RandomCrop", "padding": [3, 2, 1, 4], "fill": [0.25, 0.5, 1]},
        [[0, 6, 2, 5], [4, 0, 3, 1]],
        crop([3, 2, 1, 4], fill=[0.25, 0.5, 1]),
    ),
    (
        "crop-edge",
        "grey",
        {"name": "RandomCrop", "padding": 4, "padding_mode": "edge"},
        [[0, 8, 4, 3], [0, 8, 4, 6]],
        crop(4, padding_mode="edge"),
    ),
    (
        "crop-reflect",
        "grey",
        {"name": "RandomCrop", "padding": [8, 9], "padding_mode": "reflect"},
        [[0, 18, 9, 3], [16, 0, 8, 7]],
        crop([8, 9], padding_mode="reflect"),
    ),
    (
        "crop-symmetric",
        "grey",
        {"name": "RandomCrop", "padding": [9, 10], "padding_mode": "symmetric"},
        [[0, 20, 10, 3], [18, 0, 9, 7]],
        crop([9, 10], padding_mode="symmetric"),
    ),
    (
        "flip",
        "colour",
        {"name": "RandomHorizontalFlip"},
        [[True, False, False, True]],
        each(lambda image, flip: functional.horizontal_flip(image) if flip else image),
    ),
    (
        "rotation-nearest",
        "colour",
        {"name": "RandomRotation", "degrees": 180, "fill": [0.1, 0.9, 0.4]},
        [[10.0, -37.0, 180.0, 0.0]],
        rotate(interpolation=NEAREST, fill=[0.1, 0.9, 0.4]),
    ),
    (
        "rotation-bilinear",
        "colour",
        {
            "name": "RandomRotation",
            "degrees": 180,
            "interpolation": "bilinear",
            "fill": 0.3,
            "center": [2, 7.5],
        },
        [[10.0, -37.0, 90.0, 0.0]],
        rotate(interpolation=BILINEAR, fill=0.3, center=[2, 7.5]),
    ),
    (
        "rotation-grey",
        "grey",
        {"name": "RandomRotation", "degrees": [-30, 180], "interpolation": "bilinear"},
        [[180.0, -22.0, 5.0, 45.0]],
        rotate(interpolation=BILINEAR, fill=0),
    ),
    (
        "affine-nearest",
        "grey",
        {"name": "RandomAffine", "degrees": 180, "fill": 0.6},
        ALL_AFFINE,
        affine(interpolation=NEAREST, fill=0.6),
    ),
    (
        "affine-center",
        "grey",
        {"name": "RandomAffine", "degrees": 180, "center": [7, 1]},
        ALL_AFFINE,
        affine(interpolation=NEAREST, fill=0, center=[7, 1]),
    ),
    (
        "affine-bilinear",
        "colour",
        {"name": "RandomAffine", "degrees": 180, "interpolation": "bilinear", "fill": [0, 0.5, 0.8]},
        ALL_AFFINE,
        affine(interpolation=BILINEAR, fill=[0, 0.5, 0.8]),
    ),
    (
        "jitter",
        "colour",
        {"name": "ColorJitter", "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5},
        FACTORS + ORDERS,
        each(jitter),
    ),
    (
        "jitter-no-hue",
        "colour",
        {"name": "ColorJitter", "brightness": 1, "contrast": 1, "saturation": 1},
        NO_HUE,
        each(jitter),
    ),
    (
        "jitter-hue",
        "colour",
        {"name": "ColorJitter", "hue": [-0.5, 0.5]},
        [*[[None] * N] * 3, [0.5, 0.02, -0.31, 0.17], *ORDERS],
        each(jitter),
    ),
    (
        "jitter-grey",
        "grey",
        {"name": "ColorJitter", "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5},
        FACTORS + ORDERS,
        each(jitter),
    ),
    ("blur", "colour", {"name": "GaussianBlur", "kernel_size": [5, 3]}, [[0.1, 0.7, 1.3, 2.0]], blur([5, 3])),
    (
        "blur-large",
        "grey",
        {"name": "GaussianBlur", "kernel_size": [17, 19], "sigma": [0.1, 9]},
        [[0.1, 0.7, 3.3, 9.0]],
        blur([17, 19]),
    ),
]


def close(name, x, function):
    """Return the result in float64, after a check that float32 agrees with it."""
    single, double = function(x), function(x.double()).float()
    tolerance = 0 if name.endswith(("nearest", "center")) else 2e-6
    assert (single - double).abs().max() <= tolerance, name
    return double.permute(0, 2, 3, 1).contiguous()


def noise(x, mean, sigma, clip):
    """Return torchvision's result and the normal values that it drew."""
    torch.manual_seed(7)
    z = torch.randn_like(x)
    torch.manual_seed(7)
    return functional.gaussian_noise(x, mean, sigma, clip), z


def main():
    torch.set_num_threads(1)
    tensors = {f"{kind}/images": x.permute(0, 2, 3, 1).contiguous() for kind, x in IMAGES.items()}
    rows = []
    for name, kind, augmentation, params, function in CASES:
        tensors[f"{name}/result"] = close(name, IMAGES[kind], lambda x, p=params, f=function: f(x, p))
        numbers = [[0.0 if v is None else float(v) for v in row] for row in params]
        rows.append({"name": name, "images": kind, "augmentation": augmentation, "params": numbers})
    for name, mean, sigma, clip in [("noise", 0.0, 0.1, True), ("noise-mean", 0.2, 0.7, False)]:
        result, z = noise(IMAGES["grey"], mean, sigma, clip)
        tensors |= {
            f"{name}/{k}": v.permute(0, 2, 3, 1).contiguous() for k, v in {"result": result, "z": z}.items()
        }
        augmentation = {"name": "GaussianNoise", "mean": mean, "sigma": sigma, "clip": clip}
        rows.append({"name": name, "images": "grey", "augmentation": augmentation, "params": []})
    versions = {"versions": f"torch {torch.__version__}, torchvision {torchvision.__version__}"}
    save_file(tensors, FOLDER / "augment.safetensors", metadata=versions)
    (FOLDER / "augment.safetensors").chmod(0o644)
    lines = ",\n".join(json.dumps(row) for row in rows)
    (FOLDER / "cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
