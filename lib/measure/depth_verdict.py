"""Whether early stages are general and late ones specific, in one sentence."""

from __future__ import annotations

import itertools

import numpy as np

from lib.embed import spaces
from lib.embed.stage_vectors import STAGES
from lib.measure.depth import BACKBONE, Depth
from lib.measure.network_depth import CUT, PIXELS, PRECISION
from lib.measure.verdicts import Verdict
from lib.search import significance
from lib.text import counted

_FIRST, _LAST = STAGES[0], STAGES[-1]
ABOUT = (
    f"After each stage the positions of a photo are averaged. P@{CUT}: cosine, test photos of the sample as queries, "
    "its other photos as gallery; the difference with its 95 % interval is paired by query (percentile bootstrap, "
    "sign-flip test). CKA: linear centred kernel alignment of two networks' vectors after the same stage, unbiased "
    "(Nguyen, Raghu and Kornblith, ICLR 2021): 1 for the same layout, 0 for unrelated ones."
)


NOT_MEASURED = Verdict("How much each stage of a network knows is not measured yet.", ABOUT)


def likeness(found: Depth, stage: str) -> float:
    """The mean CKA of every two networks after a stage; NaN for fewer than two networks."""
    names = [name for name in found.networks if name != PIXELS]
    pairs = [found.alike((a, stage), (b, stage)) for a, b in itertools.combinations(names, 2)]
    defined = [pair for pair in pairs if not np.isnan(pair)]
    return float(np.mean(defined)) if defined else float("nan")


def verdict(found: Depth) -> Verdict:
    """What the last stage knows more than the first one, and how alike networks are after both."""
    name = BACKBONE if BACKBONE in found.networks else next(each for each in found.networks if each != PIXELS)
    network = found.networks[name]
    first, last = (network.per_photo(stage, PRECISION) for stage in (_FIRST, _LAST))
    test = significance.difference(last, first) if len(first) == len(last) else None
    if test is None or test.mean is None or test.ci95 is None or test.p is None:
        return Verdict(f"P@{CUT} is undefined here: {network.scores[_LAST].why or 'a stage has no value'}", ABOUT)
    low, high = (100 * bound for bound in test.ci95)
    chance = "more" if test.p < significance.LEVEL else "no more"
    text = (
        f"{spaces.get(name).title}: P@{CUT} {first.mean():.1%} after the {_FIRST}, {last.mean():.1%} after {_LAST}: "
        f"{100 * test.mean:+.1f} pp [{low:.1f}, {high:.1f}], {counted(test.n, 'test photo')}, {chance} than chance"
    )
    early, late = likeness(found, _FIRST), likeness(found, _LAST)
    if not np.isnan(early) and not np.isnan(late):
        networks = counted(len([each for each in found.networks if each != PIXELS]), "network")
        text += f"; CKA of {networks} {early:.2f} after the {_FIRST}, {late:.2f} after {_LAST}"
    sampled, images = len(found.rows), found.facts["images"]
    population = (
        f" All {images:,} photos." if sampled == images else f" A seeded sample of {sampled:,} of {images:,} photos."
    )
    return Verdict(f"{text}.", ABOUT + population)
