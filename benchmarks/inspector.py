"""How fast the Milvus inspector is on a large collection: `python benchmarks/inspector.py [ROWS] [DIM] [COLLECTIONS]`.

Makes a Milvus Lite store with ROWS × DIM (100,000 × 512) and COLLECTIONS empty collections (300) in a temporary folder,
and times what the page asks: overview (all names, one page of summaries, one collection in full), the next page of rows
by key, deep in the collection, and beside it the same page by offset, which is what other tools do. Then the same in a
browser, from the click until the page has run to its end: the overview with nothing kept (*Ask again*; goal 1,000 ms),
and the next page of rows (goal 300 ms). Medians of five; for pages of twelve, with the slowest beside it.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.timing import timed
from lib import documents
from lib.store import collections, inspect, overview, rows
from lib.store.connection import open_store
from lib.store.write import Rows, write_collection

GOALS_MS = {"overview": 1000, "next page": 300}
# Clicks a button, and tells how many ms it took until the page had run to its end with these words on it.
CLICK = """([name, words]) => new Promise((done) => {
    const app = () => document.querySelector('[data-testid="stApp"]').getAttribute('data-test-script-state');
    const button = [...document.querySelectorAll('button')].find((each) => each.innerText.trim().endsWith(name));
    const start = performance.now();
    let began = false;
    const look = () => {
        began ||= app() !== 'notRunning';
        const there = document.querySelector('[data-testid="stMain"]').innerText.includes(words);
        if (began && there && app() === 'notRunning') done(performance.now() - start);
        else requestAnimationFrame(look);
    };
    button.click();
    requestAnimationFrame(look);
})"""


def in_browser(folder: Path) -> dict[str, object]:
    """The page on that store, as its user waits for it; nothing where there is no browser."""
    from tests.helpers import browser_driver

    if any(mark.args and mark.args[0] for mark in browser_driver.MARKS if mark.name == "skipif"):
        return {}
    from playwright.sync_api import sync_playwright

    os.environ["PETALSCOPE_FOLDERS"] = str(folder)
    with browser_driver.serving(folder / "photos", folder / "artifacts") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_driver.CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser_driver.Watched(browser, address)
        start = time.perf_counter()
        tab.open(f"Milvus_Collection?store={quote(str(folder / 'x.db'))}&collection=large&part=rows")
        cold = (time.perf_counter() - start) * 1000
        if tab.page.get_by_role("button", name="Load it").count():
            tab.page.get_by_role("button", name="Load it").click()
        tab.page.get_by_text("page 1 ·").wait_for(timeout=120_000)
        tab.settle()
        pages = [tab.page.evaluate(CLICK, ["Next page", f"page {number} ·"]) for number in range(2, 14)]
        tab.page.get_by_test_id("stButtonGroup").get_by_text("Overview", exact=True).click()
        tab.page.get_by_text("count(*)", exact=True).wait_for(timeout=60_000)
        tab.settle()
        overview = [tab.page.evaluate(CLICK, ["Ask again", "count(*)"]) for _ in range(5)]
        browser.close()
    result = {"overview": round(statistics.median(overview)), "next page": round(statistics.median(pages))}
    return {
        "browser_first_open_ms": round(cold),
        "browser_overview_ms": result["overview"],
        "browser_next_page_ms": result["next page"],
        "browser_next_page_slowest_ms": round(max(pages)),
        "goals_met": {name: result[name] <= goal for name, goal in GOALS_MS.items()},
    }


def main() -> None:
    count, dim, others = (int(word) for word in [*sys.argv[1:], *("100000", "512", "300")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        result = in_store(Path(folder), count, dim, others)
        print(documents.json_text(result | in_browser(Path(folder)), indent=1))


def in_store(folder: Path, count: int, dim: int, others: int) -> dict[str, object]:
    """Makes the store, and times what the page asks of it."""
    with open_store(str(folder / "x.db"), timeout_s=300) as store:
        ids = [f"{i:07}" for i in range(count)]
        vectors = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
        start = time.perf_counter()
        index = {"index_type": "IVF_FLAT", "params": {"nlist": 64}}  # a graph of so many takes an hour on two cores
        write_collection(
            store, "large", Rows(ids, ids, ["a"] * count, ["train"] * count, vectors), metric="L2", index=index
        )
        written = time.perf_counter() - start
        for i in range(others):
            store.client.create_collection(f"other_{i:04}", dimension=4, timeout=60)
        names = collections.names(store)
        deep = ids[count * 9 // 10]
        return {
            "rows": count,
            "dim": dim,
            "collections": len(names),
            "write_s": round(written, 1),
            "names_ms": timed(lambda: collections.names(store)),
            "page_of_25_summaries_ms": timed(lambda: [overview.summarise(store, name) for name in names[:25]]),
            "one_collection_in_full_ms": timed(lambda: inspect.inspect(store, "large")),
            "next_page_ms": timed(lambda: rows.by_keys(store, "large", ids[-25:])),
            "the_next_2000_keys_ms": timed(lambda: rows.keys_after(store, "large", deep, 2000)),
            "next_page_by_key_ms": timed(lambda: rows.browse(store, "large", after_id=deep, limit=25)),
            "next_page_by_key_with_vectors_ms": timed(
                lambda: rows.browse(store, "large", after_id=deep, limit=25, vectors=["vector"])
            ),
            "same_page_by_offset_ms": timed(
                lambda: store.client.query(
                    "large", filter="", output_fields=["id", "label"], limit=25, offset=count * 9 // 10, timeout=120
                ),
                3,
            ),
        }


if __name__ == "__main__":
    main()
