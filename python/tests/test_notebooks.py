"""The notebooks run from top to bottom: in short, and with GOVPN_TEST_LONG=1 as they are."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
import nbformat  # noqa: E402

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
# The short form has fewer images and epochs, on device go: what stands in a notebook, and what is run
# instead.
ON_GO = {"verbose=": 'device="go", verbose='}
SHORT = {
    "first_steps": {
        "first=6_000": "first=200",
        "epochs=5,": "epochs=1,",
        "epochs=6)": "epochs=2)",
    },
    "frozen_base": {
        "split(X[:1400], y[:1400], first=1_000)": "split(X[:100], y[:100], first=60)",
        "epochs=6,": "epochs=1,",
        "epochs=20,": "epochs=1,",
    },
    "noise_benefit": {"first=5_000": "first=200", "epochs=6,": "epochs=1,"},
    "your_own_images": {
        "zip(digits.images, digits.target)": "zip(digits.images[:300], digits.target)",
        "epochs=40,": "epochs=2,",
        "[::200]": "[::40]",
    },
}


def execute(path, folder, changes=()):
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    for full, short in dict(changes).items():
        assert any(full in c.source for c in code), f"{path.name} does not have {full}"
        for cell in code:
            cell.source = cell.source.replace(full, short)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    pictures = [o for c in notebook.cells for o in c.get("outputs", ()) if "image/png" in o.get("data", {})]
    assert len(pictures) == sum("plot" in c.source for c in code), "pictures"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("name", SHORT)
def test_notebook_in_short(name, bars, tmp_path, monkeypatch):
    monkeypatch.setenv("GOVPN_DATA", str(bars))
    execute(FOLDER / f"{name}.ipynb", tmp_path, SHORT[name] | ON_GO)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, marks=[pytest.mark.long] if p.stem in SHORT else [], id=p.stem)
        for p in sorted(FOLDER.glob("*.ipynb"))
    ],
)
def test_notebook(path, tmp_path):
    execute(path, FOLDER if path.stem == "from_c_and_go" else tmp_path)  # this one needs the checkout
