"""How fast the Milvus inspector is on a large collection: `python benchmarks/inspector.py [ROWS] [DIM] [COLLECTIONS]`.

Makes a Milvus Lite store with ROWS × DIM (100,000 × 512) and COLLECTIONS empty collections (300) in a temporary folder,
and times what the page asks: overview (all names, one page of summaries, one collection in full), the next page of rows
by key, deep in the collection, and beside it the same page by offset, which is what other tools do. Medians of five.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.store import inspect, milvus, rows, summaries
from lib.store.connection import open_store
from lib.store.milvus import Rows, write_collection


def timed(what: Callable[[], object], repeats: int = 5) -> float:
    """Median milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        what()
        times.append((time.perf_counter() - start) * 1000)
    return round(statistics.median(times), 1)


def main() -> None:
    count, dim, others = (int(word) for word in [*sys.argv[1:], *("100000", "512", "300")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as folder, open_store(str(Path(folder) / "x.db"), timeout_s=300) as store:
        ids = [f"{i:07}" for i in range(count)]
        vectors = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
        start = time.perf_counter()
        index = {"index_type": "IVF_FLAT", "params": {"nlist": 64}}  # a graph of so many takes an hour on two cores
        write_collection(
            store, "large", Rows(ids, ids, ["a"] * count, ["train"] * count, vectors), metric="L2", index=index
        )
        written = time.perf_counter() - start
        for i in range(others):
            store.client.create_collection(f"other_{i:04}", dimension=4, timeout=60)
        names = milvus.names(store)
        deep = ids[count * 9 // 10]
        found = {
            "rows": count,
            "dim": dim,
            "collections": len(names),
            "write_s": round(written, 1),
            "names_ms": timed(lambda: milvus.names(store)),
            "page_of_25_summaries_ms": timed(lambda: [summaries.summary(store, name) for name in names[:25]]),
            "one_collection_in_full_ms": timed(lambda: inspect.inspect(store, "large")),
            "next_page_ms": timed(lambda: rows.by_keys(store, "large", ids[-25:])),
            "the_next_2000_keys_ms": timed(lambda: rows.keys_after(store, "large", deep, 2000)),
            "next_page_by_key_ms": timed(lambda: rows.browse(store, "large", after_id=deep, limit=25)),
            "next_page_by_key_with_vectors_ms": timed(
                lambda: rows.browse(store, "large", after_id=deep, limit=25, vectors=["vector"])
            ),
            "same_page_by_offset_ms": timed(
                lambda: store.client.query(
                    "large", filter="", output_fields=["id", "label"], limit=25, offset=count * 9 // 10, timeout=120
                ),
                3,
            ),
        }
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
