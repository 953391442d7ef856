"""What the rows and columns of the paper's tables are, and what a row trains."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from .. import augment
from ..errors import ArgumentError

PRETRAINED = "ilsvrc2012"  # its bases start from published weights; the baseline is these
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # torchvision's, of these weights
TABLES = ("table1", "table2", "table3", "table4")
SHALLOW = ("sr", "dnn3")
# Options that say nothing to a run without a generator, and to one without noise.
OF_THE_GENERATOR = (
    "std",
    "std_range",
    "std_rms",
    "entropy_weight",
    "label_coefficient",
    "label_encoding",
    "label_fusion",
)
OF_THE_NOISE = (*OF_THE_GENERATOR, "noise_distribution", "noise_samples", "noise_layer", "base_loss_weight")
GENERATORS = ("dnn3", "resnet18")


@functools.cache
def paper() -> dict[str, Any]:
    """The paper's citation, notes and tables I to IV, as printed."""
    return json.loads(resources.files(__package__).joinpath("paper.json").read_text())


@dataclass(frozen=True)
class Row:
    """What one row of a table trains."""

    title: str
    options: dict[str, Any]  # parameters of VPNClassifier, over the paper's preset
    needs: str = ""  # the row of the same seed that gives this one its weights or its σ


# The paper names these augmentations and gives no parameters but "standard Gaussian noise" on "randomly
# selected pixels": the other numbers are ours.
ROWS = {
    "baseline": Row("Baseline", {"mode": "plain"}),
    "random-rotation": Row("Random Rotation", {"mode": "plain", "augment": [augment.RandomRotation(15)]}),
    "random-translation": Row(
        "Random Translation", {"mode": "plain", "augment": [augment.RandomAffine(0, (0.1, 0.1))]}
    ),
    "color-jitter": Row("Color Jitter", {"mode": "plain", "augment": [augment.ColorJitter(0.2, 0.2, 0.2)]}),
    "gaussian-blur": Row("Gaussian Blur", {"mode": "plain", "augment": [augment.GaussianBlur(3)]}),
    "random-noise": Row(
        "Random Noise",
        {"mode": "plain", "augment": [augment.GaussianNoise(0, 1, clip=False, fraction=0.1)]},
    ),
}
for _g, _title in zip(GENERATORS, ("DNN3", "ResNet18"), strict=True):
    ROWS[f"vpn-{_g}"] = Row(f"VPN, {_title}", {"mode": "joint", "generator": _g})
    ROWS[f"matched-{_g}"] = Row(f"Gaussian, mean σ of VPN, {_title}", {"mode": "gaussian"}, f"vpn-{_g}")
    ROWS[f"power-{_g}"] = Row(f"Gaussian, RMS σ of VPN, {_title}", {"mode": "gaussian"}, f"vpn-{_g}")
    ROWS[f"frozen-{_g}"] = Row(f"VPN, {_title}, base frozen", {"mode": "frozen", "generator": _g}, "baseline")


@dataclass(frozen=True)
class Run:
    """One training run, and all that decides its result on a device.

    >>> run = govpn.repro.Run("fashion-mnist", "sr", "vpn-dnn3", seed=2)
    >>> run.id, run.baseline().row
    ('fashion-mnist_sr_vpn-dnn3_e40_s2', 'baseline')
    """

    dataset: str
    base: str
    row: str
    seed: int = 0
    epochs: int = 40  # 0: the weights that it starts from
    images: int = 0  # training images, a stratified subset; 0: all
    eval_images: int = 0  # of the validation and of the test set, stratified subsets; 0: all
    label_noise: float = 0.0  # the fraction of training labels that are another class's
    teacher: float = 0.0  # the weight of the baseline's probabilities in soft labels
    options: dict[str, Any] = field(default_factory=dict, hash=False)  # over those of the row
    test: bool = True  # whether it looks at the test data; False while settings are chosen

    def __post_init__(self) -> None:
        if self.row not in ROWS:
            raise ArgumentError(f"row is {self.row!r}, want one of {', '.join(ROWS)}")

    @property
    def id(self) -> str:
        """A file name."""
        parts = [self.dataset, self.base, self.row, f"e{self.epochs}"]
        parts += [f"n{self.images}"] if self.images else []
        parts += [f"t{self.eval_images}"] if self.eval_images else []
        parts += [f"flip{self.label_noise:g}"] if self.label_noise else []
        parts += [f"teacher{self.teacher:g}"] if self.teacher else []
        parts += [f"{k}={json.dumps(v)}" for k, v in sorted(self.options.items())]
        parts += [] if self.test else ["validation"]
        name = re.sub(r"[^\w.=+-]", "", "_".join(parts))
        if len(name) > 150:
            name = name[:140] + hashlib.sha256(name.encode()).hexdigest()[:10]
        return f"{name}_s{self.seed}"

    def needed(self) -> Run | None:
        """The run that must be finished before this one."""
        needs = ROWS[self.row].needs
        if needs == "baseline":
            return self.baseline()
        if needs:
            return Run(**(vars(self) | {"row": needs}))
        return self.baseline() if self.teacher else None

    def baseline(self) -> Run:
        """The run without noise that this one is compared with."""
        options = {k: v for k, v in self.options.items() if k not in OF_THE_NOISE}
        epochs = 0 if self.dataset == PRETRAINED else self.epochs
        changes = {"row": "baseline", "options": options, "epochs": epochs, "teacher": 0.0}
        return Run(**(vars(self) | changes))

    def parameters(self) -> dict[str, Any]:
        """Those of VPNClassifier."""
        options = ROWS[self.row].options | self.options
        if options["mode"] == "gaussian":
            options = {k: v for k, v in options.items() if k not in OF_THE_GENERATOR}
        batch = 128 if self.dataset == "tiny-imagenet" else 256  # the paper, Section IV
        common = {"preset": "paper", "base": self.base, "epochs": max(1, self.epochs), "batch_size": batch}
        if self.dataset == PRETRAINED:
            common["normalize"] = IMAGENET
        return common | options | {"random_state": self.seed}


def columns(table: str) -> list[tuple[str, str]]:
    """(dataset, base) of each column."""
    return [tuple(c.split("/")) for c in paper()["tables"][table]["columns"]]


def cells(table: str) -> dict[str, tuple[str, str]]:
    """A table's lines from top to bottom, the paper's and the controls: name → (row, how it predicts)."""
    lines = {}
    for name in paper()["tables"][table]["rows"]:
        row, _, noise = name.partition("/")
        if table == "table4" and row != "baseline":
            generator = row.removeprefix("vpn-")
            lines[name] = f"frozen-{generator}", "classwise"
            for control in ("gaussian", "power"):
                lines[f"{name}/{control}"] = f"frozen-{generator}", control
            continue
        lines[name] = row, noise or "none"
        if noise == "none":
            generator = row.removeprefix("vpn-")
            for control in (f"matched-{generator}", f"power-{generator}"):
                lines[control] = control, "none"
    return lines


def printed(table: str, line: str, dataset: str, base: str) -> float | None:
    """The paper's number in %; None where it has none."""
    content = paper()["tables"][table]
    values = content["rows"].get(line)
    return None if values is None else values[content["columns"].index(f"{dataset}/{base}")]


def paper_epochs(base: str) -> int:
    """40 for shallow bases, 100 for the others (the paper, Section IV)."""
    return 40 if base in SHALLOW else 100
