"""All linked choices in a real browser, page by page: choice, content and address agree, however the page is opened."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS
# The values of the widgets of the page, in their order.
STATE = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    const all = (selector, value) => [...main.querySelectorAll(selector)].map(value);
    return JSON.stringify([
        all('input:not([type="file"])', (each) => each.type === "checkbox" ? each.checked : each.value),
        all('[aria-checked="true"], [aria-pressed="true"]', (each) => each.innerText),
        all('[data-tag]', (each) => each.innerText),
        all('[role="slider"]', (each) => each.getAttribute("aria-valuenow")),
    ]);
}"""


def _address(tab: Watched) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.page.url).query, keep_blank_values=True)


def _wait_for_state(tab: Watched, state: str) -> None:
    """Wait until the widgets have these values; a number appears in its field a moment after the field is drawn."""
    try:
        tab.page.wait_for_function(f"(expected) => ({STATE})() === expected", arg=state, timeout=30_000)
    except Exception:
        assert tab.page.evaluate(STATE) == state
        raise


def _go(tab: Watched, label: str) -> None:
    tab.page.locator(".st-key-topbar").get_by_role("link", name=label, exact=True).click()
    heading = "Petalscope" if label == "Home" else label
    tab.page.get_by_test_id("stMain").get_by_role("heading", name=heading, level=1).wait_for(timeout=60_000)
    tab.settle()


def _press(tab: Watched, text: str, waited: str) -> None:
    tab.page.get_by_test_id("stMain").get_by_role("radio", name=text, exact=True).or_(
        tab.page.get_by_test_id("stMain").get_by_role("button", name=text, exact=True)
    ).first.click()
    tab.page.wait_for_url(f"**{waited}**", timeout=60_000)
    tab.settle()


def _switch(tab: Watched, key: str, waited: str) -> None:
    tab.page.locator(f".st-key-{key} label").first.click()
    tab.page.wait_for_url(f"**{waited}**", timeout=60_000)
    tab.settle()


def _type(tab: Watched, key: str, text: str, waited: str) -> None:
    field = tab.page.locator(f".st-key-{key} input").first
    field.fill(text)
    field.press("Enter")
    tab.page.wait_for_url(f"**{waited}**", timeout=60_000)
    tab.settle()


def test_every_page_comes_back_as_it_was_left(tab: Watched) -> None:
    tab.open("?q=rose%2F00.jpg")
    _type(tab, "draw", "7", "draw=7")
    _switch(tab, "audit", "audit=true")
    left: dict[str, tuple[str, dict[str, list[str]]]] = {}

    def leave(page: str, then: str) -> None:
        left[page] = tab.page.evaluate(STATE), _address(tab)
        _go(tab, then)

    leave("Home", "Training regimes")
    _press(tab, "Wall time", "x=seconds")
    leave("Training regimes", "Embedding map")
    _type(tab, "near", "4", "near=4")
    _press(tab, "Fidelity", "section=reading")
    leave("Embedding map", "Retrieval")
    _press(tab, "Result grids", "section=grids")
    _type(tab, "k", "6", "k=6")
    # A view without these widgets, and back by the browser's button.
    side = tab.page.evaluate(STATE)
    _press(tab, "Understand", "section=understand")
    tab.page.go_back()
    tab.page.wait_for_url("**section=grids**", timeout=60_000)
    tab.settle()
    _wait_for_state(tab, side)
    tab.page.go_back()
    tab.page.wait_for_url(lambda url: "k=6" not in url, timeout=60_000)
    tab.settle()
    assert tab.page.evaluate(STATE) != side
    tab.page.go_forward()
    tab.page.wait_for_url("**k=6**", timeout=60_000)
    tab.settle()
    _wait_for_state(tab, side)
    leave("Retrieval", "Milvus collection")
    _type(tab, "find", "centred", "find=centred")
    leave("Milvus collection", "Home")
    urls = {}
    for page, then in zip(left, [*list(left)[1:], "Home"], strict=True):
        state, address = left[page]
        assert address["q"] == ["rose/00.jpg"]
        _wait_for_state(tab, state)
        assert _address(tab) == address, page
        urls[page] = tab.page.url
        _go(tab, then)
    # One step back is the page before.
    tab.page.go_back()
    tab.page.get_by_role("heading", name="Milvus collection", level=1).wait_for(timeout=60_000)
    # A session that knows nothing but the address.
    for page, (state, address) in left.items():
        tab.page.goto(urls[page])
        tab.page.reload()
        tab.page.locator("h1").first.wait_for(timeout=60_000)
        tab.settle()
        _wait_for_state(tab, state)
        assert _address(tab) == address, page


def test_two_tabs_keep_to_their_own_addresses(chromium, address: str) -> None:
    one = Watched(chromium, address)
    one.open("Retrieval?q=rose%2F00.jpg&k=5")
    other = one.context.new_page()
    other.goto(f"{address}/Retrieval?q=rose%2F00.jpg&k=9&view=Side+by+side")
    other.locator(".st-key-k").wait_for(timeout=60_000)
    nine = "document.querySelector('.st-key-k input')?.value === '9'"
    other.wait_for_function(nine, timeout=60_000)
    _type(one, "k", "4", "k=4")
    other.reload()
    other.locator(".st-key-k").wait_for(timeout=60_000)
    other.wait_for_function(nine, timeout=60_000)
    assert one.page.locator(".st-key-k input").input_value() == "4"
    one.context.close()
    assert not one.complaints


@pytest.mark.parametrize("page", ["", "Embedding_Map", "Retrieval"])
def test_a_link_full_of_nonsense_opens(tab: Watched, page: str) -> None:
    tab.open(f"{page}?space=x&metric=1e9&k=-1&near=1e9&draw=-4&smoothing=nan&classes=a&classes=a&part=1,2&map=umap,x")
    assert tab.page.get_by_test_id("stException").count() == 0
