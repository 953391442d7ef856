"""Writes the golden files of vpn/method/testdata and models/testdata with PyTorch, torchvision and timm.

    python vpn/method/testdata/golden.py      # needs requirements.txt; the tests do not

cases.json lists the cases: name, kind, file and config (keys of vpn.Config). Weights are not stored: they
follow from a formula of their name (networks.formula). Inputs are float32, exact in float64 too. All results
are float64; this program asserts that PyTorch's own in float32 are near them, unless the case is double_only.
Gradients and the statistics of batch norm are stored as digests (files.digest).
"""

import golden_networks
import numpy as np
import torch
from files import METHOD, MODELS, agree, digest, write, write_cases
from networks import uniform
from reference import Reference, optimizer

DTYPES = {"single": torch.float32, "double": torch.float64}

SHAPE, CLASSES, BATCH = [6, 5, 2], 4, 8
DEFAULTS = {
    "base": "dnn3",
    "generator": "dnn3",
    "mode": "joint",
    "image_shape": SHAPE,
    "classes": CLASSES,
    "batch_size": BATCH,
    "noise_samples": 1,
    "base_loss_weight": 0.5,
    "label_coefficient": 0.3,
    "label_encoding": "scaled",
    "std": "bounded",
    "std_range": [0.05, 0.6],
    "std_rms": 0.25,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "schedule": "constant",
    "epochs": 5,
}
NORM = {"mean": [0.4, 0.55], "std": [0.3, 0.2]}
SGD = {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "schedule": "cosine"}

RESNETS = {"base": "resnet18", "generator": "resnet18"}
VIT = {"base": "vit", "image_shape": [8, 8, 3]}

OBJECTIVES = {
    "joint-sr-bounded-m3": {"base": "sr", "noise_samples": 3},
    "joint-dnn3-bounded-index": {"label_encoding": "index", "label_coefficient": 0.1},
    "joint-dnn3-rms-m3-image": {"std": "rms", "noise_samples": 3, "normalize": {"where": "image", **NORM}},
    "joint-dnn3-abs-input": {"std": "abs", "normalize": {"where": "input", **NORM}},
    "joint-sr-abs-lambda0-clip": {"base": "sr", "std": "abs", "base_loss_weight": 0.0, "clip_noisy": True},
    "frozen-sr-rms-m3": {"base": "sr", "mode": "frozen", "std": "rms", "noise_samples": 3},
    "plain-dnn3": {"mode": "plain"},
    "gaussian-sr": {"base": "sr", "mode": "gaussian", "fixed_std": 0.2, "base_loss_weight": 0.0},
    "joint-resnet18": {**RESNETS, "noise_samples": 2},
    "frozen-resnet18": {**RESNETS, "mode": "frozen", "std": "rms"},
    "joint-vit": {**VIT, "generator": "resnet18"},
}
# A ReLU unit that rounding alone turns on or off gets an Adam step of full size. With a generator and at rate
# 1e-3, PyTorch departs from itself by up to 2e-3 of the loss in ten steps of eight images when its weights
# are perturbed by 1e-6 of themselves at every step; at 2e-4, by 2e-4: there a tolerance of 1e-3 is no luck.
GENTLE = {"learning_rate": 2e-4}
TRAININGS = {
    "joint-adam": GENTLE,
    "joint-adam-decay-cosine": {
        **GENTLE,
        "weight_decay": 1e-2,
        "schedule": "cosine",
        "std": "rms",
        "noise_samples": 3,
    },
    "joint-sgd-cosine": {**SGD, "base": "sr", "learning_rate": 0.02},
    "joint-dnn3-sgd-cosine": {**SGD, "learning_rate": 0.01},
    "frozen-adam": {**GENTLE, "mode": "frozen", "std": "abs"},
    "plain-adam": {"mode": "plain"},
    "plain-sgd-cosine": {**SGD, "base": "sr", "mode": "plain"},
    "gaussian-adam": {"mode": "gaussian", "fixed_std": 0.2, "base_loss_weight": 0.0},
}
DEEP_TRAININGS = {
    "joint-resnet18-lambda0": {**RESNETS, "base_loss_weight": 0.0},
    "joint-resnet18-shared": {**RESNETS, "noise_samples": 2},
    "joint-resnet18-separate": {**RESNETS, "noise_samples": 2, "noisy_batch_norm": "separate"},
    "frozen-resnet18": {**RESNETS, "mode": "frozen", "std": "rms"},
    "plain-resnet18": {"base": "resnet18", "mode": "plain", "learning_rate": 1e-5},
    "joint-vit": VIT,
}
OPTIMIZERS = {
    "adam": {},
    "adam-decay": {"weight_decay": 1e-2},
    "adam-cosine": {"schedule": "cosine"},
    "sgd": {**SGD, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"},
    "sgd-momentum-decay-cosine": SGD,
}
STEPS = 10
DEEP_STEPS = 5
CLASSWISE = {
    "abs": {"std": "abs"},
    "bounded": {},
    "rms": {"std": "rms"},
    "resnet18": RESNETS,
    "resnet18-separate": {**RESNETS, "noisy_batch_norm": "separate"},
}


def batch(name, shape, n, m=0):
    """Images k/255 (n, H, W, C), labels and, for m > 0, standard normal noise (n, m, H, W, C)."""
    rng = np.random.default_rng(list(name.encode()))
    x = rng.integers(0, 256, (n, *shape)).astype(np.float32) / np.float32(255)
    y = rng.permutation(np.arange(n) % CLASSES).astype(np.int32)
    z = rng.standard_normal((n, m, *shape)).astype(np.float32)
    arrays = {"images": x, "labels": y} | ({"z": z} if m else {})
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


def call(inputs, dtype):
    """(images, labels, z or None) as the reference takes them."""
    z = inputs.get("z")
    return inputs["images"].to(dtype), inputs["labels"].long(), None if z is None else z.to(dtype)


def double_only(config):
    """Whether float32 is too coarse: of images this small, the last maps of the ResNet generator are a pixel,
    and batch norm of eight values enlarges rounding until ReLU units turn on or off.
    """
    return config["mode"] in ("joint", "frozen") and config["generator"] == "resnet18"


def objective(name, config):
    """The loss and its gradients, for given images, labels and noise."""
    inputs, results = batch(name, config["image_shape"], BATCH, config["noise_samples"]), {}
    for key, dtype in DTYPES.items():
        ref = Reference(config, dtype)
        loss = ref.loss(*call(inputs, dtype))
        loss.backward()
        results[key] = {"loss": loss.detach()} | {f"grad/{k}": v.grad for k, v in ref.trained().items()}
    if not double_only(config):
        agree(f"objective {name}", results["single"], results["double"], 1e-4)
    tensors = {k: digest(v) if k.startswith("grad/") else v for k, v in results["double"].items()}
    row = {"name": name, "config": config, "trained": len(tensors) - 1, "double_only": double_only(config)}
    return row, inputs | tensors


def train(config, dtype, inputs, z):
    """(losses, learning rates, buffers) of steps on two batches in turn, each pair an epoch."""
    ref, losses, rates = Reference(config, dtype), [], []
    opt, schedule = optimizer(config, ref.trained().values())
    for step in range(len(z) // BATCH):
        half = slice(step % 2 * BATCH, (step % 2 + 1) * BATCH)
        x, y, _ = call({k: v[half] for k, v in inputs.items()}, dtype)
        loss = ref.loss(x, y, z[step * BATCH : (step + 1) * BATCH].to(dtype))
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.detach())
        rates.append(opt.param_groups[0]["lr"])
        if step % 2:
            schedule.step()
    return torch.stack(losses), rates, dict(ref.named_buffers())


def training(name, config, steps):
    """The loss of every step, for noise z (steps * N, m, H, W, C); then the statistics of batch norm."""
    inputs = batch(name, config["image_shape"], 2 * BATCH)
    z = batch(name, config["image_shape"], steps * BATCH, config["noise_samples"])["z"]
    results = {}
    for key, dtype in DTYPES.items():
        losses, rates, buffers = train(config, dtype, inputs, z)
        results[key] = {"losses": losses} | {f"after/{k}": v for k, v in buffers.items()}
    if not double_only(config):
        agree(f"training {name}", results["single"], results["double"], 2e-4)
    tensors = {k: v if k == "losses" else digest(v) for k, v in results["double"].items()}
    noise = {"z": z} if config["mode"] != "plain" else {}
    row = {"name": name, "config": config, "learning_rates": rates, "double_only": double_only(config)}
    return row, inputs | noise | tensors


def std(name, config):
    """sigma for given images and labels."""
    inputs, results = batch("std", SHAPE, BATCH), {}
    for key, dtype in DTYPES.items():
        results[key] = {"std": Reference(config, dtype).sigma(*call(inputs, dtype)[:2])}
    agree(f"std {name}", results["single"], results["double"], 1e-5)
    return {"name": name, "config": config}, inputs | results["double"]


def classwise(name, config, n=5, samples=2):
    """Classwise scores for given noise, and the probabilities without noise."""
    images = batch("classwise", SHAPE, n)["images"]
    z = batch("classwise", SHAPE, samples * n * CLASSES, 1)["z"]  # (samples * N * K, 1, H, W, C)
    results = {}
    for key, dtype in DTYPES.items():
        ref, x = Reference(config, dtype).eval(), images.to(dtype)
        scores = ref.classwise(x, z.view(samples, n, CLASSES, *SHAPE).to(dtype))
        results[key] = {"scores": scores, "none": ref.logits(x).softmax(1)}
    agree(f"classwise {name}", results["single"], results["double"], 1e-5)
    return {"name": name, "config": config}, {"images": images, "z": z} | results["double"]


def optimizers():
    """Ten steps of each optimiser on two parameters, in float64: params holds the start, then every step."""
    rows, grads = [], torch.stack([uniform(f"gradient{i}", 2) for i in range(STEPS)])
    for name, changes in OPTIMIZERS.items():
        config = DEFAULTS | changes
        p = torch.tensor([0.5, -2.0], dtype=torch.float64, requires_grad=True)
        (opt, schedule), params = optimizer(config, [p]), [p.tolist()]
        for step, g in enumerate(grads):
            p.grad = g
            opt.step()
            params.append(p.tolist())
            if step % 2:
                schedule.step()
        row = {"name": name, "kind": "optimizer", "config": config}
        rows.append(row | {"gradients": grads.tolist(), "params": params})
    return rows


def main():
    torch.set_num_threads(1)
    encodings = {"scaled": 0.3, "index": 0.2}
    stds = {
        f"{std}-{encoding}": {"std": std, "label_encoding": encoding, "label_coefficient": coefficient}
        for std in ("abs", "bounded", "rms")
        for encoding, coefficient in encodings.items()
    }
    trainings = [(k, v, STEPS) for k, v in TRAININGS.items()]
    trainings += [(k, GENTLE | v, DEEP_STEPS) for k, v in DEEP_TRAININGS.items()]
    rows = write(METHOD, "objective", [objective(k, DEFAULTS | v) for k, v in OBJECTIVES.items()])
    rows += write(METHOD, "training", [training(k, DEFAULTS | v, steps) for k, v, steps in trainings])
    rows += golden_networks.generators()
    with torch.no_grad():
        rows += write(METHOD, "std", [std(k, DEFAULTS | v) for k, v in stds.items()])
        rows += write(METHOD, "classwise", [classwise(k, DEFAULTS | v) for k, v in CLASSWISE.items()])
    write_cases(METHOD, rows + optimizers())
    write_cases(MODELS, golden_networks.layers() + golden_networks.bases())


if __name__ == "__main__":
    main()
