"""What a visitor's own photo needs, loaded beside the page once it is open: the network, and the code that places it.

Without it the first photo waits some ten seconds for imports and weights. It fails in silence: the photo then loads
what it needs itself, and shows the error.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image
from streamlit import runtime

from lib.embed import embedder, out_of_sample, spaces
from lib.embed.projection import Map
from lib.prepare.workspace import Workspace
from lib.view import cached

# The page, its first photos and first clicks come first.
_PAUSE_S = 3.0
# Photos that stand for all while the code is made ready.
_SAMPLE = 64


def begin(workspace: Workspace, space: str, laid_out: Map) -> None:
    """Load what `space` needs in a thread, once per process and method of the map; returns at once."""
    # The exact type: AppTest, which serves nobody, puts a stand-in in the runtime's place.
    if runtime.exists() and type(runtime.get_instance()) is runtime.Runtime:
        _begin(workspace, space, str(laid_out.facts["method"]), laid_out)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=cached.KEYS)
def _begin(workspace: Workspace, space: str, method: str, _laid_out: Map) -> threading.Thread:
    work = threading.Timer(_PAUSE_S, load, args=(workspace, space, _laid_out))
    work.daemon, work.name = True, "petalscope-preload"
    work.start()
    return work


def load(workspace: Workspace, space: str, laid_out: Map) -> None:
    """Embed and place one grey picture, whose result is thrown away: whatever is loaded late is loaded then."""
    with contextlib.suppress(Exception):
        embed = cached.quiet_embedder(workspace, space) if spaces.loads_network(spaces.get(space)) else None
        values = workspace.vectors(space).values[:_SAMPLE]
        new = values[:1]
        if embed is not None:
            new = embedder.query_vector(embed, Image.new("RGB", (256, 256), "grey"))[None].astype(np.float32)
        if len(values) > 2:
            out_of_sample.place(replace(laid_out, xy=laid_out.xy[:_SAMPLE]), values, new)
