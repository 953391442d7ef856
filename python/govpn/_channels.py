"""Whether images have their channels last, as numpy, JAX and govpn order them, or first, as torch does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ArgumentError

_USUAL = (1, 3)  # numbers of channels: grey, RGB
_NEVER = 4  # channels of more than this, beside a height of 1 or 3, are hardly channels


def checked(channels: Any) -> str | None:
    """The parameter `channels` of the classifier."""
    if not (channels is None or (isinstance(channels, str) and channels in ("first", "last"))):
        raise ArgumentError(f'channels is {channels!r}, want None, "first" or "last"')
    return channels


def are_first(
    dims: Sequence[int], channels: str | None, known: Sequence[int] | None, tensor: bool, name: str
) -> bool:
    """Whether images of dims, three of them, are (C, H, W). channels says so, or else the (H, W, C) that is
    known of the model, or else what is certain: of a torch tensor, that has 1 or 3 channels on one side only.
    Other arrays are (H, W, C). What is not certain is an error."""
    if channels is not None:
        return channels == "first"
    dims = tuple(dims)
    if known is not None:
        last, first = dims == tuple(known), (dims[1], dims[2], dims[0]) == tuple(known)
        if last != first:
            return first
    looks_first, looks_last = dims[0] in _USUAL, dims[2] in _USUAL
    if tensor and looks_first != looks_last:
        return looks_first
    if tensor or (looks_first and dims[2] > _NEVER and known is None):
        order = "which is first or last" if tensor else "which looks like channels first"
        shape = ", ".join(map(str, dims))
        raise ArgumentError(
            f'{name} has shape (N, {shape}), {order}: say VPNClassifier(channels="first") for (N, C, H, W), '
            'channels="last" for (N, H, W, C)'
        )
    return False
