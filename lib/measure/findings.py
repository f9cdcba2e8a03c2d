"""Images that deserve a look: conflicting labels, possible label errors, outliers, hubs and anti-hubs.

Each finding is a rule, stated in its `about`, that is applied to every image; no finding is hidden for its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.documents.prepare import AuditDocument
from lib.measure.traits import Trait
from lib.search.neighbourhoods import K

# The share of an image's neighbours that must agree on another class.
MIN_AGREEMENT = 0.8
# Hubs: standard deviations above the mean k-occurrence (Radovanović et al. 2010).
HUB_DEVIATIONS = 2.0
# Outliers: interquartile ranges above the third quartile (Tukey's outer fence).
OUTLIER_RANGES = 3.0


@dataclass(frozen=True)
class Finding:
    """The images that a rule selects, the clearest first, and a short note on each."""

    name: str
    title: str
    about: str
    ids: list[str]
    notes: list[str]


def findings(ids: Sequence[str], traits: dict[str, Trait], audit: AuditDocument) -> list[Finding]:
    """All findings in a space: `traits` are row for row with `ids`, and `audit` is of the same photos.

    Without labels, duplicates take the place of the findings about labels.
    """
    about_labels = [_conflicts(ids, audit), _label_errors(ids, traits)] if "label" in traits else [_copies(ids, audit)]
    return [
        *about_labels,
        _outliers(ids, traits),
        _hubs(ids, traits),
        _anti_hubs(ids, traits),
    ]


def _finding(name: str, title: str, about: str, ids: Sequence[str], rows: np.ndarray, notes: list[str]) -> Finding:
    return Finding(name, title, about, [ids[row] for row in rows], notes)


def _conflicts(ids: Sequence[str], audit: AuditDocument) -> Finding:
    present = set(ids)
    rows = [
        (image_id, f"also {' and '.join(sorted(set(group['labels']) - {label}))}")
        for group in audit["duplicates"]
        if group["conflict"]
        for image_id, label in zip(group["ids"], group["labels"], strict=True)
        if image_id in present
    ]
    return Finding(
        "conflicts",
        "Duplicates with conflicting labels",
        "Equal or nearly equal photos in folders of different classes: at least one label is wrong.",
        [image_id for image_id, _ in rows],
        [note for _, note in rows],
    )


def _copies(ids: Sequence[str], audit: AuditDocument) -> Finding:
    present = set(ids)
    notes = {
        image_id: "equal pixels" if group["kind"] == "exact" else "nearly equal"
        for group in audit["duplicates"]
        for image_id in group["ids"]
        if image_id in present
    }
    about = "Photos with an equal or nearly equal copy among the others: equal pixels, or nearly equal small pictures."
    return Finding("copies", "Duplicates", about, list(notes), list(notes.values()))


def _label_errors(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    purity, share, predicted = (traits[name].values for name in ("purity", "confidence", "predicted"))
    rows = np.nonzero((purity == 0) & (share >= MIN_AGREEMENT))[0]
    rows = rows[np.lexsort((traits["remoteness"].values[rows], -share[rows]))]
    return _finding(
        "strays",
        "Possible label errors",
        f"None of the {K} nearest neighbours shares the photo's class, and at least {MIN_AGREEMENT:.0%} of them share "
        "another: the label is wrong, or this space misplaces the photo.",
        ids,
        rows,
        [f"{round(share[row] * K)}/{K} {predicted[row]}" for row in rows],
    )


def _above(values: np.ndarray, limit: float) -> np.ndarray:
    """The rows whose value exceeds a limit, the largest value first."""
    rows = np.nonzero(values > limit)[0]
    return rows[np.argsort(-values[rows], kind="stable")]


def _outliers(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    distances = traits["remoteness"].values
    finite = distances[np.isfinite(distances)]
    low, high = np.quantile(finite, [0.25, 0.75]) if len(finite) else (0.0, 0.0)
    limit = high + OUTLIER_RANGES * (high - low)
    rows = _above(distances, limit)
    about = (
        f"The mean cosine distance to the {K} nearest neighbours exceeds {limit:.3f}, three interquartile ranges above "
        "the third quartile: no photo here is similar."
    )
    return _finding("loners", "Outliers", about, ids, rows, [f"distance {distances[row]:.3f}" for row in rows])


def _hubs(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    counts = traits["hubness"].values
    limit = counts.mean() + HUB_DEVIATIONS * counts.std()
    rows = _above(counts, max(limit, 0))
    about = (
        f"Among the {K} nearest neighbours of more than {limit:.0f} images, two standard deviations above the mean: "
        "hubs appear in the results of unrelated queries."
    )
    return _finding("hubs", "Hubs", about, ids, rows, [f"neighbour of {counts[row]:.0f}" for row in rows])


def _anti_hubs(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    rows = np.nonzero(traits["hubness"].values == 0)[0]
    return _finding(
        "unfound",
        "Never retrieved (anti-hubs)",
        f"Among the {K} nearest neighbours of no other image: no other photo of the data set retrieves it.",
        ids,
        rows,
        [""] * len(rows),
    )
