"""What the features of a space respond to, in one sentence."""

from __future__ import annotations

import numpy as np

from lib.measure.feature_examples import DEAD, REDUNDANT, SHUFFLES, WIDEST, FeatureExamples
from lib.measure.verdicts import Verdict
from lib.text import counted

ABOUT = (
    "Class selectivity (Morcos et al., ICLR 2018): (µmax − µ₋max) / (µmax + µ₋max), with µmax the largest class mean "
    "of a feature and µ₋max the mean of the other classes' means: 0 where all classes are alike, 1 for one class only. "
    "In brackets its 95 % interval (delta method, from the standard errors of the class means). By chance: the same "
    f"under {SHUFFLES} shuffles of the labels."
)
_UNDEFINED = "it needs features that are never negative, and two classes"


def verdict(found: FeatureExamples, title: str) -> Verdict:
    """How selective the features of the space called `title` are, and how many are dead or redundant."""
    images = counted(found.facts["images"], "photo")
    about = (
        f"{ABOUT} Dead: at most {DEAD:g} from 0 on every photo. Redundant: |r| ≥ {REDUNDANT:g} (Pearson) with another "
        f"feature. Over {images}."
    )
    counts = f"{int(found.dead.sum()):,} dead, {_redundant(found)}"
    defined = ~np.isnan(found.selectivity)
    total = counted(len(found), "feature")
    if not defined.any():
        return Verdict(f"{title}: of {total}, {counts}; class selectivity is undefined ({_UNDEFINED}).", about)
    best = int(np.nanargmax(found.selectivity))
    low, high = found.intervals[best]
    between = "" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]"
    middle, chance = np.median(found.selectivity[defined]), np.median(found.chance[defined])
    return Verdict(
        f"{title}: the most selective of {total} is {best}, for {found.classes[best]}: {found.selectivity[best]:.2f}"
        f"{between}; the median is {middle:.2f} ({chance:.2f} by chance); {counts}; {images}.",
        about,
    )


def _redundant(found: FeatureExamples) -> str:
    if not found.compared:
        return f"redundancy not measured above {WIDEST:,} dimensions"
    return f"{int(found.redundant.sum()):,} redundant"
