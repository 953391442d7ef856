"""Pictures, drawn without a display."""

import sys

import govpn
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close():
    yield
    matplotlib.pyplot.close("all")


def test_plot_history(make, quadrants, tmp_path):
    model = make(epochs=2).fit(*quadrants, validation_data=quadrants)
    figure = govpn.plot.plot_history(model)
    assert [ax.get_title() for ax in figure.axes] == ["loss", "accuracy", "σ"]
    assert [len(ax.lines) for ax in figure.axes] == [2, 2, 3]
    figure.savefig(tmp_path / "history.png")
    plain = make(epochs=1, mode="plain").fit(*quadrants)
    assert len(govpn.plot.plot_history(plain.history_).axes) == 2


def test_plot_noise_has_a_row_per_class(make, quadrants, tmp_path):
    model = make(epochs=1).fit(*quadrants)
    figure = govpn.plot.plot_noise(model, *quadrants, class_names=["a", "b", "c", "d"])
    grid = figure.axes[:16]
    assert [ax.get_title() for ax in grid[:4]] == ["image", "σ", "noise", "noisy image"]
    assert [ax.get_ylabel() for ax in grid[::4]] == ["a", "b", "c", "d"]
    figure.savefig(tmp_path / "noise.png")
    with pytest.raises(ValueError, match="y has 3 labels"):
        govpn.plot.plot_noise(model, quadrants[0], quadrants[1][:3])
    model = make(epochs=1).set_params(base="dnn3", noise_layer=2).fit(*quadrants)
    with pytest.raises(ValueError, match="noise at hidden layer 2, want it at pixels"):
        govpn.plot.plot_noise(model, *quadrants)


def test_plot_noise_takes_the_names_that_labels_carry(make, quadrants):
    x, y = quadrants
    y = govpn.datasets.Labels(np.where(y == 3, 5, y), ["a", "b", "c", "d", "e", "f"])
    model = make(epochs=1).fit(x, y)
    figure = govpn.plot.plot_noise(model, x, y)
    assert [ax.get_ylabel() for ax in figure.axes[:16:4]] == ["a", "b", "c", "f"]


def test_plot_noise_of_colour_images_into_a_given_figure(make):
    x = np.random.default_rng(0).random((20, 6, 6, 3), np.float32)
    model = make(epochs=1).fit(x, np.arange(20) % 2)
    given = matplotlib.pyplot.figure()
    assert govpn.plot.plot_noise(model, x, np.arange(20) % 2, fig=given) is given


def test_plot_noise_benefit(make, quadrants, tmp_path):
    x, y = quadrants
    names = govpn.datasets.Labels(y, ["a", "b", "c", "d"])
    benefit = make(epochs=1).fit(x, y).noise_benefit(x[y != 2], names[y != 2], samples=1)
    figure = govpn.plot.plot_noise_benefit(benefit)
    information, accuracy = figure.axes
    assert [ax.get_xlabel() for ax in figure.axes] == ["estimate of I(T,E) (nats)", "fraction right"]
    assert [t.get_text() for t in information.get_yticklabels()] == ["all", "a", "b", "c", "d"]
    for kind, bars in zip(("mutual", "control"), information.containers, strict=True):
        values = [getattr(benefit, f"{kind}_information"), *benefit.per_class[f"{kind}_information"]]
        np.testing.assert_array_equal(bars.lines[0].get_xdata(), values)
        ends = [path.vertices[:, 0] for path in bars.lines[2][0].get_paths() if len(path.vertices)]
        np.testing.assert_allclose(ends[0], benefit.interval(f"{kind}_information"), rtol=1e-4)
    assert len(accuracy.containers) == 4
    assert accuracy.get_yticklabels()[3].get_text() == "own label\n(leakage)"
    figure.savefig(tmp_path / "benefit.png")
    assert govpn.plot.plot_noise_benefit(benefit, figure) is figure


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    nan = [float("nan")]
    history = dict.fromkeys(["epoch", "loss", "val_loss", "accuracy", "val_accuracy", "std_mean"], nan)
    with pytest.raises(ImportError, match="pip install 'govpn\\[notebook\\]'"):
        govpn.plot.plot_history(history)
