"""Writes that were cut short go on: lib.store.resume_write and `prepare`, on a real Milvus Lite (and, through
test_server, on a real server)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.prepare import pipeline
from lib.progress import Reporter
from lib.settings import PROJECT, Settings
from lib.store import collections, rows, vector_search
from lib.store import write as store_write
from lib.store.connection import Store, open_store
from lib.store.write import Rows, write_collection

BATCH, N, DIM = 7, 60, 8
IVF = {"index_type": "IVF_FLAT", "params": {"nlist": 4}}


def make_rows(n: int = N) -> Rows:
    ids = [f"rose/{i:02}'\"\\ é.jpg" for i in np.random.default_rng(2).permutation(n)]
    vectors = np.random.default_rng(1).normal(size=(n, DIM)).astype(np.float32)
    return Rows(ids, ids, [f"c{i % 3}" for i in range(n)], ["train"] * n, vectors)


class Cut(Exception):
    pass


def cutting(after: int) -> Any:
    """A progress function that ends the write once so many rows are in."""

    def progress(done: int, total: int) -> None:
        if done >= after:
            raise Cut

    return progress


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("resuming") / "x.db")


@pytest.fixture(scope="module")
def store(uri: str) -> Iterator[Store]:
    with open_store(uri) as opened:
        yield opened


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every insert, with its number of rows, and every creation and drop of a collection (0), as they happen; inserts
    are small here."""
    monkeypatch.setattr(store_write, "BATCH", {"lite": BATCH, "server": BATCH})
    calls: list[tuple[str, int]] = []
    real = Store.call

    def call(self: Store, method: str, *args: Any, **kwargs: Any) -> Any:
        answer = real(self, method, *args, **kwargs)
        if method in {"insert", "upsert", "delete"}:
            calls.append((method, len(args[1]) if len(args) > 1 else 0))
        elif method in {"create_collection", "drop_collection"}:
            calls.append((method, 0))
        return answer

    monkeypatch.setattr(Store, "call", call)
    return calls


def contents(store: Store, name: str) -> list[dict[str, Any]]:
    collections.ensure_loaded(store, name)
    return [row for page in rows.pages(store, name, vectors=["vector"], strong=True) for row in page]


def write(store: Store, new_rows: Rows, **options: Any) -> int:
    return write_collection(
        store, "cut", new_rows, **{"metric": "COSINE", "description": "{}", "resume": True} | options
    )


def holds(store: Store, new_rows: Rows) -> None:
    """The collection holds these rows and no others, bit by bit."""
    order = sorted(range(len(new_rows.ids)), key=lambda place: new_rows.ids[place])
    result = contents(store, "cut")
    assert [row["id"] for row in result] == [new_rows.ids[place] for place in order]
    assert [row["label"] for row in result] == [new_rows.labels[place] for place in order]
    assert np.array_equal(np.array([row["vector"] for row in result], np.float32), new_rows.vectors[order])


@pytest.mark.parametrize("after", [1, 3 * BATCH, N])
def test_a_write_goes_on_where_it_was_cut(store: Store, written: list[tuple[str, int]], after: int) -> None:
    created = make_rows()
    with pytest.raises(Cut):
        write(store, created, progress=cutting(after))
    written_count = sum(count for _, count in written)
    assert written_count == min(N, -(-after // BATCH) * BATCH)
    written.clear()
    reports: list[tuple[int, int]] = []
    assert write(store, created, progress=lambda *step: reports.append(step)) == N
    assert sum(count for _, count in written) == N - written_count
    assert {method for method, _ in written} <= {"insert"}
    assert (reports[0], reports[-1]) == ((written_count, N), (N, N))
    holds(store, created)
    (index,) = [store.client.describe_index("cut", each, timeout=5) for each in store.client.list_indexes("cut")]
    assert (index["index_type"], index["metric_type"]) == ("HNSW", "COSINE")
    hit = vector_search.search_vectors(store, "cut", created.vectors[-1:], 1)[0][0]
    assert hit["id"] == created.ids[-1]
    collections.drop(store, "cut")


def test_it_may_be_cut_again_and_again(store: Store, written: list[tuple[str, int]]) -> None:
    created = make_rows()
    for after in (2 * BATCH, 4 * BATCH, 6 * BATCH):
        with pytest.raises(Cut):
            write(store, created, progress=cutting(after))
    assert write(store, created) == N
    assert [count for method, count in written if method == "insert"] == [BATCH] * 8 + [N - 8 * BATCH]
    holds(store, created)
    written.clear()
    assert write(store, created) == N  # of what is whole, nothing is written again
    assert written == []
    collections.drop(store, "cut")


@pytest.mark.parametrize(
    ("whole", "other", "options"),
    [
        (False, make_rows(), {"description": '{"of": "other photos"}'}),
        (False, replace(make_rows(), vectors=np.ones((N, 5), np.float32)), {}),
        (False, Rows(*(column[: 2 * BATCH - 1] for column in vars(make_rows()).values())), {}),
        (True, make_rows(), {"metric": "L2"}),
        (True, make_rows(), {"index": IVF}),
    ],
)
def test_what_was_begun_otherwise_is_written_anew(
    store: Store, written: list[tuple[str, int]], whole: bool, other: Rows, options: dict[str, Any]
) -> None:
    if whole:
        write(store, make_rows())
    else:
        with pytest.raises(Cut):
            write(store, make_rows(), progress=cutting(2 * BATCH))
    written.clear()
    assert write(store, other, **options) == len(other.ids)
    assert sum(count for _, count in written) == len(other.ids)
    assert [method for method, count in written if not count] == ["drop_collection", "create_collection"]
    holds(store, other)
    collections.drop(store, "cut")


def test_without_a_description_nobody_knows_what_was_begun(store: Store, written: list[tuple[str, int]]) -> None:
    with pytest.raises(Cut):
        write(store, make_rows(), description="", progress=cutting(2 * BATCH))
    written.clear()
    assert write(store, make_rows(), description="") == N
    assert ("drop_collection", 0) in written
    collections.drop(store, "cut")


DYING = """
import os, signal, sys
from lib.store import write
from lib.store.connection import open_store
from tests.unit.store import test_resume_write
write.BATCH = {"lite": test_resume_write.BATCH, "server": test_resume_write.BATCH}
def progress(done, total):
    if done >= int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
with open_store(sys.argv[1]) as store:
    test_resume_write.write(store, test_resume_write.make_rows(), progress=progress)
"""


def killed(uri: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING, uri, str(3 * BATCH)], cwd=PROJECT, env={**os.environ}, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    """The address of a store that no test has open."""
    return str(tmp_path / "y.db")


def test_a_killed_process_leaves_what_it_wrote(elsewhere: str, written: list[tuple[str, int]]) -> None:
    killed(elsewhere)
    with open_store(elsewhere) as store:
        assert write(store, make_rows()) == N
        assert written == [("insert", BATCH)] * 5 + [("insert", N - 8 * BATCH)]
        holds(store, make_rows())
        collections.drop(store, "cut")


# -- prepare --------------------------------------------------------------------------------------------------------


@pytest.fixture
def target() -> str:
    """Where `prepare` writes to; empty is the Lite store of its own artifacts."""
    return ""


def test_prepare_goes_on_where_it_was_cut(copied: Settings, target: str, written: list[tuple[str, int]]) -> None:
    settings = replace(copied, milvus_uri=target)
    names = [entry["name"] for entry in pipeline.prepare(settings)["milvus"]["collections"]]
    total = sum(count for _, count in written)
    with open_store(settings.store_uri) as store:
        before = {name: contents(store, name) for name in names}
        for name in names:
            collections.drop(store, name)
    assert total == sum(map(len, before.values()))
    # The state in the artifacts still names them; a second user of the store has none.
    (copied.artifacts / "sets").joinpath(next((copied.artifacts / "sets").iterdir()).name, "state.json").unlink()
    written.clear()

    def cut(stage: str, done: int, total: int | None) -> None:
        if stage == f"store {names[1]}" and done >= 3 * BATCH:
            raise Cut

    with pytest.raises(Cut):
        pipeline.prepare(settings, reporter=Reporter(cut))
    first = sum(count for _, count in written)
    assert len(before[names[0]]) < first < total
    written.clear()
    assert [entry["name"] for entry in pipeline.prepare(settings)["milvus"]["collections"]] == names
    assert sum(count for _, count in written) == total - first
    assert ("drop_collection", 0) not in written
    with open_store(settings.store_uri) as store:
        assert {name: contents(store, name) for name in names} == before
        written.clear()
        assert pipeline.prepare(settings)["milvus"]["collections"]
        assert written == []
        for name in names:
            collections.drop(store, name)
