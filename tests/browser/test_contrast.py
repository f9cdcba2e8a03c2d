"""The contrast of text with its background, measured in a real browser."""

from __future__ import annotations

import pytest

from tests.helpers import browser_driver
from tests.helpers.browser_driver import Watched

pytestmark = browser_driver.MARKS

# The contrast ratio (WCAG 2.2, success criterion 1.4.3) of each text that a selector matches, against the nearest
# opaque background. A canvas paints each colour, so that any CSS notation can be read.
CONTRASTS = """(selector) => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
    const over = (colours) => {
        pen.clearRect(0, 0, 1, 1);
        for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
        const value = colour[i] / 255;
        return sum + weight * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    }, 0);
    return [...document.querySelectorAll(selector)].filter((node) => node.textContent.trim()).map((node) => {
        const style = getComputedStyle(node), grounds = ['#fff'];
        let faint = 1;
        for (let each = node; each; each = each.parentElement) faint *= getComputedStyle(each).opacity;
        for (let each = node; each; each = each.parentElement) {
            grounds.splice(1, 0, getComputedStyle(each).backgroundColor);
            if (over([getComputedStyle(each).backgroundColor])[3] === 255) break;
        }
        const ink = node instanceof SVGElement ? style.fill : style.color;
        pen.globalAlpha = 1;
        const ground = over(grounds);
        const full = over([...grounds, ink]);
        const seen = full.map((value, i) => value * faint + ground[i] * (1 - faint));
        const [dark, bright] = [light(ground), light(seen)].sort((a, b) => a - b);
        return [(bright + 0.05) / (dark + 0.05), node.textContent.trim().slice(0, 40)];
    });
}"""


def faint(tab: Watched, script: str, selector: str, least: float, count: int = 0) -> tuple[int, list]:
    """How many were measured, and those below `least`, once `count` are there and no colour or menu fades in."""
    for _ in range(40):
        contrasts = tab.page.evaluate(script, selector)
        below = [each for each in contrasts if each[0] < least]
        if not below and len(contrasts) >= count:
            break
        tab.page.wait_for_timeout(250)
    return len(contrasts), below


TEXTS = {
    "Home": '[data-testid="stCaptionContainer"] p, [data-testid="stCaptionContainer"] code',
    "Training_Regimes": ".js-plotly-plot text:not(.legendtext)",
    "Retrieval?q=tulip/04.jpg": '[data-testid="stCode"] code span',
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_small_text_has_enough_contrast(tab: Watched, scheme: str) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    for place, selector in TEXTS.items():
        tab.open(place.replace("Home", ""))
        tab.page.locator(selector).first.wait_for(state="attached", timeout=30_000)
        measured, below = faint(tab, CONTRASTS, selector, 4.5, count=4)
        assert measured > 3
        assert below == []


def test_a_button_in_a_form_that_pops_up_can_be_read_on_the_dark_ground(tab: Watched) -> None:
    tab.page.emulate_media(color_scheme="dark")
    tab.open("Embedding_Map")
    tab.page.get_by_role("button", name="UMAP 15").click()
    button = '[data-testid="stPopoverBody"] [data-testid^="stBaseButton-primary"] p'
    tab.page.locator(button).wait_for(timeout=20_000)
    assert faint(tab, CONTRASTS, button, 4.5, count=1) == (1, [])


# The contrast (WCAG 2.2, success criterion 1.4.11) of the edge of each control with the ground around it: of the
# border, the fill or the ring, whichever is plainest.
EDGES = """(selector) => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
    const over = (colours) => {
        pen.clearRect(0, 0, 1, 1);
        for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
        const value = colour[i] / 255;
        return sum + weight * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    }, 0);
    return [...document.querySelectorAll(selector)].filter((node) => node.getClientRects().length).map((node) => {
        const style = getComputedStyle(node), grounds = [];
        for (let each = node.parentElement; each; each = each.parentElement) {
            grounds.unshift(getComputedStyle(each).backgroundColor);
            if (over([getComputedStyle(each).backgroundColor])[3] === 255) break;
        }
        const edges = [style.backgroundColor];
        if (parseFloat(style.borderTopWidth)) edges.push(style.borderTopColor);
        if (style.outlineStyle !== 'none') edges.push(style.outlineColor);
        const ring = /^(rgba?\\([^)]*\\)|color\\([^)]*\\)|oklab\\([^)]*\\)).* 1px$/.exec(style.boxShadow);
        if (ring) edges.push(ring[1]);
        const ground = light(over(['#fff', ...grounds]));
        const best = Math.max(...edges.map((edge) => {
            const [dark, bright] = [ground, light(over(['#fff', ...grounds, edge]))].sort((a, b) => a - b);
            return (bright + 0.05) / (dark + 0.05);
        }));
        return [best, node.outerHTML.slice(0, 120)];
    });
}"""
CONTROLS = ", ".join(
    [
        '[data-testid="stSelectbox"] > [data-rac] > [role="group"]',
        '[data-testid="stMultiSelect"] > [data-rac] > [role="group"]',
        '[data-testid="stNumberInputContainer"]',
        '[data-testid="stTextInputRootElement"]',
        '[data-testid="stBaseButton-secondary"]',
        '[data-testid="stPopoverButton"]',
        '[data-testid="stButtonGroup"] button',
        '[data-testid="stCheckbox"] label > div:not([data-testid])',
        '[data-testid="stSlider"] [data-rac] [data-rac] > div',
        ".ps-key i",
    ]
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_and_dots_stand_out_from_their_ground(tab: Watched, scheme: str) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    for place in ("", "Training_Regimes?section=curves", "Embedding_Map", "Retrieval?q=tulip/04.jpg"):
        tab.open(place)
        tab.page.locator(CONTROLS).first.wait_for(timeout=30_000)
        measured, below = faint(tab, EDGES, CONTROLS, 3, count=4)
        assert measured > 3
        assert below == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_focus_of_the_keyboard_stands_out(tab: Watched, scheme: str) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    tab.open("Retrieval?q=tulip/04.jpg")
    seen, presses = 0, 0
    while seen <= 5 and presses < 40:  # fields of other kinds come between
        tab.page.keyboard.press("Tab")
        presses += 1
        measured, below = faint(tab, EDGES, ":is(a, button):focus-visible", 3)
        seen += measured
        assert below == []
    assert seen > 5
