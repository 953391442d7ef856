"""dir() of the public modules shows public names alone."""

import importlib
from types import ModuleType

import pytest

MODULES = ["augment", "callbacks", "datasets", "errors", "plot", "ray", "repro"]


@pytest.mark.parametrize("name", ["govpn", *(f"govpn.{m}" for m in MODULES)])
def test_dir_shows_public_names_alone(name):
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    for public in dir(module):
        thing = getattr(module, public)
        home = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", "govpn")
        assert home.split(".")[0] == "govpn", f"{name}.{public} is from {home}"
        assert public[0] != "_" or public == "__version__", f"{name}.{public} is private"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("_arrow", "empty"),
        ("_arrow", "to_arrow"),
        ("_benefit", "NoiseBenefit"),
        ("_labels", "Labels"),
        ("_labels", "_named"),
        ("_lib", "build_info"),
        ("_lib", "devices"),
        ("_load", "load"),
        ("_scorer", "Scorer"),
        ("_split", "split"),
        ("_stream", "Stream"),
        ("_table_files", "arrow"),
        ("_table_files", "parquet"),
        ("_transform", "NoiseTransform"),
        ("callbacks", "_Function"),
        ("estimator", "VPNClassifier"),
    ],
)
def test_names_in_pickles_of_0_1_0_can_be_imported(module, name):
    """A pickle names the module that defined its class or function when it was written."""
    assert callable(getattr(importlib.import_module(f"govpn.{module}"), name))
