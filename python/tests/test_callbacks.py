"""Callbacks and the log: what happens between epochs."""

import csv
import logging
import math

import govpn
import numpy as np
import pytest
from conftest import make_quadrants
from govpn import callbacks

VALID = make_quadrants(100, seed=1)


def test_functions_see_every_epoch(make, quadrants):
    seen = []
    model = make(mode="plain", epochs=3)
    see = lambda t: seen.append((t.epoch, t.epochs, t.metrics))  # noqa: E731
    model.fit(*quadrants, validation_data=VALID, callbacks=see)
    assert [s[:2] for s in seen] == [(1, 3), (2, 3), (3, 3)]
    assert [s[2]["val_loss"] for s in seen] == model.history_["val_loss"]


def test_stop_keeps_the_best_epoch(make, quadrants):
    class Stop(callbacks.Callback):
        calls = ()

        def on_epoch_end(self, training):
            self.calls += (training.epoch,)
            if training.epoch == 2:
                training.stop()

        def on_train_end(self, training):
            self.calls += ("end", training.epoch)

    stop, quadrants = Stop(), [part[:128] for part in quadrants]
    model = make(epochs=9).fit(*quadrants, validation_data=VALID, callbacks=[stop])
    assert stop.calls == (1, 2, "end", 2)
    assert model.n_epochs_ == 2
    assert model.evaluate(*VALID)["accuracy"] == max(model.history_["val_accuracy"])
    model.fit(*quadrants, validation_data=VALID, resume=True)
    assert model.n_epochs_ == 9


def test_early_stopping(make, quadrants):
    x, y = quadrants
    model = make(mode="plain", epochs=60, learning_rate=0.3)
    stop = callbacks.EarlyStopping("val_loss", patience=3)
    model.fit(x, np.random.default_rng(0).permutation(y), validation_data=VALID, callbacks=[stop])
    losses = model.history_["val_loss"]
    assert len(losses) < 60
    assert len(losses) - 1 - int(np.argmin(losses)) == 3
    for monitor, message in (("loss_of_face", "want one of epoch, loss"), ("std_mean", "which has no value")):
        with pytest.raises(ValueError, match=f"monitor is '{monitor}', {message}"):
            model.fit(x, y, callbacks=[callbacks.EarlyStopping(monitor)])


def test_accuracy_is_to_grow(make, quadrants):
    model = make(mode="plain", epochs=30, learning_rate=0.1)
    stop = callbacks.EarlyStopping("val_accuracy", patience=2, min_delta=0.001)
    model.fit(*quadrants, validation_data=VALID, callbacks=[stop])
    best = int(np.argmax(model.history_["val_accuracy"]))
    assert model.n_epochs_ == best + 3 < 30


def test_learning_rates(make, quadrants):
    rates = callbacks.LearningRate(lambda epoch: 0.01 / epoch)
    model = make(mode="plain", epochs=3, schedule="constant").fit(*quadrants, callbacks=[rates])
    np.testing.assert_allclose(model.history_["learning_rate"], [0.01, 0.005, 0.01 / 3])
    same = make(mode="plain", epochs=3, schedule="constant").fit(*quadrants)
    assert model.history_["loss"][0] == same.history_["loss"][0]
    assert model.history_["loss"][2] != same.history_["loss"][2]
    with pytest.raises(ValueError, match="-1"):
        model.fit(*quadrants, callbacks=[callbacks.LearningRate(lambda epoch: -1.0)])


def test_reduce_on_plateau(make, quadrants):
    x, y = quadrants
    reduce = callbacks.ReduceOnPlateau("val_loss", factor=0.5, patience=1)
    model = make(mode="plain", epochs=12, learning_rate=1.0, schedule="constant")
    model.fit(x, np.random.default_rng(0).permutation(y), validation_data=VALID, callbacks=[reduce])
    losses, want, best = model.history_["val_loss"], [1.0], math.inf
    for loss in losses[:-1]:
        want.append(want[-1] * (1 if loss < best else 0.5))
        best = min(best, loss)
    np.testing.assert_allclose(model.history_["learning_rate"], want)
    assert want[-1] < 1
    with pytest.raises(ValueError, match="factor is 2"):
        callbacks.ReduceOnPlateau(factor=2)


def test_checkpoint_goes_on(make, quadrants, tmp_path):
    path = tmp_path / "checkpoint"

    def fail(training):
        if training.epoch == 2:
            raise OSError("the disk is full")

    quadrants = [part[:128] for part in quadrants]
    with pytest.raises(OSError, match="the disk is full"):
        make(epochs=4).fit(*quadrants, callbacks=[callbacks.Checkpoint(path), fail])
    model = govpn.load(path, device="go", verbose=0)
    assert model.n_epochs_ == 2
    model.fit(*quadrants, resume=True)
    whole = make(epochs=4).fit(*quadrants)
    assert model.history_["loss"] == whole.history_["loss"]


def read_rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_csv(make, quadrants, tmp_path):
    model = make(epochs=2)
    model.fit(*quadrants, callbacks=[callbacks.CSVLogger(tmp_path / "log.csv")])
    rows = read_rows(tmp_path / "log.csv")
    assert [float(r["loss"]) for r in rows] == model.history_["loss"]
    assert list(rows[0]) == list(model.history_)
    model.set_params(epochs=3)
    model.fit(*quadrants, resume=True, callbacks=[callbacks.CSVLogger(tmp_path / "log.csv")])
    assert [r["epoch"] for r in read_rows(tmp_path / "log.csv")] == ["1", "2", "3"]


def test_tensorboard(make, quadrants, tmp_path):
    pytest.importorskip("tensorboardX")
    model = make(epochs=2).fit(*quadrants, callbacks=[callbacks.TensorBoard(tmp_path)])
    (file,) = tmp_path.glob("events*")
    content = file.read_bytes()
    assert b"val_loss" not in content
    assert content.count(b"std_mean") == model.n_epochs_


def test_errors_come_out_and_stop(make, quadrants):
    model = make(mode="plain").fit(*quadrants)
    before = model.predict_proba(quadrants[0])
    calls = []

    def broken(training):
        calls.append(training.epoch)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(*quadrants, callbacks=[broken])
    assert calls == [1]
    np.testing.assert_array_equal(model.predict_proba(quadrants[0]), before)
    with pytest.raises(ZeroDivisionError):
        model.set_params(epochs=6).fit(*quadrants, resume=True, callbacks=[broken])
    assert model.n_epochs_ == 5  # the epoch is not lost


def test_all_that_begin_end(make, quadrants, tmp_path):
    class Bad(callbacks.Callback):
        def on_train_begin(self, training):
            raise KeyError("mine")

        def on_train_end(self, training):
            raise AssertionError("it never began")

    log = callbacks.CSVLogger(tmp_path / "log.csv")
    with pytest.raises(KeyError, match="mine"):
        make(mode="plain").fit(*quadrants, callbacks=[log, Bad()])
    assert log._file.closed


def test_log(make, quadrants, caplog):
    with caplog.at_level(logging.INFO, "govpn"):
        make(mode="plain", epochs=2).fit(*quadrants)
    lines = [r.getMessage() for r in caplog.records if r.name == "govpn"]
    assert [line.partition(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "loss " in lines[0]
