"""Questions asked of a workspace, and their answers as the command-line contract prints them.

Commands and pages both come through here, so that what a page shows is what the command prints.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lib.data import images
from lib.data.catalog import Catalog
from lib.embed import extract, spaces
from lib.embed.extract import Embedder
from lib.errors import ImageError, QueryError
from lib.search import agreement, evaluation, exact
from lib.search.exact import Gallery
from lib.search.metrics import METRICS, metric
from lib.store import connection, milvus
from lib.workspace import Workspace

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Query:
    """What is searched for. `row` is its catalog row, or None for a picture from outside; `copies` are the rows with
    exactly its pixels, itself included; `picture` is None where the stored vector serves."""

    name: str
    row: int | None
    copies: list[int]
    picture: Image.Image | None

    def left_out(self, *, keep_duplicates: bool) -> list[int]:
        """Rows that may not be answers: the query itself, and its pixel-identical copies unless they are asked for."""
        if keep_duplicates:
            return [] if self.row is None else [self.row]
        return self.copies


@dataclass(frozen=True)
class Loaded:
    """A space that is ready to be searched: its catalog, and its gallery row for row."""

    space: str
    catalog: Catalog
    gallery: Gallery


def load(workspace: Workspace, space: str) -> Loaded:
    """The space called `space`. Raises ArtifactError when it is not prepared."""
    return Loaded(spaces.get(space).name, workspace.catalog(), exact.gallery(workspace.vectors(space).values))


def find_query(catalog: Catalog, name: str) -> Query:
    """The query that a user means by a catalog id or the path of a file. Raises QueryError when it is neither."""
    try:
        row = catalog.row(name)
        if row is None:
            path = Path(name).expanduser()
            row = _row_of_file(catalog, path)
        if row is not None:
            return query_row(catalog, row)
        if name and path.exists():
            return query_picture(catalog, images.open_rgb(path), name)
    except ImageError as error:
        raise QueryError(f"{_shown(name)} {error}; choose another picture.") from error
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or a loop of links
        pass
    raise QueryError(
        f"{_shown(name) or 'An empty name'} is neither an image id of the catalog nor a file; ids look like "
        f"{_shown(catalog.ids[0])}."
    )


def _row_of_file(catalog: Catalog, path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        return catalog.row(path.resolve().relative_to(catalog.root.resolve()).as_posix())
    return None


def _shown(name: str) -> str:
    """A name as it may stand in one line of text: nothing unprintable, and not without end."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)[:200]


def query_row(catalog: Catalog, row: int) -> Query:
    """The catalog's image in `row` as a query."""
    return Query(catalog.ids[row], row, catalog.copies(str(catalog.frame["sha256"].iloc[row])), None)


def query_picture(catalog: Catalog, picture: Image.Image, name: str) -> Query:
    """A picture from outside as a query. `picture` is upright RGB, as `images.open_rgb` gives it."""
    return Query(name, None, catalog.copies(images.pixel_hash(picture)), picture)


def vector(workspace: Workspace, loaded: Loaded, query: Query, embed: Embedder | None = None) -> np.ndarray:
    """The vector of `query`, (dim,): the stored one when the catalog holds its very pixels, else computed.

    `embed` saves loading the network again; without it the space's own weights are loaded.
    """
    if query.copies:
        return np.asarray(loaded.gallery.vectors[query.copies[0] if query.row is None else query.row])
    if query.picture is None:
        raise QueryError(f"{_shown(query.name)} has no picture to search with.")
    space = spaces.get(loaded.space)
    return extract.query_vector(embed or extract.embedder(space, workspace.weights(space.name)), query.picture)


def search(
    workspace: Workspace,
    loaded: Loaded,
    query: Query,
    *,
    metric_name: str,
    k: int,
    engine: str = "exact",
    keep_duplicates: bool = False,
    embed: Embedder | None = None,
    store: connection.Store | None = None,
    rows: np.ndarray | None = None,
) -> dict[str, Any]:
    """The `search` document of the contract. `rows` confines the exact engine to some rows of the catalog.

    `seconds` is the time of the search itself. With the engine `milvus`, `recall` is the share of the full scan's
    answers that the collection found. Raises QueryError, ArtifactError or StoreError with what to do.
    """
    kind = metric(metric_name)
    base = _collection(workspace, loaded.space) if engine == "milvus" else ""
    asked = vector(workspace, loaded, query, embed)
    out = query.left_out(keep_duplicates=keep_duplicates)
    start = time.perf_counter()
    neighbours = exact.top_k(loaded.gallery, asked, kind.name, k, leave_out=[out], rows=rows)
    seconds = time.perf_counter() - start
    frame = loaded.catalog.frame
    found = [
        (str(frame["id"].iloc[row]), str(frame["label"].iloc[row]), float(value))
        for row, value in zip(neighbours.rows[0], neighbours.values[0], strict=True)
        if row >= 0
    ]
    recall = None
    if engine == "milvus":
        full = {image_id for image_id, _, _ in found}
        start = time.perf_counter()
        without = {loaded.catalog.ids[row] for row in out}
        with contextlib.nullcontext(store) if store is not None else _own_store(workspace) as opened:
            found = milvus.search_collection(opened, base, kind.name, asked[None], k, leave_out=without)[0]
        seconds = time.perf_counter() - start
        recall = len(full & {image_id for image_id, _, _ in found}) / len(full) if full else None
    return {
        "query": query.name,
        "space": loaded.space,
        "metric": kind.name,
        "engine": engine,
        "higher_is_closer": kind.higher_is_closer,
        "results": [
            {"rank": rank, "id": image_id, "label": label, "value": value}
            for rank, (image_id, label, value) in enumerate(found, start=1)
        ],
        "seconds": round(seconds, 6),
        "recall": recall,
    }


def _collection(workspace: Workspace, name: str) -> str:
    space = spaces.get(name)
    if not space.in_milvus:
        raise QueryError(
            f"The space {space.name} has {space.dim:,} dimensions and Milvus takes {spaces.MILVUS_MAX_DIM:,}; "
            "search it with --engine exact."
        )
    return workspace.collection(space.name)


def _own_store(workspace: Workspace) -> connection.Store:
    settings = workspace.settings
    return connection.open_store(settings.store_uri, settings.milvus_token, role="search", wait_s=settings.store_wait_s)


def compare(
    workspace: Workspace,
    loaded: Loaded,
    query: Query,
    *,
    a: str,
    b: str,
    k: int,
    keep_duplicates: bool = False,
    embed: Embedder | None = None,
) -> dict[str, Any]:
    """The `compare` document of the contract: the same query under two metrics, and how far the answers agree."""
    asked = vector(workspace, loaded, query, embed)
    sides = {
        side: search(workspace, loaded, query, metric_name=name, k=k, keep_duplicates=keep_duplicates, embed=embed)
        for side, name in (("a", a), ("b", b))
    }
    ids = {side: [row["id"] for row in found["results"]] for side, found in sides.items()}
    kept = np.setdiff1d(np.arange(len(loaded.catalog.frame)), query.left_out(keep_duplicates=keep_duplicates))
    values = {name: exact.all_values(loaded.gallery, asked, name)[0][kept] for name in {a, b}}
    return {
        **sides,
        "overlap": agreement.overlap(ids["a"], ids["b"]),
        "rbo": agreement.rbo(ids["a"], ids["b"]),
        "kendall_tau": agreement.kendall_tau(
            values[a], values[b], metric(a).higher_is_closer, metric(b).higher_is_closer
        ),
    }


def evaluate(
    workspace: Workspace,
    space: str,
    metrics: list[str] | None = None,
    *,
    k: int = 10,
    queries: str = "test",
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """The rows of the `evaluate` document for one space. `queries` is `test` (gallery: the rest) or `all`.

    Raises QueryError when there is nothing to ask or nothing to find.
    """
    loaded = load(workspace, space)
    frame = loaded.catalog.frame
    asked, gallery_rows = asked_of(loaded.catalog, queries)
    scored = evaluation.evaluate_metrics(
        loaded.gallery,
        frame["label"].to_numpy(),
        metrics=metrics or list(METRICS),
        query_rows=asked,
        gallery_rows=gallery_rows,
        ks=sorted({1, 5, 10, k}),
        same_picture=frame["sha256"].to_numpy(),
        progress=progress,
    )
    return [evaluation_row(loaded.space, scores, k) for scores in scored.values()]


def asked_of(catalog: Catalog, queries: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """The rows that are queries and those that are searched: the test images and the rest, or `all` and all.

    Raises QueryError when there is nothing to ask or nothing to find.
    """
    everything = np.arange(len(catalog.frame))
    asked = everything if queries == "all" else np.nonzero((catalog.frame["split"] == "test").to_numpy())[0]
    searched = everything if queries == "all" else np.setdiff1d(everything, asked)
    if not len(asked) or not len(searched):
        raise QueryError(
            f"The {len(everything)} images leave no test queries or no gallery; prepare more images, or use "
            "--queries all."
        )
    return asked, searched


def evaluation_row(space: str, scores: evaluation.Scores, k: int = 10) -> dict[str, Any]:
    """One row of the `evaluate` document."""
    told = {at for at in scores.recall if at in {10, k}}
    return {
        "space": space,
        "metric": scores.metric,
        "queries": scores.queries,
        "gallery": scores.gallery,
        "precision": {str(at): value for at, value in scores.precision.items()},
        "recall": {str(at): scores.recall[at] for at in told},
        "map": scores.map,
        "ci95": {
            "map": _bounds(scores.map_ci95),
            "precision": {str(at): _bounds(each) for at, each in scores.precision_ci95.items()},
            "recall": {str(at): _bounds(scores.recall_ci95[at]) for at in told},
        },
        "seconds": round(scores.seconds, 3),
    }


def _bounds(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
