"""A table as Markdown and HTML, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _plots
from ._cell import Cell, Result, between, cell
from ._document import Block, Document
from ._rows import GENERATORS, ROWS, cells, columns, paper, printed

_NUMERALS = {"table1": "I", "table2": "II", "table3": "III", "table4": "IV"}
LEGEND = (
    "Test accuracy in %, mean ± standard deviation over the seeds; the paired difference to the baseline in "
    "points with Student's 95 % interval; the paper's number. A cell says where it has fewer than 5 seeds, "
    "other epochs than the paper's (40, deep bases 100), or a part of the images. The epoch is that "
    "of the best validation accuracy without noise (of a frozen base the last). “classwise” is prediction "
    "with noise for every class, the paper's Algorithm 2; “Gaussian” is the control that the paper lacks: "
    "noise of one σ, the mean or the RMS (the same power) of the generator's σ in the same seed."
)


class Report(Document):
    """One of the paper's tables from the runs that have finished. A notebook shows it."""

    def __init__(self, table: str, results: Sequence[Result], folder: Path) -> None:
        self.table = self.name = table
        self.folder, self.legend = folder, LEGEND
        self.title = f"Table {_NUMERALS[table]}: {paper()['tables'][table]['mode']} training"
        self.lines = list(cells(table))
        self.columns = [c for c in columns(table) if any(cell(table, k, *c, results) for k in self.lines)]
        self.cells: dict[tuple[str, tuple[str, str]], Cell | None] = {
            (line, column): cell(table, line, *column, results)
            for line in self.lines
            for column in self.columns
        }
        self.differs = any(c and c.to_baseline for c in self.cells.values())  # else there is no picture
        bases = {d for d, _ in self.columns}
        noted = {r["data"]["note"] for r in results if r["run"]["dataset"] in bases}
        self.notes = [f"Data: {n}." for n in sorted(noted - {""})] + paper()["notes"] * (table == "table4")

    def grid(self) -> list[list[str]]:
        """The table's fields, the header first; a line break within a field is \\n."""
        head = ["", *(f"{d}\n{b}" for d, b in self.columns)]
        body = []
        for line in self.lines:
            shown = [self.cells[line, c] for c in self.columns]
            body.append([title_of(self.table, line), *("\n".join(c.lines()) if c else "–" for c in shown)])
        return [head, *body, *self._controls()]

    def _controls(self) -> list[list[str]]:
        """VPN minus its controls, in points."""
        rows = []
        for generator in GENERATORS:
            first, controls = f"vpn-{generator}/none", (f"matched-{generator}", f"power-{generator}")
            if self.table == "table4":
                first = f"vpn-{generator}"
                controls = f"{first}/gaussian", f"{first}/power"
            if first not in self.lines:
                continue
            for control, which in zip(controls, ("mean", "RMS"), strict=True):
                shown = [between(self.cells[first, c], self.cells[control, c]) for c in self.columns]
                name = f"VPN minus Gaussian of its {which} σ, {_short(generator)}"
                rows.append([name, *("–" if d is None else str(d) for d in shown)])
            std = [c and c.std for c in (self.cells[first, c] for c in self.columns)]
            shown = ["–" if s is None else f"{s[0]:.4f}, {s[1]:.4f}" for s in std]
            rows.append([f"σ of VPN: mean, RMS, {_short(generator)}", *shown])
        return rows

    def paper_baseline(self, column: tuple[str, str]) -> float | None:
        """The paper's baseline of a column in %."""
        return printed(self.table, "baseline", *column)

    def commands(self) -> list[tuple[str, str]]:
        """How to repeat each cell: its name and the command."""
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
        return [
            ("list", [(n, "") for n in self.notes]),
            ("picture", f"{self.title}: differences to the baseline" if self.differs else ""),
            ("text", _SOURCE),
            ("title", "How to repeat a cell"),
            ("list", self.commands()),
            ("text", _RUNS),
        ]

    def plot(self, fig: Any = None) -> Any:
        """The differences to the baseline, ours with their intervals and the paper's."""
        return _plots.differences(self, fig)

    def save(self) -> None:
        """Writes the table as .md and .html, and its picture, where there are differences, as .png and
        .svg, into the study's folder."""
        super().save()
        if self.differs:
            _plots.save(self.plot(), self.folder / self.table)


def title_of(table: str, line: str) -> str:
    """A line's name for readers."""
    row, noise = cells(table)[line]
    kinds = {"classwise": "classwise", "gaussian": "Gaussian of its mean σ", "power": "Gaussian of its RMS σ"}
    how = f", {kinds[noise]}" if noise in kinds else ""
    return ROWS[row].title + (", no noise" if row.startswith("vpn") and noise == "none" else how)


def _short(generator: str) -> str:
    return ROWS[f"vpn-{generator}"].title.removeprefix("VPN, ")


_SOURCE = f"The paper's numbers: {paper()['citation']}; {paper()['quantity']}."
_RUNS = (
    "Every number is computed from the files of runs/, one per training run, whose names begin with data "
    "set, base, row and epochs and end in the seed."
)
