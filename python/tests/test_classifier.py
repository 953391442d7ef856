"""A trained classifier does what its documentation says, on every device."""

import json
import math

import govpn
import numpy as np
import pytest
from conftest import CPU_IF_LONG, LONG, devices_and, make_quadrants


def test_learns(fitted):
    x, y = make_quadrants(300, seed=2)
    assert fitted.score(x, y) > 0.95
    assert fitted.score(x, y, noise="classwise") > 0.9


def test_fitted_attributes(fitted, device):
    assert fitted.classes_.tolist() == [0, 1, 2, 3]
    assert (fitted.n_features_in_, fitted.image_shape_) == (64, (8, 8, 1))
    assert fitted.device_ == device
    assert fitted.config_["base"] == "sr"
    assert fitted.data_info_["images"] == 384
    assert fitted.warnings_ == list(fitted.warnings_)


def test_history_has_a_row_per_epoch(fitted):
    columns = "epoch loss accuracy val_loss val_accuracy std_mean std_min std_max seconds"
    assert list(fitted.history_) == [*columns.split(), "images_per_second", "data_wait", "learning_rate"]
    assert fitted.history_["epoch"] == [1, 2, 3, 4]
    assert fitted.n_epochs_ == 4
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]
    assert all(math.isfinite(v) for column in fitted.history_.values() for v in column)


def test_columns_that_do_not_exist_are_nan(make, quadrants):
    history = make(mode="plain", epochs=1).fit(*quadrants).history_
    assert math.isnan(history["val_accuracy"][0])
    assert math.isnan(history["std_mean"][0])


def test_same_seed_same_result(make, quadrants, device):
    first, second = (make(device, epochs=1).fit(*quadrants).predict_proba(quadrants[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_another_seed_another_result(make, quadrants):
    first, second = (
        make(mode="plain", epochs=1, random_state=s).fit(*quadrants).predict_proba(quadrants[0])
        for s in (7, 8)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("noise", ["none", "classwise"])
def test_probabilities_sum_to_one(fitted, quadrants, noise):
    x, _ = quadrants
    probabilities = fitted.predict_proba(x, noise=noise)
    assert probabilities.shape == (len(x), 4)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(1)], fitted.predict(x, noise=noise))


def test_classwise_scores_are_the_raw_ones(fitted, quadrants):
    x, _ = quadrants
    scores = fitted.classwise_scores(x, samples=2)
    assert scores.shape == (len(x), 4)
    normalised = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(x, "classwise", samples=2), normalised, rtol=1e-4)


def test_logits_give_the_probabilities(fitted, quadrants):
    logits = fitted.decision_function(quadrants[0])
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(quadrants[0]), softmax, rtol=1e-4, atol=1e-6)


def test_every_image_is_predicted_whatever_the_batch(fitted, quadrants):
    x, _ = quadrants
    whole = fitted.predict_proba(x)
    for n in (1, 7, 33):
        np.testing.assert_allclose(fitted.predict_proba(x[:n]), whole[:n], rtol=1e-4, atol=1e-6)


def test_noise_has_the_given_std(fitted, quadrants):
    x, y = quadrants[0][:3], quadrants[1][:3]
    std = fitted.noise_std(x, y)
    assert std.shape == (3, 8, 8, 1)
    assert (std > 0).all()
    n = 1000 if LONG else 250
    noise = fitted.sample_noise(x, y, n=n, random_state=0)
    assert noise.shape == (n, 3, 8, 8, 1)
    assert np.isfinite(noise).all()
    # The standard deviation of n draws has a relative standard error of 1/√(2n). 5.3 of these are
    # 12 % of 1,000 draws.
    np.testing.assert_allclose(noise.std(0), std, rtol=5.3 / math.sqrt(2 * n))
    np.testing.assert_allclose(noise.mean(), 0, atol=4 * std.mean() / math.sqrt(noise.size))


@pytest.mark.parametrize(
    ("device", "distribution"),
    devices_and("laplace", "uniform", "normal", on_cpu=["laplace"]),
    indirect=["device"],
)
def test_noise_of_other_distributions(make, device, quadrants, tmp_path, distribution):
    """Training, predictions, samples and files use the distribution asked for: the fourth moment tells."""
    x, y = (part[:256] for part in quadrants)
    clf = make(device, noise_distribution=distribution).fit(x, y)
    assert clf.score(x, y) > 0.9
    assert (clf.predict(x, noise="classwise") == y).mean() > 0.9
    clf.save(tmp_path / "m.govpn")
    clf = govpn.load(tmp_path / "m.govpn", device=device)
    assert clf.config_["noise_distribution"] == distribution
    z = clf.sample_noise(x[:50], y[:50], n=100, random_state=0) / clf.noise_std(x[:50], y[:50])
    assert (z**2).mean() == pytest.approx(1, abs=0.02)  # of 320,000 draws; standard error below 0.005
    fourth = {"laplace": 6, "uniform": 1.8, "normal": 3}[distribution]
    assert (z**4).mean() == pytest.approx(fourth, abs=0.09 * fourth)
    assert abs(z).max() < {"uniform": 1.733, "normal": 7, "laplace": 16}[distribution]


def test_label_smoothing(make, quadrants):
    """With K = 4 and e = 0.2, no loss is below the entropy of (0.85, 0.05, 0.05, 0.05): 0.5875 nats."""
    x, y = quadrants
    params = {"mode": "plain", "epochs": 20, "learning_rate": 0.05, "schedule": "constant"}
    plain, smooth = (make(label_smoothing=e, **params).fit(x, y, validation_data=(x, y)) for e in (0, 0.2))
    assert plain.history_["loss"][-1] < 0.1
    assert 0.5875 < smooth.history_["loss"][-1] < 0.75
    assert smooth.score(x, y) > 0.97
    assert smooth.history_["val_loss"][-1] < smooth.history_["loss"][-1] - 0.2  # is not smoothed
    assert smooth.predict_proba(x).max(1).mean() < plain.predict_proba(x).max(1).mean()


@pytest.mark.parametrize("device", CPU_IF_LONG, indirect=True)
def test_entropy_weight(make, device, quadrants, tmp_path):
    """The reward makes the noise larger, is part of the loss, and survives a file."""
    x, y = quadrants
    without, rewarded = (make(device, entropy_weight=w).fit(x, y) for w in (0, 0.3))
    assert rewarded.history_["std_mean"][-1] > 1.3 * without.history_["std_mean"][-1]
    assert rewarded.score(x, y) > 0.9
    assert rewarded.history_["loss"][-1] > without.history_["loss"][-1] + 0.3  # 0.3 * -log 0.3 = 0.36
    rewarded.save(tmp_path / "m.govpn")
    assert govpn.load(tmp_path / "m.govpn", device=device).config_["entropy_weight"] == 0.3


@pytest.mark.parametrize(
    ("device", "fusion"), devices_and("plane", "embedding", "film", on_cpu=["film"]), indirect=["device"]
)
def test_label_fusion(make, device, quadrants, tmp_path, fusion):
    """Two labels have different noise. Predictions and noise survive a file."""
    x, y = quadrants
    clf = make(device, label_fusion=fusion, learning_rate=0.003).fit(x, y)
    assert clf.score(x, y) > 0.9
    assert clf.evaluate(x, y)["std_label_change"] > 1e-4
    clf.save(tmp_path / "m.govpn")
    again = govpn.load(tmp_path / "m.govpn", device=device)
    assert again.label_fusion == fusion
    np.testing.assert_array_equal(again.noise_std(x, y), clf.noise_std(x, y))
    np.testing.assert_array_equal(again.predict(x, "classwise"), clf.predict(x, "classwise"))
    sizes = {f: make(label_fusion=f).estimate_memory((8, 8, 1), 4)["parameters"] for f in ("bias", fusion)}
    learned = {"plane": 1024 * 64 * 4, "embedding": 64 * 4, "film": 2 * 4 * 1024}[fusion]
    assert sizes[fusion] - sizes["bias"] == learned


@pytest.mark.parametrize("device", CPU_IF_LONG, indirect=True)
def test_noise_layer(make, device, quadrants, tmp_path):
    """The noise of a hidden layer has the shape of that layer, learns, and survives a file."""
    x, y = (part[:192] for part in quadrants)
    clf = make(device, learning_rate=0.001).set_params(base="dnn3", noise_layer=1).fit(x, y)
    assert clf.score(x, y) > 0.9
    assert clf.score(x, y, noise="classwise") > 0.9
    std, noise = clf.noise_std(x[:9], y[:9]), clf.sample_noise(x[:9], y[:9], n=50, random_state=0)
    assert (std.shape, noise.shape) == ((9, 1024), (50, 9, 1024))
    assert (noise / std).std() == pytest.approx(1, abs=0.01)  # 460,000 draws
    assert clf.evaluate(x[:9], y[:9])["std_mean"] == pytest.approx(std.mean(), rel=1e-4)
    clf.save(tmp_path / "m.govpn")
    again = govpn.load(tmp_path / "m.govpn", device=device)
    assert again.noise_layer == 1
    np.testing.assert_array_equal(again.predict_proba(x, "classwise"), clf.predict_proba(x, "classwise"))
    assert clf.estimate_memory((8, 8, 1), 4)["classwise"]["host_bytes"] > 0


def test_bounded_std_stays_within_its_range(make, quadrants):
    x, y = quadrants
    std = make(epochs=1, std="bounded", std_range=(0.05, 0.1)).fit(x, y).noise_std(x, y)
    assert std.min() >= 0.05 - 1e-6
    assert std.max() <= 0.1 + 1e-6


def test_seeds_of_draws(fitted, quadrants):
    x, y = quadrants[0][:2], quadrants[1][:2]
    own, again, zero, one = (fitted.sample_noise(x, y, random_state=s) for s in (None, None, 0, 1))
    np.testing.assert_array_equal(own, again)
    assert not np.array_equal(own, zero)
    assert not np.array_equal(zero, one)


def test_evaluate(fitted, quadrants):
    x, y = quadrants
    result = fitted.evaluate(x, y)
    probabilities = fitted.predict_proba(x)[np.arange(len(y)), y]
    assert result["images"] == len(x)
    assert result["accuracy"] == pytest.approx(fitted.score(x, y))
    assert result["cross_entropy"] == pytest.approx(-np.log(probabilities).mean(), rel=1e-3)
    std = fitted.noise_std(x, y)
    assert result["std_mean"] == pytest.approx(std.mean(), rel=1e-3)
    assert (result["std_min"], result["std_max"]) == pytest.approx((std.min(), std.max()), rel=1e-3)


@pytest.mark.parametrize("mode", ["plain", "gaussian"])
def test_modes_without_generator(make, quadrants, mode):
    model = make(epochs=3, mode=mode).fit(*quadrants)
    assert model.score(*quadrants) > 0.9
    assert model.evaluate(*quadrants)["std_mean"] is None
    with pytest.raises(govpn.GovpnError, match="generator"):
        model.noise_std(*quadrants)


LABELS = [["cat", "dog", "eel"], [3, 5, 11, 20], [False, True], [1.0, 2.0, 3.0], ["1", "2", "3", "True"]]


@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_labels_of_any_type(make, quadrants, labels, tmp_path):
    x, y = quadrants
    y = np.array(labels)[y % len(labels)]
    model = make(epochs=1, mode="plain").fit(x, y)
    assert model.classes_.tolist() == labels
    assert model.predict(x).dtype == y.dtype
    model.save(tmp_path / "model")
    loaded = govpn.load(tmp_path / "model", device="go")
    assert loaded.classes_.tolist() == labels
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_views_and_floats_are_images_too(fitted, quadrants):
    x, _ = quadrants
    want = fitted.predict_proba(x[:5])
    views = x[:5, ..., 0], x[:5] / np.float32(255), x[:5] / 255.0, x[4::-1][::-1], x[:5].copy(order="F")
    for images in views:
        np.testing.assert_allclose(fitted.predict_proba(images), want, rtol=1e-4, atol=1e-6)


def test_resume_equals_the_uninterrupted_run(make, quadrants, tmp_path):
    x, y = (part[:128] for part in quadrants)
    straight = make(epochs=4, schedule="constant").fit(x, y)
    half = make(epochs=2, schedule="constant").fit(x, y)
    half.save(tmp_path / "half")
    for model in (half, govpn.load(tmp_path / "half", device="go", verbose=0)):
        model.set_params(epochs=4).fit(x, y, resume=True)
        assert model.n_epochs_ == 4
        assert model.history_["loss"] == straight.history_["loss"]
        np.testing.assert_array_equal(model.predict_proba(x), straight.predict_proba(x))


def test_frozen_base_stays_and_generator_learns(make, quadrants, tmp_path):
    base = make(mode="plain").fit(*quadrants)
    base.export_safetensors(tmp_path / "base.safetensors")
    model = make(mode="frozen", epochs=1)
    model.import_safetensors(tmp_path / "base.safetensors", image_shape=(8, 8, 1), classes=4)
    before = model.decision_function(quadrants[0])
    model.fit(*quadrants)
    np.testing.assert_array_equal(model.decision_function(quadrants[0]), before)
    assert model.noise_std(*quadrants).std() > 0


def test_patience_stops_early(make, quadrants):
    model = make(epochs=50, patience=1).fit(*quadrants, validation_data=quadrants)
    assert model.n_epochs_ < 50


def test_build_info_and_devices():
    info = govpn.build_info()
    assert info["version"] == govpn.__version__
    assert info["simd"] or info["arch"] != "amd64"
    assert {d["device"] for d in govpn.devices()} == {"go", "cpu", "cuda"}
    assert json.dumps(info)


def test_log_probabilities(make):
    x, y = make_quadrants(64)
    model = make(epochs=1, learning_rate=300.0, optimizer="sgd", mode="plain").fit(x, y)
    proba, logs, logits = model.predict_proba(x), model.predict_log_proba(x), model.decision_function(x)
    assert logs.dtype == np.float32
    assert (proba == 0).any()  # the logits lie so far apart that float32 has no such probability
    assert np.isfinite(logs).all()
    np.testing.assert_array_equal(logs[proba > 1e-30], np.log(proba[proba > 1e-30]))
    spread = logits[proba == 0] - np.broadcast_to(logits.max(1, keepdims=True), logits.shape)[proba == 0]
    np.testing.assert_allclose(logs[proba == 0], spread, rtol=1e-2)
    noisy = model.predict_log_proba(x, noise="gaussian", std=0.1)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(noisy, np.log(model.predict_proba(x, noise="gaussian", std=0.1)))
