"""A real browser (Debian's chromium) on the app as users run it, for the browser tests."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from lib.settings import PROJECT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# The marks of every module that drives a browser.
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed: make install-tests"),
]
# Streamlit requests these beside every deep link, and does not need them.
NORMAL_404 = re.compile(r"/_stcore/(health|host-config)$")
# The state of the script, and a sum that changes when any part of the page moves or changes its size.
PLACES = """() => [
    document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState,
    [...document.querySelectorAll('[data-testid]')].map((each) => each.getBoundingClientRect())
        .reduce((sum, {x, y, width, height}, i) => sum + (i + 1) * Math.round(x + 2 * y + 3 * width + 5 * height), 0),
]"""


@contextmanager
def serving(
    data: Path,
    artifacts: Path,
    log: Path = Path(os.devnull),
    secrets: str = "",
    program: Sequence[str] = ("-m",),
    base: str = "",
) -> Iterator[str]:
    """The app on a free port, its output in `log`; yields its address. `secrets` go into a `secrets.toml`, with that
    address for ADDRESS. `program` are the arguments by which Python runs `streamlit`; `base` is the path below which
    it serves the app, such as `/petals`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PETALSCOPE_DATA": str(data),
        "PETALSCOPE_ARTIFACTS": str(artifacts),
        "PETALSCOPE_OFFLINE": "1",
    }
    address = f"http://127.0.0.1:{port}{base}"
    command = [sys.executable, *program, "streamlit", "run", "Home.py", "--server.port", str(port)]
    command += ["--server.baseUrlPath", base] if base else []
    if secrets:
        file = artifacts.parent / "secrets.toml"
        file.write_text(secrets.replace("ADDRESS", address), encoding="utf-8")
        command += ["--secrets.files", str(file)]
    with log.open("wb") as printed:
        server = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=printed, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise AssertionError("the app did not start")
        yield address
    finally:
        server.terminate()
        server.wait(20)


class Watched:
    """A tab and its `complaints`: script errors, failed requests, requests to other hosts."""

    def __init__(self, chromium, address: str) -> None:
        self.address = address
        self.context = chromium.new_context(viewport={"width": 1440, "height": 900})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        self.page.on("console", self._console)
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _console(self, message) -> None:
        # Chromium repeats every failed request here; which of them matter is decided in _response.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request) -> None:
        if not request.url.startswith((self.address, self.address.replace("http", "ws"), "data:", "blob:")):
            self.complaints.append(f"outside request: {request.url}")

    def _response(self, response) -> None:
        if response.status >= 400 and not NORMAL_404.search(response.url):
            self.complaints.append(f"{response.status} {response.url}")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}/{path}")
        # Before its first run a page already calls itself not running.
        self.page.locator("h1").first.wait_for(timeout=60_000)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and nothing has moved since: a page finds its rows after its script has ended.

        The looks lie far enough apart for a run to begin that an action has only just started.
        """
        from playwright.sync_api import Error

        before, same = None, 0
        for _ in range(600):
            self.page.wait_for_timeout(100)
            try:
                state, places = self.page.evaluate(PLACES)
            except Error:  # another document is being loaded
                state = places = None
            same = same + 1 if state == "notRunning" and places == before else 0
            if same == 4:
                return
            before = places
        raise AssertionError("the page did not come to rest")

    def text(self) -> str:
        return self.page.inner_text('[data-testid="stMain"]')

    def parameters(self) -> str:
        return self.page.url


# A script that returns the maps of a page, in the order in which they are drawn; `chart` is set by `scatter.js`.
MAPS = """() => {
    const all = (node) => [...node.querySelectorAll('*')].flatMap((each) => [
        ...(each.chart ? [each.chart] : []), ...(each.shadowRoot ? all(each.shadowRoot) : [])]);
    return all(document).filter((chart) => chart.state && chart.state.data);
}"""


def on_maps(page, script: str, *arguments: object):
    """Run the body of a function of `maps` and `args` in the page; returns its result."""
    return page.evaluate(f"(args) => {{ const maps = ({MAPS})(); {script} }}", list(arguments))


def wait_for_maps(page, condition: str, timeout: float = 20_000) -> None:
    """Wait until an expression of `maps` is true in the page."""
    script = f"() => {{ const maps = ({MAPS})(); return {condition}; }}"
    page.wait_for_function(script, timeout=timeout, polling="raf")


def resting_box(place) -> dict[str, float]:
    """The box of an element once it has not moved for half a second: a page that opens may still find its rows."""
    box = place.bounding_box()
    for _ in range(40):
        place.page.wait_for_timeout(500)
        before, box = box, place.bounding_box()
        if before == box:
            break
    assert box is not None
    return box


def point_on_map(page, row: int, place: int = 0) -> tuple[float, float]:
    """Where on the screen the point of a catalog row lies."""
    x, y = on_maps(
        page,
        """const [map, row] = [maps[args[1]], args[0]], data = map.state.data, i = [...data.rows].indexOf(row);
           map.plot.scrollIntoView({block: 'center'});
           const box = map.plot.getBoundingClientRect();
           const [left, top] = map.screen(data.xy[2 * i], data.xy[2 * i + 1]);
           return [box.left + map.plot.clientLeft + left, box.top + map.plot.clientTop + top];""",
        row,
        place,
    )
    return x, y
