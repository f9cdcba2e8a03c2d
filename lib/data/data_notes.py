"""Sentences about a catalog that its user should read: how the folder was read, what yielded nothing, names alike."""

from __future__ import annotations

from lib.data.catalog import SPLITS, Catalog
from lib.settings import LayoutChoice
from lib.text import counted, listed

KEPT = "as chosen for an earlier run"


def sentences(catalog: Catalog, *, kept: LayoutChoice | None = None) -> list[str]:
    """What to say about `catalog`, most important first. `kept` is an earlier choice that was used again."""
    lines = [reading(catalog, kept=kept)] if catalog.layout else []
    lines += catalog.layout.get("notes", [])
    if catalog.given_splits:
        lines += _splits(catalog)
    return lines + warnings(catalog)


def warnings(catalog: Catalog) -> list[str]:
    """What may be wrong with the classes of `catalog`."""
    return [*([nothing_from(catalog)] if catalog.empty_classes else []), *names_alike(catalog)]


def is_notable(catalog: Catalog) -> bool:
    """Whether there is more to say than that the folder holds class folders."""
    facts = catalog.layout
    return (
        facts.get("kind", "classes") != "classes"
        or bool(facts.get("wrappers") or facts.get("notes"))
        or bool(warnings(catalog))
    )


def reading(catalog: Catalog, *, kept: LayoutChoice | None = None) -> str:
    """How the folder was read, and its classes."""
    again = f" ({KEPT})" if kept is not None and kept.named() else ""
    return f"Read as {catalog.layout['reason']}{again}. {_classes(catalog)}."


def in_brief(catalog: Catalog) -> str:
    """The classes, the reading, and what may be wrong with them, as clauses."""
    clauses = [_classes(catalog)]
    if catalog.layout:
        clauses.append(f"read as {catalog.layout['reason']}")
    return "; ".join([*clauses, *(sentence.rstrip(".") for sentence in warnings(catalog))])


def _classes(catalog: Catalog) -> str:
    """How many classes, and some of their names."""
    if not catalog.classes:
        return f"{counted(len(catalog.ids), 'photo')}, no class"
    return f"{counted(len(catalog.classes), 'class')}: {listed(catalog.classes, 10)}"


def nothing_from(catalog: Catalog) -> str:
    """The class folders without a readable image, in one line."""
    folders = catalog.empty_classes
    return f"No readable image in {counted(len(folders), 'class folder')}: {listed(folders, 10)}."


def names_alike(catalog: Catalog) -> list[str]:
    """A sentence for each group of classes whose names look alike."""
    return [
        f"{listed([f'“{name}”' for name in group])} look alike, but are {len(group)} classes; "
        "rename their folders or labels if they are one."
        for group in catalog.look_alikes
    ]


def _splits(catalog: Catalog) -> list[str]:
    given = [split for split in SPLITS if split in catalog.given_splits]
    drawn = [split for split in SPLITS if split not in given]
    line = f"The split is the data's own ({listed(given)})"
    line += f"; {listed(drawn)} is drawn out of train." if drawn and "train" in given else "."
    torn = catalog.frame.groupby("sha256")["split"].nunique()
    if leaks := int((torn > 1).sum()):
        line += f" {counted(leaks, 'picture')} {'lies' if leaks == 1 else 'lie'} in several splits at once."
    return [line]
