"""noise_benefit agrees with problems whose entropies are known, and its texts say so."""

import json
import pickle

import govpn
import numpy as np
import pytest
from govpn import _benefit
from numpy.polynomial import hermite_e, legendre

# Images have one pixel x and two classes: p(1|x) = sigmoid(SLOPE x + OFFSET) = the model's softmax.
SLOPE, OFFSET = 6.0, -2.5
KAPPA = 10.0


def write(path, tensors):
    """Writes a safetensors file by hand: the header's length, the header, float32 values."""
    header, at = {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + t.size * 4]}
        at += t.size * 4
    text = json.dumps(header).encode()
    content = b"".join(np.ascontiguousarray(t, "<f4").tobytes() for t in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A function that makes a classifier whose sigma is std[0] for label 0 and std[1] for label 1."""

    def build(std, device="go", **params):
        g = {f"fc{i}.bias": np.zeros(n) for i, n in ((1, 1024), (2, 1024), (3, 1))}
        g |= {"fc1.weight": np.zeros((1024, 1)), "fc2.weight": np.zeros((1024, 1024))}
        g["fc3.weight"] = np.zeros((1, 1024))
        # u = x + 10 y: relu(u - 2) - relu(u - 3) is y, and o = std[0] + (std[1] - std[0]) y
        g["fc1.weight"][:2] = 1
        g["fc1.bias"][:2] = -2, -3
        g["fc2.weight"][0, :2] = 1, -1
        g["fc3.weight"][0, 0], g["fc3.bias"][0] = std[1] - std[0], std[0]
        base = {"linear.weight": np.array([[0], [SLOPE]]), "linear.bias": np.array([0, OFFSET])}
        path = tmp_path_factory.mktemp("known") / "weights.safetensors"
        write(path, {f"base.{k}": v for k, v in base.items()} | {f"generator.{k}": v for k, v in g.items()})
        settings = {"std": "abs", "label_coefficient": KAPPA, "random_state": 1, "verbose": 0} | params
        model = govpn.VPNClassifier("sr", "dnn3", device=device, **settings)
        return model.import_safetensors(path, image_shape=(1, 1, 1), classes=2)

    return build


def problem(n, seed=0):
    """Returns images of one pixel, uniform on [0, 1], with labels drawn from p(y|x)."""
    random = np.random.default_rng(seed)
    x = random.random((n, 1, 1, 1), np.float32)
    p = 1 / (1 + np.exp(-(SLOPE * x.reshape(-1).astype(float) + OFFSET)))
    return x, (random.random(n) < p).astype(int)


def loss(x, y):
    """Returns the model's -log q(y|x) for pixels of any value."""
    return np.logaddexp(0, (SLOPE * x + OFFSET) * (1 - 2 * y))


def moments(std, samples):
    """Returns mean and standard deviation of one image's terms of H(T), H(T|E) and I(T,E).

    They are over x, y and the draws z, by Gauss-Legendre quadrature over x and Gauss-Hermite
    quadrature over z. std is sigma for y = 0 and 1. The second result has H(T) and I(T,E) by class.
    """
    nodes, weights = legendre.leggauss(64)
    x, w = (nodes + 1) / 2, weights / 2
    z, v = hermite_e.hermegauss(64)
    v = v / v.sum()
    p = 1 / (1 + np.exp(-(SLOPE * x + OFFSET)))
    weight = np.concatenate([w * (1 - p), w * p])  # the probability of (x, y)
    clean = np.concatenate([loss(x, 0), loss(x, 1)])
    grids = [loss(x[:, None] + std[y] * z, y) for y in (0, 1)]
    mean = np.concatenate([g @ v for g in grids])  # the mean over z
    spread = np.concatenate([g**2 @ v for g in grids]) - mean**2
    own = np.repeat([0, 1], len(x))

    def describe(values, inner, weight):
        weight = weight / weight.sum()
        m = weight @ values
        return m, np.sqrt(weight @ (values - m) ** 2 + weight @ inner)

    terms = {
        "task_entropy": (clean, 0 * spread),
        "conditional_entropy": (mean, spread / samples),
        "mutual_information": (clean - mean, spread / samples),
    }
    result = {name: describe(*term, weight) for name, term in terms.items()}
    by_class = {n: [describe(*t, weight * (own == k)) for k in (0, 1)] for n, t in terms.items()}
    return result, by_class


def test_the_problem_is_what_it_says():
    """The quadrature finds a known integral, and H(T) as the mean of the binary entropy."""
    x, w = legendre.leggauss(64)
    x, w = (x + 1) / 2, w / 2
    p = 1 / (1 + np.exp(-(SLOPE * x + OFFSET)))
    entropy = w @ -(p * np.log(p) + (1 - p) * np.log(1 - p))
    overall, _ = moments((0.2, 0.2), 1)
    assert overall["task_entropy"][0] == pytest.approx(entropy, rel=1e-12)
    assert overall["mutual_information"][0] < 0, "noise that knows no label costs"


@pytest.mark.parametrize("std", [(0.25, 0.25), (0.05, 0.4)], ids=["constant", "by label"])
def test_closed_form(known, std, device):
    """Estimates are within 4 standard errors of the truth, and the standard errors are right.

    With n images, s has a relative error of about sqrt((kurtosis - 1) / 4n), here below 4 %.
    """
    n, samples = 3000, 2
    x, y = problem(n)
    b = known(std, device).noise_benefit(x, y, samples=samples)
    overall, by_class = moments(std, samples)
    for name, (mean, deviation) in overall.items():
        error = deviation / np.sqrt(n)
        assert abs(getattr(b, name) - mean) < 4 * error, name
        assert getattr(b, name + "_se") == pytest.approx(error, rel=0.1), name
        for k in (0, 1):
            mean, deviation = by_class[name][k]
            error = deviation / np.sqrt((y == k).sum())
            assert abs(b.per_class[name][k] - mean) < 4 * error, (name, k)
            assert b.per_class[name + "_se"][k] == pytest.approx(error, rel=0.15), (name, k)
    sigma = np.array(std)[y]
    assert b.std_mean == pytest.approx(sigma.mean(), rel=1e-5)
    assert (b.std_min, b.std_max) == pytest.approx((min(std), max(std)), rel=1e-5)
    assert (b.n_images, b.samples) == (n, samples)
    assert b.per_class["images"].tolist() == [(y == 0).sum(), (y == 1).sum()]
    control, _ = moments((b.std_mean, b.std_mean), samples)
    mean, deviation = control["mutual_information"]
    assert abs(b.control_information - mean) < 4 * deviation / np.sqrt(n)
    assert b.control_information_se == pytest.approx(deviation / np.sqrt(n), rel=0.1)
    assert b.accuracy == np.mean((SLOPE * x.reshape(-1) + OFFSET > 0) == y)
    if std[0] == std[1]:  # then the control is the learned noise
        assert b.gain_over_control == pytest.approx(0, abs=1e-6)
        assert b.control_entropy == pytest.approx(b.conditional_entropy, abs=1e-6)
        assert b.accuracy_control == pytest.approx(b.accuracy_label_noise, abs=2 / n)


def test_accuracy_under_noise(known):
    """With one draw, the accuracy is how often x + sigma z is on the label's side of the boundary.

    A million draws of numpy tell how often that is.
    """
    n, std = 3000, 0.3
    x, y = problem(n)
    b = known((std, std)).noise_benefit(x, y, samples=1)
    x, y = problem(1_000_000, seed=1)
    noisy = x.reshape(-1) + std * np.random.default_rng(2).standard_normal(len(y))
    want = ((SLOPE * noisy + OFFSET > 0) == y).mean()
    for name in ("accuracy_control", "accuracy_label_noise"):
        assert abs(getattr(b, name) - want) < 4 * getattr(b, name + "_se")
        assert getattr(b, name + "_se") == pytest.approx(np.sqrt(want * (1 - want) / n), rel=0.05)


def test_the_paired_error_is_smaller(known):
    """The difference varies less than its parts, because hard images are hard with noise, too.

    Both noises draw the same z.
    """
    b = known((0.05, 0.2)).noise_benefit(*problem(500))
    assert b.mutual_information == pytest.approx(b.task_entropy - b.conditional_entropy, abs=1e-12)
    assert b.mutual_information_se < 0.6 * np.hypot(b.task_entropy_se, b.conditional_entropy_se)
    assert b.gain_over_control == pytest.approx(b.mutual_information - b.control_information, abs=1e-12)
    assert b.gain_over_control_se < 0.75 * np.hypot(b.mutual_information_se, b.control_information_se)


def by_hand(
    clean=(1.0, 2.0, 3.0), learned=0.0, control=1.0, right=((1, 0, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1))
):
    """The summary of three images of the classes 5, 5 and 7. Class 6 has no image."""
    zeros = np.zeros(3)
    columns = _benefit.entropies(np.array(clean), zeros + learned, zeros + control)
    columns |= _benefit.accuracies(*np.array(right, bool))
    labels, classes, std = np.array([0, 0, 2]), np.array([5, 6, 7]), {"std_mean": 0.2, "std_min": 0.1}
    return _benefit.summarise(columns, labels, classes, ["a", "b", "<c>"], samples=8, std_max=0.3, **std)


def test_arithmetic():
    """1, 2, 3 have s = sqrt((1 + 0 + 1) / 2) = 1 and the standard error 1/sqrt(3); 1 and 2 have
    0.5."""
    b = by_hand()
    assert (b.task_entropy, b.task_entropy_se) == pytest.approx((2, 1 / np.sqrt(3)))
    assert (b.mutual_information, b.control_information, b.gain_over_control) == pytest.approx((2, 1, 1))
    assert (b.gain_over_control_se, b.mutual_information_se) == pytest.approx((0, 1 / np.sqrt(3)))
    assert (b.accuracy, b.accuracy_classwise, b.classwise_gain) == pytest.approx((2 / 3, 1, 1 / 3))
    assert (b.classwise_gain_se, b.accuracy_label_noise, b.accuracy_control) == pytest.approx((1 / 3, 1, 0))
    assert b.interval("task_entropy") == pytest.approx((2 - 1.96 / 3**0.5, 2 + 1.96 / 3**0.5), rel=1e-4)
    assert b.per_class["images"].tolist() == [2, 0, 1]
    np.testing.assert_allclose(b.per_class["task_entropy"], [1.5, np.nan, 3])
    np.testing.assert_allclose(b.per_class["task_entropy_se"], [0.5, np.nan, np.nan])
    with pytest.raises(ValueError, match="name is 'samples', want one of task_entropy, conditional_entropy"):
        b.interval("samples")
    with pytest.raises(
        ValueError, match="task_entropy of image 1 is inf: the model's outputs are not finite"
    ):
        by_hand(clean=(1, np.inf, 3))


def test_reading_follows_the_numbers():
    text = by_hand().reading()
    for part in (
        "3 images with 8 draws of noise each (σ 0.1 to 0.3, mean 0.2)",
        "is 2 nats without noise, H(T), and 0 nats under",
        "+2 nats (95 % interval +0.868 to +3.13, which is above 0). Gaussian",
        "the same mean σ gives +1 nats",
        "which is above 0): the learned noise beats the matched control",
        "0.6667 without noise and 1 with classwise noise, a difference of +0.333 (95 % interval ",
        "(95 % interval -0.32 to +0.987, which contains 0); it is",
        "it is 0 under the Gaussian noise",
        "true label it is 1: that reads the label, and is leakage",
    ):
        assert part in text
    assert "which is below 0). Gaussian" in by_hand(learned=4.0).reading()
    assert "the matched control beats the learned noise" in by_hand(learned=4.0).reading()
    assert "the two cannot be told apart" in by_hand(learned=(0, 1, 2), control=1.0).reading()
    assert "which contains 0). Gaussian" in by_hand(learned=(0, 2, 4)).reading()


def test_tables():
    b = by_hand()
    caption, head, *rows = str(b).splitlines()
    assert caption == "3 images, 8 draws each; entropies in nats, ± one standard error"
    assert head.split()[:5] == ["class", "images", "H(T)", "H(T|E)", "I(T,E)"]
    assert rows[0].split()[:5] == ["all", "3", "2.0000", "±", "0.5774"]
    assert [r.split()[0] for r in rows[1:]] == ["a", "b", "<c>"]
    assert "nan ± nan" in rows[2]
    page = b._repr_html_()
    assert page.count("<tr>") == 5
    assert "<td>&lt;c&gt;</td>" in page
    assert "leakage" in page
    assert repr(b) == "<NoiseBenefit of 3 images: I(T,E) = +2.0000 ± 0.5774 nats>"
    values = json.loads(json.dumps(b.to_dict()))
    assert values["per_class"]["class"] == ["a", "b", "<c>"]
    assert (values["classes"], values["task_entropy"], values["samples"]) == ([5, 6, 7], 2, 8)
    assert pickle.loads(pickle.dumps(b)).to_dict().keys() == b.to_dict().keys()
    with pytest.raises(AttributeError):
        b.samples = 3
