"""Test photos whose class has no training photo: no network can be right on them."""

from __future__ import annotations

from collections.abc import Sequence

from lib.data.catalog import Catalog


def untrained_classes(catalog: Catalog) -> list[str]:
    """The classes with a test photo and no training photo: a network cannot have learnt them."""
    labels, splits = catalog.frame["label"], catalog.frame["split"]
    return sorted(set(labels[splits == "test"]) - set(labels[splits == "train"]))


def untrained_note(photos: int, tested: int, classes: Sequence[str]) -> str:
    """The sentence on test photos whose class no network here can know; "" without any."""
    if not photos:
        return ""
    named = ", ".join(classes[:12]) + (" and others" if len(classes) > 12 else "")
    which = "all" if photos == tested else f"{photos:,} of"
    start = f"The class of {which} {tested:,} test photos has no training photo ({named})"
    return f"{start}, so there is no test accuracy." if photos == tested else f"{start}: they count as wrong."
