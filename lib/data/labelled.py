"""Whether a data set has labels. Without any, every label is "", and `Catalog.classes` is empty."""

from __future__ import annotations

from lib.data.catalog import Catalog
from lib.errors import DataError, Remedy


def require(catalog: Catalog, what: str) -> None:
    """Raise DataError where the photos have no labels, which `what`, a noun in the plural, cannot do without."""
    if not catalog.classes:
        raise DataError(f"{what} need labels, and the photos of {catalog.name} have none", remedy=Remedy.LABEL)
