"""Classes have names, which belong to the model. Labels that carry names meet it by name."""

import json
import pickle

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import png
from govpn import _load, _model, datasets, plot
from govpn._inputs.labels import of_config
from govpn.datasets import Labels

STRINGS = np.dtypes.StringDType() if np.__version__ >= "2" else None
ANIMALS = ("cat", "dog", "emu")
Y = np.arange(48) % 3
X = np.uint8(np.eye(3)[Y].repeat(3, 1).reshape(48, 3, 3, 1) * 200)  # one bright row in black


def named(names, labels=Y):
    """The labels of ANIMALS as a data set has them whose classes are names."""
    number = [names.index(a) if a in names else -1 for a in ANIMALS]
    return datasets.Labels(np.array(number)[labels], names)


@pytest.fixture
def pictures():
    """Needs matplotlib, and closes the figures that a test leaves."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def animals(make):
    """A classifier of ANIMALS. Tests must not change it."""
    params = {"mode": "joint", "epochs": 20, "learning_rate": 0.05, "batch_size": 16}
    model = make(**params).fit(X, named(ANIMALS))
    assert model.score(X, Y) == 1
    return model


def copied(model, **params):
    return pickle.loads(pickle.dumps(model)).set_params(**params)


OTHER = ("emu", "ant", "cat")  # has no dog, and numbers of its own
FEWER = Y != 1
X2, Y2 = X[FEWER], named(OTHER, Y[FEWER])


def test_they_are_in_memory_files_and_pickles(animals, tmp_path):
    animals.save(tmp_path / "m")
    for model in (animals, govpn.load(tmp_path / "m", "go"), pickle.loads(pickle.dumps(animals))):
        assert model.class_names_ == ANIMALS
        assert model.classes_.tolist() == [0, 1, 2]
        assert model.config_["class_names"] == list(ANIMALS)
        assert model.config_["labels"] == {"dtype": "int64", "values": [0, 1, 2]}
        assert model.score(X2, Y2) == 1
    assert not hasattr(govpn.VPNClassifier(), "class_names_")
    assert "'cat', 'dog', 'emu'" in animals._repr_html_().replace("&#x27;", "'")


def test_measures_find_labels_by_name(animals):
    assert animals.score(X2, Y2) == animals.score(X2, Y2, noise="label") == 1
    assert animals.evaluate(X2, Y2) == animals.evaluate(X2, Y[FEWER])
    for use in (animals.noise_std, animals.input_gradient, animals.sample_noise):
        np.testing.assert_array_equal(use(X2, Y2), use(X2, Y[FEWER]))
    floats = np.float32(X2 / 255)
    noisy = [animals.noise_transform(random_state=1)(floats, y) for y in (Y2, Y[FEWER])]
    np.testing.assert_array_equal(*noisy)
    benefit = animals.noise_benefit(X2, Y2, samples=1)
    assert benefit.per_class["class"].tolist() == list(ANIMALS)
    assert benefit.per_class["images"].tolist() == [16, 0, 16]
    assert benefit.accuracy == 1


def test_text_meets_names(animals):
    text = np.array(ANIMALS)[Y]
    assert animals.score(X, text) == animals.evaluate(X, text)["accuracy"] == 1
    with pytest.raises(ValueError, match="'fox', want one of the classes 'cat', 'dog', 'emu'"):
        animals.score(X, np.where(text == "dog", "fox", text))


def test_pictures_find_labels_by_name(animals, pictures):
    figure = plot.plot_confusion(animals, X2, Y2, normalize=None)
    assert figure.axes[0].images[0].get_array().tolist() == [[16, 0, 0], [0, 0, 0], [0, 0, 16]]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(ANIMALS)
    figure = plot.plot_noise(animals, X2, Y2)
    assert [ax.get_ylabel() for ax in figure.axes[:8:4]] == ["cat", "emu"]
    figure = plot.plot_classwise(animals, X[2], "emu")
    assert [t.get_text() for t in figure.axes[4].get_yticklabels()] == ["cat", "dog", "emu (true)"]


@pytest.mark.parametrize("names", [(), ("one",), ("a", "b", "c", "d", "e")])
def test_labels_may_have_more_or_fewer_names_than_a_model_without(make, names, pictures):
    """Such labels are numbers, as before. A class without a name is called by its number."""
    model = make(epochs=1).fit(X, Y)
    assert model.class_names_ is None
    assert model.config_["class_names"] is None
    assert model.config_["labels"] == {"dtype": "int64", "values": [0, 1, 2]}
    y = datasets.Labels(Y, names)
    assert model.score(X, y) == model.score(X, Y)
    want = [names[k] if k < len(names) else str(k) for k in range(3)]
    assert model.noise_benefit(X, y, samples=1).per_class["class"].tolist() == want
    figure = plot.plot_confusion(model, X, y)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == want
    assert plot.plot_noise(model, X, y).axes[4].get_ylabel() == want[1]


def test_an_unknown_name_is_an_error(animals):
    fox = datasets.Labels(Y, ("cat", "fox", "emu"))
    for use in (animals.score, animals.evaluate, animals.noise_std, animals.sample_noise):
        with pytest.raises(govpn.GovpnError, match=r"y\[1\] is 'fox', want .* names 'cat', 'dog', 'emu'"):
            use(X, fox)
    with pytest.raises(ValueError, match=r"validation_data y\[1\] is 'fox'"):
        copied(animals).fit(X, named(ANIMALS), validation_data=(X, fox))
    for use in (lambda m: m.fit(X, fox, resume=True), lambda m: m.partial_fit(X, fox)):
        with pytest.raises(ValueError, match=r"y\[1\] is 'fox'"):
            use(copied(animals, epochs=21))
    with pytest.raises(
        ValueError, match=r"classes 'cat', 'fox', 'emu', want .*'cat', 'dog', 'emu' as before"
    ):
        copied(animals, warm_start=True).fit(X, fox)
    with pytest.raises(ValueError, match="y has the label 2 and 2 class_names, want 0 to 1"):
        animals.score(X, datasets.Labels(Y, ANIMALS[:2]))
    with pytest.raises(ValueError, match="y has the class name 'a' twice"):
        copied(animals).fit(X, datasets.Labels(Y, ("a", "b", "a")))
    assert animals.score(X, Y) == 1


@pytest.mark.parametrize(
    "go_on",
    [
        lambda m, y: m.set_params(epochs=22).fit(X, y, resume=True),
        lambda m, y: m.partial_fit(X, y),
        lambda m, y: m.partial_fit(X, y, classes=["emu", "cat", "dog"]),
        lambda m, y: m.set_params(warm_start=True, epochs=1).fit(X, y),
        lambda m, y: m.fit(X, y, validation_data=(X2, Y2), resume=True),
        lambda m, y: m.set_params(epochs=22).fit(X, y, validation_data=(X2, Y2), resume=True),
    ],
)
def test_training_goes_on_by_name(animals, go_on):
    want, got = (go_on(copied(animals), y) for y in (Y, named(("emu", "dog", "cat"))))
    np.testing.assert_array_equal(got.predict_proba(X), want.predict_proba(X))
    assert got.class_names_ == ANIMALS
    assert got.history_["val_accuracy"][-1] in (1, pytest.approx(np.nan, nan_ok=True))


def test_columns_of_soft_labels_have_names(animals, make):
    soft = np.float32([[0.5, 0.25, 0.25], [0, 0.75, 0.25], [0.125, 0.125, 0.75]])[Y]
    turned = np.concatenate([soft[:, [2, 0, 1]], 0 * soft[:, :1]], 1)
    want, got = (
        copied(animals, epochs=21).fit(X, y, resume=True)
        for y in (soft, datasets.Labels(turned, ("emu", "cat", "dog", "fox")))
    )
    np.testing.assert_array_equal(got.predict_proba(X), want.predict_proba(X))
    with pytest.raises(ValueError, match="y has the class name 'fox', want those of 'cat', 'dog', 'emu'"):
        copied(animals, epochs=21).fit(X, datasets.Labels(soft, ("emu", "cat", "fox")), resume=True)


@pytest.fixture
def folders(tmp_path):
    """Folders with the classes 1e5, 3 and True, and with two of them and another."""

    def write(root, names):
        for name in names:
            (tmp_path / root / name).mkdir(parents=True)
            number = ["1e5", "3", "True"].index(name)
            for i, image in enumerate(X[number == Y]):
                (tmp_path / root / name / f"{i}.png").write_bytes(png(image.repeat(3, 2)))
        return str(tmp_path / root)

    return write("train", ["3", "True", "1e5"]), write("test", ["True", "1e5"])


def test_folders(folders, make, tmp_path):
    train, test = folders
    params = {"mode": "plain", "epochs": 20, "learning_rate": 0.05, "batch_size": 16}
    stream = datasets.image_folder(test, stream=True)
    for data in (train, datasets.image_folder(train, stream=True)):
        model = make(**params).fit(data, validation_data=test)
        model.save(tmp_path / "m")
        for clf in (model, govpn.load(tmp_path / "m", "go")):
            assert clf.class_names_ == ("1e5", "3", "True")
            assert clf.classes_.tolist() == [0, 1, 2]
            assert clf.score(train) == clf.score(test) == clf.score(stream) == 1
            assert clf.history_["val_accuracy"][-1] == clf.evaluate(stream)["accuracy"] == 1


def test_a_model_of_go_or_c_has_its_names_as_labels(folders):
    train, test = (datasets.image_folder(folder, stream=True) for folder in folders)
    options = {
        "device": "go",
        "base": "sr",
        "mode": "plain",
        "epochs": 20,
        "learning_rate": 0.05,
        "batch_size": 16,
    }
    model = _model.Model.create(options)
    model.fit(train.data(), test.data(), {}, 20, 0)
    assert model.history()["val_accuracy"][-1] == model.evaluate(test.data(), {})["accuracy"] == 1
    loaded = _load.classifier_of(_model.Model.from_bytes(model.to_bytes(), "go"), "go", 0)
    assert loaded.class_names_ == ("1e5", "3", "True")
    assert loaded.classes_.tolist() == ["1e5", "3", "True"]
    assert loaded.score(folders[1]) == 1


def test_tables(make):
    """Hugging Face's names and dictionaries are names. A dictionary is text."""
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(X)

    def huggingface(names, y):
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        return pa.table({"image": images, "label": np.asarray(y)}).replace_schema_metadata(metadata)

    def dictionary(names, y):
        column = pa.DictionaryArray.from_arrays(pa.array(np.asarray(y), pa.int32()), list(names))
        return pa.table({"image": images, "label": column})

    turned, fox = ("dog", "emu", "cat"), ("cat", "fox", "emu")
    for table, labels in ((huggingface, [0, 1, 2]), (dictionary, list(ANIMALS))):
        params = {"mode": "plain", "epochs": 20, "learning_rate": 0.05, "batch_size": 16}
        model = make(**params).fit(table(ANIMALS, Y))
        assert (model.class_names_, model.classes_.tolist()) == (ANIMALS, labels)
        want = model.input_gradient(X, named(ANIMALS))
        for other in (huggingface, dictionary):
            same = other(turned, named(turned))
            assert model.score(same) == 1
            scored = govpn.Scorer(model, ["gradient"], label_column="label", device="go")(same)
            got = scored["gradient"].combine_chunks().to_numpy_ndarray()
            np.testing.assert_array_equal(got, want)
            with pytest.raises(ValueError, match=r"y\[1\] is 'fox', want one of the class"):
                model.score(other(fox, Y))


@pytest.mark.parametrize(
    ("labels", "dtype", "names"),
    [
        (np.array([b"a", b"b", b"c\xff"]), "S", None),
        (np.array(["a", "True", "1.5"]), "U", ("1.5", "True", "a")),
        (np.array([3, 5, 9007199254740993]), "i", None),
        (np.array([3, 5, 2**64 - 1], np.uint64), "u", None),
        (np.array([0, 1, 2], np.uint8), "u", None),
        (np.array([-1.0, 2.0, 1e20]), "f", None),
        (np.array([False, True]), "b", None),
        pytest.param(
            np.array(["3", "x", "y"], STRINGS or "O"),
            "T",
            ("3", "x", "y"),
            marks=pytest.mark.skipif(STRINGS is None, reason="numpy 2 has StringDType"),
        ),
    ],
)
def test_labels_are_the_same_after_load(make, tmp_path, labels, dtype, names):
    y = labels[Y % len(labels)]
    model = make(mode="plain", epochs=10, learning_rate=0.05).fit(X, y)
    model.save(tmp_path / "m")
    loaded = govpn.load(tmp_path / "m", "go")
    for clf in (model, loaded):
        assert clf.classes_.dtype.kind == dtype
        assert clf.classes_.tolist() == sorted(labels.tolist())
        assert clf.class_names_ == names
        assert clf.predict(X).dtype.kind == dtype
    assert loaded.score(X, y) == model.score(X, y) == (model.predict(X) == y).mean()
    assert loaded.set_params(epochs=11).fit(X, y, resume=True).n_epochs_ == 11


def test_bytes_are_not_text(make):
    model = make(mode="plain", epochs=1).fit(X, np.array([b"a", b"b", b"c"])[Y])
    with pytest.raises(ValueError, match="y has dtype <U1, want labels like b'a', b'b', b'c'"):
        model.score(X, np.array(["a", "b", "c"])[Y])


def test_imported_weights_bring_their_names(animals, make, tmp_path):
    """A frozen base meets the images of its generator by name."""
    path = tmp_path / "base.safetensors"
    animals.export_safetensors(path, part="base")

    def frozen(classes, **options):
        return make(mode="frozen", epochs=1).import_safetensors(path, (3, 3, 1), classes, **options)

    for classes in (3, [0, 1, 2], [7, 8, 9], list(ANIMALS)):
        model = frozen(classes)
        model.save(tmp_path / "m")
        for clf in (model, govpn.load(tmp_path / "m", "go")):
            assert clf.class_names_ == ANIMALS
            assert clf.classes_.tolist() == ([0, 1, 2] if classes == 3 else classes)
        model.fit(X, named(("emu", "dog", "cat")))
        assert model.class_names_ == ANIMALS
        assert model.score(X, named(ANIMALS)) == 1
        np.testing.assert_array_equal(model.decision_function(X), animals.decision_function(X))
        with pytest.raises(ValueError, match=r"y\[0\] is 'ant', want one of the class names 'cat'"):
            model.fit(X, datasets.Labels(Y, ("ant", "dog", "emu")))
        assert model.score(X, named(ANIMALS)) == 1
    assert frozen(["Katze", "Hund", "Emu"]).class_names_ == ("Katze", "Hund", "Emu")
    with pytest.raises(
        ValueError, match='the weights are for the classes "cat", "dog", "emu", in this order'
    ):
        frozen(["dog", "cat", "emu"])
    assert frozen(3, replace_head=True).class_names_ is None
    model = make(mode="plain", epochs=1).import_safetensors(path, (3, 3, 1), 3, replace_head=True)
    assert model.fit(X, datasets.Labels(Y, ("ant", "bee", "cow"))).class_names_ == ("ant", "bee", "cow")


def test_weights_without_names_take_those_of_the_first_fit(make, tmp_path):
    make(mode="plain", epochs=1).fit(X, Y).export_safetensors(tmp_path / "b", part="base")
    model = make(mode="plain", epochs=1).import_safetensors(tmp_path / "b", (3, 3, 1), 3)
    assert model.class_names_ is None
    assert model.fit(X, named(ANIMALS)).class_names_ == ANIMALS
    model = make(mode="plain", epochs=1).import_safetensors(tmp_path / "b", (3, 3, 1), 3)
    with pytest.warns(
        govpn.GovpnWarning, match="y has names of 2 classes, 'ant', 'bee', and the weights have 3"
    ):
        assert model.fit(X[FEWER], datasets.Labels(Y[FEWER] // 2, ("ant", "bee"))).class_names_ is None


def test_partial_fit_takes_names_for_its_classes(make):
    first = Y < 2
    model = make(mode="plain").partial_fit(X[first], named(ANIMALS)[first], classes=[0, 1, 2])
    assert model.class_names_ == ANIMALS
    model = make(mode="plain").partial_fit(X[first], named(ANIMALS)[first], classes=ANIMALS[::-1])
    assert model.classes_.tolist() == list(ANIMALS)
    model.partial_fit(X, named(("emu", "dog", "cat")), classes=named(ANIMALS, np.arange(3)))
    with pytest.raises(ValueError, match=r"classes is .*, want .* as before"):
        model.partial_fit(X, named(ANIMALS), classes=["cat", "dog", "fox"])
    with pytest.raises(ValueError, match="classes has 3, for which y has no name: its class_names are 'cat'"):
        make(mode="plain").partial_fit(X, named(ANIMALS), classes=4)


@pytest.mark.filterwarnings("ignore:.*less than n_splits")
def test_a_fold_may_lack_a_class(make):
    """A name that the training data lists for no image counts as wrong, as plain labels do."""
    selection = pytest.importorskip("sklearn.model_selection")
    model = make(mode="plain", epochs=1)
    order = np.argsort(Y, kind="stable")
    for y in (Y, np.array(ANIMALS)[Y], named(ANIMALS)):
        with pytest.warns(govpn.GovpnWarning, match="16 of 16 labels that are none of the classes"):
            scores = selection.cross_val_score(model, X[order], y[order], cv=selection.KFold(3))
        assert scores.tolist() == [0, 0, 0]
    two = model.fit(X[FEWER], named(ANIMALS)[FEWER])
    with pytest.warns(
        govpn.GovpnWarning, match="16 of 48 .* classes 'cat', 'emu', such as 'dog'; they count"
    ):
        two.score(X, named(ANIMALS))
    with pytest.raises(ValueError, match="'dog', want one of the class names"):
        two.evaluate(X, named(ANIMALS))


def test_class_weight_may_name_absent_classes(make, recwarn):
    fit = make(mode="plain", epochs=1, class_weight={0: 1, 1: 1, 2: 1, 3: 5, "dgo": 2}).fit
    fit(X, Y)
    (told,) = [str(w.message) for w in recwarn if w.category is govpn.GovpnWarning]
    assert told == "class_weight has labels that y lacks, 3, 'dgo'; y has the classes 0, 1, 2"
    recwarn.clear()
    by_name, by_label = (
        make(mode="plain", epochs=1, class_weight=w).fit(X, named(ANIMALS)) for w in ({"dog": 9}, {1: 9})
    )
    np.testing.assert_array_equal(by_name.predict_proba(X), by_label.predict_proba(X))
    assert not recwarn.list


def test_names_of_0_1_0():
    """A configuration without labels is of 0.1.0, whose class names may stand for numbers."""
    from govpn._inputs import labels

    for names, values, known in (
        (["ant", '"3"'], ["ant", "3"], ("ant", "3")),
        (["3", "-7"], [3, -7], None),
        (["False", "True"], [False, True], None),
        ([], [0, 1], None),
    ):
        config = {"classes": 2, "class_names": names}
        found = labels.of_config(config)
        assert (found.tolist(), labels.names_in(config, found)) == (values, known)
    assert labels.of_config({"classes": 2, "class_names": ["3", "-7"], "labels": None}).tolist() == [
        "3",
        "-7",
    ]


def test_text_that_is_not_unicode_is_refused(make):
    """Python makes such text of a Latin-1 file name. A model's file could not keep it."""
    with pytest.raises(ValueError, match=r"y\[1\] is 'caf\\udce9', which is not UTF-8: rename it"):
        make(mode="plain").fit(X, np.array(["tea", "caf\udce9"])[np.arange(len(X)) % 2])
    with pytest.raises(ValueError, match=r"class_names\[0\] is 'caf\\udce9', which is not UTF-8"):
        Labels([0], ["caf\udce9"])
    with pytest.raises(TypeError, match=r"class_names\[1\] is b'a', want a str"):
        Labels([0], ["a", b"a"])


def test_joined_labels_keep_their_names():
    y = named(ANIMALS)
    for joined in (np.concatenate([y[:4], y[4:]]), np.hstack([y[:4], y[4:]]), np.append(y[:4], y[4:])):
        assert joined.class_names == tuple(ANIMALS)
        assert joined.tolist() == y.tolist()
    assert getattr(np.concatenate([y, np.array([0])]), "class_names", None) is None
    with pytest.raises(ValueError, match=r"labels of the classes 'cat', .* and of others cannot be joined"):
        np.concatenate([y, Labels([0], ["ant"])])


@pytest.mark.parametrize(
    "labels",
    [
        {"dtype": "int64", "values": [-0.5, 5, 7]},
        {"dtype": "int64", "values": [5, 5, 7]},
        {"dtype": "int64", "values": [5, 6, 2**64]},
        {"dtype": "bool", "values": [0, 1]},
        {"dtype": "object", "values": [0, 1]},
        {"dtype": "bytes", "values": [1, 2]},
    ],
)
def test_labels_that_govpn_does_not_write_are_a_format_error(labels):
    config = {"class_names": None, "classes": len(labels["values"]), "labels": labels}
    with pytest.raises(govpn.errors.FormatError, match="the labels of the classes have dtype"):
        of_config(config)
