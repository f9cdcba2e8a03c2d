"""The Milvus page in a real browser: other stores, named failures, links that restore a view, rows and figures."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from pyarrow import parquet

from lib.prepare import workspace
from lib.settings import PROJECT, Settings
from lib.store import index_parameters
from lib.store.connection import open_store
from lib.view import selection
from lib.view.milvus import (
    changes,
    connect,
    filter_builder,
    load_prompt,
    map,
    row_export,
    row_photos,
    rows,
    schema,
    stats,
)
from lib.view.milvus import search as search_page
from tests.helpers import browser_driver, foreign_collection, recorded_servers
from tests.helpers.browser_driver import Watched, on_maps, point_on_map, wait_for_maps

pytestmark = browser_driver.MARKS
WRONG = "root:wr0ng-p4ss"
# These must appear nowhere: the wrong password, the password in a typed address, the right token.
SECRETS = ("wr0ng-p4ss", "typ3d-wr0ng", "r3corded-t0ken")
OWNER = """
import sys
from lib.store import index_parameters
from lib.store.connection import open_store
store = open_store(sys.argv[1], role="somebody")
print(1, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A store with the collection `shop` of `foreign`, and the keys of its rows."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    with open_store(str(path)) as store:
        return path, foreign_collection.make_shop(store, "shop")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pages may open: a foreign store, a locked one, a plain file, a Lite 2.x file."""
    folder = tmp_path_factory.mktemp("others")
    for name in ("x.db", "locked.db"):
        with open_store(str(folder / name)) as store:
            foreign_collection.make(store, "foreign")
    (folder / "plain.db").write_text("words")
    (folder / "old.db").write_bytes(b"SQLite format 3\x00")
    return folder


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the app prints, beside the artifacts that it writes."""
    return tmp_path_factory.mktemp("served") / "log.txt"


@pytest.fixture(scope="module")
def address(prepared: Settings, others: Path, shop: tuple[Path, list[int]], log: Path) -> Iterator[str]:
    import shutil

    copy = log.parent / "artifacts"
    shutil.copytree(prepared.artifacts, copy)
    assert prepared.data is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PETALSCOPE_FOLDERS", os.pathsep.join((str(others), str(shop[0].parent))))
        with browser_driver.serving(prepared.data, copy, log) as url:
            yield url


def alert(tab: Watched) -> str:
    box = tab.page.locator('[data-testid="stAlertContentError"]').first
    box.wait_for(timeout=30_000)
    return box.inner_text()


def add_connection(tab: Watched, address: str, token: str = "", *, opened: bool = False) -> None:
    """Through the form, which stays open after a failure."""
    if not opened:
        tab.page.get_by_role("button", name=connect.CONNECT).first.click()
    tab.page.get_by_role("textbox", name="Address").fill(address)
    if token:
        tab.page.locator('input[type="password"]').fill(token)
    tab.page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    tab.settle()


def usable(tab: Watched) -> None:
    """After a failure the page shows no traceback and no destructive advice, and still opens Petalscope's store."""
    assert tab.page.locator('[data-testid="stException"]').count() == 0
    errors = " ".join(box.inner_text() for box in tab.page.locator('[data-testid="stAlertContentError"]').all()).lower()
    assert not re.search(r"traceback|\b(delete|remove|drop|reset|rm)\b", errors)
    assert tab.page.get_by_role("button", name=connect.CONNECT).first.is_enabled()


def test_failures_of_files_are_named_one_by_one(tab: Watched, others: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(others / "locked.db")],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "1\n"
        for name, sentence in (
            ("plain.db", "is a plain file"),
            ("old.db", "Milvus Lite 2.x"),
            ("none.db", "There is no Milvus Lite store"),
            ("/etc/x.db", "outside the folders"),
            ("locked.db", f"in use by somebody (process {owner.pid}"),
        ):
            tab.open(f"Milvus_Collection?store={quote(str(others / name))}")
            assert sentence in alert(tab), name
            usable(tab)
        tab.page.get_by_role("combobox", name="Connection").click()
        tab.page.get_by_role("option", name=connect.OWN_STORE).click()
        tab.page.get_by_text(stats.ROWS, exact=True).first.wait_for(timeout=30_000)
    finally:
        owner.communicate(timeout=60)


def test_failures_of_servers_are_named_one_by_one(
    tab: Watched, own_certificate: Path, log: Path, prepared: Settings
) -> None:
    with ExitStack() as stack:
        port, _ = stack.enter_context(recorded_servers.serving(token=recorded_servers.TOKEN))
        slow, _ = stack.enter_context(recorded_servers.serving(slow=["GetVersion"]))
        plain, _ = stack.enter_context(recorded_servers.serving())
        secure, _ = stack.enter_context(recorded_servers.serving(certificate=own_certificate))
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as dead:
            free = dead.getsockname()[1]
        tab.open("Milvus_Collection")
        first = True
        for address, sentence, remedy in (
            (f"http://127.0.0.1:{free}", f"nothing listens on port {free}", "start Milvus there"),
            (f"http://127.0.0.1:{mute}", "did not answer as Milvus in time", "check that it is Milvus' port"),
            (f"http://127.0.0.1:{slow}", "accepts connections but did not answer a call within 5 s", "try again"),
            (f"http://127.0.0.1:{port}", "refused the credentials", "or the token typed here"),
            (f"https://127.0.0.1:{plain}", "does not speak TLS on this port", "write http:// instead of https://"),
            (f"http://127.0.0.1:{secure}", "expects TLS on this port", "write https:// instead of http://"),
            (
                f"https://localhost:{secure}",
                "is not trusted: self-signed certificate",
                "the certificate of its authority",
            ),
            ("root:typ3d-wr0ng@host:19530", "outside the folders", "PETALSCOPE_FOLDERS"),
        ):
            add_connection(tab, address, WRONG, opened=not first)
            first = False
            tab.page.get_by_text(sentence).first.wait_for(timeout=30_000)
            assert remedy in alert(tab), address
            usable(tab)
            hidden(tab)
        # The page beneath is Petalscope's own store all the time; and with the right token the server opens.
        tab.page.get_by_text(stats.ROWS, exact=True).first.wait_for(timeout=20_000)
        add_connection(tab, f"http://127.0.0.1:{port}", recorded_servers.TOKEN, opened=True)
        tab.page.get_by_text(f"Milvus server {recorded_servers.VERSION}").wait_for(timeout=30_000)
        hidden(tab)
    # It dies while it is looked at.
    tab.page.get_by_role("button", name=connect.REFRESH).click()
    assert f"nothing listens on port {port}" in alert(tab)
    usable(tab)
    hidden(tab)
    printed = log.read_text("utf-8", errors="replace")
    assert "Traceback" not in printed
    written = b"".join(
        path.read_bytes() for path in log.parent.rglob("*") if path.is_file() and path.stat().st_size < 10**7
    )
    for secret in SECRETS:
        assert secret not in printed
        assert secret.encode() not in written


def hidden(tab: Watched) -> None:
    """No token is in the page, its storage or its address."""
    storage = tab.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    contents = tab.page.content() + tab.page.url + storage
    for secret in SECRETS:
        assert secret not in contents.replace(f'value="root:{secret}', "")


def test_a_foreign_store_is_connected_browsed_and_linked(tab: Watched, others: Path) -> None:
    tab.open("Milvus_Collection")
    add_connection(tab, str(others / "x.db"))
    tab.page.get_by_text(connect.OWN_STORE).wait_for(state="detached", timeout=30_000)
    assert quote(str(others / "x.db"), safe="") in tab.page.url
    tab.page.get_by_test_id("stButtonGroup").first.get_by_text("Rows & search", exact=True).click()
    tab.settle()
    if tab.page.get_by_role("button", name=load_prompt.LOAD).count():
        tab.page.get_by_role("button", name=load_prompt.LOAD).click()
        tab.settle()
    tab.page.get_by_text(f"25 {rows.IN_ORDER}").wait_for(timeout=30_000)
    tab.page.get_by_role("button", name=rows.NEXT).click()
    tab.page.get_by_text("page 2").wait_for(timeout=30_000)
    tab.open(tab.page.url.removeprefix(f"{tab.address}/") + "&filter=" + quote('title = "a"'))
    tab.page.get_by_text(filter_builder.UNREADABLE).wait_for(timeout=30_000)
    assert "      ^ unexpected character" in tab.page.locator("pre").first.inner_text()


def part(tab: Watched, section: str, words: str, title: str = "") -> None:
    """Go to a section of the page, and to its part `title`: the only one with `words` on it."""
    tab.page.get_by_test_id("stButtonGroup").first.get_by_text(section, exact=True).click()
    if title:
        tab.settle()
        tab.page.get_by_test_id("stButtonGroup").nth(1).get_by_text(title, exact=True).click()
    tab.page.get_by_text(words).first.wait_for(timeout=60_000)
    tab.settle()


def lines(tab: Watched, column: str) -> list[list[str]]:
    """The visible rows of the table with that column, its header first: a canvas, whose text is in a table for screen
    readers."""
    header = tab.page.locator("th", has_text=re.compile(f"^{re.escape(column)}$"))
    table = tab.page.locator('[data-testid="stDataFrame"] [role="grid"]').filter(has=header).first
    table.wait_for(state="attached", timeout=30_000)
    return [row.locator("th, td").all_text_contents() for row in table.locator("tr").all()]


def numbers(tab: Watched) -> dict[str, list[str]]:
    """By the title of a box, the figure in it and the words below."""
    boxes = [box.inner_text().split("\n") for box in tab.page.locator('[data-testid="stMetric"]').all()]
    return {words[0]: [each for each in words[1:] if each] for words in boxes}


def test_the_page_opens_with_figures_and_every_index_parameter(tab: Watched) -> None:
    """Without a click, on the first screen: what the collection holds, and each parameter with its source."""
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    tab.open("Milvus_Collection")
    table = tab.page.get_by_test_id("stTable").first
    table.wait_for(timeout=30_000)
    first = tab.page.get_by_test_id("stMetric").first.bounding_box()
    box = table.bounding_box()
    assert first is not None and first["y"] < 330
    assert box is not None and box["y"] + box["height"] <= 900
    rows = {
        cells[0]: cells[1:] for row in table.locator("tbody tr").all() if (cells := row.locator("td").all_inner_texts())
    }
    assert rows["M"][:2] == ["16", index_parameters.REPORTED]
    assert rows["efConstruction"][:2] == ["200", index_parameters.REPORTED]
    assert rows["ef"][1] == index_parameters.PER_SEARCH
    assert rows["nlist, nprobe"][:2] == ["none", index_parameters.ABSENT]
    assert all(each[-1] for each in cells)
    assert {stats.ROWS, stats.VECTORS, stats.MEMORY, stats.LOAD, stats.CONSISTENCY, "Engine"} <= set(numbers(tab))


def test_on_a_phone_the_connection_is_behind_a_button(tab: Watched) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open("Milvus_Collection")
    tab.page.get_by_test_id("stMetric").first.wait_for(timeout=30_000)
    tab.page.get_by_role("combobox", name="Collection").wait_for(timeout=20_000)
    tab.page.get_by_role("combobox", name="Connection").wait_for(state="hidden", timeout=20_000)
    tab.page.get_by_text("Connection", exact=True).first.click()
    tab.page.get_by_role("combobox", name="Connection").wait_for(timeout=20_000)
    tab.page.get_by_role("button", name=connect.REFRESH).wait_for(timeout=20_000)
    tab.page.set_viewport_size({"width": 1440, "height": 900})


def test_each_part_shows_a_foreign_collection_as_it_is(tab: Watched, shop: tuple[Path, list[int]]) -> None:
    """Keys and partitions by the engine, two dense and two sparse fields, JSON, arrays, nulls and defaults."""
    path, keys = shop
    columns = foreign_collection.shop_vectors()
    like = str(keys[5])
    tab.open(f"Milvus_Collection?store={quote(str(path))}&collection=shop&part=rows&like={like}")
    tab.page.get_by_role("button", name=load_prompt.LOAD).click()
    tab.page.get_by_text(f"25 {rows.IN_ORDER}").wait_for(timeout=30_000)
    tab.settle()
    first, second = lines(tab, "tenant")[1:3]
    assert [cell for cell in first if cell] == [str(keys[0]), "north", "3"]
    assert [cell for cell in second if cell] == [
        str(keys[1]), "south", f'{{"big": {2**60 + 1}}}', "[1, 2]", "0.25", "3"
    ]  # fmt: skip

    part(tab, "Overview", schema.MEMORY)
    tab.page.get_by_test_id("stMetric").filter(has_text="Rows").wait_for(timeout=30_000)
    shown = numbers(tab)
    assert (shown[stats.ROWS], shown["Load state"]) == (["240", "row_count 240"], ["Loaded", "searches need it loaded"])
    assert lines(tab, "Indexes")[1][-1].count("SPARSE_INVERTED_INDEX (IP)") == 2
    fields = {row[0]: row[1:] for row in lines(tab, "Type")[1:]}
    assert fields["pk"][:2] == ["INT64", "primary key, auto id"]
    assert fields["tenant"][:2] == ["VARCHAR", "partition key"]
    assert fields["terms"][0] == fields["tokens"][0] == "SPARSE_FLOAT_VECTOR"
    assert fields["sizes"][:2] == ["ARRAY<INT64>", "nullable"]
    assert fields["stock"][-1] == "3"
    assert f"{schema.MEMORY}: 17.5 kB" in tab.text()  # 240 × (4·16 + 8) + 4 × 4·16

    part(tab, "Rows & search", search_page.TIMED, "By similarity")
    differences = columns["image"] - columns["image"][5]
    order = np.argsort((differences**2).sum(axis=1), kind="stable")[1:4]
    assert [row[1] for row in lines(tab, "Rank")[1:4]] == [str(keys[place]) for place in order]
    assert "L2² (squared L2 distance" in tab.text()

    part(tab, "Index quality", "Neighbours (k)")
    tab.page.get_by_role("button", name="Measure").click()
    tab.page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
    tab.settle()
    assert [row[2] for row in lines(tab, "Median ms")[1:]][-1] == "1"  # all cells looked into

    part(tab, "Vectors", "rows by tenant")
    tab.page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
    shown = {name: values[-1] for name, values in numbers(tab).items()}
    assert (shown["Zero"], shown["Duplicates"], shown["Dead dims"], shown["NaN or inf"]) == ("1", "1", "0", "0")
    tab.page.get_by_text("rows by tenant").wait_for(timeout=30_000)

    part(tab, "Vectors", map.CLICK, "Map")
    wait_for_maps(tab.page, "maps.length === 1")
    assert sorted(on_maps(tab.page, "return maps[0].state.data.ids")) == sorted(str(key) for key in keys)

    part(tab, connect.CHANGES, changes.ALLOW, "Change")
    assert tab.page.get_by_text("client.load_collection('shop')").count() == 1
    assert tab.page.get_by_role("button", name="Load", exact=True).is_disabled()
    assert tab.page.locator('[data-testid="stAlertContentError"], [data-testid="stException"]').count() == 0


def pick(tab: Watched, label: str, option: str) -> None:
    """Choose from a list. It closes again where something else moves while it opens."""
    choice = tab.page.get_by_role("option", name=option, exact=True)
    for _ in range(10):
        if not choice.is_visible():
            tab.page.get_by_role("combobox", name=label).last.click()
            tab.page.wait_for_timeout(300)
        if choice.is_visible():
            break
    choice.click()
    tab.page.keyboard.press("Escape")  # a list for several choices stays open
    tab.settle()


def test_an_export_is_downloaded(tab: Watched, shop: tuple[Path, list[int]], tmp_path: Path) -> None:
    path, keys = shop
    chosen = quote('tenant == "east"')
    tab.open(f"Milvus_Collection?store={quote(str(path))}&collection=shop&part=rows&filter={chosen}")
    if tab.page.get_by_role("button", name=load_prompt.LOAD).count():
        tab.page.get_by_role("button", name=load_prompt.LOAD).click()
    tab.page.get_by_text(f"25 {rows.IN_ORDER}").wait_for(timeout=30_000)
    tab.settle()
    tab.page.get_by_text("Export", exact=True).click()
    tab.settle()
    for name, option in (("As", "Parquet"), ("With the vectors", "image"), ("With the vectors", "terms")):
        pick(tab, name, option)
    tab.page.get_by_role("button", name=row_export.EXPORT_MATCHES).click()
    download = tab.page.get_by_role("button", name=row_export.DOWNLOAD, exact=True)
    download.wait_for(timeout=60_000)
    tab.settle()  # the page is drawn once more when the job ends; a click before that would be lost
    with tab.page.expect_download(timeout=60_000) as coming:
        download.click()
    coming.value.save_as(tmp_path / "shop.parquet")
    table = parquet.read_table(tmp_path / "shop.parquet")
    expected = range(2, foreign_collection.SHOP_ROWS, 3)
    assert table["pk"].to_pylist() == [keys[row] for row in expected]
    assert np.array_equal(
        np.array(table["image"].to_pylist(), np.float32), foreign_collection.shop_vectors()["image"][2::3]
    )
    assert [json.loads(text) for text in table["terms"].to_pylist()] == [
        {str(row): 1.0, "5000": 0.5} for row in expected
    ]
    assert table["sizes"].to_pylist() == [json.dumps([row, row + 1]) if row % 5 else None for row in expected]


def test_the_selection_of_the_map_page_is_shown_as_rows(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    word = selection.encode(range(2, 7), len(photos.ids), photos.contents)
    tab.open(f"Milvus_Collection?part=rows&sel={word}")
    grid = tab.page.locator('[aria-label="Photos of these rows"] button')
    grid.first.wait_for(timeout=30_000)
    assert [tile.get_attribute("data-id") for tile in grid.all()] == list(photos.ids[2:7])
    grid.nth(1).click()
    tab.page.wait_for_url(f"**q={quote(photos.ids[3], safe='')}**")


def test_a_click_on_the_map_shows_the_row(tab: Watched, prepared: Settings) -> None:
    tab.open("Milvus_Collection?part=map")
    wait_for_maps(tab.page, "maps.length === 1")
    ids = on_maps(tab.page, "return maps[0].state.data.ids")
    assert sorted(ids) == workspace.open_workspace(prepared).catalog().ids
    tab.page.get_by_label("Lasso").wait_for(state="hidden", timeout=20_000)
    tab.page.mouse.click(*point_on_map(tab.page, 3))
    tab.page.get_by_role("button", name=row_photos.SEARCH).wait_for(timeout=20_000)
    photo = tab.page.locator('[aria-label="This row"] button')
    photo.first.wait_for(timeout=20_000)  # the component is drawn after the button beside it
    assert photo.count() == 1


@pytest.mark.parametrize("part", ["quality&quality=ivf", "health"])
def test_figures_are_drawn(tab: Watched, part: str) -> None:
    tab.open(f"Milvus_Collection?part={part}")
    tab.page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
    assert tab.page.locator('[data-testid="stAlertContentError"]').count() == 0
