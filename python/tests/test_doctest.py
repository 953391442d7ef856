"""The examples in docstrings run, in a folder that has the data that they name."""

import copy
import doctest
import functools
import importlib
import inspect
import pkgutil
import shutil

import govpn
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from conftest import make_quadrants, write
from test_datasets import cifar, tiny  # noqa: F401

pytest.importorskip("matplotlib").use("Agg")
MODULES = [
    m.name
    for m in pkgutil.walk_packages(govpn.__path__, "govpn.")
    if m.name != "govpn.libgovpn"  # the C library, which is no module of Python
    and not m.name.startswith("govpn.ray.")  # test_ray.py runs these
]
FOUND = {
    name: [t for t in doctest.DocTestFinder().find(importlib.import_module(name)) if t.examples]
    for name in ["govpn", *MODULES]
}
METHODS = ("govpn.estimator",)
CLASS = next(t for t in FOUND["govpn.estimator"] if t.name.endswith(".VPNClassifier"))


@pytest.fixture
def folder(request, bars, tmp_path, monkeypatch):
    """A folder that has what the examples read."""
    monkeypatch.chdir(request.getfixturevalue("cifar"))
    root, _ = request.getfixturevalue("tiny")  # this fixture writes to the same folder
    (root / "tiny-imagenet-200").mkdir()
    for part in ("wnids.txt", "train", "val"):
        shutil.move(root / part, root / "tiny-imagenet-200" / part)
    for file in (bars / "fashion-mnist").iterdir():
        shutil.copy(file, root)
    x, y = make_quadrants(12)
    write(root / "photos", np.repeat(x, 3, axis=-1), y)
    files = sorted((root / "photos").rglob("*.png"))
    photos = pa.table({"image": [f.read_bytes() for f in files], "label": np.sort(y)})
    pa.parquet.write_table(photos, "photos.parquet")
    pa.feather.write_feather(photos, "photos.arrow", compression="uncompressed")
    monkeypatch.setenv("GOVPN_DATA", str(bars))
    return x, y


@pytest.mark.parametrize("name", [name for name, found in FOUND.items() if found])
def test_examples(name, folder, make):
    x, y = folder
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report = []
    for test in FOUND[name]:
        clf = make(mode="plain", epochs=3, batch_size=4)
        test.globs |= {"govpn": govpn, "np": np, "clf": clf, "X": x, "y": y}
        if name in METHODS and test is not CLASS:
            test.globs |= {name: own(value) for name, value in after_class().items()}
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@functools.cache
def after_class():
    """Returns the names that the example of the class defines: the methods' examples use them."""
    known = {"govpn": govpn, "VPNClassifier": govpn.VPNClassifier}
    for example in CLASS.examples:
        exec(example.source, known)
    return known


def own(value):
    """Returns a copy of a classifier, so that no example sees what another one changed."""
    return copy.deepcopy(value) if isinstance(value, govpn.VPNClassifier) else value


def test_methods_have_examples():
    shown = {t.name.rpartition(".")[2] for name in METHODS for t in FOUND[name]}
    assert {n for n, m in vars_of(govpn.VPNClassifier) if n not in shown} == set()


def vars_of(kind):
    """Returns the public methods of a class without those of scikit-learn."""
    ours = [k for k in kind.__mro__ if k.__module__.startswith("govpn.")]
    return [
        (n, m)
        for k in ours
        for n, m in vars(k).items()
        if n[0] != "_" and not n.endswith("_request") and inspect.isroutine(m)
    ]


@pytest.mark.parametrize("name", ["augment", "callbacks", "datasets"])
def test_public_names_have_examples(name):
    module = importlib.import_module(f"govpn.{name}")
    shown = {t.name for tests in FOUND.values() for t in tests}
    things = [thing for name in module.__all__ if callable(thing := getattr(module, name))]
    assert [t.__name__ for t in things if f"{t.__module__}.{t.__name__}" not in shown] == []
