"""The paper's tables and figures, trained and drawn anew::

    python -m govpn.repro table1 --dataset fashion-mnist --base sr --seeds 5
    govpn.repro.table1(datasets=["fashion-mnist"], bases=["sr"], seeds=5)       # the same in a notebook

Every training run leaves a small JSON file in the folder `out`. Runs that have finished are never repeated,
interrupted ones go on where they stopped, and several processes or machines may work in one folder together.
Settings are chosen on validation data; a run looks at the test data once, at its end.

- `table1`, `table2`, `table3`, `table4`: the paper's Tables I to IV, with controls that it lacks → `Report`
- `fig1`, `fig5`, `fig6`: variance heat maps and drawn noise → figure
- `fig3`, `fig4`: convergence, and the influence of m → figure
- `explain`: σ beside input gradients, with a reward for the noise's entropy
- `search`, `confirm`: settings in which noise might help, on validation data; on test data, with fresh seeds

All take the options of `Study` as keywords (out, data, device, resume, verbose) and train=False, which only
reports what has finished. Names that do not exist are a `govpn.errors.ArgumentError`, a ValueError. Needs
govpn[notebook].
"""

from ._explained import ExplainReport, explain
from ._figures import fig1, fig3, fig4, fig5, fig6
from ._report import Report
from ._rows import Run
from ._search import SearchReport, confirm, search
from ._study import Study
from ._tables import table1, table2, table3, table4

__all__ = [
    "ExplainReport",
    "Report",
    "Run",
    "SearchReport",
    "Study",
    "confirm",
    "explain",
    "fig1",
    "fig3",
    "fig4",
    "fig5",
    "fig6",
    "search",
    "table1",
    "table2",
    "table3",
    "table4",
]


def __dir__() -> list[str]:
    return sorted(__all__)
