"""Measures decoding and streaming beside torchvision's DataLoader, and training on a stream.

    python bench/streaming.py --data ../shared/data --out build/bench

- tiny: the 10,000 training JPEGs (64x64) of Tiny ImageNet's 20 classes in --data, as they are.
- large: 2,000 JPEGs of 500x400 made of them (mosaics, quality 85, 4:2:0), Resize(256) and
  CenterCrop(224).
- training: one epoch over a stream of 50,000 JPEGs, beside as many steps of the same model on 512
  images in memory. The figures are the peaks of the resident sets, and the fraction of the time
  that training waited for images.

Both sides read the same image folder, shuffled, in batches of 128, with as many workers as cores.
They run in processes of their own that take turns. A rate is that of a process's second epoch, as
the median over the rounds. DataLoader is measured twice: with uint8 tensors (PILToTensor), which is
what govpn gives, and with the float tensors (ToTensor) that most programs ask for.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

BATCH = 128
LARGE = {"resize": 256, "center_crop": 224}


def govpn_rate(folder, transform):
    import govpn

    stream = govpn.datasets.image_folder(folder, stream=True, **transform)
    return second_epoch(lambda epoch: stream.batches(BATCH, shuffle=True, seed=1, epoch=epoch))


def torchvision_rate(folder, transform, last):
    import torch
    from torchvision import datasets, transforms

    steps = [transforms.Resize(256), transforms.CenterCrop(224)] if transform else []
    images = datasets.ImageFolder(folder, transforms.Compose([*steps, getattr(transforms, last)()]))
    workers = len(os.sched_getaffinity(0))
    loader = torch.utils.data.DataLoader(images, BATCH, shuffle=True, num_workers=workers)
    return second_epoch(lambda epoch: loader)


def second_epoch(batches):
    """Returns images per second of the second pass over all batches."""
    for epoch in range(2):
        start, n = time.perf_counter(), 0
        for images, _ in batches(epoch):
            n += len(images)
    return {"rate": n / (time.perf_counter() - start)}


def training(archive, device):
    import govpn
    import numpy as np

    clf = govpn.VPNClassifier("sr", "dnn3", batch_size=256, device=device, verbose=0, random_state=0)
    if archive:
        images = govpn.datasets.image_folder(archive, split="train", stream=True)
        clf.set_params(epochs=1).fit(images)
    else:
        images = np.zeros((512, 32, 32, 3), np.uint8)
        clf.set_params(epochs=50_000 // 512).fit(images, np.arange(512) % 10)
    return {
        "images": len(images),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "queue_mib": images.info()["memory_bytes"] / 2**20 if archive else 0,
        "data_wait": clf.history_["data_wait"][-1],
        "images_per_second": clf.history_["images_per_second"][-1],
    }


CONTESTANTS = {
    "govpn": govpn_rate,
    "DataLoader, uint8": lambda *a: torchvision_rate(*a, "PILToTensor"),
    "DataLoader, float": lambda *a: torchvision_rate(*a, "ToTensor"),
    "training": training,
}


def measure(name, *arguments):
    """Measures a contestant in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--worker", name, json.dumps(arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def tiny_folder(data, work):
    folder = work / "tiny-imagenet-20" / "train"
    if not folder.is_dir():
        with tarfile.open(data / "tiny-imagenet-20.tar.gz") as archive:
            archive.extractall(work, filter="data")
    return folder


def large_folder(tiny, work, count=2000, distinct=200):
    """Makes `count` JPEGs of 500x400: `distinct` mosaics of the tiny images, and copies of them."""
    import numpy as np
    from PIL import Image

    folder = work / "large" / "mosaic"
    if folder.is_dir():
        return folder.parent
    part = work / "large.part" / "mosaic"
    shutil.rmtree(part.parent, ignore_errors=True)
    part.mkdir(parents=True)
    files, rng = sorted(tiny.glob("*/images/*.JPEG")), np.random.default_rng(0)
    for i in range(count):
        target = part / f"{i:04d}.jpg"
        if i >= distinct:
            shutil.copyfile(part / f"{i % distinct:04d}.jpg", target)
            continue
        picture = Image.new("RGB", (8 * 64, 7 * 64))
        for k, chosen in enumerate(rng.choice(len(files), 56)):
            picture.paste(Image.open(files[chosen]).convert("RGB"), (k % 8 * 64, k // 8 * 64))
        picture.crop((0, 0, 500, 400)).save(target, quality=85)
    part.parent.rename(work / "large")
    return folder.parent


def rates(folder, transform, rounds):
    runs = {name: [] for name in CONTESTANTS if name != "training"}
    for name in list(runs) * rounds:
        runs[name].append(measure(name, str(folder), transform)["rate"])
    return runs


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument(
        "--data", default="../shared/data", type=pathlib.Path, help="where tiny-imagenet-20.tar.gz is"
    )
    p.add_argument("--work", default="build/bench/images", type=pathlib.Path, help="for the unpacked images")
    p.add_argument("--rounds", default=5, type=int)
    p.add_argument("--device", default="cpu", choices=["cpu", "go"])
    p.add_argument("--out", default="build/bench", type=pathlib.Path)
    a = p.parse_args()
    if a.rounds < 1:
        p.error("want at least 1 round")
    a.work.mkdir(parents=True, exist_ok=True)
    tiny = tiny_folder(a.data, a.work)
    result = {}
    print(
        "| images | " + " | ".join(f"{n}, images/s" for n in list(CONTESTANTS)[:3]) + " | × uint8 | × float |"
    )
    print("|" + " --- |" * 6)
    for name, folder, transform in (("tiny", tiny, {}), ("large", large_folder(tiny, a.work), LARGE)):
        runs = rates(folder, transform, a.rounds)
        own, *others = (statistics.median(r) for r in runs.values())
        numbers = " | ".join(f"{r:.0f}" for r in (own, *others))
        print(f"| {name} | {numbers} | " + " | ".join(f"{own / r:.2f}" for r in others) + " |", flush=True)
        result[name] = runs
    whole = measure("training", str(a.data / "cifar-10-images-jpeg.tar.gz"), a.device)
    alone = measure("training", None, a.device)
    more = whole["peak_mib"] - alone["peak_mib"]
    print(
        f"\ntraining on a stream of {whole['images']} images ({a.device}): {more:.0f} MiB more than the model"
    )
    print(f"queue {whole['queue_mib']:.0f} MiB, {whole['images_per_second']:.0f} images/s, ", end="")
    print(f"data_wait {whole['data_wait']:.3f}")
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "streaming.json").write_text(json.dumps(result | {"training": [whole, alone]}, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(CONTESTANTS[sys.argv[2]](*json.loads(sys.argv[3]))))
    else:
        main()
