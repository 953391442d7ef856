"""Measures whether the noise helps: estimates of H(T), H(T|E) and I(T,E), and controls."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ._arrow import Data
from ._model import Model
from ._printable import printable
from ._reading import shown
from ._types import AnyArray, Doubles, Floats, Indices, JsonObject
from .errors import ArgumentError

Z95 = 1.959964  # the normal distribution's 97.5 % quantile

# The columns of the tables: field, title, decimals.
_ENTROPIES = (
    ("task_entropy", "H(T)", 4),
    ("conditional_entropy", "H(T|E)", 4),
    ("mutual_information", "I(T,E)", 4),
    ("control_information", "I, Gaussian", 4),
    ("gain_over_control", "I − I, Gaussian", 4),
)
_ACCURACIES = (
    ("accuracy", "no noise", 3),
    ("accuracy_classwise", "classwise", 3),
    ("accuracy_control", "Gaussian", 3),
    ("accuracy_label_noise", "own label (leakage)", 3),
)


@dataclass(frozen=True, eq=False, repr=False)
class NoiseBenefit:
    """What `VPNClassifier.noise_benefit` found.

    Entropies are in nats. sigma is in units of the pixel range or, with noise_layer, of that layer.

    Attributes
    ----------
    task_entropy : float
        H(T), the mean over the images of -log f(x)_y.
    conditional_entropy : float
        H(T|E), the mean over images and draws of -log q(y|x, e) with q = softmax f(x + e). The
        noise e is drawn for the image's own label. Like task_entropy, this is a cross-entropy. In
        expectation each is an upper bound of the entropy whose name it has: above it by how far the
        model is from the true p(y|x) and p(y|x, e).
    mutual_information : float
        I(T,E) = H(T) - H(T|E), the difference of the two estimates. A difference of two upper
        bounds is no bound in either direction. It is the information that the model finds in the
        noise. It equals the true I(T,E) if the model is as far from the truth with noise as
        without.
    control_entropy, control_information : float
        The same under Gaussian noise (or the model's noise_distribution) whose sigma is std_mean
        for every pixel of every image. This noise knows nothing of the label, and its true I is 0.
        control_information therefore is what such noise costs this model (negative) or saves it
        (positive). By Jensen's inequality the control has at most the power of the learned noise,
        the mean of sigma squared.
    gain_over_control : float
        mutual_information - control_information. Both noises draw the same z, so this shows what
        the generator's choice of sigma is worth.
    accuracy, accuracy_classwise, accuracy_control : float, 0 to 1
        Without noise, by the paper's Algorithm 2 with one draw per class, and under the Gaussian
        noise (the mean over the draws).
    accuracy_label_noise : float, 0 to 1
        Under noise drawn for the true label, the mean over the draws. It reads the label. This is
        leakage and no result.
    classwise_gain : float
        accuracy_classwise - accuracy, the gain of the noise where the label is not known.
    *_se : float
        The standard error of each of the above over the images. That of a difference is the
        standard error of the images' differences. The images count as a random draw. The chance of
        one training run is not included.
    std_mean, std_min, std_max : float
        Statistics of sigma at the true labels.
    n_images, samples : int
        The number of images, and of draws per image.
    classes : ndarray (K,)
        The labels.
    per_class : dict of ndarray (K,), in the order of classes
        "class" (names), "images" (counts), all of the above that have a standard error, and these
        errors. A class without images has NaN. A class with one image has NaN as its standard
        errors.
    """

    n_images: int
    samples: int
    std_mean: float
    std_min: float
    std_max: float
    task_entropy: float
    task_entropy_se: float
    conditional_entropy: float
    conditional_entropy_se: float
    mutual_information: float
    mutual_information_se: float
    control_entropy: float
    control_entropy_se: float
    control_information: float
    control_information_se: float
    gain_over_control: float
    gain_over_control_se: float
    accuracy: float
    accuracy_se: float
    accuracy_classwise: float
    accuracy_classwise_se: float
    accuracy_control: float
    accuracy_control_se: float
    accuracy_label_noise: float
    accuracy_label_noise_se: float
    classwise_gain: float
    classwise_gain_se: float
    classes: AnyArray
    per_class: dict[str, AnyArray]

    def interval(self, name: str) -> tuple[float, float]:
        """Returns the 95 % interval (low, high) of a field that has a standard error.

        It extends by 1.96 standard errors to either side. Another name raises an ArgumentError.
        """
        known = [f.name for f in fields(self) if hasattr(self, f.name + "_se")]
        if not isinstance(name, str) or name not in known:
            raise ArgumentError(f"name is {shown(name)}, want one of {', '.join(known)}")
        value, se = getattr(self, name), getattr(self, name + "_se")
        return value - Z95 * se, value + Z95 * se

    def reading(self) -> str:
        """Returns a paragraph of plain text that says what was measured and what follows from the numbers."""
        return printable(self._reading())

    def _reading(self) -> str:
        learned = {
            "contains 0": "the two cannot be told apart on these images",
            "is above 0": "the learned noise beats the matched control",
            "is below 0": "the matched control beats the learned noise",
        }[self._side("gain_over_control")]
        return (
            f"On {self.n_images:,} images with {self.samples} draws of noise each (σ {self.std_min:.3g} to "
            f"{self.std_max:.3g}, mean {self.std_mean:.3g}), the model's cross-entropy is "
            f"{self.task_entropy:.4g} nats without noise, H(T), and {self.conditional_entropy:.4g} nats "
            f"under noise for each image's own label, H(T|E). Their difference estimates I(T,E), under the "
            f"model's q: {self._interval('mutual_information')}. Gaussian noise of the same mean σ gives "
            f"{self.control_information:+.3g} nats; the learned noise minus that is "
            f"{self._interval('gain_over_control')}: {learned}. Accuracy is {self.accuracy:.4g} without "
            f"noise and {self.accuracy_classwise:.4g} with classwise noise, a difference of "
            f"{self._interval('classwise_gain', '')}; it is {self.accuracy_control:.4g} under the Gaussian "
            f"noise. Under noise for the true label it is {self.accuracy_label_noise:.4g}: that reads the "
            f"label, and is leakage."
        )

    def to_dict(self) -> JsonObject:
        """Returns all fields as numbers, text, lists and dicts, so that they can become JSON."""
        result = {f.name: getattr(self, f.name) for f in fields(self)}
        per_class = {name: column.tolist() for name, column in self.per_class.items()}
        return result | {"classes": self.classes.tolist(), "per_class": per_class}

    def __repr__(self) -> str:
        value, se = self.mutual_information, self.mutual_information_se
        text = f"<NoiseBenefit of {self.n_images:,} images: I(T,E) = {value:+.4f} ± {se:.4f} nats>"
        return printable(text)

    def __str__(self) -> str:
        head, *rows = ([printable(cell) for cell in row] for row in self._table())
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in (head, *rows)]
        return "\n".join([printable(self._caption()), *lines])

    def _repr_html_(self) -> str:
        head, *rows = ([html.escape(cell) for cell in row] for row in self._table())
        top = "".join(f"<th>{cell}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        caption = html.escape(f"{self._caption()}. {self._reading()}")
        style = "caption-side: bottom; text-align: left"
        return f'<table><caption style="{style}">{caption}</caption><tr>{top}</tr>{body}</table>'

    def _caption(self) -> str:
        return f"{self.n_images:,} images, {self.samples} draws each; entropies in nats, ± one standard error"

    def _table(self) -> list[list[str]]:
        """Returns the titles, the row of all images, and a row per class."""
        columns = (*_ENTROPIES, *_ACCURACIES)
        rows = [["class", "images", *(title for _, title, _ in columns)]]
        rows.append(["all", str(self.n_images)])
        for name, _, digits in columns:
            rows[1].append(f"{getattr(self, name):.{digits}f} ± {getattr(self, name + '_se'):.{digits}f}")
        table = self.per_class
        for i, (label, count) in enumerate(zip(table["class"], table["images"], strict=True)):
            cells = [f"{table[n][i]:.{d}f} ± {table[n + '_se'][i]:.{d}f}" for n, _, d in columns]
            rows.append([str(label), str(count), *cells])
        return rows

    def _side(self, name: str) -> str:
        """Returns on which side of 0 the interval of a field is."""
        low, high = self.interval(name)
        return "is above 0" if low > 0 else "is below 0" if high < 0 else "contains 0"

    def _interval(self, name: str, unit: str = " nats") -> str:
        low, high = self.interval(name)
        bounds = f"95 % interval {low:+.3g} to {high:+.3g}"
        return f"{getattr(self, name):+.3g}{unit} ({bounds}, which {self._side(name)})"


def measure(
    model: Model,
    data: Data,
    labels: Indices,
    classes: AnyArray,
    names: Sequence[str],
    samples: int,
    seed: int,
) -> NoiseBenefit:
    """Measures the noise of a model on labelled images.

    labels are the indices of the images' classes (N,), which data has, too. names has a name per
    class.
    """
    if len(labels) < 2:
        raise ArgumentError("X has 1 image, want at least 2, for standard errors")
    first, *seeds = _seeds(seed, samples + 1)
    about = model.evaluate(data, {})
    std = {k: float(v) for k in ("std_mean", "std_min", "std_max") if (v := about[k]) is not None}
    clean = log_softmax(model.predict(data, {"output": "logits"}))
    classwise = model.predict(data, {"noise": "classwise", "seed": first})
    learned, learned_right = _under_noise(model, data, labels, seeds, noise="label")
    control, control_right = _under_noise(model, data, labels, seeds, noise="gaussian", std=std["std_mean"])
    columns = entropies(-_own(clean, labels), learned, control) | accuracies(
        clean.argmax(1) == labels, classwise == labels, control_right, learned_right
    )
    return summarise(columns, labels, classes, names, samples=samples, **std)


def entropies(clean: Doubles, learned: Doubles, control: Doubles) -> dict[str, Doubles]:
    """Returns each image's term (N,) of every estimate.

    The arguments are the images' cross-entropies (N,) without noise and under both noises.
    """
    return {
        "task_entropy": clean,
        "conditional_entropy": learned,
        "mutual_information": clean - learned,
        "control_entropy": control,
        "control_information": clean - control,
        "gain_over_control": control - learned,
    }


def accuracies(
    clean: NDArray[np.bool_], classwise: NDArray[np.bool_], control: Doubles, label_noise: Doubles
) -> dict[str, AnyArray]:
    """Returns each image's term (N,) of every accuracy.

    The arguments say how often each image was right (N,) without noise and under each noise.
    """
    right: dict[str, AnyArray] = {
        "accuracy": clean,
        "accuracy_classwise": classwise,
        "accuracy_control": control,
        "accuracy_label_noise": label_noise,
    }
    return right | {"classwise_gain": classwise.astype(float) - clean}


def summarise(
    columns: dict[str, AnyArray],
    labels: AnyArray,
    classes: AnyArray,
    names: Sequence[str],
    *,
    samples: int,
    **std: float,
) -> NoiseBenefit:
    """Returns means and standard errors of the columns (N,), over all images and by class.

    labels are indices of classes (N,). std has std_mean, std_min and std_max.
    """
    for name, column in columns.items():
        if not np.isfinite(column).all():
            index = int(np.argmin(np.isfinite(column)))
            raise ArgumentError(
                f"{name} of image {index} is {column[index]}: the model's outputs are not finite"
            )
    members = [labels == k for k in range(len(classes))]
    overall: dict[str, float] = {}
    table: dict[str, AnyArray] = {"class": np.array(names), "images": np.array([m.sum() for m in members])}
    for name, column in columns.items():
        overall[name], overall[name + "_se"] = _mean(column)
        means = np.array([_mean(column[m]) for m in members])
        table[name], table[name + "_se"] = means[:, 0], means[:, 1]
    return NoiseBenefit(
        n_images=len(labels), samples=samples, classes=classes, per_class=table, **overall, **std
    )


def _mean(values: AnyArray) -> tuple[float, float]:
    """Returns the mean and its standard error s/√n.

    NaN stands for what too few values do not give.
    """
    n = len(values)
    mean = float(values.mean()) if n else np.nan
    return mean, float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan


def _under_noise(
    model: Model, data: Data, labels: Indices, seeds: Sequence[int], **noise: object
) -> tuple[Doubles, Doubles]:
    """Returns for every image the mean over the draws of -log q(y|x, e), and how often it was right (N,)."""
    loss, right = np.zeros(len(labels)), np.zeros(len(labels))
    for seed in seeds:
        log_q = log_softmax(model.predict(data, {"output": "logits", "seed": seed, **noise}))
        loss -= _own(log_q, labels) / len(seeds)
        right += (log_q.argmax(1) == labels) / len(seeds)
    return loss, right


def log_softmax(logits: Floats) -> Doubles:
    """Returns the logarithms of the probabilities (N, K) that logits stand for."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(1, keepdims=True)
    logs: Doubles = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logs


def _own(rows: Doubles, labels: Indices) -> Doubles:
    """Returns from every row (N, K) the value at the image's own label (N,)."""
    own: Doubles = rows[np.arange(len(labels)), labels]
    return own


def _seeds(seed: int, count: int) -> list[int]:
    """Returns so many seeds from 1 to 2**63 - 1, which are a function of one seed."""
    state = np.random.SeedSequence(seed % 2**64).generate_state(count, np.uint64)
    return [int(s >> np.uint64(1)) or 1 for s in state]
