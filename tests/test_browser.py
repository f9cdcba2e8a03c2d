"""The app in a real browser: links, clicks, lasso, upload, and what it must never do."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from lib import workspace
from lib.settings import Settings
from tests import browsing
from tests.browsing import Watched, on_maps, point_on_map, serving, wait_for_maps

pytestmark = browsing.MARKS
DEEP_LINKS = {
    "": "Petalscope",
    "Training_Regimes": "Training regimes",
    "Embedding_Map": "Embedding map",
    "Retrieval": "Retrieval",
    "Milvus_Collection": "Milvus collection",
}


@pytest.mark.parametrize(("path", "title"), DEEP_LINKS.items())
def test_cold_deep_links_open(tab: Watched, path: str, title: str) -> None:
    tab.open(path)
    assert tab.page.locator("h1").first.inner_text() == title
    assert tab.page.locator('[data-testid="stException"]').count() == 0
    assert tab.page.locator('[data-testid="stAlertContentError"]').count() == 0


def test_a_clicked_photo_is_the_query_everywhere(tab: Watched) -> None:
    tab.open("")
    photo = tab.page.locator('[aria-label="Photos"] button').nth(5)
    chosen = photo.get_attribute("data-id")
    photo.click()
    tab.page.wait_for_url(f"**q={quote(chosen, safe='')}**")
    tab.settle()
    tab.page.get_by_test_id("stSidebar").get_by_text("Retrieval", exact=True).click()
    tab.page.wait_for_url("**/Retrieval**")
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == chosen
    # On to the first answer: it becomes the query in its turn.
    answer = tab.page.locator('[aria-label="Answers by Cosine similarity"] button').first
    following = answer.get_attribute("data-id")
    assert following != chosen
    answer.click()
    tab.page.wait_for_url(f"**q={quote(following, safe='')}**")
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == following


def test_photos_are_reached_by_keyboard(tab: Watched) -> None:
    tab.open("")
    photo = tab.page.locator('[aria-label="Photos"] button').nth(2)
    chosen = photo.get_attribute("data-id")
    photo.focus()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(f"**q={quote(chosen, safe='')}**")


def test_a_link_restores_the_view(tab: Watched, prepared: Settings) -> None:
    query = workspace.open_workspace(prepared).catalog().ids[4]
    tab.open(f"Retrieval?q={quote(query, safe='')}&view=Side+by+side&space=pixels&a=ncc&b=mse&k=4")
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == query
    assert tab.page.locator('[aria-label="Answers by Normalised cross-correlation"] button').count() == 4
    assert tab.page.locator('[aria-label="Answers by Mean squared error"] button').count() == 4
    assert "Raw pixels" in tab.text()


def _drag_around_everything(tab: Watched, place: int = 0) -> None:
    wait_for_maps(tab.page, f"maps.length > {place}")
    area = tab.page.locator(".scatter canvas.over").nth(place)
    area.scroll_into_view_if_needed()
    tab.page.wait_for_timeout(500)
    box = area.bounding_box()
    corners = [(0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995), (0.005, 0.05)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    tab.page.mouse.move(*points[0])
    tab.page.mouse.down()
    for point in points[1:]:
        tab.page.mouse.move(*point, steps=12)
    tab.page.mouse.up()


def test_lasso_shows_photos_and_counts(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    tab.open("Embedding_Map")
    _drag_around_everything(tab)
    tab.page.get_by_text(f"{len(photos.frame)} photos in the selection").wait_for(timeout=20_000)
    tab.settle()
    shown = tab.page.locator('[aria-label="Photos in the selection"] button').count()
    assert shown == min(48, len(photos.frame))
    label, total = next(iter(photos.classes.items()))
    assert f"{label} · {total} of {total}" in tab.text()


def test_a_hidden_class_is_not_selected_and_shift_adds(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    (first, many), (second, _) = list(photos.classes.items())[:2]
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    entry = tab.page.locator(".scatter .legend button")
    entry.filter(has_text=second).dblclick()  # shows it alone
    wait_for_maps(tab.page, "maps[0].state.hidden.size === 4")
    _drag_around_everything(tab)
    tab.page.get_by_text(f"{photos.classes[second]} photos in the selection").wait_for(timeout=20_000)
    assert entry.filter(has_text=first).get_attribute("aria-pressed") == "false"
    entry.filter(has_text=first).click()
    entry.filter(has_text=second).click()
    tab.page.keyboard.down("Shift")
    _drag_around_everything(tab)
    tab.page.keyboard.up("Shift")
    tab.page.get_by_text(f"{many + photos.classes[second]} photos in the selection").wait_for(timeout=20_000)


def test_a_click_on_a_point_shows_its_photo_and_true_neighbours(tab: Watched, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    ids, xy = opened.catalog().ids, opened.map("resnet18").xy
    # A point that has its place to itself.
    far = np.linalg.norm(xy[:, None] - xy[None], axis=2) + np.diag(np.full(len(xy), np.inf))
    row = int(far.min(axis=1).argmax())
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    x, y = point_on_map(tab.page, row)
    tab.page.mouse.move(x, y)
    tip = tab.page.locator(".scatter .tip")
    tip.locator("img").wait_for(timeout=20_000)
    assert ids[row] in tip.inner_text()
    tab.page.mouse.click(x, y)
    tab.page.locator('[aria-label="True neighbours"]').wait_for(timeout=20_000)
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == ids[row]
    near = [
        button.get_attribute("data-id") for button in tab.page.locator('[aria-label="True neighbours"] button').all()
    ]
    assert len(near) == 10
    # The lines lead where the photos lie.
    lines = on_maps(tab.page, "return maps[0].state.data.lines")
    assert lines["at"] == pytest.approx(xy[row].tolist())
    assert np.asarray(lines["near"]) == pytest.approx(xy[[ids.index(each) for each in near]])


def test_a_lasso_in_one_map_lights_the_other_and_the_link_restores_both(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    tab.open("Embedding_Map?beside=pixels&colour=purity")
    _drag_around_everything(tab, 1)
    tab.page.get_by_text(f"{len(photos.frame)} photos in the selection").wait_for(timeout=20_000)
    tab.settle()
    assert _lit(tab) == [len(photos.frame)] * 2
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(link)
    tab.page.get_by_text(f"{len(photos.frame)} photos in the selection").wait_for(timeout=20_000)
    wait_for_maps(tab.page, "maps.length === 2")
    assert _lit(tab) == [len(photos.frame)] * 2


def _lit(tab: Watched) -> list[int]:
    """How many points are selected, map by map."""
    count = (
        "map => [...map.state.data.lit || []].reduce((sum, byte) => sum + byte.toString(2).split('1').length - 1, 0)"
    )
    return list(on_maps(tab.page, f"return maps.map({count})"))


def test_what_is_no_picture_is_not_placed_and_the_map_stays(tab: Watched) -> None:
    tab.open("Embedding_Map")
    tab.page.get_by_role("button", name="Place").click()
    words = {"name": "words.png", "mimeType": "image/png", "buffer": b"these are words"}
    tab.page.set_input_files('input[type="file"]', files=[words])
    alert = tab.page.locator('[data-testid="stAlertContentError"]')
    alert.wait_for(timeout=20_000)
    assert "is not a JPEG, PNG, WebP, BMP or GIF picture" in alert.inner_text()
    assert tab.page.locator(".scatter canvas.over").count() == 1


def test_few_photos_in_view_are_drawn_as_photos_each_on_its_point(tab: Watched, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    ids, xy = opened.catalog().ids, opened.map("resnet18").xy
    tab.open("Embedding_Map")
    photos = tab.page.locator(".scatter .photos img")
    photos.nth(len(ids) - 1).wait_for(timeout=20_000)
    tab.page.wait_for_timeout(300)
    found = on_maps(
        tab.page,
        """const [map] = maps, box = map.plot.getBoundingClientRect(), { view, size } = map;
           return [...map.plot.querySelectorAll('.photos img')].map(image => {
               const at = image.getBoundingClientRect();
               const left = at.left + at.width / 2 - box.left - map.plot.clientLeft;
               const top = at.top + at.height / 2 - box.top - map.plot.clientTop;
               return [image.alt.split(', ')[1], ...map.place(left, top)];
           });""",
    )
    places = {image_id: (x, y) for image_id, x, y in found}
    for row, image_id in enumerate(ids):
        assert places[image_id] == pytest.approx(tuple(xy[row].tolist()), abs=0.05)


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
    tab.page.get_by_text("Training, validation or test.").wait_for(timeout=20_000)
    wait_for_maps(tab.page, "maps[0].state.data.title.endsWith('Split')")
    assert on_maps(tab.page, "return maps[0].view") == before


def _png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def _upload(tab: Watched, name: str, content: bytes) -> None:
    tab.open("Retrieval?space=pixels")
    tab.page.get_by_text("Upload", exact=True).click()
    tab.settle()
    tab.page.set_input_files('input[type="file"]', files=[{"name": name, "mimeType": "image/png", "buffer": content}])
    tab.page.wait_for_timeout(800)
    tab.settle()


def test_an_uploaded_photo_is_searched_with(tab: Watched) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    _upload(tab, "mine.png", _png(noise))
    tab.page.locator('[aria-label="Answers by L1 distance"] button').first.wait_for(timeout=30_000)
    assert tab.page.locator('img[alt="your photo"]').count() == 1
    assert tab.page.locator('[aria-label="Answers by L1 distance"] button').count() == 10


def test_a_photo_from_outside_is_placed_on_both_maps(tab: Watched, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    inside = opened.catalog().ids[7]
    tab.open("Embedding_Map?space=pixels&map=pca,15,0.1,euclidean&beside=pca")
    tab.page.get_by_role("button", name="Place").click()
    tab.page.set_input_files('input[type="file"]', files=[str(opened.catalog().path(inside))])
    wait_for_maps(
        tab.page, "maps.filter(map => map.state.data.lines?.name === 'your photo').length === 2", timeout=60_000
    )
    tab.settle()
    # A copy of a photo that is there lies on it.
    xy = opened.map("pixels", "pca").xy[7]
    first, second = on_maps(tab.page, "return maps.map(map => map.state.data.lines.at)")
    assert first == pytest.approx(xy.tolist(), abs=1e-3)
    assert second == pytest.approx(first, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.png", b"", "is empty"),
        ("words.png", b"these are words, not a picture", "is not a JPEG, PNG, WebP, BMP or GIF picture"),
        ("cut.png", _png(np.zeros((40, 40, 3), np.uint8))[:60], "is damaged"),
    ],
)
def test_a_bad_upload_is_one_clear_line(tab: Watched, name: str, content: bytes, sentence: str) -> None:
    _upload(tab, name, content)
    alert = tab.page.locator('[data-testid="stAlertContentError"]')
    alert.wait_for(timeout=20_000)
    assert sentence in alert.inner_text()
    assert tab.page.locator('[data-testid="stException"]').count() == 0


def test_milvus_page_searches_and_filters(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    query = photos.ids[0]
    tab.open(f"Milvus_Collection?q={quote(query, safe='')}")
    tab.page.get_by_role("tab", name="Search").click()
    tab.page.locator('[aria-label="Rows like this one"] button').first.wait_for(timeout=30_000)
    ids = [
        button.get_attribute("data-id") for button in tab.page.locator('[aria-label="Rows like this one"] button').all()
    ]
    assert query not in ids and len(ids) == 12


def test_prepare_from_the_page_on_hostile_names(chromium, tmp_path: Path) -> None:
    """An empty start: the button prepares, progress shows, and names with HTML in them stay text."""
    data = tmp_path / "my flowers"
    rng = np.random.default_rng(1)
    for label in ("<img src=x onerror=alert(1)>", "rose **bold** $x$"):
        (data / label).mkdir(parents=True)
        for place in range(12):
            Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(data / label / f"<b>{place}.png")
    with serving(data, tmp_path / "art") as address:
        tab = Watched(chromium, address)
        tab.open("")
        tab.page.get_by_role("button", name="Prepare the photos").click()
        tab.page.get_by_text("Photos", exact=True).first.wait_for(timeout=180_000)
        tab.page.locator('[aria-label="Photos"] button').first.wait_for(timeout=60_000)
        for path in DEEP_LINKS:
            tab.open(path)
            assert tab.page.locator('[data-testid="stException"]').count() == 0
            assert tab.page.locator('img[src="x"]').count() == 0
        tab.open("Embedding_Map")
        # As text, in the legend of classes: the wait, since the page may still be drawing.
        tab.page.get_by_text("<img src=x onerror=alert(1)>").first.wait_for(timeout=30_000)
        tab.context.close()
        assert not tab.complaints
