"""Fast search against the plain float64 reference: same rows, same values, same order of ties."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lib.errors import COMMAND_LINE, PREPARE_COMMAND, QueryError, Remedy
from lib.search.blocks import FEW
from lib.search.exact import EMPTY_GALLERY, Gallery, all_values, gallery, k_too_small, top_k, values_by_metric
from lib.search.features import MARGIN
from lib.search.gallery import RECENT
from lib.search.metrics import METRICS, order, reference

NAMES = list(METRICS)


def check_top_k(
    stored: Gallery,
    queries: np.ndarray,
    name: str,
    k: int,
    leave_out: Sequence[Sequence[int]] | None = None,
    rows: Sequence[int] | None = None,
) -> None:
    """Exactly the reference's answer, bit for bit."""
    found = top_k(stored, queries, name, k, leave_out=leave_out, rows=None if rows is None else np.array(rows))
    candidates = range(len(stored)) if rows is None else sorted(set(rows))
    width = min(k, len(candidates))
    assert found.rows.shape == found.values.shape == (len(queries), width)
    for i, query in enumerate(queries):
        values = reference(name, query, stored.vectors)
        without = set() if leave_out is None else set(leave_out[i])
        allowed = set(candidates) - without
        answers = [int(row) for row in order(values, name) if row in allowed][:width]
        padding = width - len(answers)
        assert found.rows[i].tolist() == answers + [-1] * padding
        np.testing.assert_array_equal(found.values[i], [*values[answers], *[np.nan] * padding])


def check_all_values(stored: Gallery, queries: np.ndarray, name: str) -> None:
    """The reference's values within rounding, in exactly the reference's order."""
    expected = np.stack([reference(name, query, stored.vectors) for query in queries])
    got = all_values(stored, queries, name)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(order(got, name), order(expected, name))
    if stored.pixels:
        np.testing.assert_array_equal(got, expected)


def tangled(seed: int, n: int, d: int) -> np.ndarray:
    """Features with everything that goes wrong: copies, near copies, zeros, constants, multiples, far offsets."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype(np.float32)
    kinds = rng.integers(0, 12, n)
    x[kinds == 0] = x[0]
    x[kinds == 1] = 0
    x[kinds == 2] = 0.1
    x[kinds == 3] = x[1] * 2
    x[kinds == 4] = x[2] + rng.normal(scale=1e-7, size=(int((kinds == 4).sum()), d)).astype(np.float32)
    x[kinds == 5] = x[3][::-1]
    x[kinds == 6] += 1000
    x[kinds == 7] = rng.integers(0, 2, (int((kinds == 7).sum()), d))
    return x


numbers = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.1, 2.0]), st.floats(-1000, 1000, width=32))
features = st.integers(1, 6).flatmap(
    lambda d: st.integers(1, 12).flatmap(lambda n: arrays(np.float32, (n, d), elements=numbers))
)
pixels = st.integers(1, 6).flatmap(
    lambda d: st.integers(1, 12).flatmap(
        lambda n: arrays(
            np.uint8, (n, d), elements=st.one_of(st.sampled_from([0, 1, 2, 254, 255]), st.integers(0, 255))
        )
    )
)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.data())
def test_small_galleries_equal_the_reference(data: Any) -> None:
    stored = gallery(data.draw(st.one_of(features, pixels)))
    n = len(stored)
    some_rows = st.lists(st.integers(0, n - 1), max_size=4)
    queries = stored.vectors[data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=12))]
    if data.draw(st.booleans()):
        queries = queries[:, ::-1]
    leave_out = data.draw(st.none() | st.lists(some_rows, min_size=len(queries), max_size=len(queries)))
    rows = data.draw(st.none() | st.lists(st.integers(0, n - 1), min_size=1, max_size=n))
    for name in NAMES:
        check_top_k(stored, queries, name, data.draw(st.integers(1, n + 2)), leave_out, rows)
        check_all_values(stored, queries, name)


@pytest.mark.parametrize("queries", [1, 3 * FEW])
@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(seed=st.integers(0, 10**6), d=st.sampled_from([1, 2, 16, 33]))
def test_the_float32_path_equals_the_reference(name: str, queries: int, seed: int, d: int) -> None:
    """Large enough that candidates are fetched by faiss or by a matrix product, and sometimes cannot be trusted."""
    stored = gallery(tangled(seed, 6 * MARGIN, d))
    rng = np.random.default_rng(seed)
    probes = np.concatenate([stored.vectors[rng.integers(0, len(stored), queries - 1)], tangled(seed + 1, 9, d)[:1]])
    leave_out = [rng.integers(0, len(stored), 5).tolist() for _ in probes]
    check_top_k(stored, probes, name, 10)
    check_top_k(stored, probes, name, 7, leave_out, np.sort(rng.permutation(len(stored))[: 3 * MARGIN]).tolist())
    check_all_values(stored, probes, name)


@pytest.mark.parametrize("name", NAMES)
def test_several_blocks_of_rows(name: str) -> None:
    rng = np.random.default_rng(3)
    stored = gallery(rng.normal(size=(9000, 8)).astype(np.float32))
    probes = rng.normal(size=(2 * FEW, 8)).astype(np.float32)
    check_top_k(stored, probes, name, 20)
    check_top_k(stored, probes[:1], name, 20)
    check_top_k(stored, probes[:1], name, 20, [list(range(4000))], list(range(100, 8999)))
    check_all_values(stored, probes[:2], name)


@pytest.mark.parametrize("name", NAMES)
def test_hundreds_of_copies_come_in_order_of_their_rows(name: str) -> None:
    """More ties than candidates are fetched: only a full scan can tell which of them come first."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1200, 16)).astype(np.float32)
    copies = np.sort(rng.permutation(1200)[:500])
    vectors[copies] = vectors[copies[0]]
    for probes in (vectors[copies[:1]], vectors[copies[: 2 * FEW]]):
        found = top_k(gallery(vectors), probes, name, 30)
        assert (found.rows == copies[:30]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e15, 1e30, 3e38])
def test_numbers_beyond_float32_arithmetic(name: str, scale: float) -> None:
    """Squares of these under- or overflow in float32; the answer is the reference's all the same."""
    rng = np.random.default_rng(1)
    vectors = (rng.uniform(-1, 1, size=(150, 12)) * scale).astype(np.float32)
    for count in (2, 2 * FEW):
        check_top_k(gallery(vectors), vectors[:count], name, 5)
        check_top_k(gallery(vectors), vectors[-count:], name, 1)
    check_all_values(gallery(vectors), vectors[:3], name)


@pytest.mark.parametrize("name", NAMES)
def test_unrelated_neighbours_far_from_the_origin(name: str) -> None:
    """Differences drown in the lengths, where a float32 matrix product gives nonsense."""
    rng = np.random.default_rng(2)
    vectors = (5000 + rng.normal(scale=0.01, size=(300, 24))).astype(np.float32)
    check_top_k(gallery(vectors), vectors[: 2 * FEW], name, 10)
    check_all_values(gallery(vectors), vectors[:5], name)


def test_black_against_white_at_full_size() -> None:
    """49,152 squares of 255 sum to more than 2³¹."""
    d = 128 * 128 * 3
    vectors = np.zeros((4, d), dtype=np.uint8)
    vectors[1:3] = 255
    vectors[3, ::2] = 255
    stored = gallery(vectors)
    for probes in (vectors[:1], np.repeat(vectors[:2], FEW, axis=0)):  # by distances, by matrix products
        values = values_by_metric(stored, probes, NAMES)
        assert values["l1"][0].tolist() == [0, d, d, d / 2]
        assert values["mse"][0].tolist() == [0, 1, 1, 0.5]
        assert values["l2"][0] == pytest.approx([0, d**0.5, d**0.5, (d / 2) ** 0.5])
        assert values["cosine"][0].tolist() == [0, 0, 0, 0]
    for name in NAMES:
        check_top_k(stored, vectors, name, 4)
        check_all_values(stored, vectors, name)
        check_all_values(stored, np.repeat(vectors, FEW, axis=0), name)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_in_several_blocks(name: str) -> None:
    rng = np.random.default_rng(4)
    stored = gallery(rng.integers(0, 4, (2100, 300), dtype=np.uint8) * np.uint8(85))
    probes = rng.integers(0, 256, (3 * FEW, 300), dtype=np.uint8)
    for queries in (probes, probes[:1]):
        check_top_k(stored, queries, name, 25)
        check_all_values(stored, queries, name)
    check_top_k(stored, probes[:2], name, 25, [[5, 6], []], list(range(50, 2050, 3)))


def test_metrics_together_equal_metrics_alone() -> None:
    rng = np.random.default_rng(5)
    for vectors in (rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 256, (40, 6), dtype=np.uint8)):
        stored, rows = gallery(vectors), np.array([3, 9, 30])
        together = values_by_metric(stored, vectors[:5], NAMES, rows=rows)
        assert list(together) == NAMES
        for name in NAMES:
            np.testing.assert_array_equal(together[name], all_values(stored, vectors[:5], name)[:, rows])


def test_one_query_is_a_table_of_one() -> None:
    vectors = np.eye(3, dtype=np.float32)
    found = top_k(gallery(vectors), vectors[1], "l2", 2)
    assert found.rows.tolist() == [[1, 0]]
    assert all_values(gallery(vectors), vectors[1], "l2").shape == (1, 3)


def test_memory_mapped_read_only_vectors(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    for vectors in (rng.normal(size=(90, 8)).astype(np.float32), rng.integers(0, 256, (90, 8), dtype=np.uint8)):
        np.save(tmp_path / "v.npy", vectors)
        stored = gallery(np.load(tmp_path / "v.npy", mmap_mode="r"))
        for name in NAMES:
            check_top_k(stored, stored.vectors[:3], name, 5)
            check_all_values(stored, stored.vectors[:3], name)


def test_derived_vectors_are_made_once_for_all_threads() -> None:
    stored = gallery(np.random.default_rng(7).normal(size=(5000, 32)).astype(np.float32))
    start, results = threading.Barrier(6), []

    def ask() -> None:
        start.wait()
        results.append(stored.unit(True))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert all(each is results[0] for each in results)


FEATURES = np.ones((3, 4), dtype=np.float32)
PIXELS = np.ones((3, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("vectors", "query", "options", "message"),
    [
        (PIXELS, np.ones(4, dtype=np.float32), {}, "uint8 pixels"),
        (FEATURES, np.ones(4, dtype=np.uint8), {}, "float features"),
        (FEATURES, np.array(["a"] * 4), {}, "float features"),
        (FEATURES, np.ones(5, dtype=np.float32), {}, "4 values"),
        (FEATURES, np.ones((1, 1, 4), dtype=np.float32), {}, "4 values"),
        (FEATURES, np.array([1, np.nan, 0, 0], dtype=np.float32), {}, "NaN"),
        (FEATURES, np.array([1, np.inf, 0, 0], dtype=np.float32), {}, "infinite"),
        (FEATURES, np.array([1e300, 0, 0, 0]), {}, "infinite"),
        (FEATURES, FEATURES, {"k": 0}, re.escape(k_too_small(0))),
        (FEATURES[:0], FEATURES, {}, EMPTY_GALLERY),
        (PIXELS[:0], PIXELS, {}, EMPTY_GALLERY),
        (FEATURES, FEATURES, {"rows": np.array([], dtype=np.int64)}, EMPTY_GALLERY),
        (FEATURES, FEATURES, {"rows": np.array([3])}, "from 0 to 2"),
        (FEATURES, FEATURES, {"rows": np.array([0.5])}, "whole numbers"),
        (FEATURES, FEATURES, {"leave_out": [[0]]}, "each of 3 queries"),
        (FEATURES, FEATURES, {"leave_out": [[0], [], [-1]]}, "from 0 to 2"),
        (FEATURES, FEATURES, {"metric": "manhattan"}, "choose one of"),
    ],
)
def test_questions_that_cannot_be_answered(
    vectors: np.ndarray, query: np.ndarray, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        top_k(gallery(vectors), query, **{"metric": "l1", "k": 1, **options})


@pytest.mark.parametrize(
    "vectors",
    [np.ones(4, np.float32), np.ones((2, 0), np.float32), np.ones((2, 2)), np.array([[1, np.nan]], np.float32)],
)
def test_galleries_that_cannot_be_searched(vectors: np.ndarray) -> None:
    with pytest.raises(QueryError, match=COMMAND_LINE[Remedy.PREPARE].format(command=PREPARE_COMMAND)):
        gallery(vectors)


def test_what_is_kept_of_one_query_is_not_given_to_another() -> None:
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, size=(40, 48), dtype=np.uint8)
    stored = gallery(pixels)
    queries = rng.integers(0, 256, size=(RECENT + 5, 48), dtype=np.uint8)
    for _ in range(2):  # the second time some are kept, some are forgotten
        for query in queries:
            for name in METRICS:
                assert all_values(stored, query, name)[0].tolist() == reference(name, query, pixels).tolist()
    assert len(stored._recent) == RECENT


@pytest.mark.parametrize("name", ["mse", "l1", "l2"])
def test_codes_of_a_few_bits_are_in_the_order_of_the_reference(name: str) -> None:
    """Whole numbers need no settling: equal distances have equal bits."""
    bits = np.random.default_rng(0).integers(0, 2, size=(300, 12)).astype(np.float32)
    made = gallery(bits)
    assert made.whole
    assert not gallery(bits + 0.5).whole
    values = all_values(made, bits[:5], name)
    for query, row in zip(bits[:5], values, strict=True):
        wanted = reference(name, query, bits)
        assert np.array_equal(np.argsort(row, kind="stable"), np.argsort(wanted, kind="stable"))
        assert row == pytest.approx(wanted, rel=1e-12)
