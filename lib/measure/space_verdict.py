"""The verdict on the spaces of a data set: which keeps the classes apart best, and how far two of them agree."""

from __future__ import annotations

from collections.abc import Mapping

from lib import statistics
from lib.documents.spaces import SpaceDiagnosis, SpacePair, SpacesDocument
from lib.measure.space_diagnosis import MEASURES, PAIR_MEASURES
from lib.measure.verdicts import Verdict
from lib.text import counted


def verdict(document: SpacesDocument, titles: Mapping[str, str]) -> Verdict | None:
    """The spaces in a sentence; `titles` are by name. None without a space."""
    found = document["spaces"]
    if not found:
        return None
    first = found[0]
    about = (
        f"Silhouette: {MEASURES['silhouette'].about} Over {counted(first['sample'], 'photo')}, seed {first['seed']}; "
        f"95 % intervals ({statistics.METHOD}); a space is ahead where they do not overlap."
    )
    parts = [_separation(found, titles)]
    if document["pairs"]:
        parts.append(_agreement(document["pairs"], titles))
        about += f" {PAIR_MEASURES['mutual_knn'].title}: {PAIR_MEASURES['mutual_knn'].about}"
    elif first["intrinsic_dimension"] is not None:
        parts.append(
            f"the photos fill about {first['intrinsic_dimension']:.0f} of its {first['dim']:,} dimensions (TwoNN)"
        )
    return Verdict(f"{'; '.join(part for part in parts if part)}, {counted(first['images'], 'photo')}.", about)


def _separation(found: list[SpaceDiagnosis], titles: Mapping[str, str]) -> str:
    scored = sorted((each for each in found if each["silhouette"] is not None), key=lambda each: -_silhouette(each))
    if not scored:
        return "Without two classes, there is nothing that a space can keep apart"
    best = scored[0]
    text = f"silhouette {_figure(best)}"
    if len(scored) == 1:
        return f"{titles[best['name']]}: {text} of the classes"
    second = scored[1]
    a, b = best["ci95"]["silhouette"], second["ci95"]["silhouette"]
    others = f"{text}, then {titles[second['name']]} {_figure(second)}"
    if a and b and a[0] <= b[1]:  # both are of the same photos, so this is the cautious side
        return f"In no space the classes surely lie furthest apart: {titles[best['name']]} {others}"
    return f"Classes lie furthest apart in {titles[best['name']]}: {others}"


def _agreement(pairs: list[SpacePair], titles: Mapping[str, str]) -> str:
    known = [pair for pair in pairs if pair["mutual_knn"] is not None]
    if not known:
        return ""
    closest = max(known, key=lambda pair: pair["mutual_knn"] or 0.0)
    share, interval, chance = closest["mutual_knn"] or 0.0, closest["ci95"]["mutual_knn"], closest["chance"]
    between = f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else ""
    by_chance = "" if chance["mutual_knn"] is None else f" (chance {100 * chance['mutual_knn']:.1f}%)"
    names = f"{titles[closest['a']]} and {titles[closest['b']]}"
    who = "the two" if len(pairs) == 1 else f"closest are {names}, which"
    return f"{who} share {100 * share:.1f}%{between} of a photo's {closest['k']} nearest{by_chance}"


def _silhouette(space: SpaceDiagnosis) -> float:
    return space["silhouette"] or 0.0


def _figure(space: SpaceDiagnosis) -> str:
    interval = space["ci95"]["silhouette"]
    between = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    return f"{_silhouette(space):.3f}{between}"
