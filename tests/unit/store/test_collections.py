"""lib.store against a real Milvus Lite; the reference for every metric is plain NumPy in float64."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.errors import PetalscopeError, QueryError, StoreError, StoreLockedError
from lib.settings import PROJECT
from lib.store import collections, index_types, vector_search
from lib.store.connection import Store, open_store
from lib.store.vector_search import search_collection
from lib.store.write import Rows, write_collection

N, DIM = 500, 32
METRICS = ("mse", "l1", "l2", "cosine", "ncc")
# A quote, a backslash, a line break and non-ASCII: whatever a file name may hold.
IDS = [f"bläume/{i}'\"\\\n 花.jpg" for i in range(N)]


def make_rows(n: int = N, seed: int = 0) -> Rows:
    """Vectors of very different lengths and means, so that the metrics disagree; row 3 is zero and row 4 constant."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, DIM)) * rng.uniform(0.1, 10, (n, 1)) + rng.normal(size=(n, 1))
    if n > 4:
        vectors[3], vectors[4] = 0.0, 2.7
    labels = [f"class {i % 5}" for i in range(n)]
    return Rows(IDS[:n], IDS[:n], labels, ["train"] * n, vectors.astype(np.float32))


def reference(metric: str, vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    rows, x = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "mse":
        return ((rows - x) ** 2).mean(axis=1)
    if metric == "l1":
        return np.abs(rows - x).sum(axis=1)
    if metric == "l2":
        return np.sqrt(((rows - x) ** 2).sum(axis=1))
    if metric == "ncc":
        rows, x = rows - rows.mean(axis=1, keepdims=True), x - x.mean()
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(x)
    return np.where(lengths > 1e-6, rows @ x / np.where(lengths > 1e-6, lengths, 1.0), 0.0)


def expected(metric: str, rows: Rows, query: np.ndarray, k: int) -> list[tuple[str, float]]:
    values = reference(metric, rows.vectors, query)
    sign = -1.0 if metric in {"cosine", "ncc"} else 1.0
    order = sorted(range(len(values)), key=lambda i: (sign * values[i], rows.ids[i]))
    return [(rows.ids[i], float(values[i])) for i in order[:k]]


def write_space(store: Store, base: str, rows: Rows, **options: Any) -> None:
    write_collection(store, base, rows, metric="COSINE", **options)
    write_collection(store, f"{base}_centred", rows, metric="COSINE", centred=True, **options)
    write_collection(store, f"{base}_l2", rows, metric="L2", **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(str(tmp_path_factory.mktemp("mit Leerzeichen und ü") / "my störe.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def rows() -> Rows:
    return make_rows()


@pytest.fixture(scope="module")
def base(store: Store, rows: Rows) -> str:
    base = collections.collection_names("resnet18", "0123456789abcdef")["base"]
    write_space(store, base, rows, description=json.dumps({"space": "resnet18"}))
    return base


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    rng = np.random.default_rng(7)
    return (rng.normal(size=(20, DIM)) * 3 + 0.5).astype(np.float32)


# -- what is written ------------------------------------------------------------------------------------------------


def test_collections_of_a_space_are_written_counted_and_described(store: Store, base: str) -> None:
    assert base == "resnet18_01234567"
    for name in collections.collection_names("resnet18", "0123456789abcdef").values():
        assert name in collections.names(store)
        assert collections.count_rows(store, name) == N
        assert collections.load_state(store, name) == "Loaded"
        assert collections.provenance(store, name) == {"space": "resnet18"}


def test_names_are_ones_that_milvus_takes() -> None:
    assert collections.collection_names("my-space é", "ABCDEF0123")["l2"] == "my_space___ABCDEF01_l2"
    assert collections.collection_names("3d", "ab")["base"] == "_3d_ab"


def test_build_parameters_arrive(store: Store) -> None:
    index = {"index_type": "HNSW", "params": {"M": 24, "efConstruction": 111}}
    write_collection(store, "params", make_rows(50), metric="L2", index=index)
    assert store.client.describe_index("params", collections.VECTOR, timeout=5)["params"] == index["params"]
    collections.drop(store, "params")


def test_long_write_goes_in_batches_and_reads_a_memory_map(store: Store, tmp_path: Path) -> None:
    n = 1203
    vectors = np.random.default_rng(1).normal(size=(n, 8)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    ids = [f"{i:05}" for i in range(n)]
    seen: list[tuple[int, int]] = []
    rows = Rows(ids, ids, ["a"] * n, ["val"] * n, mapped)
    assert write_collection(store, "batches", rows, metric="L2", progress=lambda i, t: seen.append((i, t))) == n
    assert seen == [(500, n), (1000, n), (n, n)]
    hit = vector_search.search_vectors(store, "batches", vectors[-1:], 1, output_fields=["split"])[0][0]
    assert (hit["id"], hit["split"]) == (ids[-1], "val")
    collections.drop(store, "batches")


def test_writing_again_replaces(store: Store) -> None:
    write_collection(store, "again", make_rows(60), metric="COSINE")
    write_collection(store, "again", make_rows(40, seed=5), metric="L2")
    assert collections.count_rows(store, "again") == 40
    assert store.client.describe_index("again", collections.VECTOR, timeout=5)["metric_type"] == "L2"
    collections.drop(store, "again")
    assert "again" not in collections.names(store)
    collections.drop(store, "again")


def test_interrupted_write_leaves_nothing_and_spares_the_others(
    store: Store, base: str, rows: Rows, queries: np.ndarray
) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        write_collection(store, "new", rows, metric="L2", progress=stop)
    assert "new" not in collections.names(store)
    assert len(search_collection(store, base, "l2", queries[:1], 5)[0]) == 5


def test_failing_engine_leaves_nothing(store: Store) -> None:
    index = {"index_type": "HNSW", "params": {"M": "many"}}
    with pytest.raises(StoreError, match=r"Milvus at .* cannot build HNSW for broken: invalid literal"):
        write_collection(store, "broken", make_rows(10), metric="L2", index=index)
    assert "broken" not in collections.names(store)


def with_value(field: str, value: Any) -> Callable[[Rows], Rows]:
    return lambda rows: replace(rows, **{field: [value, *getattr(rows, field)[1:]]})


def with_vectors(change: Callable[[np.ndarray], Any]) -> Callable[[Rows], Rows]:
    return lambda rows: replace(rows, vectors=change(rows.vectors.copy()))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_vectors(lambda v: np.where(np.arange(len(v))[:, None] == 7, np.nan, v)), r"bläume/7.*not finite"),
        (with_vectors(lambda v: np.where(np.arange(len(v))[:, None] == 8, np.inf, v)), r"bläume/8.*not finite"),
        (with_vectors(lambda v: v[:0]), "no vectors"),
        (with_vectors(lambda v: v[0]), "no vectors"),
        (with_vectors(lambda v: v[:, :1]), "2 to 32768"),
        (with_vectors(lambda v: np.zeros((20, 32_769), np.float32)), "search this space exactly"),
        (with_vectors(lambda v: v[:-1]), "20 values of id for 19 vectors"),
        (with_value("ids", IDS[1]), "same id"),
        (with_value("ids", "ü" * 2049), "4098 bytes"),
        (with_value("paths", "x" * 4097), "path .* 4097 bytes"),
        (with_value("labels", "y" * 1025), "label .* 1025 bytes"),
        (with_value("ids", "bad\udcff.jpg"), "not valid Unicode"),
    ],
)
def test_rows_that_milvus_cannot_hold_are_refused(store: Store, spoil: Callable[[Rows], Rows], words: str) -> None:
    if "kept" not in collections.names(store):
        write_collection(store, "kept", make_rows(20), metric="L2")
    with pytest.raises(StoreError, match=words):
        write_collection(store, "kept", spoil(make_rows(20)), metric="L2")
    assert collections.count_rows(store, "kept") == 20  # refused before anything was dropped


def test_longest_id_fits(store: Store) -> None:
    rows = with_value("ids", "ü" * 2048)(make_rows(5))
    write_collection(store, "long", rows, metric="L2")
    assert vector_search.search_vectors(store, "long", rows.vectors[:1], 1)[0][0]["id"] == "ü" * 2048
    collections.drop(store, "long")


@pytest.mark.parametrize("kind", ["IVF_PQ", "SCANN", "DISKANN", "HNSW_PQ", "IVF_RABITQ", "GPU_CAGRA", ""])
def test_indexes_that_lite_only_pretends_to_build_are_refused(store: Store, kind: str) -> None:
    with pytest.raises(StoreError, match="Milvus Lite does not build"):
        write_collection(store, "fake", make_rows(10), metric="L2", index={"index_type": kind})
    assert "fake" not in collections.names(store)


@pytest.mark.parametrize("kind", sorted(index_types.LITE_INDEXES))
def test_indexes_that_lite_builds(store: Store, kind: str) -> None:
    rows = make_rows(60)
    # 8 cells of 60 rows: more would make faiss complain about too few training points.
    index = {"index_type": kind, "params": {"nlist": 1} if kind.startswith("IVF") else {}}
    write_collection(store, "kind", rows, metric="L2", index=index)
    found = vector_search.search_vectors(store, "kind", rows.vectors[:1], 1, search_params={"nprobe": 8, "ef": 64})
    assert found[0][0]["id"] == rows.ids[0]
    collections.drop(store, "kind")


def test_metric_of_a_collection_is_one_of_two(store: Store) -> None:
    with pytest.raises(StoreError, match="COSINE or L2"):
        write_collection(store, "metric", make_rows(10), metric="IP")


def test_centre_takes_the_mean_off_and_constants_to_zero() -> None:
    assert collections.centre(np.array([[1, 2, 3], [0, 0, 0]], np.float32)).tolist() == [[-1, 0, 1], [0, 0, 0]]
    for size in (3, 7, 512, 2047):
        constants = np.random.default_rng(size).normal(size=(50, 1)).astype(np.float32).repeat(size, axis=1)
        assert not collections.centre(constants).any()


# -- what is found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_agrees_with_numpy(store: Store, base: str, rows: Rows, queries: np.ndarray, metric: str) -> None:
    k = 25  # 20 k candidates are all 500 rows, so that l1 must be exact as well
    for query, found in zip(queries, search_collection(store, base, metric, queries, k), strict=True):
        wanted = expected(metric, rows, query, k)
        assert [i for i, _, _ in found] == [i for i, _ in wanted]
        assert [value for _, _, value in found] == pytest.approx([value for _, value in wanted], rel=1e-5, abs=1e-6)
        assert all(label == f"class {IDS.index(i) % 5}" for i, label, _ in found)


def test_metrics_really_differ_on_this_data(rows: Rows, queries: np.ndarray) -> None:
    tops = {metric: tuple(i for i, _ in expected(metric, rows, queries[0], 10)) for metric in METRICS}
    assert tops["mse"] == tops["l2"]
    assert len(set(tops.values())) == 4


def test_l1_ranks_the_cosine_candidates(store: Store, base: str, rows: Rows, queries: np.ndarray) -> None:
    k = 10
    for query, found in zip(queries, search_collection(store, base, "l1", queries, k), strict=True):
        candidates = {i for i, _ in expected("cosine", rows, query, 200)}
        wanted = [i for i, _ in expected("l1", rows, query, N) if i in candidates][:k]
        assert [i for i, _, _ in found] == wanted


def test_zero_and_constant_vectors_have_no_direction(store: Store, base: str) -> None:
    query = make_rows().vectors[:1]
    for metric, without in (("cosine", {IDS[3]}), ("ncc", {IDS[3], IDS[4]})):
        values = {i: value for i, _, value in search_collection(store, base, metric, query, N)[0]}
        assert len(values) == N
        assert {i for i in without if values[i] == 0.0} == without
    constant = np.full((1, DIM), 1.3, np.float32)
    assert {value for _, _, value in search_collection(store, base, "ncc", constant, 10)[0]} == {0.0}


def test_a_row_finds_itself_at_zero_distance(store: Store, base: str, rows: Rows) -> None:
    for metric in METRICS:
        found = search_collection(store, base, metric, rows.vectors[10], 1)[0][0]
        assert found[:2] == (IDS[10], "class 0")
        assert found[2] == pytest.approx(1.0 if metric in {"cosine", "ncc"} else 0.0, abs=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_left_out_ids_are_replaced_by_the_next(
    store: Store, base: str, rows: Rows, queries: np.ndarray, metric: str
) -> None:
    full = [i for i, _ in expected(metric, rows, queries[0], 40)]
    left = set(full[:15])
    found = search_collection(store, base, metric, queries[:1], 25, leave_out=left)[0]
    assert [i for i, _, _ in found] == full[15:]


def test_ties_break_by_id(store: Store) -> None:
    vectors = np.tile(np.arange(DIM, dtype=np.float32), (12, 1))
    ids = [f"{i:02}" for i in (7, 3, 11, 0, 5, 9, 1, 10, 2, 8, 4, 6)]
    rows = Rows(ids, ids, ["a"] * 12, ["train"] * 12, vectors)
    write_space(store, "ties", rows)
    for metric in METRICS:
        assert [i for i, _, _ in search_collection(store, "ties", metric, vectors[:1], 4)[0]] == sorted(ids)[:4]
    for name in ("ties", "ties_centred", "ties_l2"):
        collections.drop(store, name)


def test_filter_reaches_the_engine(store: Store, base: str, queries: np.ndarray) -> None:
    hits = vector_search.search_vectors(
        store, base, queries[:2], 5, filter='label == "class 3"', output_fields=["label", "path"]
    )
    assert [[hit["label"] for hit in row] for row in hits] == [["class 3"] * 5] * 2
    assert all(set(hit) == {"id", "distance", "label", "path"} for hit in hits[0])
    assert set(vector_search.search_vectors(store, base, queries[:1], 1)[0][0]) == {
        "id",
        "distance",
    }  # no vectors unasked


@pytest.mark.parametrize(
    ("ask", "kind", "words"),
    [
        (lambda s, b, q: search_collection(s, b, "dot", q, 5), QueryError, "no metric 'dot'"),
        (lambda s, b, q: search_collection(s, b, "l2", q[:, :5], 5), QueryError, "32 numbers and the query has 5"),
        (lambda s, b, q: search_collection(s, b, "l2", q * np.nan, 5), QueryError, "not finite"),
        (lambda s, b, q: search_collection(s, b, "l2", q, 20_000), QueryError, "16384"),
        (lambda s, b, q: search_collection(s, b, "l2", q, 0), QueryError, "not 0"),
        (lambda s, b, q: search_collection(s, "gone", "l2", q, 5), StoreError, "no collection gone_l2 .* prepare"),
        (lambda s, b, q: vector_search.search_vectors(s, b, q, 5, filter="label =="), StoreError, "cannot search"),
    ],
)
def test_questions_without_an_answer(
    store: Store, base: str, queries: np.ndarray, ask: Callable[..., Any], kind: type[PetalscopeError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        ask(store, base, queries)


def test_engine_errors_are_ours_and_one_line(store: Store, base: str) -> None:
    with pytest.raises(StoreError) as caught:  # on Lite this is a grpc.RpcError, not a MilvusException
        store.call("describe_replica", base, doing="describe replicas")
    assert str(caught.value).endswith("cannot describe replicas: UNIMPLEMENTED: Method not implemented.")


# -- opening and owning ---------------------------------------------------------------------------------------------


def run_python(code: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Another process. The timeout is only there to end a hang."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=PROJECT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_rows_survive_closing(tmp_path: Path) -> None:
    path, rows = tmp_path / "x.db", make_rows(30)
    with open_store(str(path)) as store:
        assert (store.engine, store.cloud, store.uri) == ("lite", False, str(path))
        write_space(store, "s", rows)
        owner = json.loads((tmp_path / "x.db.owner.json").read_text())
        assert owner["pid"] == os.getpid()
        assert owner["role"] == "petalscope"
    assert not (tmp_path / "x.db.owner.json").exists()
    with pytest.raises(StoreError, match="closed"):
        collections.names(store)
    with open_store(str(path)) as store:
        assert collections.load_state(store, "s_l2") == "NotLoad"
        assert search_collection(store, "s", "l2", rows.vectors[:1], 1)[0][0][0] == IDS[0]


def test_one_client_per_path_in_a_process(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    (tmp_path / "link.db").symlink_to(path)
    with ThreadPoolExecutor(8) as pool:  # opened at once, which Lite itself does not survive
        start = threading.Barrier(8)
        stores = list(pool.map(lambda i: (start.wait(), open_store(str(path)))[1], range(8)))
    stores.append(open_store(str(tmp_path / "link.db")))
    assert len({id(store.client) for store in stores}) == 1
    for store in stores[:-1]:
        store.close()
        store.close()
    assert collections.names(stores[-1]) == []
    stores[-1].close()
    assert not (tmp_path / "x.db.owner.json").exists()


OWNER = """
import sys
from lib.store.connection import open_store
store = open_store(sys.argv[1], role="the app")
print("open", flush=True)
sys.stdin.read()
"""
VISITOR = """
import sys
from lib.errors import StoreLockedError
from lib.store.connection import open_store
try:
    open_store(sys.argv[1], wait_s=0.0)
except StoreLockedError as error:
    print(error)
"""


def test_store_of_another_process_is_locked_until_it_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, path],
        cwd=PROJECT,
        env={**os.environ, "MILVUS_URI": path},  # pymilvus by itself cannot even be imported with that
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError, match=rf"in use by the app \(process {owner.pid}, since .*--milvus-uri"):
            open_store(path, wait_s=0.3)
        visitor = run_python(VISITOR, path)
        assert f"process {owner.pid}" in visitor.stdout
        assert visitor.stderr == ""
        note = Path(path + ".owner.json")
        for text in ("nonsense", json.dumps({"pid": 2**22 + 1, "role": "x", "since": "", "host": os.uname().nodename})):
            note.write_text(text)  # damaged, or left by a process that is no more
            with pytest.raises(StoreLockedError, match="in use by another process"):
                open_store(path, wait_s=0.0)
    finally:
        # It ends without close(): the exit itself must give the store back, promptly and silently.
        _, errors = owner.communicate(timeout=60)
    assert (owner.returncode, errors) == (0, "")
    with open_store(path, wait_s=0.0) as store:
        assert collections.names(store) == []


def test_waiting_for_the_owner_to_finish(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, path], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    assert owner.stdout.readline() == "open\n"
    later = threading.Timer(0.5, owner.stdin.close)
    later.start()
    with open_store(path, wait_s=60.0) as store:
        assert store.engine == "lite"
    later.join()
    owner.stdout.close()
    assert owner.wait(60) == 0


def test_environment_is_left_alone_and_nothing_is_printed(tmp_path: Path) -> None:
    code = """
import os, sys
before = dict(os.environ)
from lib.errors import StoreError
from lib.store.connection import open_store
with open_store(sys.argv[1]) as store:
    try:
        store.call("describe_collection", "nothing", doing="describe nothing")
    except StoreError as error:
        print(error)
print(dict(os.environ) == before, os.getenv("MILVUS_URI"))
"""
    path = str(tmp_path / "x.db")
    # A proxy that does not exist must not come between us and our own process.
    done = run_python(code, path, MILVUS_URI=path, http_proxy="http://127.0.0.1:9")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"Milvus at {path} cannot describe nothing: collection 'nothing' does not exist.",
        f"True {path}",
    ]


def single_file_database(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00" + b"\x10\x00" * 50)


def plain_file(path: Path) -> None:
    path.write_bytes(b"just some text")


def foreign_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("mine")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (single_file_database, "Milvus Lite 2.x"),
        (plain_file, "plain file"),
        (foreign_folder, "folder with other contents"),
    ],
)
def test_what_is_not_a_store_is_named_and_kept(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "x.db"
    make(path)
    before = {item: item.read_bytes() for item in tmp_path.rglob("*") if item.is_file()}
    with pytest.raises(StoreError, match=words):
        open_store(str(path))
    assert {item: item.read_bytes() for item in tmp_path.rglob("*") if item.is_file()} == before


def test_damaged_store_is_named_and_releases_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.mkdir()
    (path / "LOCK").touch()
    (path / "collections").write_text("not a folder")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"Milvus Lite cannot open .*File exists"):
            open_store(str(path), wait_s=0.0)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "No Milvus address"),
        ("{folder}/missing/x.db", "folder .*/missing .* does not exist"),
        ("{folder}/x.sqlite", "neither a Milvus Lite store"),
        ("{folder}/x.DB", "a path ending in .db"),
        ("localhost:19530", "such as http://localhost:19530"),
        ("http://localhost:19530/x.db", "cannot end in .db"),
        ("file:///tmp/x.db", "begins with 'file'"),
        ("http://localhost:port", "not a server's address"),
    ],
)
def test_addresses_that_cannot_work(tmp_path: Path, uri: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        open_store(uri.format(folder=tmp_path), timeout_s=1.0)
    assert list(tmp_path.iterdir()) == []


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_store("~/x.db") as store:
        assert store.uri == str(tmp_path / "x.db")


def test_dead_server_is_named_without_its_password() -> None:
    for uri, token in (("http://127.0.0.1:1", "root:s3cret"), ("http://root:s3cret@127.0.0.1:1", "")):
        with pytest.raises(StoreError, match=r"No Milvus server answers at http://127\.0\.0\.1:1 ") as caught:
            open_store(uri, token, timeout_s=0.5)
        assert "s3cret" not in str(caught.value)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Milvus' protocol over TCP with a password, the way a real server refuses and accepts."""
    import base64

    import grpc
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from milvus_lite.db import MilvusLite
    from pymilvus.grpc_gen import milvus_pb2_grpc

    key = base64.b64encode(b"root:s3cret").decode()

    def refuse(request: Any, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username and password")

    class Door(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Any, call: Any) -> Any:
            allowed = dict(call.invocation_metadata).get("authorization") == key
            return continuation(call) if allowed else grpc.unary_unary_rpc_method_handler(refuse)

    database = MilvusLite(str(tmp_path / "data"))
    served = grpc.server(ThreadPoolExecutor(2), interceptors=[Door()])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), served)
    port = served.add_insecure_port("127.0.0.1:0")
    served.start()
    yield f"127.0.0.1:{port}"
    served.stop(grace=None).wait()
    database.close()


def test_server_with_a_password(server: str) -> None:
    for token in ("root:wr0ng", ""):
        with pytest.raises(StoreError, match="refused the credentials; check MILVUS_TOKEN") as caught:
            open_store(f"http://{server}", token, timeout_s=2.0)
        assert "wr0ng" not in str(caught.value)
    for uri, token in ((f"http://{server}", "root:s3cret"), (f"http://root:s3cret@{server}", "")):
        with open_store(uri, token) as store:
            assert (store.uri, store.engine) == (f"http://{server}", "lite")  # by what answers, not by the address
            assert "s3cret" not in repr(store)
            assert write_collection(store, "over_tcp", make_rows(20), metric="L2") == 20


class Failing:
    """A client whose every call fails with the given error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*args: Any, **kwargs: Any) -> Any:
            assert kwargs["timeout"] > 0  # no call may wait for ever
            raise self.error

        return fail


def test_token_never_stands_in_an_error() -> None:
    error = RuntimeError("bad login root:s3cret for s3cret\nand a second line")
    store = Store(Failing(error), "https://x.zillizcloud.com", "v2.5", 1.0, token="root:s3cret")
    assert store.cloud
    with pytest.raises(StoreError) as caught:
        collections.names(store)
    assert str(caught.value) == (
        "Milvus at https://x.zillizcloud.com cannot list its collections: bad login *** for ***."
    )
