"""A new query on the retrieval page, in a browser: `python -m benchmarks.query [--json]`.

From the click on *Another* until the query photo is another one and the last of the five grids is drawn anew, on the
prepared photos, app and browser on this machine. Wall time, medians of seven after one that counts for nothing.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.timing import ROUNDS, Row, most, tell
from lib import settings as settings_module
from lib.prepare import workspace
from lib.view.retrieval import query_form
from tests.helpers import browser_driver

GOALS = {"resnet18": 500.0, "pixels": 1000.0}


def main() -> None:
    """Measure, and print."""
    from playwright.sync_api import sync_playwright

    opened = workspace.open_workspace(settings_module.from_environment())
    with (
        browser_driver.serving(opened.dataset.root, opened.settings.artifacts) as address,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(
            executable_path=browser_driver.CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = chromium.new_page(viewport={"width": 1440, "height": 1400})
        tell([_row(page, address, space, len(opened.catalog().frame)) for space in GOALS])


def _row(page: Any, address: str, space: str, photos: int) -> Row:
    page.goto(f"{address}/Retrieval?section=grids&space={space}")
    taken = []
    for turn in range(ROUNDS + 1):
        seconds = _another(page)
        if turn:
            taken.append(1000 * seconds)
    median, goal = statistics.median(taken), GOALS[space]
    return most(
        f"new query → five grids, {space}, {photos:,} photos, in a browser",
        median,
        goal,
        "ms, wall",
        note=f"{min(taken):.0f} to {max(taken):.0f} ms",
    )


def _another(page: Any) -> float:
    """Seconds from the click to the last grid's new answers."""
    button = page.get_by_role("button", name=query_form.RANDOM, exact=True)
    button.wait_for(timeout=60_000)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(1500)
    query, last = ('[aria-label="Query"] button', '[aria-label*="Normalised cross-correlation"] button')
    before = [
        photo.first.get_attribute("data-id") if photo.count() else ""
        for photo in (page.locator(query), page.locator(last))
    ]
    start = time.perf_counter()
    button.click()
    for selector, old in zip((query, last), before, strict=True):
        page.locator(f'{selector}:not([data-id="{old}"])').first.wait_for(timeout=60_000)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
