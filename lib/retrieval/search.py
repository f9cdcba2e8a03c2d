"""Questions asked of a workspace, and their answers as the command-line contract prints them.

Commands and pages both come through here, so that what a page shows is what the command prints.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lib.data.catalog import Catalog
from lib.embed import embedder, spaces
from lib.embed.embedder import Embedder
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval.query import Query, shown_name
from lib.search import agreement, exact, metrics
from lib.search.exact import Gallery
from lib.search.metrics import Metric, metric
from lib.store import connection, filters, vector_search


@dataclass(frozen=True)
class SearchableSpace:
    """A space that is ready to be searched: its catalog, and its gallery row for row; `unit` when every vector was
    brought to length 1."""

    space: str
    catalog: Catalog
    gallery: Gallery
    unit: bool = False


@dataclass(frozen=True)
class AnswerFilter:
    """Which images may be answers: those of these classes and splits; an empty tuple allows all."""

    labels: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    def rows(self, catalog: Catalog) -> np.ndarray | None:
        """Their rows, ascending; None for all. Raises QueryError when there are none."""
        if not (self.labels or self.splits):
            return None
        keep = np.ones(len(catalog.frame), dtype=bool)
        for column, wanted in (("label", self.labels), ("split", self.splits)):
            if wanted:
                keep &= catalog.frame[column].isin(wanted).to_numpy()
        if not keep.any():
            said = [shown_name(word) for word in (*self.labels, *self.splits)]
            raise QueryError(f"No image is of {' and '.join(said)}; the classes are {_some(catalog.classes)}.")
        return np.nonzero(keep)[0]

    def expression(self) -> str:
        """The same as a Milvus filter; "" for all."""
        parts = [("label", self.labels), ("split", self.splits)]
        return " and ".join(
            f"{column} in [{', '.join(filters.quoted(word) for word in wanted)}]" for column, wanted in parts if wanted
        )


ANY_ANSWER = AnswerFilter()


def _some(names: Iterable[str], most: int = 12) -> str:
    shown = [shown_name(name) for name in names]
    return ", ".join(shown[:most]) + (" and others" if len(shown) > most else "")


def load_space(workspace: Workspace, space: str) -> SearchableSpace:
    """The space called `space`. Raises ArtifactError when it is not prepared."""
    return SearchableSpace(spaces.get(space).name, workspace.catalog(), exact.gallery(workspace.vectors(space).values))


def normalised(loaded: SearchableSpace) -> SearchableSpace:
    """The same space with every vector scaled to length 1 (a zero vector stays as it is), in float32.

    Raises QueryError for pixels, whose whole numbers are what makes their search exact.
    """
    if loaded.gallery.pixels:
        raise QueryError(
            f"{spaces.get(loaded.space).title} are whole numbers and stay so; vectors of length 1 are for spaces of "
            "features."
        )
    return loaded if loaded.unit else replace(loaded, gallery=exact.gallery(loaded.gallery.unit(False)), unit=True)


def vector(workspace: Workspace, loaded: SearchableSpace, query: Query, embed: Embedder | None = None) -> np.ndarray:
    """The vector of `query`, (dim,): the stored one when the catalog holds its very pixels, else computed.

    `embed` saves loading the network again; without it the space's own weights are loaded.
    """
    if query.copies:
        return np.asarray(loaded.gallery.vectors[query.copies[0] if query.row is None else query.row])
    if query.values is not None:
        if len(query.values) != loaded.gallery.dimension or loaded.gallery.pixels:
            raise QueryError(
                f"{shown_name(query.name)} is a vector of {len(query.values):,} numbers, and {loaded.space} holds "
                f"{loaded.gallery.dimension:,}; choose a space of as many."
            )
        found = query.values
    elif query.picture is None:
        raise QueryError(f"{shown_name(query.name)} has no picture to search with.")
    else:
        made = embed or embedder.embedder(workspace.made_as(loaded.space), workspace.weights(loaded.space))
        found = embedder.query_vector(made, query.picture)
    if loaded.unit and (length := np.linalg.norm(found.astype(np.float64))) > 0:
        found = (found.astype(np.float64) / length).astype(np.float32)
    return found


Queries = Query | Sequence[Query]


def _several(query: Queries) -> list[Query]:
    return [query] if isinstance(query, Query) else list(query)


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
    among: AnswerFilter = ANY_ANSWER,
    vectors: np.ndarray | None = None,
) -> dict[str, Any]:
    """The `search` document of the contract. `among` confines the answers; `vectors` (q, dim) saves computing them.

    Of several queries, which the exact engine takes, the answers are those with the lowest mean rank over the queries,
    and none of these is an answer: `fusion` is then "mean rank", which each `value` is. Each result's `gap` is how much
    farther the next one is, None where nothing follows. `seconds` is the time of the search itself. With the engine
    `milvus`, `recall` is the share of the full scan's answers that the collection found, and `missed` are the others,
    with their rank in the full scan. Raises QueryError, ArtifactError or StoreError with what to do.
    """
    kind, queries = metric(metric_name), _several(query)
    base = _collection(workspace, loaded, len(queries)) if engine == "milvus" else ""
    asked = _vectors(workspace, loaded, queries, embed) if vectors is None else vectors
    out = sorted({row for each in queries for row in each.left_out(keep_duplicates=keep_duplicates)})
    rows = among.rows(loaded.catalog)
    if k < 1:
        raise QueryError(f"At least one answer must be asked for, not {k}.")
    start = time.perf_counter()
    if len(queries) == 1:
        # One more than is shown, for the gap behind the last one.
        neighbours = exact.top_k(loaded.gallery, asked, kind.name, k + 1, leave_out=[out], rows=rows)
        answers = list(zip(neighbours.rows[0], neighbours.values[0], strict=True))
    else:
        kept, means = _mean_ranks(loaded, asked, kind.name, out, rows)
        answers = [(kept[place], means[place]) for place in np.argsort(means, kind="stable")[: k + 1]]
    seconds = time.perf_counter() - start
    ids, labels = loaded.catalog.ids, loaded.catalog.labels
    found = [(ids[row], labels[row], float(value)) for row, value in answers if row >= 0]
    results = _results(found, k)
    recall, missed = None, None
    if engine == "milvus":
        full = results
        start = time.perf_counter()
        without = {loaded.catalog.ids[row] for row in out}
        with contextlib.nullcontext(store) if store is not None else _own_store(workspace) as opened:
            found = vector_search.search_collection(
                opened, base, kind.name, asked, k, leave_out=without, filter=among.expression()
            )[0]
        seconds = time.perf_counter() - start
        results = _results(found, k)
        there = {image_id for image_id, _, _ in found}
        missed = [row for row in full if row["id"] not in there]
        recall = (len(full) - len(missed)) / len(full) if full else None
    return {
        "query": queries[0].name,
        **({"queries": [each.name for each in queries], "fusion": "mean rank"} if len(queries) > 1 else {}),
        "space": loaded.space,
        **({"normalised": True} if loaded.unit else {}),
        "metric": kind.name,
        "engine": engine,
        "higher_is_closer": kind.higher_is_closer and len(queries) == 1,
        "results": results,
        "seconds": round(seconds, 6),
        "recall": recall,
        **({"missed": missed} if missed is not None else {}),
    }


def _results(found: list[tuple[str, str, float]], k: int) -> list[dict[str, Any]]:
    nexts = [*[value for _, _, value in found[1:]], *[None] * min(1, len(found))]
    return [
        {
            "rank": rank,
            "id": image_id,
            "label": label,
            "value": value,
            "gap": None if following is None else abs(following - value),
        }
        for rank, ((image_id, label, value), following) in enumerate(zip(found, nexts, strict=True), start=1)
    ][:k]


def _vectors(workspace: Workspace, loaded: SearchableSpace, queries: list[Query], embed: Embedder | None) -> np.ndarray:
    if not queries:
        raise QueryError("There is nothing to search with; choose a photo.")
    needed = any(not each.copies and each.picture is not None for each in queries)
    if len(queries) > 1 and needed and embed is None:  # the network is loaded once for all of them
        embed = embedder.embedder(workspace.made_as(loaded.space), workspace.weights(loaded.space))
    return np.stack([vector(workspace, loaded, each, embed) for each in queries])


def _mean_ranks(
    loaded: SearchableSpace, asked: np.ndarray, name: str, out: list[int], rows: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that may be answers, and the mean over the queries of each one's rank among them."""
    kept = np.setdiff1d(np.arange(len(loaded.catalog.frame)) if rows is None else rows, out)
    order = metrics.order(exact.all_values(loaded.gallery, asked, name, rows=kept), name) if len(kept) else kept[None]
    ranks = np.empty(order.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, len(kept) + 1)[None], axis=1)
    return kept, ranks.mean(axis=0)


def _collection(workspace: Workspace, loaded: SearchableSpace, queries: int) -> str:
    space = spaces.get(loaded.space)
    if not space.in_milvus:
        raise QueryError(
            f"The space {space.name} has {space.dim:,} dimensions and Milvus takes {spaces.MILVUS_MAX_DIM:,}; "
            "search it with --engine exact."
        )
    if queries > 1 or loaded.unit:
        raise QueryError("Several queries at once, and vectors of length 1, are searched with --engine exact.")
    return workspace.collection(space.name)


def _own_store(workspace: Workspace) -> connection.Store:
    settings = workspace.settings
    return connection.open_store(settings.store_uri, settings.milvus_token, role="search", wait_s=settings.store_wait_s)


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
    among: AnswerFilter = ANY_ANSWER,
    vectors: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """The `compare` document of the contract: the same query under two metrics, and how far the answers agree.

    `other` is the space of side b where it is not that of a, over the same catalog. `ranks` says of each of a side's
    answers which rank the other side gives it, over all that may be answers. `vectors` are those of both sides'
    queries, (q, dim) each, where they are known already.
    """
    queries, there = _several(query), other or loaded
    if vectors is None:
        of_a = _vectors(workspace, loaded, queries, embed)
        same = there.space == loaded.space and there.unit == loaded.unit
        vectors = of_a, of_a if same else _vectors(workspace, there, queries, None)
    sides = {
        side: search(
            workspace,
            space,
            queries,
            metric_name=name,
            k=k,
            keep_duplicates=keep_duplicates,
            among=among,
            vectors=asked,
        )
        for side, name, space, asked in (("a", a, loaded, vectors[0]), ("b", b, there, vectors[1]))
    }
    ids = {side: [row["id"] for row in found["results"]] for side, found in sides.items()}
    out = sorted({row for each in queries for row in each.left_out(keep_duplicates=keep_duplicates)})
    rows = among.rows(loaded.catalog)
    kept = np.setdiff1d(np.arange(len(loaded.catalog.frame)) if rows is None else rows, out)
    closer = {
        "a": _closeness(loaded, vectors[0], metric(a), kept, out),
        "b": _closeness(there, vectors[1], metric(b), kept, out),
    }
    place = {loaded.catalog.ids[row]: i for i, row in enumerate(kept)}
    ranks = {}
    for side, theirs in (("a", "b"), ("b", "a")):
        order = np.argsort(-closer[theirs], kind="stable")
        position = np.empty(len(order), dtype=int)
        position[order] = np.arange(1, len(order) + 1)
        ranks[side] = [int(position[place[image_id]]) for image_id in ids[side]]
    return {
        **sides,
        "overlap": agreement.overlap(ids["a"], ids["b"]),
        "rbo": agreement.rbo(ids["a"], ids["b"]),
        "kendall_tau": agreement.kendall_tau(closer["a"], closer["b"], True, True),
        "ranks": ranks,
    }


def _closeness(
    loaded: SearchableSpace, asked: np.ndarray, kind: Metric, kept: np.ndarray, out: list[int]
) -> np.ndarray:
    """How close each of the rows `kept` is, larger = closer, whatever the metric: (len(kept),)."""
    if not len(kept):
        return np.empty(0)
    if len(asked) > 1:
        return -_mean_ranks(loaded, asked, kind.name, out, kept)[1]
    values: np.ndarray = exact.all_values(loaded.gallery, asked, kind.name, rows=kept)[0]
    return values if kind.higher_is_closer else -values
