"""Files of released versions, kept by vpn/testdata/released.py and museum.py: they load, predict as they
did, and go on."""

import base64
import bz2
import gzip
import importlib
import inspect
import json
import operator
import pickle
from pathlib import Path

import govpn
import numpy as np
import pyarrow as pa
import pytest
from govpn import _released

FOLDERS = sorted((Path(__file__).parents[2] / "vpn" / "testdata" / "files").iterdir())
MUSEUMS = {f.name: f / "museum" for f in FOLDERS if (f / "museum").is_dir()}
RECORDS = {version: json.loads((folder / "museum.json").read_text()) for version, folder in MUSEUMS.items()}
PICKLES = {version: json.loads((folder / "pickles.json").read_text()) for version, folder in MUSEUMS.items()}


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


def unpickled(kind, state):
    value = kind.__new__(kind)
    value.__setstate__(state)
    return value


def test_every_parameter_has_a_value_for_pickles_that_lack_it():
    assert _released.PARAMETERS.keys() == inspect.signature(govpn.VPNClassifier).parameters.keys()
    first = PICKLES["0.1.0"]["classifier"]["params"]  # of VPNClassifier() then
    assert first.items() <= _released.PARAMETERS.items()


def test_pickles_do_not_follow_the_defaults_of_today(monkeypatch):
    init = govpn.VPNClassifier.__init__
    frozen = _released.PARAMETERS
    monkeypatch.setattr(init, "__defaults__", ("today", "today"))
    monkeypatch.setattr(init, "__kwdefaults__", dict.fromkeys(init.__kwdefaults__, "today"))
    assert set(govpn.VPNClassifier().get_params().values()) == {"today"}
    whole = dict.fromkeys(frozen, "pickled")
    for name in frozen:
        short = {k: v for k, v in whole.items() if k != name}
        assert unpickled(govpn.VPNClassifier, short).get_params() == short | {name: frozen[name]}


def test_pickles_of_subclasses_have_their_own_defaults():
    class Small(govpn.VPNClassifier):
        def __init__(self, base="sr", *, epochs=1):
            super().__init__(base, epochs=epochs)

    class Same(govpn.VPNClassifier):
        pass

    assert unpickled(Small, {"base": "dnn3"}).get_params() == {"base": "dnn3", "epochs": 1}
    assert unpickled(Same, {}).get_params() == _released.PARAMETERS


# ---- the museum --------------------------------------------------------------------------------------------


def each(table):
    """Parameters (version, name) for each name in a table of each version."""
    return [pytest.param(v, n, id=f"{v}-{n}") for v, names in table.items() for n in names]


def fixture_images(record, data, part):
    found = record["data"][data][part]
    x = np.frombuffer(base64.b64decode(found["images"]), np.uint8).reshape(found["shape"])
    return x, np.array(found["labels"])


def as_columns(x, names):
    """The images as a table with these columns, if there are any."""
    if not len(names):
        return x
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(x.reshape(len(x), -1), columns=list(names))


def check_history(model, want, tolerance):
    for column, values in want.items():
        known = [np.nan if v is None else v for v in values]
        np.testing.assert_allclose(model.history_[column], known, atol=tolerance, err_msg=column)


# The tests in Go load the large networks: here they would take seconds, and show nothing more.
SMALL = {
    version: [n for n, m in record["models"].items() if m["config"]["base"] in ("sr", "dnn3")]
    for version, record in RECORDS.items()
}


@pytest.mark.parametrize(("version", "name"), each(SMALL))
def test_a_model_in_the_museum(version, name, tmp_path):
    record, path = RECORDS[version], tmp_path / "model.govpn"
    want = record["models"][name]
    path.write_bytes(bz2.decompress((MUSEUMS[version] / f"{name}.govpn.bz2").read_bytes()))
    model = govpn.load(path, device="go", verbose=0)
    columns = getattr(model, "feature_names_in_", [])
    assert model.classes_.tolist() == want["classes"]
    assert want["config"].items() <= model.config_.items()

    (x, y), (x_train, y_train) = (fixture_images(record, want["data"], p) for p in ("test", "train"))
    x, x_train = as_columns(x, columns), as_columns(x_train, columns)
    np.testing.assert_allclose(model.predict_proba(x), want["proba"], atol=1e-5)
    gaussian = model.predict_proba(x, noise="gaussian", std=0.25, random_state=5)
    np.testing.assert_allclose(gaussian, want["gaussian"], atol=1e-5)
    if "std" in want:
        scores = model.classwise_scores(x[:1], random_state=6)
        np.testing.assert_allclose(scores, want["scores"], atol=1e-5)
        std = model.noise_std(x, model.classes_[y])
        assert list(std.shape) == want["std"]["shape"]
        shown = std[..., :: want["std"]["step"]].ravel()
        np.testing.assert_allclose(shown, want["std"]["values"], atol=1e-5)
    check_history(model, want["history"], 1e-5)

    if not want["resume"]:
        return
    soft = np.float32(record["soft"]) if want["fit"] == "soft" else None
    options = {"sample_weight": record["weights"]} if want["fit"] == "weights" else {}
    if want["valid"]:
        x_valid, y_valid = fixture_images(record, want["data"], "valid")
        options["validation_data"] = as_columns(x_valid, columns), model.classes_[y_valid]
    model.set_params(epochs=want["resumed"]["epochs"])
    model.fit(x_train, model.classes_[y_train] if soft is None else soft, resume=True, **options)
    np.testing.assert_allclose(model.predict_proba(x), want["resumed"]["proba"], atol=1e-4)
    check_history(model, want["resumed"]["history"], 1e-4)


@pytest.mark.parametrize("version", RECORDS)
@pytest.mark.parametrize("name", ["film", "film-base", "film-generator"])
def test_exported_weights_in_the_museum(version, name, tmp_path):
    record = RECORDS[version]
    want = record["exports"][name]
    config, images = want["config"], fixture_images(record, want["data"], "test")
    names = ("base", "generator", "mode", "std", "std_range", "label_fusion")
    model = govpn.VPNClassifier(**{n: config[n] for n in names}, device="go", verbose=0)
    for file in want["imports"]:
        path = tmp_path / file
        path.write_bytes(bz2.decompress((MUSEUMS[version] / f"{file}.bz2").read_bytes()))
        model.import_safetensors(path, config["image_shape"], config["class_names"])
    np.testing.assert_allclose(model.predict_proba(images[0]), want["proba"], atol=1e-5)
    if "std" in want:
        std = model.noise_std(images[0], model.classes_[images[1]])
        np.testing.assert_allclose(std.ravel(), want["std"]["values"], atol=1e-5)


NAMED = {
    version: sorted({name for p in table.values() for name in p["imports"] if name.startswith("govpn")})
    for version, table in PICKLES.items()
}


@pytest.mark.parametrize(("version", "name"), each(NAMED))
def test_the_names_in_pickles_stay_importable(version, name):
    module, _, path = name.partition(":")
    operator.attrgetter(path)(importlib.import_module(module))


@pytest.mark.parametrize(("version", "name"), each(PICKLES))
def test_a_pickle_in_the_museum(version, name):
    want = PICKLES[version][name]
    if any(i.startswith("tensorboardX") for i in want["imports"]):
        pytest.importorskip("tensorboardX")
    try:
        value = pickle.loads(bz2.decompress(base64.b64decode(want["pickle"])))
    except Exception as error:
        pytest.fail(f"{name} of version {version} does not load: {type(error).__name__}: {error}")
    if "is" in want:
        assert value is operator.attrgetter(want["is"].partition(".")[2])(govpn)
        return
    assert type(value).__name__ == want["type"]
    check_pickled(value, want, RECORDS[version])


def check_pickled(value, want, record):
    """What is recorded of an object. Attributes that a later version adds are none of it."""
    x, y = fixture_images(record, "grey", "test")
    if "params" in want:
        known = value.get_params()
        known |= {"augment": [a.to_config() for a in value.augment]} if value.augment else {}
        assert want["params"].items() <= json.loads(json.dumps(known)).items()
    if "proba" in want:
        assert value.classes_.tolist() == want["classes"]
        assert list(getattr(value, "feature_names_in_", [])) == want["features"]
        check_history(value, want["history"], 1e-5)
        proba = value.predict_proba(as_columns(x, want["features"]))
        np.testing.assert_allclose(proba, want["proba"], atol=1e-5)
    if "dtype" in want:
        assert value.dtype.str == want["dtype"]
        assert value.tolist() == want["values"]
        assert json.loads(json.dumps(getattr(value, "class_names", None))) == want["class_names"]
    elif "values" in want:
        found = json.loads(json.dumps(value.to_dict()))
        assert {k: found[k] for k in want["values"]} == want["values"]
        assert value.reading()
    if "noisy" in want:
        noisy = value(np.float32(x / 255), value.classifier.classes_[y])
        np.testing.assert_allclose(noisy.ravel(), want["noisy"], atol=1e-5)
    if "args" in want:
        assert list(value.args) == want["args"]
    if "vars" in want:
        found = {k: len(v) if isinstance(v, bytes) else v for k, v in vars(value).items()}
        known = {k: int(v.split()[0]) if str(v).endswith(" bytes") else v for k, v in want["vars"].items()}
        assert {k: json.loads(json.dumps(found[k])) for k in known} == known


@pytest.mark.parametrize("version", PICKLES)
def test_callbacks_in_the_museum_work(version, tmp_path, monkeypatch):
    names = ("callback", "early-stopping", "reduce-on-plateau", "learning-rate", "csv-logger")
    callbacks = [
        pickle.loads(bz2.decompress(base64.b64decode(PICKLES[version][name]["pickle"]))) for name in names
    ]
    monkeypatch.chdir(tmp_path)
    data = [fixture_images(RECORDS[version], "grey", part) for part in ("train", "valid")]
    model = govpn.VPNClassifier("sr", mode="plain", epochs=9, schedule="constant", device="go", verbose=0)
    model.fit(*data[0], validation_data=data[1], callbacks=callbacks)
    assert model.n_epochs_ == 3  # the first, and the patience of early-stopping, whose min_delta is 0.5
    np.testing.assert_allclose(model.history_["learning_rate"], np.exp([1, 2, 3]))
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize("version", PICKLES)
def test_a_scorer_in_the_museum_works(version):
    scorer = pickle.loads(bz2.decompress(base64.b64decode(PICKLES[version]["scorer"]["pickle"])))
    images = fixture_images(RECORDS[version], "colour", "test")[0]
    scored = scorer(pa.record_batch({"image": govpn.to_arrow(images)}))
    assert scored.column_names == ["guess", "proba"]
    want = np.array(RECORDS[version]["models"]["augmented"]["proba"])
    assert scored["guess"].to_pylist() == want.argmax(1).tolist()
    np.testing.assert_allclose(scored["proba"].to_numpy_ndarray(), want, atol=1e-5)
