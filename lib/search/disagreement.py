"""Where L1 and cosine disagree over a whole data set: on which images, for which classes, and on which hubs.

Everything derives from each image's nearest neighbours under both metrics (`neighbourhoods`): every image is a query
against all other images, without its copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.search import agreement, neighbourhoods, significance
from lib.search.metrics import Floats
from lib.search.neighbourhoods import DEPTH, Neighbourhoods
from lib.search.significance import Difference
from lib.text import natural_key

TOP = 12


@dataclass(frozen=True)
class Disagreement:
    """Row for row with the catalog: `overlap` (n,) of the first `k` results by L1 and by cosine, rank-biased overlap
    `rbo` (n,) of all stored results, and for each metric the share `right` (n,) of the first `k` results that are of
    the image's class. NaN for an image without neighbours."""

    k: int
    overlap: Floats
    rbo: Floats
    right: dict[str, Floats]

    def worst(self) -> npt.NDArray[np.int64]:
        """Rows by ascending overlap; equal overlaps by ascending rank-biased overlap."""
        defined = np.nonzero(~np.isnan(self.overlap))[0]
        return defined[np.lexsort((defined, self.rbo[defined], self.overlap[defined]))]

    def rows_ahead(self, winner: str) -> npt.NDArray[np.int64]:
        """Rows where the `winner` finds more of the image's class than the other metric, largest difference first."""
        loser = next(name for name in self.right if name != winner)
        ahead = self.right[winner] - self.right[loser]
        rows = np.nonzero(np.nan_to_num(ahead) > 0)[0]
        return rows[np.lexsort((rows, self.overlap[rows], -ahead[rows]))]


def measure(near: Neighbourhoods, labels: np.ndarray, k: int) -> Disagreement:
    """How far the first `k` results (at most `DEPTH`) of every image differ; `labels` (n,) are the classes."""
    k = min(k, DEPTH, near.rows["l1"].shape[1])
    codes = np.unique(labels, return_inverse=True)[1]
    cosine, l1 = near.rows["cosine"], near.rows["l1"]
    overlap = 1 - neighbourhoods.disagreement(cosine, l1, k).astype(np.float64)
    rbo = np.array([_rbo(a, b) for a, b in zip(l1, cosine, strict=True)])
    right = {
        name: neighbourhoods.purity(near.rows[name], codes, k).astype(np.float64) for name in neighbourhoods.METRICS
    }
    return Disagreement(k, overlap, rbo, right)


def _rbo(a: neighbourhoods.Rows, b: neighbourhoods.Rows) -> float:
    value = agreement.rbo(a[a >= 0].tolist(), b[b >= 0].tolist())
    return np.nan if value is None else value


@dataclass(frozen=True)
class ClassResult:
    """One class: its number of images, mean overlap, mean share `right` by each metric, and the `difference` of these
    shares, cosine − L1."""

    label: str
    images: int
    overlap: float
    right: dict[str, float]
    difference: Difference
    p_corrected: float | None

    @property
    def winner(self) -> str:
        """The metric that wins beyond chance (corrected p < 0.05), or "neither"."""
        return significance.winner(self.difference.mean, self.p_corrected, ("l1", "cosine")) or "neither"


def by_class(measured: Disagreement, labels: np.ndarray) -> list[ClassResult]:
    """The result of every class; p values are corrected for the number of classes (Holm)."""
    names: Sequence[str] = sorted(set(labels.tolist()), key=natural_key)
    parts = [labels == name for name in names]
    tested = [significance.difference(measured.right["cosine"][part], measured.right["l1"][part]) for part in parts]
    corrected = significance.holm([each.p for each in tested])
    return [
        ClassResult(
            str(name),
            int(part.sum()),
            _mean(measured.overlap[part]),
            {metric: _mean(values[part]) for metric, values in measured.right.items()},
            difference,
            p,
        )
        for name, part, difference, p in zip(names, parts, tested, corrected, strict=True)
    ]


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


@dataclass(frozen=True)
class Hubs:
    """Hubness under one metric. `counts` (n,) is the k-occurrence: how often each image is among the k nearest of
    another image; `bad` (n,) counts only images of another class."""

    metric: str
    counts: npt.NDArray[np.int64]
    bad: npt.NDArray[np.int64]

    @property
    def skewness(self) -> float | None:
        """Third standardised moment of the counts, the usual measure of hubness; None when all are equal.

        Radovanović, Nanopoulos and Ivanović, "Hubs in space" (JMLR 11, 2010).
        """
        apart = self.counts - self.counts.mean() if len(self.counts) else self.counts
        spread = float(np.sqrt((apart**2).mean())) if len(self.counts) else 0.0
        return float((apart**3).mean()) / spread**3 if spread else None

    @property
    def never_retrieved(self) -> float:
        """Share of anti-hubs: images that are never among another's k nearest."""
        return float((self.counts == 0).mean()) if len(self.counts) else 0.0

    @property
    def top(self) -> npt.NDArray[np.int64]:
        """Rows of the `TOP` greatest hubs."""
        return np.argsort(-self.counts, kind="stable")[:TOP]

    @property
    def top_share(self) -> float:
        """Share of all results that are one of the greatest hundredth of the images (at least one image)."""
        size = max(1, len(self.counts) // 100)
        whole = int(self.counts.sum())
        return float(np.sort(self.counts)[::-1][:size].sum() / whole) if whole else 0.0


def hubs(near: Neighbourhoods, labels: np.ndarray, metric: str, k: int) -> Hubs:
    """The hubs of `metric` (`l1` or `cosine`) among the first `k` results of every image."""
    rows = near.rows[metric][:, :k]
    wrong = (rows >= 0) & (labels[rows] != labels[:, None])
    return Hubs(metric, neighbourhoods.hubness(rows, k), np.bincount(rows[wrong], minlength=len(rows)))
