"""The paper's tables and figures, trained and drawn anew::

    python -m govpn.repro table1 --dataset fashion-mnist --base sr --seeds 5
    govpn.repro.table1(datasets=["fashion-mnist"], bases=["sr"], seeds=5)       # the same in a notebook

Every training run leaves a small JSON file in the folder `out`. A run that has finished is never repeated.
An interrupted run goes on where it stopped. Several processes or machines may work in one folder.
Settings are chosen on validation data. A run looks at the test data once, at its end.

- `table1`, `table2`, `table3`, `table4`: the paper's Tables I to IV, with controls that it lacks → `Report`
- `fig1`, `fig5`, `fig6`: heat maps of the variance, and drawn noise → figure
- `fig3`, `fig4`: convergence, and the influence of m → figure
- `explain`: σ beside input gradients, with a reward for the noise's entropy
- `search`: settings in which noise might help, on validation data
- `confirm`: the best of them on test data, with fresh seeds
- `pack`: gathers the files of finished runs, a file of JSON lines per table

All but `pack` take the options of `Study` as keywords (out, data, device, resume, verbose, formats).
train=False only reports what has finished. A name that does not exist is a `govpn.errors.ArgumentError`,
which is a ValueError. govpn.repro needs govpn[notebook].
"""

from ._explained import ExplainReport, explain
from ._figures import fig1, fig3, fig4, fig5, fig6
from ._report import Report
from ._rows import Run
from ._runs import pack
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
    "pack",
    "search",
    "table1",
    "table2",
    "table3",
    "table4",
]


def __dir__() -> list[str]:
    return sorted(__all__)
