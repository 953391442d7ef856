"""A model that was saved, pickled or copied comes back as it was."""

import copy
import json
import os
import pickle
import stat
import struct

import govpn
import numpy as np
import pytest
from govpn import _files, callbacks
from govpn._inputs.features import Layout


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
    with pytest.raises(TypeError, match="path is 3 of type int, want a path"):
        model.save(3)


@pytest.fixture
def umask():
    """Sets the process's umask for the rest of the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o027, 0o640), (0o002, 0o664)])
def test_new_files_have_the_mode_that_the_umask_leaves(model, tmp_path, umask, mask, mode):
    umask(mask)
    model.save(tmp_path / "m")
    model.export_safetensors(tmp_path / "w")
    _files.replace(tmp_path / "r", lambda p: p.write_text("new"))
    assert [mode_of(tmp_path / name) for name in "mwr"] == [mode] * 3


def test_replaced_files_keep_their_mode(model, tmp_path):
    for mode in (0o600, 0o666):
        for name in "mwr":
            (tmp_path / name).touch()
            (tmp_path / name).chmod(mode)
        model.save(tmp_path / "m")
        model.export_safetensors(tmp_path / "w")
        _files.replace(tmp_path / "r", lambda p: p.write_text("new"))
        assert [mode_of(tmp_path / name) for name in "mwr"] == [mode] * 3
    with pytest.raises(ZeroDivisionError):
        _files.replace(tmp_path / "r", lambda p: 1 / 0)
    assert (tmp_path / "r").read_text() == "new"


def test_links_are_followed(model, quadrants, tmp_path):
    (tmp_path / "big").mkdir()
    for name in ("m", "r"):
        (tmp_path / name).symlink_to(f"big/{name}")  # which does not exist yet
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for _ in range(2):
        model.save(tmp_path / "m")
        _files.replace(tmp_path / "r", lambda p: p.write_text("new"))
    assert [(tmp_path / name).is_symlink() for name in "mr"] == [True, True]
    loaded = govpn.load(tmp_path / "big" / "m", verbose=0)
    np.testing.assert_array_equal(loaded.predict(quadrants[0]), model.predict(quadrants[0]))
    assert (tmp_path / "big" / "r").read_text() == "new"
    assert sorted(p.name for p in (tmp_path / "big").iterdir()) == ["m", "r"]
    for write in (model.save, lambda path: _files.replace(path, lambda p: p.write_text("new"))):
        with pytest.raises(OSError, match="circle"):
            write(tmp_path / "a")


def test_paths_that_are_empty(model, make, quadrants, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (
        model.save,
        model.export_safetensors,
        model.import_safetensors,
        govpn.load,
        govpn.Scorer,
        callbacks.Checkpoint,
        callbacks.CSVLogger,
        govpn.datasets.cifar10,
        govpn.datasets.idx,
        lambda path: govpn.datasets.fashion_mnist("test", path),
        lambda path: govpn.VPNClassifier.from_safetensors(path, "sr", (8, 8), 4),
    ):
        with pytest.raises(govpn.errors.ArgumentError, match="is '', want"):
            call("")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("features", "colour"),  # somebody else's note
        ("features", "5"),
        ("features", "true"),
        ("pixel_range", "[1]"),
        ("pixel_range", "[2, 1]"),
        ("pixel_range", '["a", "b"]'),
        ("names", '["a", "b"]'),
        ("names", "[1, 2, 3, 4]"),
    ],
)
def test_layouts_that_govpn_never_writes(name, text):
    with pytest.raises(govpn.errors.FormatError, match=f"attribute {name} is "):
        Layout.from_attributes({name: text}, (2, 2, 1))
