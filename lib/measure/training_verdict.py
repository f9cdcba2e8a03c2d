"""The verdict over training runs: which regime is best, by how much over the next, and whether it is more than chance.

It says what `lib.learn.results` measures and nothing beyond: a pair is significant only if every common seed is, and
all of it applies to these runs on this test set. Runs come from `normalise_record.normalise`.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.documents.runs import ResultRow
from lib.learn import configurations, results
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


def training_verdict(runs: Sequence[Run], fingerprint: str) -> Verdict:
    """The verdict over `runs`; `fingerprint` is that of the prepared photos, and runs on others are named as such."""
    if not runs:
        return Verdict(NO_RUN, "")
    names = {key: shown_name(name) for key, name in configurations.names(runs).items()}
    ranked = sorted(
        (
            (row["accuracy"], row, key)
            for row, key in zip(results.table(runs), names, strict=True)
            if row["accuracy"] is not None
        ),
        key=lambda each: -each[0],
    )
    if not ranked:
        return Verdict(NO_ACCURACY, "")
    accuracy, best, key = ranked[0]
    others = sorted({row["dataset"] for _, row, _ in ranked if row["fingerprint"] != best["fingerprint"]})
    if others:
        datasets = len({row["fingerprint"] for _, row, _ in ranked})
        return Verdict(f"These runs are of {datasets} data sets, on which accuracies do not compare.", _ACCURACY)
    where = "" if best["fingerprint"] == fingerprint else f" on other photos ({shown_name(best['dataset'])})"
    measured = f"{_percent(accuracy)} test accuracy{where} over {_seeds(best)}"
    if len(ranked) == 1:
        interval = f" [{', '.join(_percent(bound) for bound in best['ci95'])}]" if best["ci95"] else ""
        one = (
            "one run does not show the effect of chance"
            if len(best["accuracies"]) == 1
            else "no other to compare it with"
        )
        return Verdict(
            f"{_described(best, names[key])}: {measured}{interval}; {one}.", f"{_ACCURACY} {_ALONE} {_SCOPE}"
        )
    _, _, next_key = ranked[1]
    pair = next(pair for pair in results.differences(runs) if {pair["a_key"], pair["b_key"]} == {key, next_key})
    lead = _lead(pair, names[next_key], sign=1 if pair["a_key"] == key else -1)
    population = f"{_ACCURACY[:-1]}; {counted(best['tested'] or 0, 'test photo')}."
    return Verdict(f"{_described(best, names[key])} is best: {measured}, {lead}.", f"{population} {_PAIR} {_SCOPE}")


def _described(row: ResultRow, name: str) -> str:
    """The name of a configuration with what its regime does: a title such as *Initialisation* does not say it."""
    regime = REGIMES.get(row["regime"])
    return f"{name} ({regime.summary})" if regime and regime.summary else name


def _seeds(row: ResultRow) -> str:
    return counted(len(row["accuracies"]), "seed")


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _lead(pair: Difference, other: str, sign: int) -> str:
    """By how much the best is above `other`, and whether that is more than chance; `sign` is -1 where it is the b."""
    difference, together = pair["difference"], pair["over_seeds"]
    if difference is None:
        return f"above {other} ({pair['verdict']})"
    if sign * difference < 0:  # the means are over all seeds of each, the pairs over the common ones
        sign, words = -sign, f"below {other} over the common seeds"
    else:
        words = f"above {other}"
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
