"""Many processes and machines, by Ray: pip install 'govpn[ray]'. docs/scaling.md says what each costs.

ray.init() before makes Ray run here, ray.init(address=...) on a cluster; all else stays the same.
"""

from ._data import predict_batches
from ._study import study
from ._train import fit
from ._tune import TuneReportCallback, load, tune

__all__ = ["TuneReportCallback", "fit", "load", "predict_batches", "study", "tune"]


def __dir__() -> list[str]:
    return sorted(__all__)
