"""Scorer turns Arrow batches of images into predictions and noise maps."""

import os
import pickle
import subprocess
import sys

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import LIGHT, make_quadrants, png
from govpn import _lib, _scorer

X, Y = make_quadrants(40)
IDS = pa.array(range(40))


@pytest.fixture(scope="module")
def clf(make):
    return make(epochs=2).fit(X, np.array(["a", "b", "c", "d"])[Y])


@pytest.fixture(scope="module")
def batch():
    return pa.record_batch({"id": IDS, "image": govpn.to_arrow(X), "true": pa.array(Y)})


def numbers(column):
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return govpn._arrow.numbers(column).reshape(len(column), -1)


def test_equals_the_classifier(clf, batch):
    scorer = govpn.Scorer(clf, ("label", "proba", "std", "gradient"), device="go")
    scored = scorer(batch)
    labels = clf.predict(X)
    assert scored.column_names == ["id", "true", "label", "proba", "std", "gradient"]
    assert scored["id"].equals(IDS)
    assert scored["label"].to_pylist() == labels.tolist()
    assert scored["std"].type.shape == [8, 8, 1]
    np.testing.assert_array_equal(numbers(scored["proba"]), clf.predict_proba(X))
    np.testing.assert_array_equal(numbers(scored["std"]), clf.noise_std(X, labels).reshape(40, -1))
    np.testing.assert_array_equal(numbers(scored["gradient"]), clf.input_gradient(X, labels).reshape(40, -1))


def test_sigma_of_given_labels(clf, batch):
    renamed = batch.set_column(2, "truth", pa.array(clf.classes_[Y]))
    scored = govpn.Scorer(clf, {"std": "σ"}, label_column="truth", device="go")(renamed)
    want = clf.noise_std(X, clf.classes_[Y])
    np.testing.assert_array_equal(numbers(scored["σ"]), want.reshape(40, -1))
    assert (want != clf.noise_std(X, clf.predict(X))).any()


def test_noise(clf, batch):
    scorer = govpn.Scorer(clf, "proba", noise="classwise", samples=2, random_state=5, device="go")
    want = clf.predict_proba(X, noise="classwise", samples=2, random_state=5)
    np.testing.assert_array_equal(numbers(scorer(batch)["proba"]), want)


def test_tables_and_empty_batches(clf, batch):
    scorer = govpn.Scorer(clf, ("label", "proba", "std"), device="go")
    table = pa.Table.from_batches([batch[:7], batch[7:]])
    scored = scorer(table)
    assert scored.equals(pa.Table.from_batches([scorer(batch)]))
    for empty in (batch[:0], table[:0], table.schema.empty_table()):
        assert scorer(empty).schema.equals(scored.schema)
        assert len(scorer(empty)) == 0
    lazy = pa.Table.from_batches(scorer.map(iter([batch[:3], batch[3:]])))
    assert lazy.select(["id", "true", "label"]).equals(scored.select(["id", "true", "label"]))
    for name in ("proba", "std"):
        np.testing.assert_allclose(numbers(lazy[name]), numbers(scored[name]), atol=1e-6)


def images_of_engines():
    flat = X.reshape(40, -1)
    floats = [list(map(float, row)) for row in flat / np.float32(255)]
    return {
        "lists": (pa.array(list(flat)), {}),
        "float lists": (pa.array(floats, pa.list_(pa.float32())), {}),
        "large lists": (pa.array(list(flat), pa.large_list(pa.uint8())), {}),
        "fixed-size lists": (pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), 64), {}),
        "lists in lists": (pa.array(X[..., 0].tolist(), pa.list_(pa.list_(pa.uint8()))), {}),
        "raw": (pa.array([x.tobytes() for x in X]), {"raw": True}),
        "raw, large": (pa.array([x.tobytes() for x in X], pa.large_binary()), {"raw": True}),
        "encoded": (pa.array([png(x) for x in X]), {}),
    }


@pytest.mark.parametrize("kind", images_of_engines())
def test_images(kind, clf):
    images, options = images_of_engines()[kind]
    scorer = govpn.Scorer(clf, "proba", image_column="photo", device="go", **options)
    want = clf.predict_proba(X)
    for part in (slice(None), slice(5, 21)):
        scored = scorer(pa.record_batch({"photo": images[part]}))
        np.testing.assert_allclose(numbers(scored["proba"]), want[part], atol=1e-6)


def test_nothing_is_copied():
    for images in (pa.array(list(X.reshape(40, -1)))[3:9], pa.array([x.tobytes() for x in X])[3:9]):
        tensors = _scorer.pixels(images, (8, 8, 1), raw=True)
        memory = [b.address for b in images.buffers() if b]
        assert tensors.storage.flatten().buffers()[1].address in memory
        np.testing.assert_array_equal(numbers(tensors), X[3:9].reshape(6, -1))


def test_lists_for_engines_without_tensors(clf, batch):
    scored = govpn.Scorer(clf, ("proba", "std"), tensors=False, device="go")(batch)
    assert scored["proba"].type == pa.list_(pa.float32())
    np.testing.assert_array_equal(numbers(scored["proba"]), clf.predict_proba(X))
    np.testing.assert_array_equal(numbers(scored["std"]), clf.noise_std(X, clf.predict(X)).reshape(40, -1))


def test_features(make):
    wide = X.reshape(40, 64) * 3.5 - 7  # outside 0 to 1, so that fit finds a pixel_range
    clf = make(epochs=1).fit(wide, Y)
    column = pa.FixedSizeListArray.from_arrays(pa.array(wide.reshape(-1)), 64)
    scored = govpn.Scorer(clf, "proba", device="go")(pa.record_batch({"image": column}))
    np.testing.assert_array_equal(numbers(scored["proba"]), clf.predict_proba(wide))


def test_a_process_opens_a_model_once(clf, batch, tmp_path):
    clf.save(tmp_path / "model.govpn")
    scorer = govpn.Scorer(tmp_path / "model.govpn", device="go")
    assert scorer.classifier() is pickle.loads(pickle.dumps(scorer)).classifier()
    assert len(pickle.dumps(scorer)) < 2000  # only the path is pickled
    carried = pickle.loads(pickle.dumps(govpn.Scorer(clf, device="go")))
    (tmp_path / "model.govpn").unlink()
    assert carried(batch).equals(govpn.Scorer(clf, device="go")(batch))
    with pytest.raises(FileNotFoundError) as caught:
        scorer(batch)
    assert isinstance(caught.value, govpn.errors.FileError)


def test_no_threads_are_all_cores(monkeypatch):
    sent = []
    monkeypatch.setattr(
        _lib, "call", lambda name, options: sent.append((name, options, os.environ.get("NPROC")))
    )
    monkeypatch.setenv("NPROC", "7")
    for count in (0, 1, 0, 0):
        _lib.limit_threads(count)
    assert sent == [("govpn_init", b'{"threads": 1}', "1"), ("govpn_init", b'{"threads": 0}', None)]


THREADS = """
import os, govpn, numpy as np, pyarrow as pa
scorer = govpn.Scorer(sys.argv[1], device="cpu", threads=3)
scorer(pa.record_batch({"image": govpn.to_arrow(np.zeros((4, 8, 8, 1), np.uint8))}))
names = []
for task in os.listdir("/proc/self/task"):
    try:
        names.append(open(f"/proc/self/task/{task}/comm").read())
    except OSError:  # a thread that has just ended
        pass
print(names.count("tf_XLAEigen\\n"))
"""


def test_threads_reach_xla(clf, device, tmp_path):
    if device != "cpu" or not sys.platform.startswith("linux"):
        pytest.skip("threads are counted on device cpu, on Linux")
    clf.save(tmp_path / "model.govpn")
    command = [sys.executable, "-c", f"{LIGHT}\n{THREADS}", tmp_path / "model.govpn"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "3\n"


def test_misuse(clf, batch):
    with pytest.raises(ValueError, match="output has 'sigma', want of label, proba, std, gradient"):
        govpn.Scorer(clf, "sigma")
    with pytest.raises(ValueError, match=r"output is \(\), want at least one"):
        govpn.Scorer(clf, ())
    with pytest.raises(TypeError, match="model is a int, want a fitted VPNClassifier, the path"):
        govpn.Scorer(3)
    with pytest.raises(govpn.NotFittedError):
        govpn.Scorer(govpn.VPNClassifier())
    with pytest.raises(ValueError, match="threads is -1, want 0"):
        govpn.Scorer(clf, threads=-1)
    scorer = govpn.Scorer(clf, {"label": "true"}, device="go")
    with pytest.raises(ValueError, match="output has 'true', which is a column of the batch"):
        scorer(batch)
    scorer = govpn.Scorer(clf, device="go")
    with pytest.raises(ValueError, match=r"columns \['id'\], want one named image, images"):
        scorer(batch.select(["id"]))
    with pytest.raises(ValueError, match="want picture"):
        govpn.Scorer(clf, image_column="picture", device="go")(batch)
    with pytest.raises(ValueError, match=r"other than 64 numbers, want \(8, 8, 1\) of the model"):
        scorer(pa.record_batch({"image": pa.array([[1, 2, 3]], pa.list_(pa.uint8()))}))
    with pytest.raises(ValueError, match="not a safetensors file"):
        govpn.Scorer(b"no model", device="go")(batch)
