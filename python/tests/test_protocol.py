"""scikit-learn's conventions hold with and without scikit-learn. Progress appears on the terminal."""

import sys

import govpn
import numpy as np
import pytest
from govpn.augment import RandomCrop, RandomHorizontalFlip


def test_parameters_are_only_stored():
    model = govpn.VPNClassifier("sr", std="rms", epochs=3)
    assert vars(model) == model.get_params()
    assert repr(model) == "VPNClassifier(base='sr', epochs=3, std='rms')"
    assert model.set_params(std_range=(0, 1)) is model
    assert govpn.VPNClassifier(**model.get_params()).get_params() == model.get_params()


def test_numpy_scalars_are_parameters(make, quadrants):
    model = make(
        mode="plain", epochs=np.int64(1), learning_rate=np.float32(0.5), random_state=np.random.default_rng(0)
    )
    assert model.fit(*quadrants).config_["learning_rate"] == 0.5


def test_random_states(make, quadrants):
    def seed(random_state):
        return make(mode="plain", epochs=1, random_state=random_state).fit(*quadrants).config_["seed"]

    assert seed(5) == 5
    assert seed(None) != seed(None)
    assert seed(np.random.default_rng(1)) == seed(np.random.default_rng(1))
    assert seed(np.random.RandomState(1)) == seed(np.random.RandomState(1))


def test_presets_give_way_to_parameters(make, quadrants):
    config = make(mode="plain", preset="official", epochs=1).fit(*quadrants).config_
    assert (config["optimizer"], config["momentum"], config["weight_decay"]) == ("sgd", 0.9, 5e-4)
    assert (config["epochs"], config["learning_rate"], config["schedule"]) == (1, 0.01, "cosine")


def test_normalize_is_part_of_the_model(make, quadrants):
    x, y = quadrants
    model = make(mode="plain", normalize={"mean": 0.3, "std": [0.2]}).fit(x, y)
    assert model.config_["normalize"] == {"where": "image", "mean": [0.3], "std": [0.2]}
    assert model.score(x, y) > 0.9


def test_augment_is_a_parameter(make, quadrants, tmp_path):
    base = pytest.importorskip("sklearn.base")
    augment = [RandomCrop(padding=[1]), RandomHorizontalFlip()]
    model = base.clone(make(mode="plain", epochs=1, augment=augment)).fit(*quadrants)
    assert model.get_params()["augment"] == augment
    assert [a["name"] for a in model.config_["augment"]] == ["RandomCrop", "RandomHorizontalFlip"]
    model.set_params(epochs=2).fit(*quadrants, resume=True)
    model.save(tmp_path / "model")
    loaded = govpn.load(tmp_path / "model", verbose=0)
    assert loaded.get_params()["augment"] == model.config_["augment"]
    loaded.set_params(epochs=3).fit(*quadrants, resume=True)
    with pytest.raises(ValueError, match="resume: augment is"):
        loaded.set_params(epochs=4, augment=[]).fit(*quadrants, resume=True)


def test_augment_of_one_fit(make, quadrants):
    plain = make(mode="plain", epochs=1).fit(*quadrants)
    flipped = make(mode="plain", epochs=1).fit(*quadrants, augment=RandomHorizontalFlip(1.0))
    assert plain.config_["augment"] in ([], None)
    assert flipped.config_["augment"] == [{"name": "RandomHorizontalFlip", "p": 1}]
    x, y = quadrants
    want = plain.fit(np.ascontiguousarray(x[:, :, ::-1]), y)
    np.testing.assert_allclose(flipped.decision_function(x), want.decision_function(x), atol=1e-4)
    assert flipped.augment is None
    assert flipped.fit(x, y).config_["augment"] in ([], None)
    for wrong, message in (
        ([{"name": "Flip"}], "Flip"),
        (3, "augment is 3"),
        ([{"name": "RandomHorizontalFlip", "p": 2}], "p is 2"),
    ):
        with pytest.raises(govpn.GovpnError, match=message):
            plain.fit(x, y, augment=wrong)
        with pytest.raises(govpn.GovpnError, match=message):
            make(augment=wrong).fit(x, y)


def test_scikit_learn(make, quadrants):
    base = pytest.importorskip("sklearn.base")
    selection = pytest.importorskip("sklearn.model_selection")
    model = make(mode="plain", epochs=2)
    assert base.is_classifier(model)
    assert base.clone(model).get_params() == model.get_params()
    assert selection.cross_val_score(model, *quadrants, cv=2).mean() > 0.9
    search = selection.GridSearchCV(model, {"learning_rate": np.array([1e-6, 0.02])}, cv=2).fit(*quadrants)
    assert search.best_params_ == {"learning_rate": 0.02}


@pytest.mark.parametrize("tqdm", [True, False])
@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_progress(make, quadrants, capsys, monkeypatch, tqdm, verbose):
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    make(epochs=2, mode="plain", verbose=verbose).fit(*quadrants, validation_data=quadrants)
    out, err = capsys.readouterr()
    if verbose == 0:
        assert out + err == ""
    elif verbose == 1 and tqdm:
        assert "epoch 2/2: 100%" in err
        assert "val_accuracy" in err
    else:
        lines = out.splitlines()
        assert lines[-1].startswith("epoch 2/2: loss ")
        assert "val_accuracy" in lines[-1]
        assert "σ" not in out


def test_auto_says_what_it_takes(make, quadrants, capsys, monkeypatch):
    monkeypatch.setattr("govpn._progress._announced", set())
    for _ in range(2):
        model = make("auto", epochs=1, mode="plain", verbose=1).fit(*quadrants)
    out, _ = capsys.readouterr()
    assert out.count("device auto is") == 1
    assert f"device auto is {model.device_} (" in out
    assert "not cuda: " in out or model.device_ == "cuda"
