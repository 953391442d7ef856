"""Writes flatten.json: what networks compute that flatten colour images as PyTorch does, (C, H, W).

    python vpn/testdata/flatten.py      # needs numpy; checks itself with PyTorch where that is installed

torch.nn.Flatten of a contiguous (N, C, H, W) array is reshape(N, -1), and torch.nn.Linear is x @ weight.T +
bias, so numpy is enough. Weights follow from their names and shapes, as in vpn/method/testdata/networks.py.
"""

import json
import math
import pathlib
import zlib

import numpy as np

N, C, H, W, K, HIDDEN = 3, 3, 3, 2, 4, 1024
LABELS = np.array([0, 2, 3])


def hashes(name, size):
    x = np.arange(size, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(zlib.crc32(name.encode()))
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def formula(name, *shape):
    u = 2.0 * hashes(name, math.prod(shape)).astype(float).reshape(shape) / 2.0**32 - 1.0
    return (math.sqrt(6 / math.prod(shape[1:])) if name.endswith("weight") else 0.2) * u


def linear(x, name, out):
    weight, bias = formula(f"{name}.weight", out, x.shape[1]), formula(f"{name}.bias", out)
    y = x @ weight.T + bias
    try:
        import torch
    except ImportError:
        return y
    want = torch.nn.functional.linear(*(torch.from_numpy(v) for v in (x, weight, bias)))
    np.testing.assert_allclose(y, want.numpy(), rtol=1e-12)
    return y


def flat(x):
    """torch.nn.Flatten()(x)."""
    return np.ascontiguousarray(x).reshape(len(x), -1)


def mlp(x, name, out):
    for layer in ("fc1", "fc2"):
        x = np.maximum(linear(x, f"{name}{layer}", HIDDEN), 0)
    return linear(x, f"{name}fc3", out)


def main():
    images = (hashes("images", N * C * H * W) % 256).astype(np.uint8).reshape(N, C, H, W)
    x = images / 255
    one_hot = np.eye(K)[LABELS][:, :, None, None]
    generator_sees = {
        "bias": x + (LABELS / (K - 1))[:, None, None, None],
        "plane": np.concatenate([x, np.broadcast_to(one_hot, (N, K, H, W))], 1),
        "embedding": x + formula("generator.label.weight", K, C, H, W)[LABELS],
    }
    std = {k: np.abs(mlp(flat(u), "generator.", C * H * W)) for k, u in generator_sees.items()}
    content = {
        "images": images.ravel().tolist(),  # (N, C, H, W)
        "labels": LABELS.tolist(),
        "logits": {
            "sr": linear(flat(x), "linear", K).round(6).tolist(),
            "dnn3": mlp(flat(x), "", K).round(6).tolist(),
        },
        "std": {k: s.round(6).ravel().tolist() for k, s in std.items()},  # (N, C, H, W)
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in content.items()) + "\n}\n")


if __name__ == "__main__":
    main()
