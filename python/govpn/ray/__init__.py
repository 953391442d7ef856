"""Training, scoring and search in many processes and on many machines, with Ray.

Install it with pip install 'govpn[ray]'. ray.init() starts Ray on this machine, ray.init(address=...) joins
a cluster. All other calls stay the same. docs/scaling.md says what each costs.
"""

from ._data import predict_batches
from ._study import study
from ._train import fit
from ._tune import TuneReportCallback, load, tune

__all__ = ["TuneReportCallback", "fit", "load", "predict_batches", "study", "tune"]


def __dir__() -> list[str]:
    return sorted(__all__)
