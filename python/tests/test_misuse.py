"""Bad input raises an error that names the argument, and the classifier stays usable."""

import multiprocessing
import pickle
import sys

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import make_quadrants

X, Y = make_quadrants(64)
FLOAT = X / np.float32(255)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def with_nulls(x):
    array = pa.FixedShapeTensorArray.from_numpy_ndarray(x)
    return pa.concat_arrays([array, pa.nulls(1, array.type)])


BAD_DATA = {  # name: (X, y, what the message says)
    "one axis": (X.reshape(-1), Y, r"X has shape \(4096,\), want \(N, H, W, C\) or \(N, H, W\)"),
    "NaN features": (changed(X.reshape(64, 64).astype(float), (5, 9), np.nan), Y, "X contains NaN"),
    "complex features": (X.reshape(64, 64) * 1j, Y, "[Cc]omplex"),
    "five axes": (X[None], Y, r"want \(N, H, W, C\)"),
    "no images": (X[:0], Y[:0], "X has no images"),
    "no pixels": (X[:, :0], Y, "at least one pixel"),
    "int64 pixels": (X.astype(int), Y, r"X has dtype int64, want uint8 \(0 to 255\) or float \(0 to 1\)"),
    "bool pixels": (X > 9, Y, "X has dtype bool"),
    "text": ("images", Y, "X is .images., which is no folder"),
    "None": (None, Y, "X is a NoneType of shape .., want"),
    "NaN": (changed(FLOAT, (3, 0, 5, 0), np.nan), Y, r"X\[3, 0, 5, 0\] is nan, want float pixels finite"),
    "infinity": (changed(FLOAT, (1, 2, 3, 0), np.inf), Y, r"X\[1, 2, 3, 0\] is inf"),
    "float 0..255": (X.astype(np.float32), Y, "divide by 255, or pass uint8"),
    "float64 beyond float32": (changed(FLOAT.astype(float), (0, 0, 0, 0), 1e300), Y, "is inf, want float"),
    "negative": (-FLOAT, Y, "from 0 to 1"),
    "lengths": (X, Y[:-1], "y has 63 labels, want 64"),
    "no labels": (X, None, "y is None"),
    "labels of two axes": (X, np.stack([Y, Y], 1), r"y has shape \(64, 2\)"),
    "fractional label": (X, changed(Y.astype(float), 5, 0.5), r"y\[5\] is 0.5, want whole numbers"),
    "NaN label": (X, changed(Y.astype(float), 6, np.nan), r"y\[6\] is nan"),
    "None label": (X, changed(Y.astype(object), 7, None), r"y\[7\] is None"),
    "mixed labels": (X, changed(Y.astype(object), 8, "a"), "y mixes text and numbers"),
    "complex labels": (X, Y + 1j, "y has dtype complex128"),
    "null label": (X, pa.array([None, *Y[1:]]), "y has 1 nulls"),
    "null image": (with_nulls(X), np.append(Y, 0), "X has 1 nulls"),
    "no image column": (pa.table({"a": Y}), Y, r"X has columns \['a'\], want one named image"),
    "lists of int": (pa.array([[1], [2]]), Y[:2], "X has Arrow type list"),
    "tensors of int64": (pa.FixedShapeTensorArray.from_numpy_ndarray(X.astype(int)), Y, "int64"),
    "Arrow NaN": (
        pa.FixedShapeTensorArray.from_numpy_ndarray(changed(FLOAT, (3, 0, 5, 0), np.nan)),
        Y,
        "(?i)nan",
    ),
}

BAD_PARAMETERS = {  # name: (value, what the message says)
    "base": ("resnet", "resnet"),
    "generator": ("gan", "gan"),
    "mode": ("magic", "magic"),
    "epochs": (0, "(?i)epochs is 0"),
    "batch_size": (2.5, "batch_size is 2.5 of type float, want an int"),
    "accumulate": (3, "(?i)accumulate is 3 with batch_?size 32, want a divisor"),
    "remat": (1, "remat is 1 of type int, want a bool"),
    "drop_last": (1, "drop_last is 1 of type int, want a bool"),
    "learning_rate": (-1.0, "(?i)learning_?rate is -1"),
    "optimizer": ("lion", "lion"),
    "weight_decay": (float("nan"), "weight_decay is nan"),
    "schedule": (1, "schedule is 1 of type int, want a str"),
    "noise_samples": (0, "(?i)noise_?samples is 0"),
    "std": ("big", "big"),
    "std_range": ((0.3, 0.1), "(?i)std_?range"),
    "preset": ("best", "best"),
    "device": ("tpu", "tpu"),
    "devices": ([0, 7], r"devices is \[0 7\], want numbers from 0 to 0, each once"),
    "random_state": ("x", "random_state is 'x'"),
    "verbose": ("x", "verbose is 'x'"),
    "normalize": ({"mean": [0.5, 0.5], "std": [1, 1]}, "(?i)normalize"),
    "label_smoothing": (1, "(?i)label_?smoothing is 1"),
    "entropy_weight": (0.1, "(?i)entropy_?weight is 0.1 with mode plain"),
    "label_fusion": ("concat", '(?i)label_?fusion is "concat", want one of bias, embedding, film, plane'),
    "noise_layer": (1, "(?i)noise_?layer is 1, want 0 to 0: base sr has no hidden layer"),
    "noise_distribution": ("cauchy", "cauchy"),
    "noisy_batch_norm": ("separate", "(?i)noisy_?batch_?norm is separate .* > 0"),
    "compute_dtype": ("float16", '(?i)compute_?dtype is "float16"'),
    "initial_values": ("kaiming", '(?i)initial_?values is "kaiming", want one of torchvision, torch'),
    "std_epsilon": (0, "(?i)std_?epsilon is 0"),
    "clip_noisy": (1, "clip_noisy is 1 of type int, want a bool"),
    "class_weight": ({1: "a"}, r"class_weight\[1\] is 'a' of type str, want a number"),
    "pixel_range": ((1, 0), "pixel_range is .1, 0., want low < high"),
}


@pytest.fixture(scope="module")
def model(make):
    return make(epochs=1, mode="plain").fit(X, Y)


# ---- errors of other code --------------------------------------------------------------------------------


class Failing:
    """An object of another library whose methods of this name raise an error."""

    def __init__(self, method, error):
        self.error = error
        self.__class__ = type("Failing", (Failing,), {method: Failing.fail})

    def fail(self, *args, **kwargs):
        raise self.error


class FailingTensor:
    __module__ = "torch"
    device, dtype, shape, ndim = "cpu", "torch.float32", (64, 8, 8, 1), 4

    def detach(self):
        return self

    def numpy(self, force=False):
        raise KeyError("storage")


def failing_reader(error):
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(X), "label": Y})

    def batches():
        yield table.to_batches()[0]
        raise error

    return pa.RecordBatchReader.from_batches(table.schema, batches())


def tensors_of(metadata):
    """A table of tensors whose metadata is this text, from a library that does not check it."""
    values = pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 64)
    keys = {"ARROW:extension:name": "arrow.fixed_shape_tensor", "ARROW:extension:metadata": metadata}
    schema = pa.schema([pa.field("image", values.type, metadata=keys)])
    table = pa.Table.from_arrays([values], schema=schema)
    return type("Exporter", (), {"__arrow_c_stream__": lambda self, r=None: table.__arrow_c_stream__(r)})()


IMAGE = pa.FixedShapeTensorArray.from_numpy_ndarray(X)
HOSTILE_X = {  # name: (makes X, what the message says)
    "pairs": (
        lambda: list(zip(X, Y, strict=True)),
        r"X\[0\] is a tuple of an image and a int64, .*one by one",
    ),
    "pairs of files": (lambda: [("a.png", 0)], r"X\[0\] is a tuple of an image and a int"),
    "object": (lambda: X.astype(object), r"X has dtype object, want uint8 .*X.astype\(np.uint8\)"),
    "ragged": (
        lambda: [[[1, 2], [3]], [[1]]],
        "X is a list of 2, whose first is a list, which cannot be read",
    ),
    "ragged arrays": (lambda: [X[0], None], r"X\[1\] is a NoneType"),
    "empty rows": (lambda: [[]], "X is a list of 1, .*0 feature"),
    "masked": (lambda: np.ma.array(X, mask=X > 9), "X is an array with masked values, want none"),
    "masked features": (
        lambda: np.ma.array(X.reshape(64, 64), mask=True),
        "X is an array with masked values",
    ),
    "records": (lambda: np.zeros((64, 8, 8), [("a", "u1")]), "X has dtype"),
    "dates": (lambda: X.astype("M8[s]"), "X has dtype datetime64"),
    "text features": (
        lambda: np.full((64, 9), "a.png"),
        "X is an array of shape .64, 9. and dtype <U5, want num",
    ),
    "generator": (lambda: (x for x in X), "X is a generator of shape .., want images"),
    "dict": (lambda: {"image": X}, "X is a dict of shape .., want images"),
    "null character": (lambda: ["a\0.png"], "X is a list of 1, whose first is a str, .*null"),
    "__array__": (
        lambda: Failing("__array__", RuntimeError("lost")),
        r"X is a Failing, .*\(RuntimeError: lost\)",
    ),
    "__dlpack__": (lambda: Failing("__dlpack__", KeyError("k")), "X is a Failing, which cannot be read"),
    "__arrow_c_array__": (
        lambda: Failing("__arrow_c_array__", KeyError("k")),
        r"\(KeyError: 'k'\); want images",
    ),
    "__arrow_c_stream__": (lambda: Failing("__arrow_c_stream__", OSError("disk")), "X .*OSError: disk"),
    "tensor": (FailingTensor, r"X is a FailingTensor, which cannot be read \(KeyError: 'storage'\)"),
    "reader": (
        lambda: failing_reader(RuntimeError("lost")),
        "X is a RecordBatchReader, .*RuntimeError: lost",
    ),
    "reader of a full disk": (lambda: failing_reader(OSError("disk")), "X is a RecordBatchReader, .*disk"),
    "no metadata": (lambda: tensors_of("oops"), "X is a Exporter, which cannot be read .*JSON"),
    "odd metadata": (lambda: tensors_of('{"shape": [8]}'), "X is a Exporter, which cannot be read"),
    "two columns": (
        lambda: pa.Table.from_arrays([IMAGE, IMAGE], ["image"] * 2),
        "X has 2 columns named 'image'",
    ),
    "two labels": (
        lambda: pa.Table.from_arrays([IMAGE, pa.array(Y), pa.array(Y)], ["image", "label", "label"]),
        "X has 2 columns named 'label', want one",
    ),
    "lists of text": (
        lambda: pa.array([["a"]], pa.list_(pa.string(), 1)),
        "X has Arrow type fixed_size_list",
    ),
    "empty lists": (
        lambda: pa.array([[[]]], pa.list_(pa.list_(pa.uint8()))),
        "X has images of .1, 0. pixels",
    ),
    "union": (
        lambda: pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
        "X has Arrow type sparse_union",
    ),
}


@pytest.mark.parametrize("name", HOSTILE_X)
def test_errors_of_reading_x_are_those_of_govpn(model, name):
    make_x, message = HOSTILE_X[name]
    for use in (model.predict, lambda x: model.score(x, Y), lambda x: model.fit(x, Y)):
        with pytest.raises(govpn.GovpnError, match=message):
            use(make_x())
    with pytest.raises(govpn.GovpnError, match=f"validation_data.*{message.removeprefix('X')}"):
        model.fit(X, Y, validation_data=(make_x(), Y))


def test_causes_are_kept_and_kinds_are_told():
    for error, kind in (
        (OSError("disk"), OSError),
        (MemoryError(), MemoryError),
        (KeyError("k"), ValueError),
    ):
        with pytest.raises(kind) as caught:
            govpn.to_arrow(Failing("__array__", error))
        assert isinstance(caught.value, govpn.GovpnError)
        assert caught.value.__cause__ is error


class NoRepr:
    def __repr__(self):
        raise RuntimeError("no repr")


HOSTILE_Y = {  # name: (makes y, what the message says)
    "text and NaN": (lambda: np.array([np.nan, *"a" * 63], object), r"y\[0\] is nan, want whole numbers"),
    "no repr": (lambda: np.array([NoRepr()] * 64, object), r"y\[0\] is an object of type NoRepr"),
    "ragged": (lambda: [[1], [1, 2]] * 32, "y is a list of 64, whose first is a list, which cannot be read"),
    "masked": (lambda: np.ma.array(Y, mask=Y > 2), "y has masked values"),
    "masked probabilities": (lambda: np.ma.array(np.eye(4)[Y], mask=np.eye(4)[Y] > 0), "y has masked values"),
    "dict": (lambda: dict.fromkeys(range(64)), "y is a dict, want .* in an order"),
    "set": (lambda: set(range(64)), "y is a set, want"),
    "generator": (lambda: iter(Y), "y is a .*iterator, want"),
    "text": (lambda: "abcd", "y is 'abcd', want"),
    "structs": (lambda: pa.array([{"a": 1}] * 64), r"y\[0\] is {'a': 1}"),
    "union": (
        lambda: pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
        "y is a SparseUnion|y is a Un",
    ),
    "__array__": (lambda: Failing("__array__", RuntimeError("lost")), "y is a Failing, .*RuntimeError: lost"),
    "tensor": (FailingTensor, "y is a FailingTensor, which cannot be read"),
}


@pytest.mark.parametrize("name", HOSTILE_Y)
def test_errors_of_reading_y_are_those_of_govpn(model, name):
    make_y, message = HOSTILE_Y[name]
    for use in (model.fit, model.score, model.evaluate, model.input_gradient):
        with pytest.raises(govpn.GovpnError, match=message):
            use(X, make_y())
    with pytest.raises(govpn.GovpnError, match=message):
        govpn.datasets.split(X, make_y(), first=9)


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data(model, name):
    before = model.predict_proba(X)
    x, y, message = BAD_DATA[name]
    with pytest.raises(govpn.GovpnError, match=message) as caught:
        model.fit(x, y)
    assert isinstance(caught.value, (ValueError, TypeError))
    with pytest.raises(govpn.GovpnError):
        model.fit(X, Y, validation_data=(x, y))
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameters(make, name):
    value, message = BAD_PARAMETERS[name]
    bad = make(mode="plain").set_params(**{name: value, "epochs": value if name == "epochs" else 1})
    with pytest.raises(govpn.GovpnError, match=message):
        bad.fit(X, Y)
    bad.set_params(**{name: make(mode="plain").get_params()[name]}).fit(X, Y)
    assert bad.n_epochs_ in (1, 4)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.predict(X[:, :4]), r"4.8.1"),
        (lambda m: m.predict(X, noise="loud"), "loud"),
        (lambda m: m.predict(X, noise="classwise"), "which has no generator"),
        (lambda m: m.predict(X, samples=1.5), "samples is 1.5"),
        (lambda m: m.predict(X, random_state=-1), "random_state is -1"),
        (lambda m: m.sample_noise(X, Y, n="2"), "n is '2'"),
        (lambda m: m.score(X, Y[:3]), "y has 3 labels, want 64"),
        (lambda m: m.evaluate(X, Y + 1), r"y\[\d+\] is .*4.*, want one of the classes 0, 1, 2, 3"),
        (lambda m: m.evaluate(X, Y.astype(str)), "want labels like 0"),
        (lambda m: m.fit(X, Y + 1, resume=True), "want one of the classes"),
        (lambda m: m.fit(X, Y, validation_data=(X, Y + 9)), r"validation_data y\[0\]"),
        (lambda m: m.fit(X, Y, validation_data=3), "validation_data X"),
        (
            lambda m: m.predict(X.reshape(64, 64)[:, :9]),
            "X has 9 features, but VPNClassifier is expecting 64",
        ),
        (lambda m: m.predict([[0.5] * 64, [1]]), "inhomogeneous"),
        (lambda m: m.partial_fit(X, Y, classes=[0, 1]), "classes is .0, 1., want .0, 1, 2, 3. as before"),
        (lambda m: m.fit(X, Y, sample_weight=[1.0]), "sample_weight has 1 weights, want 64"),
        (lambda m: m.fit(X, Y, sample_weight=np.arange(64) - 3.0), r"sample_weight.0. is -3"),
        (lambda m: m.fit(X, Y, sample_weight=np.zeros(64)), "weights of all images are zero"),
        (lambda m: m.fit(X, Y, sample_weight="x"), "sample_weight is 'x'"),
        (lambda m: m.score(X, Y, sample_weight=[1.0]), "sample_weight has 1 weights, want 64"),
        (
            lambda m: m.score(X, Y, sample_weight=Y.astype("M8[s]")),
            "sample_weight is an array of shape .64,. and",
        ),
        (lambda m: m.score(X, Y, sample_weight=[None] * 64), "sample_weight.0. is nan"),
        (lambda m: m.score(X, Y, sample_weight=np.zeros(64)), "weights of all images are zero"),
        (lambda m: m.partial_fit(X, Y, classes=[]), "classes has no labels"),
        (lambda m: m.predict(X[0]), r"images of 8×1×1, want 8×8×1 as the model; of one image pass X\[None\]"),
        (lambda m: m.predict(X, random_state=NoRepr()), "random_state is an object of type NoRepr"),
        (lambda m: m.set_params(ephocs=3), "Invalid parameter 'ephocs'"),
        (lambda m: m.save(3), "path is 3 of type int, want a path"),
        (
            lambda m: m.estimate_memory((8, 8, 1), {1}),
            "classes is .1. of type set, want text or numbers",
        ),
        (lambda m: m.fit(X, Y, callbacks=3), "callbacks is 3, which cannot be read"),
        (lambda m: m.fit(X, Y, callbacks=[3]), "callbacks has 3"),
        (lambda m: govpn.callbacks.CSVLogger(3), "path is 3"),
        (lambda m: govpn.callbacks.EarlyStopping(patience="1"), "patience is '1' of type str, want an int"),
        (lambda m: govpn.load(None), "path is None"),
        (
            lambda m: govpn.to_arrow([[1], [1, 2]]),
            "array is a list of 2, whose first is a list, which cannot",
        ),
        (lambda m: govpn.to_arrow(np.zeros((4, 0))), r"array is an array of shape \(4, 0\)"),
        (lambda m: govpn.datasets.image_files("a.png"), "files is 'a.png', want a list"),
        (lambda m: govpn.datasets.image_files(3), "files is 3, which cannot be read"),
        (lambda m: govpn.datasets.Labels(["a"]), "labels is a list of 1, whose first is a str, which cannot"),
        (lambda m: govpn.datasets.fashion_mnist(["train"]), r"split is \['train'\]"),
        (lambda m: govpn.datasets.split(3, first=1), "X is 3, which cannot be read"),
        (lambda m: govpn.Scorer(m, device="go")(X), "batch is an array of shape .*, want a RecordBatch"),
        (lambda m: govpn.Scorer(m, 3), "output is 3, which cannot be read"),
        (lambda m: govpn.empty(3), "shape is 3, which cannot be read"),
        (lambda m: govpn.empty((4, 8, 8), "pixel"), "dtype is 'pixel', which cannot be read"),
        (lambda m: m.import_safetensors(__file__), r"\S"),
        (lambda m: govpn.empty((0, 8, 8)), "shape"),
        (lambda m: govpn.empty((4, 8)), "shape"),
        (lambda m: govpn.empty((4, 8, 8), "int64"), "int64"),
        (lambda m: govpn.empty((2**40, 8, 8)), r"\d bytes"),
    ],
)
def test_bad_calls(model, use, message):
    before = model.predict_proba(X)
    with pytest.raises(govpn.GovpnError, match=message):
        use(model)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_resume_keeps_the_configuration(model):
    other = pickle.loads(pickle.dumps(model)).set_params(learning_rate=0.5)
    with pytest.raises(ValueError, match=r"resume: learning_rate is 0\.5, want 0\.01"):
        other.fit(X, Y, resume=True)


def test_unfitted(make):
    for use in (lambda m: m.predict(X), lambda m: m.save("x"), lambda m: m.fit(X, Y, resume=True)):
        with pytest.raises(govpn.NotFittedError, match="call fit"):
            use(make())
    with pytest.raises(ValueError, match="image_shape or classes"):
        make().import_safetensors("x")


def test_frozen_needs_a_base(make):
    with pytest.raises(ValueError, match="base weights"):
        make(mode="frozen").fit(X, Y)


def test_collapse_warns_and_samples_count(make):
    with pytest.warns(govpn.GovpnWarning, match="σ"):
        model = make(epochs=1, std="bounded", std_range=(0.1, 0.1001)).fit(X, Y)
    assert any("σ" in text for text in model.warnings_)
    for use in (model.classwise_scores, lambda x, samples: model.sample_noise(x, Y, n=samples)):
        for count in (0, 1_000_001, 2**63 - 1, 2**70):
            with pytest.raises(ValueError, match=rf"(samples|n) is {count}, want 1 to 1000000"):
                use(X, samples=count)


def predict_in_child(model, queue):
    try:
        queue.put(repr(model.predict(X)))
    except govpn.GovpnError as error:
        queue.put(error.status)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_is_an_error(model):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=predict_in_child, args=(model, queue))
    child.start()
    assert queue.get(timeout=20) == "GOVPN_E_FORKED"
    child.join(20)
    assert child.exitcode == 0
