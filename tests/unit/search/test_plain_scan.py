"""A metric without a kernel: exact search, contributions and Milvus' candidates follow from its `values` alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lib.search import exact
from lib.search.contributions import contributions
from lib.search.metrics import METRICS, Metric, reference, register
from lib.store import collections, vector_search
from tests.unit.search.test_exact import check_all_values, check_top_k


@pytest.fixture(params=[False, True], ids=["distance", "similarity"])
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a metric that exists for one test: the largest difference, or minus it."""
    sign = -1 if request.param else 1
    register(
        Metric(
            name="largest",
            title="Largest difference",
            short="largest",
            formula="",
            unit="value",
            higher_is_closer=request.param,
            note="",
            values=lambda x, q: sign * np.abs(x - q).max(axis=1),
        )
    )
    yield "largest"
    del METRICS["largest"]


def vectors(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "pixels":
        return rng.integers(0, 4, (90, 12), dtype=np.uint8) * np.uint8(85)  # many ties
    return rng.integers(-3, 4, (90, 12)).astype(np.float32)


@pytest.mark.parametrize("kind", ["pixels", "features"])
def test_search_equals_the_reference(name: str, kind: str) -> None:
    gallery = exact.gallery(vectors(kind))
    check_top_k(gallery, gallery.vectors[:3], name, 10)
    check_top_k(gallery, gallery.vectors[:2], name, 5, [[0, 7], []], list(range(3, 60)))
    check_all_values(gallery, gallery.vectors[:3], name)


def test_metrics_with_and_without_a_kernel_are_computed_together(name: str) -> None:
    x = vectors("features")
    values = exact.values_by_metric(exact.gallery(x), x[:2], [name, "l1"], rows=np.array([1, 5, 80]))
    assert list(values) == [name, "l1"]
    for each, rows in values.items():
        np.testing.assert_array_equal(rows[1], reference(each, x[1], x[[1, 5, 80]]))


@pytest.mark.parametrize("kind", ["pixels", "features"])
def test_contributions_sum_to_the_value(name: str, kind: str) -> None:
    x = vectors(kind)
    for row in (0, 1):  # itself, where nothing differs, and another
        parts = contributions(name, x[0], x[row])
        assert parts.total == pytest.approx(reference(name, x[0], x[row : row + 1])[0])
        assert parts.parts.shape == (12,)


def test_milvus_gives_candidates_by_cosine(name: str) -> None:
    assert collections.collection_for("base", name) == collections.collection_for("base", "cosine")
    assert vector_search.plan_search(name, 10, 0) == vector_search.plan_search("l1", 10, 0)
