"""Writes vpn/testdata/files/<version>/museum: one example of everything that this version writes.

    python vpn/testdata/museum.py      # make released runs it; a folder that is there stays as it is

The tests of every later version load each example and want the recorded answers. All answers come from
device go.

- <name>.govpn.bz2: saved models. museum.json has what each predicts and the training that it goes on with.
- <name>.safetensors.bz2: exported weights. museum.json has what a model predicts that imports them.
- pickles.json: pickled Python objects, bz2 in base64. Each has the names that its pickle imports.

Large networks have millions of weights. Nearly all are zero here and stay zero in training, so that bzip2
packs 100 MB into a few kB. The other weights are the first of each quarter of a wide layer: see `sparse`.
"""

import base64
import bz2
import contextlib
import io
import json
import math
import os
import pickle
import pickletools
import signal
import tempfile
import threading
import warnings
from pathlib import Path

import govpn
import govpn.repro
import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

FOLDER = Path(__file__).parent / "files" / govpn.__version__ / "museum"
NAMES = ("ant", "bee", "cat")
TIMES = ("seconds", "images_per_second", "data_wait")
ALIVE = 4  # units of a wide layer


def stripes(count: int, seed: int, side: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (count, side, side, channels) of three classes in turn. Class y has one bright row."""
    y = np.arange(count) % 3
    x = np.random.default_rng(seed).integers(0, 160, (count, side, side, channels))
    x[np.arange(count), (y + 1) * (side // 4)] += 90
    return x.astype(np.uint8), y


GREY = {"train": stripes(48, 1, 4, 1), "valid": stripes(16, 2, 4, 1), "test": stripes(4, 3, 4, 1)}
COLOUR = {"train": stripes(12, 4, 8, 3), "valid": stripes(6, 5, 8, 3), "test": stripes(2, 6, 8, 3)}
DATA = {"grey": GREY, "colour": COLOUR}
SOFT = np.float32(np.eye(3)[GREY["train"][1]] * 0.75 + 0.25 / 3)
WEIGHTS = np.where(np.arange(48) % 4 == 0, 3.0, 0.5)


# ---- weights -----------------------------------------------------------------------------------------------


def sparse(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Values of a tensor by its name and shape. Of 64 units or more, all but each n-th are zero."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    values = random.normal(0, 1, shape)
    if name.endswith("running_var"):
        return np.ones(shape, np.float32)
    if len(shape) > 1:
        inputs = math.prod(min(n, ALIVE) if n >= 64 else n for n in shape[1:])
        values *= 0.3 if "label" in name or "embed" in name else math.sqrt(2 / inputs)
        values *= 0.2 if name in ("base.fc.weight", "base.head.weight") else 1  # no class is sure
    elif name.endswith("weight"):
        values = 1 + 0.1 * values
    else:
        values *= 0.1
    for axis, n in enumerate(shape):
        step = n // (3 * ALIVE if "qkv" in name and n % 3 == 0 and axis == 0 else ALIVE) if n >= 64 else 1
        values *= (np.arange(n) % step == 0).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return np.float32(np.round(values * 256) / 256 + 0.0)  # few digits, and no −0, pack well


def with_weights(folder: Path, model: govpn.VPNClassifier, x: np.ndarray, classes) -> govpn.VPNClassifier:
    """The estimator with weights from `sparse` for all its networks."""
    path = Path(tempfile.mkdtemp(dir=folder), "weights.safetensors")
    settings = {"epochs": 1, "batch_size": 3, "noise_samples": 1, "accumulate": 1, "augment": None}
    if model.mode == "frozen":  # wants trained weights
        settings["mode"] = "joint"
    names = govpn.VPNClassifier(**model.get_params() | settings).fit(x[:3], np.arange(3))
    names.export_safetensors(path)
    random = np.random.default_rng(0)
    save_file({k: sparse(k, v.shape, random) for k, v in sorted(load_file(path).items())}, path)
    return model.import_safetensors(path, x.shape[1:], classes)


# ---- saved models ------------------------------------------------------------------------------------------


def models(folder: Path) -> dict[str, tuple[govpn.VPNClassifier, dict]]:
    """Fitted classifiers by name. Each comes with what `answers` has to know of its data and its training."""
    made: dict[str, tuple[govpn.VPNClassifier, dict]] = {}
    common = {"epochs": 2, "batch_size": 16, "device": "go", "verbose": 0}
    sgd = {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.0, "schedule": "constant"}
    flip = govpn.augment.RandomHorizontalFlip()

    def add(name, base, data="grey", classes=3, fit="hard", valid=False, resume=0, start=True, **params):
        """fit says which labels a training gets; "" leaves the model as it was imported."""
        model = govpn.VPNClassifier(base, **common | {"random_state": len(made) + 1} | params)
        x, y = DATA[data]["train"]
        if start:
            model = with_weights(folder, model, x, classes)
        known = np.array(classes) if isinstance(classes, (tuple, list)) else np.arange(3)
        options = {"hard": {"y": known[y]}, "soft": {"y": SOFT}, "weights": {"y": known[y]}}.get(fit)
        if options is not None:
            options |= {"sample_weight": WEIGHTS} if fit == "weights" else {}
            if valid:
                options["validation_data"] = DATA[data]["valid"][0], known[DATA[data]["valid"][1]]
            model.fit(x, **options)
        made[name] = model, {"data": data, "fit": fit, "valid": valid, "resume": resume}

    # One part of the method each, on sr and dnn3.
    add(
        "abs-plane-laplace",
        "sr",
        std="abs",
        label_fusion="plane",
        noise_distribution="laplace",
        normalize={"mean": [0.4], "std": [0.25], "where": "input"},
        weight_decay=1e-3,
        **sgd,
    )
    add(
        "rms-embedding-uniform",
        "sr",
        classes=(3, 7, 9),
        std="rms",
        std_rms=0.2,
        label_fusion="embedding",
        noise_distribution="uniform",
        clip_noisy=True,
        noise_samples=2,
        base_loss_weight=0.5,
        label_smoothing=0.1,
        resume=1,
        **sgd,
    )
    add(
        "bounded-film",
        "sr",
        classes=NAMES,
        std="bounded",
        std_range=(0.05, 0.4),
        label_fusion="film",
        entropy_weight=0.01,
        accumulate=2,
        remat=True,
        base_loss_weight=1.0,
        valid=True,
        resume=1,
        learning_rate=0.01,
        schedule="cosine",
        epochs=3,
    )
    add(
        "bias-index",
        "sr",
        label_encoding="index",
        label_coefficient=0.3,
        preset="official",
        epochs=2,
        batch_size=8,
    )
    add("bias-paper", "sr", preset="paper", epochs=2, batch_size=8, learning_rate=0.01)
    add("bfloat16", "sr", compute_dtype="bfloat16", **sgd)
    add("float64", "sr", compute_dtype="float64", std="bounded", resume=1, **sgd)
    add("hidden-layer", "dnn3", noise_layer=1, std="abs", base_loss_weight=1.0, resume=1, **sgd)
    add("soft-labels", "sr", fit="soft", std="bounded", resume=1, **sgd)
    add("frozen", "sr", mode="frozen", std="bounded", valid=True, patience=5, resume=1, **sgd)

    # Training that stands in the middle of something.
    add(
        "best-epoch",
        "sr",
        mode="plain",
        start=False,
        valid=True,
        epochs=6,
        patience=50,
        resume=1,
        **sgd | {"learning_rate": 30.0, "momentum": 0.9},
    )
    add(
        "sample-weights",
        "sr",
        mode="gaussian",
        start=False,
        fit="weights",
        fixed_std=0.2,
        resume=1,
        **sgd,
    )
    everything = [
        govpn.augment.RandomCrop(padding=1, padding_mode="reflect"),
        flip,
        govpn.augment.RandomRotation(15, interpolation="bilinear"),
        govpn.augment.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 5),
        govpn.augment.ColorJitter(0.2, 0.2, 0.2, 0.1),
        govpn.augment.GaussianBlur(3),
        govpn.augment.GaussianNoise(sigma=0.05, fraction=0.5),
    ]
    add(
        "augmented",
        "sr",
        "colour",
        mode="gaussian",
        start=False,
        augment=everything,
        resume=1,
        normalize={"mean": [0.4, 0.5, 0.6], "std": [0.25, 0.2, 0.3]},
        **sgd,
    )
    made["features"] = features(), {"data": "grey", "fit": "hard", "valid": False, "resume": 1}
    made["interrupted"] = interrupted(), {"data": "grey", "fit": "hard", "valid": True, "resume": 2}

    # Every family of base models and every generator.
    add(
        "resnet18-separate",
        "resnet18",
        "colour",
        generator="resnet18",
        noisy_batch_norm="separate",
        base_loss_weight=1.0,
        epochs=1,
        resume=1,
        **sgd | {"batch_size": 6, "learning_rate": 0.01},
    )
    add("resnet34-7x7", "resnet34_7x7", "colour", fit="", mode="plain")
    add("resnet50", "resnet50", "colour", fit="", mode="gaussian")
    add("vit-hidden", "vit", "colour", mode="frozen", noise_layer=6, std="rms", std_rms=3.0, epochs=1, **sgd)
    add("dnn3-resnet18", "dnn3", "colour", generator="resnet18", label_fusion="plane", fit="", std="bounded")
    return made


def features() -> govpn.VPNClassifier:
    """Images as named columns of numbers from 0 to 255."""
    x, y = GREY["train"]
    model = govpn.VPNClassifier(
        "sr",
        mode="plain",
        epochs=2,
        batch_size=16,
        image_shape=(4, 4, 1),
        pixel_range=(0, 255),
        device="go",
        random_state=98,
        verbose=0,
    )
    return model.fit(table(x), np.take(NAMES, y))


def table(x: np.ndarray) -> pd.DataFrame:
    """A column for each pixel."""
    return pd.DataFrame(x.reshape(len(x), -1), columns=[f"pixel {i}" for i in range(x[0].size)])


def interrupted() -> govpn.VPNClassifier:
    """A training that Ctrl-C has stopped within an epoch."""

    def stop_soon(training: govpn.callbacks.Training) -> None:
        if training.epoch == 3:
            threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGINT)).start()

    while True:
        model = govpn.VPNClassifier(
            "sr",
            mode="gaussian",
            epochs=10_000,
            batch_size=1,
            optimizer="adam",
            device="go",
            random_state=99,
            verbose=0,
        )
        with contextlib.suppress(KeyboardInterrupt):
            model.fit(*GREY["train"], validation_data=GREY["valid"], callbacks=stop_soon)
        if run_of(model.__getstate__()["_content"])["batch"]:
            return model


def run_of(content: bytes) -> dict:
    """How far the training in a saved model has come."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["govpn.run"])


def answers(model: govpn.VPNClassifier, about: dict) -> dict:
    """What a later version has to say of the model."""
    x, y = DATA[about["data"]]["test"]
    x = table(x) if "feature_names_in_" in vars(model) else x
    found = {
        "config": model.config_,
        "classes": model.classes_.tolist(),
        "proba": numbers(model.predict_proba(x)),
        "gaussian": numbers(model.predict_proba(x, noise="gaussian", std=0.25, random_state=5)),
        "history": history(model),
    }
    if model.mode in ("joint", "frozen"):
        found["scores"] = numbers(model.classwise_scores(x[:1], random_state=6))
        found["std"] = summary(model.noise_std(x, model.classes_[y]))
    return found


def history(model: govpn.VPNClassifier) -> dict:
    """Without the times, null for NaN."""
    columns = {k: v for k, v in model.history_.items() if k not in TIMES}
    return {k: [None if math.isnan(v) else v for v in column] for k, column in columns.items()}


def resumed(model: govpn.VPNClassifier, about: dict) -> dict:
    """What the model is after more epochs."""
    data = DATA[about["data"]]
    options = {"y": SOFT if about["fit"] == "soft" else model.classes_[data["train"][1]], "resume": True}
    if about["fit"] == "weights":
        options["sample_weight"] = WEIGHTS
    if about["valid"]:
        options["validation_data"] = data["valid"][0], model.classes_[data["valid"][1]]
    epochs = model.n_epochs_ + about["resume"]
    model.set_params(epochs=epochs).fit(data["train"][0], **options)
    return {
        "epochs": epochs,
        "proba": numbers(model.predict_proba(data["test"][0])),
        "history": history(model),
    }


def summary(std: np.ndarray) -> dict:
    """Shape and values. Of a wide layer, the values of the units that are not zero."""
    step = max(1, std.shape[-1] // ALIVE) if std.shape[-1] >= 64 else 1
    return {"shape": list(std.shape), "step": step, "values": numbers(std[..., ::step].ravel())}


def numbers(array: np.ndarray) -> list:
    return np.round(array.astype(np.float64), 7).tolist()


# ---- exported weights --------------------------------------------------------------------------------------


def exports(folder: Path, made: dict) -> dict:
    """Files of weights by name, and what a new model says that has imported them."""
    found = {}
    for name, part, into, params in (
        ("film", None, "bounded-film", {}),
        (
            "film-base",
            "base",
            "bounded-film",
            {"mode": "plain", "noisy_batch_norm": None, "entropy_weight": None},
        ),
        ("film-generator", "generator", "bounded-film", {}),
        ("separate", None, "resnet18-separate", {}),
        ("separate-base", "base", "resnet18-separate", {"mode": "gaussian"}),
        ("vit-base", "base", "vit-hidden", {"mode": "plain", "noise_layer": None}),
    ):
        model, about = made[into]
        path = folder / f"{name}.safetensors"
        before = [folder / "film-base.safetensors"] if part == "generator" else []  # for a base with weights
        model.export_safetensors(path, part=part)
        (x, y), keep = DATA[about["data"]]["test"], {"random_state": 11} | params
        new = govpn.VPNClassifier(**model.get_params() | keep)
        files = [path, *before]
        for file in reversed(files):
            new.import_safetensors(file, x.shape[1:], list(model.classes_))
        entry = {"model": into, "part": part, "data": about["data"], "config": new.config_}
        entry["imports"] = [file.name for file in reversed(files)]
        entry["tensors"] = {k: [str(v.dtype), *v.shape] for k, v in sorted(load_file(path).items())}
        entry["proba"] = numbers(new.predict_proba(x))
        entry["gaussian"] = numbers(new.predict_proba(x, noise="gaussian", std=0.25, random_state=5))
        if part != "base":
            entry["std"] = summary(new.noise_std(x, new.classes_[y]))
        found[name] = entry
    for name in found:
        pack(folder / f"{name}.safetensors")
    return found


def pack(path: Path) -> None:
    """Replaces a file by its bzip2."""
    path.with_name(path.name + ".bz2").write_bytes(bz2.compress(path.read_bytes()))
    path.unlink()


# ---- pickles -----------------------------------------------------------------------------------------------


def objects(made: dict) -> dict[str, object]:
    """Everything public that pickles, by name."""
    callbacks, augment, errors = govpn.callbacks, govpn.augment, govpn.errors
    x, y = GREY["test"]
    joint, hidden = made["bounded-film"][0], made["hidden-layer"][0]
    stop, slower = callbacks.EarlyStopping("loss", 3, 0.01), callbacks.ReduceOnPlateau("loss", 0.5, 2)
    used = govpn.VPNClassifier("sr", mode="plain", epochs=2, batch_size=16, device="go", verbose=0)
    used.fit(*GREY["train"], callbacks=[stop, slower])
    transform = joint.noise_transform(scale=0.5, clip=True, random_state=8)
    found = {
        "classifier": govpn.VPNClassifier(),
        "classifier-parameters": govpn.VPNClassifier(
            "resnet18",
            "resnet18",
            augment=[augment.RandomCrop(padding=4), augment.RandomHorizontalFlip()],
            normalize={"mean": [0.5], "std": [0.25]},
            class_weight={"ant": 2.0},
            std_range=(0.1, 0.2),
            pixel_range=(0, 255),
            image_shape=(8, 8, 3),
            devices=[0],
            preset="official",
            random_state=4,
        ),
        "classifier-joint": joint,
        "classifier-hidden": hidden,
        "classifier-best": made["best-epoch"][0],
        "classifier-interrupted": made["interrupted"][0],
        "classifier-features": made["features"][0],
        "classifier-named": govpn.VPNClassifier(
            "sr", mode="plain", epochs=1, batch_size=16, device="go", verbose=0, random_state=5
        ).fit(GREY["train"][0], govpn.datasets.Labels(GREY["train"][1], NAMES)),
        "labels": govpn.datasets.Labels([0, 2, 1], NAMES),
        "labels-unnamed": govpn.datasets.Labels([4, 2]),
        "labels-soft": govpn.datasets.Labels(SOFT[:2], NAMES),
        "noise-benefit": joint.noise_benefit(x, joint.classes_[y], samples=2, random_state=3),
        "noise-transform": transform,
        "noise-std": joint.noise_std(x[:1], joint.classes_[y[:1]]),
        "scorer": govpn.Scorer(made["augmented"][0], {"label": "guess", "proba": "proba"}, device="go"),
        "scorer-path": govpn.Scorer("/models/model.govpn", "std", label_column="label", random_state=1),
        "callback": callbacks.Callback(),
        "early-stopping": callbacks.EarlyStopping("val_accuracy", 2, 0.5),
        "early-stopping-used": stop,
        "reduce-on-plateau": callbacks.ReduceOnPlateau("loss", 0.25, 3),
        "reduce-on-plateau-used": slower,
        "learning-rate": callbacks.LearningRate(math.exp),
        "tensorboard": callbacks.TensorBoard("runs"),
        "checkpoint": callbacks.Checkpoint("/models/model.govpn"),
        "csv-logger": callbacks.CSVLogger("log.csv"),
        "training": callbacks.Training({"epoch": [1, 2], "loss": [0.5, 0.25]}, 3, 0.1, print),
        "random-crop": augment.RandomCrop(8, (1, 2), fill=(0.1, 0.2, 0.3)),
        "random-horizontal-flip": augment.RandomHorizontalFlip(0.3),
        "random-rotation": augment.RandomRotation((-5, 10), "bilinear", center=(1.0, 2.0)),
        "random-affine": augment.RandomAffine(10, (0.1, 0.2), (0.9, 1.1), (1, 2, 3, 4)),
        "color-jitter": augment.ColorJitter(0.1, (0.5, 1.5), None, 0.2),
        "gaussian-blur": augment.GaussianBlur((3, 5), 1.0),
        "gaussian-noise": augment.GaussianNoise(0.1, 0.2, False, fraction=0.5),
        "run": govpn.repro.Run("fashion-mnist", "sr", "vpn-dnn3", seed=2, options={"std": "rms"}),
    }
    for kind in (errors.GovpnError, *errors.BY_STATUS.values(), errors.NotFittedError, errors.GovpnWarning):
        found[f"error-{kind.__name__}"] = kind("what was got, what is wanted")
    for module in (govpn, govpn.callbacks, govpn.augment, govpn.datasets, govpn.plot, govpn.ray, govpn.repro):
        for name in module.__all__:
            if callable(getattr(module, name)):
                found[f"{module.__name__}.{name}"] = getattr(module, name)
    return found


class Names(pickle.Unpickler):
    """An unpickler that keeps the names that a pickle imports."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> object:
        self.names.add(f"{module}:{name}")
        return super().find_class(module, name)


def pickles(made: dict) -> dict:
    """The objects as pickles, the names that those import, and what is to come out."""
    found = {}
    for name, value in objects(made).items():
        content = pickletools.optimize(pickle.dumps(value, protocol=4))
        reader = Names(content)
        reader.load()
        entry = {"pickle": base64.b64encode(bz2.compress(content)).decode(), "imports": sorted(reader.names)}
        found[name] = entry | want(name, value)
    return found


def want(name: str, value: object) -> dict:
    """What a test asks of an object that was pickled."""
    if name.startswith("govpn."):
        return {"is": name}
    found: dict = {"type": type(value).__name__}
    if isinstance(value, govpn.VPNClassifier):
        found["params"] = value.get_params()
        if value.augment:
            found["params"]["augment"] = [a.to_config() for a in value.augment]
        if value.__sklearn_is_fitted__():
            found |= {"history": history(value), "classes": value.classes_.tolist()}
            found |= {"features": list(getattr(value, "feature_names_in_", []))}
            x = GREY["test"][0]
            found["proba"] = numbers(value.predict_proba(table(x) if found["features"] else x))
    elif isinstance(value, np.ndarray):
        found |= {"dtype": value.dtype.str, "values": np.asarray(value).tolist()}
        found["class_names"] = getattr(value, "class_names", None)
    elif isinstance(value, govpn.NoiseBenefit):
        found["values"] = value.to_dict()
    elif name == "noise-transform":
        copy = pickle.loads(pickle.dumps(value))  # a call draws: the object in the file has drawn nothing
        x, y = GREY["test"]
        found["noisy"] = numbers(copy(np.float32(x / 255), copy.classifier.classes_[y]).ravel())
    elif isinstance(value, BaseException):
        found["args"] = list(value.args)
    else:
        known = {k: v for k, v in vars(value).items() if not k.startswith("_") and not callable(v)}
        found["vars"] = json.loads(json.dumps(known, default=lambda v: f"{len(v)} bytes"))
    return json.loads(json.dumps(found))


# ---- all of it ---------------------------------------------------------------------------------------------


def write(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = models(Path(temporary))
        record: dict = {"version": govpn.__version__, "data": {}, "models": {}}
        for name, parts in DATA.items():
            record["data"][name] = {
                part: {
                    "shape": list(x.shape),
                    "images": base64.b64encode(x.tobytes()).decode(),
                    "labels": y.tolist(),
                }
                for part, (x, y) in parts.items()
            }
        record["soft"], record["weights"] = SOFT.tolist(), WEIGHTS.tolist()
        for name, (model, about) in made.items():
            model.save(folder / f"{name}.govpn")
            pack(folder / f"{name}.govpn")
            record["models"][name] = about | answers(model, about)
        record["exports"] = exports(folder, made)
        (folder / "pickles.json").write_text(lines(pickles(made)))
        for name, (model, about) in made.items():
            if about["resume"]:
                record["models"][name]["resumed"] = resumed(model, about)
    (folder / "museum.json").write_text(lines(record))


def lines(record: dict) -> str:
    """JSON, a line for each entry of the first two levels."""
    text = {}
    for name, value in record.items():
        inner = value.items() if isinstance(value, dict) and name in ("data", "models", "exports") else None
        text[name] = (
            json.dumps(value)
            if inner is None
            else "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in inner) + "\n}"
        )
    return "{\n" + ",\n".join(f"{json.dumps(k)}: {v}" for k, v in text.items()) + "\n}\n"


def main() -> None:
    if FOLDER.exists():
        print(f"{FOLDER} is there and stays as it is")
        return
    part = FOLDER.with_name(FOLDER.name + ".part")
    part.mkdir(parents=True, exist_ok=True)
    write(part)
    os.rename(part, FOLDER)
    print(f"{FOLDER}: {sum(p.stat().st_size for p in FOLDER.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
