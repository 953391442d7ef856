"""Pictures are drawn on the Axes that they are given, and refuse others."""

import govpn
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

plot = govpn.plot


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def drawings(make, quadrants):
    """For every picture: a function that draws it on ax, and how many Axes it needs."""
    x, y = quadrants
    model = make(epochs=1).fit(x, y)
    benefit = model.noise_benefit(x, y, samples=1)
    return {
        "history": (lambda ax: plot.plot_history(model, ax=ax), 3),
        "noise": (lambda ax: plot.plot_noise(model, x, y, ax=ax), 16),
        "classwise": (lambda ax: plot.plot_classwise(model, x[0], ax=ax), 6),
        "benefit": (lambda ax: plot.plot_noise_benefit(benefit, ax=ax), 2),
        "confusion": (lambda ax: plot.plot_confusion(model, x, y, ax=ax), 1),
    }


SEVERAL = ["history", "noise", "classwise", "benefit"]


@pytest.mark.parametrize("name", [*SEVERAL, "confusion"])
def test_given_axes_are_drawn_in(drawings, name):
    draw, count = drawings[name]
    current = plt.figure()
    with matplotlib.rc_context({"axes.titlesize": 17}):
        figure = Figure(layout="constrained")
        axes = figure.subplots(2, count // 2) if count % 2 == 0 else figure.subplots(1, count)
        assert draw(axes) is figure
    shown = [ax for ax in np.atleast_1d(axes).flat if ax.has_data()]
    assert len(shown) == count
    assert all(ax.title.get_fontsize() == 17 for ax in shown if ax.get_title())  # the caller's style
    assert plt.get_fignums() == [current.number]
    assert plt.gcf() is current


@pytest.mark.parametrize("name", SEVERAL)
def test_given_figures_are_laid_out(drawings, name):
    draw, count = drawings[name]
    figure = Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    assert draw(left) is figure
    assert len(left.axes) >= count
    assert right.axes == []
    assert draw(right.subplots(1, count)) is figure
    plain = Figure()
    assert draw(plain) is plain
    assert not plt.get_fignums()


@pytest.mark.parametrize("name", SEVERAL)
def test_wrong_axes_of_several_panels(drawings, name):
    draw, count = drawings[name]
    axes = Figure().subplots(1, count + 1)
    with pytest.raises(ValueError, match=f"ax has {count + 1} Axes, want {count}: "):
        draw(axes)
    with pytest.raises(TypeError, match=f"ax is of type Axes, want {count} Axes"):
        draw(axes[0])
    with pytest.raises(TypeError, match=r"ax is of type str, want .* or a Figure or SubFigure"):
        draw("axes")
    with pytest.raises(TypeError, match="ax is of type list"):
        draw([*axes[1:-1], None])
    assert not any(ax.has_data() for ax in axes)


def test_wrong_axes_of_one_panel(drawings):
    draw, _ = drawings["confusion"]
    for wrong in (Figure(), Figure().subplots(1, 1, squeeze=False), "axes"):
        with pytest.raises(TypeError, match=f"ax is of type {type(wrong).__name__}, want a matplotlib Axes"):
            draw(wrong)


def test_nothing_is_left_behind_by_an_error(make, quadrants):
    x, y = quadrants
    model = make(epochs=1).fit(x, y)
    wrong = [
        (lambda: plot.plot_noise(model, x, y[:3]), "y has 3 labels, want 384"),
        (lambda: plot.plot_noise(model, x[:4], [0, 1, 2, 9]), r"y\[3\] is .*9.*, want one of the classes"),
        (lambda: plot.plot_noise(model, x[:, :5], y), "5×8×1, want 8×8×1"),
        (lambda: plot.plot_noise(model, x, y, class_names=["a"]), "class_names is .*, want 4 names"),
        (lambda: plot.plot_noise(model, x, y, class_names="abcd"), "class_names is 'abcd', want 4 names"),
        (lambda: plot.plot_classwise(model, x[:2]), r"image has shape \(2, 8, 8, 1\), want one image"),
        (lambda: plot.plot_classwise(model, x[0], 9), "want one of the classes 0, 1, 2, 3"),
        (lambda: plot.plot_classwise(model, x[0], y[:2]), "y has 2 labels, want 1"),
        (lambda: plot.plot_classwise(model, x[0], max_classes=0), "max_classes is 0, want at least 1"),
        (lambda: plot.plot_classwise(model, x[0], samples=0), "samples is 0, want 1 to 1000000"),
        (lambda: plot.plot_confusion(model, x, y, normalize="rows"), "normalize is 'rows', want \"true\""),
        (lambda: plot.plot_confusion(model, x, y, noise="loud"), "loud"),
        (lambda: plot.plot_confusion(model, x, y[:3]), "y has 3 labels, want 384"),
        (lambda: plot.plot_history({"epoch": [1]}), "the history has no loss, val_loss"),
    ]
    for draw, message in wrong:
        with pytest.raises(ValueError, match=message):
            draw()
    assert not plt.get_fignums()


def test_models_without_a_picture(make, quadrants, tmp_path):
    x, y = quadrants
    new, plain = make(), make(epochs=1, mode="plain").fit(x, y)
    hidden = make(epochs=1).set_params(base="dnn3", noise_layer=2).fit(x, y)
    draws = [
        lambda m: plot.plot_noise(m, x, y),
        lambda m: plot.plot_classwise(m, x[0]),
        lambda m: plot.plot_confusion(m, x, y),
        plot.plot_history,
    ]
    for draw in draws:
        with pytest.raises(govpn.NotFittedError):
            draw(new)
        with pytest.raises(TypeError, match="model is of type str, want a VPNClassifier"):
            draw("model")
    for draw in draws[:2]:
        with pytest.raises(ValueError, match="noise at hidden layer 2, want it at pixels"):
            draw(hidden)
        with pytest.raises(ValueError, match="mode 'plain', which has no generator"):
            draw(plain)
    plain.export_safetensors(tmp_path / "weights")
    imported = make(mode="plain").import_safetensors(tmp_path / "weights", image_shape=(8, 8, 1), classes=4)
    with pytest.raises(ValueError, match="the history has 0 epochs, want at least 1: call fit"):
        plot.plot_history(imported)
    with pytest.raises(TypeError, match="benefit is of type dict, want what VPN"):
        plot.plot_noise_benefit({})


def test_a_stream_has_a_confusion_and_no_images(make, quadrants, bars):
    stream = govpn.datasets.fashion_mnist("test", path=bars / "fashion-mnist", stream=True)
    model = make(epochs=1).fit(stream)
    matrix = plot.plot_confusion(model, stream, normalize=None).axes[0].images[0].get_array()
    np.testing.assert_array_equal(matrix.sum(1), [10] * 10)
    with pytest.raises(TypeError, match="X is a stream, want images"):
        plot.plot_noise(model, stream, stream.labels)
