"""The search, and what σ explains, on a Fashion-MNIST of a few hundred drawn images."""

import re

import govpn
import numpy as np
import pytest

pytest.importorskip("matplotlib").use("Agg")
pytest.importorskip("scipy.stats")
from govpn import repro  # noqa: E402
from govpn.repro import _explain, _rows, _search, _settings  # noqa: E402
from test_repro import ARGUMENTS, results  # noqa: E402


@pytest.fixture
def data(few_bars):
    return few_bars


def test_explain(data, tmp_path, monkeypatch):
    settings = {"few": {"images": 100}, "reward": {"images": 100, "options": {"entropy_weight": 0.1}}}
    monkeypatch.setattr(_settings, "SETTINGS", settings)
    common = {"settings": list(settings), "out": tmp_path, "data": data, **ARGUMENTS}
    report = repro.explain(["fashion-mnist"], "sr", seeds=1, epochs=1, **common)
    few, reward = report.rows()
    assert few[:2] == ["fashion-mnist/sr", "few; 1 seed, 1 epochs"]
    found = results(tmp_path)["fashion-mnist_sr_vpn-dnn3_e1_n100_entropy_weight=0.1_validation_s0"]
    assert reward[3] == f"{found['explanation']['rank_correlation']:.3f}".replace("-", "−")
    accuracy = found["explanation"]["accuracy"]
    assert reward[5] == "\n".join(f"{100 * accuracy[level]['as σ']:.1f}" for level in ("0.1", "0.2", "0.4"))
    assert (tmp_path / "explain.png").exists()


def test_search_and_confirm(data, tmp_path, monkeypatch):
    """A setting tried on validation data, then confirmed with fresh seeds on test data."""
    few = {"images": 100, "options": {"std": "bounded"}}
    monkeypatch.setattr(_settings, "SETTINGS", {"few": few, "σ = |o|": few | {"label_noise": 0.5}})
    common = {"datasets": ["fashion-mnist"], "bases": ["sr"], "epochs": 1, "out": tmp_path, "data": data}
    report = repro.search(seeds=2, **common, **ARGUMENTS)
    assert [row[:2] for row in report.rows()] == [["fashion-mnist/sr", n] for n in ("few", "σ = |o|")]
    assert all(r["test"] is None for r in results(tmp_path).values())
    accuracy = [
        results(tmp_path)[f"fashion-mnist_sr_baseline_e1_n100_validation_s{s}"]["validation"]["none"][
            "accuracy"
        ]
        for s in (0, 1)
    ]
    assert report.rows()[0][2] == f"{100 * np.mean(accuracy):.2f}"
    table = [line for line in report.to_markdown().split("\n") if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {len(report.grid()[0]) + 1}
    title, _, (_, items) = report.after()
    assert title == ("title", "fashion-mnist/sr, 1 epochs: 2 settings together")
    gains = [float(row[3].split(" ")[0].replace("−", "-")) for row in report.rows()]
    said = re.match(r"VPN − baseline: as they are (\S+) \((\d) of 2\)", items[0][0])
    assert float(said[1].replace("−", "-")) == pytest.approx(np.median(gains), abs=0.011)
    assert int(said[2]) == np.sum(np.array(gains) > 0)
    longer = repro.search(settings=["few"], seeds=1, **common | {"epochs": 2}, **ARGUMENTS)
    assert [row[-1] for row in longer.rows()] == ["1 × 2", "2 × 1", "2 × 1"]
    report = repro.confirm(["few"], seeds=1, **common, **ARGUMENTS)
    assert [row[1] for row in report.rows()] == ["few"]
    assert {r["run"]["seed"] for r in results(tmp_path).values() if r["test"]} == {100}
    assert (tmp_path / "confirm.md").read_text() == report.to_markdown()
    with pytest.raises(govpn.GovpnError, match=r"settings has 'x', want of few; σ = \|o\|"):
        repro.confirm(["x"], **common, **ARGUMENTS)


def test_sigma_where_the_gradient_is_not():
    """A classifier that looks at one half of the image, and σ on the other: noise there costs nothing."""
    random = np.random.default_rng(0)
    X = np.full((400, 4, 4, 1), 128, np.uint8)
    y = np.arange(400) % 2
    X[:, :2] = np.where(y == 1, 178, 78)[:, None, None, None]
    halves = np.broadcast_to(np.arange(4)[:, None, None] < 2, (4, 4, 1))

    class Model:
        def noise_std(self, X, y):
            return np.broadcast_to(np.where(halves, 0.0, 0.3), X.shape)

        def input_gradient(self, X, y):
            return np.broadcast_to(np.where(halves, 1.0, 0.0), X.shape) * random.uniform(0.9, 1, X.shape)

        def predict(self, X):
            return (X[:, :2].mean((1, 2, 3)) > 0.5).astype(int)

    found = _explain.explain(Model(), X, y, 0)
    # Ranks 4.5 and 12.5 of σ against 4.5 and 9 to 16 of the gradient.
    assert found["rank_correlation"] == pytest.approx(-256 / (256 * 298) ** 0.5, abs=1e-5)
    accuracy = found["accuracy"]["0.4"]
    assert accuracy["as σ"] == 1
    assert accuracy["where the gradient is small"] > 0.99
    assert accuracy["evenly"] < 0.97
    assert accuracy["as σ, shuffled"] < 0.99


def test_settings_are_runs():
    """Each setting's fields and options are those of Run and of the classifier."""
    for fields in _settings.SETTINGS.values():
        for row in _search.ROWS_OF_A_SETTING:
            parameters = _rows.Run("cifar-10", "dnn3", row, **fields).parameters()
            govpn.VPNClassifier(**parameters)
            assert parameters["drop_last"] is True, "as the recorded runs"
