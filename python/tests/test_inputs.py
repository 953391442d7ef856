"""Tensors, PIL images, files and so on give the results of a numpy array; data_info_ tells the copies."""

import govpn
import numpy as np
import pyarrow as pa
import pytest
from conftest import NAMES, make_quadrants, png, write
from govpn import datasets

X, Y = make_quadrants(64)
FLOATS = X / np.float32(255)


class Tensor:
    """Has what govpn uses of torch.Tensor. It may be on a GPU and may need a gradient."""

    __module__ = "torch"

    def __init__(self, array, device="cpu", dtype=None, grad=False):
        self.array, self.device, self.grad = array, device, grad
        self.dtype, self.shape, self.ndim = dtype or f"torch.{array.dtype}", array.shape, array.ndim

    def detach(self):
        return Tensor(self.array, self.device, self.dtype)

    def float(self):
        return Tensor(self.array.astype(np.float32), self.device)

    def numpy(self, force=False):
        if self.grad or self.dtype == "torch.bfloat16" or (self.device != "cpu" and not force):
            raise RuntimeError("no numpy")
        return self.array.copy() if self.device != "cpu" else self.array


class Exporter:
    """An array of a library that speaks DLPack.

    If it is on a GPU, it is copied when numpy asks for the CPU.
    """

    def __init__(self, array, kind=1, copies=True):
        self.array, self.kind, self.copies, self.shape, self.ndim = (
            array,
            kind,
            copies,
            array.shape,
            array.ndim,
        )

    def __dlpack_device__(self):
        return self.kind, 0

    def __dlpack__(self, **options):
        if self.kind != 1 and not (self.copies and options.get("dl_device") == (1, 0)):
            raise BufferError("on a GPU")
        return self.array.__dlpack__(**options | {"dl_device": None})


@pytest.fixture(scope="module")
def reference(make):
    return make(epochs=2, mode="plain").fit(X, Y)


FIRST = np.ascontiguousarray(X.transpose(0, 3, 1, 2))
ON_CPU = {  # name: (the images, why they are copied)
    "read-only": (np.frombuffer(X.tobytes(), np.uint8).reshape(X.shape), ""),
    "strides": (np.repeat(X, 2, 2)[:, :, ::2], "laid out as (N, H, W, C)"),
    "reversed": (X[::-1].copy()[::-1], "laid out as (N, H, W, C)"),
    "Fortran": (np.asfortranarray(X), "laid out as (N, H, W, C)"),
    "float64": (FLOATS.astype(float), "converted from float64 to float32"),
    "byte order": (FLOATS.astype(">f4"), "converted from >f4 to float32"),
    "tensor": (Tensor(X[..., 0]), ""),
    "tensor with gradient": (Tensor(FLOATS, grad=True), ""),
    "channels first": (Tensor(FIRST), ""),  # with one channel the memory is the same
    "bfloat16": (Tensor(FLOATS, dtype="torch.bfloat16"), "converted from bfloat16 to float32"),
    "GPU": (Tensor(FIRST, "cuda:0"), "copied from cuda:0"),
    "DLPack": (Exporter(X), ""),
    "DLPack GPU": (Exporter(X, 2), "copied from cuda"),
    "list": (list(X), "stacked from arrays"),
    "list of tensors": ([Tensor(x) for x in FIRST], "stacked from arrays"),
    "PNG": ([png(x) for x in X], "decoded from 64 encoded images"),
    "nested lists": (pa.array(X.tolist(), pa.list_(pa.list_(pa.list_(pa.uint8())))), ""),
    "PNG in Arrow": (pa.array([png(x) for x in X]), "decoded from 64 encoded images"),
}


@pytest.mark.parametrize("name", ON_CPU)
def test_all_are_the_same_images(make, reference, name):
    images, why = ON_CPU[name]
    grey = 3 if "PNG" in name else 1  # encoded images become RGB
    model = make(epochs=2, mode="plain").fit(images, Y)
    want = reference if grey == 1 else make(epochs=2, mode="plain").fit(np.repeat(X, 3, 3), Y)
    pixels = X if grey == 1 else np.repeat(X, 3, 3)
    np.testing.assert_allclose(model.predict_proba(pixels), want.predict_proba(pixels), atol=2e-5)
    np.testing.assert_allclose(model.predict_proba(images), model.predict_proba(pixels), atol=1e-6)
    info = model.data_info_
    reasons = [r for r in info["why"].split("; ") if not r.startswith("sent to the device")]
    assert "; ".join(reasons) == why
    size = info["memory_bytes"]
    assert info["bytes_borrowed"] == (0 if why else size)
    assert info["bytes_copied"] == size * (info["why"].count(";") + bool(info["why"]))


def test_pinned_half_and_single_images(reference):
    half = FLOATS.astype(np.float16)
    np.testing.assert_allclose(reference.predict_proba(half), reference.predict_proba(X), atol=1e-3)
    np.testing.assert_array_equal(reference.predict_proba([png(X[5])]), reference.predict_proba(X[5:6]))
    with pytest.raises(TypeError, match=r"X is a Exporter on cuda.* such as cupy\.asnumpy"):
        reference.predict(Exporter(X, 2, copies=False))


def test_labels_of_other_libraries(make, reference):
    soft = np.eye(4, dtype=np.float32)[Y]
    for labels in (
        Tensor(Y, "cuda:0"),
        Exporter(Y),
        pa.array(Y).dictionary_encode(),
        Tensor(soft, grad=True),
    ):
        model = make(epochs=2, mode="plain").fit(X, labels)
        np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-6)
    assert reference.score(X, Tensor(Y, "cuda:0")) == reference.score(X, Y)


# ---- channels ----------------------------------------------------------------------------------------------

RGB = np.random.default_rng(0).integers(0, 256, (40, 8, 6, 3), np.uint8)
CHW, LABELS = np.ascontiguousarray(RGB.transpose(0, 3, 1, 2)), np.arange(40) % 2


def test_channels_first(make):
    want = make(epochs=1, mode="plain").fit(RGB, LABELS)
    guessed = make(epochs=1, mode="plain").fit(Tensor(CHW), LABELS, validation_data=(CHW, LABELS))
    told = make(epochs=1, mode="plain", channels="first").fit(CHW, LABELS)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(CHW)
    arrow = make(epochs=1, mode="plain", channels="first").fit(tensors, LABELS)
    for model in (want, guessed, told, arrow):
        assert model.image_shape_ == (8, 6, 3)
        np.testing.assert_array_equal(model.predict_proba(CHW), want.predict_proba(RGB))
        np.testing.assert_array_equal(model.predict_proba(tensors), want.predict_proba(RGB))
    assert "laid out" in guessed.data_info_["why"]
    assert "transposed from memory of shape" in arrow.data_info_["why"]
    view = Tensor(RGB.transpose(0, 3, 1, 2))  # as torch's memory format channels_last
    assert make(epochs=1, mode="plain").fit(view, LABELS).data_info_["bytes_borrowed"] == RGB.nbytes


@pytest.mark.parametrize(
    "images", [CHW, Tensor(np.zeros((9, 3, 5, 3), np.uint8)), Tensor(np.zeros((9, 4, 8, 8), np.uint8))]
)
def test_uncertain_channels_are_asked_for(make, images):
    with pytest.raises(ValueError, match=r'channels="first".*channels="last"') as caught:
        make().fit(images, np.arange(len(images.shape) and images.shape[0]) % 2)
    assert f"X has shape (N, {', '.join(map(str, images.shape[1:]))})" in str(caught.value)


def test_channels_is_a_parameter(make):
    image = np.zeros((9, 3, 8, 6), np.uint8)
    assert make(mode="plain", epochs=1, channels="last").fit(image, np.arange(9) % 2).image_shape_ == (
        3,
        8,
        6,
    )
    with pytest.raises(ValueError, match='channels is 1, want None, "first" or "last"'):
        make(channels=1).fit(RGB, LABELS)


def test_noise_transform_has_channels_of_its_own(make):
    model = make(epochs=1, channels="first").fit(CHW, LABELS)
    noisy = model.noise_transform()(np.float32(RGB / 255), LABELS)
    assert noisy.shape == RGB.shape


def tensor_type(images, dim_names=None, permutation=None):
    kind = pa.fixed_shape_tensor(pa.uint8(), images.shape[1:], dim_names=dim_names, permutation=permutation)
    storage = pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), images[0].size)
    return pa.ExtensionArray.from_storage(kind, storage)


WHC = np.ascontiguousarray(RGB.transpose(0, 2, 1, 3))
TOLD = {  # Arrow tensors that tell the order of their dimensions
    "CHW": tensor_type(CHW, ["C", "H", "W"]),
    "lower case": tensor_type(CHW, ["c", "h", "w"]),
    "words": tensor_type(WHC, ["Width", "Height", "Channels"]),
    "HWC": tensor_type(RGB, ["H", "W", "C"]),
    "other names": tensor_type(RGB, ["a", "b", "c"]),
    "permutation": tensor_type(CHW, None, [1, 2, 0]),
    "its inverse": tensor_type(CHW, None, [2, 0, 1]),  # what pyarrow writes of a channels-last view
    "names and permutation": tensor_type(CHW, ["C", "H", "W"], [1, 2, 0]),
}


@pytest.mark.parametrize("name", TOLD)
def test_arrow_tells_the_order_of_dimensions(make, name):
    images, label = TOLD[name], pa.array(LABELS)
    want = make(epochs=1, mode="plain").fit(RGB, LABELS, validation_data=(RGB, LABELS))
    table = pa.table({"image": images, "label": label})
    for X, channels in ((images, None), (table, None), (table.to_reader(), None), (images, "last")):
        model = make(epochs=1, mode="plain", channels=channels)
        y = label if X is images else None
        model.fit(X, y, validation_data=table)
        assert model.image_shape_ == (8, 6, 3)
        np.testing.assert_array_equal(model.predict_proba(RGB), want.predict_proba(RGB))
        np.testing.assert_array_equal(model.predict_proba(table), want.predict_proba(RGB))
        assert model.history_["val_loss"] == want.history_["val_loss"]


def test_names_of_dimensions_go_before_channels(make):
    want = make(epochs=1, mode="plain").fit(RGB, LABELS)
    told = make(epochs=1, mode="plain", channels="first").fit(TOLD["HWC"], LABELS)
    np.testing.assert_array_equal(told.predict_proba(CHW), want.predict_proba(RGB))
    other = tensor_type(CHW, ["a", "b", "c"])  # no names of dimensions that govpn knows
    for images in (other, pa.chunked_array([other[:9], other[9:]])):
        first = make(epochs=1, mode="plain", channels="first").fit(images, LABELS)
        np.testing.assert_array_equal(first.predict_proba(CHW), want.predict_proba(RGB))
    with pytest.raises(ValueError, match=r"X has shape \(N, 3, 8, 6\), which looks like channels first"):
        make().fit(other, LABELS)


# ---- files -------------------------------------------------------------------------------------------------


def test_a_folder_and_its_files(make, tmp_path):
    write(tmp_path, X, Y)
    x, y = datasets.image_folder(tmp_path)
    want = make(epochs=2, mode="plain").fit(x, y)
    model = make(epochs=2, mode="plain").fit(str(tmp_path))
    files = sorted(tmp_path.glob("*/*.png"))
    listed = make(epochs=2, mode="plain").fit(files, [f.parent.name for f in files])
    for images in (
        x,
        tmp_path,
        files,
        list(map(str, files)),
        np.array(list(map(str, files))),
        pa.array(map(str, files)),
    ):
        np.testing.assert_array_equal(model.predict_proba(images), want.predict_proba(x))
    np.testing.assert_array_equal(listed.predict_proba(x), want.predict_proba(x))
    assert listed.classes_.tolist() == list(NAMES)
    np.testing.assert_array_equal(model.predict(str(files[7])), want.predict(x[7:8]))
    assert model.score(tmp_path) == want.score(x, y)
    assert "decoded from 64 encoded images" in model.data_info_["why"]
    grey = make(epochs=1, mode="plain").fit(X, Y)  # files are decoded to the model's channels
    assert grey.predict(files).shape == (64,)
    np.testing.assert_array_equal(datasets.image_files(files, 4), datasets.image_folder(tmp_path, 4)[0])


def test_files_that_are_none(make, tmp_path):
    write(tmp_path, X[:8], Y[:8])
    files = sorted(tmp_path.glob("*/*.png"))
    files[3].write_bytes(png(X[0][:5]))
    files[5].write_bytes(b"no image")
    model = make(epochs=1, mode="plain").fit(X, Y)
    for use, message in (
        (
            lambda: model.predict(files[:4]),
            rf"{files[3].name}.*5×8.*image_size of govpn.datasets.image_folder",
        ),
        (lambda: model.predict([files[0], files[5]]), files[5].name),
        (lambda: model.predict([png(X[0]), b"no image"]), r"X\[1\]"),
        (lambda: model.predict([files[0], 3]), r"X\[1\] is a int, want an image file"),
        (lambda: model.fit(files[0].parent, Y), "has no folders.*pass the list of files"),
        (lambda: model.predict("nowhere"), "X is 'nowhere', which is no folder"),
        (lambda: model.predict([tmp_path / "nowhere.png"]), r"X\[0\] cannot be read"),
        (lambda: datasets.image_files([]), "files has none"),
    ):
        with pytest.raises(govpn.GovpnError, match=message):
            use()


def test_pil_images(make):
    image = pytest.importorskip("PIL.Image")
    model = make(epochs=2, mode="plain").fit([image.fromarray(x[..., 0]) for x in X], Y)
    want = make(epochs=2, mode="plain").fit(X, Y)
    one = image.fromarray(X[3, ..., 0])
    np.testing.assert_array_equal(model.predict_proba(X), want.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(one), want.predict_proba(X[3:4]))
    assert "copied from PIL images" in model.data_info_["why"]
    for images, message in (
        ([one, one.convert("RGB")], r'X\[1\] has mode "RGB", X\[0\] "L"; want one mode: image.convert'),
        ([one.convert("RGBA")], r'X\[0\] has mode "RGBA", want "RGB" or "L"'),
        ([one, one.resize((8, 5))], r"X\[1\] is 5×8 \(height×width\), X\[0\] 8×8; want one size"),
        ([one, X[0]], r"X\[1\] is a ndarray, want PIL images"),
    ):
        with pytest.raises(govpn.GovpnError, match=message):
            model.predict(images)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([X[0], X[1][:5]], r"X\[1\] has shape \(5, 8, 1\).* want one shape and dtype"),
        ([X[0], FLOATS[1]], r"X\[1\] has .* dtype float32"),
        ([X[0], None], r"X\[1\] is a NoneType, X\[0\] an array"),
        (pa.array([[[1], [2]], [[3]]], pa.list_(pa.list_(pa.uint8()))), "lists of several lengths"),
        (3.5, r"X has shape \(\), want"),
        (object(), "X is a object of shape"),
    ],
)
def test_what_is_no_image(reference, images, message):
    with pytest.raises(govpn.GovpnError, match=message):
        reference.predict(images)


@pytest.mark.parametrize(
    "metadata",
    [
        "oops",
        b"\xff",
        "[]",
        '{"info": null}',
        '{"info": {"features": null}}',
        '{"info": {"features": {"label": [{"dtype": "int64"}]}}}',
        '{"info": {"features": {"label": {"names": 4}}}}',
        '{"info": {"features": {"label": {"names": [1, 2, 3, 4]}}}}',
        "[" * 99999,
    ],
)
def test_odd_metadata_of_hugging_face_names_nothing(make, metadata):
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(X), "label": Y})
    model = make(epochs=1, mode="plain").fit(table.replace_schema_metadata({"huggingface": metadata}))
    assert model.classes_.tolist() == [0, 1, 2, 3]


def test_metadata_of_hugging_face_names_classes(make):
    names = '{"info": {"features": {"label": {"names": ["a", "b", "c", "d"]}}}}'
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(X), "label": Y})
    table = table.replace_schema_metadata({"huggingface": names})
    benefit = make(epochs=1).fit(table).noise_benefit(table, samples=1)
    assert benefit.per_class["class"].tolist() == ["a", "b", "c", "d"]


def test_columns_of_pandas(make):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        [[x, x, int(y)] for x, y in zip(X, Y, strict=True)], columns=["image", "image", "label"]
    )
    with pytest.raises(ValueError, match="X has 2 columns named 'image', want one"):
        make().fit(frame)
    with pytest.raises(
        ValueError, match=r"X has columns \['file', 'label'\], want numbers, or images in a column"
    ):
        make().fit(pd.DataFrame({"file": ["a.png"] * 64, "label": Y}), Y)
    levels = pd.MultiIndex.from_tuples([("image", i) for i in range(64)])
    assert (
        make(epochs=1, mode="plain").fit(pd.DataFrame(X.reshape(64, 64), columns=levels), Y).n_features_in_
        == 64
    )
