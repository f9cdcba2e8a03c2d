"""Answers to what the retrieval page is asked, cached: the documents that the commands `search` and `compare` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.retrieval import search as retrieval_search
from lib.retrieval.query import Query
from lib.retrieval.search import ANY_ANSWER, AnswerFilter, SearchableSpace
from lib.view import cached


@dataclass(frozen=True)
class QuerySet:
    """The queries of the page, and which photos may be answers. `part` is the part of a photo that is the query, as it
    stands in an address, and `source` the id of that photo, "" for a picture from outside."""

    queries: list[Query]
    among: AnswerFilter = ANY_ANSWER
    keep_duplicates: bool = False
    part: str = ""
    source: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """What tells these queries from others."""
        return tuple(query.key for query in self.queries)


@dataclass(frozen=True)
class Side:
    """A way to answer: a metric in a space, its vectors brought to length 1 if `unit`."""

    metric: str
    space: str
    unit: bool = False


def label_of(opened: Workspace, asked: QuerySet) -> str | None:
    """The class of all queries, for a part of a photo that photo's; None when they differ or one has none."""
    if asked.source:
        return str(cached.catalog(opened).frame["label"].iloc[cached.catalog(opened).row(asked.source)])
    labels = {_label(opened, query) for query in asked.queries}
    return labels.pop() if len(labels) == 1 else None


def _label(opened: Workspace, query: Query) -> str | None:
    return None if query.row is None else str(cached.catalog(opened).frame["label"].iloc[query.row])


@st.cache_resource(max_entries=4, show_spinner="Scaling the vectors to length 1")
def _unit(version: str, space: str, _loaded: SearchableSpace) -> SearchableSpace:
    return retrieval_search.normalised(_loaded)


def loaded(opened: Workspace, side: Side) -> SearchableSpace:
    """A space ready to be searched. Shared by all sessions: read only."""
    found = cached.loaded(opened, side.space)
    return _unit(opened.version, found.space, found) if side.unit else found


@st.cache_data(max_entries=200, show_spinner=False)
def _vectors(
    version: str, space: str, unit: bool, keys: tuple[str, ...], _opened: Workspace, _side: Side, _queries: list[Query]
) -> np.ndarray:
    there = loaded(_opened, _side)
    outside = any(not query.copies and query.picture is not None for query in _queries)
    embed = cached.embedder(_opened, space) if outside and spaces.get(space).needs_weights else None
    return np.stack([retrieval_search.vector(_opened, there, query, embed) for query in _queries])


def vectors(opened: Workspace, asked: QuerySet, side: Side) -> np.ndarray:
    """The queries' vectors in a space, (q, dim): a picture from outside is embedded once."""
    return _vectors(opened.version, side.space, side.unit, asked.keys, opened, side, asked.queries)


@st.cache_data(max_entries=1_000, show_spinner=False)
def _search(
    version: str,
    side: tuple[str, str, bool],
    keys: tuple[str, ...],
    among: tuple[Sequence[str], Sequence[str], bool],
    k: int,
    _opened: Workspace,
    _asked: QuerySet,
) -> dict[str, Any]:
    return _answer(_opened, _asked, Side(*side), k)


def _answer(opened: Workspace, asked: QuerySet, side: Side, k: int, **engine: Any) -> dict[str, Any]:
    return retrieval_search.search(
        opened,
        loaded(opened, side),
        asked.queries,
        metric_name=side.metric,
        k=k,
        keep_duplicates=asked.keep_duplicates,
        among=asked.among,
        vectors=vectors(opened, asked, side),
        **engine,
    )


def search(opened: Workspace, asked: QuerySet, side: Side, k: int, engine: str = "exact") -> dict[str, Any]:
    """The `search` document of one way to answer. What Milvus answers is asked anew each time."""
    if engine == "exact":
        return _search(opened.version, _name(side), asked.keys, _among(asked), k, opened, asked)
    return _answer(opened, asked, side, k, engine=engine, store=cached.store())


@st.cache_data(max_entries=300, show_spinner=False)
def _compare(
    version: str,
    a: tuple[str, str, bool],
    b: tuple[str, str, bool],
    keys: tuple[str, ...],
    among: tuple[Sequence[str], Sequence[str], bool],
    k: int,
    _opened: Workspace,
    _asked: QuerySet,
) -> dict[str, Any]:
    left, right = Side(*a), Side(*b)
    return retrieval_search.compare(
        _opened,
        loaded(_opened, left),
        _asked.queries,
        a=left.metric,
        b=right.metric,
        k=k,
        keep_duplicates=_asked.keep_duplicates,
        other=loaded(_opened, right),
        among=_asked.among,
        vectors=(vectors(_opened, _asked, left), vectors(_opened, _asked, right)),
    )


def compare(opened: Workspace, asked: QuerySet, a: Side, b: Side, k: int) -> dict[str, Any]:
    """The `compare` document of two ways to answer."""
    return _compare(opened.version, _name(a), _name(b), asked.keys, _among(asked), k, opened, asked)


def _name(side: Side) -> tuple[str, str, bool]:
    return side.metric, side.space, side.unit


def _among(asked: QuerySet) -> tuple[Sequence[str], Sequence[str], bool]:
    return asked.among.labels, asked.among.splits, asked.keep_duplicates
