"""Histograms of traits: bins, counts, and the filter that chosen bars make, in memory and as words of an address."""

from __future__ import annotations

import numpy as np
import pytest

from lib.measure import histograms
from lib.measure.histograms import Histogram
from lib.measure.traits import Kind, Trait


def trait(values: list[object], kind: Kind = "category", name: str = "label", **ends: float) -> Trait:
    return Trait(name, name.title(), "", kind, np.array(values, dtype=float if kind == "number" else object), **ends)


def made(*arguments: object, **named: object) -> Histogram:
    found = histograms.histogram(trait(*arguments, **named))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_names_have_a_bin_each_in_natural_order_and_unknown_ones_come_last() -> None:
    found = made(["b10", "", "b2", "b2", "a"])
    assert found.bins == ("a", "b2", "b10", histograms.UNKNOWN)
    assert histograms.counts(found).tolist() == [1, 2, 1, 1]
    assert [found.bins[code] for code in found.codes] == ["b10", histograms.UNKNOWN, "b2", "b2", "a"]


def test_splits_stand_in_the_order_in_which_they_are_used() -> None:
    assert made(["test", "val", "train", "other"]).bins == ("other", "train", "val", "test")


def test_rare_names_beyond_the_most_share_a_bin() -> None:
    names = [f"c{i:03}" for i in range(150)]
    found = made([*names, *names[:50]])
    assert len(found.bins) == histograms.MOST_BINS
    assert found.bins[-1] == histograms.OTHER
    assert set(names[:50]) <= set(found.bins)  # the frequent ones
    assert histograms.counts(found).sum() == 200
    assert histograms.counts(found)[-1] == 150 - (histograms.MOST_BINS - 1)


def test_a_trait_without_a_value_has_no_histogram() -> None:
    assert histograms.histogram(trait(["", ""])) is None
    assert histograms.histogram(trait([np.nan], "number")) is None
    assert histograms.histogram(trait([], "number")) is None
    assert histograms.histogram(trait([])) is None


def test_few_different_numbers_have_a_bin_each() -> None:
    found = made([0.1 + 0.2, 0.3, 1.0, 0.0, np.nan], "number")
    assert found.bins == ("0", "0.3", "1", histograms.UNKNOWN)
    assert histograms.counts(found).tolist() == [1, 2, 1, 1]
    assert found.edges is not None and found.edges == pytest.approx([-0.15, 0.15, 0.65, 1.15])
    assert made([7.0, 7.0], "number").bins == ("7",)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_counted_between_round_edges(seed: int) -> None:
    values = np.random.default_rng(seed).gamma(2, 30, 500)
    found = made(values.tolist(), "number", low=float(values.min()), high=float(np.quantile(values, 0.99)))
    assert found.edges is not None
    expected, _ = np.histogram(values, found.edges)
    assert histograms.counts(found).tolist() == expected.tolist()
    assert 5 <= len(found.bins) <= 16
    assert found.edges[-1] >= values.max()  # the last bin reaches to the largest value
    steps = np.diff(found.edges)[1:-1]
    assert steps == pytest.approx(np.full(len(steps), steps[0]))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1e-9, 2e-9), (-5, -4.9), (0, 1e12), (5, 5)])
def test_bins_of_any_magnitude_count_every_value(low: float, high: float) -> None:
    values = np.linspace(low, high if high > low else low + 1, 200)
    found = made(values.tolist(), "number", low=low, high=high)
    assert histograms.counts(found).sum() == 200 and len(found.bins) <= 201


LABEL = made(["rose", "tulip", "rose", "tulip"])
PURITY = made([0.0, 0.5, 1.0, np.nan], "number", name="purity")
BOTH = [LABEL, PURITY]


def test_a_photo_passes_when_its_bin_is_chosen_in_each_histogram() -> None:
    assert histograms.passing(BOTH, {}) is None
    assert histograms.passing(BOTH, {"label": frozenset()}) is None
    mask = histograms.passing(BOTH, {"label": frozenset({0})})
    assert mask is not None and mask.tolist() == [True, False, True, False]
    mask = histograms.passing(BOTH, {"label": frozenset({0}), "purity": frozenset({0, 1})})
    assert mask is not None and mask.tolist() == [True, False, False, False]
    assert histograms.counts(PURITY, mask).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_choice_survives_its_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    many = made(rng.normal(size=300).tolist(), "number", name="b", low=-2.0, high=2.0)
    pool = [*BOTH, many]
    choice = {
        each.name: frozenset(rng.choice(len(each.bins), size=rng.integers(1, len(each.bins)), replace=False).tolist())
        for each in pool
    }
    assert histograms.parse(histograms.words(pool, choice), pool) == choice


def test_words_name_values_and_ranges() -> None:
    choice = {"label": frozenset({1}), "purity": frozenset({1, 2, 3})}
    assert histograms.words(BOTH, choice) == ["label:tulip", "purity:0.25..1.25", "purity:unknown"]
    assert histograms.parse(["purity:0.4..0.6"], BOTH) == {"purity": frozenset({1})}


def test_names_with_colons_and_dots_are_read() -> None:
    odd = made(["x..y", "a:b"], name="factor_a:b")
    short = made(["b:a:b", "c"], name="factor_a")
    choice = {"factor_a:b": frozenset({0, 1}), "factor_a": frozenset({1})}
    assert histograms.parse(histograms.words([odd, short], choice), [odd, short]) == choice


@pytest.mark.parametrize(
    "word",
    ["", ":", "label", "label:", "label:lily", "nothing:rose", "purity:", "purity:0..", "purity:nan..nan",
     "purity:1..0", "purity:a..b", "purity:0..1..2", "purity:9e999..-9e999", "label:0..1", "\x00",
     "label:" + "x" * 10_000],
)  # fmt: skip
def test_words_of_nothing_choose_nothing(word: str) -> None:
    assert histograms.parse([word], BOTH) == {}


@pytest.mark.parametrize(
    "value", [None, 3, [], "label", {"label": 3}, {"label": ["0"]}, {"label": [0.5]}, {"label": [True]}]
)
def test_a_report_that_is_not_a_choice_is_none(value: object) -> None:
    assert histograms.from_report(value, BOTH) is None


def test_a_report_names_bins_that_there_are() -> None:
    assert histograms.from_report({"label": [1, 9, -1], "other": [0], "purity": []}, BOTH) == {"label": frozenset({1})}
