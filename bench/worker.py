"""The protocol of a contestant, and the data that all of them work on.

A contestant is a process. It gets its job as JSON: Row.job, with "device" and "variant". It writes
{"ready": versions, "parameters": their number} to standard output. Then it answers every line on
standard input with one round: {"seconds", "loss", "rss_mib", "device_mib"}. The last two are the
peaks so far. It ends when its input ends.

The first round of training also has "first_s". It lasts to the end of the first step, with all
compilation. It begins with fit(), for the other contestants before the weights are made. Libraries
are loaded and the device is open by then.
"""

import itertools
import json
import resource
import sys
import time

import numpy as np

HIDDEN = 1024  # units of the hidden layers of dnn3
clock = time.perf_counter


def job():
    return json.loads(sys.argv[1])


def data(job, seed=0):
    """Returns images uint8 (N, H, W, C) and labels int32 (N,): a picture per class under noise.

    One label in two is random. That keeps the loss away from 0, and every contestant away from denormal
    numbers.
    """
    rng, n = np.random.default_rng(seed), job["batch"] * job["batches"]
    labels = np.arange(n, dtype=np.int32) % job["classes"]
    images = rng.integers(0, 128, (n, *job["shape"]), np.uint8)
    images += rng.integers(0, 128, (job["classes"], *job["shape"]), np.uint8)[labels]
    if n >= 2 * job["classes"]:  # every class keeps an image of its own
        labels[::2] = rng.permutation(labels[::2])
    return images, labels


def say(**message):
    print(json.dumps(message), flush=True)


def serve(versions, parameters, round_, device_peak=lambda: None):
    """Answers requests. round_() makes a round and returns its part of the answer."""
    say(ready=versions, parameters=parameters)
    for _ in sys.stdin:
        answer = round_()
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say(**answer, rss_mib=rss, device_mib=device_peak())


def training(job, built, step):
    """Returns a function that makes rounds of step(indices) -> loss. Weights took `built` seconds to make."""
    size, rng, rounds = job["batch"], np.random.default_rng(1), itertools.count()

    def round_():
        batches = rng.permutation(size * job["batches"]).astype(np.int32).reshape(-1, size)
        ends, losses, start = [], [], clock()
        for indices in batches:
            losses.append(step(indices))
            ends.append(clock())
        first = {"first_s": built + ends[0] - start} if next(rounds) == 0 else {}
        return {"seconds": ends[-1] - start, "loss": float(np.mean(losses))} | first

    return round_


def inference(job, chunk, predict, host=np.asarray):
    """Returns a function that makes rounds of predict(start, stop) -> labels on the device.

    A round goes through chunks of that many images. At its end, host reads the labels.
    """
    total = job["batch"] * job["batches"]

    def round_():
        start = clock()
        parts = [predict(i, i + chunk) for i in range(0, total, chunk)]
        labels = np.concatenate([host(p) for p in parts])
        seconds = clock() - start
        assert labels.shape == (total,), labels.shape
        return {"seconds": seconds, "loss": None}

    return round_


def divisor(n, most):
    """Returns the largest divisor of n up to `most`, at least 1. It gives chunks of one size."""
    return max(d for d in range(1, n + 1) if n % d == 0 and d <= max(1, most))
