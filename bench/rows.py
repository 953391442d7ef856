"""The rows that are measured. A row is one piece of work that all contestants do, and the targets for it."""

import dataclasses
import fnmatch

SMALL, COLOUR = (28, 28, 1), (32, 32, 3)

# Targets of speed. A pair is ours ÷ the faster of eager and compiled PyTorch, and ours ÷ JAX. That of `go` is
# ours ÷ eager PyTorch.
DENSE = {"cpu": (2.0, 1.0), "cuda": (1.5, 1.0), "go": 0.8}
CONV = {"cpu": (0.9, 1.0), "cuda": (1.2, 1.0), "go": 0.3}
LEVEL = {"cpu": (1.0, 1.0), "cuda": (1.0, 1.0)}
# Targets of every row, theirs ÷ ours: PyTorch, JAX.
FIRST_STEP, MEMORY = (None, 1.0), (1.0, 1.0)

# The options that all rows share. Every contestant draws noise anew at each step.
CONFIG = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "noise_samples": 1,
    "base_loss_weight": 1.0,
    "label_encoding": "scaled",
    "label_coefficient": 0.01,
    "std": "bounded",
    "std_range": (0.01, 0.3),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A round is an epoch of `batches` batches of `batch` images. Device cuda has other numbers of both."""

    task: str  # "joint" and "frozen" are training steps, "none" and "classwise" inference
    base: str
    generator: str | None
    shape: tuple[int, int, int]
    cpu: tuple[int, int]  # batch, batches
    cuda: tuple[int, int]
    targets: dict
    classes: int = 10
    dtype: str = "float32"

    @property
    def name(self):
        parts = [self.task, self.base, self.generator, self.classes if self.task == "classwise" else None]
        parts.append(self.dtype if self.dtype != "float32" else None)
        return "/".join(str(p) for p in parts if p)

    @property
    def dense(self):
        return {self.base, self.generator} <= {"sr", "dnn3", None}

    @property
    def trains(self):
        return self.task in ("joint", "frozen")

    def target(self, device):
        """Returns the targets against PyTorch, JAX, and eager PyTorch for `go`. None is no target."""
        pair = self.targets.get(device, (None, None))
        return (*pair, self.targets.get("go") if device == "cpu" else None)

    def job(self, device, batches):
        """Returns all that a contestant has to know, for JSON."""
        batch, count = getattr(self, device)
        fields = dataclasses.asdict(self)
        job = {k: fields[k] for k in ("task", "base", "generator", "shape", "classes", "dtype")}
        count = max(1, round(count * batches))
        return CONFIG | job | {"batch": batch, "batches": count, "trains": self.trains, "dense": self.dense}


def _table():
    frozen_dense = {"cpu": (1.5, 1.0), "cuda": (1.2, 1.0), "go": 0.8}
    classwise_dense = {"cpu": (2.0, 1.15), "cuda": (1.5, 1.0)}
    classwise_conv = {"cpu": (0.9, 1.0), "cuda": (1.5, 1.0)}
    vit = {"cpu": (1.0, 1.0), "cuda": (1.1, 1.0)}
    rows = [
        Row("joint", "sr", "dnn3", SMALL, (256, 60), (256, 400), DENSE),
        Row("joint", "dnn3", "dnn3", SMALL, (256, 40), (256, 400), DENSE),
        Row("joint", "resnet18", "dnn3", COLOUR, (64, 3), (256, 40), CONV),
        Row("joint", "resnet18", "resnet18", COLOUR, (64, 3), (256, 40), CONV),
        Row("joint", "vit_tiny_patch4", "dnn3", COLOUR, (64, 3), (64, 100), vit),
        Row("frozen", "dnn3", "dnn3", SMALL, (256, 40), (256, 400), frozen_dense),
        Row("frozen", "resnet18", "dnn3", COLOUR, (64, 4), (256, 60), CONV),
        Row("frozen", "resnet18", "resnet18", COLOUR, (64, 4), (256, 60), CONV),
        Row("none", "dnn3", None, SMALL, (512, 100), (512, 1000), LEVEL),
        Row("none", "resnet18", None, COLOUR, (64, 12), (512, 40), LEVEL),
        Row("classwise", "dnn3", "dnn3", SMALL, (256, 8), (256, 200), classwise_dense),
        Row("classwise", "dnn3", "dnn3", SMALL, (64, 2), (256, 10), classwise_dense, 200),
        Row("classwise", "resnet18", "dnn3", COLOUR, (64, 1), (256, 10), classwise_conv),
        Row("classwise", "resnet18", "resnet18", COLOUR, (64, 1), (256, 10), classwise_conv),
        Row("classwise", "resnet18", "dnn3", COLOUR, (4, 1), (64, 2), classwise_conv, 200),
    ]
    half = [
        dataclasses.replace(r, dtype="bfloat16", targets={"cuda": r.targets["cuda"]})
        for r in rows
        if r.base == "resnet18"
    ]
    return rows, half


ROWS, HALF = _table()


def select(patterns, device):
    """Returns the rows of a device whose names fit a pattern. bfloat16 is measured on cuda only."""
    rows = ROWS + (HALF if device == "cuda" else [])
    chosen = [r for r in rows if any(fnmatch.fnmatchcase(r.name, p) for p in patterns)]
    if not chosen:
        raise SystemExit(f"bench: no row fits {patterns}; there are {', '.join(r.name for r in rows)}")
    return chosen
