"""The stability of a space's maps as traits of each image, so that a map can be coloured by it."""

from __future__ import annotations

import numpy as np

from lib.measure.stored_stability import MeasuredStability
from lib.measure.traits import MOST_VALUES, Trait

NO_CLUSTER = "no real cluster"


def stability_traits(n: int, measured: MeasuredStability) -> list[Trait]:
    """The stability and the real cluster of each of `n` images; unknown for images outside the measured sample."""
    facts = measured.facts
    sample = f" of a sample of {facts['photos']:,} images" if facts["photos"] < n else ""
    values = np.full(n, np.nan)
    values[measured.rows] = measured.stability
    stability = Trait(
        "stability",
        "Stability",
        f"Share of the image's {facts['k']} nearest on one layout that are among its nearest on another, mean over all "
        f"pairs of {facts['runs']} layouts by UMAP, t-SNE and PCA{sample}; {facts['chance']:.1%} by chance.",
        "number",
        values,
    )
    count = len(facts["found"]["clusters"]["sizes"])
    if not 0 < count < MOST_VALUES:
        return [stability]
    names = np.full(n, "", dtype=object)
    names[measured.rows] = [f"cluster {label + 1}" if label >= 0 else NO_CLUSTER for label in measured.labels.tolist()]
    about = f"The cluster that returns in {facts['runs']} layouts and is apart in the full space{sample}."
    return [stability, Trait("real_cluster", "Real cluster", about, "category", names)]
