"""Writes vpn/testdata/files/<version>: files as this version of govpn writes them, for tests of later ones.

    python vpn/testdata/released.py      # make released; a folder that is there stays as it is

expected.json has the data, uint8 images (N, 4, 4, 1) in base64 and indices of classes, and for each file what
the model in it predicts, and what it is after more epochs, all on device go.

- joint.govpn.gz: in the middle of a training with Adam, validation data and text labels. A generator has a
  million weights: all but 8 of its units are zero, and stay so in training, so that it packs well
- gaussian.govpn: SGD and a cosine, stopped half-way; features from 0 to 255, augmentation and normalisation
- gaussian.pickle: the same estimator. gaussian.safetensors: its base
"""

import base64
import gzip
import json
import os
import pickle
import tempfile
from pathlib import Path

import govpn
import museum
import numpy as np
from safetensors.numpy import save_file

FOLDER = Path(__file__).parent / "files" / govpn.__version__
UNITS = 8
NAMES = ("ant", "bee", "cat")


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of three classes in turn: row y + 1 of class y is bright."""
    y = np.arange(count) % 3
    x = np.random.default_rng(seed).integers(0, 160, (count, 4, 4, 1))
    x[np.arange(count), y + 1] += 90
    return x.astype(np.uint8), y


def sparse_weights() -> dict[str, np.ndarray]:
    """Weights for base sr and generator dnn3 of which only UNITS units of each hidden layer are not zero."""
    random = np.random.default_rng(0)
    shapes = {
        "base.linear": (3, 16),
        "generator.fc1": (1024, 16),
        "generator.fc2": (1024, 1024),
        "generator.fc3": (16, 1024),
    }
    alive = {
        "base.linear": (3, 16),
        "generator.fc1": (UNITS, 16),
        "generator.fc2": (UNITS, UNITS),
        "generator.fc3": (16, UNITS),
    }
    weights = {}
    for name, shape in shapes.items():
        weight, bias, (rows, columns) = (
            np.zeros(shape, np.float32),
            np.zeros(shape[0], np.float32),
            alive[name],
        )
        weight[:rows, :columns] = random.normal(0, 0.3, (rows, columns))
        bias[:rows] = random.normal(0, 0.1, rows)
        weights |= {f"{name}.weight": weight, f"{name}.bias": bias}
    return weights


def joint(train, valid) -> govpn.VPNClassifier:
    settings = {
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 0.01,
        "schedule": "constant",
        "std": "bounded",
    }
    model = govpn.VPNClassifier(
        "sr",
        "dnn3",
        base_loss_weight=1.0,
        label_coefficient=0.5,
        device="go",
        random_state=1,
        verbose=0,
        **settings,
    )
    with tempfile.TemporaryDirectory() as folder:
        save_file(sparse_weights(), f"{folder}/weights.safetensors")
        model.import_safetensors(f"{folder}/weights.safetensors", image_shape=(4, 4, 1), classes=NAMES)
        return model.fit(
            train[0], np.take(NAMES, train[1]), validation_data=(valid[0], np.take(NAMES, valid[1]))
        )


def gaussian(train) -> govpn.VPNClassifier:
    settings = {"epochs": 6, "batch_size": 16, "learning_rate": 0.1, "optimizer": "sgd", "schedule": "cosine"}
    model = govpn.VPNClassifier(
        "sr",
        mode="gaussian",
        fixed_std=0.05,
        normalize={"mean": [0.4], "std": [0.25]},
        augment=[govpn.augment.RandomHorizontalFlip()],
        image_shape=(4, 4, 1),
        pixel_range=(0, 255),
        device="go",
        random_state=2,
        verbose=0,
        **settings,
    )

    def half_way(training) -> None:
        if training.epoch == 3:
            training.stop()

    return model.fit(features(train[0]), train[1], callbacks=half_way)


def features(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float32)


def numbers(array: np.ndarray) -> list:
    return np.round(array.astype(np.float64), 9).tolist()


def expected(model: govpn.VPNClassifier, x, y, sigma: bool = False) -> dict:
    found = {
        "classes": model.classes_.tolist(),
        "proba": numbers(model.predict_proba(x)),
        "loss": model.history_["loss"],
    }
    return found | ({"std": numbers(model.noise_std(x, y))} if sigma else {})


def pack(x: np.ndarray) -> str:
    return base64.b64encode(x.tobytes()).decode()


def write(folder: Path) -> None:
    train, valid, test = stripes(48, 1), stripes(16, 2), stripes(6, 3)
    parts = {"train": train, "valid": valid, "test": test}
    record = {name: {"images": pack(x), "labels": y.tolist()} for name, (x, y) in parts.items()}

    model, words = joint(train, valid), np.take(NAMES, test[1])
    model.save(folder / "joint.govpn")
    (folder / "joint.govpn.gz").write_bytes(gzip.compress((folder / "joint.govpn").read_bytes(), mtime=0))
    (folder / "joint.govpn").unlink()
    record["joint"] = expected(model, test[0], words, sigma=True)
    validation = valid[0], np.take(NAMES, valid[1])
    model.set_params(epochs=5).fit(
        train[0], np.take(NAMES, train[1]), validation_data=validation, resume=True
    )
    record["joint"]["resumed"] = expected(model, test[0], words)

    model = gaussian(train)
    model.save(folder / "gaussian.govpn")
    (folder / "gaussian.pickle").write_bytes(pickle.dumps(model, protocol=4))
    model.export_safetensors(folder / "gaussian.safetensors", part="base")
    record["gaussian"] = expected(model, features(test[0]), None)
    record["gaussian"]["resumed"] = expected(
        model.fit(features(train[0]), train[1], resume=True), features(test[0]), None
    )
    (folder / "expected.json").write_text(json.dumps(record) + "\n")


if FOLDER.exists():
    print(f"{FOLDER} is there and stays as it is")
else:
    part = FOLDER.with_name(FOLDER.name + ".part")
    part.mkdir(parents=True, exist_ok=True)
    write(part)
    os.rename(part, FOLDER)
    print(f"{FOLDER}: {sum(p.stat().st_size for p in FOLDER.iterdir()):,} bytes")
museum.main()
