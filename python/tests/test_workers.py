"""Workers that share a batch, each with a part of it: what one model makes of the whole."""

import govpn
import numpy as np
import pytest
from conftest import make_quadrants
from govpn._arrow import import_chunks, tensor_array
from govpn._model import Model

X, Y = make_quadrants(96)


def data(part):
    return import_chunks([tensor_array(np.ascontiguousarray(X[part]))], np.int32(Y[part]), None)


def model(device, **options):
    sizes = {"image_shape": list(X.shape[1:]), "classes": 4, "seed": 3}
    return Model.create({"base": "sr", "device": device, "learning_rate": 0.01, **sizes, **options})


@pytest.mark.parametrize("options", [{}, {"base": "dnn3", "base_loss_weight": 1, "optimizer": "sgd"}])
def test_two_workers(device, options, tmp_path):
    options = {"epochs": 2, "batch_size": 32, **options}
    one, two, other = (model(device, accumulate=k, **options) for k in (1, 1, 2))
    losses = []
    for _ in range(2):  # epochs
        for start in range(0, 96, 32):
            parts = [slice(start, start + 20), slice(start + 20, start + 32)]
            sums = two.gradients(data(parts[0]), 0, 32) + other.gradients(data(parts[1]), 20, 32)
            metrics = two.apply_gradients(sums)
            assert other.apply_gradients(sums)["loss"] == metrics["loss"]
            whole = one.gradients(data(slice(start, start + 32)))
            if not losses:  # later, rounding has moved the weights
                np.testing.assert_allclose(sums, whole, rtol=1e-4, atol=1e-5)
            assert metrics["loss"] == pytest.approx(one.apply_gradients(whole)["loss"], abs=1e-5)
            losses.append(metrics["loss"])
        for m in (one, two, other):
            m.finish_epoch(seconds=1.0, images=32, val_accuracy=0.5)
    assert losses[-1] < losses[0]
    assert two.history()["loss"] == pytest.approx([np.mean(losses[:3]), np.mean(losses[3:])])
    assert two.history()["images_per_second"] == [96.0, 96.0]
    for number, m in enumerate((two, other)):
        m.export_safetensors(tmp_path / f"{number}", {})
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_misuse():
    m = model("go")
    with pytest.raises(govpn.GovpnError, match="a part of 20 images starts at 13 of 32"):
        m.gradients(data(slice(20)), 13, 32)
    with pytest.raises(govpn.GovpnError, match=r"the gradients are \(Float32\)\[3\], want"):
        m.apply_gradients(np.zeros(3, np.float32))
    with pytest.raises(govpn.GovpnError, match="gradients have type int64, want float32"):
        m.apply_gradients(np.zeros(3, np.int64))
    with pytest.raises(govpn.GovpnError, match="the epoch has no step"):
        m.finish_epoch()
    with pytest.raises(govpn.GovpnError, match="want both for gradients of a part"):
        Model.create({"base": "sr", "device": "go"}).gradients(data(slice(20)))
