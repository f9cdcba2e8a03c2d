"""The palettes: far enough from both grounds to be seen, and from one another not to be confused."""

from __future__ import annotations

import itertools
import tomllib

import pytest

from lib.learn.regimes import REGIMES
from lib.search.metrics import METRICS
from lib.settings import PROJECT
from lib.view import theme
from lib.view.figures import published_lines
from tests.helpers.colour_difference import ciede2000, contrast, lab

PALETTES = {
    "classes": theme.CLASS_COLOURS,
    "regimes": tuple(theme.REGIME_COLOURS.values()),
    "metrics": tuple(theme.METRIC_COLOURS.values()),
}
# Of two palettes, and of one: several times what is just noticeable (about 2).
APART = 15
GROUNDS = [
    tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["theme"][scheme]["backgroundColor"]
    for scheme in ("light", "dark")
]


# Pairs 1, 7, 17 and 25 of the table of Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005).
@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_the_colour_difference_is_the_published_one(first, second, difference: float) -> None:
    assert ciede2000(first, second) == pytest.approx(difference, abs=1e-4)
    assert ciede2000(second, first) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("palette", ["regimes", "metrics"])
def test_lines_and_bars_are_seen_on_both_grounds(palette: str) -> None:
    assert [(each, ground) for each in PALETTES[palette] for ground in GROUNDS if contrast(each, ground) < 3] == []


@pytest.mark.parametrize("pair", list(itertools.combinations(PALETTES, 2)))
def test_no_colour_of_one_palette_is_taken_for_one_of_another(pair: tuple[str, str]) -> None:
    near = [
        (a, b) for a, b in itertools.product(*(PALETTES[name] for name in pair)) if ciede2000(lab(a), lab(b)) < APART
    ]
    assert near == []


@pytest.mark.parametrize("palette", ["regimes", "metrics"])
def test_colours_of_one_palette_are_apart(palette: str) -> None:
    near = [pair for pair in itertools.combinations(PALETTES[palette], 2) if ciede2000(*map(lab, pair)) < APART]
    assert near == []


def test_every_regime_and_metric_has_its_own_colour() -> None:
    assert set(theme.REGIME_COLOURS) == set(theme.REGIME_MARKERS) == set(REGIMES)
    assert len(set(theme.REGIME_MARKERS.values())) == len(REGIMES)
    assert set(theme.REGIME_MARKERS.values()) <= set(published_lines.GLYPHS)
    assert set(theme.METRIC_COLOURS) == set(METRICS)


def test_further_metrics_get_colours_too() -> None:
    colours = theme.metric_colours(["cosine", *(f"new{i}" for i in range(7))])
    assert colours["cosine"] == theme.METRIC_COLOURS["cosine"]
    assert set(colours.values()) <= set(theme.METRIC_COLOURS.values())


def test_thirty_spaces_have_thirty_colours_that_are_seen() -> None:
    colours = list(theme.space_colours([f"space{i}" for i in range(30)]).values())
    assert colours[: len(theme.SPACE_COLOURS)] == list(theme.SPACE_COLOURS)
    assert len(set(colours)) == 30
    generated = colours[len(theme.SPACE_COLOURS) :]
    assert [(each, ground) for each in generated for ground in GROUNDS if contrast(each, ground) < 3] == []
