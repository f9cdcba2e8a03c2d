"""The verdicts of the retrieval page: what one query found, which configuration is better, where a search breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lib import statistics
from lib.measure.paired_scores import PairedScores
from lib.measure.robustness import RobustnessSweep
from lib.measure.verdicts import Verdict
from lib.retrieval.feedback import Precision
from lib.search import significance
from lib.search.calibration import Calibration
from lib.search.disagreement import Disagreement
from lib.search.equivalence import Equivalence
from lib.search.metrics import Floats
from lib.search.significance import Difference
from lib.text import counted

# Beyond chance: the p value below which a paired difference is one.
LEVEL = 0.05
_PAIRED = f"paired percentile bootstrap and sign-flip permutation test, {significance.RESAMPLES:,} seeded resamples"


@dataclass(frozen=True)
class Found:
    """The results of one configuration: its name in a sentence, the ids, and how many have the query's class."""

    name: str
    ids: Sequence[str]
    same_class: int


@dataclass(frozen=True)
class Typical:
    """Results of the query's own class under the metric `name`, mean over the queries of `population`, with its 95 %
    interval; of the first `k` results."""

    name: str
    mean: float
    interval: tuple[float, float]
    population: str
    k: int


def typical(name: str, right: Floats, k: int, noun: str) -> Typical | None:
    """From the share `right` (q,) of the first `k` results that have the query's class; None where none is defined."""
    defined = right[~np.isnan(right)]
    interval = statistics.mean_interval(defined)
    if interval is None:
        return None
    return Typical(name, k * float(defined.mean()), (k * interval[0], k * interval[1]), counted(len(defined), noun), k)


def answers(label: str | None, found: Sequence[Found], usual: Typical | None) -> Verdict:
    """What one query's results say. `label` is its class, None for a query without one."""
    parts = []
    if label is not None and found:
        counts = ", ".join(f"{each.name} {each.same_class} of {len(each.ids)}" for each in found)
        parts.append(f"Results of class {label}: {counts}")
    if len(found) > 1:
        shared = len(set.intersection(*(set(each.ids) for each in found)))
        names = "both" if len(found) == 2 else f"all {len(found)} rows"
        parts.append(f"{counted(shared, 'photo')} common to {names}")
    if usual is not None:
        low, high = usual.interval
        parts.append(f"typical query: {usual.name} {usual.mean:.1f} [{low:.1f}, {high:.1f}] of {usual.k}")
    about = "One query says little about a metric."
    if usual is not None:
        about += (
            f" Typical: mean over {usual.population} as queries, each against all other photos; in brackets its 95 % "
            f"interval ({statistics.METHOD})."
        )
    return Verdict(f"{'; '.join(parts)}." if parts else "No photo is a result here.", about)


@dataclass(frozen=True)
class MovedRow:
    """A configuration, by its name in a sentence, before and after the query was moved by marks."""

    name: str
    before: Precision
    after: Precision


def moved_query(label: str, right: int, wrong: int, rows: Sequence[MovedRow]) -> Verdict:
    """How a query that `right` and `wrong` marked photos moved finds its class `label`, `rows` by configuration."""
    parts = [
        f"{row.name} {row.before['hits']} → {row.after['hits']} of {row.after['k']} (unmarked photos only: "
        f"{row.before['unmarked']} → {row.after['unmarked']})"
        for row in rows
    ]
    return Verdict(
        f"{right} right and {wrong} wrong moved the query; results of class {label}: {', '.join(parts)}.",
        "Results of the query's class among the first k, before and after the move (Rocchio 1971), by full scans. The "
        "marked photos helped to move the query, so the first figure flatters it: in brackets they are left out of "
        "both rankings (residual collection; Chang, Cirillo and Razon 1971). One query, so there is no interval, and "
        "its class need not be what was looked for.",
    )


def comparison(paired: PairedScores, test: Difference, names: tuple[str, str]) -> Verdict:
    """Which of two configurations (`names` of a and b) is better over the queries, by how much, and whether by more
    than chance; `test` is `paired.difference()`."""
    about = f"{paired.measure}, mean over the queries: {paired.population}. 95 % interval and p: {_PAIRED}."
    if test.mean is None or test.ci95 is None or test.p is None:
        return Verdict(f"{paired.measure} is defined for no query under both.", about)
    if not (test.wins or test.losses):
        return Verdict(f"{names[0]} and {names[1]} have the same {paired.measure} on all {test.n:,} queries.", about)
    better = 1 if test.mean > 0 else 0
    sign, winner = 1 if better else -1, names[better][:1].upper() + names[better][1:]
    low, high = sorted((100 * sign * test.ci95[0], 100 * sign * test.ci95[1]))
    lead = f"{abs(100 * test.mean):.1f} pp {paired.measure} [{low:.1f}, {high:.1f}] over {test.n:,} queries"
    about += f" p = {test.p:.4f}."
    if test.p >= LEVEL:
        return Verdict(f"{winner} leads {names[1 - better]} by {lead}: no more than chance.", about)
    return Verdict(f"{winner} beats {names[1 - better]} by {lead}: more than chance.", about)


def best_configuration(
    best: str, measure: str, mean: float, queries: int, following: str | None, test: Difference | None
) -> Verdict:
    """The best of several configurations; `test` is that of its lead over the `following` one, the best of those with
    other scores; None where there is none."""
    text = f"Best: {best}, {measure} {100 * mean:.1f}% over {counted(queries, 'test photo')}"
    about = (
        f"{measure}, mean over the test photos as queries. Interval of the lead: {_PAIRED}. The best was picked on "
        "these same queries, so its lead is slightly optimistic."
    )
    if following is None or test is None or test.mean is None or test.ci95 is None or test.p is None:
        return Verdict(f"{text}; no other configuration has other scores.", about)
    low, high = (100 * bound for bound in test.ci95)
    chance = "more" if test.p < LEVEL else "no more"
    lead = f"{100 * test.mean:.1f} pp [{low:.1f}, {high:.1f}] ahead of {following}: {chance} than chance"
    return Verdict(f"{text}, {lead}.", about)


def disagreements(measured: Disagreement) -> Verdict | None:
    """How much of their results L1 and cosine share; None where no photo has a result."""
    overlap = measured.overlap[~np.isnan(measured.overlap)]
    interval = statistics.mean_interval(overlap)
    if interval is None:
        return None
    low, high = (100 * bound for bound in interval)
    least = float((overlap <= 0.5).mean())
    return Verdict(
        f"L1 and cosine share {100 * overlap.mean():.0f}% [{low:.0f}, {high:.0f}] of their first {measured.k} "
        f"results; on {least:.0%} of {counted(len(overlap), 'photo')} they share half or less.",
        f"Mean overlap with every photo as a query against all others; 95 % interval: {statistics.METHOD}.",
    )


def threshold(name: str, calibration: Calibration) -> Verdict | None:
    """The precision of the best threshold; None where it accepts no pair."""
    at = calibration.cost(calibration.best())
    if at.precision is None or not calibration.queries:
        return None
    low, high = statistics.wilson(at.precision * calibration.queries, calibration.queries)
    chance = at.positives / (at.positives + at.negatives)
    return Verdict(
        f"{name}: at the best threshold, {at.threshold:.4g}, {at.precision:.0%} [{low:.0%}, {high:.0%}] of the "
        f"accepted pairs are of one class; by chance {chance:.0%}.",
        "Precision at the threshold that maximises true positive rate minus false positive rate. 95 % interval: "
        f"Wilson's with {counted(calibration.queries, 'query')} as the sample, since pairs of one photo are not "
        "independent: rather too wide than too narrow.",
    )


def weakest_distortion(
    name: str, sweeps: Mapping[str, RobustnessSweep], metric: str, titles: Mapping[str, str]
) -> Verdict | None:
    """The distortion, at its worst strength, that loses most originals; `sweeps` and `titles` are by distortion. None
    without a sweep."""
    rows = [
        (float(row["first"]), kind, row["level"], row["queries"])
        for kind, sweep in sweeps.items()
        for row in sweep["rows"]
        if row["metric"] == metric and row["queries"]
    ]
    if not rows:
        return None
    share, kind, level, queries = min(rows)
    low, high = statistics.wilson(share * queries, queries)
    return Verdict(
        f"{name} is weakest under {titles[kind]} ({level:g}): the original still comes first for {share:.0%} "
        f"[{low:.0%}, {high:.0%}] of {counted(queries, 'photo')}.",
        f"The lowest share over {counted(len(sweeps), 'distortion')} at every measured strength; 95 %: Wilson.",
    )


def distorted_query(first: Mapping[str, int], metrics: int) -> Verdict:
    """Under how many of the `metrics` a distorted photo still finds its original first, by space."""
    counts = ", ".join(f"{count} of {metrics} metrics in {space}" for space, count in first.items())
    about = "One photo says little: a test over many photos gives shares with intervals."
    return Verdict(f"This photo, as distorted here, finds its original first under {counts}.", about)


def rankings(name: str, measured: Equivalence, titles: Mapping[str, str]) -> Verdict | None:
    """Which metrics rank alike in the space `name`, and how far L1 and cosine differ; `titles` are by metric. None
    where tau of L1 and cosine is undefined."""
    a, b = (measured.names.index(metric) for metric in ("l1", "cosine"))
    taus = measured.taus[:, a, b][~np.isnan(measured.taus[:, a, b])]
    interval = statistics.mean_interval(taus, low=-1)
    if interval is None:
        return None
    pairs = measured.alike()
    alike = [f"{titles[one]} and {titles[other]} rank alike" for one, other in pairs]
    text = f"In {name}, {'; '.join(alike) or 'no two metrics rank alike'}"
    if not {("l1", "cosine"), ("cosine", "l1")} & set(pairs):
        text += f"; L1 against cosine: Kendall's tau {taus.mean():.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"
    return Verdict(
        f"{text}.",
        f"Tau-b between two rankings of {counted(measured.rows, 'photo')}, mean over {counted(len(taus), 'query')} "
        f"(seeded sample). 1: the same order; 0: unrelated. 95% interval: {statistics.METHOD}.",
    )
