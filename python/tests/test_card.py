"""The card that notebooks show of a classifier."""

import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser

import govpn
import numpy as np
import pytest
from conftest import make_quadrants
from govpn._fitted import fitted as fitted_model


class Page(HTMLParser):
    """Collects tags, texts and attributes of HTML. It fails if a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.attributes += attrs
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] != "style":
            self.texts.append(data)


def text_of(model):
    return " ".join(Page(model._repr_html_()).texts)


@pytest.fixture(scope="module")
def model(make, quadrants):
    return make(epochs=3, label_smoothing=0.1).fit(*quadrants, validation_data=make_quadrants(100, 1))


def test_what_a_card_says(model):
    text = text_of(model)
    sizes = model.estimate_memory((8, 8, 1), 4)["parameters"]
    base, generator = (int(n.replace(",", "")) for n in re.findall(r"([\d,]+) parameters", text))
    assert base + generator == sizes
    for want in ("VPNClassifier", "fitted, 3 epochs", "sr", "dnn3", "joint", "8×8×1", "4: 0, 1, 2, 3", "go"):
        assert want in text
    assert "label_smoothing=0.1" in text
    assert "random_state=7" in text
    assert "momentum" not in text  # it has its default
    info = model.data_info_
    assert f"384 images, uint8, {info['bytes_copied'] / 1e6:,.1f} MB copied: {info['why']}" in text
    history, best = model.history_, fitted_model(model).describe()["best_epoch"]
    mean, low, high = (history[f"std_{n}"][best - 1] for n in ("mean", "min", "max"))
    assert f"mean {mean:.3g}, min {low:.3g}, max {high:.3g} of the pixel range (epoch {best})" in text
    assert f"training {history['loss'][-1]:.4g}" in text
    assert f"validation {history['val_accuracy'][-1]:.4g}" in text


def test_sigma_is_that_of_evaluate(make, quadrants):
    model = make(epochs=2).fit(*quadrants, validation_data=quadrants)
    said = re.search(r"mean ([\d.]+), min ([\d.]+), max ([\d.]+) of the pixel range", text_of(model))
    found = model.evaluate(*quadrants)
    want = [found["std_mean"], found["std_min"], found["std_max"]]
    np.testing.assert_allclose([float(v) for v in said.groups()], want, rtol=0.01)


def test_curves_are_the_history(model):
    curves = [a["points"] for tag, a in Page(model._repr_html_()).tags if tag == "polyline"]
    names = ["loss", "val_loss", "accuracy", "val_accuracy", "std_mean"]
    for points, name in zip(curves, names, strict=True):
        x, y = np.array([p.split(",") for p in points.split()], float).T
        values = np.array(model.history_[name])
        assert len(x) == 3
        assert np.all(np.diff(x) > 0)
        assert np.corrcoef(y, values)[0, 1] == pytest.approx(-1, abs=0.01)  # y points down


def test_a_card_needs_nothing_else(model):
    card = model._repr_html_()
    page = Page(card)
    assert {tag for tag, _ in page.tags} <= {
        "div",
        "span",
        "style",
        "code",
        "svg",
        "polyline",
        "circle",
        "br",
    }
    assert not {name for name, _ in page.attributes} & {"src", "href", "id", "onload", "onclick"}
    assert not re.search(r"https?:|url\(|@import", card)


def test_names_are_escaped(make, quadrants):
    x, y = quadrants
    names = np.array(["<b>", "a & b", "</div><script>alert(1)</script>", '"'])
    model = make(epochs=1, class_weight=dict.fromkeys(names, 1.0)).fit(x, names[y])
    assert "&lt;b&gt;" in model._repr_html_()
    text = text_of(model)
    assert all(name in text for name in names)
    assert "script" not in {tag for tag, _ in Page(model._repr_html_()).tags}
    assert "&lt;i&gt;" in govpn.VPNClassifier("<i>")._repr_html_()


def test_before_fit_and_without_everything(make, quadrants, tmp_path):
    text = text_of(govpn.VPNClassifier())
    assert "not fitted" in text
    assert re.search(r"changed parameters +none", text)
    text = text_of(make(mode="plain", class_weight=dict.fromkeys(range(1000), 1.0)))
    assert "generator" not in text
    assert "…" in text  # the long dictionary is shortened
    plain = make(epochs=1, mode="plain").fit(*quadrants)
    text = text_of(plain)
    assert "fitted, 1 epoch " in text + " "
    assert "σ" not in text
    plain.export_safetensors(tmp_path / "weights")
    imported = make(mode="plain").import_safetensors(tmp_path / "weights", image_shape=(8, 8, 1), classes=4)
    assert "weights imported" in text_of(imported)
    plain.history_ = {name: [float("nan")] for name in plain.history_}
    assert "polyline" not in plain._repr_html_()


def test_warnings_and_hidden_layers(make, quadrants):
    hidden = make(epochs=1).set_params(base="dnn3", noise_layer=2).fit(*quadrants)
    assert "in units of layer 2" in text_of(hidden)
    hidden.warnings_ = ["σ has <collapsed>"]
    assert "σ has <collapsed>" in text_of(hidden)


def test_copies(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = text_of(govpn.load(tmp_path / "model", verbose=0))
    assert "fitted, 3 epochs" in loaded
    assert "training data" not in loaded
    copy = pickle.loads(pickle.dumps(model))
    copy.device = "none such"  # the card must not open the device
    assert "fitted, 3 epochs" in text_of(copy)


def test_long_trainings_have_short_curves(make, quadrants):
    model = make(epochs=1).fit(*quadrants)
    model.history_ = {name: list(np.linspace(1, 0, 5000)) for name in model.history_}
    assert len(model._repr_html_()) < 20_000


def test_scikit_learn_shows_the_card(model):
    sklearn = pytest.importorskip("sklearn")
    card = model._repr_html_()
    assert model._repr_mimebundle_(include=None, exclude=None) == {
        "text/plain": repr(model),
        "text/html": card,
    }
    with sklearn.config_context(display="diagram"):
        assert model._repr_html_() == card
    with sklearn.config_context(display="text"):
        assert model._repr_html_() is None
        assert model._repr_mimebundle_() == {"text/plain": repr(model)}


def test_pipelines_still_draw(model, quadrants):
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    pipe = pipeline.make_pipeline(preprocessing.MinMaxScaler(), model)
    drawn = pipe._repr_html_()
    assert "MinMaxScaler" in drawn
    assert "VPNClassifier" in drawn
    assert "sk-" in drawn
    assert "text/html" in pipe._repr_mimebundle_()


def test_without_scikit_learn():
    code = """
        import sys
        sys.modules["sklearn"] = None
        import govpn
        model = govpn.VPNClassifier(epochs=3)
        print("epochs=3" in model._repr_html_(), sorted(model._repr_mimebundle_()))
    """
    lines = [line.strip() for line in code.strip().splitlines()]
    out = subprocess.check_output([sys.executable, "-c", "\n".join(lines)], text=True)
    assert out.strip() == "True ['text/html', 'text/plain']"
