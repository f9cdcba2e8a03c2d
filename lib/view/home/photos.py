"""Home: a random strip of photos, by class and split."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.data.catalog import SPLITS
from lib.data.layouts.unlabelled import NO_LABEL
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import cached, photo_tiles, url_state

SEED = "draw"  # the link parameter, and session key, of the random choice; the network's input uses it, too
NO_MATCH = "No photo has one of these classes and one of these splits; choose others."
_STRIP = 24


def show(workspace: Workspace) -> None:
    """The filters, then the photos; a click makes one the query."""
    photos = cached.catalog(workspace)
    classes = list(photos.classes)
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    labels = left.multiselect("Class", classes, **url_state.several("classes_shown", classes)) if classes else []
    splits = middle.multiselect("Split", SPLITS, **url_state.several("splits_shown", SPLITS))
    seed = right.number_input(
        "Random seed",
        **url_state.number(SEED, 0, 9999, 0),
        help="Another number shows other photos; the same number, the same photos.",
    )
    frame = photos.frame
    matches = frame[frame["label"].isin(labels or [*classes, NO_LABEL]) & frame["split"].isin(splits or SPLITS)]
    if matches.empty:
        st.info(NO_MATCH)
        return
    rows = np.random.default_rng(int(seed)).permutation(len(matches))[:_STRIP]
    strip = matches.iloc[np.sort(rows)]
    st.caption(f"{len(strip)} of {counted(len(matches), 'photo')}. Click one: it becomes the query on every page.")
    photo_tiles.show_photos(
        workspace, list(strip["id"]), key="strip", title="Photos", notes=list(strip["split"]), tile=112
    )
