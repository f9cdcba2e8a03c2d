"""The network of a space, loaded beside a page once it is open: the first heat over a photo then need not wait for it.

It fails in silence: the heat then loads what it needs itself, and shows the error.
"""

from __future__ import annotations

import contextlib
import threading

import streamlit as st
from PIL import Image
from streamlit import runtime

from lib.embed import feature_maps, spaces
from lib.prepare.workspace import Workspace
from lib.view import cached

# The page, its first photos and first clicks come first.
_PAUSE_S = 3.0


def begin(workspace: Workspace, space: str) -> None:
    """Load the network of `space` in a thread, once per process; returns at once."""
    # The exact type: AppTest, which serves nobody, puts a stand-in in the runtime's place.
    if spaces.get(space).needs_weights and runtime.exists() and type(runtime.get_instance()) is runtime.Runtime:
        _begin(workspace, space)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=cached.KEYS)
def _begin(workspace: Workspace, space: str) -> threading.Thread:
    work = threading.Timer(_PAUSE_S, load, args=(workspace, space))
    work.daemon, work.name = True, "petalscope-network"
    work.start()
    return work


def load(workspace: Workspace, space: str) -> None:
    """Make the map of one grey picture, whose result is thrown away: whatever is loaded late is loaded then."""
    with contextlib.suppress(Exception):
        feature_maps.feature_map(cached.quiet_embedder(workspace, space), Image.new("RGB", (256, 256), "grey"))
