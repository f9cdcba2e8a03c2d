"""The map against named peers, in the same run: `python -m benchmarks.map [--json] [--rounds 7] [--crowd]`.

- UMAP over exact neighbours, as Petalscope makes it, against umap-learn as it comes: processor time in fresh processes,
  and how many neighbours each map keeps. The two take turns, and the medians are compared.
- What the map sends to the browser against the same with each photo's thumbnail in it: bytes.
- In a browser, on the app as users run it: lasso to photos, click to neighbours, another colour. These are milliseconds
  on this machine, with no peer; they need chromium. With `--crowd` the same on 50,000 made-up vectors, and only that.

The vectors are those of the prepared photos (PETALSCOPE_DATA and the like choose them, `prepare` makes them).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import crowd
from benchmarks.timing import ONE_THREAD, ROUNDS, Row, children_seconds, most, tell
from lib import settings as settings_module
from lib.embed.fidelity import fidelity
from lib.export import point_columns
from lib.prepare import workspace
from lib.settings import PROJECT
from tests.helpers import browser_driver

OURS = """
import sys, numpy as np
from lib.embed import projection
values = np.load(sys.argv[1])
np.save(sys.argv[2], projection.project(values, projection.MapParameters()).xy)
"""
PEER = """
import sys, numpy as np, umap, warnings
warnings.simplefilter("ignore")
values = np.load(sys.argv[1])
np.save(sys.argv[2], umap.UMAP(metric="cosine", random_state=0).fit_transform(values))
"""


# The most that a gesture may take, ms, on the user's photos and on the crowd.
GESTURES = {"lasso → thumbnails": 400.0, "click → neighbours": 400.0, "another colour": 300.0}
CROWD, CROWD_MS = 50_000, 1_200.0
# How much fewer neighbours our map may keep than umap-learn's, and which share of the bytes it may send.
WORSE, SHARE = 0.01, 0.02
SHARED = (
    "importing UMAP and compiling its layout, which the peer pays too, are two thirds of ours; the map's measure, "
    "which the peer does not make, is in ours"
)


def umap(values: np.ndarray, folder: Path, rounds: int) -> Row:
    """Medians of processor seconds in fresh processes, and what each map keeps."""
    np.save(folder / "values.npy", values)
    seconds: dict[str, list[float]] = {"petalscope": [], "umap-learn": []}
    kept, one_thread = {}, os.environ | ONE_THREAD
    for _ in range(rounds):
        for name, code in (("petalscope", OURS), ("umap-learn", PEER)):
            before = children_seconds()
            files = [str(folder / "values.npy"), str(folder / f"{name}.npy")]
            subprocess.run([sys.executable, "-c", code, *files], cwd=PROJECT, env=one_thread, check=True)
            seconds[name].append(children_seconds() - before)
    for name in seconds:
        kept[name] = fidelity(values, np.load(folder / f"{name}.npy"), "cosine").preservation or 0.0
    ours, peer = (1000 * statistics.median(each) for each in seconds.values())
    close = kept["petalscope"] >= kept["umap-learn"] - WORSE
    told = f"neighbours kept {kept['petalscope']:.1%} against {kept['umap-learn']:.1%} (at most a hundredth fewer)"
    return Row(
        f"UMAP, {len(values):,}×{values.shape[1]}, fresh process, against umap-learn's defaults",
        ours,
        peer,
        "ms, processor",
        # A map that keeps fewer neighbours is no faster way to the same.
        peer / ours if close else 0.0,
        2.4,
        limit="UMAP's own layout, without finding neighbours",
        note=told,
        why=SHARED if close else "it keeps too few neighbours",
    )


def payload(opened: workspace.Workspace) -> Row:
    """Bytes of what the map sends to the browser, and of the same with the photos' thumbnails in it."""
    import base64

    from lib.data import thumbnails
    from lib.measure.traits import traits
    from lib.view import theme
    from lib.view.components import scatter

    catalog = opened.catalog()
    label = traits(catalog, "resnet18", opened.neighbourhoods("resnet18"))["label"]
    places = point_columns.place_columns(catalog.frame, opened.map("resnet18").xy)
    sent = {**places, **scatter.colour_columns(label, theme.class_colours(catalog.classes), places["drawn"])}
    del sent["drawn"]
    plain = len(json.dumps(sent))
    pictures = [base64.b64encode(thumbnails.encode(catalog.open(row), 96)).decode() for row in places["drawn"]]
    heavy = plain + len(json.dumps([f"data:image/jpeg;base64,{each}" for each in pictures]))
    ratio, goal = heavy / plain, 1 / SHARE
    path = f"what a map of {len(catalog.frame):,} photos sends, against the same with thumbnails in it"
    return Row(path, plain / 1e3, heavy / 1e3, "kB", ratio, goal)


def gestures(rounds: int, photos: int, environment: dict[str, str] | None = None) -> list[Row]:
    """A row for each gesture."""
    found, rows = browser(rounds, environment), []
    for name, allowed in GESTURES.items():
        taken = found[name]
        bound = allowed if environment is None else CROWD_MS
        note = f"{min(taken):.0f} to {max(taken):.0f} ms"
        path = f"map, {name}, {photos:,} photos, in a browser"
        rows.append(most(path, statistics.median(taken), bound, "ms, wall", note=note))
    return rows


def browser(rounds: int, environment: dict[str, str] | None = None) -> dict[str, list[float]]:
    """Milliseconds from the end of each gesture to what it asks for, on the app as users run it."""
    import urllib.request

    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", str(port)]
    app = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health").read()
                break
            except OSError:
                time.sleep(0.5)
        with sync_playwright() as playwright:
            options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            page = playwright.chromium.launch(executable_path=browser_driver.CHROMIUM, args=options).new_page(
                viewport={"width": 1440, "height": 900}
            )
            page.goto(f"http://127.0.0.1:{port}/Embedding_Map")
            steps = dict(zip(GESTURES, (_lasso, _click, _colour), strict=True))
            found: dict[str, list[float]] = {name: [] for name in steps}
            for turn in range(rounds + 1):
                measured = {name: step(page, turn) for name, step in steps.items()}
                if turn:  # the first one of each fills caches
                    for name, value in measured.items():
                        found[name].append(1000 * value)
        return found
    finally:
        app.terminate()
        app.wait()


def _settle(page: Any) -> None:
    page.wait_for_timeout(400)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(600)


def _lasso(page: Any, turn: int) -> float:
    """A lasso around a part of the map, until the heading counts another number of photos and a photo is there."""
    _settle(page)
    box = page.locator(".scatter canvas.over").first.bounding_box()
    edge = 0.4 + 0.05 * turn
    corners = [(0.1, 0.1), (edge, 0.1), (edge, 0.9), (0.1, 0.9), (0.1, 0.13)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    heading = page.locator("h3", has_text="photos in the selection")
    before = heading.inner_text() if heading.count() else ""
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()
    start = time.perf_counter()
    page.wait_for_function(
        """before => {
            const heading = [...document.querySelectorAll('h3')].find(h => h.innerText.includes('in the selection'));
            return heading && heading.innerText !== before;
        }""",
        arg=before,
        polling="raf",
    )
    page.locator('[aria-label="Photos in the selection"] button img').first.wait_for()
    return time.perf_counter() - start


def _click(page: Any, turn: int) -> float:
    """A click on a point, until its photo is the query and its neighbours are there."""
    _settle(page)
    x, y = browser_driver.point_on_map(page, 7 * turn + 3)
    page.mouse.move(x, y)
    page.wait_for_timeout(600)
    query = page.locator('[aria-label="Query"] button')
    before = query.first.get_attribute("data-id") if query.count() else None
    page.mouse.click(x, y)
    start = time.perf_counter()
    # Where points lie on top of each other another one than the expected may be hit.
    page.locator(f'[aria-label="Query"] button:not([data-id="{before}"])').first.wait_for(timeout=10_000)
    page.locator('[aria-label="True neighbours"] button img').first.wait_for()
    return time.perf_counter() - start


def _colour(page: Any, turn: int) -> float:
    """Another colour, until the chart has it."""
    _settle(page)
    name = ("Hubness", "Class", "Purity")[turn % 3]
    page.get_by_role("combobox", name="Colour").click()
    page.keyboard.type(name)  # of a long list only the part around the chosen one is there
    page.get_by_role("option", name=name, exact=True).click()
    start = time.perf_counter()
    browser_driver.wait_for_maps(page, f"maps[0].state.data.title.endsWith('by {name}')")
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--crowd", action="store_true", help="gestures on 50,000 made-up vectors, and nothing else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.crowd:
            crowd.make(Path(folder), CROWD)
            chosen = {"PETALSCOPE_DATA": f"{folder}/crowd", "PETALSCOPE_ARTIFACTS": f"{folder}/artifacts"}
            tell(gestures(options.rounds, CROWD, chosen | {"PETALSCOPE_OFFLINE": "1"}))
            return
        opened = workspace.open_workspace(settings_module.from_environment())
        values = np.asarray(opened.vectors("resnet18").values)
        rows = [umap(values, Path(folder), options.rounds), payload(opened)]
        tell([*rows, *gestures(options.rounds, len(values))])


if __name__ == "__main__":
    main()
