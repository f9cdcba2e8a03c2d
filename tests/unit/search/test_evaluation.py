"""Retrieval scores against an independent plain loop, scikit-learn, and rankings worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from lib.errors import QueryError
from lib.search import evaluation, rank_measures
from lib.search.evaluation import evaluate, evaluate_metrics
from lib.search.exact import gallery
from lib.search.metrics import METRICS, reference
from lib.statistics import mean_interval

NAMES = list(METRICS)


def by_hand(
    vectors: np.ndarray,
    labels: list[str],
    name: str,
    query: int,
    gallery_rows: list[int],
    ks: list[int],
    pictures: list[int] | None,
    rng: np.random.Generator | None = None,
) -> dict[str, float]:
    """Every measure of one query, one answer at a time; NaN if the query does not count. Ties are shuffled by `rng`."""
    values = reference(name, vectors[query], vectors)
    sign = -1 if METRICS[name].higher_is_closer else 1
    shuffled = np.arange(len(vectors)) if rng is None else rng.permutation(len(vectors))
    undefined = METRICS[name].undefined
    dead = np.zeros(len(vectors), dtype=bool) if undefined is None else undefined(vectors)
    answers, total = [], 0
    for _, _, row in sorted((round(sign * values[row], 9), shuffled[row], row) for row in gallery_rows):
        if row == query or (pictures is not None and pictures[row] == pictures[query]):
            continue
        total += labels[row] == labels[query]
        if not (dead[row] or dead[query]):
            answers.append(labels[row] == labels[query])
    if not total:
        return dict.fromkeys(rank_measures.names(sorted({*ks, 10})), float("nan"))
    hits, precisions = 0, [0.0] * len(answers)
    for rank, right in enumerate(answers, start=1):
        if right:
            hits += 1
            precisions[rank - 1] = hits / rank
    found: dict[str, float] = {
        "map": sum(precisions) / total,
        "map_at_r": sum(precisions[:total]) / total,
        "r_precision": sum(answers[:total]) / total,
        "mrr": 1 / (answers.index(True) + 1) if hits else 0.0,
    }
    for k in {*ks, 10}:
        gain = sum(right / math.log2(rank + 1) for rank, right in enumerate(answers[:k], start=1))
        best = sum(1 / math.log2(rank + 1) for rank in range(1, min(total, k) + 1))
        found |= {f"p{k}": sum(answers[:k]) / k, f"r{k}": sum(answers[:k]) / total, f"ndcg{k}": gain / best}
    return found


def has_ties(vectors: np.ndarray, name: str) -> bool:
    """Whether two of the vectors are as close as each other to a third one."""
    values = [np.delete(reference(name, vector, vectors), row) for row, vector in enumerate(vectors)]
    return any(len(set(each.round(9).tolist())) < len(each) for each in values)


def tied_vectors(pixels: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    if pixels:
        return rng.integers(0, 3, (60, 4), dtype=np.uint8) * np.uint8(100)
    return rng.integers(-1, 2, (60, 4)).astype(np.float32)


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize("copies", [False, True])
def test_equals_a_plain_loop(pixels: bool, leave_one_out: bool, copies: bool) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.integers(0, 256, (60, 2000), dtype=np.uint8) if pixels else rng.normal(size=(60, 8)).astype("f4")
    # A plain loop has no expectation over ties, which whole numbers give some metrics (L1) in any number of dimensions.
    names = [name for name in NAMES if not has_ties(vectors, name)]
    assert {"mse", "cosine"} <= set(names)
    labels = [*rng.choice(["a", "b", "c"], 59).tolist(), "alone"]
    pictures = rng.integers(0, 30, 60).tolist() if copies else None
    queries = list(range(60)) if leave_one_out else [59, *range(3, 40, 3)]
    rows = list(range(60)) if leave_one_out else [row for row in range(60) if row not in queries]
    ks = [1, 5, 10, 70]
    scores = evaluate_metrics(
        gallery(vectors),
        labels,
        metrics=names,
        query_rows=np.array(queries),
        gallery_rows=np.array(rows),
        ks=ks,
        same_picture=pictures,
    )
    assert list(scores) == names
    for name, got in scores.items():
        expected = [by_hand(vectors, labels, name, query, rows, ks, pictures) for query in queries]
        counted = [query for query, each in zip(queries, expected, strict=True) if not np.isnan(each["map"])]
        assert 59 not in counted
        for measure, values in got.per_query.values.items():
            by_query = np.array([each[measure] for each in expected])
            np.testing.assert_allclose(values, by_query, err_msg=measure)
            mean, interval = got.means[measure], got.intervals[measure]
            assert mean == pytest.approx(np.nanmean(by_query))
            assert interval is not None and interval[0] <= mean <= interval[1] and interval[0] < interval[1]
            classes = {labels[query] for query in counted}
            by_class = [
                np.mean([v for q, v in zip(queries, by_query, strict=True) if labels[q] == label and not np.isnan(v)])
                for label in classes
            ]
            assert got.balanced[measure] == pytest.approx(np.mean(by_class))
        assert (got.metric, got.queries, got.left_out, got.gallery) == (
            name,
            len(counted),
            len(queries) - len(counted),
            len(rows),
        )
        assert got.per_query.rows.tolist() == queries
        assert got.per_query.rows[got.per_query.counted].tolist() == counted


@pytest.mark.parametrize("pixels", [False, True])
def test_ties_count_in_expectation(pixels: bool) -> None:
    """Against the mean over many random orders of the tied results; zero vectors are no results."""
    vectors, rng = tied_vectors(pixels), np.random.default_rng(1)
    vectors[[5, 6]] = 0
    labels = rng.choice(["a", "b", "c"], 60).tolist()
    queries, rows = [0, 1, 5], list(range(60))
    scores = evaluate_metrics(
        gallery(vectors), labels, metrics=NAMES, query_rows=np.array(queries), gallery_rows=np.array(rows)
    )
    for name, got in scores.items():
        for place, query in enumerate(queries):
            orders = [by_hand(vectors, labels, name, query, rows, [1, 5, 10], None, rng) for _ in range(400)]
            for measure, values in got.per_query.values.items():
                drawn = np.array([each[measure] for each in orders])
                error = max(5 * drawn.std() / 20, 1e-9)  # five standard errors
                assert values[place] == pytest.approx(drawn.mean(), abs=error), (name, measure)


def test_the_order_of_rows_changes_nothing() -> None:
    """Classes renamed are rows in another order."""
    vectors, rng = tied_vectors(pixels=False), np.random.default_rng(4)
    labels, renamed = rng.choice(["a", "b", "c"], 60), rng.permutation(60)
    every = {"metrics": NAMES, "query_rows": np.arange(60), "gallery_rows": np.arange(60)}
    one = evaluate_metrics(gallery(vectors), labels, **every)
    other = evaluate_metrics(gallery(vectors[renamed]), labels[renamed], **every)
    for name in NAMES:
        assert other[name].means == pytest.approx(one[name].means)
        assert other[name].balanced == pytest.approx(one[name].balanced)


def test_average_precision_is_sklearns_without_ties() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(80, 8)).astype(np.float32)
    labels = rng.choice(["a", "b"], 80)
    rows = np.arange(1, 80)
    got = evaluate(gallery(vectors), labels, metric="l2", query_rows=np.array([0]), gallery_rows=rows)
    closeness = -reference("l2", vectors[0], vectors[rows])
    assert got.means["map"] == pytest.approx(average_precision_score(labels[rows] == labels[0], closeness))


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
    means = got.means
    assert means["map"] == pytest.approx((1 + 2 / 3) / 2)
    assert got.intervals["map"] == pytest.approx(mean_interval([means["map"]]))
    assert [means[f"p{k}"] for k in (1, 2, 3)] == pytest.approx([1, 1 / 2, 2 / 3])
    assert [means[name] for name in ("r10", "mrr", "r_precision", "map_at_r")] == pytest.approx([1, 1, 1 / 2, 1 / 2])
    assert means["ndcg10"] == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))


def test_same_pictures_are_no_answers() -> None:
    vectors = np.array([[0], [0], [1], [2]], dtype=np.float32)
    labels = ["a", "a", "b", "a"]
    rows = {"query_rows": np.array([0]), "gallery_rows": np.arange(4)}
    assert evaluate(gallery(vectors), labels, metric="l2", **rows).means["p1"] == 1
    distinct = evaluate(gallery(vectors), labels, metric="l2", same_picture=["p", "p", "q", "r"], **rows)
    assert distinct.means["p1"] == 0
    assert distinct.means["map"] == pytest.approx(1 / 2)


def test_precision_divides_by_k_also_where_there_are_fewer_answers() -> None:
    vectors = np.ones((4, 2), dtype=np.float32)
    vectors[3] = [1, -1]
    got = evaluate(gallery(vectors), [*"aaa", "b"], metric="cosine", query_rows=np.arange(3), gallery_rows=np.arange(4))
    assert [got.means[f"p{k}"] for k in (1, 5, 10)] == pytest.approx([1, 2 / 5, 2 / 10])
    assert got.means["map"] == 1


@pytest.mark.parametrize(
    ("queries", "rows", "labels", "why"),
    [
        ([0], [], "aab", evaluation.NO_IMAGES),
        ([], [0, 1], "aab", evaluation.NO_IMAGES),
        ([0, 1], [0, 1], "aaa", evaluation.ONE_CLASS),
        ([0, 2], [0, 1], "aab", evaluation.ONE_CLASS),
        ([2], [0, 1, 2], "aab", evaluation.ALONE),
    ],
)
def test_a_row_without_scores_says_why(queries: list[int], rows: list[int], labels: str, why: str) -> None:
    got = evaluate(
        gallery(np.eye(3, dtype=np.float32)),
        list(labels),
        metric="l2",
        query_rows=np.array(queries, dtype=int),
        gallery_rows=np.array(rows, dtype=int),
    )
    assert (got.why, got.queries, got.left_out) == (why, 0, len(queries))
    for values in (got.means, got.intervals, got.balanced, got.balanced_intervals):
        assert set(values) == set(got.per_query.values)
        assert set(values.values()) == {None}


def test_undefined_similarities_are_no_results() -> None:
    """Row 3 is a zero vector: no result for anyone, and as a query without any. Its class finds one of two."""
    vectors = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.float32)
    every = {"query_rows": np.arange(4), "gallery_rows": np.arange(4)}
    got = evaluate(gallery(vectors), ["a", "b", "a", "b"], metric="cosine", **every)
    assert got.why is None
    assert got.pairs == (6, 6)
    assert got.per_query.values["mrr"].tolist() == [1 / 2, 0, 1 / 2, 0]
    assert got.per_query.values["map"].tolist() == [1 / 2, 0, 1 / 2, 0]
    nothing = evaluate(gallery(np.zeros((4, 2), np.float32)), ["a", "b", "a", "b"], metric="cosine", **every)
    assert (nothing.why, nothing.queries, nothing.means["map"]) == (evaluation.NOTHING_DEFINED, 4, None)
    assert evaluate(gallery(vectors), ["a", "b", "a", "b"], metric="l1", **every).pairs == (12, 0)


def test_a_query_that_is_alone_in_its_class_is_left_out_of_every_measure() -> None:
    vectors = np.array([[0], [1], [2]], dtype=np.float32)
    got = evaluate(
        gallery(vectors), ["a", "b", "b"], metric="l2", query_rows=np.arange(3), gallery_rows=np.arange(3), ks=(1,)
    )
    assert all(np.isnan(values).tolist() == [True, False, False] for values in got.per_query.values.values())
    assert (got.queries, got.left_out) == (2, 1)
    assert got.means["p1"] == pytest.approx((1 / 2 + 1) / 2)  # row 1 is as far from 0 as from 2
    assert got.means["map"] == pytest.approx(((1 + 1 / 2) / 2 + 1) / 2)


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
    assert got.per_query.values["map"][1099] == last.means["map"]


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
