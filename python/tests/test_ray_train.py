"""Training in several processes with Ray, which `make ray` installs. Sums are tested without Ray."""

import os
import signal
import threading

import govpn
import numpy as np
import pytest
from conftest import devices_and, make_quadrants

X, Y = make_quadrants(200)
VALID = make_quadrants(60, seed=1)


class Thread(govpn.callbacks.Callback):
    """A worker that is a thread of this process."""

    def __init__(self, rank, workers, barrier, values):
        self.rank, self.workers, self.barrier, self.values = rank, workers, barrier, values

    def sum(self, values):
        self.values[self.rank] = values.copy()
        self.barrier.wait()
        total = sum(self.values)
        self.barrier.wait()
        values[:] = total


def in_threads(make, workers, **params):
    """Classifiers that have trained together."""
    barrier, values, models = threading.Barrier(workers), [None] * workers, [None] * workers

    def work(rank):
        callback = Thread(rank, workers, barrier, values)
        models[rank] = make(**params).fit(X, Y, validation_data=VALID, callbacks=[callback])

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return models


def losses(clf):
    return np.array([clf.history_["loss"], clf.history_["val_loss"], clf.history_["std_mean"]])


@pytest.mark.parametrize(("device", "workers"), devices_and(2, 4, on_cpu=[2]), indirect=["device"])
def test_shares_are_the_batch(make, device, workers):
    params = {"device": device, "epochs": 2, "noise_samples": 2}
    params["augment"] = [govpn.augment.RandomCrop(8, padding=1)]
    alone = make(**params).fit(X, Y, validation_data=VALID)
    models = in_threads(make, workers, **params)
    for clf in models:
        np.testing.assert_allclose(losses(clf), losses(alone), atol=1e-4)
        np.testing.assert_array_equal(clf.predict_proba(X), models[0].predict_proba(X))
    again = models[0].set_params(epochs=3).fit(X, Y, validation_data=VALID, resume=True)  # one of them alone
    assert again.n_epochs_ == 3


def test_an_error_in_the_sum_comes_out(make):
    class Broken(Thread):
        def sum(self, values):
            raise RuntimeError("the network is down")

    with pytest.raises(RuntimeError, match="the network is down"):
        make().fit(X, Y, callbacks=[Broken(0, 2, None, None)])
    with pytest.raises(ValueError, match="a batch of 32 images has no 3 parts of one size"):
        make().fit(X, Y, callbacks=[Thread(0, 3, None, None)])


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.train")
    pytest.importorskip("torch")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    yield ray
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_two_workers_are_one(ray, make, tmp_path):
    alone = make().fit(X, Y, validation_data=VALID)
    clf, where = make(), {"workers": 2, "storage_path": str(tmp_path), "name": "fit"}
    assert govpn.ray.fit(clf, X, Y, VALID, **where) is clf
    assert clf.history_["epoch"] == [1, 2, 3, 4]
    np.testing.assert_allclose(losses(clf), losses(alone), atol=1e-4)
    np.testing.assert_array_equal(clf.predict(X), alone.predict(X))
    longer = govpn.ray.fit(make(epochs=5), X, Y, VALID, **where)  # this continues the training
    assert longer.history_["seconds"][:4] == clf.history_["seconds"]
    assert longer.n_epochs_ == 5


class Killer(govpn.callbacks.Callback):
    """A callback that ends the second worker's process, once, after the second epoch."""

    def __init__(self, marker):
        self.marker = marker

    def on_epoch_end(self, training):
        from ray import train

        second = train.get_context().get_world_rank() == 1
        if second and training.epoch == 2 and not os.path.exists(self.marker):
            open(self.marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_restarts_from_the_last_epoch(ray, make, tmp_path):
    alone = make().fit(X, Y, validation_data=VALID)
    killer = Killer(str(tmp_path / "died"))
    clf = govpn.ray.fit(make(), X, Y, VALID, callbacks=[killer], workers=2, storage_path=str(tmp_path))
    assert (tmp_path / "died").exists()
    assert clf.history_["epoch"] == [1, 2, 3, 4]
    np.testing.assert_allclose(losses(clf), losses(alone), atol=1e-4)
    assert clf.score(*VALID) == alone.score(*VALID)


@pytest.mark.filterwarnings("ignore")
def test_misuse(ray, make, tmp_path):
    with pytest.raises(ValueError, match="a batch of 25 images has no 2 parts of one size"):
        govpn.ray.fit(make(batch_size=25), X, Y, workers=2, storage_path=str(tmp_path))
    with pytest.raises(ValueError, match="workers is 0, want at least 1"):
        govpn.ray.fit(make(), X, Y, workers=0)
    with pytest.raises(TypeError, match="estimator is a NoneType, want a VPNClassifier"):
        govpn.ray.fit(None, X, Y)
