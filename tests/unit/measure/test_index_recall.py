"""lib.measure.index_recall: what prepare stores is read only for the very index, and the verdict claims no more."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.documents.inspect import CollectionDocument, IndexDocument
from lib.measure import index_recall
from lib.prepare import workspace
from lib.settings import Settings
from lib.store import collections, index_types, inspect, recall


@pytest.fixture
def filled(prepared: Settings, tmp_path: Path) -> Settings:
    """A copy of the prepared artifacts and their store."""
    shutil.copytree(prepared.artifacts, tmp_path / "artifacts")
    return replace(prepared, artifacts=tmp_path / "artifacts")


def hnsw(**more: Any) -> IndexDocument:
    raw = {"index_type": "HNSW", "metric_type": "COSINE", "field_name": "vector", "params": {"M": 16}, **more}
    return index_types.index_document(raw, lite=True)


def document(*rows: tuple[int, float, float], **more: Any) -> Any:
    """A `recall` document; a row is ef, recall, and the lower end of its interval."""
    return {
        "rows": [
            {
                "index_type": "HNSW",
                "params": {"ef": ef},
                "recall": share,
                "p50_ms": 4.04,
                "p95_ms": 9.0,
                "ci95": {"recall": (lower, 1.0), "p50_ms": (3.96, 4.11)},
            }
            for ef, share, lower in rows
        ],
        "collection": "c", "field": "vector", "metric": "COSINE", "build": {}, "k": 10, "queries": 200,
        "gallery": 4064, "seed": 0, **more,
    }  # fmt: skip


def test_every_collection_is_measured_once_and_again_when_its_index_is_another(filled: Settings) -> None:
    opened = workspace.open_workspace(filled)
    reports: list[tuple[int, int | None]] = []
    index_recall.measure_all(opened, lambda done, total: reports.append((done, total)))
    files = sorted((opened.folder / index_recall.FOLDER).glob("*-index-recall-*.json"))
    stored_spaces = opened.state["collections"][workspace.store_key(filled)]
    assert len(files) == 3 * len(stored_spaces) == reports[-1][0] == reports[-1][1]
    spaces = {Path(opened.space(space)["folder"]).name for space in opened.spaces}
    assert all(any(file.name.startswith(f"{space}-") for space in spaces) for file in files)  # prepare sweeps by them
    times = {file: file.stat().st_mtime_ns for file in files}
    index_recall.measure_all(opened, lambda done, total: None)
    assert {file: file.stat().st_mtime_ns for file in files} == times
    space = next(iter(stored_spaces))
    with workspace.open_store(filled, "test") as store:
        name = stored_spaces[space]["base"]
        collections.ensure_loaded(store, name)
        entry = inspect.inspect(store, name)["collections"][0]
        index = index_recall.own_index(entry)
        assert index is not None

        def found(entry: CollectionDocument, index: IndexDocument, version: str = store.version) -> bool:
            return index_recall.load(opened, space, entry, index, store.engine, version) is not None

        assert found(entry, index)
        measured = index_recall.load(opened, space, entry, index, store.engine, store.version)
        assert measured is not None
        assert measured["provenance"]["space"] == space
        again = recall.recall(store, name, k=index_recall.K, queries=index_recall.QUERIES, largest=index_recall.LARGEST)
        assert [row["recall"] for row in measured["recall"]["rows"]] == [row["recall"] for row in again["rows"]]
        count = entry["rows"]["count"]
        assert count is not None
        fewer: Any = {**entry, "rows": {**entry["rows"], "count": count - 1}}
        assert not found(fewer, index)
        other: Any = {**index, "params": {"M": 32, "efConstruction": 200}}
        assert not found(entry, other)
        assert not found(entry, index, "milvus_lite-9")
        damaged = index_recall.file(opened, space, name)
        damaged.write_text("{", "utf-8")
        assert not found(entry, index)
    index_recall.measure_all(opened, lambda done, total: None)
    assert json.loads(damaged.read_text("utf-8"))["of"]["collection"] == name


def test_the_verdict_names_the_setting_what_it_finds_and_how_fast() -> None:
    index = hnsw(params={"M": 16, "efConstruction": 200})
    measured = document((16, 0.9926, 0.988), (64, 0.99961, 0.9961), (128, 1.0, 0.98))
    found = index_recall.verdict(index, measured, lite=True)
    assert found.text == (
        "HNSW, M 16, efConstruction 200 (reported): ef = 64 finds 99.9% of the exact top 10 (at least 99.6%), 4.0 ms "
        "median (4.0 to 4.1), 200 queries."
    )
    assert "200 rows drawn as queries (seed 0), among 4,064 rows, COSINE" in found.about
    assert index_recall.rule(measured).startswith("Recommended: ef = 64, the smallest measured ef")


def test_a_verdict_of_an_index_that_finds_too_little_says_so() -> None:
    measured = document((16, 0.5, 0.4), (128, 0.9, 0.85))
    found = index_recall.verdict(hnsw(), measured, lite=True)
    assert "ef = 128 finds 90.0% of the exact top 10 (at least 85.0%)" in found.text
    assert found.text.endswith("no measured setting surely finds 99%.")
    assert "No measured ef surely finds 99%" in index_recall.rule(measured)


def test_a_verdict_of_rows_that_a_server_scans_says_so() -> None:
    found = index_recall.verdict(hnsw(), document((16, 1.0, 0.98), warning="few rows"), lite=False)
    assert found.text.endswith("So few rows are scanned, whatever index is reported.")


def test_without_a_measurement_the_verdict_claims_no_recall() -> None:
    assert index_recall.verdict(hnsw(), None, lite=True).text == (
        "HNSW, M 16 (reported), efConstruction 200 (default): its recall is not measured yet."
    )
    pretended = index_recall.verdict(hnsw(index_type="IVF_PQ"), document((16, 0.5, 0.4)), lite=True)
    assert pretended.text.startswith("IVF_PQ is only a name here")
    assert "compares all rows" in index_recall.verdict(None, None, lite=True, field="v").text
    assert "cannot be searched" in index_recall.verdict(None, None, lite=False, field="v").text


@pytest.mark.parametrize(("value", "text"), [(1.0, "100.0%"), (0.9999, "99.9%"), (0.986, "98.6%"), (0.0, "0.0%")])
def test_only_what_misses_nothing_is_100_per_cent(value: float, text: str) -> None:
    assert index_recall.share(value) == text
