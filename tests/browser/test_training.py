"""The training page in a real browser: results and curves in one screen, one hover line over both charts."""

from __future__ import annotations

import pytest

from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS
BARS, CURVES = ".st-key-final .js-plotly-plot", ".st-key-curves .js-plotly-plot"
# Where an element lies: [top, bottom, left, right].
PLACE = """(selector) => {
    const box = document.querySelector(selector).getBoundingClientRect();
    return [box.top, box.bottom, box.left, box.right];
}"""


def _open(tab: Watched, width: int, height: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": height})
    tab.open("Training_Regimes")
    for chart in (BARS, CURVES):
        tab.page.locator(f"{chart} .nsewdrag").first.wait_for(state="attached", timeout=60_000)
    tab.settle()


def test_results_and_curves_stand_in_one_screen(tab: Watched) -> None:
    _open(tab, 1440, 900)
    table = '[data-testid="stDataFrame"]'
    tab.page.locator(table).first.wait_for(timeout=30_000)
    places = {each: tab.page.evaluate(PLACE, each) for each in (BARS, table, CURVES, ".st-key-verdict")}
    assert {each: place for each, place in places.items() if place[0] < 0 or place[1] > 900} == {}
    assert places[BARS][3] <= places[CURVES][2] >= places[table][3]  # the curves are at the right of both


def test_one_hover_line_runs_over_accuracy_and_loss(tab: Watched) -> None:
    _open(tab, 1440, 900)
    charts = tab.page.locator(f"{CURVES} .nsewdrag")
    assert charts.count() == 2
    upper, lower = (charts.nth(place).bounding_box() for place in (0, 1))
    for box in (upper, lower):  # from either chart
        tab.page.mouse.move(box["x"] + 0.12 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
        lines = tab.page.locator(f"{CURVES} .spikeline")
        lines.first.wait_for(state="attached", timeout=20_000)
        spans = tab.page.evaluate(
            "(selector) => [...document.querySelectorAll(selector)].map((each) => each.getBoundingClientRect().height)",
            f"{CURVES} .spikeline",
        )
        assert max(spans) >= upper["height"] + lower["height"]
        spoken = tab.page.locator(f"{CURVES} .hoverlayer").first.text_content()
        assert "epoch " in spoken and "accuracy " in spoken and "loss " in spoken
        tab.page.mouse.move(5, 300)
        tab.page.wait_for_function(f"!document.querySelector('{CURVES} .spikeline')", timeout=20_000)


@pytest.mark.parametrize("choice", ["section=curves", "section=results"])
def test_earlier_sections_open_the_merged_one(tab: Watched, choice: str) -> None:
    tab.open(f"Training_Regimes?{choice}")
    tab.page.locator(f"{CURVES} .nsewdrag").first.wait_for(state="attached", timeout=60_000)
    assert "section=results" in tab.page.url


def test_in_a_narrow_window_the_first_result_comes_early_and_controls_open_on_demand(tab: Watched) -> None:
    _open(tab, 390, 844)
    assert tab.page.evaluate(PLACE, BARS)[0] < 500
    runs = tab.page.get_by_test_id("stMain").get_by_text("Curve options")
    runs.wait_for(state="hidden", timeout=20_000)
    tab.page.locator(".ps-sheet summary").click()
    runs.wait_for(timeout=20_000)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    left, right = tab.page.evaluate(PLACE, CURVES)[2:]
    assert left >= 0 and right <= 390
