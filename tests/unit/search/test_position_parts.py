"""Parts of a metric's value by position: they sum to the value, and are what the formulas say, in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lib.search import metrics, position_parts
from lib.search.metrics import METRICS, Metric, reference
from lib.search.position_parts import PositionParts, located

FIVE = ("mse", "l1", "l2", "cosine", "ncc")
SHAPES = st.tuples(st.integers(2, 9), st.integers(1, 4), st.integers(1, 4))
NUMBERS = st.floats(-1e3, 1e3, width=32)


def two_maps(shape: tuple[int, int, int]) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    one = arrays.arrays(np.float32, shape, elements=NUMBERS)
    return st.tuples(one, one)


def expected(name: str, q: np.ndarray, x: np.ndarray) -> float:
    """The value between two vectors, for l2 its square: plain formulas."""
    if name in {"cosine", "ncc"}:
        q, x = (q, x) if name == "cosine" else (q - q.mean(), x - x.mean())
        return float(q @ x / np.sqrt((q @ q) * (x @ x)))
    apart = x - q
    return float({"mse": (apart**2).mean(), "l1": np.abs(apart).sum(), "l2": (apart**2).sum()}[name])


def summed(parts: PositionParts) -> list[float]:
    """What the parts sum to: each photo's of a similarity, both together of a distance."""
    query, answer = float(parts.query.sum()), float(parts.answer.sum())
    return [query, answer] if parts.alone else [query + answer]


def scale(name: str, q: np.ndarray, x: np.ndarray) -> float:
    """The size of what is summed, which decides how far rounding reaches."""
    size = float(np.abs(q).max() + np.abs(x).max()) + 1e-30
    return 1.0 if name in {"cosine", "ncc"} else len(q) * (size if name == "l1" else size**2)


@pytest.mark.parametrize("name", FIVE)
@given(pair=SHAPES.flatmap(two_maps))
@settings(max_examples=60, deadline=None)
def test_the_parts_sum_to_the_value(name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    query, answer = (located(maps) for maps in pair)
    parts = position_parts.of_maps(name, query, answer)
    assert parts.query.shape == parts.answer.shape == pair[0].shape[1:]
    value = reference(name, query.vector, answer.vector[None])[0]
    if not parts.defined:
        assert (parts.total, value) == (0, 0)
        assert not parts.query.any()
        return
    if parts.alone and min(np.ptp(query.vector), np.ptp(answer.vector)) < 1e-6 * scale(
        "l1", query.vector, answer.vector
    ):
        return  # almost constant: its direction is rounding
    allowed = 1e-9 * scale(name, query.vector, answer.vector)
    for total in (*summed(parts), parts.total):
        assert total == pytest.approx(value**2 if name == "l2" else value, abs=allowed)


@given(pair=SHAPES.flatmap(two_maps), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_map_is_moved_to_its_stored_vector(pair: tuple[np.ndarray, np.ndarray], data: st.DataObject) -> None:
    maps = pair[0]
    stored = data.draw(arrays.arrays(np.float32, len(maps), elements=NUMBERS))
    found = located(maps, stored)
    np.testing.assert_allclose(found.values.mean(axis=(1, 2)), stored, rtol=1e-6, atol=1e-9)
    # Every position moves by the same vector.
    moved = found.values - maps
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1, :1], moved.shape), rtol=1e-6, atol=1e-6)
    assert located(maps).rounding == 0


@pytest.fixture(scope="module")
def relu_maps() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return tuple(np.maximum(rng.normal(size=(40, 3, 4)), 0).astype(np.float32) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("name", FIVE)
def test_each_part_is_what_the_formula_says(name: str, relu_maps: tuple[np.ndarray, np.ndarray]) -> None:
    query, answer = (maps.astype(np.float64) for maps in relu_maps)
    q, x = query.mean(axis=(1, 2)), answer.mean(axis=(1, 2))
    found = position_parts.of_maps(name, located(query), located(answer))
    for row in range(3):
        for column in range(4):
            at_q, at_x = query[:, row, column], answer[:, row, column]
            if name in {"cosine", "ncc"}:
                cq, cx = (q, x) if name == "cosine" else (q - q.mean(), x - x.mean())
                own_q, own_x = (at_q, at_x) if name == "cosine" else (at_q - at_q.mean(), at_x - at_x.mean())
                norm = 12 * np.linalg.norm(cq) * np.linalg.norm(cx)
                wanted = own_q @ cx / norm, own_x @ cq / norm
            else:
                apart = {"mse": (x - q) / 40, "l1": np.sign(x - q), "l2": x - q}[name]
                wanted = -apart @ at_q / 12, apart @ at_x / 12
            assert (found.query[row, column], found.answer[row, column]) == pytest.approx(wanted)
    assert found.total == pytest.approx(expected(name, q, x))


def test_the_example_of_the_docs_by_hand() -> None:
    query = located(np.array([[[1.0, 3.0]], [[0.0, 2.0]]]))
    answer = located(np.array([[[4.0, 0.0]], [[0.0, 2.0]]]))
    assert query.vector.tolist() == answer.vector.tolist() == [2, 1]
    parts = position_parts.of_maps("cosine", query, answer)
    assert parts.answer.tolist() == [[0.8, 0.2]]
    assert parts.query[0] == pytest.approx([0.2, 0.8])
    # The vectors are equal, so nothing holds the photos apart.
    assert not position_parts.of_maps("l1", query, answer).answer.any()


@pytest.mark.parametrize("name", ["cosine", "ncc"])
def test_pairs_of_positions_sum_to_the_parts_and_to_the_value(
    name: str, relu_maps: tuple[np.ndarray, np.ndarray]
) -> None:
    query, answer = (located(maps) for maps in relu_maps)
    pairs, parts = position_parts.pairs(name, query, answer), position_parts.of_maps(name, query, answer)
    assert pairs is not None
    assert pairs.shape == (12, 12)
    np.testing.assert_allclose(pairs.sum(axis=1), parts.query.ravel(), atol=1e-12)
    np.testing.assert_allclose(pairs.sum(axis=0), parts.answer.ravel(), atol=1e-12)
    assert pairs.sum() == pytest.approx(parts.total)


@pytest.mark.parametrize("name", ["mse", "l1", "l2"])
def test_distances_do_not_split_over_pairs(name: str, relu_maps: tuple[np.ndarray, np.ndarray]) -> None:
    assert position_parts.pairs(name, *(located(maps) for maps in relu_maps)) is None


def test_matches_are_cosines_of_local_features(relu_maps: tuple[np.ndarray, np.ndarray]) -> None:
    query, answer = (maps.copy() for maps in relu_maps)
    query[:, 0, 1] = 0
    found = position_parts.matches(located(query), located(answer))
    a, b = query[:, 2, 3].astype(np.float64), answer[:, 1, 2].astype(np.float64)
    assert found[11, 6] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert np.isnan(found[1]).all()
    assert np.isfinite(np.delete(found, 1, axis=0)).all()


@pytest.mark.parametrize(("name", "vector"), [("cosine", np.zeros(6)), ("ncc", np.zeros(6)), ("ncc", np.full(6, 0.7))])
def test_an_undefined_similarity_is_said_and_has_no_parts(name: str, vector: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    # Its mean is constant, its positions are not.
    odd = located(rng.normal(size=(6, 2, 2)), vector)
    other = located(rng.normal(size=(6, 2, 2)))
    for pair in ((odd, other), (other, odd)):
        parts = position_parts.of_maps(name, *pair)
        assert not parts.defined
        assert (parts.total, parts.query.any(), parts.answer.any()) == (0, False, False)
        assert position_parts.pairs(name, *pair) is None


@pytest.mark.parametrize("name", FIVE)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_pixels_are_split_by_pixel(name: str, data: st.DataObject) -> None:
    side = data.draw(st.integers(1, 5))
    query, answer = (data.draw(arrays.arrays(np.uint8, side * side * 3)) for _ in range(2))
    parts = position_parts.of_pixels(name, query, answer, side)
    value = reference(name, query, answer[None])[0]
    assert parts.query.shape == (side, side)
    if not parts.defined:
        assert (parts.total, value) == (0, 0)
        return
    for total in (*summed(parts), parts.total):
        assert total == pytest.approx(value**2 if name == "l2" else value, abs=1e-9)
    if name == "l1":
        apart = np.abs(query.astype(float) - answer).reshape(side, side, 3).sum(axis=2) / 255
        np.testing.assert_allclose(parts.query, apart / 2)


@pytest.fixture
def chebyshev() -> Iterator[Metric]:
    """The example of docs/architecture.md: a metric that says nothing of how it splits."""
    example = Metric("chebyshev", "Chebyshev", "Chebyshev", "", "", False, "", lambda x, q: np.abs(x - q).max(axis=1))
    metrics.register(example)
    yield example
    del METRICS["chebyshev"]


def test_a_metric_without_directions_is_apportioned(
    chebyshev: Metric, relu_maps: tuple[np.ndarray, np.ndarray]
) -> None:
    query, answer = (located(maps) for maps in relu_maps)
    parts = position_parts.of_maps(chebyshev.name, query, answer)
    value = reference(chebyshev.name, query.vector, answer.vector[None])[0]
    assert [parts.total, *summed(parts)] == pytest.approx([value, value])


def test_the_strongest_quarter_is_that_with_the_largest_parts() -> None:
    parts = np.array([[3.0, -9, 1, 2], [3, 0, 8, 2]])
    assert position_parts.strongest(parts, 0.25).tolist() == [[True, False, False, False], [False, False, True, False]]
    assert position_parts.strongest(parts, 0.0).sum() == 1


@pytest.mark.parametrize("name", FIVE)
@given(pair=SHAPES.flatmap(two_maps), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_vector_of_no_photo_is_explained_over_the_answer(
    name: str, pair: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    answer = located(pair[1])
    query = data.draw(arrays.arrays(np.float32, len(pair[1]), elements=NUMBERS))
    parts = position_parts.of_answer(name, query, answer)
    assert parts.query.shape == (1, 1)
    assert parts.answer.shape == pair[1].shape[1:]
    assert parts.whole
    point = query.astype(np.float64)
    if not parts.defined:
        assert metrics.reference(name, point, answer.vector[None])[0] == 0
        return
    size = scale(name, point, answer.vector)
    if parts.alone and min(np.ptp(point), np.ptp(answer.vector)) < 1e-6 * scale("l1", point, answer.vector):
        return  # almost constant: its direction is rounding
    assert summed(parts) == pytest.approx([expected(name, point, answer.vector)] * len(summed(parts)), abs=1e-9 * size)
    # Each position of the answer has the part that the formula says.
    q, x, local = point, answer.vector, answer.local
    if parts.alone:
        if name == "ncc":
            q, x, local = q - q.mean(), x - x.mean(), local - local.mean(axis=1, keepdims=True)
        wanted = local @ q / (len(local) * np.sqrt((q @ q) * (x @ x)))
    else:
        direction = np.sign(x - q) if name == "l1" else (x - q) / (len(q) if name == "mse" else 1)
        wanted = local @ direction / len(local)
    np.testing.assert_allclose(parts.answer.ravel(), wanted, rtol=1e-6, atol=1e-9 * size)
