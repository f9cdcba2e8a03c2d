"""The label review in a real browser: three labels repaired by keyboard, prepared, named, scored, and undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.data import label_review
from lib.measure import first_results
from lib.prepare import pipeline, state_file, workspace
from lib.settings import Settings
from lib.view.home import label_review_dialog, labels
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS
CHIP = '[class*="st-key-topbar_review"]'
NEXT_PHOTO = """shown => [...document.querySelectorAll('*')].some((each) => {
    const note = each.shadowRoot?.querySelector('.view .bar .note');
    return note && note.textContent !== shown;
})"""


@pytest.fixture
def reviewed(copied: Settings, chromium: object) -> Iterator[tuple[Watched, Settings]]:
    """A tab of an app whose photos are prepared and measured, and its settings."""
    pipeline.prepare(copied)
    first_results.make(copied)
    assert copied.data is not None
    with browser_driver.serving(copied.data, copied.artifacts) as url:
        watched = Watched(chromium, url)
        yield watched, copied
        watched.context.close()
        assert not watched.complaints


def _note(tab: Watched) -> str:
    return str(tab.page.locator('[role="dialog"] .view .bar .note').inner_text())


def _press(tab: Watched, *keys: str) -> None:
    """Press keys, then wait for the next photo."""
    shown = _note(tab)
    for key in keys:
        tab.page.keyboard.press(key)
    tab.page.wait_for_function(NEXT_PHOTO, arg=shown, timeout=20_000)
    tab.settle()


def _prepare(tab: Watched, marked: bool) -> None:
    """Press the button that prepares, and wait until the bar names the overlay, or no longer names it."""
    tab.page.get_by_role("button", name=labels.PREPARE).click()
    chip = tab.page.locator(CHIP).get_by_text(re.compile("by your review")).first
    chip.wait_for(state="visible" if marked else "detached", timeout=90_000)
    tab.page.get_by_text("continues if you leave this page").wait_for(state="detached", timeout=90_000)
    tab.settle()


def _scores(tab: Watched) -> list[str]:
    return [
        row.inner_text() for row in tab.page.get_by_label("Scores before and after your review").locator("tr").all()
    ]


def test_three_labels_are_repaired_by_keyboard_and_undone_byte_for_byte(reviewed: tuple[Watched, Settings]) -> None:
    tab, settings = reviewed
    folder = workspace.open_workspace(settings).folder
    state = (folder / state_file.NAME).read_bytes()
    tab.open("?labels=true")
    tab.page.get_by_role("button", name=labels.REVIEW).click()
    tab.page.locator('[role="dialog"] .view img').wait_for(timeout=30_000)
    tab.settle()
    assert tab.page.get_by_role("dialog", name=label_review_dialog.TITLE).count() == 1
    _press(tab, "s")  # skipped: nothing is decided
    for _ in range(2):
        tab.page.keyboard.press("r")
        tab.page.get_by_role("textbox", name="Class").wait_for(timeout=5_000)
        _press(tab, "1", "Enter")
    _press(tab, "r", "2", "Enter")
    _press(tab, "x")
    tab.page.keyboard.press("z")  # the exclusion is taken back
    tab.page.get_by_text("0 excluded").wait_for(timeout=20_000)
    decisions = label_review.read(folder).decisions
    assert [each.action for each in decisions.values()] == ["relabel"] * 3
    tab.page.keyboard.press("Escape")
    tab.page.locator('[role="dialog"]').wait_for(state="detached", timeout=10_000)
    tab.page.get_by_text("3 relabelled · not applied yet").wait_for(timeout=20_000)
    tab.settle()

    _prepare(tab, marked=True)
    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()
    for sha256, each in decisions.items():
        assert {catalog.labels[row] for row in catalog.copies(sha256)} == {each.label}
    changed = opened.state["review"]["relabelled"]
    first_results.make(settings)  # finds everything that the page has measured
    tab.open("?labels=true")
    rows = [row for row in _scores(tab) if "mAP" in row]
    assert len(rows) == len(opened.spaces)
    assert any(not row.rstrip().endswith("0.0000") for row in rows) and not any("not measured" in row for row in rows)
    for page in ("", "Training_Regimes", "Embedding_Map", "Retrieval", "Milvus_Collection"):
        tab.open(page)
        chip = tab.page.locator(CHIP).filter(has_text=f"Labels: {changed} changed by your review").first
        chip.wait_for(timeout=30_000)

    tab.open("?labels=true")
    for left in (2, 1):
        tab.page.get_by_role("button", name=labels.UNDO, exact=True).click()
        tab.page.get_by_text(f"{left} relabelled").wait_for(timeout=20_000)
        tab.settle()
    tab.page.get_by_role("button", name=labels.UNDO, exact=True).click()
    tab.page.get_by_text("no decision yet").wait_for(timeout=20_000)
    tab.settle()
    _prepare(tab, marked=False)
    for _ in range(180):  # the bar may be empty for a moment before the last act of prepare
        if (folder / state_file.NAME).read_bytes() == state:
            break
        tab.page.wait_for_timeout(500)
    assert (folder / state_file.NAME).read_bytes() == state
    assert not Path(folder / label_review.NAME).exists()
