"""A real Milvus server under Petalscope: `make bench-server`, in a network namespace of its own. (As a command:
`tests/with_server.sh python3 .venv/bin/python -m benchmarks.server ROWS DIM COLLECTIONS`.)

Writing: the same rows into the same collection by a bare pymilvus loop (which is what one would type) and by us, in
turns. Then `prepare --milvus-uri` itself, of the prepared photos (PETALSCOPE_ARTIFACTS), against a bare loop that
writes the same collections.
Reading: what the overview asks of a server with COLLECTIONS collections, and the page itself, run by Streamlit's own
harness: as it opens, when other names are looked for, and when it is drawn again.
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import machine, timed
from lib import documents
from lib.prepare import pipeline, workspace
from lib.settings import PROJECT, Settings, from_environment
from lib.store import collections, inspect, overview
from lib.store.connection import Store, open_store
from lib.store.write import Rows, write_collection
from tests.helpers import standalone

BATCH = 1000
ROUNDS, PREPARES = 5, 3
HNSW = {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}}


def rows_of(count: int, dim: int) -> Rows:
    ids = [f"flower/{i:07}.jpg" for i in range(count)]
    vectors = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    return Rows(ids, ids, ["flower"] * count, ["train"] * count, vectors)


def bare(store: Store, name: str, rows: Rows, metric: str, index: dict[str, Any] = HNSW) -> tuple[float, float, float]:
    """Seconds until all is inserted, how many of them this processor worked, and seconds until it can be searched, by
    pymilvus as its documentation has it."""
    from pymilvus import DataType

    client = store.client
    schema = client.create_schema(auto_id=False)
    for field in ("id", "path", "label", "split"):
        schema.add_field(field, DataType.VARCHAR, max_length=4096, is_primary=field == "id")
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.vectors.shape[1])
    start, used = time.perf_counter(), time.process_time()
    client.create_collection(name, schema=schema, timeout=60)
    for i in range(0, len(rows.ids), BATCH):
        columns = (rows.ids, rows.paths, rows.labels, rows.splits, rows.vectors)
        part = zip(*(column[i : i + BATCH] for column in columns), strict=True)
        client.insert(
            name, [dict(zip(("id", "path", "label", "split", "vector"), row, strict=True)) for row in part], timeout=60
        )
    inserted, worked = time.perf_counter() - start, time.process_time() - used
    client.flush(name, timeout=600)
    params = client.prepare_index_params()
    params.add_index("vector", metric_type=metric, **index)
    client.create_index(name, params, timeout=600)
    client.load_collection(name, timeout=600)
    return inserted, worked, time.perf_counter() - start


def ours(store: Store, name: str, rows: Rows, metric: str, index: dict[str, Any]) -> tuple[float, float, float]:
    """The same by us, as `prepare` calls it."""
    last = start = time.perf_counter()
    worked = used = time.process_time()

    def progress(done: int, total: int) -> None:
        nonlocal last, worked
        last, worked = time.perf_counter(), time.process_time()

    about = '{"of": "the benchmark"}'
    write_collection(store, name, rows, metric=metric, index=index, description=about, resume=True, progress=progress)
    return last - start, worked - used, time.perf_counter() - start


def writing(store: Store, rows: Rows) -> dict[str, Any]:
    """Rows per second while inserting. The index is the plainest: how long one is built is the server's affair."""
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    for turn in range(ROUNDS + 1):
        for who, write in (("bare", bare), ("ours", ours)):
            seconds, worked, _ = write(store, "written", rows, "L2", {"index_type": "FLAT"})
            collections.drop(store, "written")
            print(f"  {who}, turn {turn}: inserted in {seconds:.2f} s", file=sys.stderr, flush=True)
            if turn:  # the first warms the server up
                taken[who].append((seconds, worked))
    mine, theirs = (statistics.median(turn[0] for turn in taken[who]) for who in ("ours", "bare"))
    my_work, their_work = (statistics.median(turn[1] for turn in taken[who]) for who in ("ours", "bare"))
    return {
        "rows": len(rows.ids),
        "dim": rows.vectors.shape[1],
        "rows_per_s": round(len(rows.ids) / mine),
        "rows_per_s_of_a_bare_loop": round(len(rows.ids) / theirs),
        "against_a_bare_loop": round(theirs / mine, 3),
        "against_a_bare_loop_in_processor_time_of_the_client": round(their_work / my_work, 3),
    }


def preparing(onto: Settings) -> dict[str, Any]:
    """`prepare` onto an empty server, of photos whose vectors and maps are there, against a bare loop."""
    opened = workspace.open_workspace(onto)
    photos = opened.catalog()
    labels, splits = list(photos.frame["label"]), list(photos.frame["split"])
    rows = Rows(photos.ids, photos.ids, labels, splits, np.empty(0))
    state = opened.folder / "state.json"
    before = state.read_bytes()
    taken: list[tuple[float, float]] = []
    with open_store(onto.milvus_uri) as store:
        for _ in range(PREPARES):
            start = time.perf_counter()
            listed = pipeline.prepare(onto, names=["resnet18"])["milvus"]["collections"]
            first = time.perf_counter()
            pipeline.prepare(onto, names=["resnet18"])  # the same again, with nothing left to write
            written = (first - start) - (time.perf_counter() - first)
            for entry in listed:
                collections.drop(store, entry["name"])
            state.write_bytes(before)
            theirs = 0.0
            for entry, (metric, centred) in zip(listed, itertools.cycle(collections.SIBLINGS.values())):
                vectors = np.asarray(opened.vectors(entry["space"]).values)
                block = replace(rows, vectors=collections.centre(vectors) if centred else vectors)
                theirs += bare(store, "bare", block, metric)[2]
                collections.drop(store, "bare")
            taken.append((written, theirs))
            print(f"  prepare {written:.1f} s, bare {theirs:.1f} s", file=sys.stderr, flush=True)
    ours, theirs = (statistics.median(pair[i] for pair in taken) for i in (0, 1))
    return {
        "rows": len(listed) * len(rows.ids),
        "writing_s": round(ours, 2),
        "writing_by_a_bare_loop_s": round(theirs, 2),
        "against_a_bare_loop": round(theirs / ours, 3),
    }


def many(store: Store, count: int) -> dict[str, Any]:
    """What the overview asks, of a server with so many collections (every tenth with an index)."""
    from pymilvus import DataType

    schema = store.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=8)
    params = store.client.prepare_index_params()
    params.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 64})
    for i in range(count):
        store.client.create_collection(f"shop_{i:04}", schema=schema, timeout=120)
        if i % 10 == 0:
            store.client.create_index(f"shop_{i:04}", params, timeout=120, sync=False)
        if i % 200 == 0:
            print(f"  {i} collections", file=sys.stderr, flush=True)
    names = collections.names(store)
    pages = itertools.cycle(range(0, len(names), 25))  # another each time: a server may remember what it was asked

    def page() -> list[str]:
        start = next(pages)
        return names[start : start + 25]

    return {
        "collections": len(names),
        "names_ms": timed(lambda: collections.names(store)),
        "page_of_25_summaries_one_by_one_ms": timed(lambda: [overview.summarise(store, name) for name in page()]),
        "page_of_25_summaries_ms": timed(lambda: overview.summarise_all(store, page(), lambda _: None)),
        "one_collection_in_full_ms": timed(lambda: inspect.inspect(store, page()[0])),
    }


def drawn(onto: Settings) -> dict[str, Any]:
    """The page in Streamlit's harness, milliseconds."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    from lib.view import cached_milvus

    os.environ |= {"MILVUS_URI": onto.milvus_uri, "PETALSCOPE_ARTIFACTS": str(onto.artifacts)}
    app = AppTest.from_file(str(PROJECT / "Home.py"), default_timeout=120).run()
    app.switch_page("pages/4_Milvus_Collection.py").run()  # imports, and the connection
    assert not app.exception

    def opened() -> None:
        st.cache_data.clear()
        cached_milvus.refresh()
        app.run()
        assert not app.exception
        assert any("collections, 25 at a time" in caption.value for caption in app.caption)

    result = {"page_with_nothing_kept_ms": timed(opened), "page_again_ms": timed(app.run)}
    parts = iter(range(1000))

    def look() -> None:
        app.text_input(key="find").set_value(f"_{next(parts) % 20:02}").run()

    return result | {"page_looking_for_names_ms": timed(look)}


def main() -> None:
    if why := standalone.why_not():
        raise SystemExit(f"Nothing was measured: {why.replace('test-server', 'bench-server')}.")
    count, dim, others = (int(word) for word in [*sys.argv[1:], *("50000", "512", "2000")[len(sys.argv) - 1 :]])
    collected: dict[str, Any] = {"machine": machine(), "busy": os.getloadavg()[0]}
    settings = from_environment()
    workspace.open_workspace(settings)  # says now what is missing
    with tempfile.TemporaryDirectory() as name, standalone.running(Path(name) / "server") as address:
        shutil.copytree(settings.artifacts / "sets", Path(name) / "artifacts" / "sets")
        onto = replace(settings, artifacts=Path(name) / "artifacts", milvus_uri=address)
        with open_store(address, timeout_s=120) as store:
            collected["writing"] = writing(store, rows_of(count, dim))
            collected["prepare"] = preparing(onto)
            collected["overview"] = many(store, others) | drawn(onto)
    print(documents.json_text(collected, indent=1))


if __name__ == "__main__":
    main()
