"""Whether marking results helps on these photos: simulated marks over many queries, scored on what is not marked.

Each query's first k results are marked by their class, right or wrong, and the query moves (`lib/search/rocchio.py`).
Scored are the k results that follow: those of the unmoved query at ranks k + 1 to 2k, and those of the moved query
without the marked photos. So both lists choose among the same photos (residual collection: Chang, Cirillo and Razon
1971), and none of them was marked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.data.catalog import Catalog
from lib.retrieval.search import SearchableSpace
from lib.search import exact, rocchio
from lib.search.metrics import Floats, metric
from lib.search.rocchio import Weights
from lib.statistics import TEST_RESAMPLES, PairedDifference, paired_difference

MOST = 200  # queries: a seeded sample of the test photos
SEED = 0


@dataclass(frozen=True)
class FeedbackGain:
    """Shares of the query's class `before` and `after` the move, (q,) each, of `k` unmarked results; `test` is of
    after − before."""

    before: Floats
    after: Floats
    k: int
    test: PairedDifference


def query_rows(catalog: Catalog) -> np.ndarray:
    """The test photos that are queries, ascending: at most `MOST` of them; all photos where none is in the test
    split."""
    rows = np.flatnonzero((catalog.frame["split"] == "test").to_numpy())
    rows = rows if len(rows) else np.arange(len(catalog.ids))
    return rows if len(rows) <= MOST else np.sort(np.random.default_rng(SEED).choice(rows, MOST, replace=False))


def measure(loaded: SearchableSpace, name: str, k: int, weights: Weights) -> FeedbackGain:
    """The gain of feedback under a metric in a space. Raises QueryError as `rocchio.moved`."""
    catalog, gallery = loaded.catalog, loaded.gallery
    labels, rows = np.array(catalog.labels, dtype=object), query_rows(loaded.catalog)
    out = [catalog.copies(catalog.hashes[row]) for row in rows]
    first = exact.top_k(gallery, gallery.vectors[rows], name, 2 * k, leave_out=out).rows
    before, moved, left_out = np.zeros(len(rows)), [], []
    for place, row in enumerate(rows):
        found = first[place][first[place] >= 0]
        marked, rest = found[:k], found[k:]
        is_right = labels[marked] == labels[row]
        before[place] = (labels[rest] == labels[row]).sum() / k
        right, wrong = (np.asarray(gallery.vectors[marked[flag]]) for flag in (is_right, ~is_right))
        moved.append(rocchio.moved(name, gallery.vectors[row], right, wrong, weights))
        left_out.append([*out[place], *marked.tolist()])
    second = exact.top_k(gallery, np.stack(moved), name, k, leave_out=left_out).rows
    after = ((second >= 0) & (labels[second] == labels[rows][:, None])).sum(axis=1) / k
    return FeedbackGain(before, after, k, paired_difference(after, before, SEED))


def about(k: int, queries: int) -> str:
    """What the gain is, for a sentence that goes on with `described`."""
    return f"Over {queries} queries whose first {k} results are marked by class, of the class among the {k} that follow"


METHOD = (
    "Shares of the query's class, unmoved → moved, among the same unmarked photos. The 95 % interval is a paired "
    f"bootstrap, more than chance means p < 0.05 of a sign-flip test, {TEST_RESAMPLES:,} seeded resamples each; "
    f"queries are test photos, at most {MOST} (seed {SEED})."
)


def described(gain: FeedbackGain, name: str) -> str:
    """The gain under a metric, with its interval."""
    test = gain.test
    if test.mean is None or test.ci95 is None or test.p is None:
        return f"{metric(name).short}: no query to measure this with"
    low, high = (100 * bound for bound in test.ci95)
    chance = "more than chance" if test.p < 0.05 else "no more than chance"
    return (
        f"{metric(name).short} {100 * gain.before.mean():.1f} → {100 * gain.after.mean():.1f} %, "
        f"{100 * test.mean:+.1f} pp [{low:+.1f}, {high:+.1f}], {chance}"
    )
