"""lib.store.field_search, rows and exporting on a foreign collection in a real Milvus Lite, against plain NumPy."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.errors import ArtifactError, QueryError, StoreError
from lib.store import export, field_search, index_types, rows
from lib.store import inspect as reader
from lib.store.connection import Store, open_store
from tests.helpers import foreign_collection


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(str(tmp_path_factory.mktemp("asking") / "x.db")) as opened:
        foreign_collection.make(opened, "f")
        yield opened


@pytest.fixture(scope="module")
def entry(store: Store) -> dict[str, Any]:
    return dict(reader.inspect(store, "f")["collections"][0])


# -- searching ------------------------------------------------------------------------------------------------------


def test_every_kind_of_field_is_searched_with_its_own_metric(store: Store, entry: dict[str, Any]) -> None:
    created = foreign_collection.vectors()
    query = np.random.default_rng(5).normal(size=8).astype(np.float32)
    cosine = created["dense"] @ query / np.linalg.norm(created["dense"], axis=1) / np.linalg.norm(query)
    results = field_search.search(
        store, entry, "dense", query, limit=5, params={"ef": 100}, output_fields=["title", "extra"]
    )
    best = np.argsort(-cosine)[:5]
    assert [row["key"] for row in results.rows] == [f"k{i:03}" for i in best]
    assert [row["value"] for row in results.rows] == pytest.approx(cosine[best].tolist(), abs=1e-6)
    assert [row["extra"] for row in results.rows] == best.tolist()
    assert (results.value_name, results.higher_is_closer) == ("cosine similarity", True)
    squared = ((created["other"] - query[:4]) ** 2).sum(axis=1)
    results = field_search.search(store, entry, "other", query[:4], limit=3)
    assert [row["value"] for row in results.rows] == pytest.approx(np.sort(squared)[:3].tolist(), rel=1e-5)
    assert results.value_name.startswith("L2²")
    assert not results.higher_is_closer
    results = field_search.search(store, entry, "words", {1003: 2.0, 5: 1.0}, limit=3)
    assert results.rows[0]["value"] == pytest.approx(0.5)  # 0.25 · 2, or 0.5 · 1
    assert results.milliseconds > 0


def test_a_row_searches_without_itself(store: Store, entry: dict[str, Any]) -> None:
    for name in ("dense", "other", "words"):
        vector = field_search.stored_vector(store, entry, "k007", name)
        results = field_search.search(store, entry, name, vector, limit=4, leave_out="k007")
        assert "k007" not in [row["key"] for row in results.rows]
        assert len(results.rows) == 4


def test_filter_and_snippet(store: Store, entry: dict[str, Any], tmp_path: Path) -> None:
    results = field_search.search(
        store, entry, "dense", np.ones(8), limit=3, filter="extra < 9", output_fields=["extra"]
    )
    assert all(row["extra"] < 9 for row in results.rows)
    printed: list[str] = []
    # The client of a Lite store cannot be opened twice, so the code gets ours.
    code = results.code.replace("from pymilvus import MilvusClient\n", "").replace("MilvusClient(", "Client(")
    exec(code, {"Client": lambda uri: store.client, "print": lambda *words: printed.append(words[0])})
    assert printed == [row["key"] for row in results.rows]


@pytest.mark.parametrize(
    ("name", "vector", "metric", "kind", "words"),
    [
        ("dense", np.ones(8), "L2", QueryError, "built for COSINE, not for L2.*would answer, and wrongly"),
        ("dense", np.ones(7), "", QueryError, "8 numbers and the query has 7"),
        ("dense", np.full(8, np.nan), "", QueryError, "not finite"),
        ("dense", np.zeros(8), "", QueryError, "no direction"),
        ("dense", {1: 1.0}, "", QueryError, "holds dense vectors"),
        ("words", np.ones(3), "", QueryError, "holds sparse vectors"),
        ("words", {}, "", QueryError, "at least one number"),
        ("title", np.ones(3), "", QueryError, "no vector field 'title'"),
    ],
)
def test_questions_that_cannot_be_asked(
    store: Store, entry: dict[str, Any], name: str, vector: Any, metric: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        field_search.search(store, entry, name, vector, metric=metric)


def test_without_an_index_the_metric_must_be_named(store: Store, entry: dict[str, Any]) -> None:
    bare = {**entry, "indexes": []}
    with pytest.raises(StoreError, match="no index that fixes its metric"):
        field_search.search(store, bare, "dense", np.ones(8))


def test_unknown_keys(store: Store, entry: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="no row with the key 'k\"1'"):
        field_search.stored_vector(store, entry, 'k"1', "dense")


def test_typed_vectors() -> None:
    dense, sparse = {"type": "FLOAT_VECTOR"}, {"type": "SPARSE_FLOAT_VECTOR"}
    for text in ("1, 2.5 -3", "[1, 2.5, -3]", "1;2.5;-3\n"):
        assert field_search.parse_vector(text, dense).tolist() == [1, 2.5, -3]
    for text in ("7:0.5 9:2", '{"7": 0.5, "9": 2}', "7:0.5, 9:2"):
        assert field_search.parse_vector(text, sparse) == {7: 0.5, 9: 2.0}
    for text, about in (("one two", dense), ("[1, ", dense), ("1 2", sparse), ("{}x", sparse)):
        sentence = field_search.SPARSE_SYNTAX if about is sparse else field_search.DENSE_SYNTAX
        with pytest.raises(QueryError, match=re.escape(sentence)):
            field_search.parse_vector(text, about)


def test_parameters_are_those_of_the_index(entry: dict[str, Any]) -> None:
    def names(kind: str, *, lite: bool = True, **more: Any) -> list[str]:
        return [
            each.name
            for each in index_types.search_parameters(
                {"index_type": kind, "params": {"nlist": 8}, **more}, 10, lite=lite
            )
        ]

    assert names("HNSW") == names("AUTOINDEX") == ["ef"]
    assert names("AUTOINDEX", lite=False) == []
    assert names("IVF_SQ8") == ["nprobe"]
    assert names("IVF_PQ", pretended=True) == []
    assert names("FLAT") == []
    probes = index_types.search_parameters({"index_type": "IVF_FLAT", "params": {"nlist": 8}}, 10, lite=True)[0]
    assert (probes.most, probes.default) == (8, 8)


# -- rows -----------------------------------------------------------------------------------------------------------


def test_rows_by_their_keys_with_vectors(store: Store) -> None:
    read_rows = rows.by_keys(store, "f", ["k050", "gone", "k001"], vectors=["dense", "words"])
    assert [row["key"] for row in read_rows] == ["k050", "k001"]
    assert read_rows[0]["dense"] == pytest.approx(foreign_collection.vectors()["dense"][50].tolist())
    assert read_rows[1]["words"] == {"1": 0.5, "1001": 0.25}
    assert "other" not in read_rows[0]


def test_pages_are_all_rows(store: Store) -> None:
    assert [len(page) for page in rows.pages(store, "f", size=25)] == [25, 25, 10]
    assert [len(page) for page in rows.pages(store, "f", size=30)] == [30, 30]
    assert [row["extra"] for page in rows.pages(store, "f", size=7, filter="extra >= 50") for row in page] == [
        *range(50, 60)
    ]
    keys, vectors, rest = rows.sample(store, "f", "other", 12, also=["title"])
    assert keys == [f"k{i:03}" for i in range(12)]
    assert vectors == pytest.approx(foreign_collection.vectors()["other"][:12])
    assert rest[1] == {"title": 'a"b'}


def test_keys_ahead_lead_to_the_same_rows_as_browsing(store: Store) -> None:
    ahead = rows.keys_after(store, "f", "k009", 7)
    assert ahead == [f"k{i:03}" for i in range(10, 17)]
    assert rows.by_keys(store, "f", ahead) == rows.browse(store, "f", after_id="k009", limit=7)
    assert rows.keys_after(store, "f", None, 500, filter="extra >= 58") == ["k058", "k059"]
    assert rows.by_keys(store, "f", []) == []


def test_a_scattered_sample_is_of_everywhere_and_always_the_same(store: Store) -> None:
    keys, vectors, rest = rows.sample(store, "f", "dense", 20, scattered=True)
    assert keys == sorted(keys)
    assert len(set(keys)) == 20
    assert int(keys[-1][1:]) > 40
    assert vectors == pytest.approx(foreign_collection.vectors()["dense"][[int(key[1:]) for key in keys]])
    assert [row["extra"] for row in rest] == [int(key[1:]) for key in keys]
    assert rows.sample(store, "f", "dense", 20, scattered=True)[0] == keys
    assert len(rows.sample(store, "f", "dense", 500, scattered=True)[0]) == foreign_collection.ROWS


def test_facts_of_a_vector() -> None:
    assert rows.vector_facts([3, 0, -4]) == pytest.approx(
        {"norm": 5, "least": -4, "most": 3, "mean": -1 / 3, "spread": np.std([3, 0, -4]), "zeros": 1}
    )
    assert rows.vector_facts({"7": 3.0, "9": 4.0})["nonzero"] == 2
    assert rows.vector_facts({"7": 3.0, "9": 4.0})["norm"] == 5
    assert rows.vector_facts(None) == {}
    assert np.isnan(rows.vector_facts([1.0, float("nan")])["norm"])


# -- export ---------------------------------------------------------------------------------------------------------


def wanted(store: Store, **options: Any) -> list[dict[str, Any]]:
    return [row for page in rows.pages(store, "f", **options) for row in page]


def test_json_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    target = tmp_path / "deep" / "f.json"
    count = export.export(
        store,
        "f",
        target,
        "json",
        vectors=["dense", "words"],
        progress=lambda done, total: reports.append((done, total)),
    )
    assert json.loads(target.read_text("utf-8")) == wanted(store, vectors=["dense", "words"])
    assert (count, reports[-1]) == (foreign_collection.ROWS, (foreign_collection.ROWS, foreign_collection.ROWS))
    assert [path.name for path in target.parent.iterdir()] == ["f.json"]


def test_csv_keeps_quotes_breaks_and_long_numbers(store: Store, tmp_path: Path) -> None:
    export.export(store, "f", tmp_path / "f.csv", "csv", filter="extra < 30")
    with (tmp_path / "f.csv").open(encoding="utf-8", newline="") as file:
        read_rows = list(csv.DictReader(file))
    rows_ = wanted(store, filter="extra < 30")
    assert [row["title"] for row in read_rows] == [row["title"] for row in rows_]
    assert [int(row["n"]) for row in read_rows] == [row["n"] for row in rows_]
    assert [json.loads(row["doc"]) for row in read_rows] == [row["doc"] for row in rows_]
    assert json.loads(read_rows[7]["$meta"]) == {"extra": 7, foreign_collection.ODD_KEY: 2}
    assert "dense" not in read_rows[0]


def test_parquet_has_types(store: Store, tmp_path: Path) -> None:
    from pyarrow import parquet

    export.export(store, "f", tmp_path / "f.parquet", "parquet", vectors=["dense", "words"])
    table = parquet.read_table(tmp_path / "f.parquet")
    rows_ = wanted(store, vectors=["dense"])
    assert str(table.schema.field("n").type) == "int64"
    assert table["n"].to_pylist() == [row["n"] for row in rows_]
    assert np.asarray(table["dense"].to_pylist()) == pytest.approx(foreign_collection.vectors()["dense"])
    assert json.loads(table["words"][3].as_py()) == {"3": 0.5, "1003": 0.25}
    assert table["title"].to_pylist() == [row["title"] for row in rows_]


def test_a_broken_export_leaves_no_file(store: Store, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Stop

    for kind in export.FORMATS:
        with pytest.raises(Stop):
            export.export(store, "f", tmp_path / f"f.{kind}", kind, progress=stop)
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="Cannot write to"):
        export.export(store, "f", tmp_path / "file" / "f.csv", "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
