"""The filter of the map page: histograms of the photos' properties, whose chosen bars make the selection.

The chosen bars are in the address; the photos that pass become the selection, which all pages know. A lasso chooses
among the photos that pass; another way to select ends the filter.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.measure import histograms
from lib.measure.clusters import NOISE_NAME
from lib.measure.histograms import Choice, Histogram
from lib.measure.traits import CLUSTER, RIGHT, WRONG
from lib.prepare.workspace import Workspace
from lib.view import cached, photo_tiles, selection, theme, url_state
from lib.view.components import histograms as bars
from lib.view.embedding_map import sections

# The order in which histograms stand; those of other traits follow.
FIRST = ("label", "split", "right", "predicted", "purity")
# Which photos passed when the page was last drawn, in the session's state, for what the browser reports since.
_PASSING = "photos_that_pass"


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=cached.KEYS)
def _made(workspace: Workspace, space: str, abouts: tuple[str, ...]) -> tuple[list[Histogram], bars.Columns]:
    traits = cached.traits(workspace, space)
    names = [name for name in FIRST if name in traits] + [name for name in traits if name not in FIRST]
    made = [found for name in names if (found := histograms.histogram(traits[name])) is not None]
    class_colours = photo_tiles.colours(cached.catalog(workspace))
    colours = {trait.name: class_colours for trait in traits.values() if trait.kind == "class"}
    colours |= {
        trait.name: theme.majority_colours(trait.classes, class_colours) | {NOISE_NAME: theme.MUTED}
        for trait in traits.values()
        if trait.name.startswith(CLUSTER)
    }
    verdicts = {RIGHT: theme.RIGHT, WRONG: theme.WRONG}
    colours |= {"split": theme.SPLIT_COLOURS, "right": verdicts, "network_right": verdicts}
    return made, bars.columns(made, colours)


def _histograms(workspace: Workspace, space: str) -> tuple[list[Histogram], bars.Columns]:
    # A trait's sentence names the run that it comes from, so it belongs to the cache's key.
    abouts = tuple(trait.about for trait in cached.traits(workspace, space).values())
    return _made(workspace, space, abouts)


def _choice(workspace: Workspace, space: str) -> Choice:
    written = url_state.parameters(url_state.PASSING)
    return histograms.parse(written, _histograms(workspace, space)[0]) if written else {}


def restore(workspace: Workspace, space: str) -> None:
    """Call before the page's maps: select the photos that pass the filter in the address, if there is one.

    A selection among these photos stays. A link may name only the filter, and in another space other photos pass.
    """
    choice = _choice(workspace, space)
    mask = histograms.passing(_histograms(workspace, space)[0], choice) if choice else None
    st.session_state[_PASSING] = mask
    if mask is not None:
        photos = cached.catalog(workspace)
        rows = selection.selected_rows(len(photos.ids), photos.contents)
        if not (rows and mask[rows].all()):
            _select(workspace, mask, url_state.parameters(url_state.PASSING))


def passing(n: int) -> np.ndarray | None:
    """Which of the catalog's `n` photos pass the filter, bool (n,), as `restore` found it; None for no filter."""
    mask = st.session_state.get(_PASSING) if url_state.parameters(url_state.PASSING) else None
    return mask if isinstance(mask, np.ndarray) and len(mask) == n else None


def _select(workspace: Workspace, mask: np.ndarray, words: list[str], **choices: str) -> None:
    photos = cached.catalog(workspace)
    # A filter whose words are too long for an address leaves its selection.
    kept = {url_state.PASSING: words} if words and sum(map(len, words)) <= url_state.MAX_LENGTH else {}
    selection.select_rows(np.nonzero(mask)[0].tolist(), len(photos.ids), photos.contents, **kept | choices)


def show(workspace: Workspace, space: str) -> None:
    """The histograms, and how many photos pass."""
    made, sent = _histograms(workspace, space)
    photos = cached.catalog(workspace)
    n = len(photos.ids)

    def filtered(choice: dict[str, frozenset[int]]) -> None:
        mask = histograms.passing(made, choice)
        words = histograms.words(made, choice)
        _select(workspace, np.zeros(n, dtype=bool) if mask is None else mask, words, section=sections.FILTER)

    rows = selection.selected_rows(n, photos.contents)
    selected = np.isin(np.arange(n), rows) if rows else None
    bars.show(
        sent,
        made,
        _choice(workspace, space),
        key="photo_filter",
        count=n,
        selected=selected,
        on_filter=filtered,
    )
    st.caption(
        "Click bars, or drag over a range: the photos that pass become the selection. Grey is all photos; the bars of "
        "a filtered property show what passes the other filters."
    )
