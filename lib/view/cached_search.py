"""Results of the retrieval page, cached: the documents that the commands `search` and `compare` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import streamlit as st

from lib.documents.search import CompareDocument, SearchDocument
from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.retrieval import explain, feedback
from lib.retrieval import search as retrieval_search
from lib.retrieval.explain import Place
from lib.retrieval.feedback import NO_MARKS, Marks
from lib.retrieval.query import Query
from lib.retrieval.search import ANY_ANSWER, AnswerFilter, SearchableSpace
from lib.store.connection import Store
from lib.view import cached


@dataclass(frozen=True)
class QuerySet:
    """The queries of the page, and the filter of their results. `label` is the class that all queries share, None
    where there is none. `part` is the crop as it stands in the address ("" for the whole photo), and `source` the id of
    the catalog photo that is cropped ("" for an uploaded one). `marks` move the query."""

    queries: list[Query]
    filter: AnswerFilter = ANY_ANSWER
    keep_duplicates: bool = False
    label: str | None = None
    part: str = ""
    source: str = ""
    marks: Marks = NO_MARKS


@dataclass(frozen=True)
class Side:
    """A metric in a space; with `unit`, vectors are scaled to length 1 first."""

    metric: str
    space: str
    unit: bool = False


# A query counts as its key, so that neither pixels nor vectors are hashed.
KEYS = cached.KEYS | {
    Query: attrgetter("key"),
    QuerySet: attrgetter("queries", "filter", "keep_duplicates", "marks"),
}


@st.cache_resource(max_entries=4, show_spinner="Scaling the vectors to length 1", hash_funcs=KEYS)
def unit_space(workspace: Workspace, space: str) -> SearchableSpace:
    """A space with its vectors scaled to length 1. Shared by all sessions: read only."""
    return retrieval_search.normalised(cached.searchable_space(workspace, space))


def searchable_side(workspace: Workspace, side: Side) -> SearchableSpace:
    """The space of a side, ready to be searched. Shared by all sessions: read only."""
    return unit_space(workspace, side.space) if side.unit else cached.searchable_space(workspace, side.space)


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs=KEYS)
def vectors(workspace: Workspace, queries: Sequence[Query], space: str, unit: bool = False) -> np.ndarray:
    """The queries' vectors in a space, (q, dim): an uploaded photo is embedded once, whatever the metric."""
    searched = searchable_side(workspace, Side("", space, unit))
    uploaded = any(not query.copies and query.picture is not None for query in queries)
    embed = cached.embedder(workspace, space) if uploaded and spaces.loads_network(spaces.get(space)) else None
    return np.stack([retrieval_search.vector(workspace, searched, query, embed) for query in queries])


def moved_vectors(workspace: Workspace, queries: QuerySet, side: Side) -> np.ndarray:
    """`vectors` in the space of a side, moved by the marks for its metric, if there are any."""
    unmoved = vectors(workspace, queries.queries, side.space, side.unit)
    return feedback.moved_vectors(searchable_side(workspace, side), unmoved, side.metric, queries.marks)


@st.cache_resource(max_entries=128, show_spinner=False, hash_funcs=KEYS)
def place(workspace: Workspace, query: Query, space: str, unit: bool = False) -> Place:
    """A photo with its feature map in a space, from the network that the app has loaded. Shared: read only."""
    searched = searchable_side(workspace, Side("", space, unit))
    embed = cached.embedder(workspace, space) if spaces.get(space).needs_weights else None
    return explain.place(workspace, searched, query, embed)


@st.cache_data(max_entries=1_000, show_spinner=False, hash_funcs=KEYS)
def search(workspace: Workspace, queries: QuerySet, side: Side, k: int) -> SearchDocument:
    """The `search` document of a full scan."""
    return _search(workspace, queries, side, k)


def search_milvus(workspace: Workspace, queries: QuerySet, side: Side, k: int) -> SearchDocument:
    """The `search` document of a search in Milvus. It is not cached: each call measures the engine anew."""
    return _search(workspace, queries, side, k, cached.store())


def _search(workspace: Workspace, queries: QuerySet, side: Side, k: int, store: Store | None = None) -> SearchDocument:
    """The `search` document of a search in `store`, by default that of a full scan."""
    document = retrieval_search.search(
        workspace,
        searchable_side(workspace, side),
        queries.queries,
        metric_name=side.metric,
        k=k,
        engine="exact" if store is None else "milvus",
        keep_duplicates=queries.keep_duplicates,
        store=store,
        answer_filter=queries.filter,
        vectors=moved_vectors(workspace, queries, side)
        if queries.marks
        else vectors(workspace, queries.queries, side.space, side.unit),
    )
    if queries.marks:
        document["moved"] = queries.marks.facts()
    return document


@st.cache_data(max_entries=300, show_spinner=False, hash_funcs=KEYS)
def compare(workspace: Workspace, queries: QuerySet, a: Side, b: Side, k: int) -> CompareDocument:
    """The `compare` document of two sides."""
    return retrieval_search.compare(
        workspace,
        searchable_side(workspace, a),
        queries.queries,
        a=a.metric,
        b=b.metric,
        k=k,
        keep_duplicates=queries.keep_duplicates,
        other=searchable_side(workspace, b),
        answer_filter=queries.filter,
        vectors=(moved_vectors(workspace, queries, a), moved_vectors(workspace, queries, b)),
    )
