"""Files in a real browser: an exported map opened from the disk without a network, and pictures with provenance."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from lib.export import map_document
from lib.prepare import pipeline, workspace
from lib.settings import Settings
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched, wait_for_maps

pytestmark = browser_driver.MARKS
HOSTILE = "<img src=x onerror=alert(1)>"
MAP = "document.querySelector('.scatter').chart"


@pytest.fixture(scope="module")
def exported(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of pixels of photos in folders with hostile names, as a file."""
    folder = tmp_path_factory.mktemp("exported")
    for place, name in enumerate((HOSTILE, "</script><script>alert(2)<", "rose")):
        target = folder / "photos" / name.replace("/", "\N{DIVISION SLASH}")
        target.mkdir(parents=True)
        for number in range(4):
            source = sorted(pictures.glob("*/*.png"))[place * 4 + number]
            (target / f"{number} {HOSTILE}.png").write_bytes(source.read_bytes())
    settings = Settings(folder / "photos", folder / "artifacts", offline=True)
    pipeline.prepare(settings, names=["pixels"])
    map_document.export(workspace.open_workspace(settings), "pixels", folder / "map.html")
    return folder / "map.html"


@pytest.fixture
def opened(chromium, exported: Path) -> Iterator[Watched]:
    """The file in a tab without a network; afterwards nothing has gone wrong, and nothing was requested."""
    tab = Watched(chromium, exported.as_uri())
    tab.context.set_offline(True)
    tab.page.goto(exported.as_uri())
    tab.page.wait_for_function(f"Boolean({MAP}?.state.data)")
    yield tab
    complaints = [each for each in tab.complaints if "GL Driver Message" not in each]
    tab.context.close()
    assert not complaints


def test_an_exported_map_opens_offline_and_selects(opened: Watched, exported: Path) -> None:
    page = opened.page
    assert page.locator(".legend .entry").count() == 3
    assert page.locator(".legend .entry").filter(has_text=HOSTILE).count() == 1
    box = page.locator(".plot").bounding_box()
    corners = [(2, 2), (box["width"] - 2, 2), (box["width"] - 2, box["height"] - 2), (2, box["height"] - 2)]
    x, y = (box["x"] + corners[0][0], box["y"] + corners[0][1])
    page.mouse.move(x, y)
    page.mouse.down()
    for left, top in (*corners[1:], (4, 4)):
        page.mouse.move(box["x"] + left, box["y"] + top, steps=4)
    page.mouse.up()
    page.locator(".selection h2", has_text="12 photos selected").wait_for()
    assert page.locator(".counts li").count() == 3 and page.locator(".grid img").count() == 12
    assert page.locator(".grid img").first.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 20
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    lines = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 14 and "Data" in json.loads(lines[0].removeprefix("# "))
    page.get_by_role("button", name="Clear").click()
    page.locator(".selection", has_text="Draw a lasso").wait_for()


def test_an_exported_map_searches_and_shows_a_photo(opened: Watched) -> None:
    page = opened.page
    page.get_by_label("Search by class or file name").fill("ROSE")
    page.locator(".selection h2", has_text="4 photos selected").wait_for()
    assert page.locator(".counts li").all_inner_texts() == ["rose\n4 of 4"]
    place = page.evaluate(f"""() => {{
        const {{ data }} = {MAP}.state;
        const i = data.ids.findIndex((id) => id.startsWith("rose"));
        const box = {MAP}.over.getBoundingClientRect();
        const [left, top] = {MAP}.screen(data.xy[2 * i], data.xy[2 * i + 1]);
        return [box.left + left, box.top + top];
    }}""")
    page.mouse.move(*place)
    page.locator(".tip img").wait_for()
    page.mouse.click(*place)
    page.locator(".chosen .id", has_text=HOSTILE).wait_for()
    assert page.locator(".chosen img").count() == 1
    page.get_by_text("About these numbers").click()
    page.locator(".origin pre", has_text="fingerprint").wait_for()


def _saved(tab: Watched, button) -> tuple[str, bytes]:
    with tab.page.expect_download() as saved:
        button.click()
    return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()


def test_the_map_and_its_file_are_saved_from_the_page(tab: Watched, prepared: Settings) -> None:
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    fingerprint = workspace.open_workspace(prepared).state["dataset"]["fingerprint"][:8]
    _, picture = _saved(tab, tab.page.get_by_role("button", name="Save as PNG"))
    image = Image.open(io.BytesIO(picture))
    image.load()
    assert fingerprint in image.text["Provenance"] and "UMAP" in image.text["Provenance"]
    tab.page.locator('[data-testid="stExpander"] summary', has_text="Export").click()
    name, file = _saved(tab, tab.page.get_by_role("button", name="This map as HTML"))
    assert name == "petalscope-map-resnet18.html" and file.startswith(b"<!doctype html>")


def test_a_figure_is_saved_as_png_and_svg_with_its_provenance(tab: Watched, prepared: Settings) -> None:
    tab.open("Training_Regimes")
    plot = tab.page.locator(".js-plotly-plot").first
    plot.hover()
    name, picture = _saved(tab, plot.locator('[data-title^="Download plot as a PNG"]'))
    image = Image.open(io.BytesIO(picture))
    image.load()
    assert name.endswith(".png") and "Petalscope: " in image.text["Provenance"]
    name, picture = _saved(tab, plot.locator(".petalscope-svg"))
    text = picture.decode()
    found = re.search(r"^<svg[^>]*><metadata>([^<]+)</metadata>", text)
    assert name.endswith(".svg") and found and "Petalscope: " in found[1] and text.endswith("</svg>")
    # The camera saves a PNG again.
    assert _saved(tab, plot.locator('[data-title^="Download plot as a PNG"]'))[0].endswith(".png")
