"""Pictures show what the classifier says. They are drawn without a display."""

import doctest
import sys
from itertools import pairwise

import govpn
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

plot = govpn.plot
NAMES = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def nothing_is_shown(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("show was called"))
    monkeypatch.setattr(Figure, "show", lambda *args, **kwargs: pytest.fail("show was called"))
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="module")
def model(make, quadrants):
    return make(epochs=2).fit(*quadrants, validation_data=quadrants)


@pytest.fixture(scope="module")
def benefit(model, quadrants):
    x, y = quadrants
    names = govpn.datasets.Labels(y, NAMES)
    return model.noise_benefit(x[y != 2], names[y != 2], samples=1)


@pytest.mark.parametrize("name", plot.__all__)
def test_examples(name):
    function = getattr(plot, name)
    tests = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert sum(len(t.examples) for t in tests) > 2
    for test in tests:
        assert doctest.DocTestRunner().run(test).failed == 0


def test_history(model, make, quadrants, tmp_path):
    figure = plot.plot_history(model)
    loss, accuracy, noise = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["loss", "accuracy", "noise"]
    assert noise.get_ylabel() == "σ (pixel range)"
    history = model.history_
    curves = [*loss.lines, *accuracy.lines, *noise.lines]
    names = ["loss", "val_loss", "accuracy", "val_accuracy", "std_mean"]
    for line, name in zip(curves, names, strict=True):
        np.testing.assert_array_equal(line.get_xydata().T, [history["epoch"], history[name]])
    band = noise.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (min(history["std_min"]), max(history["std_max"]))
    figure.savefig(tmp_path / "history.png")
    plain = make(epochs=1, mode="plain").fit(*quadrants)
    assert [len(ax.lines) for ax in plot.plot_history(plain.history_).axes] == [1, 1]
    hidden = make(epochs=1).set_params(base="dnn3", noise_layer=2).fit(*quadrants)
    assert plot.plot_history(hidden).axes[2].get_ylabel() == "σ (units of layer 2)"


def test_noise_has_a_row_per_class(model, quadrants, tmp_path):
    x, y = quadrants
    figure = plot.plot_noise(model, x, y, class_names=NAMES, random_state=3)
    grid = np.reshape(figure.axes[:16], (4, 4))
    assert [ax.get_title() for ax in grid[0]] == ["image", "σ", "noise", "noisy image"]
    assert [ax.get_ylabel() for ax in grid[:, 0]] == NAMES
    first = [int((y == k).argmax()) for k in range(4)]
    data = [[ax.images[0].get_array() for ax in row] for row in grid]
    std = model.noise_std(x[first], y[first])
    noise = model.sample_noise(x[first], y[first], random_state=3)[0]
    shown = [x[first] / 255, std, noise, np.clip(x[first] / 255 + noise, 0, 1)]
    for column, values in enumerate(shown):
        np.testing.assert_allclose([row[column] for row in data], values[..., 0], rtol=1e-6)
    assert {ax.images[0].get_clim() for ax in grid[:, 1]} == {(0, std.max())}
    assert [ax.get_xlabel() for ax in figure.axes[16:]] == ["pixel range"] * 2  # these are the colour bars
    figure.savefig(tmp_path / "noise.png")


def test_noise_takes_the_names_that_labels_carry(make, quadrants):
    x, y = quadrants
    y = govpn.datasets.Labels(np.where(y == 3, 5, y), ["a", "b", "c", "d", "e", "f"])
    model = make(epochs=1).fit(x, y)
    figure = plot.plot_noise(model, x[y != 1], y[y != 1])
    assert [ax.get_ylabel() for ax in figure.axes[:12:4]] == ["a", "c", "f"]


def test_noise_of_colours_and_of_features(make, quadrants):
    x = np.random.default_rng(0).random((20, 6, 6, 3), np.float32)
    y = np.arange(20) % 2
    model = make(epochs=1).fit(x, y)
    figure = plot.plot_noise(model, x, y, random_state=1)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), x[0])
    np.testing.assert_allclose(
        figure.axes[1].images[0].get_array(), model.noise_std(x[:1], y[:1])[0].mean(-1)
    )
    assert figure.axes[2].images[-1].get_array().shape == (6, 6, 3)
    features = x.reshape(20, -1) * 16 - 8
    model = make(epochs=1).fit(features, y)
    low, high = features.min(), features.max()
    want = ((features[0] - low) / (high - low)).reshape(6, 6, 3)
    for ax in (plot.plot_noise(model, features, y).axes[0], plot.plot_classwise(model, features[0]).axes[0]):
        np.testing.assert_allclose(ax.images[0].get_array(), want, atol=1e-6)


def test_classwise_bars_are_the_scores(model, quadrants, tmp_path):
    x, y = quadrants
    figure = plot.plot_classwise(model, x[8], y[8], class_names=NAMES, samples=2, random_state=5)
    image, *maps, bars, _ = figure.axes
    scores = model.classwise_scores(x[8:9], samples=2, random_state=5)[0]
    np.testing.assert_array_equal([bar.get_width() for bar in bars.patches], scores)
    np.testing.assert_allclose(image.images[0].get_array(), x[8, ..., 0] / 255)
    std = model.noise_std(x[8:9].repeat(4, 0), np.arange(4))
    np.testing.assert_array_equal([ax.images[0].get_array() for ax in maps], std[..., 0])
    chosen = int(model.predict(x[8:9], noise="classwise", samples=2, random_state=5)[0])
    assert bars.get_title() == f"chosen: {NAMES[chosen]}"
    colours = [bar.get_facecolor() for bar in bars.patches]
    assert [k for k in range(4) if colours.count(colours[k]) == 1] == [chosen]
    frames = [ax.spines["left"].get_edgecolor() for ax in maps]
    assert [k for k in range(4) if frames[k] == colours[chosen]] == [chosen]
    assert bars.get_yticklabels()[y[8]].get_text() == f"{NAMES[y[8]]} (true)"
    figure.savefig(tmp_path / "classwise.png")
    for same in (x[8, ..., 0], x[8:9]):
        assert plot.plot_classwise(model, same, random_state=5).axes[5].patches[chosen].get_width() > 0


def test_classwise_of_many_classes_shows_the_best(model, quadrants):
    x, _ = quadrants
    bars = plot.plot_classwise(model, x[0], max_classes=2).axes[3]
    scores = model.classwise_scores(x[:1])[0]
    best = np.sort(np.argsort(scores)[-2:])
    assert [t.get_text() for t in bars.get_yticklabels()] == [str(k) for k in best]
    np.testing.assert_array_equal([bar.get_width() for bar in bars.patches], scores[best])


@pytest.mark.parametrize("normalize", ["true", None])
@pytest.mark.parametrize(("noise", "std"), [("none", None), ("classwise", None), ("gaussian", 0.3)])
def test_confusion_is_that_of_sklearn(model, quadrants, normalize, noise, std):
    metrics = pytest.importorskip("sklearn.metrics")
    x, y = quadrants
    x, y = x[y != 2], y[y != 2]  # class 2 has no images
    figure = plot.plot_confusion(model, x, y, noise=noise, std=std, normalize=normalize, class_names=NAMES)
    predicted = model.predict(x, noise=noise, std=std)
    want = metrics.confusion_matrix(y, predicted, labels=model.classes_, normalize=normalize)
    ax = figure.axes[0]
    np.testing.assert_allclose(ax.images[0].get_array(), want)
    assert [t.get_text() for t in ax.get_yticklabels()] == NAMES
    assert [t.get_text() for t in ax.get_xticklabels()] == NAMES
    assert ax.get_title().startswith(f"accuracy {(predicted == y).mean():.3f}")
    factor = 100 if normalize else 1
    written = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in ax.texts}
    assert written == {
        (i, j): f"{factor * v:.0f}" for (i, j), v in np.ndenumerate(want) if f"{factor * v:.0f}" != "0"
    }


def test_confusion_of_20_classes_can_be_read(make):
    x = np.random.default_rng(0).integers(0, 256, (100, 4, 4), np.uint8)
    y = govpn.datasets.Labels(np.arange(100) % 20, [f"a class of number {k}" for k in range(20)])
    model = make(epochs=1, mode="plain").fit(x, y)
    ax = plot.plot_confusion(model, x, y).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a class of …"] * 20
    assert min(t.get_fontsize() for t in [*ax.texts, *ax.get_xticklabels()]) >= 3.5  # points
    renderer = ax.figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in ax.get_yticklabels()]
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))


def test_benefit(benefit, tmp_path):
    figure = plot.plot_noise_benefit(benefit)
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


def test_a_new_figure_is_that_of_pyplot_and_a_column_wide(model, quadrants):
    figures = [plot.plot_history(model), plot.plot_confusion(model, *quadrants)]
    assert plt.get_fignums() == [f.number for f in figures]
    assert [f.get_size_inches()[0] for f in figures] == [3.4, 3.4]


def test_without_matplotlib(monkeypatch, model, quadrants):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (plot.plot_history, lambda m: plot.plot_confusion(m, *quadrants)):
        with pytest.raises(ImportError, match="pip install 'govpn\\[notebook\\]'"):
            draw(model)
