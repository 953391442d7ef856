"""Finds the columns of images and labels in a table."""

from __future__ import annotations

from collections.abc import Container, Sequence

IMAGE_COLUMNS = ("image", "images", "img", "pixels")  # the first one that a table has is taken
LABEL_COLUMNS = ("label", "labels", "y", "fine_label")


def column_of(columns: Container[str], names: Sequence[str]) -> str | None:
    """Returns the first of the names that is one of the columns."""
    return next((name for name in names if name in columns), None)
