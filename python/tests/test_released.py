"""Files of released versions, kept by vpn/testdata/released.py: they load, predict as they did, and go on."""

import base64
import gzip
import json
import pickle
from pathlib import Path

import govpn
import numpy as np
import pytest

FOLDERS = sorted((Path(__file__).parents[2] / "vpn" / "testdata" / "files").iterdir())


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def released(request):
    """A folder of files, and what they are to do."""
    return request.param, json.loads((request.param / "expected.json").read_text())


def images(part):
    x = np.frombuffer(base64.b64decode(part["images"]), np.uint8).reshape(-1, 4, 4, 1)
    return x, np.array(part["labels"])


def features(part):
    return images(part)[0].reshape(-1, 16).astype(np.float32)


def check(model, want, x, tolerance=1e-5):
    assert model.classes_.tolist() == want["classes"]
    np.testing.assert_allclose(model.predict_proba(x), want["proba"], atol=tolerance)
    np.testing.assert_allclose(model.history_["loss"], want["loss"], atol=tolerance)


def test_a_training_in_progress(released, device, tmp_path):
    folder, record = released
    path = tmp_path / "joint.govpn"
    path.write_bytes(gzip.decompress((folder / "joint.govpn.gz").read_bytes()))
    model = govpn.load(path, device=device, verbose=0)
    (x, y), want = images(record["test"]), record["joint"]
    words = np.array(want["classes"])
    check(model, want, x)
    np.testing.assert_allclose(model.noise_std(x, words[y]), want["std"], atol=1e-5)
    train, valid = ((part[0], words[part[1]]) for part in (images(record["train"]), images(record["valid"])))
    model.set_params(epochs=5).fit(*train, validation_data=valid, resume=True)
    check(model, want["resumed"], x, 1e-4 if device == "go" else 0.1)  # each device draws noise of its own


@pytest.mark.parametrize("kind", ["govpn", "pickle"])
def test_a_stopped_training_of_features(released, kind):
    folder, record = released
    path = folder / f"gaussian.{kind}"
    model = govpn.load(path, "go", verbose=0) if kind == "govpn" else pickle.loads(path.read_bytes())
    x, want = features(record["test"]), record["gaussian"]
    check(model, want, x)
    assert model.get_params()["pixel_range"] == (0, 255)
    model.fit(features(record["train"]), images(record["train"])[1], resume=True)
    check(model, want["resumed"], x, 1e-4)


def test_exported_weights(released):
    folder, record = released
    model = govpn.VPNClassifier.from_safetensors(
        folder / "gaussian.safetensors",
        base="sr",
        image_shape=(4, 4, 1),
        n_classes=3,
        normalize={"mean": [0.4], "std": [0.25]},
        device="go",
    )
    x = images(record["test"])[0]
    np.testing.assert_allclose(model.predict_proba(x), record["gaussian"]["proba"], atol=1e-5)


def test_pickles_without_later_parameters_have_their_defaults(released):
    folder, record = released
    model = pickle.loads((folder / "gaussian.pickle").read_bytes())
    state = model.__getstate__()
    for later in ("class_weight", "warm_start", "label_smoothing", "noise_layer"):
        del state[later]
    old = govpn.VPNClassifier.__new__(govpn.VPNClassifier)
    old.__setstate__(state)
    assert old.get_params() == model.get_params()
    check(old, record["gaussian"], features(record["test"]))
    assert repr(pickle.loads(pickle.dumps(old))) == repr(model)
