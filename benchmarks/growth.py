"""How time and memory grow with the number of photos: `python -m benchmarks.growth`.

Each step at each size runs in a fresh process on one thread; what grows is its processor time, fitted by a line through
the logarithms of both: a slope of 1 is time in proportion to the number, 2 its square. Vectors are made up, in fifty
clouds, non-negative and sparse like pooled features; photos to embed are the user's. Memory is anonymous: what the
process holds itself, without files that it has mapped.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.timing import ONE_THREAD, ROUNDS, Row, medians, most, tell, watched

os.environ.update(ONE_THREAD)

import numpy as np

from lib.embed import embedder
from lib.store import vector_search, write

DIM, K = 512, 10
SIZES = (4_000, 20_000, 100_000)
STEEPEST = 1.1


def main() -> None:
    """Measure, and print; or run one step, for the process that measures it."""
    if len(sys.argv) == 3:
        print(json.dumps(STEPS[sys.argv[1]](int(sys.argv[2]))))
        return
    tell(
        [
            *_rows("search", SIZES),
            *_rows("store", SIZES),
            *_rows("embed", (128, 512, 2_000)),
            *_rows("map", SIZES[:2]),
        ]
    )


def _rows(step: str, sizes: tuple[int, ...]) -> list[Row]:
    """One row for each thing that a step times."""
    collected: list[dict[str, Any]] = []
    peaks = []
    for size in sizes:
        printed, peak = watched([sys.executable, "-m", "benchmarks.growth", step, str(size)])
        collected.append(json.loads(printed))
        peaks.append(peak)
    counts = [each.pop("count", size) for each, size in zip(collected, sizes, strict=True)]
    return [_row(what, counts, [each[what] for each in collected], peaks) for what in collected[0]]


def _row(what: str, counts: list[int], seconds: list[float], peaks: list[float]) -> Row:
    slope = growth(counts, seconds)
    held = ", ".join(f"{peak:,.0f}" for peak in peaks)
    took = ", ".join(f"{1000 * each:,.1f}" for each in seconds)
    return most(
        f"growth of {what}, {' → '.join(f'{count:,}' for count in counts)}",
        slope,
        STEEPEST,
        "slope",
        limit="1: as many times as long as there are more",
        share=min(1.0, 1 / slope) if slope > 0 else 1.0,
        note=f"{took} ms, processor; {held} MB of anonymous memory at most",
        why="the index of Milvus Lite is a graph (HNSW), whose making costs n·log n" if "store" in what else "",
    )


def growth(counts: list[int], seconds: list[float]) -> float:
    """The exponent by which `seconds` grow with `counts`: the slope of a line fitted to the logarithms of both."""
    return float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])


def vectors(n: int) -> np.ndarray:
    """Made-up features (n, 512) float32 in fifty clouds."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, DIM)).astype(np.float32)
    result = np.empty((n, DIM), np.float32)
    for start in range(0, n, 4_096):
        stop = min(n, start + 4_096)
        noise = rng.standard_normal((stop - start, DIM), np.float32)
        result[start:stop] = np.maximum(centres[rng.integers(50, size=stop - start)] + 0.8 * noise, 0)
    return result


def _search(n: int) -> dict[str, float]:
    from lib.search import exact

    x = vectors(n)
    gallery = exact.gallery(x)
    query = np.maximum(np.random.default_rng(1).normal(size=(1, DIM)), 0).astype(np.float32)
    names = ("l1", "cosine")
    taken = medians(*(lambda name=name: exact.top_k(gallery, query, name, K) for name in names), rounds=3 * ROUNDS)
    return {f"exact search, {name}, 1 query": seconds for name, seconds in zip(names, taken, strict=True)}


def _store(n: int) -> dict[str, float]:
    from lib.store.connection import open_store

    x, ids = vectors(n), [f"{number:07}" for number in range(n)]
    rows = write.Rows(ids, ids, ["a"] * n, ["train"] * n, x)
    with tempfile.TemporaryDirectory() as folder, open_store(str(Path(folder) / "x.db"), timeout_s=3_600) as store:
        start = time.process_time()
        write.write_collection(store, "grown", rows, metric="COSINE")
        written = time.process_time() - start
        taken = []
        for turn in range(ROUNDS + 1):
            start = time.process_time()
            vector_search.search_collection(store, "grown", "cosine", x[turn], K)
            taken.append(time.process_time() - start)
    return {
        "store: rows written to Milvus Lite and indexed": written,
        "search in Milvus Lite, cosine, 1 query": statistics.median(taken[1:]),
    }


def _embed(n: int) -> dict[str, float]:
    from lib import settings as settings_module
    from lib.embed import extract, spaces
    from lib.learn import backbone
    from lib.prepare import workspace

    settings = settings_module.from_environment()
    catalog = workspace.open_workspace(settings).catalog()
    spread = np.linspace(0, len(catalog.frame) - 1, min(n, len(catalog.frame))).astype(int)
    catalog = replace(catalog, frame=catalog.frame.iloc[np.unique(spread)].reset_index(drop=True))
    space, weights = spaces.get("resnet18"), backbone.choose(settings)
    ready = embedder.embedder(space, weights)
    ready.embed([ready.shrink(catalog.open(row)) for row in range(extract.BATCH)])
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        extract.extract(space, catalog, weights, Path(folder) / "vectors", make_embedder=lambda *_: ready)
        taken = time.process_time() - start
    return {"count": len(catalog.frame), "embed: photos read and put through the network": taken}


def _map(n: int) -> dict[str, float]:
    from lib.embed import projection

    x = vectors(n)
    start = time.process_time()
    projection.project(x, projection.MapParameters())
    return {"map: UMAP, its neighbours and its measure": time.process_time() - start}


STEPS: dict[str, Callable[[int], dict[str, float]]] = {
    "search": _search,
    "store": _store,
    "embed": _embed,
    "map": _map,
}

if __name__ == "__main__":
    main()
