"""Results belong to the caller, and warnings tell of labels and pixels that are probably wrong."""

import govpn
import numpy as np
import pytest
from conftest import make_quadrants

X, Y = make_quadrants(64)
FLOATS = X / np.float32(255)


@pytest.fixture(scope="module")
def reference(make):
    return make(epochs=2, mode="plain").fit(X, Y)


def test_results_are_the_callers_own(make):
    model = make(epochs=1).fit(X, Y)
    calls = (
        lambda: model.predict(X),
        lambda: model.predict_proba(X),
        lambda: model.decision_function(X),
        lambda: model.noise_std(X, Y),
        lambda: model.sample_noise(X, Y, n=2),
        lambda: model.input_gradient(X, Y),
    )
    for call in calls:
        result, want = call(), call()
        shared = np.from_dlpack(result)  # torch.from_dlpack and jax.dlpack.from_dlpack do the same
        arrow = govpn.to_arrow(result)
        values = arrow.storage.flatten() if result.ndim > 1 else arrow
        assert values.buffers()[1].address == result.ctypes.data == shared.ctypes.data
        assert (len(arrow), shared.shape) == (len(want), want.shape)
        np.testing.assert_array_equal(values.to_numpy(), want.reshape(-1))
        result[:] = 7
        assert (shared == 7).all()
        np.testing.assert_array_equal(call(), want)
    text = govpn.to_arrow(np.array(["a", "b"]))
    assert text.to_pylist() == ["a", "b"]
    with pytest.raises(ValueError, match="array has no axis"):
        govpn.to_arrow(np.float32(3))


def test_noise_transform_is_the_learned_noise(make):
    """The draws of noise_transform have mean 0 and the standard deviation noise_std times scale."""
    images, labels = FLOATS[:8], Y[:8]
    model = make(epochs=1).fit(X, Y)
    transform = model.noise_transform(scale=2, random_state=0)
    draws = np.stack([transform(images, labels) - images for _ in range(200)])
    want = 2 * model.noise_std(images, labels)
    assert abs(draws.mean(0) / want).max() < 6 / np.sqrt(len(draws))
    np.testing.assert_allclose(draws.std(0) / want, 1, atol=6 / np.sqrt(2 * len(draws)))
    clipped = model.noise_transform(scale=2, clip=True, random_state=0)(images, labels)
    np.testing.assert_allclose(clipped, (images + draws[0]).clip(0, 1), atol=1e-6)


def test_labels_that_miss_the_classes(make, reference):
    with pytest.raises(ValueError, match=r"validation_data y\[\d+\] .*validation_data y - 1 would fit"):
        make(mode="plain").fit(X, Y, validation_data=(X, Y + 1))
    with pytest.raises(ValueError, match=r"; y \+ 1 would fit: one of them counts from 0"):
        make(mode="plain", epochs=1).fit(X, Y + 1).evaluate(X, Y)
    with pytest.warns(govpn.GovpnWarning, match=r"y has \d+ of 64 labels .* such as 4; .* y - 1 would fit"):
        reference.score(X, Y + 1)
    with pytest.warns(govpn.GovpnWarning, match=r"y has 1 of 2 labels .* 9; they count as wrong$"):
        assert reference.score(X[:2], [reference.predict(X[:1])[0], 9]) == 0.5
    with pytest.raises(ValueError, match=r"y has dtype <U.*, want labels like 0"):
        reference.score(X, Y.astype(str))


def test_one_class_warns(make):
    with pytest.warns(govpn.GovpnWarning, match="y has one class only, 'cat'"):
        model = make(mode="plain", epochs=1).fit(X, ["cat"] * 64)
    assert set(model.predict(X)) == {"cat"}


def test_warnings_name_the_callers_line(make):
    with pytest.warns(govpn.GovpnWarning) as caught:
        make(epochs=1, std="bounded", std_range=(0.1, 0.1001)).fit(X, Y * 0)
    assert {w.filename for w in caught} == {__file__}
    assert len({w.lineno for w in caught}) == 1
    assert len(caught) == len({str(w.message) for w in caught}) >= 2


@pytest.mark.parametrize(
    ("images", "message"),
    [((X > 90).astype(np.uint8), r"want X \* 255"), (FLOATS / 255, "divided by 255 twice")],
)
def test_almost_black_images_warn(make, reference, images, message):
    with pytest.warns(govpn.GovpnWarning, match=message):
        make(mode="plain", epochs=1).fit(images, Y)
    reference.predict(images)  # one dark image does not cause a warning


@pytest.mark.parametrize("labels", [Y + 1, Y == 1, Y * 2.0, Y.astype(str), [str(v) for v in Y], Y - 2])
def test_labels_of_any_type_warn_of_nothing(make, labels):  # in these tests, a warning is an error
    model = make(mode="plain", epochs=1).fit(X, labels, validation_data=(X[:5], labels[:5]))
    model.score(X, labels)
    model.evaluate(X[:5], labels[:5])
