"""Writes the Python reference as HTML. Missing docstrings, wrong names and warnings are errors.

python docs/reference.py build/docs
"""

import importlib
import inspect
import re
import sys
import warnings
from pathlib import Path

import govpn
import pdoc

MODULES = tuple(f"govpn.{m}" for m in ("augment", "callbacks", "datasets", "errors", "plot", "repro", "ray"))


def complain(modules: tuple[str, ...]) -> list[str]:
    """Lists public names without a docstring, and names in backticks that do not exist.

    A module's public names are those of `__all__`; without one, what the module defines itself.
    """
    wrong = []
    for name in modules:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", None) or _own(module):
            thing = getattr(module, public)
            text = inspect.getdoc(thing) if callable(thing) else "a value"
            if not text:
                wrong.append(f"{name}.{public} has no docstring")
            for path in re.findall(r"`(govpn(?:\.\w+)+)`", text or ""):
                if not _there(path):
                    wrong.append(f"{name}.{public} names `{path}`, which is not there")
    return wrong


def _own(module: object) -> list[str]:
    """Lists the public names that a module defines, as opposed to those that it imports."""
    return [
        n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == module.__name__
    ]


def _there(path: str) -> bool:
    """Says whether an attribute such as govpn.plot.plot_noise exists."""
    thing = importlib.import_module("govpn")
    for part in path.split(".")[1:]:
        thing = getattr(thing, part, None)
    return thing is not None


warnings.simplefilter("error")
if wrong := complain(("govpn", *MODULES)):
    sys.exit("\n".join(wrong))
folder = Path(sys.argv[1])
pdoc.render.configure(docformat="numpy", footer_text="govpn", show_source=False)
# pdoc follows the names that govpn.__all__ lists; the other modules have to be named.
others = [m for m in MODULES if m.removeprefix("govpn.") not in govpn.__all__]
pdoc.pdoc("govpn", *others, "!govpn.__main__", output_directory=folder)
print(folder / "index.html")
