"""Home: a few photos at each step of the network's preprocessing."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import streamlit as st

from lib.data import thumbnails
from lib.errors import PetalscopeError
from lib.learn import backbone
from lib.prepare.workspace import Workspace
from lib.view import cached, page_frame, url_state
from lib.view.components import gallery
from lib.view.home import photos

_BATCH = 4
_SIDE = 160  # of a thumbnail, in px


@dataclass(frozen=True)
class _Steps:
    """The addresses of thumbnails by the step's name, and the `shape`, `mean` and `std` of the normalised batch."""

    thumbnails: dict[str, list[str]]
    shape: str
    mean: float
    std: float


def show(workspace: Workspace) -> None:
    """The steps, once the user switches them on: they need torch."""
    st.markdown("**What the network sees.** Each photo is resized, augmented (for training only), and normalised.")
    if not st.toggle(
        "Show a batch on its way into the network",
        **url_state.switch("steps"),
        help="Loads torch, which takes a few seconds the first time.",
    ):
        return
    try:
        steps = _steps(workspace, int(st.session_state.get(photos.SEED, 0)))
    except PetalscopeError as error:  # a photo or the weights are gone
        page_frame.restart_or_show_error(error)
        return
    for step, sources in steps.thumbnails.items():
        images = "".join(
            f'<img src="{source}" alt="{html.escape(step)}" style="width:7.5rem;border-radius:.5rem">'
            for source in sources
        )
        st.html(
            f'<div style="display:flex;gap:.6rem;align-items:center;flex-wrap:wrap">'
            f'<b style="width:9rem">{html.escape(step)}</b>{images}</div>'
        )
    st.caption(
        f"The batch is a float32 tensor of {steps.shape} (photos × channels × height × width) with mean "
        f"{steps.mean:.3f} and standard deviation {steps.std:.3f}; normalised photos are rescaled to be visible."
    )


@st.cache_data(max_entries=16, show_spinner="Loading the transforms", hash_funcs=cached.KEYS)
def _steps(workspace: Workspace, seed: int) -> _Steps:
    """The steps of a batch of photos that `seed` draws, and augments."""
    from lib.learn import transform_steps

    catalog = cached.catalog(workspace)
    weights = workspace.weights("resnet18")
    preprocess = weights.preprocess if weights else backbone.IMAGENET_PREPROCESS
    rows = np.random.default_rng(seed).permutation(len(catalog.frame))[:_BATCH]
    batch = transform_steps.batch([catalog.open(row) for row in rows], preprocess, seed=seed)
    pictures = {
        "original": batch.originals,
        f"resized to {preprocess.input_size} px": [thumbnails.from_array(array) for array in batch.resized],
        "augmented": batch.augmented,
        "normalised": [transform_steps.viewable(array) for array in batch.normalised],
    }
    return _Steps(
        {
            step: [gallery.data_uri(thumbnails.encode(picture, _SIDE)) for picture in each]
            for step, each in pictures.items()
        },
        " × ".join(map(str, batch.normalised.shape)),
        float(batch.normalised.mean()),
        float(batch.normalised.std()),
    )
