"""The app in a real browser: deep links, clicks, keyboard, uploads, and hostile folder names."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from lib.data import formats
from lib.prepare import workspace
from lib.settings import Settings
from lib.view.milvus.search import PHOTO_TITLE
from lib.view.retrieval.result_rows import results_title
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched, serving

pytestmark = browser_driver.MARKS
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
    tab.page.locator(".st-key-topbar").get_by_text("Retrieval", exact=True).click()
    tab.page.wait_for_url("**/Retrieval**")
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == chosen
    # On to the first answer: it becomes the query in its turn.
    answer = tab.page.locator(f'[aria-label="{results_title("Cosine similarity")}"] button').first
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
    assert tab.page.locator(f'[aria-label="{results_title("Normalised cross-correlation")}"] button').count() == 4
    assert tab.page.locator(f'[aria-label="{results_title("Mean squared error")}"] button').count() == 4
    assert tab.page.get_by_text("Raw pixels").count() > 0  # within the component, too


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
    tab.page.locator(f'[aria-label="{results_title("L1 distance")}"] button').first.wait_for(timeout=30_000)
    assert tab.page.locator('img[alt="your photo"]').count() == 1
    assert tab.page.locator(f'[aria-label="{results_title("L1 distance")}"] button').count() == 10


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.png", b"", "is empty"),
        ("words.png", b"these are words, not a picture", f"is not a {formats.READ}"),
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
    tiles = tab.page.locator(f'[aria-label="{PHOTO_TITLE}"] button')
    tiles.first.wait_for(timeout=30_000)
    ids = [tile.get_attribute("data-id") for tile in tiles.all()]
    assert query not in ids and len(ids) == 12


@pytest.mark.parametrize("base", ["", "/petals"])
def test_home_has_an_address_on_every_page(chromium, prepared: Settings, base: str) -> None:
    """Opened in a new tab it is Home, with the same choices."""
    assert prepared.data is not None
    with browser_driver.serving(prepared.data, prepared.artifacts, base=base) as address:
        tab = Watched(chromium, address)
        for path in ("Embedding_Map", "Retrieval?q=rose/00.jpg", "Milvus_Collection", ""):
            tab.open(path)
            home = tab.page.locator(".st-key-home_link a")
            tab.page.wait_for_function("() => document.querySelector('.st-key-home_link a').getAttribute('href')")
            target = home.evaluate("link => link.href")
            assert target.split("?")[0] == f"{address}/", path
        tab.open("Retrieval")
        home.click()
        tab.page.locator("h1", has_text="Petalscope").wait_for()
        tab.context.close()


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
        tab.page.get_by_role("heading", name="Photos", exact=True).wait_for(timeout=400_000)
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
