"""A model that was saved, pickled or copied comes back as it was."""

import copy
import json
import pickle
import struct

import govpn
import numpy as np
import pytest


@pytest.fixture(scope="module")
def model(make, quadrants):
    return make(epochs=1).fit(*quadrants)


def read_safetensors(path) -> dict[str, np.ndarray]:
    """Reads the tensors of a file: 8 bytes with the length of the JSON header, the header, the values."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, values = json.loads(content[8 : 8 + length]), content[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["dtype"] == "F32"
            first, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(values[first:end], "<f4").reshape(entry["shape"])
    return tensors


def test_save_and_load(model, quadrants, device, tmp_path):
    path = tmp_path / "model.govpn"
    model.save(path)
    loaded = govpn.load(path, device=device, verbose=0)
    np.testing.assert_allclose(
        loaded.predict_proba(quadrants[0]), model.predict_proba(quadrants[0]), rtol=1e-4
    )
    assert loaded.history_["loss"] == model.history_["loss"]
    assert loaded.get_params()["batch_size"] == 32
    assert loaded.get_params()["random_state"] == 7
    assert [p.name for p in tmp_path.iterdir()] == ["model.govpn"]


def repickle(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("clone", [copy.deepcopy, repickle])
def test_copies(model, quadrants, clone):
    twin = clone(model)
    np.testing.assert_array_equal(twin.predict_proba(quadrants[0]), model.predict_proba(quadrants[0]))
    assert twin.get_params() == model.get_params()
    assert twin.history_["loss"] == model.history_["loss"]
    twin.set_params(epochs=2).fit(*quadrants, resume=True)
    assert (twin.n_epochs_, model.n_epochs_) == (2, 1)


def test_unfitted_estimators_pickle(make):
    assert repr(repickle(make(std="rms"))) == repr(make(std="rms"))


def test_safetensors_have_pytorch_names_and_layouts(model, quadrants, tmp_path):
    path = tmp_path / "weights.safetensors"
    model.export_safetensors(path)
    tensors = read_safetensors(path)
    shapes = {name: t.shape for name, t in tensors.items()}
    assert shapes == {
        "base.linear.weight": (4, 64),
        "base.linear.bias": (4,),
        "generator.fc1.weight": (1024, 64),
        "generator.fc1.bias": (1024,),
        "generator.fc2.weight": (1024, 1024),
        "generator.fc2.bias": (1024,),
        "generator.fc3.weight": (64, 1024),
        "generator.fc3.bias": (64,),
    }
    x = quadrants[0].reshape(-1, 64) / np.float32(255)
    logits = x @ tensors["base.linear.weight"].T + tensors["base.linear.bias"]
    np.testing.assert_allclose(model.decision_function(quadrants[0]), logits, rtol=1e-4, atol=1e-5)


def test_import_safetensors(model, make, quadrants, tmp_path):
    path = tmp_path / "weights.safetensors"
    model.export_safetensors(path)
    twin = make().import_safetensors(path, image_shape=(8, 8), classes=[0, 1, 2, 3])
    np.testing.assert_array_equal(twin.predict(quadrants[0]), model.predict(quadrants[0]))
    np.testing.assert_array_equal(twin.noise_std(*quadrants), model.noise_std(*quadrants))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "foreign", "empty"])
def test_damaged_files_are_refused(model, damage, tmp_path):
    path = tmp_path / "model.govpn"
    model.save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    damaged = {
        "truncated": content[:-100],
        "flipped": content,
        "foreign": b"PK\x03\x04" + bytes(200),
        "empty": b"",
    }
    path.write_bytes(bytes(damaged[damage]))
    with pytest.raises(ValueError, match=r"\S") as caught:
        govpn.load(path)
    assert caught.value.status == "GOVPN_E_FORMAT"


def test_missing_files_are_os_errors(model, tmp_path):
    with pytest.raises(OSError, match="missing"):
        govpn.load(tmp_path / "missing")
    with pytest.raises(OSError, match="missing"):
        model.save(tmp_path / "missing" / "model")
    with pytest.raises(OSError, match="missing"):
        model.import_safetensors(tmp_path / "missing")
    with pytest.raises(ValueError, match="null"):
        model.save(f"{tmp_path}/a\0b")
