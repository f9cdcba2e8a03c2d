"""The views over the whole data set in a real browser: what only clicks, drags and links can show."""

from __future__ import annotations

import re

from lib.prepare import workspace
from lib.search import disagreement
from lib.settings import Settings
from lib.view.retrieval import robustness_lab, scoreboard
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS


def wait_for_scores(tab: Watched) -> None:
    tab.page.get_by_text(scoreboard.MEASURE, exact=True).first.wait_for(timeout=60_000)
    tab.settle()


def test_the_scoreboard_is_measured_and_its_link_restores_a_cell(tab: Watched) -> None:
    tab.open("Retrieval?view=Scoreboard")
    wait_for_scores(tab)
    assert scoreboard.OF_POPULATION in tab.text()
    # The address changes as the page begins to be drawn: before that it is settled, but not yet of the new choice.
    tab.page.get_by_role("radio", name=scoreboard.PANELS["pair"]).click()
    tab.page.wait_for_url(re.compile("below=pair"))
    tab.settle()
    tab.page.get_by_role("radio", name="P@5").click()
    tab.page.wait_for_url(re.compile("measure=p5"))
    tab.settle()
    said = tab.page.locator('[class*="st-key-numbers_pair"]').inner_text()
    assert "Difference" in said
    link = tab.page.url
    assert "below=pair" in link and "measure=p5" in link
    tab.page.goto("about:blank")
    tab.page.goto(link)
    wait_for_scores(tab)
    assert tab.page.locator('[class*="st-key-numbers_pair"]').inner_text() == said


def test_a_query_of_a_cell_opens_in_that_space(tab: Watched) -> None:
    tab.open("Retrieval?view=Scoreboard&cell=pixels.l1")
    wait_for_scores(tab)
    worst = tab.page.locator('[aria-label="Worst queries"] button').first
    chosen = worst.get_attribute("data-id")
    worst.click()
    tab.page.locator('[aria-label="Query"] button').wait_for(timeout=20_000)
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == chosen
    assert "section=Scoreboard" not in tab.page.url and "space=pixels" in tab.page.url


def test_a_disagreement_opens_side_by_side(tab: Watched, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    nearest = disagreement.measure(opened.neighbourhoods("resnet18"), photos.frame["label"].to_numpy(dtype=object), 10)
    tab.open("Retrieval?view=Disagreements&space=resnet18")
    first = tab.page.locator('[aria-label="Least in common"] button').first
    assert first.get_attribute("data-id") == photos.ids[nearest.worst()[0]]
    first.click()
    tab.page.locator('[aria-label="Query"] button').wait_for(timeout=20_000)
    tab.settle()
    assert "section=l1-cosine" in tab.page.url
    assert f"{nearest.overlap[nearest.worst()[0]]:.0%}" in tab.text()


def test_the_lab_follows_a_slider_and_its_link_restores_it(tab: Watched, prepared: Settings) -> None:
    query = workspace.open_workspace(prepared).catalog().ids[4]
    tab.open(f"Retrieval?view=Robustness+lab&q={query}")
    tab.page.get_by_text(robustness_lab.first_under(5, 5)).first.wait_for(timeout=30_000)
    slider = tab.page.locator('.st-key-lab_crop input[type="range"]')
    slider.focus()
    for _ in range(14):
        slider.press("ArrowRight")
    tab.page.get_by_text("Crop 70").wait_for(timeout=30_000)
    tab.settle()
    said = tab.text()
    assert "lab_crop=70" in tab.page.url
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(link)
    tab.page.get_by_text("Crop 70").wait_for(timeout=30_000)
    tab.settle()
    ranks = [line for line in said.splitlines() if "comes first under" in line]
    assert ranks and all(line in tab.text() for line in ranks)


def test_flattening_moves_and_edited_numbers_are_computed(tab: Watched) -> None:
    tab.open("Retrieval?view=Understand")
    plot = tab.page.locator(".st-key-flattening .js-plotly-plot")
    plot.wait_for(timeout=30_000)
    heights = "plot => new Set(Array.from(plot._fullData[0].y)).size"
    assert plot.evaluate(heights) == 9
    plot.get_by_text("at once").click()
    tab.page.wait_for_timeout(500)
    assert plot.evaluate(heights) == 1
    assert "A D B C" in tab.text()
