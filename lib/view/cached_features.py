"""What features respond to, cached: their examples, and where in a photo they are excited."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from lib.data import thumbnails
from lib.embed import feature_maps
from lib.learn import transforms
from lib.measure import feature_examples
from lib.measure.feature_examples import FeatureExamples
from lib.prepare.workspace import Workspace
from lib.view import cached
from lib.view.components import gallery
from lib.view.figures import spotlight

SIDE = 240  # px of the longer side of a photo with its light


@st.cache_resource(max_entries=8, show_spinner="Looking at every feature", hash_funcs=cached.KEYS)
def examples(workspace: Workspace, space: str) -> FeatureExamples:
    """What each feature of a space responds to. Shared by all sessions: read only."""
    return feature_examples.find(workspace, space)


@st.cache_resource(max_entries=600, show_spinner=False, hash_funcs=cached.KEYS)
def feature_map(workspace: Workspace, space: str, row: int) -> np.ndarray:
    """The last feature map of a photo of the catalog, (512, h, w). Shared by all sessions: read only.

    Loads the network. Raises DataError when the photo changed since it was prepared, QueryError for a space that has no
    maps.
    """
    embed, photos = cached.embedder(workspace, space), cached.catalog(workspace)
    picture = photos.open(row) if embed.side is None else photos.pixels(row, embed.side)
    return feature_maps.feature_map(embed, picture)


@st.cache_data(max_entries=2_000, show_spinner=False, hash_funcs=cached.KEYS)
def lit_photo(workspace: Workspace, space: str, row: int, feature: int, largest: float) -> str:
    """A photo that is bright where a feature is excited, as a data URI: as bright as it is where the feature reaches
    `largest`. Raises the errors of `feature_map`."""
    values = feature_map(workspace, space, row)[feature]
    photo = cached.catalog(workspace).open(row)
    weights = workspace.weights(space)
    box = (0.0, 0.0, 100.0, 100.0)
    if weights is not None:
        box = transforms.seen(photo.width, photo.height, weights.preprocess)
    photo.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    lit = spotlight.lit(photo, np.clip(values / largest, 0, 1) if largest > 0 else np.zeros_like(values), box)
    return gallery.data_uri(thumbnails.encode(lit, SIDE))
