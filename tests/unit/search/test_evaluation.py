"""Retrieval scores against an independent plain loop, scikit-learn, and rankings worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from lib.errors import QueryError
from lib.search.evaluation import bootstrap_interval, evaluate, evaluate_metrics
from lib.search.exact import gallery
from lib.search.metrics import METRICS, reference

NAMES = list(METRICS)


def by_hand(
    vectors: np.ndarray,
    labels: list[str],
    name: str,
    query: int,
    gallery_rows: list[int],
    ks: list[int],
    pictures: list[int] | None,
) -> tuple[float, dict[int, float], float]:
    """Average precision, precision at each k and recall at 10 of one query, one answer at a time; NaN if undefined."""
    values = reference(name, vectors[query], vectors)
    sign = -1 if METRICS[name].higher_is_closer else 1
    answers = []
    for _, row in sorted((sign * values[row], row) for row in gallery_rows):
        copy = row == query or (pictures is not None and pictures[row] == pictures[query])
        if not copy:
            answers.append(labels[row] == labels[query])
    if not answers:
        return float("nan"), dict.fromkeys(ks, float("nan")), float("nan")
    hits, precisions = 0, []
    for rank, right in enumerate(answers, start=1):
        if right:
            hits += 1
            precisions.append(hits / rank)
    precision = {k: sum(answers[:k]) / k for k in ks}
    if not hits:
        return float("nan"), precision, float("nan")
    return sum(precisions) / hits, precision, sum(answers[:10]) / hits


def tied_vectors(pixels: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    if pixels:
        return rng.integers(0, 3, (60, 4), dtype=np.uint8) * np.uint8(100)
    return rng.integers(-1, 2, (60, 4)).astype(np.float32)


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize("copies", [False, True])
def test_equals_a_plain_loop(pixels: bool, leave_one_out: bool, copies: bool) -> None:
    vectors = tied_vectors(pixels)
    rng = np.random.default_rng(1)
    labels = [*rng.choice(["a", "b", "c"], 59).tolist(), "alone"]
    pictures = rng.integers(0, 30, 60).tolist() if copies else None
    queries = list(range(60)) if leave_one_out else [59, *range(3, 40, 3)]
    rows = list(range(60)) if leave_one_out else [row for row in range(60) if row not in queries]
    ks = [1, 5, 10, 70]
    scores = evaluate_metrics(
        gallery(vectors),
        labels,
        metrics=NAMES,
        query_rows=np.array(queries),
        gallery_rows=np.array(rows),
        ks=ks,
        same_picture=pictures,
    )
    assert list(scores) == NAMES
    for name, got in scores.items():
        expected = [by_hand(vectors, labels, name, query, rows, ks, pictures) for query in queries]
        precisions = np.array([average for average, _, _ in expected])
        np.testing.assert_allclose(got.per_query.average_precision, precisions)
        assert got.map == pytest.approx(np.nanmean(precisions))
        for k in ks:
            np.testing.assert_allclose(got.per_query.precision[k], [precision[k] for _, precision, _ in expected])
            assert got.precision[k] == pytest.approx(np.mean([precision[k] for _, precision, _ in expected]))
        np.testing.assert_allclose(got.per_query.recall[10], [recall for _, _, recall in expected])
        assert got.recall[10] == pytest.approx(np.nanmean([recall for _, _, recall in expected]))
        assert (got.metric, got.queries, got.gallery) == (name, len(queries), len(rows))
        assert got.per_query.rows.tolist() == queries
        assert got.map_ci95 is not None
        assert got.map_ci95[0] <= got.map <= got.map_ci95[1]


def test_average_precision_is_sklearns_without_ties() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(80, 8)).astype(np.float32)
    labels = rng.choice(["a", "b"], 80)
    rows = np.arange(1, 80)
    got = evaluate(gallery(vectors), labels, metric="l2", query_rows=np.array([0]), gallery_rows=rows)
    closeness = -reference("l2", vectors[0], vectors[rows])
    assert got.map == pytest.approx(average_precision_score(labels[rows] == labels[0], closeness))


def test_a_ranking_by_hand() -> None:
    """Answers right, wrong, right, wrong: precision 1 and 2/3 at the relevant ranks."""
    vectors = np.array([[0], [1], [2], [3], [4]], dtype=np.float32)
    got = evaluate(
        gallery(vectors),
        ["a", "a", "b", "a", "b"],
        metric="l1",
        query_rows=np.array([0]),
        gallery_rows=np.arange(5),
        ks=(1, 2, 3),
    )
    assert got.map == pytest.approx((1 + 2 / 3) / 2)
    assert got.map_ci95 == pytest.approx((got.map, got.map))
    assert got.precision == pytest.approx({1: 1, 2: 1 / 2, 3: 2 / 3})
    assert got.recall == {10: 1.0}


def test_same_pictures_are_no_answers() -> None:
    vectors = np.array([[0], [0], [1], [2]], dtype=np.float32)
    labels = ["a", "a", "b", "a"]
    rows = {"query_rows": np.array([0]), "gallery_rows": np.arange(4)}
    assert evaluate(gallery(vectors), labels, metric="l2", **rows).precision[1] == 1
    distinct = evaluate(gallery(vectors), labels, metric="l2", same_picture=["p", "p", "q", "r"], **rows)
    assert distinct.precision[1] == 0
    assert distinct.map == pytest.approx(1 / 2)


def test_precision_divides_by_k_also_where_there_are_fewer_answers() -> None:
    vectors = np.zeros((3, 2), dtype=np.float32)
    got = evaluate(gallery(vectors), ["a"] * 3, metric="cosine", query_rows=np.arange(3), gallery_rows=np.arange(3))
    assert got.precision == pytest.approx({1: 1, 5: 2 / 5, 10: 2 / 10})
    assert got.map == 1


@pytest.mark.parametrize(
    ("queries", "rows"), [([0], []), ([], [0, 1]), ([0], [0]), ([], [])], ids=["gallery", "queries", "self", "both"]
)
def test_undefined_scores_are_none(queries: list[int], rows: list[int]) -> None:
    vectors = np.eye(2, dtype=np.float32)
    got = evaluate(gallery(vectors), ["a", "a"], metric="l2", query_rows=np.array(queries), gallery_rows=np.array(rows))
    assert got.map is None
    assert got.map_ci95 is None
    assert got.precision == {1: None, 5: None, 10: None}
    assert got.recall == {10: None}


def test_no_relevant_answer_leaves_the_mean_but_counts_as_wrong() -> None:
    vectors = np.array([[0], [1], [2]], dtype=np.float32)
    got = evaluate(
        gallery(vectors), ["a", "b", "b"], metric="l2", query_rows=np.arange(3), gallery_rows=np.arange(3), ks=(1,)
    )
    assert np.isnan(got.per_query.average_precision).tolist() == [True, False, False]
    assert got.precision[1] == pytest.approx((0 + 0 + 1) / 3)  # row 1 ties between 0 and 2, and 0 stands first
    assert got.map == pytest.approx((1 / 2 + 1) / 2)


def test_many_blocks_report_progress_and_agree() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.integers(0, 256, (1100, 3), dtype=np.uint8)
    labels = rng.choice(["a", "b", "c"], 1100)
    heard: list[tuple[int, int]] = []
    every = {"gallery_rows": np.arange(1100), "metric": "l1"}
    got = evaluate(
        gallery(vectors), labels, query_rows=np.arange(1100), progress=lambda *done: heard.append(done), **every
    )
    assert heard[-1] == (1100, 1100)
    assert len(heard) > 2
    last = evaluate(gallery(vectors), labels, query_rows=np.array([1099]), **every)
    assert got.per_query.average_precision[1099] == last.map


def test_bootstrap_is_seeded_and_covers_the_mean() -> None:
    values = np.random.default_rng(4).uniform(size=200)
    interval = bootstrap_interval(values, seed=1)
    assert interval == bootstrap_interval(values, seed=1)
    assert interval != bootstrap_interval(values, seed=2)
    assert interval is not None
    # The normal approximation of the mean's spread.
    half = 1.96 * values.std() / 200**0.5
    assert interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)
    assert bootstrap_interval(np.array([np.nan, 0.5, np.nan])) == (0.5, 0.5)
    assert bootstrap_interval(np.array([np.nan])) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": ["a"]}, "labels"),
        ({"same_picture": ["a"]}, "same_picture"),
        ({"query_rows": np.array([2])}, "query rows"),
        ({"gallery_rows": np.array([-1])}, "gallery rows"),
        ({"ks": (0, 1)}, "from 1 on"),
        ({"ks": ()}, "from 1 on"),
        ({"metric": "dot"}, "choose one of"),
    ],
)
def test_bad_questions(changed: dict[str, object], message: str) -> None:
    given = {
        "labels": ["a", "b"],
        "metric": "l1",
        "query_rows": np.array([0]),
        "gallery_rows": np.array([1]),
        **changed,
    }
    with pytest.raises(QueryError, match=message):
        evaluate(gallery(np.eye(2, dtype=np.float32)), given.pop("labels"), **given)
