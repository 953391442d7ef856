"""Ray, where it is installed: make ray."""

import os
import signal

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import make_quadrants

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's are not ours

X, Y = make_quadrants(200)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two workers of one core on this machine."""
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
    """Dies with its process, once, at the batch with a certain id."""

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
