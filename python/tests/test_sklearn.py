"""What scikit-learn's users expect: check_estimator, searches, features, weights, partial_fit."""

import pickle
import subprocess
import sys

import govpn
import numpy as np
import pytest
from conftest import DEVICES, LONG, make_quadrants

sklearn = pytest.importorskip("sklearn")
import joblib  # noqa: E402
from sklearn import base, model_selection, pipeline, preprocessing  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

CHECKED = [
    govpn.VPNClassifier(
        "sr", "dnn3", device=device, epochs=12, batch_size=64, learning_rate=0.1, verbose=0, random_state=0
    )
    for device in ("go", "cpu")
]
# The checks of scikit-learn that are known to fail, and why.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "images are drawn batch by batch, with noise of their "
    "own: a weight of 2 and the image twice are equal in expectation only"
}
# The checks of an ordinary run on cpu, where every model compiles for seconds: one image, one class.
ON_CPU = {"check_fit2d_1sample", "check_classifiers_one_label"}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(CHECKED, expected_failed_checks=lambda _: EXPECTED)
def test_check_estimator(estimator, check):
    if not DEVICES[estimator.device]["available"]:
        pytest.skip(DEVICES[estimator.device]["why"])
    if estimator.device == "cpu" and check.func.__name__ not in ON_CPU and not LONG:
        pytest.skip("long: each check compiles for seconds")
    if check.func.__name__ == "check_classifiers_train" and len(check.keywords) == 1 and not LONG:
        pytest.skip("long: another check trains as long on float32 in such memory")
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)  # 64 features from 0 to 16
    return x[:600], y[:600]


def test_it_is_an_estimator(make):
    model = make()
    assert isinstance(model, base.ClassifierMixin)
    assert isinstance(model, base.BaseEstimator)
    assert base.is_classifier(model)


def test_features_are_images(make, digits, capsys):
    x, y = digits
    model = make(mode="plain", verbose=1, epochs=10).fit(x, y)
    assert (
        "X has 64 features, taken as images 8x8x1 (image_shape), values from 0 to 16 as"
        in capsys.readouterr().out
    )
    assert (model.image_shape_, model.pixel_range_, model.n_features_in_) == ((8, 8, 1), (0, 16), 64)
    assert model.score(x, y) > 0.9
    images = np.float32(x.reshape(-1, 8, 8, 1) / 16)
    twin = make(mode="plain", epochs=10).fit(images, y)
    np.testing.assert_allclose(model.predict_proba(x), twin.predict_proba(images), atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(x.tolist()), model.predict_proba(x), atol=1e-6)
    assert model.noise_std is not None


@pytest.mark.parametrize(
    ("count", "image_shape", "want"),
    [(12, None, (2, 2, 3)), (7, None, (1, 7, 1)), (12, (3, 4), (3, 4, 1)), (1, None, (1, 1, 1))],
)
def test_image_shape(make, count, image_shape, want):
    x, y = np.random.default_rng(0).random((40, count)), np.arange(40) % 2
    model = make(mode="plain", epochs=1, image_shape=image_shape).fit(x, y)
    assert model.image_shape_ == want
    assert model.pixel_range_ == (0, 1)
    with pytest.raises(ValueError, match=f"image_shape is .*, and X has {count} features"):
        model.set_params(image_shape=(5, 5)).fit(x, y)


def test_pixel_range_of_images(make, quadrants, tmp_path):
    x, y = quadrants
    centred = x / 127.5 - 1
    model = make(mode="plain", pixel_range=(-1, 1)).fit(centred, y, validation_data=(centred, y))
    twin = make(mode="plain").fit(x, y, validation_data=(x, y))
    np.testing.assert_allclose(model.predict_proba(centred), twin.predict_proba(x), atol=1e-4)
    model.save(tmp_path / "model")
    for copy in (govpn.load(tmp_path / "model", device="go", verbose=0), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copy.predict_proba(centred), model.predict_proba(centred))
        assert copy.get_params()["pixel_range"] == (-1, 1)


def test_features_survive_a_file(make, digits, tmp_path):
    model = make(mode="plain", epochs=2).fit(*digits)
    model.save(tmp_path / "model")
    loaded = govpn.load(tmp_path / "model", device="go", verbose=0)
    np.testing.assert_array_equal(loaded.predict_proba(digits[0]), model.predict_proba(digits[0]))
    assert (loaded.n_features_in_, loaded.pixel_range_) == (64, (0, 16))
    with pytest.raises(ValueError, match="X has 9 features, but VPNClassifier is expecting 64 features"):
        loaded.predict(digits[0][:, :9])


def test_data_frames(make, digits):
    pandas = pytest.importorskip("pandas")
    x, y = digits
    frame = pandas.DataFrame(x, columns=[f"p{i}" for i in range(64)])
    model = make(mode="plain", epochs=2).fit(frame, y)
    assert list(model.feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(model.predict(frame), make(mode="plain", epochs=2).fit(x, y).predict(x))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])
    assert not hasattr(model.fit(x, y), "feature_names_in_")


def test_searches_with_workers(make, digits):
    pipe = pipeline.make_pipeline(preprocessing.MinMaxScaler(), make(mode="plain", epochs=3))
    grid = {"vpnclassifier__learning_rate": [1e-6, 0.02]}
    search = model_selection.GridSearchCV(pipe, grid, cv=2, n_jobs=2).fit(*digits)
    assert search.best_params_ == {"vpnclassifier__learning_rate": 0.02}
    assert search.score(*digits) > 0.85


def test_fitted_ones_in_workers(make, digits):
    model = make(mode="plain", epochs=3).fit(*digits)
    parts = np.array_split(digits[0], 4)
    answers = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(model.predict_proba)(x) for x in parts)
    np.testing.assert_array_equal(np.concatenate(answers), model.predict_proba(digits[0]))


def test_weights_decide(make, quadrants):
    """If images contradict each other, the label of those with a weight wins."""
    x, y = quadrants
    both, labels = np.concatenate([x, x]), np.concatenate([y, (y + 1) % 4])
    weights = np.repeat([1.0, 0.05], len(x))
    for wanted, weight in ((y, weights), ((y + 1) % 4, weights[::-1])):
        model = make(mode="plain").fit(both, labels, sample_weight=weight)
        assert (model.predict(x) == wanted).mean() > 0.9


def test_class_weight(make, quadrants):
    x, y = quadrants
    text = np.array(["a", "b", "c", "d"])[y]
    model = make(mode="plain", epochs=2, class_weight={"c": 1000, "a": 1e-4, "b": 1e-4, "d": 1e-4}).fit(
        x, text
    )
    assert (model.predict(x) == "c").mean() > 0.9
    # Class 0 has three times as many images, so "balanced" gives its images a third of the weight.
    tripled, labels = np.concatenate([x, x[y == 0], x[y == 0]]), np.concatenate([y, y[y == 0], y[y == 0]])
    counts = np.bincount(labels)
    weight = (len(labels) / (4 * counts))[labels]
    balanced = make(mode="plain", epochs=2, class_weight="balanced").fit(tripled, labels)
    weighted = make(mode="plain", epochs=2).fit(tripled, labels, sample_weight=weight)
    np.testing.assert_allclose(balanced.predict_proba(x), weighted.predict_proba(x), atol=1e-6)
    soft = make(mode="plain", epochs=2, class_weight="balanced").fit(tripled, np.eye(4)[labels])
    np.testing.assert_allclose(soft.predict_proba(x), balanced.predict_proba(x), atol=1e-4)


def test_partial_fit(make, quadrants):
    x, y = quadrants
    model = make(mode="plain")
    for _ in range(6):
        for part in np.array_split(np.arange(len(x)), 3):
            assert model.partial_fit(x[part], y[part], classes=[3, 2, 1, 0]) is model
    assert model.n_epochs_ == 18
    assert model.score(x, y) > 0.9
    assert model.history_["loss"][-1] < model.history_["loss"][0] / 2
    rates = model.history_["learning_rate"]
    assert rates == [0.01] * 18


def test_partial_fit_goes_on_after_fit(make, quadrants):
    x, y = quadrants
    model = make(mode="plain", epochs=1, learning_rate=1e-4).fit(x, y)
    before = model.score(x, y)
    for _ in range(5):
        model.set_params(learning_rate=1e-4).partial_fit(x, y)
    assert model.n_epochs_ == 6
    assert model.history_["loss"][-1] < model.history_["loss"][0]
    assert model.score(x, y) >= before


def test_warm_start(make, quadrants):
    x, y = quadrants
    model = make(epochs=3, warm_start=True).fit(x, y)
    loss = model.history_["loss"]
    model.set_params(learning_rate=0.005).fit(x, y)
    assert model.n_epochs_ == 3  # the epochs of this fit alone
    assert model.history_["loss"][0] < loss[0] * 0.8
    assert model.config_["learning_rate"] == 0.005
    with pytest.raises(ValueError, match=r"warm_start: X and y have images .* and classes 0, 1, want"):
        model.fit(x, y % 2)
    assert model.score(x, y) > 0.9


def test_two_classes(make, quadrants):
    x, y = quadrants
    model = make(mode="plain").fit(x, np.where(y > 1, "low", "high"))
    scores = model.decision_function(x)
    assert scores.shape == (len(x),)
    np.testing.assert_array_equal(model.classes_[(scores > 0).astype(int)], model.predict(x))
    proba = model.predict_proba(x)
    np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-scores)), atol=1e-6)


def test_without_scikit_learn(tmp_path):
    """Without scikit-learn, everything but its own functions works."""
    program = """if True:
        import sys
        sys.modules["sklearn"] = None
        import numpy as np, govpn
        x = np.random.default_rng(0).normal(size=(64, 9)); y = (x[:, 0] > 0) * 1
        clf = govpn.VPNClassifier("sr", mode="plain", device="go", epochs=20, learning_rate=0.1, verbose=0)
        print(clf, clf.get_params()["epochs"], clf.set_params(batch_size=16).fit(x, y).score(x, y) > 0.8)
        for bad in (x[:, :4], x[:, :4] * np.nan, x * 1j):
            try:
                clf.predict(bad)
            except ValueError as error:
                print(error)
        try:
            govpn.VPNClassifier().predict(x)
        except govpn.NotFittedError as error:
            print(isinstance(error, AttributeError), error)
        try:
            clf.set_params(colour=1)
        except ValueError as error:
            print(error)
    """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert lines[0].startswith("VPNClassifier(base='sr', batch_size=16, device='go', epochs=20")
    assert lines[0].endswith("20 True")
    assert lines[1] == "X has 4 features, but VPNClassifier is expecting 9 features as input"
    assert lines[2] == "X contains NaN or infinity, want finite features"
    assert lines[3] == "X has dtype complex128, want real numbers"
    assert lines[4].startswith("True this VPNClassifier has no weights yet")
    assert lines[5].startswith("VPNClassifier has no parameter 'colour', want one of base, generator")


def test_a_failed_fit_changes_nothing(make, digits):
    x, y = digits
    model = make(mode="plain", epochs=1).fit(x, y)
    before = model.predict_proba(x)
    with pytest.raises(ValueError, match="y has 3 labels"):
        model.fit(x[:, :9], y[:3])
    assert (model.n_features_in_, model.image_shape_) == (64, (8, 8, 1))
    np.testing.assert_array_equal(model.predict_proba(x), before)


def test_features_of_any_dtype(make):
    x, y = make_quadrants(64)
    model = make(mode="plain", epochs=1).fit(x.reshape(64, -1), y)
    assert model.pixel_range_ == (0, 255)  # the range of uint8
    floats = np.float64(x.reshape(64, -1))
    np.testing.assert_allclose(model.predict_proba(x), model.predict_proba(floats), atol=1e-6)
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(x.reshape(64, -1)))
