"""lib.store.recall, scratch and cells against brute force in NumPy, on a real Milvus Lite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lib import statistics
from lib.commands import cli
from lib.errors import QueryError, StoreError
from lib.store import collections, index_comparison, ivf_cells, recall, vector_search
from lib.store import inspect as reader
from lib.store.connection import Store, open_store
from lib.store.write import Rows, write_collection
from tests.helpers import foreign_collection

N, DIM = 800, 16


def make_rows(n: int = N) -> Rows:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(12, DIM)) * 2
    vectors = (centres[rng.integers(12, size=n)] + rng.normal(size=(n, DIM))).astype(np.float32)
    ids = [f"{i:04}" for i in range(n)]
    return Rows(ids, ids, ["a"] * n, ["train"] * n, vectors)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recall")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    with open_store(str(folder / "x.db")) as opened:
        write_collection(opened, "graph", make_rows(), metric="COSINE")
        ivf = {"index_type": "IVF_FLAT", "params": {"nlist": 16}}
        write_collection(opened, "ivf", make_rows(), metric="L2", index=ivf)
        foreign_collection.make(opened, "f")
        yield opened


def entry(store: Store, name: str) -> dict[str, Any]:
    return dict(reader.inspect(store, name)["collections"][0])


@pytest.mark.parametrize("metric", recall.METRICS)
def test_scores_rank_as_plain_numpy_does(metric: str) -> None:
    x, q = make_rows(50).vectors.astype(np.float64), make_rows(3).vectors.astype(np.float64)
    plain = {
        "L2": -((q[:, None] - x[None]) ** 2).sum(axis=2),
        "IP": q @ x.T,
        "COSINE": q @ x.T / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(x, axis=1)[None],
    }
    assert recall.scores(x, q, metric) == pytest.approx(plain[metric])


def test_the_truth_is_that_of_a_full_scan_whatever_the_pages() -> None:
    rows = make_rows(300)
    queries = [(rows.ids[i], rows.vectors[i]) for i in (0, 7, 299)]
    for step in (300, 100, 7):
        pages = [(rows.ids[i : i + step], rows.vectors[i : i + step]) for i in range(0, 300, step)]
        result = recall.ground_truth(pages, queries, "L2", 5)
        for (key, vector), right in zip(queries, result.neighbours, strict=True):
            order = np.argsort(((rows.vectors - vector) ** 2).sum(axis=1), kind="stable")
            assert right == {rows.ids[i] for i in order[1:6]}
            assert key not in right


def test_ties_all_count_as_right_and_nan_as_far() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [9, 9], [np.nan, 0]], np.float32)
    result = recall.ground_truth([(list("abcdef"), vectors)], [("a", vectors[0])], "L2", 2)
    assert result.neighbours == [{"b", "c", "d"}]
    assert result.k == 2


@pytest.mark.parametrize("page", [50, 400])
def test_any_number_of_equal_rows_counts_as_right(page: int) -> None:
    vectors = np.concatenate([np.ones((300, 4)), np.eye(4), -np.ones((96, 4))]).astype(np.float32)
    names = [f"r{i:03}" for i in range(400)]
    pages = [(names[i : i + page], vectors[i : i + page]) for i in range(0, 400, page)]
    result = recall.ground_truth(pages, [("r000", vectors[0]), ("r399", vectors[399])], "COSINE", 10)
    assert result.neighbours == [set(names[1:300]), set(names[304:399])]


def test_recall_of_an_index_is_what_its_own_answers_give(store: Store) -> None:
    document = recall.recall(store, "ivf", k=5, queries=40)
    assert [row["params"] for row in document["rows"]] == [{"nprobe": n} for n in (1, 2, 4, 8, 16)]
    values = [row["recall"] for row in document["rows"]]
    assert values == sorted(values)
    assert values[0] < 1
    assert values[-1] == 1
    assert (document["gallery"], document["queries"], document["metric"], document["build"]) == (
        N,
        40,
        "L2",
        {"nlist": 16},
    )
    # The same again, by hand, at nprobe 1.
    rows = make_rows()
    chosen = np.sort(np.random.default_rng(0).permutation(N)[:40])
    right = 0
    for row in chosen:
        hits = vector_search.search_vectors(store, "ivf", rows.vectors[row : row + 1], 6, search_params={"nprobe": 1})[
            0
        ]
        answers = [hit["id"] for hit in hits if hit["id"] != rows.ids[row]][:5]
        order = np.argsort(((rows.vectors - rows.vectors[row]) ** 2).sum(axis=1))
        right += len(set(answers) & {rows.ids[i] for i in order[1:6]})
    assert values[0] == pytest.approx(right / 200)
    for row in document["rows"]:
        least, most = row["ci95"]["p50_ms"]
        assert 0 < least <= row["p50_ms"] <= most
        assert row["p50_ms"] <= row["p95_ms"]
        lower, upper = row["ci95"]["recall"]
        assert lower <= row["recall"] <= upper
    assert document["rows"][-1]["ci95"]["recall"] == pytest.approx(statistics.wilson(40, 40), abs=1e-6)


def test_settings_take_turns_and_each_has_every_query() -> None:
    """A machine that becomes slower makes all settings slower; and no two settings have one query in one round."""
    asked: list[tuple[int, int]] = []

    class Engine:
        def call(self, method: str, collection: str, **arguments: Any) -> list[list[Any]]:
            asked.append((arguments["search_params"]["params"]["ef"], int(arguments["data"][0][0])))
            return [[SimpleNamespace(id="other")]]

    queries, settings = 12, [{"ef": ef} for ef in (16, 32, 64)]
    vectors = [np.array([place], np.float32) for place in range(queries)]
    truth = recall.GroundTruth([str(i) for i in range(queries)], vectors, [{"other"}] * queries, 1, queries + 1)
    measured = recall.measure(Engine(), "c", "v", "L2", truth, settings, key="id")  # type: ignore[arg-type]
    assert [row["recall"] for row in measured] == [1.0] * 3
    warm_up, rounds = asked[:3], [asked[i : i + 3] for i in range(3, len(asked), 3)]
    assert [ef for ef, _ in warm_up] == [16, 32, 64]
    assert len(rounds) == queries
    assert all({ef for ef, _ in turn} == {16, 32, 64} and len({query for _, query in turn}) == 3 for turn in rounds)
    assert len({tuple(ef for ef, _ in turn) for turn in rounds}) > 1  # the order is shuffled
    for ef in (16, 32, 64):
        assert sorted(query for each, query in asked[3:] if each == ef) == list(range(queries))


def test_the_recommended_setting_surely_finds_enough() -> None:
    def row(ef: int, share: float, lower: float) -> dict[str, Any]:
        return {"params": {"ef": ef}, "recall": share, "ci95": {"recall": (lower, 1.0)}}

    rows: Any = [row(16, 0.992, 0.985), row(32, 0.999, 0.997), row(64, 1.0, 0.963)]
    best = recall.recommended(rows)
    assert best is not None and best["params"] == {"ef": 32}  # 16 might find less than 99 %
    best = recall.recommended(rows[::2])
    assert best is not None and best["params"] == {"ef": 64}  # it missed none
    assert recall.recommended(rows[:1]) is None


def test_settings_above_the_largest_are_left_out(store: Store) -> None:
    document = recall.recall(store, "ivf", k=5, queries=6, largest=4)
    assert [row["params"] for row in document["rows"]] == [{"nprobe": n} for n in (1, 2, 4)]


@pytest.mark.slow
def test_large_collections_are_read_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = recall.recall(store, "graph", k=5, queries=300)
    monkeypatch.setattr(recall, "ROWS_IN_MEMORY", 300)  # so few are held: the rest is read a page at a time
    reports: list[int] = []
    part = recall.recall(store, "graph", k=5, queries=300, progress=lambda done, total: reports.append(done))
    assert part["gallery"] == whole["gallery"] == N
    assert reports[-1] == N
    assert part["queries"] == 300
    assert part["rows"][-1]["recall"] == 1


def test_what_cannot_be_measured(store: Store) -> None:
    with pytest.raises(QueryError, match="no index on the field words"):
        recall.recall(store, "f", field="words")
    store.call("release_collection", "graph", doing="release")
    with pytest.raises(StoreError, match="not loaded"):
        recall.recall(store, "graph")
    collections.ensure_loaded(store, "graph")


def test_other_types_are_compared_on_a_copy(store: Store, tmp_path: Path) -> None:
    before = collections.names(store)
    kinds = ["FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW", "HNSW_SQ"]
    said: list[str] = []
    document = index_comparison.compare(
        store, entry(store, "ivf"), "vector", "L2", kinds, k=5, queries=20, folder=tmp_path, report=said.append
    )
    best = {kind: max(row["recall"] for row in document["rows"] if row["index_type"] == kind) for kind in kinds}
    assert best["FLAT"] == best["IVF_FLAT"] == 1
    assert min(best.values()) > 0.85
    sizes = {row["index_type"]: row["bytes"] for row in document["rows"]}
    assert sizes["IVF_SQ8"] < sizes["FLAT"] < sizes["HNSW"]
    assert document["failed"] == {}
    assert "building HNSW_SQ" in said
    assert collections.names(store) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["IVF_PQ", "SCANN", "DISKANN"])
def test_pretended_types_are_refused_with_the_reason(store: Store, kind: str) -> None:
    with pytest.raises(QueryError, match=f"{kind} cannot be compared .* searches every row without an index"):
        index_comparison.compare(store, entry(store, "ivf"), "vector", "L2", [kind])


def test_command_prints_the_contract(folder: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(folder / "x.db")
    assert cli.main(["recall", "--milvus-uri", path, "--collection", "ivf", "--queries", "10", "--json"]) == 0
    out, _ = capsys.readouterr()
    document = json.loads(out)
    for row in document["rows"]:
        assert {"index_type", "params", "recall", "p50_ms", "p95_ms"} <= set(row)
    assert cli.main(["recall", "--milvus-uri", path, "--collection", "ivf", "--queries", "10", "--k", "3"]) == 0
    assert "nprobe 16" in capsys.readouterr().out
    for arguments, words in (
        (["--collection", "gone"], "no collection gone"),
        (["--collection", "f", "--field", "x"], "x"),
    ):
        assert cli.main(["recall", "--milvus-uri", path, *arguments]) == 1
        assert words in capsys.readouterr().err


# -- cells ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", recall.METRICS)
def test_cells_are_those_of_the_nearest_centre(metric: str) -> None:
    vectors = make_rows().vectors
    created = ivf_cells.make_cells(vectors, 12, metric)
    x = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if metric == "COSINE" else vectors
    distances = ((x[:, None] - created.centres[None]) ** 2).sum(axis=2)
    assert (distances[np.arange(N), created.of] <= distances.min(axis=1) + 1e-4).all()


def test_recall_grows_with_nprobe_to_one_and_is_that_of_a_restricted_scan() -> None:
    vectors = make_rows().vectors
    created = ivf_cells.make_cells(vectors, 12, "L2")
    asks = np.arange(0, N, 20)
    curve = ivf_cells.recall_by_nprobe(created, vectors, asks, "L2", 10)
    hits = [hit for _, hit, _ in curve]
    assert hits == sorted(hits)
    assert hits[-1] == pytest.approx(1)
    assert curve[-1][2] == pytest.approx(1)
    collected = []
    for row in asks:
        distances = ((vectors - vectors[row]) ** 2).sum(axis=1)
        distances[row] = np.inf
        best = set(np.argsort(distances)[:10])
        inside = np.isin(created.of, ivf_cells.nearest_cells(created, vectors[row], "L2", 3))
        restricted = set(np.argsort(np.where(inside, distances, np.inf))[:10])
        collected.append(len(best & restricted) / 10)
    assert hits[2] == pytest.approx(np.mean(collected))


def test_too_many_cells() -> None:
    with pytest.raises(QueryError, match="1 to 5 cells, not"):
        ivf_cells.make_cells(make_rows(5).vectors, 6, "L2")
