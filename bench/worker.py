"""The protocol of a contestant, and the data that all of them train on.

A contestant is a process. It says {"ready": description} on standard output, then answers every line on
standard input with {"seconds": wall time, "loss": mean} of one epoch, and ends when the input does.
"""

import itertools
import json
import os
import sys
import time

import numpy as np

SHAPE, CLASSES, HIDDEN = (28, 28, 1), 10, 1024


def write_data(folder, images, seed=0):
    """Writes images.u8 (N, 28, 28, 1) and labels.i32 (N): a picture per class under noise. One label in two
    is random, so that the loss stays away from 0 and with it every contestant from denormal numbers."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(images) % CLASSES).astype("<i4")
    pictures = rng.integers(64, 192, (CLASSES, *SHAPE))
    pixels = pictures[labels] + rng.normal(0, 80, (images, *SHAPE))
    pixels.clip(0, 255).astype(np.uint8).tofile(os.path.join(folder, "images.u8"))
    labels[::2] = rng.integers(0, CLASSES, len(labels[::2]))
    labels.tofile(os.path.join(folder, "labels.i32"))


def read_data(folder):
    """(images uint8 (N, 784), labels int32 (N,))."""
    labels = np.fromfile(os.path.join(folder, "labels.i32"), "<i4")
    return np.fromfile(os.path.join(folder, "images.u8"), np.uint8).reshape(len(labels), -1), labels


def batches(rng, images, size):
    """The index arrays of one epoch, shuffled, full batches only."""
    order = rng.permutation(images)
    return [order[i : i + size] for i in range(0, images - size + 1, size)]


def serve(description, images, size, step):
    """Answers requests with step(indices) -> loss, a float, as many times as an epoch has batches."""
    rng = np.random.default_rng(1)
    print(json.dumps({"ready": description}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        losses = [step(indices) for indices in batches(rng, images, size)]
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "loss": float(np.mean(losses))}), flush=True)


def uniform_layers(rng, sizes, normal=None):
    """[(weight (out, in), bias (out,))], float32: uniform within 1/sqrt(in), or normal weights, biases 0."""
    layers = []
    for i, o in itertools.pairwise(sizes):
        bound = i**-0.5
        weight = rng.normal(0, normal, (o, i)) if normal else rng.uniform(-bound, bound, (o, i))
        bias = np.zeros(o) if normal else rng.uniform(-bound, bound, o)
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    return layers


def initial(config):
    """(base, generator) layers of the dnn3 networks of both."""
    d, rng = int(np.prod(SHAPE)), np.random.default_rng(config["seed"])
    hidden = (d, HIDDEN, HIDDEN)
    return uniform_layers(rng, (*hidden, CLASSES)), uniform_layers(rng, (*hidden, d), normal=0.002)
