"""Exact search beside what a user would take instead: `python -m benchmarks.search`.

100,000 × 512 made-up features, and 4,064 × 49,152 made-up pixels. Answers are checked before they are timed: ids equal
to SciPy's in float64, pixel distances equal to int64 arithmetic, all-black against all-white included.
"""

from __future__ import annotations

import itertools
import os

from benchmarks.timing import ONE_THREAD, Row, compared, medians, most, tell

os.environ.update(ONE_THREAD)

import numpy as np

from lib.search import exact
from lib.search.metrics import order, reference

ROWS, DIM, K = 100_000, 512, 10


def main() -> None:
    """Measure, and print."""
    tell([*features(), *pixels()])


def features() -> list[Row]:
    """The five metrics on features; MSE is L2 squared and needs no row of its own."""
    import torch
    from scipy.spatial.distance import cdist
    from sklearn.neighbors import NearestNeighbors

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    # Non-negative and sparse like pooled ReLU features, so that norms differ.
    x = np.maximum(rng.normal(size=(ROWS, DIM)) - 0.5, 0).astype(np.float32)
    many = np.maximum(rng.normal(size=(100, DIM)) - 0.5, 0).astype(np.float32)
    one = many[:1]
    gallery = exact.gallery(x)
    tensor = torch.from_numpy(x)

    for name in ("l1", "l2", "cosine", "ncc"):
        assert (
            exact.top_k(gallery, one, name, K).rows[0].tolist() == order(reference(name, one[0], x), name)[:K].tolist()
        )
    true = np.concatenate([np.argsort(cdist(part, x, "cityblock"), axis=1)[:, :K] for part in np.array_split(many, 10)])
    assert np.array_equal(exact.top_k(gallery, many, "l1", K).rows, true)

    def torch_l1(queries: np.ndarray) -> object:
        return torch.cdist(torch.from_numpy(queries), tensor, p=1).topk(K, largest=False)

    words = x.view(np.uint64).reshape(-1)
    one_pass, one_l1 = medians(lambda: np.bitwise_xor.reduce(words), lambda: exact.top_k(gallery, one, "l1", K))
    passes = one_l1 / one_pass
    brute = {
        name: NearestNeighbors(n_neighbors=K, algorithm="brute", metric=kind, n_jobs=1).fit(x)
        for name, kind in (("l2", "euclidean"), ("cosine", "cosine"))
    }

    def scipy_ncc() -> object:
        distances = cdist(one, x, "correlation")[0]
        return np.argsort(distances[np.argpartition(distances, K)[:K]])

    return [
        compared(
            "exact top-10 L1, 100k×512, 1 query, against torch.cdist(p=1)",
            lambda: exact.top_k(gallery, one, "l1", K),
            lambda: torch_l1(one),
            3.0,
        ),
        most(
            "exact top-10 L1, 100k×512, 1 query, read passes of the matrix",
            passes,
            1.7,
            "passes",
            limit="one pass over the matrix",
            share=1 / passes,
        ),
        compared(
            "exact top-10 L1, 100k×512, 100 queries, against torch.cdist(p=1)",
            lambda: exact.top_k(gallery, many, "l1", K),
            lambda: torch_l1(many),
            8.0,
            rounds=3,
        ),
        *(
            compared(
                f"exact top-10 {name}, 100k×512, 1 query, against scikit-learn brute",
                lambda name=name: exact.top_k(gallery, one, name, K),  # type: ignore[misc]
                lambda name=name: brute[name].kneighbors(one),  # type: ignore[misc]
                2.5,
            )
            for name in brute
        ),
        compared(
            "exact top-10 ncc, 100k×512, 1 query, against SciPy",
            lambda: exact.top_k(gallery, one, "ncc", K),
            scipy_ncc,
            9.0,
        ),
    ]


def pixels() -> list[Row]:
    """L1 and MSE of one query of raw pixels."""
    import torch

    torch.set_num_threads(1)
    # A gallery keeps what it last computed for a query, so each turn asks with a photo that was not asked before.
    ours, theirs = itertools.count(100), itertools.count(100)
    x = np.random.default_rng(1).integers(0, 256, size=(4_064, 49_152), dtype=np.uint8)
    x[0], x[1] = 0, 255
    gallery, tensor = exact.gallery(x), torch.from_numpy(x).float()
    black = x[0].astype(np.int64)
    rows = []
    for name, power in (("l1", 1), ("mse", 2)):
        summed = np.array([(np.abs(row.astype(np.int64) - black) ** power).sum() for row in x])
        scale = 255.0 if name == "l1" else 255.0**2 * x.shape[1]
        assert np.array_equal(exact.all_values(gallery, x[:1], name)[0], summed / scale)
        rows.append(
            compared(
                f"pixels {name}, 4,064×49,152 uint8, 1 query, against torch.cdist in float32",
                lambda name=name: exact.top_k(gallery, x[next(ours)], name, K),  # type: ignore[misc]
                lambda power=power: torch.cdist(tensor[next(theirs)][None], tensor, p=power).topk(K, largest=False),  # type: ignore[misc]
                10.0,
            )
        )
    return rows


if __name__ == "__main__":
    main()
