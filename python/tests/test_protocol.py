"""scikit-learn's conventions, with and without scikit-learn; progress on the terminal."""

import sys

import govpn
import numpy as np
import pytest


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
