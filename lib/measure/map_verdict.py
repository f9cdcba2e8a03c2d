"""The verdict over a map: how far its neighbours can be trusted, and which classes mix most in its space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.embed.projection import Map
from lib.measure.class_mixing import MixedPair, mean_ci95, most_mixed
from lib.measure.verdicts import Verdict
from lib.search.neighbourhoods import K, Neighbourhoods, approximation_note
from lib.statistics import FEW
from lib.text import counted, shown_name

# From this share of neighbours kept on, single neighbours on the map are more often right than wrong; from this
# trustworthiness on, wrong ones at least come from nearby.
KEPT, TRUSTED = 0.5, 0.9


@dataclass(frozen=True)
class MapReading:
    """What the verdict rests on. `kept` is the mean preservation over `n` photos with `k` neighbours each, None where
    it was not measured. `mixed` is the pair of classes that mixes most, None where no two mix."""

    kept: float | None
    kept_ci95: tuple[float, float] | None
    trustworthiness: float | None
    k: int
    n: int
    classes: int
    mixed: MixedPair | None


def read(laid_out: Map, near: Neighbourhoods, codes: np.ndarray, classes: int) -> MapReading:
    """The reading of a map: `near` are the neighbours in its space, `codes` (n,) the photos' class indices."""
    measured = laid_out.facts["fidelity"]
    kept = measured["preservation"]
    return MapReading(
        kept,
        None if kept is None else mean_ci95(laid_out.preserved),
        measured["trustworthiness"],
        measured["k"],
        len(laid_out.preserved),
        classes,
        most_mixed(near.rows["cosine"], codes, classes) if classes > 1 else None,
    )


def map_verdict(reading: MapReading, names: Sequence[str], near: Neighbourhoods) -> Verdict:
    """The verdict in words; `names` are the classes, by index."""
    return Verdict(
        f"{_trust(reading)} {_mixing(reading, names)}".rstrip(), f"{_about(reading, names)}{_approximation(near)}"
    )


def _trust(reading: MapReading) -> str:
    if reading.kept is None or reading.kept_ci95 is None:
        return "How far this map can be trusted is not measured: too few photos, or all have the same vector."
    if reading.kept >= KEPT:
        advice = "Trust its neighbours"
    elif (reading.trustworthiness or 0) >= TRUSTED:
        advice = "Trust its regions, not single neighbours"
    else:
        advice = "Trust little of it"
    kept = _share(reading.kept, reading.kept_ci95)
    return f"{advice}: of a photo's {reading.k} nearest, {kept} are its nearest here too."


def _mixing(reading: MapReading, names: Sequence[str]) -> str:
    if not reading.classes:
        return ""
    if reading.classes < 2:
        return "There is one class, so no classes mix."
    if reading.mixed is None:
        return "No classes mix."
    one, other = (shown_name(names[code]) for code in (reading.mixed.one, reading.mixed.other))
    share = _share(reading.mixed.share, reading.mixed.ci95)
    return f"Most mixed: {one} with {other}, {share} of its {K} nearest."


def _share(share: float, ci95: tuple[float, float]) -> str:
    """A share with its interval in percent; a decimal more where the interval would vanish."""
    low, high = (100 * bound for bound in ci95)
    places = 0 if round(low) < round(high) else 1
    return f"{100 * share:.{places}f}% [{low:.{places}f}, {high:.{places}f}]"


def _about(reading: MapReading, names: Sequence[str]) -> str:
    sentences = []
    if reading.kept is not None and reading.trustworthiness is not None:
        sentences.append(
            f"Neighbours kept: the mean share of each photo's {reading.k} nearest in the space that are its "
            f"{reading.k} nearest on the map, over {counted(reading.n, 'photo')}. Trustworthiness is "
            f"{reading.trustworthiness:.3f}. From {KEPT:.0%} kept on, single neighbours are trusted, else regions "
            f"from a trustworthiness of {TRUSTED} on."
        )
    if reading.mixed is not None:
        pair = reading.mixed
        one, other = shown_name(names[pair.one]), shown_name(names[pair.other])
        back = "" if pair.back is None else f"; the other way, from {other} to {one}, it is {100 * pair.back:.0f}%"
        sentences.append(
            f"Mixing: the mean share of {other} among the {K} nearest under cosine in the space, over "
            f"{counted(pair.n, 'photo')} of {one}{back}. It is the largest share of any two classes"
            f"{f' of at least {FEW} photos' if pair.n >= FEW else ''}, so by chance a little too large."
        )
    if sentences:
        sentences.append("In brackets: 95 % intervals, by a percentile bootstrap over photos.")
    return " ".join(sentences)


def _approximation(near: Neighbourhoods) -> str:
    note = approximation_note(near.facts, ["cosine"])
    return f" The nearest are {note}." if note else ""
