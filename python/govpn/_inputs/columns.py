"""Finds the columns of images and labels in a table."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..errors import ArgumentError

IMAGE_COLUMNS = ("image", "images", "img", "pixels")  # the first one that a table has is taken
LABEL_COLUMNS = ("label", "labels", "y", "fine_label")


def column_of(columns: Container[object], names: Sequence[str]) -> str | None:
    """Returns the first of the names that is one of the columns."""
    return next((name for name in names if name in columns), None)


def only_column_of(columns: Sequence[object], names: Sequence[str], name: str) -> str | None:
    """Returns the same as column_of. Raises ArgumentError if the table has two columns of that name.

    name is what messages call the table.
    """
    found = column_of(columns, names)
    if found is not None and (count := list(columns).count(found)) > 1:
        raise ArgumentError(f"{name} has {count} columns named {found!r}, want one")
    return found
