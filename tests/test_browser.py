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
from tests.browsing import Watched, serving

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
    area = tab.page.locator(".js-plotly-plot .nsewdrag").nth(place)
    area.wait_for()
    area.scroll_into_view_if_needed()
    tab.page.wait_for_timeout(800)
    box = area.bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.05)]
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


def test_a_click_on_a_point_shows_its_photo_and_true_neighbours(tab: Watched, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    tab.open("Embedding_Map")
    tab.page.locator(".js-plotly-plot .nsewdrag").first.wait_for()
    tab.page.wait_for_timeout(800)
    tab.page.locator(".js-plotly-plot .nsewdrag").first.scroll_into_view_if_needed()
    # Where Plotly itself draws the first point of the first class.
    x, y, expected = tab.page.evaluate(
        """() => {
            const plot = document.querySelector('.js-plotly-plot');
            const layout = plot._fullLayout, trace = plot._fullData[0];
            const box = plot.getBoundingClientRect();
            return [box.left + layout.xaxis._offset + layout.xaxis.d2p(trace.x[0]),
                    box.top + layout.yaxis._offset + layout.yaxis.d2p(trace.y[0]), trace.ids[0]];
        }"""
    )
    tab.page.mouse.move(x, y)
    tab.page.wait_for_timeout(300)
    tab.page.mouse.click(x, y)
    tab.page.locator('[aria-label="True neighbours"]').wait_for(timeout=20_000)
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == expected
    assert photos.row(expected) is not None
    assert tab.page.locator('[aria-label="True neighbours"] button').count() == 10


def test_a_lasso_in_one_map_lights_the_other_and_the_link_restores_both(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    tab.open("Embedding_Map?beside=pixels&colour=purity")
    tab.page.locator(".js-plotly-plot").nth(1).wait_for()
    _drag_around_everything(tab, 1)
    tab.page.get_by_text(f"{len(photos.frame)} photos in the selection").wait_for(timeout=20_000)
    tab.settle()
    assert _lit(tab) == [len(photos.frame)] * 2
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(link)
    tab.page.get_by_text(f"{len(photos.frame)} photos in the selection").wait_for(timeout=20_000)
    tab.settle()
    assert _lit(tab) == [len(photos.frame)] * 2


def _lit(tab: Watched) -> list[int]:
    """How many points are selected, map by map."""
    tab.page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 2")
    count = "plot => plot.data.reduce((sum, trace) => sum + (trace.selectedpoints || []).length, 0)"
    return list(tab.page.evaluate(f"[...document.querySelectorAll('.js-plotly-plot')].map({count})"))


def test_what_is_no_picture_is_not_placed_and_the_map_stays(tab: Watched) -> None:
    tab.open("Embedding_Map")
    tab.page.get_by_role("button", name="Place").click()
    words = {"name": "words.png", "mimeType": "image/png", "buffer": b"these are words"}
    tab.page.set_input_files('input[type="file"]', files=[words])
    alert = tab.page.locator('[data-testid="stAlertContentError"]')
    alert.wait_for(timeout=20_000)
    assert "is not a JPEG, PNG, WebP, BMP or GIF picture" in alert.inner_text()
    assert tab.page.locator(".js-plotly-plot").count() == 1


def test_few_photos_in_view_are_drawn_as_photos_each_on_its_point(tab: Watched, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    ids, xy = opened.catalog().ids, opened.map("resnet18").xy
    tab.open("Embedding_Map")
    tab.page.wait_for_function(f"document.querySelectorAll('.petalscope-photos img').length === {len(ids)}")
    found = tab.page.evaluate(
        """() => {
            const plot = document.querySelector('.js-plotly-plot'), layout = plot._fullLayout;
            const box = plot.getBoundingClientRect();
            return [...plot.querySelectorAll('.petalscope-photos img')].map(image => {
                const at = image.getBoundingClientRect();
                return [image.alt.split(', ')[1],
                        layout.xaxis.p2d(at.left + at.width / 2 - box.left - layout.xaxis._offset),
                        layout.yaxis.p2d(at.top + at.height / 2 - box.top - layout.yaxis._offset)];
            });
        }"""
    )
    places = {image_id: (x, y) for image_id, x, y in found}
    for row, image_id in enumerate(ids):
        assert places[image_id] == pytest.approx(tuple(xy[row].tolist()), abs=0.05)


def test_another_colour_keeps_the_zoom(tab: Watched) -> None:
    tab.open("Embedding_Map")
    tab.page.locator(".js-plotly-plot .nsewdrag").first.wait_for()
    tab.page.wait_for_timeout(800)
    zoom = "Plotly => document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range"
    box = tab.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.mouse.wheel(0, -400)
    tab.page.wait_for_timeout(1500)
    tab.settle()
    before = tab.page.evaluate(zoom)
    tab.page.get_by_role("combobox", name="Colour").click()
    tab.page.get_by_role("option", name="Split").click()
    tab.page.get_by_text("Training, validation or test.").wait_for(timeout=20_000)
    tab.settle()
    tab.page.wait_for_timeout(800)
    assert tab.page.evaluate(zoom) == pytest.approx(before, rel=1e-3)


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
    legend = "[...document.querySelectorAll('.js-plotly-plot')].map(p => p.data.filter(t => t.name === 'your photo'))"
    tab.page.wait_for_function(f"{legend}.filter(traces => traces.length).length === 2", timeout=60_000)
    tab.settle()
    # A copy of a photo that is there lies on it.
    xy = opened.map("pixels", "pca").xy[7]
    first, second = tab.page.evaluate(f"{legend}.map(traces => [traces[0].x[0], traces[0].y[0]])")
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
    tab.open(f"Milvus_Collection?part=search&q={quote(query, safe='')}")
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
