"""The rows and columns of the paper's tables, and the training run behind each row."""

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

Result = dict[str, Any]  # what a run leaves, as JSON; `_run.execute` writes its fields

PRETRAINED = "ilsvrc2012"  # bases start from published weights here, and these weights are the baseline
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # torchvision's, for these weights
TABLES = ("table1", "table2", "table3", "table4")
SHALLOW = ("sr", "dnn3")
FIRST_FRESH = 100  # the first seed of a confirmation; a search uses seeds below
# A run without a generator ignores the first group of options. A run without noise ignores both.
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
    """Returns the paper's citation, its notes and Tables I to IV as printed."""
    content: dict[str, Any] = json.loads(resources.files(__package__).joinpath("paper.json").read_text())
    return content


@dataclass(frozen=True)
class Row:
    """What one row of a table trains."""

    title: str
    options: dict[str, Any]  # parameters of VPNClassifier that differ from the paper's preset
    needs: str = ""  # the row that gives this one its weights or its σ, with the same seed


# The paper names these augmentations. It gives one strength: "standard Gaussian noise" on "randomly
# selected pixels". The other numbers are ours.
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
    """One training run: everything that decides its result on a device.

    >>> run = govpn.repro.Run("fashion-mnist", "sr", "vpn-dnn3", seed=2)
    >>> run.id, run.baseline().row
    ('fashion-mnist_sr_vpn-dnn3_e40_s2', 'baseline')
    """

    dataset: str
    base: str
    row: str
    seed: int = 0
    epochs: int = 40  # 0 keeps the weights that the run starts from
    images: int = 0  # size of a stratified training subset; 0 takes all images
    eval_images: int = 0  # size of stratified validation and test subsets; 0 takes all images
    label_noise: float = 0.0  # fraction of training labels that are changed to another class
    teacher: float = 0.0  # weight of the baseline's probabilities in soft labels
    options: dict[str, Any] = field(default_factory=dict, hash=False)  # replace those of the row
    test: bool = True  # whether the run looks at the test data; False while settings are chosen

    def __post_init__(self) -> None:
        if self.row not in ROWS:
            raise ArgumentError(f"row is {self.row!r}, want one of {', '.join(ROWS)}")

    @property
    def id(self) -> str:
        """The name of the run and of its files."""
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
        """Returns the run that must finish before this one, or None."""
        needs = ROWS[self.row].needs
        if needs == "baseline":
            return self.baseline()
        if needs:
            return Run(**(vars(self) | {"row": needs}))
        return self.baseline() if self.teacher else None

    def baseline(self) -> Run:
        """Returns the run without noise that this one is compared with."""
        options = {k: v for k, v in self.options.items() if k not in OF_THE_NOISE}
        epochs = 0 if self.dataset == PRETRAINED else self.epochs
        changes = {"row": "baseline", "options": options, "epochs": epochs, "teacher": 0.0}
        return Run(**(vars(self) | changes))

    def parameters(self) -> dict[str, Any]:
        """Returns the parameters of VPNClassifier."""
        options = ROWS[self.row].options | self.options
        if options["mode"] == "gaussian":
            options = {k: v for k, v in options.items() if k not in OF_THE_GENERATOR}
        batch = 128 if self.dataset == "tiny-imagenet" else 256  # the paper, Section IV
        common = {"preset": "paper", "base": self.base, "epochs": max(1, self.epochs), "batch_size": batch}
        common["drop_last"] = True  # the recorded runs are of govpn 0.1.0, which left the last batch out
        if self.dataset == PRETRAINED:
            common["normalize"] = IMAGENET
        return common | options | {"random_state": self.seed}


def columns(table: str) -> list[tuple[str, str]]:
    """Returns (dataset, base) of each column."""
    pairs = (c.split("/") for c in paper()["tables"][table]["columns"])
    return [(dataset, base) for dataset, base in pairs]


def cells(table: str) -> dict[str, tuple[str, str]]:
    """Returns the lines of a table from top to bottom, the paper's and the controls.

    A line's name maps to the row that is trained and to the way in which it predicts.
    """
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


def title_of(table: str, line: str) -> str:
    """Returns a line's name for readers."""
    row, noise = cells(table)[line]
    kinds = {"classwise": "classwise", "gaussian": "Gaussian of its mean σ", "power": "Gaussian of its RMS σ"}
    how = f", {kinds[noise]}" if noise in kinds else ""
    return ROWS[row].title + (", no noise" if row.startswith("vpn") and noise == "none" else how)


def table_of(run: Run) -> str:
    """Returns the table, report or figures that a run belongs to: the name of its packed file.

    A baseline serves several tables. It belongs to the first of them.
    """
    if not run.test:
        return "search"  # and explain, which shares these runs
    if run.seed >= FIRST_FRESH:
        return "confirm"
    if run.options:
        return "figures"  # Figure 4's numbers of noises
    if run.row.startswith("frozen"):
        return "table4"
    return {"tiny-imagenet": "table2", PRETRAINED: "table3"}.get(run.dataset, "table1")


def drawn_by_a_figure(run: Run) -> bool:
    """Returns whether a figure may show this run's noise. The run then keeps its arrays."""
    if run.seed or not run.row.startswith("vpn"):
        return False
    if not run.test:
        return "entropy_weight" in run.options  # explain draws the last of its settings
    return run == Run(run.dataset, run.base, run.row, epochs=run.epochs)


def printed(table: str, line: str, dataset: str, base: str) -> float | None:
    """Returns the paper's number in %, or None if the paper has none."""
    content = paper()["tables"][table]
    values: list[float | None] | None = content["rows"].get(line)
    return None if values is None else values[content["columns"].index(f"{dataset}/{base}")]


def paper_epochs(base: str) -> int:
    """Returns 40 for shallow bases and 100 for the others (the paper, Section IV)."""
    return 40 if base in SHALLOW else 100
