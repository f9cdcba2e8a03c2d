"""Which metrics are one, and the worked example."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau

from lib.errors import QueryError
from lib.search import equivalence, exact, worked_example
from lib.search.equivalence import CENTRED_COSINE, UNIT_L2
from lib.search.metrics import METRICS, reference


@pytest.mark.parametrize("pixels", [False, True])
def test_tau_equals_scipys_and_three_pairs_are_one(pixels: bool) -> None:
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, 1.0, (50, 24))
    vectors = (values * 40).astype(np.uint8) if pixels else values.astype(np.float32)
    measured = equivalence.measure(exact.gallery(vectors))
    assert (measured.queries, measured.rows) == (20, 50)
    assert set(measured.alike()) == {("mse", "l2"), ("cosine", UNIT_L2), ("ncc", CENTRED_COSINE)}
    places = {name: place for place, name in enumerate(measured.names)}
    taus: dict[tuple[str, str], list[float]] = {}
    generator = np.random.default_rng(0)
    generator.choice(50, 50, replace=False)  # the sample, which takes all rows
    for query in np.sort(generator.choice(50, 20, replace=False)):
        others = np.arange(50) != query
        closeness = {
            name: reference(name, vectors[query], vectors)[others] * (1 if METRICS[name].higher_is_closer else -1)
            for name in METRICS
        }
        for a, b in combinations(METRICS, 2):
            taus.setdefault((a, b), []).append(float(kendalltau(closeness[a], closeness[b]).statistic))
    for (a, b), each in taus.items():
        assert measured.mean[places[a], places[b]] == pytest.approx(np.mean(each), abs=1e-6)
        assert measured.least[places[b], places[a]] == pytest.approx(np.min(each), abs=1e-6)


def test_constant_vectors_leave_tau_undefined_not_wrong() -> None:
    measured = equivalence.measure(exact.gallery(np.ones((6, 3), dtype=np.float32)))
    off = ~np.eye(len(measured.names), dtype=bool)
    assert np.isnan(measured.mean[off]).all()
    assert measured.alike() == []


def test_the_worked_example_of_the_design() -> None:
    measured = worked_example.compute()
    assert list(measured["l1"].values.values()) == [3, 4, 5, 3]
    assert measured["l1"].order == ["A", "D", "B", "C"]
    assert [round(value, 3) for value in measured["cosine"].values.values()] == [0.926, 0.882, 0.906, 0.577]
    assert measured["cosine"].order == ["A", "C", "B", "D"]
    assert measured["mse"].order == measured["l2"].order
    assert set(measured["ncc"].values.values()) == {0.0}  # the query is constant


def test_the_example_takes_other_numbers_and_refuses_none() -> None:
    measured = worked_example.compute({"u": [0, 1], "v": [1, 0]}, [0, 2])
    assert measured["cosine"].values == {"u": 1.0, "v": 0.0}
    with pytest.raises(QueryError):
        worked_example.compute({"u": [float("nan"), 1]}, [0, 1])
    with pytest.raises(QueryError):
        worked_example.compute({"u": [1, 2], "v": [1]}, [0, 1])
