"""govpn.ray, if Ray is installed. `make ray` installs it."""

import doctest
import importlib
import os
import signal

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import make_quadrants
from govpn.ray import _tune

ray = pytest.importorskip("ray")
for part in ("data", "train", "tune"):
    pytest.importorskip(f"ray.{part}")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray warns of things of its own

X, Y = make_quadrants(200)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Ray with two workers of one core on this machine."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=300 << 20)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def clf(make):
    return make(epochs=2).fit(X, Y)


def scored_rows(dataset, name):
    return np.concatenate([batch[name] for batch in dataset.iter_batches(batch_format="numpy")])


class Fragile(govpn.Scorer):
    """A Scorer that ends its process, once, at the batch with a certain id."""

    fatal, marker = 50_000, ""

    def __call__(self, batch):
        if self.fatal in batch["id"].to_pylist() and not os.path.exists(self.marker):
            open(self.marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


def test_every_row_once_in_order_after_a_kill(clf, tmp_path, monkeypatch):
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    monkeypatch.setattr("govpn.ray._data.Scorer", Fragile)
    monkeypatch.setattr(Fragile, "marker", str(tmp_path / "died"))
    images = np.random.default_rng(0).integers(0, 256, (100_000, 8, 8, 1), np.uint8)
    table = pa.table({"id": range(100_000), "image": govpn.to_arrow(images)})
    blocks = [table.slice(start, 5000) for start in range(0, 100_000, 5000)]
    scored = govpn.ray.predict_batches(ray.data.from_arrow(blocks), clf, device="go", batch_size=1000)
    found = pa.concat_tables(ray.get(scored.to_arrow_refs()))
    assert (tmp_path / "died").exists()
    assert found["id"].equals(table["id"])
    assert found["label"].to_numpy().tolist() == clf.predict(images).tolist()
    proba = found["proba"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_allclose(proba, clf.predict_proba(images), atol=1e-6)


def test_from_files_to_noise_maps(clf, tmp_path):
    import pyarrow.parquet as pq

    for i in range(4):
        part = slice(50 * i, 50 * i + 50)
        images = pa.array(list(X[part].reshape(50, -1)))
        pq.write_table(pa.table({"image": images, "true": Y[part]}), tmp_path / f"{i}.parquet")
    clf.save(tmp_path / "model.govpn")
    scored = govpn.ray.predict_batches(
        ray.data.read_parquet([str(tmp_path / f"{i}.parquet") for i in range(4)]),
        tmp_path / "model.govpn",
        {"std": "sigma"},
        label_column="true",
        batch_size=64,
        device="go",
    )
    np.testing.assert_array_equal(scored_rows(scored, "true"), Y)
    np.testing.assert_allclose(scored_rows(scored, "sigma"), clf.noise_std(X, Y), atol=1e-6)


def test_arrays_of_ray(clf):
    scored = govpn.ray.predict_batches(
        ray.data.from_numpy(X), clf, "label", image_column="data", device="go", workers=1
    )
    np.testing.assert_array_equal(scored_rows(scored, "label"), clf.predict(X))


def test_misuse_of_predict_batches(clf):
    dataset = ray.data.from_numpy(X)
    with pytest.raises(TypeError, match=r"dataset is a ndarray, want a ray\.data\.Dataset"):
        govpn.ray.predict_batches(X, clf)
    with pytest.raises(ValueError, match="workers is 0, want at least 1"):
        govpn.ray.predict_batches(dataset, clf, workers=0)
    with pytest.raises(ValueError, match="output has 'logit', want of label"):
        govpn.ray.predict_batches(dataset, clf, "logit")
    with pytest.raises(Exception, match=r"the batch has columns \['data'\], want one named image"):
        govpn.ray.predict_batches(dataset, clf, device="go").take_all()


class FragileCallback(govpn.ray.TuneReportCallback):
    """A callback that ends its process, once, after the second epoch."""

    marker = ""

    def on_epoch_end(self, training):
        super().on_epoch_end(training)
        if training.epoch == 2 and not os.path.exists(self.marker):
            open(self.marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)


def search(clf, tmp_path, space, **options):
    options = {"validation_data": make_quadrants(50, seed=1), "storage_path": str(tmp_path)} | options
    return govpn.ray.tune(clf, X, Y, space, **options)


def test_tune_finds_the_better_rate(make, tmp_path):
    clf = make(epochs=3)
    grid = search(clf, tmp_path, {"learning_rate": ray.tune.grid_search([0.05, 1e-6])})
    best = grid.get_best_result()
    assert len(grid) == 2
    assert not grid.errors
    assert best.config["learning_rate"] == 0.05
    assert clf.learning_rate == 0.01
    here = make(epochs=3, learning_rate=0.05).fit(X, Y, validation_data=make_quadrants(50, seed=1))
    assert best.metrics_dataframe["val_loss"].tolist() == here.history_["val_loss"]
    loaded = govpn.ray.load(best.checkpoint, device="go")
    np.testing.assert_array_equal(loaded.predict_proba(X), here.predict_proba(X))


def test_tune_goes_on_after_a_kill(make, tmp_path, monkeypatch):
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    ray.cloudpickle.register_pickle_by_value(_tune)
    monkeypatch.setattr(_tune, "TuneReportCallback", FragileCallback)
    monkeypatch.setattr(FragileCallback, "marker", str(tmp_path / "died"))
    grid = search(make(epochs=4), tmp_path, {"batch_size": 50}, metric="loss")
    ray.cloudpickle.unregister_pickle_by_value(_tune)
    assert (tmp_path / "died").exists()
    assert not grid.errors
    here = make(epochs=4, batch_size=50).fit(X, Y, validation_data=make_quadrants(50, seed=1))
    assert govpn.ray.load(grid[0].checkpoint, device="go").history_["loss"] == here.history_["loss"]


def test_misuse_of_tune(clf, tmp_path):
    with pytest.raises(ValueError, match="param_space has 'rate', want parameters of VPNClassifier"):
        search(clf, tmp_path, {"rate": 1})
    with pytest.raises(ValueError, match="metric is 'auc', want one of loss, accuracy"):
        search(clf, tmp_path, {}, metric="auc")
    with pytest.raises(ValueError, match="metric is 'val_loss', which wants validation_data"):
        search(clf, tmp_path, {}, validation_data=None)
    with pytest.raises(TypeError, match="estimator is a str, want a VPNClassifier"):
        search("sr", tmp_path, {})


def test_a_study_is_divided(bars, tmp_path):
    rows = ["baseline", "random-noise", "random-rotation", "vpn-dnn3"]
    sizes = {"seeds": 1, "epochs": 1, "images": 200, "eval_images": 50, "data": str(bars)}
    where = {"datasets": ["fashion-mnist"], "bases": ["sr"], "rows": rows, "out": str(tmp_path)}
    report = govpn.ray.study("table1", **sizes, **where, device="go", verbose=False)
    assert len(list(tmp_path.glob("runs/*.json"))) >= len(rows)
    assert not list(tmp_path.glob("runs/*.lock"))
    alone = govpn.repro.table1(**sizes, **where | {"out": tmp_path / "alone"}, device="go", verbose=False)
    assert report.grid() == alone.grid()


def test_misuse_of_study():
    with pytest.raises(ValueError, match="what is 'table9', want one of confirm, explain, fig1"):
        govpn.ray.study("table9")
    with pytest.raises(ValueError, match="what is 'pack', want one of confirm"):
        govpn.ray.study("pack")  # which trains nothing
    with pytest.raises(ValueError, match="workers is 0, want at least 1"):
        govpn.ray.study("table1", workers=0)


@pytest.mark.parametrize("name", ["_data", "_study", "_train", "_tune"])
def test_examples(name, make, bars, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "0")  # verbose=0 does not silence the header of the new output
    module = importlib.import_module(f"govpn.ray.{name}")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report = []
    for test in doctest.DocTestFinder().find(module):
        test.globs |= {"govpn": govpn, "X": X[:12], "y": Y[:12], "data": str(bars), "folder": str(tmp_path)}
        test.globs["clf"] = make(mode="plain", epochs=3, batch_size=4)
        runner.run(test, out=report.append)
    assert runner.tries
    assert not runner.failures, "".join(report)
