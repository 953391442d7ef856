"""Images on disk give the same results, bit for bit, as arrays and as streams."""

import copy
import gc
import pickle
import sys
import threading

import govpn
import numpy as np
import pytest
from conftest import NAMES, devices_and, make_quadrants, write
from govpn import _lib, datasets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    for split, n in (("train", 200), ("val", 60)):
        write(root / split, *make_quadrants(n, seed=n))
    return root


@pytest.fixture(scope="module")
def opened(folder):
    """(X, y), and a stream of the same files."""
    return [
        datasets.image_folder(folder, split="train", channels=1, stream=stream) for stream in (False, True)
    ]


def test_arrays_are_the_files(folder, opened):
    (x, y), stream = opened
    order = np.argsort(make_quadrants(200, seed=200)[1], kind="stable")
    np.testing.assert_array_equal(x, make_quadrants(200, seed=200)[0][order])
    assert (x.dtype, x.shape, x.flags.writeable) == (np.uint8, (200, 8, 8, 1), True)
    assert (y.dtype, y.class_names) == (np.int64, NAMES)
    assert (np.diff(y) >= 0).all()
    assert (len(stream), stream.shape, stream.class_names) == (200, (8, 8, 1), NAMES)
    np.testing.assert_array_equal(stream.labels, y)
    assert repr(stream) == "<govpn stream of 200 images 8×8×1, 4 classes>"


def test_arrays_outlive_the_data_set(folder):
    x, _ = datasets.image_folder(folder, split="val", channels=1)
    want, view = x.copy(), x[10:]
    del x
    gc.collect()
    [bytearray(1 << 20) for _ in range(50)]
    np.testing.assert_array_equal(view, want[10:])
    view[:] = 7
    assert (view == 7).all()


def test_batches(opened):
    (x, y), stream = opened
    batches = list(stream.batches(64))
    assert [len(images) for images, _ in batches] == [64, 64, 64, 8]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), x)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), y)
    assert batches[0][1].class_names == NAMES
    batches[0][0][:] = 0  # the caller may write to it
    orders = [
        np.concatenate([im for im, _ in stream.batches(64, shuffle=True, seed=seed, epoch=epoch)])
        for seed, epoch in ((1, 0), (1, 0), (2, 0), (1, 1))
    ]
    assert [np.array_equal(orders[0], o) for o in orders] == [True, True, False, False]
    for images, labels in stream.batches(50, shuffle=True):
        top, left = np.divmod(labels, 2)
        quarters = images.reshape(-1, 2, 4, 2, 4).mean((2, 4))
        np.testing.assert_array_equal(quarters.reshape(-1, 4).argmax(1), 2 * top + left)


@pytest.mark.parametrize(
    ("device", "validated"), devices_and(False, True, on_cpu=[True]), indirect=["device"]
)
def test_training_on_a_stream_is_training_on_its_arrays(folder, opened, make, device, validated):
    valid = [datasets.image_folder(folder, split="val", channels=1, stream=s) for s in (False, True)]
    (x, y), stream = opened
    a = make(device, epochs=2, batch_size=48).fit(x, y, validation_data=valid[0] if validated else None)
    b = make(device, epochs=2, batch_size=48).fit(stream, validation_data=valid[1] if validated else None)
    columns = set(a.history_) - {"seconds", "images_per_second", "data_wait"}
    for name in columns:
        np.testing.assert_array_equal(a.history_[name], b.history_[name], err_msg=name)
    assert all(0 <= wait <= 1 for wait in b.history_["data_wait"])
    np.testing.assert_array_equal(a.classes_, b.classes_)
    for images in (x, stream):
        np.testing.assert_array_equal(b.predict_proba(images), a.predict_proba(x))
        np.testing.assert_array_equal(b.predict(images, noise="classwise"), a.predict(x, noise="classwise"))
    np.testing.assert_array_equal(b.noise_std(stream), a.noise_std(x, y))
    np.testing.assert_array_equal(b.sample_noise(stream, n=2), a.sample_noise(x, y, n=2))
    assert b.score(stream) == a.score(x, y)
    assert b.evaluate(stream) == a.evaluate(x, y)
    assert b.data_info_["streamed"]
    assert 0 < b.data_info_["memory_bytes"] < 1 << 20


def test_labels_of_the_callers_own(opened, make):
    """y may have labels of another type, and fewer classes than the folder."""
    (x, y), stream = opened
    text = np.array(["odd", "even"])[(y + 1) % 2]
    a, b = (make(epochs=1, mode="plain").fit(images, text) for images in (x, stream))
    assert b.classes_.tolist() == ["even", "odd"]
    np.testing.assert_array_equal(b.predict(stream), a.predict(x))
    np.testing.assert_array_equal(np.concatenate([la for _, la in stream.batches(90)]), y)
    assert stream.info()["class_names"] == list(NAMES)
    with pytest.raises(ValueError, match="validation_data X is X itself"):
        make(epochs=1, mode="plain").fit(stream, text, validation_data=(stream, text[::-1]))


def test_resume_in_the_middle_of_an_epoch(opened, make, monkeypatch):
    """A model that was interrupted in the second epoch goes on from that batch as if nothing had happened."""
    _, stream = opened
    settings = {"epochs": 2, "batch_size": 5}  # an epoch has 40 steps of some 20 ms
    want = make(**settings).fit(stream)

    def interrupt(self):
        if self._state is not None and 40 < self._state["step"] < 75:
            raise KeyboardInterrupt

    model = make(**settings)
    with monkeypatch.context() as patch:
        patch.setattr("govpn._progress.Progress.show", interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit(stream)
    assert model.n_epochs_ == 1
    model.fit(stream, resume=True)
    np.testing.assert_array_equal(model.predict_proba(stream), want.predict_proba(stream))
    assert model.history_["loss"] == want.history_["loss"]


def test_random_crops_are_drawn_in_every_epoch(folder):
    stream = datasets.image_folder(folder, split="val", random_resized_crop=6, stream=True)
    whole = [next(iter(stream.batches(60, seed=s, epoch=e)))[0] for s, e in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert whole[0].shape == (60, 6, 6, 3)
    assert [np.array_equal(whole[0], w) for w in whole] == [True, True, False, False]
    shuffled = np.concatenate([images for images, _ in stream.batches(7)])
    np.testing.assert_array_equal(shuffled, whole[0])  # the batch size does not change the order


def test_splits(opened, make):
    (x, y), stream = opened
    parts = stream.split(150, random_state=3)
    arrays = datasets.split(x, y, first=150, random_state=3)
    for part, (images, labels) in zip(parts, arrays, strict=True):
        np.testing.assert_array_equal(part.labels, labels)
        assert part.class_names == labels.class_names == NAMES
        np.testing.assert_array_equal(np.concatenate([im for im, _ in part.batches(32)]), images)
    assert [len(p) for p in parts] == [150, 50]
    assert np.abs(np.bincount(parts[0].labels) - np.bincount(y) * 0.75).max() <= 1
    text = np.array(NAMES)[y]
    (first, named), _ = datasets.split(np.arange(200), text, first=150, random_state=3)
    np.testing.assert_array_equal(named, text[first])
    np.testing.assert_array_equal(y[first], parts[0].labels)
    unlabelled = datasets.split(np.arange(10), first=3)
    assert sorted(np.concatenate([part for part, _ in unlabelled])) == list(range(10))
    make(epochs=1, mode="plain").fit(parts[0], validation_data=parts[1])
    for bad in (0, 200):
        with pytest.raises(ValueError, match=f"first is {bad}"):
            stream.split(bad)
        with pytest.raises(ValueError, match=f"first is {bad}"):
            datasets.split(x, y, first=bad)


def test_streams_are_not_copied(opened):
    _, stream = opened
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="open it again"):
            copied(stream)


def test_labels_keep_their_names(opened):
    (_, y), _ = opened
    for labels in (y[3:], y[y > 1], y.copy(), copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        assert isinstance(labels, datasets.Labels)
        assert labels.class_names == NAMES
    for plain in (y + 1, y == 1, np.unique(y)[::-1] - y.max()):
        assert type(plain) is np.ndarray
    assert type(y.max()) is np.int64
    assert datasets.Labels([1, 0]).class_names is None


def test_class_names_must_agree(folder, opened, make):
    (x, y), stream = opened
    other = datasets.Labels(y, ("a", "b", "c", "e"))
    for data in ((x, y), (stream,)):
        with pytest.raises(ValueError, match=r"validation_data y\[151\] is 'e', want .* names 'a', 'b'"):
            make(epochs=1).fit(*data, validation_data=(x, other))
    make(epochs=1, mode="plain").fit(stream, validation_data=(x, np.asarray(y)))


def test_an_iterator_that_is_left_stops(folder):
    stream = datasets.image_folder(folder, split="train", channels=1, stream=True)
    for _ in range(50):
        assert len(next(stream.batches(16))[0]) == 16
    assert stream.info()["memory_bytes"] <= 13 * 16 * 64  # of one queue: each leaves it to the next
    others = [threading.Thread(target=lambda: list(stream.batches(16))) for _ in range(4)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(20)
    assert not any(thread.is_alive() for thread in others)


def test_opening_can_be_cancelled(folder):
    """Ctrl-C ends the decoding of 200 images of 9 megapixels each at once."""
    errors = []

    def opening():
        try:
            datasets.image_folder(folder, 3000, split="train", channels=1, stream=True, skip_broken=True)
        except govpn.errors.CancelledError as error:
            errors.append(str(error))

    thread = threading.Thread(target=opening)
    thread.start()
    while thread.is_alive():
        _lib.call("govpn_data_cancel_open")
        thread.join(0.05)
    assert errors == [f"data: opening {folder} was stopped on request"]
    assert len(datasets.image_folder(folder, split="val", channels=1, stream=True)) == 60


def test_what_is_no_array_of_images(opened, make):
    (x, y), stream = opened
    with pytest.raises(TypeError, match="X is a tuple of 2, want images"):
        make(epochs=1).fit((x, y))
    with pytest.raises(TypeError, match="X is a stream, want images"):
        govpn.plot.plot_noise(make(epochs=1).fit(stream), stream, y)


@pytest.mark.parametrize(
    ("call", "message", "kind"),
    [
        (lambda f: datasets.image_folder(f / "nowhere"), "nowhere", OSError),
        (lambda f: datasets.image_folder(f, split="test"), 'split is "test"', ValueError),
        (lambda f: datasets.cifar10(f), r"\S", OSError),
        (lambda f: datasets.cifar100(f, labels="rough"), "rough", ValueError),
        (lambda f: datasets.tiny_imagenet(f, "dev"), "dev", ValueError),
        (lambda f: datasets.parquet(f / "x.parquet"), "x.parquet", OSError),
        (lambda f: datasets.arrow(f / "x.arrow"), "x.arrow", OSError),
        (lambda f: datasets.idx(f / "images"), "images", OSError),
        (lambda f: datasets.idx(f / "train" / "a" / "0000.png"), "IDX", ValueError),
        (lambda f: datasets.image_folder(f"{f}\0"), "null character", ValueError),
        (lambda f: datasets.image_folder(f, split="val", image_size=0), "resize is", ValueError),
        (lambda f: datasets.image_folder(f, split="val", image_size=(1, 2, 3)), "want an int or", ValueError),
        (lambda f: datasets.image_folder(f, split="val", image_size=2.5), "image_size is 2.5", TypeError),
        (
            lambda f: datasets.image_folder(f, split="val", image_size=8, resize=8),
            "one or the other",
            ValueError,
        ),
        (lambda f: datasets.image_folder(f, split="val", channels=2), "channels is 2", ValueError),
        (lambda f: datasets.image_folder(f, "val"), "a split is split='val'", TypeError),
        (
            lambda f: datasets.image_folder(f, split="val", random_resized_crop={"s": 2}),
            "has 's'",
            ValueError,
        ),
        (
            lambda f: datasets.image_folder(f, split="val", random_resized_crop={"size": 4, "scale": 3}),
            "pair of numbers",
            ValueError,
        ),
        (lambda f: datasets.image_folder(f, split="val", stream=1), "stream is 1", TypeError),
        (
            lambda f: datasets.image_folder(f, split="val", stream=True).batches(0),
            "batch_size is 0",
            ValueError,
        ),
        (lambda f: datasets.split(np.zeros(0), first=1), "no images", ValueError),
        (lambda f: datasets.split(np.zeros(3), np.zeros(2, int), first=1), "y has 2 labels", ValueError),
    ],
)
def test_errors(folder, call, message, kind):
    with pytest.raises(kind, match=message) as caught:
        call(folder)
    assert isinstance(caught.value, govpn.GovpnError)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_is_an_error(opened):
    import multiprocessing

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    batches = opened[1].batches(50)
    next(batches)
    child = context.Process(target=read_in_child, args=(opened[1], batches, queue))
    child.start()
    assert queue.get(timeout=20) == ["GOVPN_E_FORKED", "GOVPN_E_IO"]
    child.join(20)
    assert child.exitcode == 0
    assert len(list(batches)) == 3


def read_in_child(stream, batches, queue):
    found = []
    for use in (lambda: stream.batches(50), lambda: next(batches)):
        try:
            use()
        except govpn.GovpnError as error:
            found.append(error.status)
    queue.put(found)
