"""Images give the same result however they come in, and are copied no more often than promised."""

import gc

import govpn
import numpy as np
import pyarrow as pa
import pytest


def tensors(x: np.ndarray) -> pa.Array:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(x)


def foreign(array, protocol):
    """Returns an object that speaks the Arrow PyCapsule protocol and nothing else."""

    class Exporter:
        pass

    setattr(
        Exporter, protocol, lambda self, requested_schema=None: getattr(array, protocol)(requested_schema)
    )
    return Exporter()


def arrow_inputs(x: np.ndarray, y: np.ndarray) -> dict:
    table = pa.table({"image": tensors(x), "label": pa.array(y, pa.int16())})
    halves = pa.concat_tables([table.slice(0, 100), table.slice(100)])
    return {
        "array": (tensors(x), y),
        "sliced array": (tensors(np.concatenate([x[:9], x])).slice(9), y),
        "chunked array": (pa.chunked_array([tensors(x[:100]), tensors(x[100:])]), pa.array(y)),
        "record batch": (table.to_batches()[0], None),
        "table": (table, None),
        "table of two chunks": (halves, None),
        "table and other labels": (pa.table({"pixels": tensors(x), "label": y * 0}), y),
        "reader": (halves.to_reader(), None),
        "float": (tensors(x.astype(np.float32) / np.float32(255)), y),
        "capsule array": (foreign(tensors(x), "__arrow_c_array__"), y),
        "capsule stream": (foreign(halves, "__arrow_c_stream__"), None),
        "capsule stream of images": (foreign(pa.chunked_array([tensors(x)]), "__arrow_c_stream__"), y),
    }


NAMES = list(arrow_inputs(np.zeros((101, 2, 2, 1), np.uint8), np.zeros(101, int)))


@pytest.fixture(scope="module")
def reference(make, quadrants):
    """A classifier that was trained on numpy arrays. It has no generator, so it is fast."""
    return make(epochs=1, mode="plain").fit(*quadrants)


@pytest.mark.parametrize("name", NAMES)
def test_arrow_equals_numpy(make, quadrants, reference, name):
    x, y = quadrants
    model = make(epochs=1, mode="plain").fit(*arrow_inputs(x, y)[name])
    tolerance = 1e-5 if name == "float" else 0
    np.testing.assert_allclose(model.predict_proba(x), reference.predict_proba(x), rtol=tolerance)
    inputs, _ = arrow_inputs(x, y)[name]
    np.testing.assert_allclose(model.predict_proba(inputs), reference.predict_proba(x), rtol=tolerance)


def test_tables_carry_labels(reference, quadrants):
    x, y = quadrants
    table = pa.table({"images": tensors(x), "labels": y})
    assert reference.score(table) == reference.score(x, y)
    assert reference.evaluate(table) == reference.evaluate(x, y)


def test_permutation_is_honoured(reference, quadrants):
    """Tensors whose memory is (W, C, H) are understood, because their type says so."""
    x, _ = quadrants
    memory = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    kind = pa.fixed_shape_tensor(pa.uint8(), (8, 1, 8), permutation=[2, 0, 1])
    storage = pa.FixedSizeListArray.from_arrays(pa.array(memory.reshape(-1)), 64)
    array = pa.ExtensionArray.from_storage(kind, storage)
    np.testing.assert_array_equal(reference.predict_proba(array), reference.predict_proba(x))


def test_fixed_size_lists_take_the_model_shape(reference, make, quadrants):
    x, y = quadrants
    lists = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 64)
    np.testing.assert_array_equal(reference.predict_proba(lists), reference.predict_proba(x))
    with pytest.raises(ValueError, match="fixed_shape_tensor"):
        make().fit(lists, y)


def test_numpy_is_copied_to_the_device_once(make, quadrants, device):
    x, y = quadrants
    info = make(device, epochs=2, mode="plain").fit(x, y).data_info_
    assert info["bytes_copied"] <= x.nbytes
    assert info["dtype"] == "uint8"
    assert bool(info["why"]) == bool(info["bytes_copied"])


@pytest.mark.parametrize(("dtype", "ndim"), [("uint8", 4), ("float32", 3)])
def test_lent_memory_is_never_copied(make, fitted, quadrants, device, dtype, ndim):
    x, y = quadrants
    x = x if dtype == "uint8" else x / np.float32(255)
    x = x.reshape(x.shape[:ndim])
    lent = govpn.empty(x.shape, dtype, device=device)
    assert (lent.shape, lent.dtype, lent.max()) == (x.shape, x.dtype, 0)
    lent[:] = x
    model, want = (make(device, epochs=1, mode="plain").fit(images, y) for images in (lent, x))
    assert model.data_info_["bytes_copied"] == 0
    np.testing.assert_array_equal(model.predict_proba(lent), want.predict_proba(x))
    np.testing.assert_array_equal(model.predict_proba(lent[:7]), want.predict_proba(x[:7]))
    np.testing.assert_array_equal(fitted.noise_std(lent, y), fitted.noise_std(x, y))


def test_lent_memory_takes_new_labels(make, quadrants):
    x, y = quadrants
    lent = govpn.empty(x.shape)
    lent[:] = x
    make(epochs=1, mode="plain").fit(lent, y)
    model, want = (make(epochs=1, mode="plain").fit(images, 3 - y) for images in (lent, x))
    np.testing.assert_array_equal(model.predict(lent), want.predict(x))


def test_lent_memory_outlives_its_owner():
    view = govpn.empty((100, 64, 64, 3))[5:]
    gc.collect()
    view[:] = 255
    assert int(view.sum()) == view.size * 255
    assert type(view.copy() + 1).lent is None


def test_results_outlive_the_model(make, quadrants):
    model = make(epochs=1).fit(*quadrants)
    std = model.noise_std(*quadrants)
    want = std.copy()
    del model
    gc.collect()
    np.testing.assert_array_equal(std, want)
