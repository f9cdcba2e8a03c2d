"""The tools of the map in a real browser: names, contours, the filter, the keys, touch, and what the link keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from lib.prepare import workspace
from lib.settings import Settings
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched, on_maps, point_on_map, resting_box, serving, wait_for_maps

pytestmark = browser_driver.MARKS
# How many points are lit, as the browser has them.
LIT = "[...maps[0].state.data.lit].reduce((sum, byte) => sum + byte.toString(2).split('1').length - 1, 0)"


@pytest.fixture(scope="module")
def address(prepared: Settings) -> Iterator[str]:
    assert prepared.data is not None
    with serving(prepared.data, prepared.artifacts) as url:
        yield url


def _open(tab: Watched, words: str = "") -> None:
    tab.open(f"Embedding_Map{words}")
    wait_for_maps(tab.page, "maps.length === 1")
    tab.settle()


def _address(tab: Watched) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.page.url).query)


def _wait_for_address(tab: Watched, pattern: str) -> None:
    tab.page.wait_for_function(
        "(pattern) => new RegExp(pattern).test(decodeURIComponent(location.search))", arg=pattern
    )


def _place(tab: Watched) -> dict[str, float]:
    return dict(tab.page.locator(".scatter .plot").bounding_box())


def test_every_class_is_named_until_it_is_hidden_or_the_names_are_off(tab: Watched, prepared: Settings) -> None:
    classes = set(workspace.open_workspace(prepared).catalog().classes)
    _open(tab)
    assert set(on_maps(tab.page, "return maps[0].describe().names")) == classes
    first = sorted(classes)[0]
    tab.page.locator(".scatter .legend button", has_text=first).click()
    assert set(on_maps(tab.page, "return maps[0].describe().names")) == classes - {first}
    _wait_for_address(tab, f"hide={first}")
    drawn = """const { over } = maps[0];
        return over.getContext('2d').getImageData(0, 0, over.width, over.height).data.some((value) => value)"""
    assert on_maps(tab.page, drawn)
    tab.page.get_by_role("button", name="Names of the classes").click()
    assert on_maps(tab.page, "return maps[0].describe().names") == []
    tab.page.wait_for_timeout(200)
    assert not on_maps(tab.page, drawn)
    _wait_for_address(tab, "names=off")


def test_contours_are_drawn_of_all_photos_then_of_each_class_then_not(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    _open(tab)
    button = tab.page.get_by_role("button", name=re.compile("^Density contours"))
    describe = "return maps[0].describe().contours"
    assert on_maps(tab.page, describe) == []
    button.click()
    wait_for_maps(tab.page, "maps[0].describe().contours?.length === 3")
    assert button.get_attribute("aria-pressed") == "true"
    assert all(each["count"] > 10 and each["colour"] is None for each in on_maps(tab.page, describe))
    _wait_for_address(tab, "contours=all")
    button.click()
    wait_for_maps(tab.page, f"maps[0].describe().contours?.length === {2 * len(photos.classes)}")
    _wait_for_address(tab, "contours=class")
    # A pointer that moves draws nothing anew.
    before = on_maps(
        tab.page,
        """maps[0].drawn = 0; const draw = CanvasRenderingContext2D.prototype.stroke;
           CanvasRenderingContext2D.prototype.stroke = function (...path) { maps[0].drawn++; draw.apply(this, path); };
           return maps[0].drawn""",
    )
    box = _place(tab)
    for share in (0.2, 0.4, 0.6):
        tab.page.mouse.move(box["x"] + share * box["width"], box["y"] + 5)
    tab.page.wait_for_timeout(200)
    assert on_maps(tab.page, "return maps[0].drawn") == before == 0
    button.click()
    wait_for_maps(tab.page, "maps[0].describe().contours.length === 0")


def test_a_bar_filters_the_map_the_other_histograms_and_the_selection(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    n, test = len(photos.ids), (photos.frame["split"] == "test").to_numpy()
    label = photos.frame["label"].to_numpy()[test][0]
    of_class = (photos.frame["label"] == label).to_numpy()
    _open(tab, "?section=filter")
    bars = tab.page.locator(".histograms")
    passing = bars.locator(".passing")
    passing.wait_for()
    assert passing.inner_text() == f"No filter; all {n} photos"
    place = resting_box(tab.page.locator(".scatter .plot"))
    bars.get_by_role("button", name=f"Class, {label}:").click()
    # At once, before the server has answered.
    assert passing.inner_text() == f"{photos.classes[label]} of {n} photos pass"
    assert on_maps(tab.page, f"return {LIT}") == photos.classes[label]
    in_test = bars.get_by_role("button", name="Split, test:")
    assert in_test.get_attribute("aria-label") == f"Split, test: {(test & of_class).sum()} of {test.sum()} photos"
    in_test.click()
    _wait_for_address(tab, "pass=split:test")
    tab.settle()
    both = int((test & of_class).sum())
    assert passing.inner_text() == f"{both} of {n} photos pass"
    assert _address(tab)["pass"] == [f"label:{label}", "split:test"]
    assert resting_box(tab.page.locator(".scatter .plot")) == place
    # The photos that pass are the selection of the app, also in a new tab.
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(re.sub(r"sel=[^&]*&?", "", link))
    wait_for_maps(tab.page, f"maps.length === 1 && maps[0].state.data.lit && {LIT} === {both}")
    _wait_for_address(tab, "sel=")
    tab.page.locator(".histograms").get_by_role("button", name="Clear filter").click()
    tab.page.wait_for_function("() => !location.search.includes('pass=') && !location.search.includes('sel=')")
    wait_for_maps(tab.page, "maps[0].state.data.lit === null")


def test_a_drag_over_bars_filters_a_range_and_keys_reach_every_bar(tab: Watched) -> None:
    _open(tab, "?section=filter")
    bars = tab.page.get_by_role("group", name="Purity").locator(".bar")
    bars.first.scroll_into_view_if_needed()
    first, last = bars.nth(0).bounding_box(), bars.nth(2).bounding_box()
    tab.page.mouse.move(first["x"] + 3, first["y"] + 20)
    tab.page.mouse.down()
    tab.page.mouse.move(last["x"] + 3, last["y"] + 20, steps=6)
    tab.page.mouse.up()
    pressed = "(bars) => bars.map((bar) => bar.ariaPressed)"
    assert bars.evaluate_all(pressed)[:4] == ["true", "true", "true", "false"]
    _wait_for_address(tab, r"pass=purity:[-.\d]+\.\.[.\d]+")
    tab.settle()
    bars.nth(0).focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        tab.page.keyboard.press(key)
    tab.settle()
    assert bars.evaluate_all(pressed)[:4] == ["true", "true", "false", "false"]


def test_a_lasso_chooses_among_the_photos_that_pass(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    label = next(iter(photos.classes))
    _open(tab, f"?pass=label:{label}")
    box = _place(tab)
    tab.page.mouse.move(box["x"] + 3, box["y"] + 3)
    tab.page.mouse.down()
    for x, y in ((0.99, 0.01), (0.99, 0.99), (0.01, 0.99)):
        tab.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
    tab.page.mouse.up()
    tab.settle()
    assert on_maps(tab.page, f"return {LIT}") == photos.classes[label]
    assert _address(tab)["pass"] == [f"label:{label}"]


def test_keys_go_from_point_to_point_and_choose(tab: Watched, prepared: Settings) -> None:
    ids = workspace.open_workspace(prepared).catalog().ids
    _open(tab)
    tab.page.locator(".scatter canvas.over").focus()
    reached = []
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        tab.page.keyboard.press(key)
        reached.append(on_maps(tab.page, "return maps[0].state.cursor"))
    assert -1 not in reached and len(set(reached)) > 2
    xy = workspace.open_workspace(prepared).map("resnet18").xy
    assert xy[reached[1], 0] > xy[reached[0], 0]
    live = tab.page.locator(".scatter .live")
    assert ids[reached[-1]] in live.inner_text()
    assert ids[reached[-1]] in tab.page.locator(".scatter .tip").inner_text()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_function("() => location.search.includes('q=')")
    assert _address(tab)["q"] == [ids[reached[-1]]]
    tab.settle()
    tab.page.keyboard.press("+")
    wait_for_maps(tab.page, "!maps[0].view.whole")
    tab.page.keyboard.press("0")
    wait_for_maps(tab.page, "maps[0].view.whole")
    tab.page.keyboard.press("Escape")
    assert on_maps(tab.page, "return maps[0].state.cursor") == -1
    tab.page.keyboard.press("Escape")
    assert tab.page.evaluate("document.activeElement.tagName") == "BODY"


def test_the_link_keeps_zoom_hidden_classes_and_tool_without_a_run_of_the_page(tab: Watched) -> None:
    _open(tab)
    box = _place(tab)
    tab.page.mouse.move(box["x"] + 300, box["y"] + 200)
    tab.page.evaluate("""() => { window.sent = 0; const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (...all) { window.sent++; return send.apply(this, all); }; }""")
    tab.page.mouse.wheel(0, -120)
    tab.page.locator(".scatter .tool[aria-label^=Box]").click()
    second = tab.page.locator(".scatter .legend button").nth(1)
    second.click()
    _wait_for_address(tab, "(?=.*zoom=)(?=.*tool=box)(?=.*hide=)")
    if on_maps(tab.page, "return maps[0].state.data.photos.length") == 0:
        assert tab.page.evaluate("window.sent") == 0
    state = """const [{ view, size, state, bounds }] = maps, [left, bottom, right, top] = bounds();
        const whole = Math.min(size.width / (right - left), size.height / (top - bottom));
        return [view, [...state.hidden], state.tool, view.scale / whole];"""
    before = on_maps(tab.page, state)
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(link)
    wait_for_maps(tab.page, "maps.length === 1 && !maps[0].view.whole")
    place = resting_box(tab.page.locator(".scatter .plot"))
    after = on_maps(tab.page, state)
    assert after[1:3] == before[1:3]
    assert [after[0][side] for side in "xy"] == pytest.approx([before[0][side] for side in "xy"], rel=1e-2, abs=1e-2)
    # The canvas may be a little higher or lower than it was: what is kept is how much it enlarges.
    assert after[3] == pytest.approx(before[3], rel=1e-2)
    # A click runs the page; it keeps what the browser wrote, and moves nothing.
    row = on_maps(
        tab.page,
        """const [map] = maps, { xy, rows } = map.state.data;
           return rows.find((_, i) => { const [left, top] = map.screen(xy[2 * i], xy[2 * i + 1]);
               return map.isShown(i) && left > 20 && top > 20 && left < map.size.width - 20
                   && top < map.size.height - 20; })""",
    )
    tab.page.mouse.click(*point_on_map(tab.page, row))
    tab.settle()
    assert {"zoom", "tool", "hide"} <= set(_address(tab))
    assert resting_box(tab.page.locator(".scatter .plot")) == place
    assert on_maps(tab.page, state)[0] == after[0]


@pytest.mark.parametrize("word", ["nan,1,2", "0.5,0.5", "9,9,9", "0.5,0.5,1e30", "<script>,0,1", "x" * 9000])
def test_a_link_with_nonsense_shows_the_whole_map(tab: Watched, word: str) -> None:
    _open(tab, f"?zoom={word}&tool=knife&hide={word}&contours=lots&pass=purity:{word}&pass={word}")
    assert on_maps(tab.page, "return [maps[0].view.whole, maps[0].state.tool, maps[0].state.hidden.size]") == [
        True,
        "lasso",
        0,
    ]
    assert on_maps(tab.page, "return maps[0].state.data.lit") is None


def test_on_a_phone_one_finger_scrolls_the_page_and_two_enlarge_the_map(chromium, address: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = context.new_page()
        page.goto(f"{address}/Embedding_Map")
        wait_for_maps(page, "maps.length === 1", timeout=60_000)
        page.wait_for_timeout(1500)
        sizes = page.locator(".scatter .bar button:visible").evaluate_all(
            "(all) => all.map((each) => each.getBoundingClientRect()).map(({ width, height, right }) => "
            "[width, height, right])"
        )
        assert len(sizes) > 10
        assert all(width >= 24 and height >= 24 and right <= 390 for width, height, right in sizes)
        devices = context.new_cdp_session(page)

        def touch(*moves: list[tuple[float, float]]) -> None:
            for i, fingers in enumerate(moves):
                points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(fingers)]
                devices.send(
                    "Input.dispatchTouchEvent", {"type": "touchMove" if i else "touchStart", "touchPoints": points}
                )
                page.wait_for_timeout(30)
            devices.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            page.wait_for_timeout(400)

        on_maps(page, "maps[0].plot.scrollIntoView({ block: 'center' })")
        scrolled = "document.querySelector('[data-testid=stMain]').scrollTop"
        top, view = page.evaluate(scrolled), on_maps(page, "return maps[0].view")
        touch(*[[(195, 450 - 12 * step)] for step in range(10)])
        assert page.evaluate(scrolled) > top
        assert on_maps(page, "return maps[0].view") == view
        on_maps(page, "maps[0].plot.scrollIntoView({ block: 'center' })")
        touch(*[[(195 - 20 - 8 * step, 400), (195 + 20 + 8 * step, 400)] for step in range(10)])
        assert on_maps(page, "return maps[0].view.scale") > 1.5 * view["scale"]
    finally:
        context.close()
