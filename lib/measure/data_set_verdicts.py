"""What the measurements say about a data set: the sentences of a first look, each with the photos that show it.

Every function takes measurements and returns one `DataSetVerdict`. Where something was not measured, or the data cannot
show it (one class, a few photos, no test split), the sentence says that instead of a figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.documents.prepare import AuditDocument, Leak
from lib.embed import spaces
from lib.learn import configurations
from lib.learn.results import Run
from lib.measure import scoreboard, training_verdict
from lib.measure.findings import MIN_AGREEMENT, Finding
from lib.measure.scoreboard import MEASURES, SpaceScores
from lib.measure.verdicts import Verdict
from lib.search import significance
from lib.search.evaluation import Scores
from lib.search.metrics import METRICS, Floats
from lib.search.neighbourhoods import K
from lib.statistics import METHOD, TEST_RESAMPLES
from lib.text import agreeing, counted

MEASURE = "map"  # the measure that the scoreboard shows first
LEVEL = 0.05
FEW_LOST = 0.99  # the least recall at which few neighbours are lost
PHOTOS = 4  # that show a verdict
# The names of the verdicts, in the order in which they are shown.
NAMES = ("best", "metric", "labels", "duplicates", "hubs", "training", "index")
BEST, METRIC, LABELS, DUPLICATES, HUBS, TRAINING, INDEX = NAMES
FROZEN = "transfer"  # the regime whose features are those of the weights that it starts from
NOT_MEASURED = "Not measured yet."
LATER = "The next prepare measures it. What would take minutes for so many photos is measured on request only."
TOO_FEW = f"are too few for the {K} nearest neighbours of each."
_PAIRED = f"paired percentile bootstrap and sign-flip permutation test, {TEST_RESAMPLES:,} seeded resamples"


@dataclass(frozen=True)
class DataSetVerdict:
    """A verdict, the subject that it is about, and photos that show it, each with a note.

    `choices` are what its evidence is of, such as the space. `table` are rows of words, the first one their heading,
    for a verdict that photos cannot show.
    """

    name: str
    title: str
    verdict: Verdict
    ids: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    choices: dict[str, str] = field(default_factory=dict)
    table: list[list[str]] = field(default_factory=list)


def best_configuration(scores: Mapping[str, SpaceScores]) -> DataSetVerdict:
    """The space and metric with the largest score, and its interval."""
    title = "Best configuration"
    cells = _cells(scores)
    if not cells:
        return DataSetVerdict(BEST, title, Verdict("Search quality is not measured yet.", LATER))
    best = _best(cells)
    mean, interval = scoreboard.mean_and_interval(cells[best], MEASURE)
    if mean is None or interval is None:
        return DataSetVerdict(BEST, title, Verdict(f"No search can be scored: {cells[best].why or ''}", ""))
    space, metric = best
    without = scores[space].without_leaks.get(metric)
    clean = without.means[MEASURE] if without is not None else None
    text = (
        f"Best of {len(cells)} configurations: {_title(space)} × {METRICS[metric].short}, {MEASURES[MEASURE]} "
        f"{mean:.1%} {_between(interval)} over {counted(cells[best].queries, 'test photo')}."
    )
    about = (
        f"{MEASURES[MEASURE]}: {scoreboard.MEASURE_DESCRIPTIONS[MEASURE]}. Test photos search the other "
        f"{cells[best].gallery:,} photos; in brackets the 95 % interval ({METHOD}). The best was picked on these same "
        "queries, so its score is slightly optimistic."
    )
    if clean is not None:
        about += f" Without near-duplicates of test photos: {clean:.1%}."
    return DataSetVerdict(BEST, title, Verdict(text, about), choices={"space": space, "metric": metric})


def l1_against_cosine(scores: Mapping[str, SpaceScores], ids: Sequence[str]) -> DataSetVerdict:
    """L1 and cosine in the space of the best configuration, compared query by query; `ids` are the catalog's."""
    title = "L1 or cosine?"
    cells = _cells(scores)
    if not cells:
        return DataSetVerdict(METRIC, title, Verdict(NOT_MEASURED, LATER))
    space = _best(cells)[0]
    choices = {"space": space}
    first, second = cells[space, "cosine"], cells[space, "l1"]
    why = first.why or second.why
    if why:
        return DataSetVerdict(METRIC, title, Verdict(f"Not comparable: {why}", ""), choices=choices)
    cosine, l1 = (_counted(cell) for cell in (first, second))
    test = significance.difference(cosine, l1)
    about = (
        f"{MEASURES[MEASURE]} of the same {counted(test.n, 'test photo')} as queries under both metrics; 95 % interval "
        f"and chance: {_PAIRED}."
    )
    if test.mean is None or test.ci95 is None or test.p is None or not (test.wins or test.losses):
        text = f"L1 and cosine have the same {MEASURES[MEASURE]} on every test photo in {_title(space)}."
        return DataSetVerdict(METRIC, title, Verdict(text, about), choices=choices)
    sign = 1 if test.mean > 0 else -1
    winner, loser = ("cosine", "L1")[::sign]
    low, high = sorted(100 * sign * bound for bound in test.ci95)
    verb, chance = ("beats", "more than chance") if test.p < LEVEL else ("is ahead of", "this may be chance")
    text = (
        f"{winner[0].upper()}{winner[1:]} {verb} {loser} by {100 * abs(test.mean):.1f} points of {MEASURES[MEASURE]} "
        f"[{low:.1f}, {high:.1f}] in {_title(space)}: {chance}."
    )
    lead = np.nan_to_num(sign * (cosine - l1))
    places = [int(place) for place in np.argsort(-lead, kind="stable")[:PHOTOS] if lead[place] > 0]
    return DataSetVerdict(
        METRIC,
        title,
        Verdict(text, f"{about} p = {test.p:.4f}. The photos: where {winner} is furthest ahead."),
        [ids[first.per_query.rows[place]] for place in places],
        [f"{winner} +{100 * lead[place]:.0f}" for place in places],
        choices,
    )


def label_errors(finding: Finding, purity: Floats, classes: int, space: str) -> DataSetVerdict:
    """How many photos may have a wrong label; `purity` (n,) is the trait, NaN where a photo cannot be judged."""
    title, choices = "Label errors", {"space": space}
    judged, photos = int(np.isfinite(purity).sum()), len(purity)
    if classes < 2:
        text = f"{agreeing(photos, 'photo', 'is', 'are')} of one class, so no label can be doubted."
    elif photos <= K:
        text = f"{counted(photos, 'photo')} {TOO_FEW}"
    elif not finding.ids:
        text = f"No possible label error among {counted(judged, 'photo')}."
    else:
        text = (
            f"{agreeing(len(finding.ids), 'photo', 'is a possible label error', 'are possible label errors')} "
            f"({len(finding.ids) / judged:.1%} of {judged:,}): in {_title(space)} none of the {K} nearest shares the "
            f"label, {MIN_AGREEMENT:.0%} or more share another."
        )
        about = f"{finding.about} A count over all photos, not an estimate: it has no interval."
        shown = slice(PHOTOS)
        return DataSetVerdict(LABELS, title, Verdict(text, about), finding.ids[shown], finding.notes[shown], choices)
    return DataSetVerdict(LABELS, title, Verdict(text, finding.about), choices=choices)


def duplicates(
    audit: AuditDocument | None, leaks: Sequence[Leak] | None, tested: int, *, labelled: bool = True
) -> DataSetVerdict:
    """Duplicates with conflicting labels (without labels: all), and leaks. `tested` counts test photos."""
    title = "Duplicates and leaks"
    if audit is None:
        return DataSetVerdict(DUPLICATES, title, Verdict(NOT_MEASURED, LATER))
    conflicts = [group for group in audit["duplicates"] if group["conflict"] or not labelled]
    other, kind = (" with another label", "conflicting label") if labelled else ("", "copy")
    conflicting = list(dict.fromkeys(image_id for group in conflicts for image_id in group["ids"]))
    parts = [
        f"{agreeing(len(conflicting), 'photo', 'has', 'have')} an equal or nearly equal copy{other}"
        if conflicting
        else f"No {'duplicate' if labelled else 'copy'} among {counted(audit['images'], 'photo')}"
        f"{' has another label' if labelled else ''}"
    ]
    leaked: list[str] = []
    if not tested:
        parts.append("without test photos there are no leaks")
    elif leaks is None:
        parts.append("leaks are not measured yet")
    else:
        test = {leak["ids"][leak["splits"].index("test")] for leak in leaks}
        leaked = [image_id for leak in leaks for image_id in leak["ids"]]
        parts.append(
            f"{len(test):,} of {counted(tested, 'test photo')} {'has' if len(test) == 1 else 'have'} a near-duplicate "
            "outside the test split"
            if test
            else f"none of {counted(tested, 'test photo')} has a near-duplicate outside the test split"
        )
    kinds = dict.fromkeys(conflicting, kind)
    leaked = [image_id for image_id in dict.fromkeys(leaked) if image_id not in kinds]
    shown = [*conflicting[: PHOTOS // 2 if leaked else PHOTOS], *leaked][:PHOTOS]
    about = (
        "Counts over all photos. Duplicates: equal pixels, or difference hashes and tiny copies that agree. Leaks: "
        "near-duplicates of which one is a test photo and the other is not; scores gain by them."
    )
    return DataSetVerdict(
        DUPLICATES,
        title,
        Verdict(f"{'; '.join(parts)}.", about),
        shown,
        [kinds.get(image_id, "leak") for image_id in shown],
    )


def hubs(finding: Finding, hubness: Floats, space: str) -> DataSetVerdict:
    """How many photos are hubs, and what share of all neighbour lists they fill; `hubness` (n,) is the trait."""
    title, choices = "Hubs", {"space": space}
    photos, places = len(hubness), float(hubness.sum())
    if photos <= K:
        return DataSetVerdict(HUBS, title, Verdict(f"{counted(photos, 'photo')} {TOO_FEW}", ""), choices=choices)
    if not finding.ids:
        text = f"No photo of {photos:,} is a hub in {_title(space)}."
        return DataSetVerdict(HUBS, title, Verdict(text, finding.about), choices=choices)
    largest = np.sort(hubness)[::-1][: len(finding.ids)]
    text = (
        f"{agreeing(len(finding.ids), 'photo', 'is a hub', 'are hubs')} in {_title(space)}: "
        f"{len(finding.ids) / photos:.1%} of all, but {largest.sum() / places:.0%} of the places in all lists of {K} "
        f"nearest; the largest is in {largest[0]:,.0f} lists, the mean photo in {places / photos:.0f}."
    )
    about = f"{finding.about} A count over all {photos:,} photos."
    shown = slice(PHOTOS)
    return DataSetVerdict(HUBS, title, Verdict(text, about), finding.ids[shown], finding.notes[shown], choices)


def training(runs: Sequence[Run] | None, fingerprint: str, ids: Sequence[str]) -> DataSetVerdict:
    """What training changed: the best regime against frozen features, on the photos with this `fingerprint`."""
    title = "What training changed"
    if runs is None:
        return DataSetVerdict(TRAINING, title, Verdict("A training record is damaged.", ""))
    own = [run for run in runs if run["dataset"]["fingerprint"] == fingerprint]
    ranked = training_verdict.ranking(own)
    if not ranked:
        text = "No network was trained on these photos"
        text += f"; {counted(len(runs), 'run')} on others." if runs else " yet."
        return DataSetVerdict(TRAINING, title, Verdict(text, ""))
    found = training_verdict.training_verdict(own, fingerprint, FROZEN)
    other = training_verdict.opponent(ranked, FROZEN)
    if other is None:
        return DataSetVerdict(TRAINING, title, found)
    groups = configurations.by_configuration(own)
    learned, notes = _learned(groups[next(iter(ranked))], groups[other], set(ids))
    return DataSetVerdict(TRAINING, title, found, learned, notes)


def _learned(better: Sequence[Run], worse: Sequence[Run], present: set[str]) -> tuple[list[str], list[str]]:
    """Test photos that every run of `better` and none of `worse` has right, with what the latter took them for."""
    right = set.intersection(
        *({row["id"] for row in run["predictions"] if row["label"] == row["predicted"]} for run in better)
    )
    taken: dict[str, set[str]] = {}
    for run in worse:
        for row in run["predictions"]:
            taken.setdefault(row["id"], set()).add("" if row["label"] == row["predicted"] else row["predicted"])
    shown = [name for name in sorted(right & present) if len(taken.get(name, ())) == 1 and "" not in taken[name]]
    # Spread over the ids, which are sorted by class.
    shown = (
        [shown[place] for place in dict.fromkeys(np.linspace(0, len(shown) - 1, PHOTOS).astype(int))] if shown else []
    )
    return shown, [f"was {next(iter(taken[name]))}" for name in shown]


def index(measured: Sequence[Mapping[str, Any]], collections: int) -> DataSetVerdict:
    """How many of the exact neighbours the indexes find at their most thorough measured setting.

    `measured` are `recall` documents with intervals, one for each of `collections`; the weakest speaks for all.
    """
    title = "Does the index lose anything?"
    if not collections:
        return DataSetVerdict(INDEX, title, Verdict("No collection in Milvus holds these photos.", ""))
    ends = [(each["rows"][-1], each) for each in measured if each["rows"]]
    if not ends:
        return DataSetVerdict(INDEX, title, Verdict(NOT_MEASURED, LATER))
    row, document = min(ends, key=lambda end: end[0]["recall"])
    recall = row["recall"]
    interval = row.get("ci95", {}).get("recall")
    settings = ", ".join(f"{name} = {value}" for name, value in row["params"].items())
    between = f" {_between((interval[0], interval[1]))}" if interval else ""
    lost = "no neighbour" if recall >= 1 else "few neighbours" if recall >= FEW_LOST else "neighbours"
    text = (
        f"{row['index_type']} lost {lost}: it found {_floored(recall)}{between} of the exact {document['k']} nearest"
        f"{f' at {settings}' if settings else ''}, over {counted(document['queries'], 'query')}."
    )
    about = (
        f"recall@{document['k']} against a full scan of {document['gallery']:,} rows, the weakest of "
        f"{counted(len(ends), 'measured collection')}; 95 % interval: {METHOD}."
    )
    choices = {"collection": str(document["collection"])}
    return DataSetVerdict(INDEX, title, Verdict(text, about), choices=choices, table=_recall_table(document))


def _recall_table(document: Mapping[str, Any]) -> list[list[str]]:
    """A row for each measured setting: the parameter, recall with its interval, and the median latency."""
    rows = document["rows"]
    names = ", ".join(rows[0]["params"]) or "setting"
    table = [[names, f"recall@{document['k']}", "95% interval", "median"]]
    for row in rows:
        interval = row.get("ci95", {}).get("recall")
        table.append(
            [
                ", ".join(map(str, row["params"].values())) or "–",
                _floored(row["recall"]),
                f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}" if interval else "–",
                f"{row['p50_ms']:.1f} ms" if row.get("p50_ms") is not None else "–",
            ]
        )
    return table


def _floored(recall: float) -> str:
    """Never rounded up: only what misses nothing is 100 %."""
    return f"{np.floor(1000 * recall + 1e-9) / 10:.1f}%"


def _cells(scores: Mapping[str, SpaceScores]) -> dict[tuple[str, str], Scores]:
    return {(space, metric): cell for space, each in scores.items() for metric, cell in each.scores.items()}


def _best(cells: Mapping[tuple[str, str], Scores]) -> tuple[str, str]:
    """The cell with the largest mean, as on the scoreboard: the first of equal ones."""
    return max(cells, key=lambda cell: scoreboard.mean_and_interval(cells[cell], MEASURE)[0] or 0.0)


def _counted(scores: Scores) -> Floats:
    """The scores of the queries that count, (q,); NaN for the others."""
    return np.where(scores.per_query.counted, scoreboard.per_query(scores, MEASURE), np.nan)


def _title(space: str) -> str:
    return spaces.get(space).title


def _between(interval: tuple[float, float]) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
