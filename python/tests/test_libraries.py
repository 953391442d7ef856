"""Tensors and tables of other libraries. A library that is not installed is not tested."""

import re
from pathlib import Path

import govpn
import numpy as np
import pytest
from conftest import make_quadrants, png

X, Y = make_quadrants(64)
RGB = np.repeat(X, 3, 3)
CHW = np.ascontiguousarray(RGB.transpose(0, 3, 1, 2))
PNGS = [{"bytes": png(x), "path": None} for x in X]
CLASSES = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def fit(make):
    return lambda x, y=None, **options: make(epochs=2, mode="plain", **options).fit(x, y)


@pytest.fixture(scope="module")
def references(fit):
    return {1: fit(X, Y), 3: fit(RGB, Y)}


def same(model, references, *inputs):
    channels = model.image_shape_[2]
    want = references[channels].predict_proba(X if channels == 1 else RGB)
    for x in inputs:
        np.testing.assert_allclose(model.predict_proba(x), want, atol=2e-5)


def test_torch(fit, references):
    torch = pytest.importorskip("torch")
    tensor, labels = torch.from_numpy(CHW), torch.from_numpy(Y)
    floats = (tensor / 255).requires_grad_()
    for x in (tensor, floats, tensor.contiguous(memory_format=torch.channels_last), list(tensor)):
        same(fit(x, labels), references, RGB, x)
    assert fit(torch.from_numpy(X[..., 0]), labels).data_info_["bytes_borrowed"] == X.nbytes
    view = tensor.contiguous(memory_format=torch.channels_last)
    assert fit(view, labels).data_info_["bytes_borrowed"] == RGB.nbytes
    assert "bfloat16" in fit(floats.bfloat16(), labels).data_info_["why"]
    assert fit(torch.nn.Parameter(floats.detach().half()), labels).image_shape_ == (8, 8, 3)
    with pytest.raises(TypeError, match=r"X is a torch.Tensor that cannot become a numpy array"):
        fit(tensor.to_sparse(), labels)
    result = references[3].predict_proba(tensor)
    shared = torch.from_dlpack(result)
    shared[:] = 5
    assert (result == 5).all()


def test_torch_noise_transform(make):
    torch = pytest.importorskip("torch")
    transform = make(epochs=1).fit(RGB, Y).noise_transform(clip=True, random_state=0)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        images = (torch.from_numpy(CHW) / 255).to(dtype).requires_grad_()
        noisy = transform(images, torch.from_numpy(Y))
        assert (noisy.shape, noisy.dtype) == (images.shape, dtype)
        assert (noisy - images).abs().max() > 0
        assert noisy.max() <= 1
        noisy.sum().backward()
        assert images.grad.max() == 1


def test_torch_on_gpu(fit, references):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    model = fit(torch.from_numpy(CHW).cuda(), torch.from_numpy(Y).cuda())
    same(model, references, RGB)
    assert "copied from cuda:0" in model.data_info_["why"]


def test_jax(fit, references):
    jax = pytest.importorskip("jax.numpy")
    model = fit(jax.asarray(RGB), jax.asarray(Y))
    same(model, references, RGB, jax.asarray(RGB))
    assert model.data_info_["bytes_borrowed"] == RGB.nbytes
    half = jax.asarray(RGB / 255, jax.bfloat16)
    assert "bfloat16" in fit(half, Y).data_info_["why"]


def test_polars(fit, references):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"image": X, "label": np.array(CLASSES)[Y]})
    model = fit(frame)
    same(model, references, X, frame)
    assert model.classes_.tolist() == CLASSES
    assert model.data_info_["bytes_borrowed"] == X.nbytes
    encoded = polars.DataFrame({"image": [p["bytes"] for p in PNGS], "label": Y})
    same(fit(encoded), references, RGB, encoded, encoded["image"])
    same(fit(RGB, encoded["label"]), references, RGB)


def test_nanoarrow(fit, references):
    nanoarrow = pytest.importorskip("nanoarrow")
    import pyarrow as pa

    images = nanoarrow.Array(govpn.to_arrow(RGB).storage, nanoarrow.fixed_size_list(nanoarrow.uint8(), 192))
    same(references[3], references, images)
    table = pa.table({"image": govpn.to_arrow(RGB), "label": Y})
    model = fit(nanoarrow.ArrayStream(table))
    same(model, references, RGB)
    same(fit(RGB, nanoarrow.Array(pa.array(Y))), references, RGB)


def test_hugging_face(fit, references):
    hf = pytest.importorskip("datasets")
    label = hf.ClassLabel(names=CLASSES)
    features = hf.Features({"img": hf.Image(), "label": label})
    data = hf.Dataset.from_dict({"img": PNGS, "label": Y}, features=features)
    model = fit(data)
    same(model, references, RGB, data)
    assert "decoded from 64 encoded images" in model.data_info_["why"]
    np.testing.assert_array_equal(model.predict(data.select([5, 2])), model.predict(RGB[[5, 2]]))
    with pytest.raises(ValueError, match=r'of train, test, want one of them: X\["train"\]'):
        fit(hf.DatasetDict({"train": data, "test": data}))
    with pytest.raises(TypeError, match=r"IterableDataset, want a datasets\.Dataset"):
        fit(data.to_iterable_dataset())
    features = hf.Features({"image": hf.Array3D((8, 8, 1), "uint8"), "label": label})
    arrays = hf.Dataset.from_dict({"image": X, "label": Y}, features=features)
    model = fit(arrays)
    same(model, references, X, arrays)
    assert model.data_info_["bytes_borrowed"] == X.nbytes
    assert model.score(arrays) == references[1].score(X, Y)


def test_pandas(fit, references):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"image": PNGS, "label": np.array(CLASSES)[Y]})
    model = fit(frame)
    same(model, references, RGB, frame, frame["image"])
    assert model.classes_.tolist() == CLASSES
    same(fit(RGB, frame["label"].astype("category")), references, RGB)
    same(fit(pandas.Series(list(X)), Y), references, X)


def documented():
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    return re.findall(r"```python\n(.*?)```", text.partition("## Data sets on disk")[0], re.S)


@pytest.mark.parametrize("block", documented()[1:])
def test_documented(block, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = {}
    exec(documented()[0], names)
    try:
        exec(block, names)
    except ImportError as error:
        pytest.skip(str(error))
