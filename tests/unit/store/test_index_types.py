"""lib.store.index_types against the indexes that faiss really builds."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from lib.settings import PROJECT
from lib.store import index_types

ROWS, DIM = 5000, 64
PARAMS = {"M": 16, "nlist": 128, "m": 16, "nbits": 8}


def built(kind: str) -> faiss.Index:
    if kind == "HNSW":
        return faiss.IndexHNSWFlat(DIM, 16)
    if kind == "HNSW_SQ":
        return faiss.IndexHNSWSQ(DIM, faiss.ScalarQuantizer.QT_8bit, 16)
    recipe = {"FLAT": "Flat", "IVF_FLAT": "IVF128,Flat", "IVF_SQ8": "IVF128,SQ8", "IVF_PQ": "IVF128,PQ16"}[kind]
    return faiss.index_factory(DIM, recipe)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "HNSW_SQ"])
def test_estimates_are_within_three_percent_of_the_real_thing(kind: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
    index = built(kind)
    index.train(vectors)
    index.add(vectors)
    real = len(faiss.serialize_index(index))
    assert index_types.estimated_size(kind, "FLOAT_VECTOR", ROWS, DIM, PARAMS, lite=False).memory == pytest.approx(
        real, rel=0.03
    )


def test_other_vectors_and_unknown_types() -> None:
    def memory(kind: str, field: str, lite: bool = False) -> int | None:
        return index_types.estimated_size(kind, field, 1000, 64, PARAMS, lite=lite).memory

    assert memory("FLAT", "FLOAT16_VECTOR") == memory("FLAT", "BFLOAT16_VECTOR") == 128_000
    assert memory("BIN_FLAT", "BINARY_VECTOR") == 8_000
    assert memory("SPARSE_INVERTED_INDEX", "SPARSE_FLOAT_VECTOR") is None
    assert memory("AUTOINDEX", "FLOAT_VECTOR") is None  # a cloud's own choice
    assert memory("AUTOINDEX", "FLOAT_VECTOR", lite=True) == memory("HNSW", "FLOAT_VECTOR")
    assert memory("DISKANN", "FLOAT_VECTOR") == 32_000
    with_raw = memory("SCANN", "FLOAT_VECTOR")
    without = index_types.estimated_size("SCANN", "FLOAT_VECTOR", 1000, 64, {"with_raw_data": False}, lite=False).memory
    assert with_raw is not None
    assert without is not None
    assert with_raw - without == 256_000


def test_bytes_as_they_are_told() -> None:
    assert [index_types.format_bytes(count) for count in (None, 0, 999, 8_319_000, 2.4e12)] == [
        "not known",
        "0 B",
        "999 B",
        "8.32 MB",
        "2.4 TB",
    ]


@pytest.mark.parametrize(
    ("rows", "expected", "kind", "params"),
    [
        (10**6, "1 M", "HNSW", {"M": 16}),
        (10**8, "100 M", "IVF_SQ8", {"nlist": 16384}),
        (10**8, "100 M", "DISKANN", {}),
        (10**9, "1 B", "IVF_PQ", {"nlist": 65536, "m": 64, "nbits": 8}),
        (10**9, "1 B", "DISKANN", {}),
    ],
)
def test_the_readmes_sizes_are_these(rows: int, expected: str, kind: str, params: dict[str, int]) -> None:
    size = index_types.estimated_size(kind, "FLOAT_VECTOR", rows, 512, params, lite=False)
    named = kind + (f" ({', '.join(f'{name} {value}' for name, value in params.items())})" if params else "")
    line = f"| {expected} | {named} | {index_types.format_bytes(size.memory)} | {index_types.format_bytes(size.disk)} |"
    assert line in (PROJECT / "docs" / "milvus.md").read_text(encoding="utf-8")
