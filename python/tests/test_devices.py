"""Training on several devices gives the result of one device."""

import govpn
import numpy as np
import pytest
from conftest import LONG, make_quadrants

X, Y = make_quadrants(160)
TEST = make_quadrants(60, seed=1)


@pytest.fixture
def cpu(request):
    if not any(d["device"] == "cpu" and d["devices"] >= 4 for d in govpn.devices() if d["available"]):
        pytest.skip("cpu does not open")
    return "cpu"


def test_devices(make, cpu, tmp_path):
    fits = [
        make(cpu, devices=devices, epochs=2, base_loss_weight=1).fit(X, Y, validation_data=TEST)
        for devices in (1, [0, 1], *([2, [0, 1, 2, 3]] if LONG else []))
    ]
    one = fits[0]
    taken = [[0], [0, 1], [0, 1], [0, 1, 2, 3]]
    assert [f._model.describe()["devices"] for f in fits] == taken[: len(fits)]
    for many in fits[1:]:  # after ten steps
        np.testing.assert_allclose(many.history_["loss"], one.history_["loss"], atol=1e-4)
        assert many.history_["val_accuracy"] == one.history_["val_accuracy"]
        np.testing.assert_allclose(many.predict_proba(X), one.predict_proba(X), atol=1e-4)
        np.testing.assert_allclose(many.noise_std(X, Y), one.noise_std(X, Y), atol=1e-4)
    fits[1].save(tmp_path / "m.govpn")
    loaded = govpn.load(tmp_path / "m.govpn", cpu, verbose=0)
    loaded.set_params(devices=4, epochs=3).fit(X, Y, resume=True)
    assert loaded._model.describe()["devices"] == [0, 1, 2, 3]
    one.set_params(epochs=3).fit(X, Y, resume=True)
    np.testing.assert_allclose(loaded.history_["loss"], one.history_["loss"], atol=1e-4)


def test_misuse(make, cpu):
    with pytest.raises(govpn.GovpnError, match="devices is 0, want their number, from 1, or a list"):
        make(devices=0).fit(X, Y)
    with pytest.raises(govpn.GovpnError, match="devices is 'all', want an int or a list of ints"):
        make(devices="all").fit(X, Y)
    with pytest.raises(govpn.GovpnError, match="want numbers from 0 to 3, each once"):
        make(cpu, devices=5).fit(X, Y)
    with pytest.raises(govpn.GovpnError, match="32 images at a time do not divide among 3 devices"):
        make(cpu, devices=3).fit(X, Y)
