"""lib.store.vector_health, drift, changes and steps on a real Milvus Lite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.errors import QueryError, StoreError
from lib.store import changes, collections, drift, quickstart, rows, vector_health
from lib.store import inspect as reader
from lib.store.connection import Store, open_store
from lib.store.write import Rows, write_collection
from tests.helpers import foreign_collection

DIM = 6


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(str(tmp_path_factory.mktemp("mending") / "x.db")) as opened:
        foreign_collection.make(opened, "f")
        yield opened


def entry(store: Store, name: str) -> dict[str, Any]:
    return dict(reader.inspect(store, name)["collections"][0])


def make_rows(n: int = 40) -> Rows:
    ids = [f"rose/{i:02}'\"\\.jpg" for i in range(n)]
    vectors = np.random.default_rng(1).normal(size=(n, DIM)).astype(np.float32)
    return Rows(ids, ids, [f"c{i % 3}" for i in range(n)], ["train"] * n, vectors)


# -- health ---------------------------------------------------------------------------------------------------------


def test_every_kind_of_bad_vector_is_found(store: Store) -> None:
    from pymilvus import DataType

    schema = store.client.create_schema()
    schema.add_field("key", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("kind", DataType.VARCHAR, max_length=10)
    store.client.create_collection("sick", schema=schema, timeout=10)
    good = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    good[:, 2] = 7.0  # the same in all rows
    bad: list[list[float]] = [
        [0, 0, 0, 0], [3, 3, 3, 3], [float("nan"), 1, 7, 1], [float("inf"), 1, 7, 1], good[5].tolist(), good[5].tolist()
    ]  # fmt: skip
    data = [{"key": i, "v": v, "kind": "a" if i < 15 else "b"} for i, v in enumerate([*good.tolist(), *bad])]
    broken = ["22", "23"]
    if store.engine == "server":  # which takes none that are not finite, and loads nothing without an index
        for row in (data.pop(23), data.pop(22)):
            with pytest.raises(StoreError, match="not a number or infinity"):
                store.call("insert", "sick", [row], doing="insert")
        broken = []
        params = store.client.prepare_index_params()
        params.add_index("v", index_type="FLAT", metric_type="L2")
        store.client.create_index("sick", params, timeout=60)
    store.client.insert("sick", data, timeout=10)
    store.client.flush("sick", timeout=60)
    collections.ensure_loaded(store, "sick")
    health = vector_health.examine(store, entry(store, "sick"), "v", by="kind")
    assert (health.rows, health.dim, health.complete) == (24 + len(broken), 4, True)
    assert health.counts == {"zero": 1, "constant": 1, "broken": len(broken), "null": 0}
    assert (health.keys["zero"], health.keys["constant"]) == (["20"], ["21"])
    assert health.keys.get("broken", []) == broken
    assert health.duplicates == [["5", "24", "25"]]
    assert health.duplicate_rows == 3
    assert health.values == {"a": 15, "b": 9 + len(broken)}
    assert health.dead == []  # the zero and the constant vector differ there
    finite = np.array([v for v in [*good.tolist(), *bad] if np.isfinite(v).all()])
    assert np.sort(health.norms) == pytest.approx(np.sort(np.linalg.norm(finite, axis=1)), rel=1e-5)
    store.call("delete", "sick", filter="key in [20, 21]", doing="delete")
    assert vector_health.examine(store, entry(store, "sick"), "v").dead == [2]
    collections.drop(store, "sick")


def test_sound_vectors_are_called_sound(store: Store) -> None:
    health = vector_health.examine(store, entry(store, "f"), "dense")
    assert sum(health.counts.values()) == health.duplicate_rows == len(health.dead) == 0
    with pytest.raises(QueryError, match="is not a field of dense or binary vectors"):
        vector_health.examine(store, entry(store, "f"), "words")


# -- drift ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centred", [False, True])
def test_drift_is_found_and_mended(store: Store, centred: bool) -> None:
    stored = make_rows()
    write_collection(store, "ours", stored, metric="COSINE", centred=centred)
    assert drift.compare(store, "ours", stored, centred=centred) == drift.Drift(same=40)
    # Today: the first four photos are gone, three are new, two look different, one has another label.
    now = make_rows(43)
    vectors = now.vectors.copy()
    vectors[[10, 11], 0] += 0.25
    labels = [*now.labels]
    labels[20] = "another"
    wanted = Rows(now.ids[4:], now.paths[4:], labels[4:], now.splits[4:], vectors[4:])
    differences = drift.compare(store, "ours", wanted, centred=centred)
    assert differences.missing == now.ids[40:]
    assert differences.extra == now.ids[:4]
    assert differences.moved == [now.ids[10], now.ids[11]]
    assert differences.renamed == [now.ids[20]]
    assert differences.same == 33
    reports: list[tuple[int, int | None]] = []
    touched = drift.repair(
        store, "ours", differences, wanted, centred=centred, progress=lambda *step: reports.append(step)
    )
    assert touched == 10
    assert reports[-1] == (10, 10)
    assert drift.compare(store, "ours", wanted, centred=centred) == drift.Drift(same=39)
    assert collections.count_rows(store, "ours") == 39
    collections.drop(store, "ours")


def test_another_dimension_is_drift_of_all_rows(store: Store) -> None:
    write_collection(store, "ours", make_rows(), metric="L2")
    differences = drift.compare(
        store, "ours", replace(make_rows(), vectors=np.ones((40, 9), np.float32)), centred=False
    )
    assert len(differences.moved) == 40
    assert not differences.none
    collections.drop(store, "ours")


# -- changes --------------------------------------------------------------------------------------------------------


def run_code(store: Store, code: str) -> None:
    exec(code, {"client": store.client})


@pytest.mark.parametrize("way", ["calls", "code"])
def test_plans_do_what_their_code_does(store: Store, way: str) -> None:
    write_collection(store, "mine", make_rows(), metric="COSINE")

    def do(action: str, **options: Any) -> None:
        collection = changes.plan(store, entry(store, "mine"), action, **options)
        assert "mine" in collection.effect
        if way == "calls":
            assert len(changes.run(store, collection)) >= len(collection.calls)
        else:
            run_code(store, collection.code)

    do("release")
    assert collections.load_state(store, "mine") == "NotLoad"
    do("load")
    assert collections.load_state(store, "mine") == "Loaded"
    do("flush")
    do("compact")
    assert collections.count_rows(store, "mine") == 40
    do("drop_index", field="vector")
    assert entry(store, "mine")["indexes"] == []
    do("create_index", field="vector", kind="IVF_FLAT", metric="L2", params={"nlist": 4})
    index = entry(store, "mine")["indexes"][0]
    assert (index["index_type"], index["metric_type"], index["params"]) == ("IVF_FLAT", "L2", {"nlist": 4})
    assert index["source"] == {"nlist": "reported"}
    if store.engine == "server":  # which does not load a collection without an index
        do("load")
    assert collections.load_state(store, "mine") == "Loaded"
    do("drop_collection")
    assert "mine" not in collections.names(store)


@pytest.mark.parametrize(
    ("action", "options", "words"),
    [
        ("create_index", {"field": "dense", "kind": "FLAT", "metric": "L2"}, "has an index already"),
        ("create_index", {"field": "title", "kind": "FLAT", "metric": "L2"}, "no vector field 'title'"),
        ("drop_index", {"field": "title"}, "title has no index"),
        ("explode", {}, "no change called 'explode'"),
    ],
)
def test_plans_that_cannot_work(store: Store, action: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(QueryError, match=words):
        changes.plan(store, entry(store, "f"), action, **options)


def test_pretended_types_are_refused(store: Store) -> None:
    bare = {**entry(store, "f"), "indexes": []}
    with pytest.raises(QueryError, match=r"DISKANN cannot be built: Milvus Lite takes the name"):
        changes.plan(store, bare, "create_index", field="dense", kind="DISKANN", metric="L2")


# -- five steps -----------------------------------------------------------------------------------------------------


def test_five_steps_lead_to_a_search(tmp_path: Path) -> None:
    created = make_rows()
    lesson = quickstart.Lesson(tmp_path, created.ids, created.labels, created.vectors)
    answers = [lesson.run() for _ in lesson.steps]
    assert str(answers[0].answer).startswith("milvus_lite")
    assert [field["name"] for field in answers[1].answer["fields"]] == ["id", "label", "vector"]
    assert answers[2].answer == 40
    assert (answers[3].answer["index_type"], answers[3].answer["params"]["M"]) == ("HNSW", 16)
    result = answers[4].answer
    assert (result[0]["id"], result[0]["cosine"]) == (created.ids[0], pytest.approx(1, abs=1e-5))
    unit = created.vectors / np.linalg.norm(created.vectors, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[0]))[:6]
    assert [row["id"] for row in result] == [created.ids[i] for i in order]
    assert all(done.milliseconds > 0 for done in answers)
    lesson.close()
    lesson.close()
    assert list(tmp_path.iterdir()) == []


def test_a_failing_step_says_why(tmp_path: Path) -> None:
    created = make_rows()
    lesson = quickstart.Lesson(tmp_path, created.ids, created.labels, created.vectors)
    lesson.run()
    lesson.run()
    (lesson.home / "photos.npz").unlink()
    with pytest.raises(StoreError, match="Step 3 failed"):
        lesson.run()
    assert len(lesson.done) == 2
    lesson.close()


def test_rows_are_read_without_vectors_by_default(store: Store) -> None:
    assert "dense" not in rows.browse(store, "f", limit=1)[0]


def test_on_a_server_the_token_is_named_and_not_shown(tmp_path: Path) -> None:
    created = make_rows()
    for uri, token in (("https://h:19530/roses", "root:s3cret"), ("https://root:s3cret@h:19530/roses", "")):
        lesson = quickstart.Lesson(
            tmp_path, created.ids, created.labels, created.vectors, server=quickstart.Server(uri, token)
        )
        code = lesson.steps[0].code
        assert "MilvusClient('https://h:19530', token=os.environ[\"MILVUS_TOKEN\"], db_name='roses')" in code
        assert "s3cret" not in " ".join([*(step.code for step in lesson.steps), repr(lesson.server)])
        lesson.close()


def test_every_call_of_a_step_ends_in_time() -> None:
    class Slow:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: (name, kwargs)

    client = quickstart._Client(Slow(), 3.0)
    assert client.insert("c", []) == ("insert", {"timeout": 3.0})
    assert client.create_index("c", None) == ("create_index", {"timeout": 60.0})
    assert client.create_schema(auto_id=False) == ("create_schema", {"auto_id": False})
    code = " ".join(step.code for step in quickstart._steps("", "c", "x.npz", 4)[1:])
    calls = set(re.findall(r"client\.(\w+)\(", code)) - {"create_schema", "prepare_index_params"}
    assert calls == set(quickstart._CALLS)
