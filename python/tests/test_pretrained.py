"""Weights from files: state dictionaries of the base, new heads, and files in other formats."""

import functools
import pickle
import zipfile

import govpn
import numpy as np
import pytest

SHAPE = (8, 8, 1)
NAMES = ["sw", "ne", "nw", "se"]  # other names of the labels 0 to 3, not sorted


@pytest.fixture(scope="module")
def model(make, quadrants):
    return make(mode="plain", epochs=1).set_params(base="dnn3").fit(*quadrants)


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    """A file with a state dictionary as torchvision or timm would publish it."""
    path = tmp_path_factory.mktemp("weights") / "dnn3.safetensors"
    model.export_safetensors(path, part="base")
    return path


@pytest.fixture(scope="module")
def pretrained(path):
    def build(n_classes=None, path=path, **options):
        options = {"device": "go", "verbose": 0, "epochs": 1, "random_state": 7} | options
        return govpn.VPNClassifier.from_safetensors(path, "dnn3", SHAPE, n_classes, **options)

    return build


def test_ready_to_predict(model, pretrained, quadrants):
    twin = pretrained(4, learning_rate=0.5)
    np.testing.assert_array_equal(twin.decision_function(quadrants[0]), model.decision_function(quadrants[0]))
    assert twin.classes_.tolist() == [0, 1, 2, 3]
    assert twin.get_params()["learning_rate"] == 0.5
    assert twin.n_epochs_ == 0


def test_fits_start_from_the_weights(model, pretrained, quadrants):
    x, _ = quadrants
    frozen = pretrained(4, mode="frozen").fit(*quadrants)
    np.testing.assert_array_equal(frozen.decision_function(x), model.decision_function(x))
    tuned = pretrained(4, mode="plain", learning_rate=1e-9).fit(*quadrants).fit(*quadrants)
    np.testing.assert_allclose(tuned.decision_function(x), model.decision_function(x), rtol=1e-3, atol=1e-3)


def test_classes_keep_the_order_of_the_outputs(model, pretrained, quadrants, tmp_path):
    x, y = quadrants
    names = np.array(NAMES)
    named = pretrained(4, classes=NAMES, mode="plain")
    np.testing.assert_array_equal(named.predict(x), names[model.predict(x)])
    assert named.score(x, names[y]) == model.score(x, y)
    assert named.evaluate(x, names[y])["accuracy"] == pytest.approx(model.score(x, y))
    named.save(tmp_path / "model")
    loaded = govpn.load(tmp_path / "model", device="go", verbose=0)
    np.testing.assert_array_equal(loaded.predict(x), named.predict(x))
    some = (y == 0) | (y == 3)
    named.fit(x[some], names[y[some]])
    assert named.classes_.tolist() == NAMES, "also where some are missing"


def test_replaced_head(model, pretrained, quadrants, tmp_path):
    load = pytest.importorskip("safetensors.numpy").load_file
    x, y = quadrants
    with pytest.raises(govpn.GovpnError, match='replace_head takes all but the head "fc3"'):
        pretrained(9)
    twin = pretrained(9, replace_head=True, mode="plain", learning_rate=1e-9)
    assert twin.decision_function(x).shape == (len(x), 9)
    twin = pickle.loads(pickle.dumps(twin)).fit(x, np.array(NAMES)[y])  # this fit has other classes
    assert twin.classes_.tolist() == sorted(NAMES)
    twin.export_safetensors(tmp_path / "twin", part="base")
    model.export_safetensors(tmp_path / "model", part="base")
    twin, model = load(tmp_path / "twin"), load(tmp_path / "model")
    np.testing.assert_allclose(twin["fc1.weight"], model["fc1.weight"], atol=1e-6)
    assert abs(twin["fc3.weight"] - model["fc3.weight"]).max() > 0.01


def test_untrained_generator_warns(pretrained, quadrants, tmp_path):
    x, _ = quadrants
    model = pretrained(4)
    model.predict(x)
    with pytest.warns(govpn.GovpnWarning, match="the generator is newly initialised"):
        model.predict(x, noise="classwise")
    model.export_safetensors(tmp_path / "generator", part="generator")
    model.import_safetensors(tmp_path / "generator").predict(x, noise="classwise")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "n_classes and classes are None, want one of them"),
        ({"n_classes": 0}, "n_classes is 0, want 1 to "),
        ({"n_classes": 4.0}, "n_classes is 4.0 of type float, want an int"),
        ({"n_classes": 3, "classes": NAMES}, "n_classes is 3 and classes has 4 labels"),
        ({"classes": [*NAMES, "sw"]}, "classes has 'sw' twice"),
        ({"classes": NAMES[:3]}, r"fc3.bias is \[4\], want \[3\]"),
        ({"n_classes": 4, "image_shape": 8}, r"image_shape is 8, want \(H, W, C\)"),
        ({"n_classes": 4, "image_shape": (8, 9)}, r"fc1.weight is \[1024 64\], want \[1024 72\]"),
        ({"n_classes": 4, "replace_head": 1}, "replace_head is 1 of type int, want a bool"),
        ({"n_classes": 4, "base": "sr"}, r"fc1.bias \[1024\] is not a weight of this model"),
        ({"n_classes": 4, "base": "alexnet"}, "alexnet"),
    ],
)
def test_bad_arguments(path, arguments, message):
    arguments = {"base": "dnn3", "image_shape": SHAPE, "device": "go", "verbose": 0} | arguments
    with pytest.raises(govpn.GovpnError, match=message):
        govpn.VPNClassifier.from_safetensors(path, **arguments)


def test_classes_of_the_head_stay(pretrained, path, quadrants):
    x, y = quadrants
    model = pretrained(4)
    with pytest.raises(ValueError, match="want one of the classes 0, 1, 2, 3"):
        model.fit(x, y + 1)
    with pytest.raises(ValueError, match=r"image_shape is \(9, 9\), want \(8, 8, 1\)"):
        model.import_safetensors(path, image_shape=(9, 9))
    with pytest.raises(ValueError, match="classes is 5, want"):
        model.import_safetensors(path, classes=5)
    with pytest.raises(ValueError, match="part is 'head', want None"):
        model.export_safetensors(path, part="head")


@pytest.mark.parametrize(("base", "count"), [("resnet18", 122), ("vit_tiny_patch4", 152)])
def test_state_dictionaries_of_torchvision_and_timm(base, count, tmp_path):
    """The package safetensors reads files of govpn, and govpn reads files of the package.

    count is the length of the state_dict() of torchvision's resnet18 and of timm's vit_tiny_patch16_224.
    """
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file, save_file

    model = govpn.VPNClassifier(base, mode="plain", device="go", epochs=1, verbose=0)
    model.fit(np.zeros((4, 4, 4, 1), np.uint8), [0, 1, 0, 1])
    model.export_safetensors(tmp_path / "weights", part="base")
    with safetensors.safe_open(tmp_path / "weights", "numpy") as file:
        assert file.metadata()["format"] == "pt"
    tensors = load_file(tmp_path / "weights")
    assert len(tensors) == count
    counters = [t for name, t in tensors.items() if name.endswith(".num_batches_tracked")]
    assert all(t.dtype == np.int64 and t.shape == () and t == 1 for t in counters)
    save_file(tensors, tmp_path / "again")
    twin = govpn.VPNClassifier.from_safetensors(
        tmp_path / "again", base, (4, 4, 1), 2, device="go", verbose=0
    )
    x = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    np.testing.assert_array_equal(twin.decision_function(x), model.decision_function(x))


def test_npz_files_come_with_their_conversion(model, pretrained, path, quadrants, tmp_path):
    load_file = pytest.importorskip("safetensors.numpy").load_file
    tensors = {name: np.asfortranarray(t) for name, t in load_file(path).items()}
    np.savez(tmp_path / 'd"nn3.npz', **tensors)
    with pytest.raises(ValueError, match="npz file of numpy, want safetensors; these two lines") as caught:
        pretrained(4, path=tmp_path / 'd"nn3.npz')
    exec("\n".join(str(caught.value).splitlines()[1:]), {})
    twin = pretrained(4, path=tmp_path / 'd"nn3.safetensors')
    np.testing.assert_array_equal(twin.decision_function(quadrants[0]), model.decision_function(quadrants[0]))


def test_pytorch_files_come_with_their_conversion(pretrained, tmp_path):
    with zipfile.ZipFile(tmp_path / "weights.pth", "w") as file:
        file.writestr("weights/data.pkl", b"")
    with pytest.raises(ValueError, match="is a PyTorch file, want safetensors; these two lines") as caught:
        pretrained(4, path=tmp_path / "weights.pth")
    lines = str(caught.value).splitlines()[1:]
    compile("\n".join(lines), "conversion", "exec")
    assert len(lines) == 2
    assert f'torch.load("{tmp_path}/weights.pth", "cpu", weights_only=True)' in lines[0]
    assert f'"{tmp_path}/weights.safetensors")' in lines[1]


def test_colour_weights_are_in_the_order_that_a_file_says(make, tmp_path):
    files = pytest.importorskip("safetensors.numpy")
    x = np.random.default_rng(0).integers(0, 256, (12, 2, 3, 3), np.uint8)
    model = make(mode="plain", epochs=1).fit(x, np.arange(12) % 3)
    logits = model.decision_function(x)
    flat = {"hwc": x.reshape(12, -1) / 255, "chw": x.transpose(0, 3, 1, 2).reshape(12, -1) / 255}
    path, prefixes = tmp_path / "w", {None: "base.", "base": ""}
    for part, flatten, order in (
        (None, None, "hwc"),
        (None, "chw", "chw"),
        ("base", None, "chw"),  # as torch.nn.Flatten and torch.nn.Linear want it
        ("base", "hwc", "hwc"),
    ):
        model.export_safetensors(path, part, flatten)
        tensors, name = files.load_file(path), prefixes[part] + "linear"
        np.testing.assert_allclose(
            flat[order] @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"], logits, atol=1e-5
        )
        load = functools.partial(govpn.VPNClassifier.from_safetensors, path, "sr", (2, 3, 3), 3)
        load = functools.partial(load, mode="plain", device="go", verbose=0)
        np.testing.assert_array_equal(load().decision_function(x), logits)
        other = {"hwc": "chw", "chw": "hwc"}[order]
        assert not np.allclose(load(flatten=other).decision_function(x), logits)
        files.save_file(tensors, path)  # without a note, names tell the order
        np.testing.assert_array_equal(load(flatten=order).decision_function(x), logits)
        usual = {None: "hwc", "base": "chw"}[part]
        assert np.array_equal(load().decision_function(x), logits) == (order == usual)
    for call in (load, functools.partial(model.export_safetensors, path)):
        with pytest.raises(govpn.errors.ArgumentError, match='flatten is \'whc\', want None, "hwc" or "chw"'):
            call(flatten="whc")


def test_pickles_of_010_import_in_the_order_of_010(make, tmp_path):
    """0.1.0 read every file as (H, W, C), and its pickles do not say so."""
    files = pytest.importorskip("safetensors.numpy")
    x = np.random.default_rng(0).integers(0, 256, (12, 2, 3, 3), np.uint8)
    model = make(mode="plain", epochs=1).fit(x, np.arange(12) % 3)
    model.export_safetensors(tmp_path / "w", "base", "hwc")
    files.save_file(files.load_file(tmp_path / "w"), tmp_path / "w")
    new = govpn.VPNClassifier.from_safetensors(
        tmp_path / "w",
        "sr",
        (2, 3, 3),
        3,
        flatten="hwc",
        mode="plain",
        epochs=1,
        learning_rate=1e-9,
        device="go",
        verbose=0,
    )
    state = new.__getstate__()
    state["_imported"] = [(path, {"replace_head": False}) for path, _ in state["_imported"]]
    old = govpn.VPNClassifier.__new__(govpn.VPNClassifier)
    old.__setstate__(state)
    for c in (old, new, pickle.loads(pickle.dumps(new))):
        refitted = c.fit(x, np.arange(12) % 3).decision_function(x)
        np.testing.assert_allclose(refitted, model.decision_function(x), atol=1e-4)
