"""Configurations of training runs: what the runs of one regime under several seeds have in common, and its name.

Runs come from `normalise_record.normalise`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lib import artifacts
from lib.documents.runs import NormalisedRun
from lib.learn.regimes import REGIMES

Run = NormalisedRun
# Regime, preset, weights, name and fingerprint of the data, and the recipe.
Configuration = tuple[str, str, str, str, str, str]


def configuration(run: Run) -> Configuration:
    """Everything that runs must share to be compared over seeds."""
    data, config = run["dataset"], run["config"]
    size = " · ".join(
        f"{config[name]} {unit}" for name, unit in (("image_size", "px"), ("epochs", "epochs")) if name in config
    )
    # A hash stands for the rest of the recipe.
    recipe = f"{size} · {artifacts.digest(config)[:4]}" if config else ""
    return run["regime"], run["preset"], run["weights"], data["name"], data["fingerprint"], recipe


def title(run: Run) -> str:
    """The regime's title, or its name when it is unknown."""
    regime = REGIMES.get(run["regime"])
    return regime.title if regime else str(run["regime"])


def by_configuration(runs: Iterable[Run]) -> dict[Configuration, list[Run]]:
    """Runs by configuration, each group by seed; regimes in their usual order. Of equal seeds the newest run counts."""
    groups: dict[Configuration, dict[int | None, Run]] = {}
    for run in sorted(runs, key=lambda run: run["finished"]):
        groups.setdefault(configuration(run), {})[run["seed"]] = run
    order = list(REGIMES)
    ranked = sorted(groups, key=lambda key: (order.index(key[0]) if key[0] in REGIMES else len(order), key[1:], key[0]))
    return {
        key: sorted(groups[key].values(), key=lambda run: -1 if run["seed"] is None else run["seed"]) for key in ranked
    }


def names(runs: Sequence[Run]) -> dict[Configuration, str]:
    """A name for each configuration: the regime's title, and the parts that differ among those of its regime."""
    keys = list(by_configuration(runs))
    titles = {}
    for key in keys:
        same_regime = [other for other in keys if other[0] == key[0]]
        parts = [key[i] or "no preset" for i in (1, 2, 3, 5) if len({other[i] for other in same_regime}) > 1]
        if len({other[4] for other in same_regime if other[3] == key[3]}) > 1:
            parts.append(key[4][:8])
        regime = REGIMES[key[0]].title if key[0] in REGIMES else key[0]
        titles[key] = " · ".join([regime, *parts])
    return titles
