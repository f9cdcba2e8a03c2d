"""Measures of rankings against trec_eval, torchmetrics and scikit-learn, and ties against all their orders."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import pytrec_eval
import torch
from sklearn.metrics import ndcg_score
from torchmetrics.functional import retrieval

from lib.search import rank_measures
from lib.search.rank_measures import expected_reciprocal, measures, tied_with_next

KS = [1, 5, 10]
TREC = {"map": "map", "r_precision": "Rprec", "mrr": "recip_rank"} | {
    ours.format(k): theirs.format(k)
    for k in KS
    for ours, theirs in (("p{}", "P_{}"), ("r{}", "recall_{}"), ("ndcg{}", "ndcg_cut_{}"))
}
N = 40


def rankings() -> tuple[np.ndarray, np.ndarray]:
    """Hits (q, N) of strict rankings, and how many images are relevant, of which some are no results."""
    rng = np.random.default_rng(0)
    hits = rng.random((60, N)) < rng.choice([0.05, 0.3, 0.8], 60)[:, None]
    hits[0] = True
    hits[1] = False
    return hits, hits.sum(axis=1) + np.where(rng.random(60) < 0.3, 3, 0)


def strict(hits: np.ndarray, total: np.ndarray) -> dict[str, np.ndarray]:
    return measures(hits, np.zeros((len(hits), hits.shape[1] - 1), dtype=bool), total, KS)


def test_equal_trec_eval() -> None:
    hits, total = rankings()
    run = {f"q{q}": {f"d{rank}": float(N - rank) for rank in range(N)} for q in range(len(hits))}
    qrels = {
        f"q{q}": {
            **{f"d{rank}": int(hit) for rank, hit in enumerate(row)},
            **{f"lost{i}": 1 for i in range(total[q] - row.sum())},
        }
        for q, row in enumerate(hits)
    }
    cuts = {f"map_cut_{r}" for r in set(total.tolist()) - {0}}
    judged = pytrec_eval.RelevanceEvaluator(qrels, {*TREC.values(), *cuts}).evaluate(run)
    ours = strict(hits, total)
    assert set(ours) == set(rank_measures.names(KS))
    for q in range(len(hits)):
        if total[q] == 0:  # trec_eval gives 0, and here the query does not count
            assert all(np.isnan(values[q]) for values in ours.values())
            continue
        theirs = judged[f"q{q}"]
        for name, trec in TREC.items():
            assert ours[name][q] == pytest.approx(theirs[trec], abs=1e-6), name
        assert ours["map_at_r"][q] == pytest.approx(theirs[f"map_cut_{total[q]}"], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("map", retrieval.retrieval_average_precision),
        ("mrr", retrieval.retrieval_reciprocal_rank),
        ("r_precision", retrieval.retrieval_r_precision),
        *((f"p{k}", lambda p, t, k=k: retrieval.retrieval_precision(p, t, top_k=k)) for k in KS),
        *((f"r{k}", lambda p, t, k=k: retrieval.retrieval_recall(p, t, top_k=k)) for k in KS),
        *((f"ndcg{k}", lambda p, t, k=k: retrieval.retrieval_normalized_dcg(p, t, top_k=k)) for k in KS),
    ],
)
def test_equal_torchmetrics(name: str, theirs: Callable[..., torch.Tensor]) -> None:
    hits, _ = rankings()
    ours = strict(hits, hits.sum(axis=1))[name]
    scores = torch.arange(N, 0, -1, dtype=torch.float64)
    for row, value in zip(hits, ours, strict=True):
        if row.any():
            assert value == pytest.approx(float(theirs(scores, torch.tensor(row))), abs=1e-6)


def test_ties_in_ndcg_equal_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    keys = np.sort(rng.integers(0, 6, (50, N)), axis=1).astype(float)
    hits = rng.random((50, N)) < 0.3
    ours = measures(hits, tied_with_next(keys, relative=True), hits.sum(axis=1), KS)
    for k in KS:
        theirs = [ndcg_score(row[None], -key[None], k=k) for row, key in zip(hits, keys, strict=True)]
        assert ours[f"ndcg{k}"] == pytest.approx(theirs, abs=1e-9)


def test_ties_equal_the_mean_over_all_orders() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        keys = np.sort(rng.integers(0, 3, 7)).astype(float)
        hits = rng.random(7) < 0.5
        total = np.array([hits.sum() + rng.integers(0, 2)])
        if not total[0]:
            continue
        got = measures(hits[None], tied_with_next(keys[None], relative=True), total, KS)
        orders = np.array([order for order in itertools.permutations(range(7)) if (keys[list(order)] == keys).all()])
        every = strict(hits[orders], np.repeat(total, len(orders)))
        for name, values in every.items():
            assert got[name] == pytest.approx(values.mean()), name


def test_the_first_of_many_tied_ones() -> None:
    assert expected_reciprocal(0, 1, 1) == 1
    assert expected_reciprocal(4, 1, 1) == pytest.approx(1 / 5)
    assert expected_reciprocal(0, 3, 1) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert expected_reciprocal(0, 20_000, 20_000) == 1
    assert expected_reciprocal(0, 20_000, 1) == pytest.approx((1 / np.arange(1, 20_001)).mean())


def test_values_are_tied_within_rounding_and_not_beyond() -> None:
    distances = np.array([[0.0, 0.0, 3e-13, 1e3, 1e3 * (1 + 1e-13), 1e3 * (1 + 1e-9), np.inf, np.inf]])
    assert tied_with_next(distances, relative=True).tolist() == [[True, False, False, True, False, False, False]]
    similarities = np.array([[-1.0, -1.0 + 1e-13, -0.5, -0.5 + 1e-10, 0.0, 1e-13]])
    assert tied_with_next(similarities, relative=False).tolist() == [[True, False, False, False, True]]
