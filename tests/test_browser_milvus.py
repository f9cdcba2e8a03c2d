"""The Milvus page in a real browser: other stores, failures by their names, links that restore, rows and drawings."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from lib import workspace
from lib.settings import PROJECT, Settings
from lib.store.connection import open_store
from lib.view import selection
from tests import browsing, foreign, recorded
from tests.browsing import Watched, on_maps, point_on_map, wait_for_maps

pytestmark = browsing.MARKS
WRONG = "root:wr0ng-p4ss"
# What must be nowhere to be seen: the wrong password, the one typed as a part of an address, the right one.
SECRETS = ("wr0ng-p4ss", "typ3d-wr0ng", "r3corded-t0ken")
OWNER = """
import sys
from lib.store.connection import open_store
store = open_store(sys.argv[1], role="somebody")
print(1, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def others(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pages may open: a foreign store, a locked one, a plain file, a Lite 2.x file."""
    folder = tmp_path_factory.mktemp("others")
    for name in ("x.db", "locked.db"):
        with open_store(str(folder / name)) as store:
            foreign.make(store, "foreign")
    (folder / "plain.db").write_text("words")
    (folder / "old.db").write_bytes(b"SQLite format 3\x00")
    return folder


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the app prints, beside the artifacts that it writes."""
    return tmp_path_factory.mktemp("served") / "log.txt"


@pytest.fixture(scope="module")
def address(prepared: Settings, others: Path, log: Path) -> Iterator[str]:
    import shutil

    copy = log.parent / "artifacts"
    shutil.copytree(prepared.artifacts, copy)
    assert prepared.data is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PETALSCOPE_FOLDERS", str(others))
        with browsing.serving(prepared.data, copy, log) as found:
            yield found


def alert(tab: Watched) -> str:
    box = tab.page.locator('[data-testid="stAlertContentError"]').first
    box.wait_for(timeout=30_000)
    return box.inner_text()


def connect(tab: Watched, address: str, token: str = "", *, opened: bool = False) -> None:
    """Through the form, which stays open after a failure."""
    if not opened:
        tab.page.get_by_role("button", name="Connect").first.click()
    tab.page.get_by_role("textbox", name="Address").fill(address)
    if token:
        tab.page.locator('input[type="password"]').fill(token)
    tab.page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    tab.settle()


def usable(tab: Watched) -> None:
    """After a failure the page has no traceback, gives no advice that destroys, and still opens Petalscope's store."""
    assert tab.page.locator('[data-testid="stException"]').count() == 0
    said = " ".join(box.inner_text() for box in tab.page.locator('[data-testid="stAlertContentError"]').all()).lower()
    assert not re.search(r"traceback|\b(delete|remove|drop|reset|rm)\b", said)
    assert tab.page.get_by_role("button", name="Connect").first.is_enabled()


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
        tab.page.locator('[data-testid="stSelectbox"] input').first.click()
        tab.page.get_by_role("option", name="Petalscope's own store").click()
        tab.page.get_by_text("count(*)", exact=True).first.wait_for(timeout=30_000)
    finally:
        owner.communicate(timeout=60)


def test_failures_of_servers_are_named_one_by_one(
    tab: Watched, own_certificate: Path, log: Path, prepared: Settings
) -> None:
    with ExitStack() as stack:
        port, _ = stack.enter_context(recorded.serving(token=recorded.TOKEN))
        slow, _ = stack.enter_context(recorded.serving(slow=["GetVersion"]))
        plain, _ = stack.enter_context(recorded.serving())
        secure, _ = stack.enter_context(recorded.serving(certificate=own_certificate))
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as dead:
            free = dead.getsockname()[1]
        tab.open("Milvus_Collection")
        first = True
        for address, sentence, remedy in (
            (f"http://127.0.0.1:{free}", f"nothing listens on port {free}", "start Milvus there"),
            (f"http://127.0.0.1:{mute}", "did not answer as Milvus in time", "check that it is Milvus' port"),
            (f"http://127.0.0.1:{slow}", "takes connections but did not answer a call within 5 s", "try again"),
            (f"http://127.0.0.1:{port}", "refused the credentials", "or the token typed here"),
            (f"https://127.0.0.1:{plain}", "does not speak TLS on this port", "write http:// instead of https://"),
            (f"http://127.0.0.1:{secure}", "expects TLS on this port", "write https:// instead of http://"),
            (f"https://localhost:{secure}", "is not trusted: self-signed certificate", "its authority's certificate"),
            ("root:typ3d-wr0ng@host:19530", "outside the folders", "PETALSCOPE_FOLDERS"),
        ):
            connect(tab, address, WRONG, opened=not first)
            first = False
            tab.page.get_by_text(sentence).first.wait_for(timeout=30_000)
            assert remedy in alert(tab), address
            usable(tab)
            hidden(tab)
        # The page beneath is Petalscope's own store all the time; and with the right token the server opens.
        assert tab.page.get_by_text("count(*)", exact=True).first.is_visible()
        connect(tab, f"http://127.0.0.1:{port}", recorded.TOKEN, opened=True)
        tab.page.get_by_text(f"Milvus server {recorded.VERSION}").wait_for(timeout=30_000)
        hidden(tab)
    # It dies while it is looked at.
    tab.page.get_by_role("button", name="Ask again").click()
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
    """No token is in what the page shows or holds, or in its address."""
    kept = tab.page.content() + tab.page.url + tab.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    for secret in SECRETS:
        assert secret not in kept.replace(f'value="root:{secret}', "")


def test_a_foreign_store_is_connected_browsed_and_linked(tab: Watched, others: Path) -> None:
    tab.open("Milvus_Collection")
    connect(tab, str(others / "x.db"))
    tab.page.get_by_text("Petalscope's own store").wait_for(state="detached", timeout=30_000)
    assert quote(str(others / "x.db"), safe="") in tab.page.url
    tab.page.get_by_test_id("stButtonGroup").get_by_text("Rows", exact=True).click()
    tab.settle()
    if tab.page.get_by_role("button", name="Load it").count():
        tab.page.get_by_role("button", name="Load it").click()
        tab.settle()
    tab.page.get_by_text("25 rows in the order of").wait_for(timeout=30_000)
    tab.page.get_by_role("button", name="Next page").click()
    tab.page.get_by_text("page 2").wait_for(timeout=30_000)
    tab.open(tab.page.url.removeprefix(f"{tab.address}/") + "&filter=" + quote('title = "a"'))
    tab.page.get_by_text("The engine cannot read this filter").wait_for(timeout=30_000)
    assert "      ^ unexpected character" in tab.page.locator("pre").first.inner_text()


def test_the_selection_of_the_map_page_is_shown_as_rows(tab: Watched, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    word = selection.encoded(range(2, 7), len(photos.ids), photos.contents)
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
    assert not tab.page.get_by_label("Lasso").is_visible()
    tab.page.mouse.click(*point_on_map(tab.page, 3))
    tab.page.get_by_role("button", name="Search with it").wait_for(timeout=20_000)
    assert tab.page.locator('[aria-label="This row"] button').count() == 1


@pytest.mark.parametrize("part", ["quality&quality=ivf", "health"])
def test_drawings_are_drawn(tab: Watched, part: str) -> None:
    tab.open(f"Milvus_Collection?part={part}")
    tab.page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
    assert tab.page.locator('[data-testid="stAlertContentError"]').count() == 0
