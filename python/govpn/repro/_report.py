"""A table of the paper as Markdown and HTML, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import _plots
from ._cell import Cell, between, cell
from ._document import FORMATS, Block, Document, Items
from ._rows import GENERATORS, ROWS, Result, cells, columns, printed, title_of
from ._rows import paper as paper_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMERALS = {"table1": "I", "table2": "II", "table3": "III", "table4": "IV"}
LEGEND = """\
A cell has these lines: the test accuracy in %, as mean ± standard deviation over the seeds; the paired
difference to the baseline in points, with Student's 95 % interval; the paper's number; and what deviates
from 5 seeds, the paper's epochs (40, for deep bases 100) and all images.

The accuracy is that of the epoch with the best validation accuracy without noise. A frozen base takes
its last epoch. “Classwise” is prediction with noise for every class, the paper's Algorithm 2.
“Gaussian” is a control that the paper lacks: noise of one σ, which is the mean or the RMS of the
generator's σ in the same seed. The RMS gives the same power."""


class Report(Document):
    """One of the paper's tables, from the runs that have finished. A notebook shows it."""

    def __init__(
        self, table: str, results: Sequence[Result], folder: Path, formats: Sequence[str] = FORMATS
    ) -> None:
        self.table = self.name = table
        self.folder, self.formats, self.legend = folder, formats, LEGEND
        self.title = f"Table {_NUMERALS[table]}: {paper_tables()['tables'][table]['mode']} training"
        self.lines = list(cells(table))
        self.columns = [c for c in columns(table) if any(cell(table, k, *c, results) for k in self.lines)]
        self.cells: dict[tuple[str, tuple[str, str]], Cell | None] = {
            (line, column): cell(table, line, *column, results)
            for line in self.lines
            for column in self.columns
        }
        self.differs = any(c and c.to_baseline for c in self.cells.values())  # else there is no picture
        datasets = {d for d, _ in self.columns}
        noted = {str(r["data"]["note"]) for r in results if r["run"]["dataset"] in datasets}
        self.notes = [f"Data: {n}." for n in sorted(noted - {""})] + paper_tables()["notes"] * (
            table == "table4"
        )

    def grid(self) -> list[list[str]]:
        r"""Returns the fields of the table, the header first. \n breaks a line."""
        head = ["", *(f"{d}\n{b}" for d, b in self.columns)]
        body = []
        for line in self.lines:
            shown = [self.cells[line, c] for c in self.columns]
            body.append([title_of(self.table, line), *("\n".join(c.lines()) if c else "–" for c in shown)])
        return [head, *body, *self._controls()]

    def _controls(self) -> list[list[str]]:
        """Returns the lines that compare VPN with its controls, in points."""
        rows = []
        for generator in GENERATORS:
            first, controls = f"vpn-{generator}/none", (f"matched-{generator}", f"power-{generator}")
            if self.table == "table4":
                first = f"vpn-{generator}"
                controls = f"{first}/gaussian", f"{first}/power"
            if first not in self.lines:
                continue
            for control, which in zip(controls, ("mean", "RMS"), strict=True):
                minus = (between(self.cells[first, c], self.cells[control, c]) for c in self.columns)
                name = f"VPN minus Gaussian of its {which} σ, {_short(generator)}"
                rows.append([name, *("–" if d is None else str(d) for d in minus)])
            vpn = (self.cells[first, c] for c in self.columns)
            std = ("–" if c is None or c.std is None else f"{c.std[0]:.4f}, {c.std[1]:.4f}" for c in vpn)
            rows.append([f"σ of VPN: mean, RMS, {_short(generator)}", *std])
        return rows

    def paper_baseline(self, column: tuple[str, str]) -> float | None:
        """Returns the paper's baseline of a column in %."""
        return printed(self.table, "baseline", *column)

    def commands(self) -> list[tuple[str, str]]:
        """Returns how to repeat each cell: its name and the command."""
        rows = []
        for (line, (dataset, base)), c in self.cells.items():
            if c is None:
                continue
            images = f" --images {c.run.images}" if c.run.images else ""
            images += f" --eval-images {c.run.eval_images}" if c.run.eval_images else ""
            command = (
                f"python -m govpn.repro {self.table} --dataset {dataset} --base {base} --row {c.run.row} "
                f"--seeds {len(c.seeds)} --epochs {c.run.epochs}{images}"
            )
            rows.append((f"{title_of(self.table, line)}, {dataset}/{base}", command))
        return rows

    def after(self) -> list[Block]:
        notes: Items = [(n, "") for n in self.notes]
        return [
            ("list", notes),
            ("picture", f"{self.title}: differences to the baseline" if self.differs else ""),
            ("text", _SOURCE),
            ("title", "How to repeat a cell"),
            ("list", self.commands()),
            ("text", RUNS),
        ]

    def plot(self, fig: Figure | None = None) -> Figure:
        """Draws the differences to the baseline: ours with their intervals, and the paper's."""
        panels = {"/".join(column): list(self._differences(column)) for column in self.columns}
        return _plots.differences({title: lines for title, lines in panels.items() if lines}, fig)

    def _differences(self, column: tuple[str, str]) -> Iterable[_plots.Line]:
        """Yields name, our difference and the paper's for each line of a column that has ours."""
        baseline = self.paper_baseline(column)
        for line in self.lines:
            if (c := self.cells[line, column]) is not None and c.to_baseline is not None:
                paper = None if c.paper is None or baseline is None else c.paper - baseline
                yield title_of(self.table, line), c.to_baseline, paper

    def save(self) -> None:
        """Writes the table and, if there are differences, their picture into the study's folder.

        formats says which of .md, .html, .png and .svg are written.
        """
        super().save()
        if self.differs and {"png", "svg"} & set(self.formats):
            _plots.save(self.plot(), self.folder / self.table, self.formats)


def _short(generator: str) -> str:
    return ROWS[f"vpn-{generator}"].title.removeprefix("VPN, ")


_SOURCE = f"The paper's numbers: {paper_tables()['citation']}; {paper_tables()['quantity']}."
RUNS = (
    "Every number is computed from the training runs in runs/. A run's id begins with data set, base, row "
    "and epochs and ends in the seed. `python -m govpn.repro pack` gathers a file per run into a file per "
    "table."
)
