"""Opening the app and changing pages, in a browser: `python -m benchmarks.screens`.

The cold start is from the command `streamlit run` until the first page is complete in a fresh browser profile, beside
the same of an app that only says a word, in turns. A change of pages is from the click in the bar until the other
page is complete, on the prepared photos, each page having been seen once; what Training regimes keeps for below its
first screen follows. Findings are from the click on their section until their photos are drawn, the own photo from the
choice of its file until it is a point: both in a server that was just started and whose page has been open for twenty
seconds. Wall time, medians of seven (three for the own photo).
"""

from __future__ import annotations

import io
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.timing import ROUNDS, Row, most, tell
from lib import settings as settings_module
from lib.prepare import workspace
from lib.settings import PROJECT
from lib.view.embedding_map import uploaded_photo
from lib.view.embedding_map.findings import SHOW as SHOW_FINDING
from tests.helpers import browser_driver

EMPTY = 'import streamlit as st\n\nst.title("Empty")\n'
# Names in the bar, and the headings of their pages.
PAGES = {name: name for name in ("Training regimes", "Embedding map", "Retrieval", "Milvus collection")} | {
    "Home": "Petalscope"
}
MOST_OVER_MS, MOST_SWITCH_MS, MOST_FINDINGS_MS, MOST_OWN_MS = 2_000.0, 300.0, 500.0, 2_000.0
OPEN_MS, SERVERS = 20_000, 3  # how long a page is open before a photo is added, and how many fresh servers
COMPLETE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def main() -> None:
    """Measure, and print."""
    # Fails with the remedy where nothing is prepared; the app itself finds the photos in the same environment.
    opened = workspace.open_workspace(settings_module.from_environment())
    with browser() as chromium:
        tell(
            [
                cold_start(chromium),
                page_switch(chromium, opened),
                findings(chromium, opened),
                own_photo(chromium, opened),
            ]
        )


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, as the browser tests start it."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=browser_driver.CHROMIUM, args=options)


def _complete(page: Any) -> None:
    page.locator("h1").first.wait_for(timeout=120_000)
    page.wait_for_selector(COMPLETE, timeout=120_000)


@contextmanager
def _started(script: str) -> Iterator[str]:
    """`streamlit run` of a script; yields its address as soon as it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=PROJECT, stdout=quiet, stderr=quiet)
    try:
        for _ in range(6_000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def cold_start(chromium: Any) -> Row:
    """What Home costs over an empty page."""
    taken: dict[str, list[float]] = {"Home.py": [], "empty": []}
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        for turn in range(ROUNDS + 1):
            for name, seconds in taken.items():
                context = chromium.new_context(viewport={"width": 1440, "height": 900})
                page = context.new_page()
                start = time.perf_counter()
                with _started("Home.py" if name == "Home.py" else str(empty)) as address:
                    page.goto(address)
                    _complete(page)
                    if turn:
                        seconds.append(time.perf_counter() - start)
                    context.close()
    ours, peer = (statistics.median(seconds) for seconds in taken.values())
    return most(
        "cold start to the first page, over that of an empty Streamlit page, in a browser",
        1000 * (ours - peer),
        MOST_OVER_MS,
        "ms, wall",
        note=f"{ours:.2f} s against {peer:.2f} s",
    )


def page_switch(chromium: Any, opened: workspace.Workspace) -> Row:
    """The slowest of the five pages, by its median."""
    taken: dict[str, list[float]] = {title: [] for title in PAGES}
    with browser_driver.serving(opened.dataset.root, opened.settings.artifacts) as address:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        _complete(page)
        for turn in range(ROUNDS + 1):
            for title, each in taken.items():
                page.wait_for_timeout(500)
                seconds = _switch(page, title)
                if turn:
                    each.append(1000 * seconds)
    medians = {title: statistics.median(each) for title, each in taken.items()}
    slowest = max(medians, key=lambda title: medians[title])
    return most(
        "change to another page, the slowest of five, in a browser",
        medians[slowest],
        MOST_SWITCH_MS,
        "ms, wall",
        note=", ".join(f"{title} {each:.0f} ms" for title, each in medians.items()),
        why="the script of Training regimes takes some 70 ms of processor time; the rest is the browser's, which draws "
        "three Plotly charts and two tables there",
    )


def findings(chromium: Any, opened: workspace.Workspace) -> Row:
    """The map's findings, from another section of its panel."""
    taken: list[float] = []
    with browser_driver.serving(opened.dataset.root, opened.settings.artifacts) as address:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{address}/Embedding_Map")
        _complete(page)
        page.wait_for_timeout(OPEN_MS)  # until the network for own photos is loaded beside the page
        for turn in range(ROUNDS + 1):
            for title, waited in (("Findings", ".st-key-panel [aria-label] button[data-id] img"), ("Fidelity", "")):
                page.wait_for_timeout(1_000)
                start = time.perf_counter()
                page.get_by_role("radio", name=title).click()
                if waited:
                    page.locator(waited).first.wait_for(timeout=60_000)
                    page.get_by_role("button", name=SHOW_FINDING).first.wait_for(timeout=60_000)
                    taken += [1000 * (time.perf_counter() - start)] if turn else []
                page.wait_for_selector(COMPLETE, timeout=60_000)
    return most(
        f"map, its findings, {len(opened.catalog().ids):,} photos, in a browser",
        statistics.median(taken),
        MOST_FINDINGS_MS,
        "ms, wall",
        note=f"{min(taken):.0f} to {max(taken):.0f} ms",
    )


def own_photo(chromium: Any, opened: workspace.Workspace) -> Row:
    """A file that becomes a point of the map, the first one of a server."""
    taken = []
    buffer = io.BytesIO()
    # A part of a photo, since a copy would need no network.
    opened.catalog().open(7).crop((10, 10, 200, 180)).save(buffer, "PNG")
    photo = {"name": "mine.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    for _ in range(SERVERS):
        with browser_driver.serving(opened.dataset.root, opened.settings.artifacts) as address:
            page = chromium.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}/Embedding_Map")
            _complete(page)
            page.wait_for_timeout(OPEN_MS)
            page.get_by_role("button", name=uploaded_photo.ADD).click()
            page.locator('input[type="file"]').wait_for(state="attached")
            start = time.perf_counter()
            page.set_input_files('input[type="file"]', files=[photo])
            is_there = f"maps.some((map) => map.state.data.lines?.start_name === {uploaded_photo.NAME!r})"
            browser_driver.wait_for_maps(page, is_there, timeout=120_000)
            taken.append(1000 * (time.perf_counter() - start))
            page.close()
    return most(
        f"map, the first own photo of a server, {len(opened.catalog().ids):,} photos, in a browser",
        statistics.median(taken),
        MOST_OWN_MS,
        "ms, wall",
        note=f"{min(taken):.0f} to {max(taken):.0f} ms",
    )


def _switch(page: Any, title: str) -> float:
    """Seconds from the click on a page's name until it is complete."""
    link = page.locator(".st-key-topbar").get_by_role("link", name=title)
    link.wait_for(timeout=60_000)
    start = time.perf_counter()
    link.click()
    page.locator(f'h1:has-text("{PAGES[title]}")').first.wait_for(timeout=60_000)
    page.wait_for_selector(COMPLETE, timeout=60_000)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
