"""Class mixing, against a count photo by photo, and the verdict over a map on ordinary and on odd data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.embed.projection import Map
from lib.measure import class_mixing, map_verdict
from lib.measure.class_mixing import MixedPair
from lib.measure.map_verdict import MapReading
from lib.prepare import workspace
from lib.search.neighbourhoods import Neighbourhoods
from lib.settings import Settings
from lib.statistics import FEW

EXACT: Neighbourhoods = Neighbourhoods({}, {}, {"found": "exact"})  # type: ignore[typeddict-item]
PAIR = MixedPair(0, 1, 0.23, (0.21, 0.25), 700, 0.17)
READING = MapReading(0.26, (0.25, 0.27), 0.92, 15, 4_064, 3, PAIR)
NAMES = ["rose", "tulip", "daisy"]


def _random(seed: int, n: int = 60, classes: int = 3, depth: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours (n, depth), some missing at the end, and codes (n,)."""
    rng = np.random.default_rng(seed)
    rows = np.array([rng.permutation(np.delete(np.arange(n), i))[:depth] for i in range(n)], dtype=np.int32)
    for i, kept in enumerate(rng.integers(0, depth + 1, n)):
        rows[i, kept:] = -1
    return rows, rng.integers(0, classes, n)


@pytest.mark.parametrize("seed", range(4))
def test_the_table_is_the_mean_over_photos_of_their_shares(seed: int) -> None:
    rows, codes = _random(seed)
    table, sizes = class_mixing.mixing_table(rows, codes, 3, 10)
    for a in range(3):
        for b in range(3):
            shares = []
            for i in np.flatnonzero(codes == a):
                near = [row for row in rows[i, :10].tolist() if row >= 0]
                if near:
                    shares.append(sum(codes[row] == b for row in near) / len(near))
            assert sizes[a] == len(shares)
            assert table[a, b] == pytest.approx(np.mean(shares))
    assert table.sum(axis=1) == pytest.approx(np.ones(3))


def test_the_most_mixed_pair_is_the_largest_cell_off_the_diagonal(prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos, near = opened.catalog(), opened.neighbourhoods("resnet18").rows["cosine"]
    classes, labels = list(photos.classes), photos.labels
    codes = np.array([classes.index(label) for label in labels])
    pair = class_mixing.most_mixed(near, codes, len(classes))
    assert pair is not None
    shares: dict[tuple[str, str], list[float]] = {}
    for label, row in zip(labels, near[:, :10].tolist(), strict=True):
        for other in classes:
            shares.setdefault((label, other), []).append(np.mean([labels[i] == other for i in row]))
    means = {names: np.mean(each) for names, each in shares.items() if names[0] != names[1]}
    largest = max(means.values())
    assert pair.share == pytest.approx(largest)
    assert means[classes[pair.one], classes[pair.other]] == pytest.approx(largest)
    assert pair.back == pytest.approx(means[classes[pair.other], classes[pair.one]])
    assert pair.ci95[0] <= pair.share <= pair.ci95[1]
    assert pair.n == photos.classes[classes[pair.one]]


def test_a_handful_of_photos_does_not_win() -> None:
    codes = np.array([0] * 20 + [1] * 20 + [2] * 2)
    rows = np.full((42, 10), -1, np.int32)
    rows[:20], rows[20:40] = np.arange(10), np.arange(20, 30)
    rows[0, :3] = [20, 21, 22]  # one rose with three tulips
    rows[40:] = np.arange(10)  # both photos of the small class lie among roses
    pair = class_mixing.most_mixed(rows, codes, 3)
    assert pair is not None and (pair.one, pair.other) == (0, 1)
    assert pair.share == pytest.approx(0.3 / 20)
    small = class_mixing.most_mixed(rows[40:] % 2, np.array([0, 1]), 2)
    assert small is not None and small.n < FEW  # where all are small, they count


def test_classes_that_do_not_mix_and_photos_without_neighbours() -> None:
    apart = np.array([[1, -1], [0, -1], [3, -1], [2, -1]], dtype=np.int32)
    assert class_mixing.most_mixed(apart, np.array([0, 0, 1, 1]), 2) is None
    assert class_mixing.most_mixed(np.full((4, 2), -1, np.int32), np.array([0, 0, 1, 1]), 2) is None


def test_an_interval_covers_the_mean_of_resampled_photos() -> None:
    values = np.random.default_rng(3).beta(2, 5, 300)
    low, high = class_mixing.mean_ci95(values)
    rng = np.random.default_rng(9)
    means = [rng.choice(values, len(values)).mean() for _ in range(4_000)]
    assert (low, high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.004)


# --- the verdict -----------------------------------------------------------------------------------------------------


def test_the_verdict_of_a_prepared_map_has_its_own_numbers(prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos, near, laid_out = opened.catalog(), opened.neighbourhoods("resnet18"), opened.map("resnet18")
    classes = list(photos.classes)
    codes = np.array([classes.index(label) for label in photos.labels])
    reading = map_verdict.read(laid_out, near, codes, len(classes))
    assert reading.kept == pytest.approx(float(laid_out.preserved.mean()), abs=1e-6)
    assert reading.kept_ci95 is not None and reading.kept_ci95[0] < reading.kept < reading.kept_ci95[1]
    text = map_verdict.map_verdict(reading, classes, near).text
    assert f"{100 * reading.kept:.0f}% [" in text and reading.mixed is not None
    assert f"Most mixed: {classes[reading.mixed.one]} with {classes[reading.mixed.other]}, " in text


@pytest.mark.parametrize(
    ("kept", "trustworthiness", "advice"),
    [
        (0.26, 0.92, "Trust its regions, not single neighbours:"),
        (0.5, 0.7, "Trust its neighbours:"),
        (0.05, 0.74, "Trust little of it:"),
    ],
)
def test_the_advice_follows_from_the_measures(kept: float, trustworthiness: float, advice: str) -> None:
    reading = replace(READING, kept=kept, trustworthiness=trustworthiness)
    verdict = map_verdict.map_verdict(reading, NAMES, EXACT)
    assert verdict.text.startswith(advice)
    assert verdict.text.endswith("Most mixed: rose with tulip, 23% [21, 25] of its 10 nearest.")
    assert "over 700 photos of rose; the other way, from tulip to rose, it is 17%" in verdict.about
    assert "over 4,064 photos" in verdict.about and "95 % intervals" in verdict.about


def test_odd_data_is_said_in_a_sentence() -> None:
    alone = map_verdict.map_verdict(replace(READING, classes=1, mixed=None), ["rose"], EXACT)
    assert "There is one class, so no classes mix." in alone.text
    apart = map_verdict.map_verdict(replace(READING, mixed=None), NAMES, EXACT)
    assert apart.text.endswith("No classes mix.")
    unmeasured = replace(READING, kept=None, kept_ci95=None, trustworthiness=None, k=0, mixed=None, classes=1)
    verdict = map_verdict.map_verdict(unmeasured, ["rose"], EXACT)
    assert verdict.text.startswith("How far this map can be trusted is not measured:") and verdict.about == ""


def test_one_class_and_few_photos_are_read_without_numbers() -> None:
    facts = {"fidelity": {"preservation": None, "trustworthiness": None, "continuity": None, "k": 0, "ranked": 0}}
    laid_out = Map(np.zeros((2, 2), np.float32), np.full(2, np.nan, np.float32), facts)  # type: ignore[arg-type]
    near = Neighbourhoods({"cosine": np.array([[1], [0]], np.int32)}, {}, EXACT.facts)
    reading = map_verdict.read(laid_out, near, np.zeros(2, dtype=np.int64), 1)
    assert (reading.kept, reading.kept_ci95, reading.mixed) == (None, None, None)


def test_approximate_neighbours_are_named() -> None:
    facts = {"found": "approximate", "by": "NN-descent", "sample": 500, "recall": {"cosine": {"10": 0.95, "30": 0.9}}}
    near = Neighbourhoods({}, {}, facts)  # type: ignore[arg-type]
    assert "95.0%" in map_verdict.map_verdict(READING, NAMES, near).about
