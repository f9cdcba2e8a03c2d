"""Histograms of the traits of all images, and the filter that a choice of their bars makes.

A histogram puts each image into one bin: `codes`, uint8 (n,), row for row with the catalog. A choice names bins of some
histograms: {"label": {0, 2}, "purity": {9}}. An image passes when, in each of these histograms, its bin is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lib.measure.traits import Trait
from lib.text import natural_key

# The words of an unknown value, and of the values beyond the most frequent ones. A bin of such a value comes last.
UNKNOWN, OTHER = "unknown", "other"
# A category has at most so many bins; the rarer values share the bin `OTHER`.
MOST_BINS = 100
# Numbers with at most so many different values have a bin for each; others have about `STEPS` bins of equal width.
MOST_LEVELS, STEPS = 12, 10
# Splits in the order in which they are used.
_FIRST = ("train", "val", "test")
Choice = Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class Histogram:
    """The bins of one trait. `edges` (b + 1,) are those of the bins of a number; a bin of unknown values has none."""

    name: str
    title: str
    about: str
    bins: tuple[str, ...]
    codes: np.ndarray
    edges: np.ndarray | None = None


def histogram(trait: Trait) -> Histogram | None:
    """The histogram of a trait; None where it has no known value."""
    return _of_numbers(trait) if trait.kind == "number" else _of_names(trait)


def _of_names(trait: Trait) -> Histogram | None:
    texts = trait.values.astype(str)
    names, positions, counts = np.unique(texts, return_inverse=True, return_counts=True)
    by_count = sorted(range(len(names)), key=lambda i: (-counts[i], natural_key(str(names[i]))))
    known = [str(names[i]) for i in by_count if names[i]]
    if not known:
        return None
    kept = known if len(known) <= MOST_BINS else known[: MOST_BINS - 1]
    bins = sorted(kept, key=lambda name: (_FIRST.index(name) if name in _FIRST else -1, natural_key(name)))
    code_of = {name: code for code, name in enumerate(bins)}
    if len(kept) < len(known):
        bins.append(OTHER)
        code_of |= {name: len(bins) - 1 for name in known if name not in code_of}
    if "" in names:
        bins.append(UNKNOWN)
        code_of[""] = len(bins) - 1
    codes = np.array([code_of[str(name)] for name in names], dtype=np.uint8)[positions]
    return Histogram(trait.name, trait.title, trait.about, tuple(bins), codes)


def _of_numbers(trait: Trait) -> Histogram | None:
    values = trait.values.astype(np.float64)
    is_known = np.isfinite(values)
    if not is_known.any():
        return None
    known = values[is_known]
    # Shares of tenths differ in their last bits.
    unit = float(np.abs(known).max()) or 1.0
    levels = np.unique(np.round(known / unit, 9)) * unit
    if len(levels) <= MOST_LEVELS:
        middles = (levels[:-1] + levels[1:]) / 2
        half = (levels[1] - levels[0]) / 2 if len(levels) > 1 else 0.5
        edges = np.concatenate([[levels[0] - half], middles, [levels[-1] + half]])
        bins = [f"{level:.4g}" for level in levels]
    else:
        edges = _round_edges(float(known.min()), float(known.max()), trait.low, trait.high)
        bins = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    codes = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(bins) - 1)
    if not is_known.all():
        codes[~is_known] = len(bins)
        bins.append(UNKNOWN)
    return Histogram(trait.name, trait.title, trait.about, tuple(bins), codes.astype(np.uint8), edges)


def _round_edges(least: float, most: float, low: float, high: float) -> np.ndarray:
    """Edges at round numbers from `low` to `high`; the first and the last bin reach to the `least` and `most` value."""
    low, high = max(low, least), min(high, most)
    if not high > low:
        low, high = least, most
    rough = (high - low) / STEPS
    magnitude = 10.0 ** np.floor(np.log10(rough))
    step = magnitude * min((1, 2, 2.5, 5, 10), key=lambda each: abs(each - rough / magnitude))
    first, last = np.floor(low / step), np.ceil(high / step)
    edges = np.round(np.arange(first, last + 1) * step, 12)
    edges[0], edges[-1] = min(edges[0], least), max(edges[-1], most)
    return np.asarray(edges)


def counts(histogram: Histogram, mask: np.ndarray | None = None) -> np.ndarray:
    """The number of images in each bin (b,), of those in `mask` (n,) only where it is given."""
    codes = histogram.codes if mask is None else histogram.codes[mask]
    return np.bincount(codes, minlength=len(histogram.bins))


def passing(histograms: Iterable[Histogram], choice: Choice) -> np.ndarray | None:
    """Which images pass a choice, bool (n,); None for no choice. `passingRows` in histogram_counts.js is the same."""
    masks = [np.isin(each.codes, list(choice[each.name])) for each in histograms if choice.get(each.name)]
    return np.logical_and.reduce(masks) if masks else None


# --- a choice in words, for an address -------------------------------------------------------------------------------


def words(histograms: Iterable[Histogram], choice: Choice) -> list[str]:
    """A choice in words: "label:rose" for each value, "purity:0.25..0.45" for bins of numbers that lie side by side."""
    written = []
    for each in histograms:
        chosen = sorted(code for code in choice.get(each.name, ()) if 0 <= code < len(each.bins))
        if each.edges is None:
            written += [f"{each.name}:{each.bins[code]}" for code in chosen]
            continue
        numbers = [code for code in chosen if code < len(each.edges) - 1]
        for run in np.split(np.array(numbers, dtype=int), np.nonzero(np.diff(numbers) > 1)[0] + 1):
            if len(run):
                written.append(f"{each.name}:{each.edges[run[0]]:.6g}..{each.edges[run[-1] + 1]:.6g}")
        written += [f"{each.name}:{UNKNOWN}" for code in chosen if code not in numbers]
    return written


def parse(written: Sequence[str], histograms: Sequence[Histogram]) -> dict[str, frozenset[int]]:
    """The choice in words from an address; words of other values, or of no histogram, are left out."""
    choice: dict[str, frozenset[int]] = {}
    # The longest name first, since the name of a column may hold a colon itself.
    by_length = sorted(histograms, key=lambda each: -len(each.name))
    for word in written:
        histogram = next((each for each in by_length if word.startswith(f"{each.name}:")), None)
        if histogram is not None:
            codes = _codes(histogram, word.removeprefix(f"{histogram.name}:"))
            if codes:
                choice[histogram.name] = choice.get(histogram.name, frozenset()) | codes
    return choice


def _codes(histogram: Histogram, word: str) -> frozenset[int]:
    if word in histogram.bins and (histogram.edges is None or word == UNKNOWN):
        return frozenset({histogram.bins.index(word)})
    if histogram.edges is None:
        return frozenset()
    try:
        low, high = (float(side) for side in word.split(".."))
    except ValueError:
        return frozenset()
    middles = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    return frozenset(int(code) for code in np.nonzero((low <= middles) & (middles <= high))[0])


def from_report(value: object, histograms: Iterable[Histogram]) -> dict[str, frozenset[int]] | None:
    """The choice that the browser reports, {name: [bin, …]}; None for anything else."""
    if not isinstance(value, dict):
        return None
    choice = {}
    for each in histograms:
        chosen = value.get(each.name, [])
        if not isinstance(chosen, list) or not all(type(code) is int for code in chosen):
            return None
        known = frozenset(int(code) for code in chosen if 0 <= code < len(each.bins))
        if known:
            choice[each.name] = known
    return choice
