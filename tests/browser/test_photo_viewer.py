"""The photo viewer in a real browser: opened from a photo, walked through by keys, closed without a trace."""

from __future__ import annotations

from urllib.parse import quote

from lib.prepare import workspace
from lib.settings import Settings
from lib.view import photo_viewer
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS
FOCUSED = """() => {
    let node = document.activeElement;
    while (node.shadowRoot && node.shadowRoot.activeElement) node = node.shadowRoot.activeElement;
    return node.dataset.id || node.tagName;
}"""


def _dialog(tab: Watched):
    dialog = tab.page.locator('[role="dialog"]')
    dialog.locator(".view img").wait_for(timeout=30_000)
    return dialog


def test_a_double_click_opens_a_photo_and_leaves_the_query_alone(tab: Watched, prepared: Settings) -> None:
    tab.open("")
    photo = tab.page.locator('[aria-label="Photos"] button').nth(3)
    chosen = photo.get_attribute("data-id")
    photo.dblclick()
    dialog = _dialog(tab)
    tab.settle()
    photos = workspace.open_workspace(prepared).catalog()
    row = photos.frame.iloc[photos.row(chosen)]
    words = dialog.inner_text()
    assert chosen in words and row["sha256"] in words and f"{row['width']:,} × {row['height']:,} px" in words
    size = dialog.locator(".view img").evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert size == [row["width"], row["height"]]
    assert "q=" not in tab.parameters()


def test_keys_lead_through_the_grid_and_the_focus_returns(tab: Watched) -> None:
    tab.open("")
    grid = tab.page.locator('[aria-label="Photos"] button')
    first, second = (grid.nth(place).get_attribute("data-id") for place in (0, 1))
    grid.first.focus()
    tab.page.keyboard.press("Space")
    image = _dialog(tab).locator(".view img")
    assert first in image.get_attribute("alt")
    tab.page.keyboard.press("ArrowLeft")  # there is none before the first
    tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function(
        "id => [...document.querySelectorAll('*')].some(each => each.shadowRoot?.querySelector('.view img')?.alt"
        ".includes(id))",
        arg=second,
        timeout=20_000,
    )
    tab.page.keyboard.press("Escape")
    image.wait_for(state="detached", timeout=10_000)
    tab.page.wait_for_timeout(300)
    assert tab.page.evaluate(FOCUSED) == first
    assert "q=" not in tab.parameters()


def test_the_viewed_photo_becomes_the_query(tab: Watched) -> None:
    tab.open("")
    photo = tab.page.locator('[aria-label="Photos"] button').nth(2)
    chosen = photo.get_attribute("data-id")
    photo.focus()
    tab.page.keyboard.press("Space")
    _dialog(tab).get_by_role("button", name=photo_viewer.USE).click()
    tab.page.wait_for_url(f"**q={quote(chosen, safe='')}**")
    tab.page.locator('[role="dialog"]').wait_for(state="detached", timeout=10_000)


def test_the_dialog_fits_a_phone(tab: Watched) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("")
    tab.page.locator('[aria-label="Photos"] button').first.focus()
    tab.page.keyboard.press("Space")
    box = _dialog(tab).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
