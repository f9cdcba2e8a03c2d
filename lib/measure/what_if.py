"""What shorter vectors of a space cost: scores over the number of principal components and the kind of compression.

Invariant: every row is what the derived space of its name would score, since the same steps make both: PCA, whitening
and scales are learned from the training split. Rows are scored on the same queries, so each is compared query by query
with the vectors as they are.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict, cast

import numpy as np

from lib import artifacts, statistics
from lib.data.catalog import Catalog
from lib.documents.what_if import Loss, WhatIfDocument, WhatIfRow
from lib.embed import derived_spaces, spaces, vector_steps
from lib.embed.vector_steps import Floats
from lib.errors import QueryError
from lib.measure.evaluation import query_and_gallery_rows
from lib.measure.provenance import Provenance, provenance
from lib.measure.verdicts import Verdict
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.search import exact, quick_scores, significance
from lib.search.evaluation import Scores
from lib.search.gallery import Gallery
from lib.search.gallery import gallery as searchable
from lib.search.significance import LEVEL
from lib.store import index_types
from lib.text import counted

SCHEMA: Final = 1
FOLDER: Final = "measured"
COMPRESSIONS: Final = ("none", "int8", "binary")
# Above so many queries, as many are drawn, with the seed 0.
MOST_QUERIES: Final = 1_000
MOST_COMPONENTS: Final = 2_048
ROUNDS: Final = 11
_SMALL: Final = 2**26  # numbers
# A loss that few queries cannot exclude is none that they have shown to be absent.
MOST_LOSS: Final = 0.05
_K: Final = 10
RULE: Final = (
    f"the fewest bytes with neither mAP nor P@{_K} significantly below that of the vectors as they are (paired test "
    f"over the queries, p < {LEVEL}), nor by its 95 % interval possibly more than {100 * MOST_LOSS:.0f} points below"
)


class StoredWhatIf(TypedDict):
    """A stored document and its provenance."""

    document: WhatIfDocument
    provenance: Provenance


@dataclass(frozen=True)
class _Way:
    """A way to shorten vectors: the number of principal components (None: as they are), and what follows."""

    components: int | None
    whitened: bool
    compression: str

    @property
    def steps(self) -> list[str]:
        """The names of its steps."""
        after = [*(["whiten"] if self.whitened else []), *([] if self.compression == "none" else [self.compression])]
        return [*([] if self.components is None else [f"pca{self.components}"]), *after]

    @property
    def metric(self) -> str:
        """Cosine; L2 for bits, which it ranks as their Hamming distance does."""
        return "l2" if self.compression == "binary" else "cosine"


def file(workspace: Workspace, catalog: Catalog, space: str) -> Path:
    """The file of a space's measurement, whether it exists or not; its name is a hash of all its inputs."""
    entry = workspace.space(space)
    inputs = (entry["fingerprint"], catalog.contents, catalog.seed, vector_steps.SHRINKAGE, MOST_QUERIES)
    key = artifacts.digest("petalscope-what-if", SCHEMA, *inputs)
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-what-if-{key[:12]}.json"


def stored(workspace: Workspace, catalog: Catalog, space: str) -> WhatIfDocument | None:
    """The stored measurement of a space; None where there is none, or it is damaged."""
    found = artifacts.unless_damaged(artifacts.read_json, file(workspace, catalog, space))
    if found is None or not WhatIfDocument.__annotations__.keys() <= dict(found.get("document") or {}).keys():
        return None
    return cast("StoredWhatIf", found)["document"]


def cost(workspace: Workspace, catalog: Catalog, space: str) -> float:
    """Work to measure a space, in multiplications: scores of all ways, and learning the components."""
    dim, photos = int(workspace.space(space)["dim"]), len(catalog.ids)
    queries = min(MOST_QUERIES, catalog.splits["test"])
    return float(queries) * photos * dim * 12 + float(min(photos, dim)) ** 2 * max(photos, dim)


def measure(workspace: Workspace, catalog: Catalog, space: str, progress: Progress = no_progress) -> WhatIfDocument:
    """The measurement of a space: read where it is stored, else made and stored.

    `progress` receives (ways measured, all). Raises QueryError without queries, a gallery or training photos.
    """
    space = spaces.get(space).name
    existing = stored(workspace, catalog, space)
    if existing is not None:
        return existing
    start = time.perf_counter()
    values, training = workspace.vectors(space).values, derived_spaces.training_rows(catalog)
    query_rows, gallery_rows = query_and_gallery_rows(catalog)
    if len(query_rows) > MOST_QUERIES:
        query_rows = np.sort(np.random.default_rng(0).choice(query_rows, MOST_QUERIES, replace=False))
    if len(training) < 2:
        raise QueryError("Fewer than two photos are in the training split, so no principal components can be learned.")
    axes = vector_steps.principal_axes(values, training, MOST_COMPONENTS)
    turned = _turned(values, axes)
    ways = _ways(len(axes.directions))
    labels, pictures = catalog.frame["label"].to_numpy(), catalog.frame["sha256"].to_numpy()

    def score(way: _Way) -> tuple[Scores, int]:
        vectors = _vectors(way, values, turned, training)
        scores = quick_scores.scores(vectors, way.metric, labels, pictures, query_rows, gallery_rows, _K)
        return scores, vectors.shape[1]

    scored: list[tuple[Scores, int]] = []
    progress(0, len(ways))
    with ThreadPoolExecutor(_workers(values)) as pool:  # sorting and multiplying release the interpreter's lock
        for each in pool.map(score, ways):
            scored.append(each)
            progress(len(scored), len(ways))
    times = _search_times(values, turned, ways, query_rows[:ROUNDS])
    full = scored[0][0]

    def row(place: int) -> WhatIfRow:
        scores, dim = scored[place]
        return _row(space, ways[place], scores, full, dim, len(values), times[ways[place]])

    with ThreadPoolExecutor(_workers(values)) as pool:  # so do the resamples of the paired tests
        rows = list(pool.map(row, range(len(ways))))
    document: WhatIfDocument = {
        "space": space,
        "queries": full.queries,
        "gallery": full.gallery,
        "training": axes.photos,
        "rows": rows,
        "best": None if (chosen := best(rows)) is None else chosen["space"],
        "rule": RULE,
        "machine": f"{platform.machine()}, {counted(os.cpu_count() or 1, 'core')}",
        "seconds": round(time.perf_counter() - start, 3),
    }
    kept: StoredWhatIf = {"document": document, "provenance": provenance(workspace, space, catalog)}
    artifacts.write_json(file(workspace, catalog, space), kept)
    return document


def best(rows: Sequence[WhatIfRow]) -> WhatIfRow | None:
    """The row that `RULE` chooses, of equal bytes the one with the highest mAP; None without scores."""
    kept = [row for row in rows if row["map"] is not None and not is_worse(row) and not _may_lose_much(row)]
    return min(kept, key=lambda row: (row["bytes"], -(row["map"] or 0.0)), default=None)


def is_worse(row: WhatIfRow) -> bool:
    """Whether a row's mAP or P@10 lies significantly below that of the vectors as they are."""
    return any((loss["mean"] or 0.0) < 0 and loss["p"] is not None and loss["p"] < LEVEL for loss in _losses(row))


def _may_lose_much(row: WhatIfRow) -> bool:
    return any(loss["ci95"] is not None and loss["ci95"][0] < -MOST_LOSS for loss in _losses(row))


def _losses(row: WhatIfRow) -> tuple[Loss, Loss]:
    return row["difference"]["map"], row["difference"]["p10"]


def verdict(document: WhatIfDocument) -> Verdict | None:
    """The trade-off in a sentence; None without scores."""
    full, chosen = document["rows"][0], best(document["rows"])
    if chosen is None or full["map"] is None or chosen["map"] is None:
        return None
    about = (
        f"Rule: {document['rule']}. Means over {counted(document['queries'], 'test photo')} as queries; in "
        f"brackets the 95 % interval of the difference ({statistics.METHOD}). Many ways are tried on the same "
        "queries, so a difference near the limit may be chance."
    )
    score = f"mAP {100 * full['map']:.1f}%"
    if chosen["space"] == full["space"]:
        return Verdict(f"Nothing shorter keeps {score} of {document['space']} at {full['bytes']:,} bytes.", about)
    kept = "; ".join(
        f"{title} {100 * (score or 0.0):.1f}% ({_apart(loss)})"
        for title, score, loss in (
            ("mAP", chosen["map"], chosen["difference"]["map"]),
            (f"P@{_K}", chosen["p10"], chosen["difference"]["p10"]),
        )
    )
    size = f"{counted(chosen['bytes'], 'byte')} a vector instead of {full['bytes']:,}"
    return Verdict(f"Best trade-off: {chosen['space']}, {size}; {kept}, {document['queries']:,} queries.", about)


def _apart(loss: Loss) -> str:
    low, high = (100 * bound for bound in loss["ci95"] or (0.0, 0.0))
    return f"{100 * (loss['mean'] or 0.0):+.1f} pp [{low:.1f}, {high:.1f}]"


# --- how it is measured ----------------------------------------------------------------------------------------------


def _ways(most: int) -> list[_Way]:
    """The vectors as they are first; then 2, 4, 8, … components up to `most`, plain and whitened."""
    counts = [2**power for power in range(1, 20) if 2**power < most] + ([most] if most > 1 else [])
    ways = [_Way(None, False, compression) for compression in COMPRESSIONS]
    ways += [_Way(count, False, compression) for compression in COMPRESSIONS for count in counts]
    # Whitened components have the signs of plain ones, so their bits are the same; and 8 bits lose as little of them.
    return ways + [_Way(count, True, "none") for count in counts]


def _workers(values: np.ndarray) -> int:
    """Ways scored at a time; one of wide vectors, of which several copies would fill the memory."""
    return min(4, os.cpu_count() or 1) if values.size <= _SMALL else 1


def _turned(values: np.ndarray, axes: vector_steps.PrincipalAxes) -> Floats:
    """All vectors (n, d) along the principal axes, (n, k)."""
    learned = {"mean": axes.mean.astype(np.float32), "directions": axes.directions}
    return vector_steps.transformed(vector_steps.parse(f"pca{max(1, len(axes.directions))}"), values, learned)


def _vectors(way: _Way, values: np.ndarray, turned: Floats, training: np.ndarray) -> np.ndarray:
    """The vectors of a way, (n, dim). The first components of many are those of few: only later steps learn anew."""
    start, steps = (values, way.steps) if way.components is None else (turned[:, : way.components], way.steps[1:])
    if not steps:
        return np.ascontiguousarray(start)
    return vector_steps.fit([vector_steps.parse(step) for step in steps], start, training)[0]


def _search_times(
    values: np.ndarray, turned: Floats, ways: Sequence[_Way], queries: np.ndarray
) -> Mapping[_Way, float]:
    """The median milliseconds of one exact search by shape and metric, all shapes in turn in every round.

    Codes are searched as float32, as stored spaces are, so only the length and the metric count.
    """
    shapes = {(way.components, way.metric) for way in ways}
    galleries: dict[int | None, Gallery] = {
        count: searchable(np.ascontiguousarray(values if count is None else turned[:, :count]))
        for count in {count for count, _ in shapes}
    }
    taken: dict[tuple[int | None, str], list[float]] = {shape: [] for shape in shapes}
    for row in (queries[0], *queries):  # the first round fills what a gallery computes once
        for (count, metric), seconds in taken.items():
            start = time.perf_counter()
            exact.top_k(galleries[count], galleries[count].vectors[row], metric, _K)
            seconds.append(time.perf_counter() - start)
    return {way: 1000 * float(np.median(taken[way.components, way.metric][1:])) for way in ways}


def _row(space: str, way: _Way, scores: Scores, full: Scores, dim: int, photos: int, milliseconds: float) -> WhatIfRow:
    derived = spaces.get("+".join([space, *way.steps])) if way.steps else spaces.get(space)
    stored_bytes = derived_spaces.stored_bytes(derived, dim)
    return {
        "space": derived.name,
        "components": way.components,
        "whitened": way.whitened,
        "compression": way.compression,
        "metric": way.metric,
        "dim": dim,
        "map": scores.means["map"],
        "p10": scores.means[f"p{_K}"],
        "ci95": {
            "map": _bounds(scores.intervals["map"]),
            "p10": _bounds(scores.intervals[f"p{_K}"]),
        },
        "difference": {"map": _loss(scores, full, "map"), "p10": _loss(scores, full, f"p{_K}")},
        "bytes": stored_bytes,
        "index_bytes": _index_bytes(way.compression, photos, dim),
        "milliseconds": round(milliseconds, 3),
    }


def _loss(scores: Scores, full: Scores, measure: str) -> Loss:
    if scores is full:
        return {"mean": None, "ci95": None, "p": None}
    test = significance.difference(scores.per_query.values[measure], full.per_query.values[measure])
    return {"mean": test.mean, "ci95": _bounds(test.ci95), "p": test.p}


def _index_bytes(compression: str, photos: int, dim: int) -> int | None:
    """The estimated size of the index in Milvus: HNSW, and a flat one for bits, which Milvus has in eights."""
    if compression == "binary":
        return index_types.estimated_size("BIN_FLAT", "BINARY_VECTOR", photos, -(-dim // 8) * 8, {}, lite=False).memory
    kind = "INT8_VECTOR" if compression == "int8" else "FLOAT_VECTOR"
    parameters = index_types.HNSW["params"]
    return index_types.estimated_size("HNSW", kind, photos, dim, parameters, lite=False).memory


def _bounds(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
