"""The verdict over training runs: which regime is best, by how much over the next, and whether it is more than chance.

It says what `lib.learn.results` measures and nothing beyond: a pair is significant only if every common seed is, and
all of it applies to these runs on this test set. Runs come from `normalise_record.normalise`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lib.documents.runs import ResultRow
from lib.learn import configurations, results
from lib.learn.configurations import Configuration
from lib.learn.regimes import REGIMES
from lib.learn.results import Difference, Run
from lib.measure.verdicts import Verdict
from lib.statistics import TEST_RESAMPLES
from lib.text import counted, shown_name

NO_RUN = "No training run is recorded yet."
NO_ACCURACY = "None of these runs has a test accuracy."
_ACCURACY = "Test accuracy: the share of test photos classified correctly, mean over seeds."
_PAIR = (
    "Points are percentage points over the common seeds; in brackets the 95 % interval over test photos, seeds "
    f"averaged (paired bootstrap, {TEST_RESAMPLES:,} resamples). More than chance: McNemar's exact test at the 5 % "
    "level, Holm-corrected over all pairs of these runs, in every common seed; with the seeds together: a sign-flip "
    "permutation test, Holm-corrected likewise. The best was picked on these same photos, so its lead is slightly "
    "optimistic."
)
_ALONE = "In brackets Wilson's 95 % interval of one run over its test photos."
_SCOPE = "Applies to these runs on this test set."


def training_verdict(runs: Sequence[Run], fingerprint: str, against: str | None = None) -> Verdict:
    """The verdict over `runs`; `fingerprint` is that of the prepared photos, and runs on others are named as such.

    The best is compared with the next one, or with the best of the regime `against` where that is another.
    """
    if not runs:
        return Verdict(NO_RUN, "")
    names = {key: shown_name(name) for key, name in configurations.names(runs).items()}
    ranked = ranking(runs)
    if not ranked:
        return Verdict(NO_ACCURACY, "")
    key, best = next(iter(ranked.items()))
    datasets = len({row["fingerprint"] for row in ranked.values()})
    if datasets > 1:
        return Verdict(f"These runs are of {datasets} data sets, on which accuracies do not compare.", _ACCURACY)
    where = "" if best["fingerprint"] == fingerprint else f" on other photos ({shown_name(best['dataset'])})"
    measured = f"{_percent(best['accuracy'])} test accuracy{where} over {_seeds(best)}"
    other = opponent(ranked, against)
    if other is None:
        interval = f" [{', '.join(_percent(bound) for bound in best['ci95'])}]" if best["ci95"] else ""
        one = (
            "one run does not show the effect of chance"
            if len(best["accuracies"]) == 1
            else "no other to compare it with"
        )
        return Verdict(
            f"{_described(best, names[key])}: {measured}{interval}; {one}.", f"{_ACCURACY} {_ALONE} {_SCOPE}"
        )
    pair = next(pair for pair in results.differences(runs) if {pair["a_key"], pair["b_key"]} == {key, other})
    lead = _lead(pair, (names[other], ranked[other]["accuracy"]), sign=1 if pair["a_key"] == key else -1)
    population = f"{_ACCURACY[:-1]}; {counted(best['tested'] or 0, 'test photo')}."
    return Verdict(f"{_described(best, names[key])} is best: {measured}, {lead}.", f"{population} {_PAIR} {_SCOPE}")


def ranking(runs: Sequence[Run]) -> dict[Configuration, ResultRow]:
    """The configurations that have a test accuracy with their rows of `results.table`, best first."""
    tested = {
        key: row
        for key, row in zip(configurations.by_configuration(runs), results.table(runs), strict=True)
        if row["accuracy"] is not None
    }
    return dict(sorted(tested.items(), key=lambda item: -(item[1]["accuracy"] or 0.0)))


def opponent(ranked: Mapping[Configuration, ResultRow], against: str | None = None) -> Configuration | None:
    """What the first of `ranked` is compared with: the best of the regime `against`, else the next; None if alone."""
    others = list(ranked)[1:]
    return next((key for key in others if ranked[key]["regime"] == against), next(iter(others), None))


def _described(row: ResultRow, name: str) -> str:
    """The name of a configuration with what its regime does: a title such as *Initialisation* does not say it."""
    regime = REGIMES.get(row["regime"])
    return f"{name} ({regime.summary})" if regime and regime.summary else name


def _seeds(row: ResultRow) -> str:
    return counted(len(row["accuracies"]), "seed")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _lead(pair: Difference, other: tuple[str, float | None], sign: int) -> str:
    """By how much the best is above `other`, a name and its accuracy, and whether that is more than chance.

    `sign` is -1 where the best is the pair's b.
    """
    difference, together = pair["difference"], pair["over_seeds"]
    name, accuracy = other
    if difference is None:
        return f"above {name} ({_percent(accuracy)}; {pair['verdict']})"
    if sign * difference < 0:  # the means are over all seeds of each, the pairs over the common ones
        sign, words = -sign, f"below {name} over the common seeds"
    else:
        words = f"above {name} ({_percent(accuracy)})"
    interval = ""
    if together is not None:
        low, high = sorted(100 * sign * bound for bound in together["ci95"])
        interval = f" [{low:.1f}, {high:.1f}]"
    return f"{100 * sign * difference:.1f} points{interval} {words}; {_chance(pair)}"


def _chance(pair: Difference) -> str:
    """Whether the difference is more than chance, in the sense of `results.differences`."""
    seeds, significant, together = pair["seeds"], pair["significant_seeds"], pair["over_seeds"]
    if pair["verdict"] == results.SIGNIFICANT:
        return "more than chance" + (" in every seed" if seeds > 1 else "")
    if together is not None and together["p_holm"] < results.LEVEL and seeds > 1:
        return f"more than chance with the seeds together, in {significant} of {seeds} alone"
    return "this may be chance"
