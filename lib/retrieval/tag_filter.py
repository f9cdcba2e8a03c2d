"""The filter of a search by the user's tags, beside classes and splits."""

from __future__ import annotations

from collections.abc import Sequence

from lib.data.catalog import Catalog
from lib.data.tags import Tags
from lib.errors import QueryError
from lib.retrieval.search import AnswerFilter
from lib.text import listed, shown_name


def tag_filter(
    catalog: Catalog, tags: Tags, labels: Sequence[str], splits: Sequence[str], names: Sequence[str]
) -> AnswerFilter:
    """The filter by classes, splits and the tags `names`. Raises QueryError for a tag that does not exist."""
    for name in names:
        if name not in tags.pictures:
            known = f"; the tags are {listed(tags.names, 12)}" if tags.names else ""
            raise QueryError(f"There is no tag {shown_name(name)}{known}.")
    rows = sorted({row for name in names for row in tags.rows(name, catalog)})
    return AnswerFilter(tuple(labels), tuple(splits), tuple(names), tuple(catalog.ids[row] for row in rows))
