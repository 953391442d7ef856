"""Soft labels: fit takes probabilities (N, K) in place of classes."""

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import LONG, NAMES, make_quadrants, write
from govpn import datasets

ONE_HOT = np.eye(4, dtype=np.float32)


def vague(y):
    """Returns probabilities: 0.7 for the label, 0.1 for each of the other three classes."""
    return (0.6 * ONE_HOT + 0.1)[y]


@pytest.mark.parametrize("mode", ["joint", "plain", "gaussian"])
def test_one_hot_trains_as_classes_do(make, quadrants, mode):
    x, y = quadrants
    params = {"mode": mode, "epochs": 2, "noise_samples": 2, "label_smoothing": 0.1}
    hard, soft = (make(**params).fit(x, labels, validation_data=(x, y)) for labels in (y, ONE_HOT[y]))
    for column in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(soft.history_[column], hard.history_[column], rtol=1e-4)
    assert soft.classes_.tolist() == [0, 1, 2, 3]
    assert (soft.data_info_["soft_labels"], hard.data_info_["soft_labels"]) == (True, False)


def test_probabilities_are_learned(make, quadrants):
    """The loss falls to the entropy of (0.7, 0.1, 0.1, 0.1), 0.940 nats, and val_loss to -log 0.7 = 0.357.

    val_loss takes the largest probability as the label.
    """
    x, y = quadrants
    params = {"mode": "plain", "epochs": 60, "learning_rate": 0.01, "restore_best": False}
    model = make(**params).fit(x, vague(y).astype(float), validation_data=(x, vague(y)))
    assert model.history_["loss"][-1] == pytest.approx(0.940, abs=0.02)
    assert model.history_["val_loss"][-1] == pytest.approx(0.357, abs=0.05)
    assert model.history_["accuracy"][-1] > 0.98
    assert model.predict_proba(x)[ONE_HOT[y] == 1].mean() == pytest.approx(0.7, abs=0.03)
    assert model.score(x, y) > 0.98


def test_every_way_in_is_the_same(make, device, quadrants, tmp_path):
    """Soft labels of every kind of data train the same weights.

    The kinds are arrays, lent memory, Arrow tables (one or several chunks, lists or tensors) and streams of
    files with labels beside them.
    """
    x, y = quadrants
    order = np.argsort(y, kind="stable")  # the order of the folder
    x, soft = x[order], vague(y[order])
    want = make(device, epochs=1, mode="plain").fit(x, soft).predict_proba(x)
    write(tmp_path, x, y[order])
    stream = datasets.image_folder(tmp_path, channels=1, stream=True)
    lent = govpn.empty(x.shape, device=device)
    lent[:] = x
    image = pa.FixedShapeTensorArray.from_numpy_ndarray(x)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(soft.astype(float).reshape(-1)), 4)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(soft)
    tables = [pa.table({"image": image, "label": labels}) for labels in (lists, tensors)]
    chunked = pa.concat_tables([tables[0].slice(0, 100), tables[0].slice(100)])
    kinds = [(lent, soft), (stream, soft), (x, soft.tolist()), *((t,) for t in (*tables, chunked))]
    for data in kinds if LONG or device == "go" else kinds[:2]:  # cpu compiles for each of them
        model = make(device, epochs=1, mode="plain").fit(*data)
        assert model.data_info_["soft_labels"]
        np.testing.assert_array_equal(model.predict_proba(x), want)
    again, hard = (make(device, epochs=1, mode="plain").fit(images, y[order]) for images in (lent, x))
    np.testing.assert_array_equal(again.predict_proba(x), hard.predict_proba(x))  # the soft labels are gone


def test_validation_on_the_training_images(make, quadrants):
    x, y = quadrants
    lent = govpn.empty(x.shape)
    lent[:] = x
    model = make(epochs=1).fit(lent, vague(y), validation_data=(lent, y))
    assert model.n_epochs_ == 1
    with pytest.raises(ValueError, match="X itself with other labels"):
        model.fit(lent, vague(y), validation_data=(lent, 3 - y))


def test_class_names_are_the_classes(make, quadrants, tmp_path):
    x, y = quadrants
    soft = datasets.Labels(vague(y), NAMES)
    assert (soft.dtype, soft[3:].class_names) == (np.float32, NAMES)
    numbers, names = datasets.Labels(y, NAMES), np.array(NAMES)[y]
    for held_out in (soft, names, numbers):
        model = make(epochs=1, mode="plain").fit(x, soft, validation_data=(x, held_out))
        assert model.classes_.tolist() == list(NAMES)
        assert model.history_["val_accuracy"] == [model.score(x, names)]
    model.save(tmp_path / "m")
    loaded = govpn.load(tmp_path / "m", device="go", verbose=0)
    assert loaded.classes_.tolist() == list(NAMES)
    for labels in (soft, names, numbers, vague(y)):
        loaded.set_params(epochs=loaded.n_epochs_ + 1).fit(x, labels, resume=True)
    other = datasets.Labels(vague(y), ("a", "b", "e", "c"))
    with pytest.raises(ValueError, match="y has the class name 'e', want those of 'a', 'b', 'c', 'd'"):
        loaded.fit(x, other, resume=True)


def test_resume_equals_the_uninterrupted_run(make, quadrants, tmp_path):
    x, y = (part[:128] for part in quadrants)
    straight = make(epochs=4, schedule="constant").fit(x, vague(y))
    make(epochs=2, schedule="constant").fit(x, vague(y)).save(tmp_path / "half")
    model = govpn.load(tmp_path / "half", device="go", verbose=0).set_params(epochs=4)
    model.fit(x, vague(y), resume=True)
    assert model.history_["loss"] == straight.history_["loss"]
    np.testing.assert_array_equal(model.predict_proba(x), straight.predict_proba(x))


def test_imported_weights_keep_their_classes(make, quadrants, tmp_path):
    x, y = quadrants
    base = make(mode="plain").fit(x, y)
    base.export_safetensors(tmp_path / "b", part="base")
    model = make(mode="frozen", epochs=2).import_safetensors(tmp_path / "b", (8, 8, 1), ["d", "a", "b", "c"])
    model.fit(x, vague(y))
    assert model.classes_.tolist() == ["d", "a", "b", "c"]
    np.testing.assert_array_equal(
        model.decision_function(x), base.decision_function(x)
    )  # the base is bit-identical
    with pytest.raises(ValueError, match="y has 3 columns, want 4: one for each class, 'd', 'a', 'b', 'c'"):
        model.fit(x, ONE_HOT[:3, :3][y % 3])


def test_split_keeps_rows_and_proportions():
    x, y = make_quadrants(200)
    soft = vague(y)
    soft[:, 0] += np.arange(200) / 1e6  # differs by row
    (x1, soft1), (x2, soft2) = datasets.split(x, soft, first=50)
    (_, y1), _ = datasets.split(x, y, first=50)
    np.testing.assert_array_equal(soft1.argmax(1), y1)
    row_of = {row.tobytes(): i for i, row in enumerate(soft)}
    for images, rows in ((x1, soft1), (x2, soft2)):
        np.testing.assert_array_equal(x[[row_of[row.tobytes()] for row in rows]], images)


X, Y = make_quadrants(64)
SOFT = vague(Y)


def changed(index, value):
    soft = SOFT.copy()
    soft[index] = value
    return soft


BAD = {  # what the message says: y
    r"y\[3, 1\] is -0\.1, want a probability: 0 or more": changed((3, 1), -0.1),
    r"y\[3, 1\] is nan, want a probability": changed((3, 1), np.nan),
    r"y\[3, 1\] is inf": changed((3, 1), np.inf),
    r"y\[5\] has the sum 0\.9, want probabilities of sum 1 \(up to 0\.001\)": changed(
        (5, slice(None)), 0.225
    ),
    r"y\[0\] has the sum 4": np.ones((64, 4)),
    r"y has 63 labels, want 64": SOFT[:-1],
    r"y has shape \(64, 0\)": np.ones((64, 0)),
    r"y has shape \(64, 4\) and dtype int64, want \(N,\): one label per image; only fit": ONE_HOT[Y].astype(
        int
    ),
    r"y has shape \(64, 4\) and dtype bool": ONE_HOT[Y].astype(bool),
    r"y has shape \(64, 4, 1\)": SOFT[..., None],
    r"y has nulls": pa.array([None, *SOFT[1:].tolist()], pa.list_(pa.float32(), 4)),
    r"y has Arrow type .*int64.*, want labels, or lists of float": pa.array(
        [[1, 0]] * 64, pa.list_(pa.int64(), 2)
    ),
    r"y has 4 columns and 3 class_names": datasets.Labels(SOFT, NAMES[:3]),
    r"'a' twice": datasets.Labels(SOFT, ("a", "a", "b", "c")),
}


@pytest.fixture(scope="module")
def model(make):
    return make(epochs=1, mode="plain").fit(X, Y)


@pytest.mark.parametrize("message", BAD)
def test_misuse(model, message):
    before = model.predict_proba(X)
    with pytest.raises(govpn.GovpnError, match=message) as caught:
        model.fit(X, BAD[message])
    assert isinstance(caught.value, ValueError)
    if "class_names" not in message and "twice" not in message:
        with pytest.raises(ValueError, match="validation_data " + message):
            model.fit(X, Y, validation_data=(X, BAD[message]))
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_only_fit_takes_them(model):
    for use in (model.score, model.evaluate, model.noise_std):
        with pytest.raises(ValueError, match=r"only fit takes floats \(N, K\)"):
            use(X, SOFT)
    with pytest.raises(ValueError, match="y has 3 columns, want 4"):
        model.fit(X, ONE_HOT[:3, :3][Y % 3], resume=True)
    with pytest.raises(ValueError, match="validation_data y has 3 columns, want 4"):
        model.fit(X, SOFT, validation_data=(X, ONE_HOT[:3, :3][Y % 3]))
