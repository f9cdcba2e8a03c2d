"""A photo from outside on the map: uploaded, embedded, and placed without moving the others."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from lib.embed import out_of_sample, spaces
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.retrieval.query import query_picture
from lib.view import cached, page_frame, photo_tiles, uploads
from lib.view.components import gallery
from lib.view.components.scatter import Lines
from lib.view.embedding_map.map_choice import DisplayedMap


def choose() -> bytes | None:
    """The uploaded file, behind a button; None until there is one."""
    with st.popover("Place", icon=":material/add_photo_alternate:", width="stretch"):
        file = st.file_uploader("A photo of yours", type=uploads.KINDS, key="visitor")
        st.caption("It stays in this process's memory and is not stored. At most 50 MB and 64 megapixels.")
        try:
            readable = uploads.picture_of(file) is not None
        except QueryError as error:  # the map is as good as before
            readable = False
            page_frame.failed(error)
    return bytes(file.getvalue()) if file is not None and readable else None


@st.cache_data(max_entries=50, show_spinner="Placing your photo; the first one takes some seconds longer")
def _placed(
    version: str,
    space: str,
    key: str,
    upload: str,
    metric: str,
    k: int,
    _opened: Workspace,
    _shown: DisplayedMap,
    _file: bytes,
) -> tuple[np.ndarray, list[dict[str, object]]]:
    loaded = cached.loaded(_opened, space)
    query = query_picture(loaded.catalog, cached.decoded(_file), "your photo")
    needs_network = not query.copies and spaces.get(space).needs_weights
    embed = cached.embedder(_opened, space) if needs_network else None
    vector = search.vector(_opened, loaded, query, embed)
    near = search.search(_opened, loaded, query, metric_name=metric, k=k, embed=embed)["results"]
    return out_of_sample.place(_shown.made, loaded.gallery.vectors, vector[None]), near


def place(opened: Workspace, shown: DisplayedMap, file: bytes | None, metric: str, k: int) -> Lines | None:
    """Where the uploaded photo lies on a map, with lines to its nearest in the space; None without one."""
    if file is None:
        return None
    key, upload = shown.parameters.key(), hashlib.sha256(file).hexdigest()
    at, near = _placed(opened.version, shown.space, key, upload, metric, k, opened, shown, file)
    return Lines(shown.turned(at)[0], near, "your photo", "its nearest in the space")


def show(opened: Workspace, shown: DisplayedMap, file: bytes, lines: Lines) -> None:
    """The uploaded photo and its nearest photos in the space."""
    st.html(
        f'<img src="{gallery.data_uri(cached.encoded(cached.decoded(file)))}" alt="your photo" '
        'style="width:100%;max-width:15rem;border-radius:.6rem">'
    )
    how = "on the same two axes" if shown.map.facts["method"] == "PCA" else "as UMAP's transform does"
    st.caption(f"Placed {how}; no other photo has moved. *Place* takes another one, or takes it away.")
    photo_tiles.show_photos(
        opened,
        [str(found["id"]) for found in lines.near],
        key="visitor_near",
        title="Nearest to your photo in the space",
        badges=[f"{found['rank']}" for found in lines.near],
        notes=[f"{found['value']:.3f}" for found in lines.near],
        tile=76,
    )
