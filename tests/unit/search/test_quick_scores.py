"""Scores by plain products against the reference, with ties, copies and a lone class."""

from __future__ import annotations

import numpy as np
import pytest

from lib.search import evaluation, quick_scores
from lib.search.gallery import gallery

MEASURES = ("map", "p10", "mrr", "r_precision")


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("codes", [False, True])
def test_scores_are_those_of_the_reference(metric: str, codes: bool) -> None:
    rng = np.random.default_rng(0)
    labels, pictures = rng.integers(0, 4, 80).astype(str), np.arange(80).astype(str)
    labels[3], pictures[70] = "lone", pictures[10]
    vectors = rng.normal(size=(80, 6)) + np.array([[3, 0, 0, 0, 0, 0]]) * (labels == "1")[:, None]
    vectors = np.rint(np.clip(vectors, 0, 2)) + 1 if codes else vectors
    queries, rest = np.arange(0, 25), np.arange(25, 80)
    quick = quick_scores.scores(vectors.astype(np.float32), metric, labels, pictures, queries, rest, 10)
    plain = evaluation.evaluate(
        gallery(vectors.astype(np.float32)),
        labels,
        metric=metric,
        query_rows=queries,
        gallery_rows=rest,
        ks=(10,),
        same_picture=pictures,
    )
    assert (quick.queries, quick.left_out, quick.gallery) == (plain.queries, plain.left_out, plain.gallery)
    for measure in MEASURES:
        assert quick.per_query.values[measure] == pytest.approx(plain.per_query.values[measure], nan_ok=True, abs=1e-9)
        assert quick.means[measure] == pytest.approx(plain.means[measure])
        assert quick.intervals[measure] == pytest.approx(plain.intervals[measure])


def test_one_class_has_no_scores() -> None:
    vectors = np.eye(6, dtype=np.float32)
    same = np.array(["a"] * 6)
    found = quick_scores.scores(vectors, "cosine", same, np.arange(6), np.arange(2), np.arange(2, 6), 10)
    assert found.why == evaluation.ONE_CLASS
    assert found.means["map"] is None
