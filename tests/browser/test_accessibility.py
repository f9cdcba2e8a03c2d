"""Every section of every page under axe-core (WCAG rules run in a real browser), light and dark."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from lib.prepare import workspace
from lib.settings import PROJECT, Settings
from lib.view.embedding_map import sections as of_the_map
from lib.view.milvus import page as of_milvus
from lib.view.retrieval import sections as of_retrieval
from lib.view.training import sections as of_training
from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    *browser_driver.MARKS,
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make lint-js, which needs npm"),
]
SECTIONS = {
    "": [""],
    "Training_Regimes": list(of_training.SECTIONS),
    "Embedding_Map": list(of_the_map.TITLES),
    "Retrieval": list(of_retrieval.SECTIONS),
    "Milvus_Collection": [part for parts in of_milvus.SECTIONS.values() for part in parts],
}
# By rule, what Streamlit draws itself and no style or script of ours can mend.
STREAMLIT: dict[str, dict[str, str]] = {
    "scrollable-region-focusable": {
        '<pre class="st-emotion': "Streamlit's code blocks scroll without a tabindex; their copy button has the text",
        "katex-display": "a formula scrolls without a tabindex; ours wrap where they can (page_frame.css)",
    },
}
SCRIPT = """async () => {
    const {violations} = await axe.run(document, {resultTypes: ['violations'], iframes: false});
    return violations.filter(({impact}) => ['serious', 'critical'].includes(impact)).flatMap((rule) =>
        rule.nodes.map((node) => [rule.id, node.target.flat(9).join(' >>> '), node.html.slice(0, 200),
            (node.any.concat(node.all, node.none)[0] || {}).message || '']));
}"""


def violations(tab: Watched) -> list[Any]:
    """The serious and critical violations on the open page, each a rule, a selector, the element and why.

    Colours fade in after a page is drawn, so a page with violations is looked at again for some seconds.
    """
    for _ in range(6):
        tab.page.evaluate(AXE.read_text(encoding="utf-8"))
        every = tab.page.evaluate(SCRIPT)
        found = [each for each in every if not any(part in each[2] for part in STREAMLIT.get(each[0], ()))]
        if not found:
            break
        tab.page.wait_for_timeout(700)
    return found


def test_the_rules_are_at_work(tab: Watched) -> None:
    tab.open("")
    tab.page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<button></button>')")
    assert "button-name" in {rule for rule, *_ in violations(tab)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", SECTIONS, ids=lambda page: page or "Home")
def test_no_section_has_a_serious_violation(tab: Watched, prepared: Settings, page: str, scheme: str) -> None:
    query = workspace.open_workspace(prepared).catalog().ids[4]
    tab.page.emulate_media(color_scheme=scheme)
    found = {}
    for section in SECTIONS[page]:
        tab.open(f"{page}?section={quote(section)}&q={quote(query, safe='')}")
        found[section] = violations(tab)
    assert {section: each for section, each in found.items() if each} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_photo_viewer_has_no_serious_violation(tab: Watched, scheme: str) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    tab.open("")
    tab.page.locator('[aria-label="Photos"] button').first.focus()
    tab.page.keyboard.press("Space")
    tab.page.locator('[role="dialog"] [data-id]').first.wait_for(timeout=30_000)
    tab.settle()
    assert violations(tab) == []
