"""lib.store.inspect on collections that we did not make, in a real Milvus Lite, and on the shapes of servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lib.errors import StoreError
from lib.store import collections, filters, index_types, rows
from lib.store import inspect as reader
from lib.store.connection import Store, open_store
from lib.store.write import Rows, write_collection

ROWS = 120


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(str(tmp_path_factory.mktemp("foreign") / "x.db")) as opened:
        make_foreign(opened.client)
        make_plain(opened.client)
        ids = ["a", "b"]
        write_collection(
            opened, "ours", Rows(ids, ids, ids, ["train", "test"], np.eye(2, 4, dtype=np.float32)), metric="COSINE"
        )
        yield opened


def make_foreign(client: Any) -> None:
    """Everything that a tutorial's collection does not have."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=True, enable_dynamic_field=True)
    schema.add_field("pk", DataType.INT64, is_primary=True)
    for name in ("hnsw", "flat", "fake", "auto", "sq"):
        schema.add_field(name, DataType.FLOAT_VECTOR, dim=8)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("doc", DataType.JSON, nullable=True)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=5, max_length=20)
    schema.add_field("title", DataType.VARCHAR, max_length=50)
    client.create_collection("foreign", schema=schema, timeout=10)
    client.create_partition("foreign", "winter", timeout=10)
    client.create_alias("foreign", "nickname", timeout=10)
    rng = np.random.default_rng(0)
    data = [
        {name: rng.normal(size=8).astype(np.float32) for name in ("hnsw", "flat", "fake", "auto", "sq")}
        | {"sparse": {1: 0.5, 7: 0.2}, "doc": {"n": i}, "tags": ["x"], "title": f't"{i}\\\n', "extra": i}
        for i in range(ROWS)
    ]
    client.insert("foreign", data[:-20], timeout=10)
    client.insert("foreign", data[-20:], partition_name="winter", timeout=10)
    client.flush("foreign", timeout=10)
    for field, kind, metric, params in (
        ("hnsw", "HNSW", "L2", {"M": 32}),  # the usual form, whose parameters Lite drops
        ("sq", "HNSW_SQ", "COSINE", {"params": {"M": 12, "sq_type": "FP16"}}),
        ("auto", "AUTOINDEX", "IP", {}),
        ("sparse", "SPARSE_INVERTED_INDEX", "IP", {}),
        ("title", "INVERTED", "", {}),
    ):
        index = client.prepare_index_params()
        index.add_index(field, index_type=kind, params=params, **({"metric_type": metric} if metric else {}))
        client.create_index("foreign", index, timeout=10, sync=False)
    index = client.prepare_index_params()
    index.add_index("fake", index_type="IVF_PQ", metric_type="L2", params={"params": {"m": 4}})
    with pytest.raises(Exception, match="reserved"):  # and yet it stays behind as a finished index
        client.create_index("foreign", index, timeout=10, sync=False)


def make_plain(client: Any) -> None:
    """Text keys in no order of insertion, no index."""
    from pymilvus import DataType

    schema = client.create_schema()
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("plain", schema=schema, timeout=10)
    data = [{"key": f'k{i:02}"\\', "v": [i, 1.0]} for i in np.random.default_rng(1).permutation(30)]
    client.insert("plain", data, timeout=10)


@pytest.fixture(scope="module")
def foreign(store: Store) -> dict[str, Any]:
    return reader.inspect(store, "foreign")["collections"][0]


def index_of(collection: dict[str, Any], field: str) -> dict[str, Any]:
    return next(index for index in collection["indexes"] if index["field"] == field)


def test_collections_are_listed_in_order(store: Store) -> None:
    assert collections.names(store) == ["foreign", "ours", "plain"]
    whole = reader.inspect(store)
    assert [item["name"] for item in whole["collections"]] == ["foreign", "ours", "plain"]
    assert (whole["uri"], whole["engine"]) == (store.uri, "lite")
    assert whole["server_version"].startswith("milvus_lite-3.")
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole


def test_schema_of_a_foreign_collection(foreign: dict[str, Any]) -> None:
    fields = {field["name"]: field for field in foreign["fields"]}
    assert list(fields) == ["pk", "hnsw", "flat", "fake", "auto", "sq", "sparse", "doc", "tags", "title"]
    assert (fields["pk"]["type"], fields["pk"]["primary"], fields["pk"]["auto_id"]) == ("INT64", True, True)
    assert (fields["flat"]["type"], fields["flat"]["dim"], fields["flat"]["primary"]) == ("FLOAT_VECTOR", 8, False)
    assert (fields["sparse"]["type"], fields["sparse"]["dim"]) == ("SPARSE_FLOAT_VECTOR", None)
    assert (fields["doc"]["type"], fields["doc"]["nullable"]) == ("JSON", True)
    assert (fields["tags"]["type"], fields["tags"]["element_type"]) == ("ARRAY", "VARCHAR")
    assert (fields["title"]["type"], fields["title"]["max_length"]) == ("VARCHAR", 50)
    assert foreign["dynamic"] is True
    assert foreign["partitions"] == ["_default", "winter"]
    assert foreign["aliases"] == ["nickname"]
    assert foreign["rows"] == {"row_count": ROWS, "count": ROWS}
    assert foreign["consistency"] == "Strong"


def test_parameters_are_tagged_with_how_they_are_known(foreign: dict[str, Any]) -> None:
    hnsw = index_of(foreign, "hnsw")
    assert hnsw["params"] == {"M": 16, "efConstruction": 200}  # not the 32 that was asked for
    assert hnsw["source"] == {"M": "default", "efConstruction": "default"}
    assert "M" not in hnsw["raw"]
    assert hnsw["state"] == "Finished"
    assert hnsw["state_note"] == index_types.LITE_STATE_NOTE
    assert "warning" not in hnsw
    quantised = index_of(foreign, "sq")
    assert quantised["params"] == {"M": 12, "efConstruction": 200, "sq_type": "FP16", "refine": False}
    assert quantised["source"] == {
        "M": "reported",
        "efConstruction": "default",
        "sq_type": "reported",
        "refine": "default",
        "refine_type": "not exposed",
    }
    assert "8 bits" in quantised["warning"]
    auto = index_of(foreign, "auto")
    assert (auto["params"], auto["metric_type"]) == ({"M": 16, "efConstruction": 200}, "IP")
    assert "AUTOINDEX is HNSW" in auto["state_note"]
    assert index_of(foreign, "title")["source"] == {}
    assert {index["field"] for index in foreign["indexes"]} == {"hnsw", "sq", "auto", "sparse", "title", "fake"}


def test_lite_really_uses_those_defaults() -> None:
    """The defaults that we print are read out of the index that Lite built."""
    from milvus_lite.index.factory import build_index_from_spec
    from milvus_lite.index.spec import IndexSpec

    vectors = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32)
    for kind in ("HNSW", "AUTOINDEX"):
        built = build_index_from_spec(IndexSpec("v", kind, "L2", {}), vectors[:50])
        graph = built._index.hnsw  # only valid while `built` lives
        assert index_types.LITE_DEFAULTS[kind] == {
            "M": graph.nb_neighbors(1),
            "efConstruction": graph.efConstruction,
        }
    cells = build_index_from_spec(IndexSpec("v", "IVF_FLAT", "L2", {}), vectors)._index
    assert cells.nlist == index_types.LITE_DEFAULTS["IVF_FLAT"]["nlist"]


def test_index_that_lite_only_pretends_to_build(foreign: dict[str, Any]) -> None:
    fake = index_of(foreign, "fake")
    assert (fake["index_type"], fake["state"]) == ("IVF_PQ", "Finished")
    assert "does not build IVF_PQ" in fake["warning"]
    assert fake["params"] == {"m": 4}
    assert fake["source"] == {"nlist": "not exposed", "m": "reported", "nbits": "not exposed"}


def test_what_lite_cannot_say_is_listed(foreign: dict[str, Any]) -> None:
    assert [item["call"] for item in foreign["unavailable"]] == [
        "describe_replica",
        "list_persistent_segments",
        "list_loaded_segments",
    ]
    assert {item["reason"] for item in foreign["unavailable"]} == {"UNIMPLEMENTED: Method not implemented"}


def test_collection_without_an_index(store: Store) -> None:
    plain = reader.inspect(store, "plain")["collections"][0]
    assert plain["indexes"] == []
    assert plain["rows"]["count"] == 30


def test_alias_leads_to_its_collection_and_a_wrong_name_to_a_list(store: Store) -> None:
    assert reader.inspect(store, "nickname")["collections"][0]["name"] == "foreign"
    with pytest.raises(StoreError, match=r"no collection roses in .* name one of these: foreign, ours, plain\."):
        reader.inspect(store, "roses")


def test_inspecting_loads_nothing(store: Store) -> None:
    store.client.release_collection("ours", timeout=10)
    assert reader.inspect(store, "ours")["collections"][0]["load_state"] == "NotLoad"
    with pytest.raises(StoreError, match=r"ours cannot be read while the collection is not loaded \(NotLoad\)"):
        rows.browse(store, "ours")
    assert collections.load_state(store, "ours") == "NotLoad"
    collections.ensure_loaded(store, "ours")
    assert [row["id"] for row in rows.browse(store, "ours")] == ["a", "b"]


# -- rows -----------------------------------------------------------------------------------------------------------


def test_pages_follow_the_key_and_leave_vectors_out(store: Store) -> None:
    keys, after = [], None
    for _ in range(5):
        page = rows.browse(store, "plain", after_id=after, limit=7)
        assert all(set(row) == {"key"} for row in page)
        keys.append([row["key"] for row in page])
        after = keys[-1][-1]
    assert [len(page) for page in keys] == [7, 7, 7, 7, 2]
    assert [key for page in keys for key in page] == [f'k{i:02}"\\' for i in range(30)]
    assert rows.browse(store, "plain", after_id=after) == []


def test_rows_carry_dynamic_fields_and_obey_a_filter(store: Store) -> None:
    row = rows.browse(store, "foreign", limit=1)[0]
    assert set(row) == {"pk", "doc", "tags", "title", "extra"}
    title = 't"17\\\n'
    read_rows = rows.browse(store, "foreign", filter=f'title == "{filters.escape(title)}"')
    assert [(row["title"], row["doc"], row["extra"]) for row in read_rows] == [(title, {"n": 17}, 17)]
    two = rows.browse(store, "foreign", filter="extra < 3 or extra == 50", after_id=read_rows[0]["pk"] - 17)
    assert [row["extra"] for row in two] == [1, 2, 50]  # the filter is kept together: (a or b) and pk > …


def test_filter_that_milvus_cannot_read(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot read rows of plain"):
        rows.browse(store, "plain", filter="key ==")
    with pytest.raises(StoreError, match="no collection gone"):
        rows.browse(store, "gone")


# -- the shapes of servers, recorded from Milvus 2.3.5 --------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "params", "source"),
    [
        (
            {"index_type": "HNSW", "metric_type": "L2", "M": "8", "efConstruction": "64", "total_rows": 0},
            {"M": 8, "efConstruction": 64},
            {"M": "reported", "efConstruction": "reported"},
        ),
        (
            {"index_type": "HNSW", "metric_type": "L2", "params": {"M": 16, "efConstruction": 200}},
            {"M": 16, "efConstruction": 200},
            {"M": "reported", "efConstruction": "reported"},
        ),
        (
            {"index_type": "IVF_PQ", "metric_type": "L2", "params": '{"nlist": "16", "m": 4}', "mmap.enabled": "true"},
            {"nlist": 16, "m": 4, "mmap.enabled": True},
            {"nlist": "reported", "m": "reported", "mmap.enabled": "reported", "nbits": "not exposed"},
        ),
        ({"index_type": "HNSW", "params": {}}, {}, {"M": "not exposed", "efConstruction": "not exposed"}),
        (
            {"index_type": "SCANN", "metric_type": "IP", "params": {"params": {"nlist": 4}}},
            {"nlist": 4},
            {"nlist": "reported", "with_raw_data": "not exposed"},
        ),
        ({"index_type": "SPARSE_WAND", "drop_ratio_build": "0.2"}, {"drop_ratio_build": 0.2}, None),
        ({"index_type": "AUTOINDEX", "metric_type": "L2"}, {}, {"M": "not exposed", "efConstruction": "not exposed"}),
        ({"index_type": "DISKANN", "metric_type": "L2"}, {}, {}),
        ({"index_type": "Trie"}, {}, {}),
    ],
)
def test_index_of_a_server(raw: dict[str, Any], params: dict[str, Any], source: dict[str, str] | None) -> None:
    index = index_types.index_document(raw, lite=False)
    assert index["params"] == params
    assert index["source"] == (source or dict.fromkeys(params, "reported"))
    assert index["raw"] == raw
    assert "state_note" not in index  # a server measures its state
    assert "warning" not in index


class Server:
    """A server with one unloaded, or one loaded and unflushed, collection."""

    def __init__(self, loaded: bool) -> None:
        self.loaded = loaded

    def __getattr__(self, name: str) -> Any:
        answers: dict[str, Any] = {
            "list_collections": ["c"],
            "describe_collection": {"collection_name": "c", "fields": [], "consistency_level": 2, "auto_id": False},
            "get_collection_stats": {"row_count": "0"},
            "get_load_state": {"state": "Loaded" if self.loaded else "NotLoad"},
            "list_indexes": [],
            "list_partitions": ["_default"],
            "list_aliases": {"aliases": []},
            "describe_replica": [],
        }

        def call(*args: Any, timeout: float, **kwargs: Any) -> Any:
            if name == "query" and self.loaded:
                return [{"count(*)": 50}]
            if name not in answers:
                raise RuntimeError(f"{name} denied to s3cret")
            return answers[name]

        return call


def test_unloaded_collection_of_a_server_has_no_count() -> None:
    shown = reader.inspect(Store(Server(loaded=False), "http://h", "v2.3.5", 1.0, token="root:s3cret"))
    collection = shown["collections"][0]
    assert (shown["engine"], collection["rows"]) == ("server", {"row_count": 0, "count": None})
    assert {item["call"]: item["reason"] for item in collection["unavailable"]} == {
        "query count(*)": "query denied to ***",
        "list_persistent_segments": "list_persistent_segments denied to ***",
        "list_loaded_segments": "list_loaded_segments denied to ***",
    }
    assert collection["replicas"] == []


def test_counts_that_differ_say_why() -> None:
    counts = reader.inspect(Store(Server(loaded=True), "http://h", "v2.3.5", 1.0))["collections"][0]["rows"]
    assert (counts["row_count"], counts["count"]) == (0, 50)
    assert "flushed" in counts["note"]
