"""python -m govpn info says what is installed and what works."""

import json
import subprocess
import sys

import govpn
import numpy as np
import pytest
from conftest import LIGHT
from govpn.__main__ import info, main, text


def python(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_the_command_tells_what_python_knows():
    done = python("-m", "govpn", "info", "--json")
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout)
    assert about["govpn"]["version"] == govpn.__version__
    assert about["library"].items() >= govpn.build_info().items()
    assert [(d["device"], d["available"]) for d in about["devices"]] == [
        (d["device"], d["available"]) for d in govpn.devices()
    ]
    assert about["packages"]["numpy"] == np.__version__
    assert about["python"]["version"] == sys.version.split()[0]


def test_the_text_says_the_same():
    about = info()
    about["devices"] = [
        {"device": "cuda", "available": False, "why": "no PJRT plugin found: install one"},
        {"device": "go", "available": True, "description": "in Go", "devices": 1, "why": "always there"},
    ]
    about["packages"]["torch"] = None
    lines = text(about).splitlines()
    assert f"  version: {govpn.__version__}" in lines
    assert f"  numpy: {np.__version__}" in lines
    assert "  torch: -" in lines
    assert "  cuda: does not open: no PJRT plugin found: install one" in lines
    assert "  go: opens: in Go, 1 of its kind; always there" in lines


def test_a_missing_library_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("GOVPN_LIBRARY", str(tmp_path / "none.so"))
    code = f"{LIGHT}\nfrom govpn.__main__ import main\nsys.exit(main(['info', '--json']))"
    done = python("-c", code)
    about = json.loads(done.stdout)
    assert done.returncode == 1
    assert about["library"] == {"path": str(tmp_path / "none.so"), "error": about["library"]["error"]}
    assert "none.so is not there" in about["library"]["error"]
    assert about["packages"]["numpy"] == np.__version__


def test_heavy_packages_are_not_imported():
    code = f"""
{LIGHT}
import govpn.__main__
before = set(sys.modules)
govpn.__main__.main(["info"])
heavy = set("matplotlib torch jax pandas polars PIL sklearn tqdm".split())
sys.exit(", ".join(heavy & set(sys.modules) - before))
"""
    done = python("-c", code)
    assert done.stderr == "\n"


def test_misuse(capsys):
    for arguments in ([], ["inform"], ["info", "--yaml"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "usage: python -m govpn" in capsys.readouterr().err
