"""What golden files are made of: rows of cases.json, tensors, digests."""

import json
import pathlib

import torch
from networks import hashes
from safetensors.torch import save_file

METHOD = pathlib.Path(__file__).resolve().parent
MODELS = METHOD.parents[2] / "models" / "testdata"
PROJECTIONS = 8


def digest(x):
    """What is stored of a large tensor: its norm and its products with eight vectors of signs,
    + where bit j of hashes("signs") is set. The mean square of the products of a difference estimates its
    squared norm, so that no element escapes the comparison.
    """
    flat = x.detach().flatten().double()
    bits = torch.from_numpy(hashes("signs", flat.numel()).astype("int64"))
    signs = ((bits >> j & 1) * 2 - 1 for j in range(PROJECTIONS))
    return torch.stack([flat.norm(), *(s.double() @ flat for s in signs)])


def gap(got, want):
    """The relative difference of a float32 result from the float64 one."""
    norm = want.double().norm()
    assert norm > 0
    return ((got.double() - want.double()).norm() / norm).item()


def agree(name, single, double, tolerance):
    """Asserts that PyTorch follows itself: where its float32 leaves float64, a test could not stay either."""
    gaps = {k: gap(single[k], double[k]) for k in double}
    worst = max(gaps, key=gaps.get)
    assert gaps[worst] < tolerance, f"{name}: {worst} differs by {gaps[worst]:.1e}, want {tolerance}"


def write(folder, kind, cases):
    """Writes the tensors of all cases (row, tensors) of a kind, each under the name of its case, to one file;
    returns their rows of cases.json."""
    rows, file = [], f"{kind}.safetensors"
    for row, _ in cases:
        rows.append({"name": row["name"], "kind": kind, "file": file} | row)
    tensors = {f"{row['name']}/{k}": torch.as_tensor(v) for row, found in cases for k, v in found.items()}
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, folder / file)
    (folder / file).chmod(0o644)
    return rows


def write_cases(folder, rows):
    lines = ",\n".join(json.dumps(row) for row in rows)
    (folder / "cases.json").write_text(f"[\n{lines}\n]\n")
