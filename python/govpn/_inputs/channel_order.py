"""Decides whether images have their channels last, as in numpy, JAX and govpn, or first, as in torch."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError

_USUAL = (1, 3)  # numbers of channels: grey, RGB
_NEVER = 4  # images with a height of 1 or 3 hardly have more channels than this


def checked(channels: object) -> str | None:
    """Returns the classifier's parameter `channels`, or raises ArgumentError."""
    if channels is not None and not (isinstance(channels, str) and channels in ("first", "last")):
        raise ArgumentError(f'channels is {channels!r}, want None, "first" or "last"')
    return channels


def are_first(
    dims: Sequence[int], channels: str | None, known: Sequence[int] | None, tensor: bool, name: str
) -> bool:
    """Says whether images with these three dims are (C, H, W).

    The first of these rules that decides is used:

    - the parameter channels, if it is not None;
    - known, the model's (H, W, C), if dims fit it in one order only;
    - for a torch tensor, the side that has 1 or 3 channels, if only one side has;
    - other arrays are (H, W, C), unless they look like channels first and no model is known.

    If none decides, this raises ArgumentError, in which the images are called name.
    """
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
