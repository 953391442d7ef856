"""Writes the golden files of vpn/testdata and models/testdata from reference.py.

    python vpn/testdata/golden.py      # needs requirements.txt; the tests do not

cases.json lists the cases: name, kind, file and config (keys of vpn.Config). Weights are not stored: they
follow from a formula of their name (reference.formula_weights). Inputs are float32, exact in float64 too;
outputs are stored as computed in float32 ("f32/...") and in float64 ("f64/...").

Gradients are float64. Of a tensor with more than SAMPLE elements the file holds SAMPLE of them, at the flat
indices mix(j) mod size, its norm, and its dot products with PROJECTIONS vectors of signs: the mean square of
the projections of a difference estimates its squared norm, so no element escapes the comparison.
"""

import json
import pathlib

import numpy as np
import torch
from reference import Reference, formula_weights, mix, mlp, optimizer, uniform
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "models" / "testdata"
SAMPLE, PROJECTIONS = 4096, 8
DTYPES = {"f32": torch.float32, "f64": torch.float64}

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

OBJECTIVES = {
    "joint-sr-bounded-m3": {"base": "sr", "noise_samples": 3},
    "joint-dnn3-bounded-index": {"label_encoding": "index", "label_coefficient": 0.1},
    "joint-dnn3-rms-m3-image": {"std": "rms", "noise_samples": 3, "normalize": {"where": "image", **NORM}},
    "joint-dnn3-abs-input": {"std": "abs", "normalize": {"where": "input", **NORM}},
    "joint-sr-abs-lambda0-clip": {"base": "sr", "std": "abs", "base_loss_weight": 0.0, "clip_noisy": True},
    "frozen-sr-rms-m3": {"base": "sr", "mode": "frozen", "std": "rms", "noise_samples": 3},
    "plain-dnn3": {"mode": "plain"},
    "gaussian-sr": {"base": "sr", "mode": "gaussian", "fixed_std": 0.2, "base_loss_weight": 0.0},
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
OPTIMIZERS = {
    "adam": {},
    "adam-decay": {"weight_decay": 1e-2},
    "adam-cosine": {"schedule": "cosine"},
    "sgd": {**SGD, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"},
    "sgd-momentum-decay-cosine": SGD,
}
STEPS = 10


def batch(name, n, m=0):
    """Images k/255 (N, H, W, C), labels and, for m > 0, standard normal noise (N, m, H, W, C)."""
    rng = np.random.default_rng(list(name.encode()))
    x = rng.integers(0, 256, (n, *SHAPE)).astype(np.float32) / np.float32(255)
    y = rng.permutation(np.arange(n) % CLASSES).astype(np.int32)
    z = rng.standard_normal((n, m, *SHAPE)).astype(np.float32)
    arrays = {"images": x, "labels": y} | ({"z": z} if m else {})
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


def call(inputs, dtype):
    """(images, labels, z or None) as the reference takes them."""
    z = inputs.get("z")
    return inputs["images"].to(dtype), inputs["labels"].long(), None if z is None else z.to(dtype)


def write(folder, kind, name, config, tensors, **more):
    """Writes one file and returns its row of cases.json."""
    file = f"{kind}-{name}.safetensors"
    save_file({k: torch.as_tensor(v).contiguous() for k, v in tensors.items()}, folder / file)
    return {"name": name, "kind": kind, "file": file, "config": config, **more}


def summary(name, gradient):
    """What is stored of one gradient; see the head of this file."""
    flat = gradient.flatten().double()
    if flat.numel() <= SAMPLE:
        return {f"grad/{name}": flat.view(gradient.shape)}
    index = mix(np.arange(SAMPLE)).astype(np.int64) % flat.numel()
    signs = (torch.from_numpy(uniform(f"projection{j}", flat.numel())).sign() for j in range(PROJECTIONS))
    return {
        f"sample/{name}": flat[torch.from_numpy(index)],
        f"projections/{name}": torch.stack([s @ flat for s in signs]),
        f"norm/{name}": flat.norm()[None],
    }


def gradients(ref, inputs):
    """((loss, L_VPN, L_base), gradients by name) at the formula's weights."""
    params = ref.parameters()
    trained = {k: v.requires_grad_() for k, v in ref.trained(params).items()}
    losses = ref.losses(params, *call(inputs, ref.dtype))
    losses[0].backward()
    return torch.stack(losses).detach(), {k: v.grad for k, v in trained.items()}


def objective(name, config):
    """Losses of Eq. 12 and 13 and all gradients, for given images, labels and noise."""
    inputs = batch(name, BATCH, config["noise_samples"])
    losses, grads = {}, {}
    for tag, dtype in DTYPES.items():
        losses[f"{tag}/losses"], grads[tag] = gradients(Reference(config, dtype), inputs)
    out = {}
    for key, g in grads["f64"].items():
        gap = (grads["f32"][key].double() - g).norm() / g.norm()
        assert gap < 1e-4, f"{name}: {key} differs by {gap} between float32 and float64"
        out |= summary(key, g)
    return write(HERE, "objective", name, config, inputs | losses | out, trained=list(grads["f64"]))


def training(name, config):
    """(loss, L_VPN, L_base) of ten steps, five epochs of two batches, for noise z (10 N, m, H, W, C)."""
    inputs = batch(name, 2 * BATCH)
    z = batch(name, STEPS * BATCH, config["noise_samples"])["z"]
    tensors = {"z": z} if config["mode"] != "plain" else {}
    for tag, dtype in DTYPES.items():
        ref = Reference(config, dtype)
        params = ref.parameters()
        opt, schedule = optimizer(config, [v.requires_grad_() for v in ref.trained(params).values()])
        losses, rates = [], []
        for step in range(STEPS):
            half = slice(step % 2 * BATCH, (step % 2 + 1) * BATCH)
            x, y, _ = call({k: v[half] for k, v in inputs.items()}, dtype)
            values = ref.losses(params, x, y, z[step * BATCH : (step + 1) * BATCH].to(dtype))
            opt.zero_grad()
            values[0].backward()
            opt.step()
            losses.append(torch.stack(values).detach())
            rates.append(opt.param_groups[0]["lr"])
            if step % 2:
                schedule.step()
        tensors[f"{tag}/losses"] = torch.stack(losses)
    gap = (tensors["f32/losses"] / tensors["f64/losses"] - 1).abs().max()
    assert gap < 2e-4, f"{name}: losses differ by {gap} between float32 and float64"
    return write(HERE, "training", name, config, inputs | tensors, learning_rates=rates)


def std_and_scores():
    """sigma for every parametrisation and label encoding; classwise scores for given noise."""
    rows, inputs = [], batch("std", BATCH)
    samples, scored = 2, batch("classwise", 5)
    z = batch("classwise", samples * 5 * CLASSES, 1)["z"]  # (samples * N * K, 1, H, W, C)
    for std in ("abs", "bounded", "rms"):
        for encoding, coefficient in (("scaled", 0.3), ("index", 0.2)):
            config = DEFAULTS | {"std": std, "label_encoding": encoding, "label_coefficient": coefficient}
            sigma, scores = {}, {}
            for tag, dtype in DTYPES.items():
                ref = Reference(config, dtype)
                params = ref.parameters()
                sigma[f"{tag}/std"] = ref.sigma(params, *call(inputs, dtype)[:2])
                x = scored["images"].to(dtype)
                scores[f"{tag}/none"] = ref.logits(params, x).softmax(1)
                scores[f"{tag}/scores"] = ref.classwise(
                    params, x, z.view(samples, 5, CLASSES, *SHAPE).to(dtype)
                )
            rows.append(write(HERE, "std", f"{std}-{encoding}", config, inputs | sigma))
            if encoding == "scaled":
                scores |= {"images": scored["images"], "z": z}
                rows.append(write(HERE, "classwise", std, config, scores))
    return rows


def models():
    """Logits of every base model for images of two shapes."""
    rows = []
    for architecture in ("sr", "dnn3"):
        for shape, classes in ((SHAPE, CLASSES), ([4, 7, 1], 3)):
            rng = np.random.default_rng(shape)
            x = torch.from_numpy(rng.random((5, *shape), np.float32))
            tensors = {"images": x}
            for tag, dtype in DTYPES.items():
                params = formula_weights("base", architecture, x[0].numel(), classes, dtype)
                tensors[f"{tag}/logits"] = mlp(params, "base", architecture, x.to(dtype))
            config = {"base": architecture, "image_shape": shape, "classes": classes}
            count = sum(p.numel() for p in params.values())
            name = f"{architecture}-{'x'.join(map(str, shape))}"
            rows.append(write(MODELS, "logits", name, config, tensors, parameters=count))
    return rows


def optimizers():
    """Ten steps of each optimiser on two parameters, in float64: params holds the start, then every step."""
    rows, grads = [], np.stack([uniform(f"gradient{i}", 2) for i in range(STEPS)])
    for name, changes in OPTIMIZERS.items():
        config = DEFAULTS | changes
        p = torch.tensor([0.5, -2.0], dtype=torch.float64, requires_grad=True)
        (opt, schedule), params = optimizer(config, [p]), [p.tolist()]
        for step, g in enumerate(grads):
            p.grad = torch.from_numpy(g)
            opt.step()
            params.append(p.tolist())
            if step % 2:
                schedule.step()
        row = {"name": name, "kind": "optimizer", "config": config}
        rows.append(row | {"gradients": grads.tolist(), "params": params})
    return rows


def main():
    torch.set_num_threads(1)
    rows = [objective(k, DEFAULTS | v) for k, v in OBJECTIVES.items()]
    rows += [training(k, DEFAULTS | v) for k, v in TRAININGS.items()]
    with torch.no_grad():
        rows += std_and_scores()
        tables = {MODELS: models(), HERE: rows}
    rows += optimizers()
    for folder, table in tables.items():
        lines = ",\n".join(json.dumps(row) for row in table)
        (folder / "cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
