"""Search and compare: from queries over their vectors to the documents of the command-line contract.

Commands and pages both call these functions, so a page shows what the command prints. The way of a query is
`query_vectors` → `search` (one metric) or `compare` (two).
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.data.catalog import Catalog
from lib.documents.search import CompareDocument, SearchDocument, SearchResult
from lib.embed import spaces
from lib.embed.embedder import Embedder, query_vector
from lib.embed.space import MILVUS_MAX_DIM
from lib.errors import QueryError, Remedy
from lib.prepare.workspace import Workspace, open_store
from lib.retrieval.candidates import Candidates, candidates, defined
from lib.retrieval.query import Query
from lib.search import agreement, exact, metrics
from lib.search.exact import Gallery
from lib.search.metrics import Metric, metric
from lib.store import connection, filters, vector_search
from lib.text import shown_name

NO_QUERY = "There is nothing to search with; choose a photo."
EXACT_ONLY = "Milvus takes one query at a time, and no vectors scaled to length 1"
Queries = Query | Sequence[Query]


@dataclass(frozen=True)
class SearchableSpace:
    """A prepared space: its catalog, and its gallery row for row; `unit` when its vectors are scaled to length 1."""

    space: str
    catalog: Catalog
    gallery: Gallery
    unit: bool = False


@dataclass(frozen=True)
class AnswerFilter:
    """The classes, splits and tags whose images may be results; an empty tuple allows all. `tagged` are the ids of the
    images that have one of the `tags`."""

    labels: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tagged: tuple[str, ...] = ()

    def rows(self, catalog: Catalog) -> np.ndarray | None:
        """The catalog rows that pass, ascending; None when all do. Raises QueryError when no image passes."""
        if not (self.labels or self.splits or self.tags):
            return None
        labels = tuple(map(catalog.label_named, self.labels))
        passes = np.ones(len(catalog.frame), dtype=bool)
        for column, allowed in (("label", labels), ("split", self.splits)):
            if allowed:
                passes &= catalog.frame[column].isin(allowed).to_numpy()
        if self.tags:
            passes &= catalog.frame["id"].isin(self.tagged).to_numpy()
        if not passes.any():
            raise QueryError(no_image_passes((*self.labels, *self.splits, *self.tags), catalog.classes))
        return np.nonzero(passes)[0]

    def candidates(self, catalog: Catalog, queries: Sequence[Query], keep_duplicates: bool) -> Candidates:
        """The rows that may be results of `queries`. Raises QueryError when no image passes."""
        return candidates(len(catalog.frame), queries, self.rows(catalog), keep_duplicates)

    def expression(self) -> str:
        """The same filter in Milvus' language; "" when all images pass."""
        parts = [("label", self.labels), ("split", self.splits), ("id", self.tagged if self.tags else ())]
        return " and ".join(
            f"{column} in [{', '.join(filters.quoted(word) for word in allowed)}]"
            for column, allowed in parts
            if allowed
        )


ANY_ANSWER = AnswerFilter()


def no_image_passes(names: Iterable[str], classes: Iterable[str]) -> str:
    """The sentence for a filter that leaves no image; it lists at most twelve classes."""
    shown = [shown_name(name) for name in classes]
    listed = ", ".join(shown[:12]) + (" and others" if len(shown) > 12 else "")
    return f"No image passes the filter {' and '.join(shown_name(name) for name in names)}; the classes are {listed}."


def load_space(workspace: Workspace, space: str) -> SearchableSpace:
    """Load the vectors of a space. Raises ArtifactError when it is not prepared."""
    return SearchableSpace(spaces.get(space).name, workspace.catalog(), exact.gallery(workspace.vectors(space).values))


def normalised(loaded: SearchableSpace) -> SearchableSpace:
    """The same space with every vector scaled to length 1, in float32 (a zero vector stays as it is).

    Raises QueryError for pixels: their search is exact because they are whole numbers.
    """
    if loaded.gallery.pixels:
        raise QueryError(
            f"{spaces.get(loaded.space).title} are whole numbers and stay so; only feature vectors are scaled to "
            "length 1."
        )
    return loaded if loaded.unit else replace(loaded, gallery=exact.gallery(loaded.gallery.unit(False)), unit=True)


def vector(workspace: Workspace, loaded: SearchableSpace, query: Query, embed: Embedder | None = None) -> np.ndarray:
    """The vector of a query, (dim,): the stored one when the catalog has its pixels, else computed.

    `embed` is the embedder of the space; without it, the network is loaded from the workspace when it is needed.
    """
    if query.copies:
        return np.asarray(loaded.gallery.vectors[query.copies[0] if query.row is None else query.row])
    if query.values is not None:
        if len(query.values) != loaded.gallery.dimension or loaded.gallery.pixels:
            raise QueryError(
                f"{shown_name(query.name)} is a vector of {len(query.values):,} numbers, and {loaded.space} holds "
                f"{loaded.gallery.dimension:,}; choose a space of as many."
            )
        values = query.values
    elif query.picture is None:
        raise QueryError(f"{shown_name(query.name)} has no picture to search with.")
    else:
        values = query_vector(embed or workspace.embedder(loaded.space), query.picture)
    if loaded.unit and (length := np.linalg.norm(values.astype(np.float64))) > 0:
        values = (values.astype(np.float64) / length).astype(np.float32)
    return values


def query_vectors(
    workspace: Workspace, loaded: SearchableSpace, query: Queries, embed: Embedder | None = None
) -> np.ndarray:
    """The vectors of queries, (q, dim); the network is loaded at most once. Raises QueryError without a query."""
    queries = _as_list(query)
    if not queries:
        raise QueryError(NO_QUERY)
    if embed is None and any(not each.copies and each.picture is not None for each in queries):
        embed = workspace.embedder(loaded.space)
    return np.stack([vector(workspace, loaded, each, embed) for each in queries])


def search(
    workspace: Workspace,
    loaded: SearchableSpace,
    query: Queries,
    *,
    metric_name: str,
    k: int,
    engine: str = "exact",
    keep_duplicates: bool = False,
    embed: Embedder | None = None,
    store: connection.Store | None = None,
    answer_filter: AnswerFilter = ANY_ANSWER,
    vectors: np.ndarray | None = None,
) -> SearchDocument:
    """The `search` document: the `k` images closest to a query under a metric, among those that pass `answer_filter`.
    Images without a defined similarity to it are no results; the document counts them.

    `vectors` (q, dim) are those of the queries, where they are known. Several queries need the exact engine: results
    are then the images with the lowest mean rank over the queries, and `value` is that mean rank. With the engine
    `milvus`, `recall` is the share of the full scan's results that the collection returned, and `missed` lists the
    rest. `seconds` is the time of the search alone. Raises QueryError, ArtifactError or StoreError with the remedy.
    """
    kind, queries = metric(metric_name), _as_list(query)
    collection = _collection(workspace, loaded, len(queries)) if engine == "milvus" else ""
    if vectors is None:
        vectors = query_vectors(workspace, loaded, queries, embed)
    allowed = answer_filter.candidates(loaded.catalog, queries, keep_duplicates)
    if k < 1:
        raise QueryError(exact.k_too_small(k))
    start = time.perf_counter()
    allowed, undefined = defined(loaded.gallery, vectors, kind, allowed)
    results = _scan(loaded, vectors, kind, k, allowed)
    seconds = time.perf_counter() - start
    recall, missed = None, None
    if engine == "milvus":
        scanned = results
        left_out = {loaded.catalog.ids[row] for row in allowed.left_out}
        start = time.perf_counter()
        with contextlib.nullcontext(store) if store is not None else open_store(workspace.settings, "search") as client:
            hits = []
            if len(allowed.rows):
                hits = vector_search.search_collection(
                    client, collection, kind.name, vectors, k, leave_out=left_out, filter=answer_filter.expression()
                )[0]
        seconds = time.perf_counter() - start
        results = _results(hits, k)
        returned = {image_id for image_id, _, _ in hits}
        missed = [result for result in scanned if result["id"] not in returned]
        recall = (len(scanned) - len(missed)) / len(scanned) if scanned else None
    document: SearchDocument = {
        "query": queries[0].name,
        "space": loaded.space,
        "metric": kind.name,
        "engine": engine,
        "higher_is_closer": kind.higher_is_closer and len(queries) == 1,
        "results": results,
        "seconds": round(seconds, 6),
        "recall": recall,
    }
    if len(queries) > 1:
        document["queries"], document["fusion"] = [each.name for each in queries], "mean rank"
    if loaded.unit:
        document["normalised"] = True
    if undefined:
        document["undefined"] = undefined
    if missed is not None:
        document["missed"] = missed
    if allowed.copies:
        document["copies_left_out"] = allowed.copies
    return document


def _scan(
    loaded: SearchableSpace, vectors: np.ndarray, kind: Metric, k: int, candidates: Candidates
) -> list[SearchResult]:
    """The results of a full scan; one result more is looked up, for the gap behind the last."""
    if len(vectors) == 1:
        nearest = exact.top_k(
            loaded.gallery, vectors, kind.name, k + 1, leave_out=[candidates.left_out], rows=candidates.filtered
        )
        rows, values = nearest.rows[0], nearest.values[0]
    else:
        means = _mean_ranks(loaded, vectors, kind, candidates.rows)
        places = np.argsort(means, kind="stable")[: k + 1]
        rows, values = candidates.rows[places], means[places]
    ids, labels = loaded.catalog.ids, loaded.catalog.labels
    hits = [(ids[row], labels[row], float(value)) for row, value in zip(rows, values, strict=True) if row >= 0]
    return _results(hits, k)


def _results(hits: list[tuple[str, str, float]], k: int) -> list[SearchResult]:
    """The first `k` of `hits` (id, label, value; best first) as results."""
    gaps = [abs(following[2] - hit[2]) for hit, following in itertools.pairwise(hits)]
    return [
        {"rank": rank, "id": image_id, "label": label, "value": value, "gap": gap}
        for rank, ((image_id, label, value), gap) in enumerate(zip(hits[:k], [*gaps, None], strict=False), start=1)
    ]


def _mean_ranks(loaded: SearchableSpace, vectors: np.ndarray, kind: Metric, rows: np.ndarray) -> np.ndarray:
    """The mean over the queries of the rank of each of `rows` among them, (len(rows),)."""
    if not len(rows):
        return np.empty(0)
    order = metrics.order(exact.all_values(loaded.gallery, vectors, kind.name, rows=rows), kind.name)
    ranks = np.empty(order.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, len(rows) + 1)[None], axis=1)
    means: np.ndarray = ranks.mean(axis=0)
    return means


def _collection(workspace: Workspace, loaded: SearchableSpace, queries: int) -> str:
    space = spaces.get(loaded.space)
    if not space.in_milvus:
        raise QueryError(
            f"The space {space.name} has {space.dim:,} dimensions and Milvus takes {MILVUS_MAX_DIM:,}",
            remedy=Remedy.SEARCH_EXACTLY,
        )
    if queries > 1 or loaded.unit:
        raise QueryError(EXACT_ONLY, remedy=Remedy.SEARCH_EXACTLY)
    return workspace.collection(space.name)


def compare(
    workspace: Workspace,
    loaded: SearchableSpace,
    query: Queries,
    *,
    a: str,
    b: str,
    k: int,
    keep_duplicates: bool = False,
    embed: Embedder | None = None,
    other: SearchableSpace | None = None,
    answer_filter: AnswerFilter = ANY_ANSWER,
    vectors: tuple[np.ndarray, np.ndarray] | None = None,
) -> CompareDocument:
    """The `compare` document: the same queries under the metrics `a` and `b`, and how far the results agree.

    `other` is the space of side b, over the same catalog; by default it is that of side a. `vectors` are the queries'
    vectors on both sides, (q, dim) each, where they are known.
    """
    queries, right = _as_list(query), other or loaded
    if vectors is None:
        left_vectors = query_vectors(workspace, loaded, queries, embed)
        shared = right.space == loaded.space and right.unit == loaded.unit
        vectors = left_vectors, left_vectors if shared else query_vectors(workspace, right, queries)

    side_a, side_b = (
        search(
            workspace,
            space,
            queries,
            metric_name=name,
            k=k,
            keep_duplicates=keep_duplicates,
            answer_filter=answer_filter,
            vectors=points,
        )
        for space, name, points in ((loaded, a, vectors[0]), (right, b, vectors[1]))
    )
    allowed = answer_filter.candidates(loaded.catalog, queries, keep_duplicates)
    rows = allowed.rows
    closeness_a = _closeness(loaded, vectors[0], metric(a), rows)
    closeness_b = _closeness(right, vectors[1], metric(b), rows)
    both = np.isin(rows, defined(loaded.gallery, vectors[0], metric(a), allowed)[0].rows)
    both &= np.isin(rows, defined(right.gallery, vectors[1], metric(b), allowed)[0].rows)
    ids_a, ids_b = ([result["id"] for result in side["results"]] for side in (side_a, side_b))
    row_ids = [loaded.catalog.ids[row] for row in rows]
    ranks_a, ranks_b = _ranks(row_ids, closeness_a), _ranks(row_ids, closeness_b)
    return {
        "a": side_a,
        "b": side_b,
        "overlap": agreement.overlap(ids_a, ids_b),
        "rbo": agreement.rbo(ids_a, ids_b),
        "kendall_tau": agreement.kendall_tau(closeness_a[both], closeness_b[both], True, True),
        "ranks": {"a": [ranks_b[image_id] for image_id in ids_a], "b": [ranks_a[image_id] for image_id in ids_b]},
    }


def _ranks(ids: list[str], closeness: np.ndarray) -> dict[str, int]:
    """The rank of each of `ids` by closeness, 1 = closest; equal values in the given order."""
    order = np.argsort(-closeness, kind="stable")
    return {ids[place]: rank for rank, place in enumerate(order, start=1)}


def _closeness(loaded: SearchableSpace, vectors: np.ndarray, kind: Metric, rows: np.ndarray) -> np.ndarray:
    """How close each of `rows` is, larger = closer under every metric: (len(rows),)."""
    if not len(rows):
        return np.empty(0)
    if len(vectors) > 1:
        return -_mean_ranks(loaded, vectors, kind, rows)
    values: np.ndarray = exact.all_values(loaded.gallery, vectors, kind.name, rows=rows)[0]
    return values if kind.higher_is_closer else -values


def _as_list(query: Queries) -> list[Query]:
    return [query] if isinstance(query, Query) else list(query)
