"""The map on 50,000 made-up vectors in a real browser: what is drawn, selected and shown is what it should be."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks import crowd
from lib.prepare import workspace
from lib.settings import Settings
from lib.view import selection
from lib.view.embedding_map import query_neighbours, selected_photos
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched, on_maps, point_on_map, serving, wait_for_maps

pytestmark = [*browser_driver.MARKS, pytest.mark.slow]
MANY = 50_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return crowd.make(tmp_path_factory.mktemp("many"), MANY)


@pytest.fixture(scope="module")
def address(many: Settings) -> Iterator[str]:
    assert many.data is not None
    with serving(many.data, many.artifacts) as url:
        yield url


def _number(image_id: str) -> int:
    return int(re.findall(r"(\d+)\.png", image_id)[0])


def _colours(tab: Watched, group: str) -> dict[str, list[int]]:
    """The colour in the middle of every photo of a grid, as the browser paints it, by id."""
    colours: dict[str, list[int]] = tab.page.locator(f'[aria-label="{group}"]').evaluate(
        """async (grid) => Object.fromEntries(await Promise.all([...grid.querySelectorAll("button")].map(async tile => {
            const image = tile.querySelector('img'), canvas = document.createElement('canvas');
            image.loading = 'eager';
            await image.decode();
            [canvas.width, canvas.height] = [1, 1];
            const brush = canvas.getContext('2d');
            brush.drawImage(image, image.naturalWidth / 2, image.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
            return [tile.dataset.id, [...brush.getImageData(0, 0, 1, 1).data.slice(0, 3)]];
        })))"""
    )
    return colours


def _assert_own_colours(shown: dict[str, list[int]]) -> None:
    for image_id, seen in shown.items():
        # JPEG at quality 75 changes a plain colour by a few steps.
        assert np.abs(np.array(seen) - crowd.colour_of(_number(image_id))).max() <= 12, image_id


def test_a_filter_shows_the_pictures_of_its_ids(tab: Watched) -> None:
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, f"maps.length === 1 && maps[0].state.data.codes.length === {MANY}")
    tab.page.get_by_role("button", name="Select", exact=True).first.click()
    tab.page.get_by_label("File name contains").fill("2000")
    tab.page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    expected = {f"{number:06}" for number in range(MANY) if "2000" in f"{number:06}"}
    tab.page.get_by_text(selected_photos.heading(len(expected))).wait_for(timeout=20_000)
    tab.settle()
    shown = _colours(tab, "Photos in the selection")
    assert {f"{_number(image_id):06}" for image_id in shown} == expected
    _assert_own_colours(shown)
    rows, lit = on_maps(tab.page, "const { rows, lit } = maps[0].state.data; return [[...rows], [...lit]]")
    chosen = np.array(rows)[np.unpackbits(np.array(lit, np.uint8))[:MANY] == 1]
    assert {f"{row:06}" for row in chosen} == expected  # ids are sorted by their numbers


def test_a_lasso_lights_both_maps_under_another_colour_and_the_link_restores_it(tab: Watched, many: Settings) -> None:
    opened = workspace.open_workspace(many)
    photos, xy = opened.catalog(), opened.map("resnet18").xy
    tab.open("Embedding_Map?beside=pca")
    wait_for_maps(tab.page, "maps.length === 2")
    tab.settle()
    box = tab.page.locator(".scatter canvas.over").first.bounding_box()
    corners = [(0.1, 0.1), (0.5, 0.1), (0.5, 0.9), (0.1, 0.9)]
    tab.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    tab.page.mouse.down()
    for x, y in corners[1:]:
        tab.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
    tab.page.mouse.up()
    heading = tab.page.locator("h3", has_text="photos in the selection")
    heading.wait_for(timeout=30_000)
    low, high = (
        on_maps(tab.page, "return maps[0].place(args[0], args[1])", x * box["width"], y * box["height"])
        for x, y in ((0.1, 0.9), (0.5, 0.1))
    )
    many_inside = int(((xy >= low) & (xy <= high)).all(axis=1).sum())
    count = int(heading.inner_text().split()[0].replace(",", ""))
    assert count == pytest.approx(many_inside, rel=0.01)  # the hand's corners fall on whole pixels
    tab.page.get_by_role("combobox", name="Colour").click()
    tab.page.get_by_role("option", name="Hubness", exact=True).click()
    wait_for_maps(tab.page, "maps.every(map => map.state.data.title.endsWith('Hubness'))")
    tab.settle()
    link = tab.page.url
    assert f"sel={photos.contents[:6]}" in link
    tab.page.goto("about:blank")
    tab.page.goto(link)
    wait_for_maps(tab.page, "maps.length === 2 && maps.every(map => map.state.data.lit)", timeout=60_000)
    for packed in on_maps(tab.page, "return maps.map(map => [...map.state.data.lit])"):
        assert sum(byte.bit_count() for byte in packed) == count
    assert tab.page.locator("h3", has_text=selected_photos.heading(count)).count() == 1


def test_a_click_finds_the_true_neighbours(tab: Watched, many: Settings) -> None:
    opened = workspace.open_workspace(many)
    ids, xy = opened.catalog().ids, opened.map("resnet18").xy
    row = int(np.linalg.norm(xy - xy.mean(axis=0), axis=1).argmax())  # the outermost has its place to itself
    tab.open("Embedding_Map")
    wait_for_maps(tab.page, "maps.length === 1")
    tab.page.mouse.click(*point_on_map(tab.page, row))
    tab.page.locator(f'[aria-label="{query_neighbours.TRUE_NEIGHBOURS}"]').wait_for(timeout=30_000)
    tab.settle()
    assert tab.page.locator('[aria-label="Query"] button').get_attribute("data-id") == ids[row]
    vectors = opened.vectors("resnet18").values.astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[row]), kind="stable")
    shown = _colours(tab, query_neighbours.TRUE_NEIGHBOURS)
    assert list(shown) == [ids[each] for each in order if each != row][:10]
    _assert_own_colours(shown)


def test_half_of_fifty_thousand_survive_their_word() -> None:
    rows = np.random.default_rng(0).permutation(MANY)[: MANY // 2]
    assert selection.decode(selection.encode(rows.tolist(), MANY, "c0ffee"), MANY, "c0ffee") == sorted(rows.tolist())
