"""What a careful analyst would look at first in a space: contradictions, strays, loners, hubs, and what nobody finds.

Each finding is a rule that its `about` states, applied to every image; nothing is hidden because it is too much or too
little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.measure.traits import Trait
from lib.search.neighbourhoods import K

# A neighbourhood of another class is pure when so many of its votes go to that class.
SURE = 0.8
# A hub is this many standard deviations above the mean k-occurrence (Radovanović et al. 2010).
HUB = 2.0
# A loner lies this many interquartile ranges above the third quartile (Tukey's outer fence).
FENCE = 3.0


@dataclass(frozen=True)
class Finding:
    """Images that a rule names, the clearest first, with a few words on each."""

    name: str
    title: str
    about: str
    ids: list[str]
    notes: list[str]


def findings(ids: Sequence[str], traits: dict[str, Trait], audit: dict[str, Any]) -> list[Finding]:
    """All findings in a space: `traits` of its images `ids`, row for row, and the audit of their files."""
    return [
        _conflicts(ids, audit),
        _strays(ids, traits),
        _loners(ids, traits),
        _hubs(ids, traits),
        _unfound(ids, traits),
    ]


def _found(name: str, title: str, about: str, ids: Sequence[str], rows: np.ndarray, notes: list[str]) -> Finding:
    return Finding(name, title, about, [ids[row] for row in rows], notes)


def _conflicts(ids: Sequence[str], audit: dict[str, Any]) -> Finding:
    known = set(ids)
    rows = [
        (image_id, f"also {' and '.join(sorted(set(group['labels']) - {label}))}")
        for group in audit["duplicates"]
        if group["conflict"]
        for image_id, label in zip(group["ids"], group["labels"], strict=True)
        if image_id in known
    ]
    return Finding(
        "conflicts",
        "Copies with another label",
        "Equal or nearly equal pictures that lie in folders of different classes: one of the labels is wrong.",
        [image_id for image_id, _ in rows],
        [note for _, note in rows],
    )


def _strays(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    purity, share, guess = (traits[name].values for name in ("purity", "confidence", "predicted"))
    rows = np.nonzero((purity == 0) & (share >= SURE))[0]
    rows = rows[np.lexsort((traits["remoteness"].values[rows], -share[rows]))]
    return _found(
        "strays",
        "Deep inside another class",
        f"None of its {K} nearest is of its class, and at least {SURE:.0%} of them are of one other: a wrong label, or "
        "a photo that this space misunderstands.",
        ids,
        rows,
        [f"{round(share[row] * K)}/{K} {guess[row]}" for row in rows],
    )


def _above(values: np.ndarray, limit: float) -> np.ndarray:
    """The rows whose value is above a limit, the largest first."""
    rows = np.nonzero(values > limit)[0]
    return rows[np.argsort(-values[rows], kind="stable")]


def _loners(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    far = traits["remoteness"].values
    known = far[np.isfinite(far)]
    low, high = np.quantile(known, [0.25, 0.75]) if len(known) else (0.0, 0.0)
    limit = high + FENCE * (high - low)
    rows = _above(far, limit)
    about = (
        f"The mean cosine distance to its {K} nearest is above {limit:.3f}, three interquartile ranges beyond the "
        "third quartile: nothing here looks like it."
    )
    return _found("loners", "Far from everything", about, ids, rows, [f"distance {far[row]:.3f}" for row in rows])


def _hubs(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    often = traits["hubness"].values
    limit = often.mean() + HUB * often.std()
    rows = _above(often, max(limit, 0))
    about = (
        f"Among the {K} nearest of more than {limit:.0f} other images, two standard deviations above the mean: a hub, "
        "which turns up in answers to queries that have little to do with it."
    )
    return _found("hubs", "Near to everything", about, ids, rows, [f"near to {often[row]:.0f}" for row in rows])


def _unfound(ids: Sequence[str], traits: dict[str, Trait]) -> Finding:
    rows = np.nonzero(traits["hubness"].values == 0)[0]
    return _found(
        "unfound",
        "Never found",
        f"Among the {K} nearest of no other image: no other photo of the data set, taken as a query, finds it there.",
        ids,
        rows,
        [""] * len(rows),
    )
