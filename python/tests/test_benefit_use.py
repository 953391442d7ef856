"""A trained classifier's noise_benefit, and noise "label" and "gaussian": kinds of data, and misuse."""

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import NAMES, make_quadrants
from conftest import write as write_images


@pytest.fixture(scope="module")
def joint(make, quadrants):
    return make(label_coefficient=1).fit(*quadrants)


def test_arrays_tables_and_streams_agree(joint, tmp_path):
    x, y = make_quadrants(40, seed=3)
    write_images(tmp_path, x, y)
    stream = govpn.datasets.image_folder(tmp_path, channels=1, stream=True)
    order = np.argsort(y, kind="stable")  # the order of the images in the folder
    x, y = x[order], y[order]
    want = joint.noise_benefit(x, y, samples=2).to_dict()
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(x), "label": y})
    got = joint.noise_benefit(stream, samples=2).to_dict()
    assert got["per_class"].pop("class") == list(NAMES)
    assert want["per_class"].pop("class") == ["0", "1", "2", "3"]
    assert got == want
    got = joint.noise_benefit(table, samples=2).to_dict()
    del got["per_class"]["class"]
    assert got == want
    other = joint.noise_benefit(x, y, samples=2, random_state=5)
    assert other.task_entropy == want["task_entropy"]
    assert other.conditional_entropy != want["conditional_entropy"]
    assert other.accuracy == joint.score(x, y)
    assert other.std_mean == pytest.approx(joint.noise_std(x, y).mean(), rel=1e-5)


def test_noise_of_predict_and_evaluate(joint, quadrants):
    x, y = quadrants
    np.testing.assert_array_equal(joint.predict_proba(x, "gaussian", std=0), joint.predict_proba(x))
    np.testing.assert_array_equal(joint.predict(x, noise="gaussian", std=np.float32(0)), joint.predict(x))
    noisy = joint.predict_proba(x, "gaussian", 3, 5, std=0.5)
    np.testing.assert_allclose(noisy.sum(1), 1, rtol=1e-5)
    result = joint.evaluate(x, y, "gaussian", samples=3, random_state=5, std=0.5)
    assert result["cross_entropy"] == pytest.approx(-np.log(noisy[np.arange(len(y)), y]).mean(), rel=1e-4)
    assert result["accuracy"] == pytest.approx((noisy.argmax(1) == y).mean())
    assert joint.score(x, y, noise="gaussian", std=0.5) < joint.score(x, y)
    assert joint.score(x, y, noise="label") == pytest.approx(joint.evaluate(x, y, "label")["accuracy"])


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m, x, y: m.noise_benefit(x), "y is None"),
        (lambda m, x, y: m.noise_benefit(x, y + 1), r"y\[\d+\] is .*4.*, want one of the classes 0, 1, 2, 3"),
        (lambda m, x, y: m.noise_benefit(x, y[:3]), "y has 3 labels, want"),
        (lambda m, x, y: m.noise_benefit(x[:1], y[:1]), "X has 1 image, want at least 2"),
        (lambda m, x, y: m.noise_benefit(x, y, samples=0), "samples is 0, want 1 to 1000000"),
        (lambda m, x, y: m.noise_benefit(x, y, samples=2.0), "samples is 2.0 of type float"),
        (lambda m, x, y: m.noise_benefit(x, y, random_state="a"), "random_state is 'a'"),
        (lambda m, x, y: m.predict(x, noise="label"), 'noise is "label", which reads labels; want evaluate'),
        (lambda m, x, y: m.predict(x, noise="gaussian"), "Std is missing with Noise gaussian"),
        (lambda m, x, y: m.predict(x, std=0.1), "Std is 0.1 with Noise none"),
        (lambda m, x, y: m.evaluate(x, y, "label", std=0.1), "Std is 0.1 with Noise label"),
        (lambda m, x, y: m.predict(x, noise="gaussian", std="a"), "std is 'a' of type str, want a number"),
        (lambda m, x, y: m.predict(x, noise="gaussian", std=float("inf")), "std is inf, want a finite"),
        (lambda m, x, y: m.predict(x, noise="gaussian", std=-1), "Std is -1, want a finite number ≥ 0"),
    ],
)
def test_misuse(joint, quadrants, use, message):
    with pytest.raises(govpn.GovpnError, match=message):
        use(joint, *quadrants)


@pytest.mark.parametrize("mode", ["plain", "gaussian"])
def test_models_without_a_generator(make, quadrants, mode):
    x, y = quadrants
    model = make(mode=mode, epochs=1).fit(x, y)
    with pytest.raises(ValueError, match=f"mode is '{mode}', which has no generator; want joint or frozen"):
        model.noise_benefit(x, y)
    assert model.score(x, y, noise="gaussian", std=0.01) > 0.5
    with pytest.raises(govpn.NotFittedError):
        make().noise_benefit(x, y)


def test_an_untrained_generator_warns(make, quadrants, tmp_path):
    make(mode="plain", epochs=1).fit(*quadrants).export_safetensors(tmp_path / "base")
    model = make().import_safetensors(tmp_path / "base", (8, 8, 1), 4)
    with pytest.warns(govpn.GovpnWarning, match="the generator is newly initialised"):
        model.noise_benefit(*quadrants, samples=1)
