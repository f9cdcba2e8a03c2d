"""The retrieval page in a real browser: upload, paste, a part drawn, two sides, click-through, and links."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from lib.data import formats
from lib.prepare import workspace
from lib.retrieval import feedback, search
from lib.retrieval.feedback import Marks
from lib.retrieval.query import find_query, query_part, query_picture
from lib.settings import Settings
from lib.view.components import paste_field
from lib.view.retrieval import query_form
from lib.view.retrieval.result_rows import results_title
from tests.helpers import browser_driver, image_files
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS
FIRST = f'[aria-label="{results_title("L1 distance")}"]'


def _noise(seed: int) -> bytes:
    return image_files.encoded(
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    )


def _ids(tab: Watched, group: str) -> list[str]:
    return [button.get_attribute("data-id") for button in tab.page.locator(f"{group} button").all()]


def _expected(prepared: Settings, content: bytes, k: int) -> list[str]:
    opened = workspace.open_workspace(prepared)
    loaded = search.load_space(opened, "pixels")
    from lib.data import images

    query = query_picture(loaded.catalog, images.open_rgb(content), "mine")
    return [row["id"] for row in search.search(opened, loaded, query, metric_name="l1", k=k)["results"]]


def _open_menu(tab: Watched, label: str) -> None:
    tab.page.locator(".st-key-query_row").get_by_role("button", name=label).click()


def _upload(tab: Watched, name: str, content: bytes) -> None:
    _open_menu(tab, "Upload")
    tab.page.set_input_files('input[type="file"]', files=[{"name": name, "mimeType": "image/png", "buffer": content}])


def test_an_upload_is_asked_and_its_answers_lead_on(tab: Watched, prepared: Settings) -> None:
    tab.open("Retrieval?section=grids&space=pixels&from=upload&k=6")
    _upload(tab, "mine.png", _noise(1))
    tab.page.locator(f"{FIRST} button").nth(5).wait_for(timeout=30_000)
    tab.settle()
    assert _ids(tab, FIRST) == _expected(prepared, _noise(1), 6)
    chosen = _ids(tab, FIRST)[2]
    tab.page.locator(f"{FIRST} button").nth(2).click()
    tab.page.wait_for_url(f"**q={quote(chosen, safe='')}**")
    tab.page.locator('[aria-label="Query"] button').wait_for(timeout=20_000)
    tab.settle()
    assert _ids(tab, '[aria-label="Query"]') == [chosen]
    # The own picture is still at hand.
    _open_menu(tab, query_form.MORE)
    tab.page.get_by_role("radio", name="Upload").click()
    tab.page.locator('img[alt="your photo"]').wait_for(timeout=20_000)
    tab.settle()
    assert _ids(tab, FIRST) == _expected(prepared, _noise(1), 6)


def test_a_pasted_picture_is_asked(tab: Watched, prepared: Settings) -> None:
    tab.open("Retrieval?section=grids&space=pixels&from=upload&k=4")
    _open_menu(tab, "Upload")
    field = tab.page.get_by_role("textbox", name=paste_field.LABEL)
    paste = """(field, [text, kind]) => {
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        const clipboardData = new DataTransfer();
        if (kind) clipboardData.items.add(new File([bytes], "pasted", { type: kind }));
        else clipboardData.setData("text/plain", text);
        field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }"""
    field.evaluate(paste, ["d29yZHM=", ""])
    assert "holds no image" in field.inner_text()
    field.evaluate(paste, [base64.b64encode(_noise(2)).decode(), "image/png"])
    tab.page.locator(f"{FIRST} button").nth(3).wait_for(timeout=30_000)
    tab.settle()
    assert _ids(tab, FIRST) == _expected(prepared, _noise(2), 4)
    field.evaluate(paste, [base64.b64encode(b"no picture").decode(), "image/png"])
    alert = tab.page.locator('[data-testid="stAlertContentError"]')
    alert.wait_for(timeout=20_000)
    assert f"is not a {formats.READ}" in alert.inner_text()


def test_a_drawn_part_is_asked_and_its_link_restores_it(tab: Watched, prepared: Settings) -> None:
    tab.open("Retrieval?q=tulip%2F04.jpg&space=pixels&part=20,20,80,80")
    _open_menu(tab, query_form.MORE)
    frame = tab.page.locator(".crop")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ((0.1, 0.3), (0.6, 0.9))]
    tab.page.mouse.move(*at[0])
    tab.page.mouse.down()
    tab.page.mouse.move(*at[1], steps=6)
    tab.page.mouse.up()
    tab.page.wait_for_function("!location.search.includes('crop=20')", timeout=20_000)
    tab.settle()
    part = [int(number) for number in tab.page.evaluate("new URLSearchParams(location.search).get('crop')").split(",")]
    assert part == pytest.approx([10, 30, 60, 90], abs=2)
    found = _ids(tab, FIRST)
    opened = workspace.open_workspace(prepared)
    loaded = search.load_space(opened, "pixels")
    whole = find_query(loaded.catalog, "tulip/04.jpg")
    query = query_part(loaded.catalog, whole, (part[0], part[1], part[2], part[3]))
    results = search.search(opened, loaded, query, metric_name="l1", k=10)["results"]
    assert found == [row["id"] for row in results]
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.page.goto(link)
    tab.page.locator(f"{FIRST} button").nth(9).wait_for(timeout=30_000)
    tab.settle()
    assert _ids(tab, FIRST) == found


def test_two_sides_join_equal_photos_and_a_link_restores_them(tab: Watched, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    loaded = search.load_space(opened, "resnet18")
    query = find_query(loaded.catalog, "tulip/04.jpg")
    both = search.compare(opened, loaded, query, a="l1", b="ncc", k=7, other=search.load_space(opened, "pixels"))
    tab.open("Retrieval?q=tulip%2F04.jpg&view=Side+by+side&a=l1&b=ncc&bspace=pixels&k=7&show=all")
    left = f'[aria-label="{results_title("L1 distance")} in ResNet18 features"]'
    right = f'[aria-label="{results_title("Normalised cross-correlation")} in Raw pixels"]'
    tab.page.locator(f"{right} button").nth(6).wait_for(timeout=30_000)
    ids = {side: [row["id"] for row in both[side]["results"]] for side in "ab"}
    assert (_ids(tab, left), _ids(tab, right)) == (ids["a"], ids["b"])
    shared = set(ids["a"]) & set(ids["b"])
    assert tab.page.locator(".ladder path:not(.stub)").count() == len(shared)
    assert tab.page.locator(".ladder path.stub").count() == 2 * (7 - len(shared))
    notes = tab.page.locator(f"{left} .note").all_inner_texts()
    assert [note.split(" · ")[1] for note in notes] == [f"NCC pixels #{there}" for there in both["ranks"]["a"]]
    _open_menu(tab, query_form.MORE)
    tab.page.get_by_role("radio", name="Only A").click()
    tab.page.wait_for_url("**show=a**")
    tab.settle()
    assert _ids(tab, left) == [image_id for image_id in ids["a"] if image_id not in shared]
    tab.page.keyboard.press("Escape")
    # Take a pair apart, and open the link of all that.
    tab.page.locator(f"{left} .why").first.click()
    tab.page.wait_for_url("**pair=**")
    tab.settle()
    link, wanted = tab.page.url, _ids(tab, left)
    tab.page.goto("about:blank")
    tab.page.goto(link)
    tab.page.locator(f"{left} button").first.wait_for(timeout=30_000)
    tab.settle()
    assert _ids(tab, left) == wanted
    assert f"{wanted[0]} · L1 #" in tab.page.locator(".st-key-why_pair input").input_value()
    # A click makes the photo the query.
    tab.page.locator(f"{left} button").first.click()
    tab.page.wait_for_url(f"**q={quote(wanted[0], safe='')}**")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("huge.png", image_files.png(20_000, 10_000, image_files.zeros(1)), "far more than the limit of 64 megapixels"),
        ("large.png", bytes(53_000_000), "50.0MB or smaller"),
    ],
    ids=["200 megapixels", "53 MB"],
)
def test_a_hostile_upload_is_one_clear_line(
    tab: Watched, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    tab.open("Retrieval?section=grids&space=pixels&from=upload")
    (tmp_path / name).write_bytes(content)
    _open_menu(tab, "Upload")
    tab.page.set_input_files('input[type="file"]', files=[tmp_path / name])
    tab.page.get_by_text(sentence).first.wait_for(timeout=30_000)
    assert tab.page.locator('[data-testid="stException"]').count() == 0
    assert tab.page.locator(FIRST).count() == 0


@pytest.mark.parametrize(("width", "height", "most"), [(1440, 900, 330), (390, 844, 500)])
@pytest.mark.parametrize("section", ["l1-cosine", "grids"])
def test_the_first_result_is_seen_without_a_click(
    tab: Watched, width: int, height: int, most: int, section: str
) -> None:
    tab.page.set_viewport_size({"width": width, "height": height})
    tab.open(f"Retrieval?section={section}")
    first = tab.page.locator('[aria-label^="Results by"] button').first
    first.wait_for(timeout=30_000)
    tab.settle()
    assert first.bounding_box()["y"] < most
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_marks_move_the_query_by_mouse_and_keyboard_and_a_link_restores_them(tab: Watched, prepared: Settings) -> None:
    tab.open("Retrieval?section=grids&q=tulip/04.jpg&k=8")
    marks = tab.page.locator(f"{FIRST} .mark")
    marks.first.wait_for(timeout=30_000)
    before = _ids(tab, FIRST)
    tab.page.locator(f'{FIRST} .mark.yes[data-id="{before[2]}"]').click()
    tab.page.locator(".st-key-feedback").get_by_text("1 marked right, 0 wrong").wait_for(timeout=30_000)
    tab.page.locator(f'{FIRST} button[data-id="{before[1]}"]').focus()
    tab.page.keyboard.press("n")
    tab.page.locator(".st-key-feedback").get_by_text("1 marked right, 1 wrong").wait_for(timeout=30_000)
    tab.settle()
    assert tab.page.locator(f'{FIRST} .mark.no[data-id="{before[1]}"]').get_attribute("aria-pressed") == "true"
    loaded = search.load_space(workspace.open_workspace(prepared), "resnet18")
    query = find_query(loaded.catalog, "tulip/04.jpg")
    vectors = search.query_vectors(workspace.open_workspace(prepared), loaded, query)
    moved = feedback.moved_vectors(loaded, vectors, "l1", Marks((before[2],), (before[1],)))
    found = search.search(workspace.open_workspace(prepared), loaded, query, metric_name="l1", k=8, vectors=moved)[
        "results"
    ]
    expected = [row["id"] for row in found]
    assert _ids(tab, FIRST) == expected
    assert "sel=" in tab.page.url
    tab.page.reload()
    marks.first.wait_for(timeout=30_000)
    tab.settle()
    assert _ids(tab, FIRST) == expected
    tab.page.get_by_role("button", name="Clear the marks").click()
    tab.page.locator(".st-key-feedback").wait_for(state="detached", timeout=30_000)
    tab.settle()
    assert _ids(tab, FIRST) == before
