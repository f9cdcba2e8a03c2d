"""Every page in windows from a phone's to a wide one: nothing scrolls sideways, and each button can be hit."""

from __future__ import annotations

import pytest

from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS
PAGES = ["", "Training_Regimes", "Embedding_Map", "Retrieval?q=tulip/04.jpg", "Milvus_Collection"]
# Buttons and links smaller than 24 px either way (WCAG 2.2, success criterion 2.5.8), unless they stand in a sentence.
SMALL = """() => {
    const all = (node) => [...node.querySelectorAll('*')].flatMap((each) => [
        each, ...(each.shadowRoot ? all(each.shadowRoot) : [])]);
    return all(document).filter((node) => node.matches('button, [role=button], summary') && node.checkVisibility())
        .map((node) => [node, node.getBoundingClientRect()])
        .filter(([, box]) => box.width > 1 && box.height > 1 && (box.width < 23.5 || box.height < 23.5))
        .map(([node, box]) => `${box.width} × ${box.height}: ${node.outerHTML.slice(0, 150)}`);
}"""
SIDEWAYS = """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
    .map((node) => node.scrollWidth - node.clientWidth)"""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_every_width(tab: Watched, page: str) -> None:
    tab.open(page)
    for width in (1920, 1000, 800, 390):
        tab.page.set_viewport_size({"width": width, "height": 844})
        tab.page.wait_for_timeout(600)
        assert tab.page.evaluate(SIDEWAYS) == [0, 0], width
    assert tab.page.evaluate(SMALL) == []


def test_the_bar_of_a_phone_reaches_pages_saved_views_provenance_and_query(tab: Watched) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("Training_Regimes?q=tulip/04.jpg")
    bar = tab.page.locator(".st-key-topbar")
    # The query comes last, once the page has read its photos.
    bar.get_by_role("button", name="Query").wait_for(timeout=30_000)
    tab.settle()
    bar.locator(".st-key-topbar_views button:visible").wait_for(timeout=30_000)
    boxes = [each.bounding_box() for each in bar.locator("a, button").all() if each.is_visible()]
    assert len(boxes) >= 8
    for i, one in enumerate(boxes):
        assert one["x"] >= 0 and one["x"] + one["width"] <= 390 and min(one["width"], one["height"]) >= 24
        for other in boxes[i + 1 :]:
            apart = one["x"] + one["width"] <= other["x"] + 0.5 or other["x"] + other["width"] <= one["x"] + 0.5
            assert apart, (one, other)
    bar.get_by_role("link", name="Retrieval").click()
    tab.page.wait_for_url("**/Retrieval**")


@pytest.mark.parametrize("section", ["l1-cosine", "grids"])
def test_on_a_phone_no_button_lies_on_a_picture_of_a_result(tab: Watched, section: str) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open(f"Retrieval?q=tulip/04.jpg&section={section}")
    why = tab.page.get_by_role("button", name="why ").first
    why.wait_for(timeout=30_000)
    over = why.evaluate("""(button) => {
        const box = button.getBoundingClientRect();
        return [...button.getRootNode().querySelectorAll('img, .label, .note, .mark')].filter((node) => {
            const other = node.getBoundingClientRect();
            return other.width && box.left < other.right && other.left < box.right
                && box.top < other.bottom - 0.5 && other.top < box.bottom - 0.5;
        }).map((node) => node.outerHTML.slice(0, 80)); }""")
    assert over == []
