"""The old place of `govpn.datasets.Stream`: pickles of govpn 0.1.0 name this module."""

from ._inputs.stream import Stream as Stream
