"""The store against a real Milvus server: `make test-server`. Most of these are the very tests that run on Milvus Lite,
found here with another `store`; where the engines differ, the difference is pinned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.commands import cli
from lib.errors import QueryError, StoreError
from lib.store import (
    changes,
    collections,
    export,
    field_search,
    filters,
    index_comparison,
    index_types,
    overview,
    pool,
    recall,
    rows,
    write,
)
from lib.store import inspect as reader
from lib.store.connection import Store, open_store
from lib.store.filters import Condition
from lib.store.pool import Connection, Pool
from lib.store.write import write_collection
from tests.helpers import foreign_collection, standalone
from tests.unit.store import test_collections, test_filters, test_inspect, test_recall
from tests.unit.store.test_collections import (  # noqa: F401
    base,
    queries,
    test_a_row_finds_itself_at_zero_distance,
    test_build_parameters_arrive,
    test_collections_of_a_space_are_written_counted_and_described,
    test_every_metric_agrees_with_numpy,
    test_filter_reaches_the_engine,
    test_interrupted_write_leaves_nothing_and_spares_the_others,
    test_l1_ranks_the_cosine_candidates,
    test_left_out_ids_are_replaced_by_the_next,
    test_longest_id_fits,
    test_metric_of_a_collection_is_one_of_two,
    test_questions_without_an_answer,
    test_rows_that_milvus_cannot_hold_are_refused,
    test_ties_break_by_id,
    test_writing_again_replaces,
    test_zero_and_constant_vectors_have_no_direction,
)
from tests.unit.store.test_field_search import (  # noqa: F401
    test_a_broken_export_leaves_no_file,
    test_csv_keeps_quotes_breaks_and_long_numbers,
    test_filter_and_snippet,
    test_keys_ahead_lead_to_the_same_rows_as_browsing,
    test_parameters_are_those_of_the_index,
    test_unknown_keys,
    test_without_an_index_the_metric_must_be_named,
)
from tests.unit.store.test_filters import (  # noqa: F401
    fields,
    test_names_that_no_field_has,
    test_other_errors_are_not_the_filters,
    test_several_conditions_keep_together,
    test_values_that_do_not_fit,
)
from tests.unit.store.test_inspect import (  # noqa: F401
    test_filter_that_milvus_cannot_read,
    test_pages_follow_the_key_and_leave_vectors_out,
)
from tests.unit.store.test_recall import test_large_collections_are_read_in_pages, test_what_cannot_be_measured  # noqa: F401
from tests.unit.store.test_repair import (  # noqa: F401
    test_another_dimension_is_drift_of_all_rows,
    test_drift_is_found_and_mended,
    test_every_kind_of_bad_vector_is_found,
    test_plans_do_what_their_code_does,
    test_plans_that_cannot_work,
    test_rows_are_read_without_vectors_by_default,
    test_sound_vectors_are_called_sound,
)
from tests.unit.store.test_resume_write import (  # noqa: F401
    test_a_killed_process_leaves_what_it_wrote,
    test_it_may_be_cut_again_and_again,
    test_prepare_goes_on_where_it_was_cut,
    written,
)

WHY = standalone.why_not()
pytestmark = [pytest.mark.server, pytest.mark.skipif(bool(WHY), reason=WHY)]


@pytest.fixture(scope="module")
def address(milvus_server: str) -> str:
    return milvus_server


@pytest.fixture(scope="module")
def uri(address: str) -> str:
    return address


@pytest.fixture(name="target")
def _target(address: str) -> str:
    return address


@pytest.fixture(name="elsewhere")
def _elsewhere(address: str) -> str:
    return address


@pytest.fixture(scope="module")
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        foreign_collection.make(opened, "f", many_vectors=False)
        test_inspect.make_plain(opened.client)
        opened.client.create_index("plain", flat(opened, "v"), timeout=60)
        opened.client.load_collection("plain", timeout=60)
        write_collection(opened, "graph", test_recall.make_rows(), metric="COSINE")
        ivf = {"index_type": "IVF_FLAT", "params": {"nlist": 16}}
        write_collection(opened, "ivf", test_recall.make_rows(), metric="L2", index=ivf)
        write_collection(opened, "large", test_recall.make_rows(3000), metric="L2", index=ivf)
        yield opened


@pytest.fixture(scope="module", name="rows")
def _rows() -> write.Rows:
    return test_collections.make_rows()


@pytest.fixture(scope="module")
def data(store: Store) -> list[dict[str, Any]]:
    return rows.browse(store, "f", limit=100)


def flat(store: Store, field: str) -> Any:
    """Parameters of the plainest index: without any, a server loads nothing."""
    params = store.client.prepare_index_params()
    params.add_index(field, index_type="FLAT", metric_type="L2")
    return params


@pytest.fixture(scope="module", name="entry")
def _entry(store: Store) -> dict[str, Any]:
    return entry(store, "f")


def entry(store: Store, name: str) -> dict[str, Any]:
    return dict(reader.inspect(store, name)["collections"][0])


# -- inspecting -----------------------------------------------------------------------------------------------------


def test_a_server_answers_what_lite_does_not(store: Store) -> None:
    collection = entry(store, "f")
    assert store.engine == "server"
    assert [item["call"] for item in collection["unavailable"]] == []
    assert len(collection["replicas"]) == 1
    assert sum(int(part["num_rows"]) for part in collection["segments"]) == foreign_collection.ROWS
    facts = overview.server_facts(store)
    assert facts.names["databases"] == ["default"]
    assert facts.names["users"] == ["root"]
    assert facts.unavailable == []


def test_schema_and_index_of_a_foreign_collection(store: Store) -> None:
    collection = entry(store, "f")
    kinds = {field["name"]: field["type"] for field in collection["fields"]}
    assert kinds == {
        "key": "VARCHAR", "dense": "FLOAT_VECTOR", "doc": "JSON", "tags": "ARRAY", "n": "INT64", "score": "DOUBLE",
        "flag": "BOOL", "title": "VARCHAR",
    }  # fmt: skip
    tags = next(field for field in collection["fields"] if field["name"] == "tags")
    assert (tags["element_type"], tags["max_capacity"], tags["max_length"]) == ("VARCHAR", 5, 20)
    index = collection["indexes"][0]
    assert (index["index_type"], index["params"]) == ("HNSW", {"M": 8, "efConstruction": 64})
    assert index["source"] == {"M": "reported", "efConstruction": "reported"}
    assert "state_note" not in index
    assert index["rows"]["indexed_rows"] == foreign_collection.ROWS


def test_counts_differ_until_a_flush_and_say_why(store: Store) -> None:
    row = {**rows.browse(store, "f", limit=1, vectors=["dense"])[0], "key": "new"}
    store.call("insert", "f", [row], doing="insert")
    counts = entry(store, "f")["rows"]
    assert counts["count"] == foreign_collection.ROWS + 1
    assert counts["row_count"] == foreign_collection.ROWS
    assert "flushed" in counts["note"]
    store.call("delete", "f", filter='key == "new"', doing="delete")
    assert collections.count_rows(store, "f") == foreign_collection.ROWS


def test_thousands_of_collections_are_listed_without_asking_each(store: Store) -> None:
    from pymilvus import DataType

    schema = store.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    for i in range(30):
        store.client.create_collection(f"many_{i:02}", schema=schema, timeout=30)
    names = collections.names(store)
    assert len([name for name in names if name.startswith("many_")]) == 30
    assert overview.summarise(store, "many_03") == {
        "name": "many_03", "row_count": 0, "load_state": "NotLoad", "indexes": "",
    }  # fmt: skip
    for i in range(30):
        collections.drop(store, f"many_{i:02}")


# -- filters --------------------------------------------------------------------------------------------------------

# Servers before 2.4 know no `like` but a prefix, and no escape in it, and match no backslash in it.
NEWER = {"ends with", "contains"}
BACKSLASH = Condition("title", "starts with", "a\\")


@pytest.mark.parametrize(("condition", "meant"), test_filters.CASES)
def test_conditions_mean_the_same_as_on_lite(
    store: Store,
    fields: list[dict[str, Any]],  # noqa: F811
    data: list[dict[str, Any]],
    condition: Condition,
    meant: Any,
) -> None:
    text = filters.expression([condition], fields, store, joined="and")
    if condition.field == "title" and condition.operator in NEWER and store.version_info < (2, 4):
        with pytest.raises(StoreError, match="only prefix pattern match") as caught:
            rows.browse(store, "f", filter=text)
        assert filters.filter_problem(store, caught.value, text) is not None
        return
    read_rows = [row["key"] for row in rows.browse(store, "f", filter=text, limit=100)]
    lost = condition == BACKSLASH and store.version_info < (2, 4)
    assert read_rows == ([] if lost else [row["key"] for row in data if meant(row)])


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ('title = "a"', 6, "token recognition error"),
        ("(n == 7", 7, "missing ')'"),
        ("n == 7 and", 10, "mismatched input '<EOF>'"),
        ('n > "a"', None, "comparisons between Int64"),
    ],
)
def test_errors_of_a_server_are_shown_at_their_place(store: Store, text: str, column: int | None, words: str) -> None:
    with pytest.raises(StoreError) as caught:
        rows.browse(store, "f", filter=text)
    problem = filters.filter_problem(store, caught.value, text)
    assert problem is not None
    assert (problem.column, words in problem.objection) == (column, True)
    assert "expecting {" not in problem.objection


# -- searching, exporting, comparing --------------------------------------------------------------------------------


def test_a_wrong_metric_is_refused_by_us_and_by_the_server(store: Store) -> None:
    with pytest.raises(QueryError, match="the server would refuse"):
        field_search.search(store, entry(store, "f"), "dense", np.ones(8), metric="L2")
    bare = {**entry(store, "f"), "indexes": []}
    with pytest.raises(StoreError, match="cannot search f"):
        field_search.search(store, bare, "dense", np.ones(8), metric="L2")


def test_searches_and_samples(store: Store) -> None:
    results = field_search.search(
        store, entry(store, "f"), "dense", foreign_collection.vectors()["dense"][5], limit=3, leave_out="k005"
    )
    cosine = foreign_collection.vectors()["dense"] @ foreign_collection.vectors()["dense"][5]
    cosine /= np.linalg.norm(foreign_collection.vectors()["dense"], axis=1) * np.linalg.norm(
        foreign_collection.vectors()["dense"][5]
    )
    assert [row["key"] for row in results.rows] == [f"k{i:03}" for i in np.argsort(-cosine)[1:4]]
    keys, vectors, _ = rows.sample(store, "f", "dense", 12, scattered=True)
    assert vectors == pytest.approx(foreign_collection.vectors()["dense"][[int(key[1:]) for key in keys]])
    assert [len(page) for page in rows.pages(store, "f", size=25)] == [25, 25, 10]


def test_pages_are_whole_across_segments(store: Store) -> None:
    """A server ends a page where its first segment ends; ours are full until there is no more."""
    created = test_recall.make_rows(40)
    write_collection(store, "parts", created, metric="L2")
    for start in range(0, 40, 8):  # each upsert and flush is a segment of its own
        part = [
            {"id": f"{i:04}+", "path": "p", "label": "a", "split": "train", "vector": created.vectors[i]}
            for i in range(start, start + 8)
        ]
        store.call("insert", "parts", part, doing="insert")
        store.call("flush", "parts", doing="flush", slow=True)
    read_rows = list(rows.pages(store, "parts", size=30, strong=True))
    assert [len(page) for page in read_rows] == [30, 30, 20]
    keys = [row["id"] for page in read_rows for row in page]
    assert keys == sorted(keys)
    assert len(set(keys)) == 80
    collections.drop(store, "parts")


def test_exports_are_those_of_lite(store: Store, tmp_path: Path) -> None:
    export.export(store, "f", tmp_path / "f.json", "json", vectors=["dense"])
    document = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert [row["title"] for row in document] == [
        foreign_collection.TITLES[i % 10] for i in range(foreign_collection.ROWS)
    ]
    assert [row["n"] for row in document] == [2**60 + i for i in range(foreign_collection.ROWS)]
    assert np.array([row["dense"] for row in document]) == pytest.approx(foreign_collection.vectors()["dense"])


def test_a_servers_own_index_types_are_compared(store: Store) -> None:
    before = collections.names(store)
    known, refused = index_types.buildable_types(store)
    assert {"IVF_PQ", "SCANN", "DISKANN"} <= set(known)
    assert "HNSW_SQ" in refused
    kinds = ["FLAT", "IVF_PQ", "SCANN"]
    document = index_comparison.compare(store, entry(store, "large"), "vector", "L2", kinds, k=5, queries=20)
    assert document["failed"] == {}
    best = {kind: max(row["recall"] for row in document["rows"] if row["index_type"] == kind) for kind in kinds}
    assert best["FLAT"] == 1
    assert best["SCANN"] > 0.8
    assert 0.2 < best["IVF_PQ"] <= 1
    assert collections.names(store) == before


def test_an_index_is_built_only_over_enough_rows(store: Store) -> None:
    few, many = (recall.recall(store, name, k=5, queries=40) for name in ("ivf", "large"))
    assert [row["params"] for row in few["rows"]] == [row["params"] for row in many["rows"]]
    assert few["rows"][0]["recall"] == 1
    assert "scan every row" in few["warning"]
    assert many["rows"][0]["recall"] < 1
    assert many["rows"][-1]["recall"] == 1
    assert "warning" not in many


def test_a_type_that_the_server_does_not_know_fails_with_its_words(store: Store) -> None:
    with pytest.raises(QueryError, match=r"HNSW_SQ cannot be built: needs Milvus 2\.5"):
        bare = {**entry(store, "f"), "indexes": []}
        changes.plan(store, bare, "create_index", field="dense", kind="HNSW_SQ", metric="L2")


# -- connections ----------------------------------------------------------------------------------------------------


def test_a_database_is_part_of_the_address(store: Store, address: str) -> None:
    store.client.create_database("roses", timeout=30)
    pool = Pool()
    assert pool.pulse(Connection("s", address)).databases == ["default", "roses"]
    inside = pool.get(Connection("r", f"{address}/roses"))
    assert collections.names(inside) == []
    with pytest.raises(StoreError, match="has no database tulips"):
        open_store(f"{address}/tulips", timeout_s=3.0)
    pool.close_all()
    store.client.drop_database("roses", timeout=30)


def test_tls_where_there_is_none_is_named(address: str) -> None:
    with pytest.raises(StoreError, match=r"does not speak TLS on this port.*write http://"):
        open_store(address.replace("http:", "https:"), timeout_s=3.0)
    assert pool.is_path(address) is False


def test_commands_work_on_a_server(store: Store, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recall", "--milvus-uri", address, "--collection", "graph", "--queries", "20", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["rows"][-1]["recall"] == 1
    assert cli.main(["inspect", "--milvus-uri", address, "--collection", "f", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["engine"] == "server"
