"""The old place of `govpn.datasets.Labels`: pickles of govpn 0.1.0 name this module."""

from ._inputs.labels import Labels as Labels
from ._inputs.labels import _named as _named
