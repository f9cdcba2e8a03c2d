"""The map page in a real browser, on synthetic and on real photos: lasso, click, two maps, link, upload."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lib.data import formats
from lib.prepare import pipeline, workspace
from lib.settings import Settings
from lib.view.embedding_map import findings, query_neighbours, selected_photos, uploaded_photo
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched, on_maps, point_on_map, resting_box, serving, wait_for_maps

pytestmark = browser_driver.MARKS
# Real photos shown in these tests: enough for a map, few enough for two cores.
PHOTOS = 400


@pytest.fixture(scope="module", params=["drawn", "photos"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the app. A copy, since tests here also open the Lite store of the shared workspace."""
    folder = tmp_path_factory.mktemp("map") / "artifacts"
    if request.param == "drawn":
        prepared: Settings = request.getfixturevalue("prepared")
        shutil.copytree(prepared.artifacts, folder)
        return Settings(data=prepared.data, artifacts=folder, weights="bundled", offline=True)
    photos: Path = request.getfixturevalue("photos")
    settings = Settings(data=photos, artifacts=folder, weights="bundled", offline=True)
    pipeline.prepare(settings, limit=PHOTOS)
    return settings


@pytest.fixture(scope="module")
def address(shown: Settings) -> Iterator[str]:
    assert shown.data is not None
    with serving(shown.data, shown.artifacts) as url:
        yield url


def _drag_around_everything(tab: Watched, place: int = 0) -> None:
    wait_for_maps(tab.page, f"maps.length > {place}")
    area = tab.page.locator(".scatter canvas.over").nth(place)
    area.scroll_into_view_if_needed()
    box = browser_driver.resting_box(area)
    corners = [(0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995), (0.005, 0.05)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    tab.page.mouse.move(*points[0])
    tab.page.mouse.down()
    for point in points[1:]:
        tab.page.mouse.move(*point, steps=12)
    tab.page.mouse.up()


def test_lasso_shows_photos_and_counts(tab: Watched, shown: Settings) -> None:
    photos = workspace.open_workspace(shown).catalog()
    tab.open("Embedding_Map")
    _drag_around_everything(tab)
    tab.page.get_by_text(selected_photos.heading(len(photos.frame))).wait_for(timeout=20_000)
    tab.settle()
    shown = tab.page.locator('[aria-label="Photos in the selection"] button').count()
    assert shown == min(selected_photos.PAGE, len(photos.frame))
    label, total = next(iter(photos.classes.items()))
    assert f"{label} · {total} of {total}" in tab.text()


def test_a_hidden_class_is_not_selected_and_shift_adds(tab: Watched, shown: Settings) -> None:
    photos = workspace.open_workspace(shown).catalog()
    (first, many), (second, _) = list(photos.classes.items())[:2]
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    entry = tab.page.locator(".scatter .legend button")
    entry.filter(has_text=second).dblclick()  # shows it alone
    wait_for_maps(tab.page, "maps[0].state.hidden.size === 4")
    _drag_around_everything(tab)
    tab.page.get_by_text(selected_photos.heading(photos.classes[second])).wait_for(timeout=20_000)
    assert entry.filter(has_text=first).get_attribute("aria-pressed") == "false"
    entry.filter(has_text=first).click()
    entry.filter(has_text=second).click()
    tab.page.keyboard.down("Shift")
    _drag_around_everything(tab)
    tab.page.keyboard.up("Shift")
    tab.page.get_by_text(selected_photos.heading(many + photos.classes[second])).wait_for(timeout=20_000)


def test_a_click_on_a_point_shows_its_photo_and_true_neighbours(tab: Watched, shown: Settings) -> None:
    opened = workspace.open_workspace(shown)
    ids, xy = opened.catalog().ids, opened.map("resnet18").xy
    # A point that has its place to itself.
    far = np.linalg.norm(xy[:, None] - xy[None], axis=2) + np.diag(np.full(len(xy), np.inf))
    row = int(far.min(axis=1).argmax())
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    tip = tab.page.locator(".scatter .tip")
    for _ in range(40):  # the page may still find its place
        x, y = point_on_map(tab.page, row)
        tab.page.mouse.move(x, y)
        tab.page.wait_for_timeout(250)
        if tip.is_visible():
            break
    tip.locator("img").wait_for(timeout=20_000)
    assert ids[row] in tip.inner_text()
    tab.page.mouse.click(x, y)
    tab.page.locator(f'[aria-label="{query_neighbours.TRUE_NEIGHBOURS}"]').wait_for(timeout=20_000)
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == ids[row]
    near = [
        button.get_attribute("data-id")
        for button in tab.page.locator(f'[aria-label="{query_neighbours.TRUE_NEIGHBOURS}"] button').all()
    ]
    assert len(near) == 10
    # The lines lead where the photos lie.
    lines = on_maps(tab.page, "return maps[0].state.data.lines")
    assert lines["start"] == pytest.approx(xy[row].tolist())
    assert np.asarray(lines["ends"]) == pytest.approx(xy[[ids.index(each) for each in near]])


def test_a_photo_whose_request_was_missed_is_requested_again(tab: Watched, shown: Settings) -> None:
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    tab.page.wait_for_timeout(1_000)
    tab.settle()
    tab.page.evaluate("""() => { const dispatch = window.dispatchEvent.bind(window);
        window.missed = 0;
        window.dispatchEvent = (event) =>
            event.type === 'petalscope-hover' && window.missed++ === 0 ? true : dispatch(event); }""")
    tab.page.mouse.move(*point_on_map(tab.page, 0))
    tab.page.wait_for_function("() => window.missed === 1")
    tab.page.locator(".scatter .tip").wait_for(timeout=20_000)
    assert tab.page.locator(".scatter .tip img").count() == 0
    # The message that the server sends whenever the page is drawn.
    key = on_maps(tab.page, "return maps[0].state.data.key")
    message = "(chart) => window.dispatchEvent(new CustomEvent('petalscope-photo', { detail: { chart, row: -1 } }))"
    tab.page.evaluate(message, key)
    tab.page.locator(".scatter .tip img").wait_for(timeout=20_000)


def test_a_lasso_in_one_map_lights_the_other_and_the_link_restores_both(tab: Watched, shown: Settings) -> None:
    photos = workspace.open_workspace(shown).catalog()
    tab.open("Embedding_Map?beside=pixels&colour=purity")
    _drag_around_everything(tab, 1)
    tab.page.get_by_text(selected_photos.heading(len(photos.frame))).wait_for(timeout=20_000)
    tab.settle()
    assert _lit(tab) == [len(photos.frame)] * 2
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(link)
    tab.page.get_by_text(selected_photos.heading(len(photos.frame))).wait_for(timeout=20_000)
    wait_for_maps(tab.page, "maps.length === 2")
    assert _lit(tab) == [len(photos.frame)] * 2


def _lit(tab: Watched) -> list[int]:
    """How many points are selected, map by map."""
    count = (
        "map => [...map.state.data.lit || []].reduce((sum, byte) => sum + byte.toString(2).split('1').length - 1, 0)"
    )
    return list(on_maps(tab.page, f"return maps.map({count})"))


def test_a_file_that_is_no_image_is_refused_and_the_map_stays(tab: Watched) -> None:
    tab.open("Embedding_Map")
    tab.page.get_by_role("button", name=uploaded_photo.ADD).click()
    words = {"name": "words.png", "mimeType": "image/png", "buffer": b"these are words"}
    tab.page.set_input_files('input[type="file"]', files=[words])
    alert = tab.page.locator('[data-testid="stAlertContentError"]')
    alert.wait_for(timeout=20_000)
    assert f"is not a {formats.READ}" in alert.inner_text()
    assert tab.page.locator(".scatter canvas.over").count() == 1


def test_few_photos_in_view_are_drawn_as_photos_each_on_its_point(tab: Watched, shown: Settings) -> None:
    opened = workspace.open_workspace(shown)
    ids, xy = opened.catalog().ids, opened.map("resnet18").xy
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    tab.page.mouse.move(*point_on_map(tab.page, 0))
    photos = tab.page.locator(".scatter .photos img")
    for _ in range(20):
        tab.page.wait_for_timeout(700)
        tab.settle()
        if photos.count():
            break
        tab.page.mouse.wheel(0, -300)
    left, top, right, bottom, images = on_maps(
        tab.page,
        """const [map] = maps, box = map.plot.getBoundingClientRect();
           const corners = [...map.place(0, 0), ...map.place(map.plot.clientWidth, map.plot.clientHeight)];
           return [...corners, [...map.plot.querySelectorAll('.photos img')].map(image => {
               const at = image.getBoundingClientRect();
               const left = at.left + at.width / 2 - box.left - map.plot.clientLeft;
               const top = at.top + at.height / 2 - box.top - map.plot.clientTop;
               return [image.alt.split(', ')[1], ...map.place(left, top)];
           })];""",
    )
    places = {image_id: (x, y) for image_id, x, y in images}
    inside = (xy[:, 0] >= left) & (xy[:, 0] <= right) & (xy[:, 1] >= bottom) & (xy[:, 1] <= top)
    assert set(places) == {ids[row] for row in np.nonzero(inside)[0]}
    assert 0 < len(places) <= 100
    for image_id, place in places.items():
        assert place == pytest.approx(tuple(xy[ids.index(image_id)].tolist()), abs=0.05)


def test_another_colour_keeps_the_zoom(tab: Watched) -> None:
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    box = tab.page.locator(".scatter canvas.over").first.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    whole = on_maps(tab.page, "return maps[0].view.scale")
    tab.page.mouse.wheel(0, -400)
    wait_for_maps(tab.page, f"maps[0].view.scale > {1.2 * whole}")
    tab.settle()
    before = on_maps(tab.page, "return maps[0].view")
    tab.page.get_by_role("combobox", name="Colour").click()
    tab.page.get_by_role("option", name="Split").click()
    wait_for_maps(tab.page, "maps[0].state.data.title.endsWith('Split')")
    assert on_maps(tab.page, "return maps[0].view") == before


def test_a_photo_from_outside_is_placed_on_both_maps(tab: Watched, shown: Settings) -> None:
    opened = workspace.open_workspace(shown)
    inside = opened.catalog().ids[7]
    tab.open("Embedding_Map?space=pixels&map=pca,15,0.1,euclidean&beside=pca")
    tab.page.get_by_role("button", name=uploaded_photo.ADD).click()
    tab.page.set_input_files('input[type="file"]', files=[str(opened.catalog().path(inside))])
    wait_for_maps(
        tab.page,
        f"maps.filter(map => map.state.data.lines?.start_name === {uploaded_photo.NAME!r}).length === 2",
        timeout=60_000,
    )
    tab.settle()
    # A copy of a photo that is there lies on it.
    xy = opened.map("pixels", "pca").xy[7]
    first, second = on_maps(tab.page, "return maps.map(map => map.state.data.lines.start)")
    assert first == pytest.approx(xy.tolist(), abs=1e-3)
    assert second == pytest.approx(first, abs=1e-3)


# --- the workspace ---------------------------------------------------------------------------------------------------

# The window's share that the canvases show, and the lowest edge of one, in px.
CANVAS = """const boxes = maps.map((map) => map.plot.getBoundingClientRect());
    const visible = boxes.map((box) => box.width * (Math.min(box.bottom, innerHeight) - Math.max(box.top, 0)));
    return [visible.reduce((sum, area) => sum + area, 0) / (innerWidth * innerHeight),
        Math.min(...boxes.map((box) => box.top)), Math.max(...boxes.map((box) => box.bottom))];"""
SCROLLED = "() => document.querySelector('[data-testid=\"stMain\"]').scrollTop"


def _is_in_view(tab: Watched, place) -> bool:
    box, window = place.bounding_box(), tab.page.viewport_size
    return box["y"] >= 0 and box["y"] + box["height"] <= window["height"] and box["x"] + box["width"] <= window["width"]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1920, 1080)])
def test_the_canvas_takes_most_of_the_window(tab: Watched, width: int, height: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": height})
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1 && maps[0].size.width > 900")
    share, _, bottom = on_maps(tab.page, CANVAS)
    assert share >= 0.55
    assert bottom <= height
    assert tab.page.evaluate("() => document.querySelector('[data-testid=\"stMain\"]').scrollHeight") <= height
    panel = tab.page.locator(".st-key-panel").bounding_box()
    assert panel["y"] + panel["height"] <= height


def test_a_lasso_shows_its_photos_beside_the_map_without_scrolling(tab: Watched, shown: Settings) -> None:
    photos = workspace.open_workspace(shown).catalog()
    tab.open("Embedding_Map?section=findings")
    _drag_around_everything(tab)
    first = tab.page.locator('[aria-label="Photos in the selection"] button').first
    first.wait_for(timeout=20_000)
    tab.settle()
    assert "section=selection" in tab.page.url
    assert _is_in_view(tab, first)
    assert _is_in_view(tab, tab.page.get_by_text(selected_photos.heading(len(photos.frame))))
    assert tab.page.evaluate(SCROLLED) == 0


def test_a_finding_on_the_map_moves_neither_page_nor_panel(tab: Watched) -> None:
    tab.open("Embedding_Map?section=findings")
    wait_for_maps(tab.page, "maps.length === 1")
    button = tab.page.get_by_role("button", name=findings.SHOW).last
    button.scroll_into_view_if_needed()
    resting_box(button)  # photos of the findings above may still arrive
    button.scroll_into_view_if_needed()
    before = resting_box(button)
    assert tab.page.evaluate("() => document.querySelector('.st-key-panel').scrollTop") > 0
    button.click()
    wait_for_maps(tab.page, "maps[0].state.data.lit?.length > 0")
    tab.settle()
    assert resting_box(button) == before
    assert tab.page.evaluate(SCROLLED) == 0
    assert "section=findings" in tab.page.url


def test_full_screen_keeps_the_panel_beside_the_map(tab: Watched) -> None:
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    tab.page.get_by_role("button", name="Full screen").click()
    tab.page.wait_for_function("() => document.fullscreenElement !== null")
    tab.settle()
    share, _, _ = on_maps(tab.page, CANVAS)
    assert share >= 0.55
    assert _is_in_view(tab, tab.page.locator(".st-key-panel"))
    tab.page.keyboard.press("Escape")


def test_in_a_narrow_window_the_map_comes_early_and_the_controls_fold(tab: Watched) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    _, top, bottom = on_maps(tab.page, CANVAS)
    assert top < 500
    colour = tab.page.get_by_role("combobox", name="Colour")
    colour.wait_for(state="hidden", timeout=20_000)
    tab.page.get_by_text("Controls", exact=True).click()
    colour.wait_for(timeout=10_000)
    # The panel comes below the map, and no part of the page is wider than the window.
    assert tab.page.locator(".st-key-panel").bounding_box()["y"] >= bottom
    assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_beside_a_window_of_800_px_the_panel_goes_below(tab: Watched) -> None:
    tab.page.set_viewport_size({"width": 800, "height": 900})
    tab.open("Embedding_Map?beside=pixels")
    wait_for_maps(tab.page, "maps.length === 2")
    _, _, bottom = on_maps(tab.page, CANVAS)
    assert tab.page.locator(".st-key-panel").bounding_box()["y"] >= bottom
