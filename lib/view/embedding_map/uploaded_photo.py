"""The user's own photo on the map: uploaded, embedded, and positioned without moving the other points."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from lib.data import images, thumbnails
from lib.documents.search import SearchResult
from lib.embed import out_of_sample, spaces
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.retrieval.query import query_picture
from lib.view import cached, page_frame, photo_tiles, selection, uploads, url_state
from lib.view.components import gallery
from lib.view.components.scatter import Lines
from lib.view.embedding_map import query_neighbours, sections
from lib.view.embedding_map.map_choice import DisplayedMap
from lib.view.embedding_map.query_neighbours import Lookup
from lib.view.formatting import plain

ADD = "Add your photo"
NAME = "your photo"
_SIDE = 320  # of the shown photo, px


def choose() -> bytes | None:
    """The uploaded file, behind a button; None until there is one that is an image."""
    with st.popover(ADD, icon=":material/add_photo_alternate:"):
        file = st.file_uploader("Your photo", type=uploads.KINDS, key="visitor", on_change=_open_section)
        st.caption(uploads.PROMISE)
        try:
            is_image = uploads.image_of(file) is not None
        except QueryError as error:  # the map is shown without it
            is_image = False
            page_frame.show_error(error)
    return bytes(file.getvalue()) if file is not None and is_image else None


def _open_section() -> None:
    if st.session_state["visitor"] is not None:
        url_state.write(section=sections.PHOTO)


@st.cache_data(
    max_entries=50,
    show_spinner="Positioning your photo; the first one takes a few seconds longer",
    hash_funcs=cached.KEYS,
)
def _position(
    workspace: Workspace,
    space: str,
    map_key: str,
    file_hash: str,
    metric: str,
    k: int,
    _shown: DisplayedMap,
    _file: bytes,
) -> tuple[np.ndarray, list[SearchResult]]:
    """The place (1, 2) on the stored map, and the nearest photos in the space.

    `map_key` and `file_hash` stand for the map's parameters and the uploaded file in the key of the cache.
    """
    searchable = cached.searchable_space(workspace, space)
    query = query_picture(searchable.catalog, images.open_rgb(_file), NAME)
    needs_network = not query.copies and spaces.loads_network(spaces.get(space))
    embed = cached.embedder(workspace, space) if needs_network else None
    vector = search.vector(workspace, searchable, query, embed)
    near = search.search(workspace, searchable, query, metric_name=metric, k=k, embed=embed)["results"]
    return out_of_sample.place(_shown.original, searchable.gallery.vectors, vector[None]), near


def lines(
    workspace: Workspace, shown: DisplayedMap, file: bytes | None, lookup: Lookup, section: str = sections.PHOTO
) -> Lines | None:
    """Lines from the place of the uploaded photo on a map to its nearest photos in the space; None without one.

    Also None while the section of the query is open and there is one: its own lines are drawn then.
    """
    if file is None or (section == sections.QUERY and selection.query_id() is not None):
        return None
    if not spaces.takes_photos(shown.space):
        return None
    map_key, file_hash = shown.parameters.key(), hashlib.sha256(file).hexdigest()
    place, near = _position(workspace, shown.space, map_key, file_hash, lookup.metric, lookup.k, shown, file)
    return Lines(shown.displayed(place)[0], near, NAME, "nearest to it in the space")


def show(workspace: Workspace, shown: DisplayedMap, file: bytes | None, lookup: Lookup) -> None:
    """The uploaded photo and its nearest photos in the space; without one, how to add it."""
    if file is not None and not spaces.takes_photos(shown.space):
        st.info(plain(spaces.refusal(shown.space)), icon=":material/info:")
        return
    near = lines(workspace, shown, file, lookup)
    if file is None or near is None:
        st.info(f"*{ADD}* above the map shows where a picture of your own lies.", icon=":material/add_photo_alternate:")
        return
    st.html(
        f'<img src="{gallery.data_uri(thumbnails.encode(images.open_rgb(file), _SIDE))}" alt="{NAME}" '
        'style="width:100%;max-width:11rem;border-radius:.6rem">'
    )
    method = "by projection on the same two axes" if shown.map.facts["method"] == "PCA" else "with UMAP transform"
    st.caption(f"Positioned {method}; other points unchanged. *{ADD}* replaces or removes it.")
    photo_tiles.show_photos(
        workspace,
        [str(result["id"]) for result in near.neighbours],
        key="visitor_near",
        title="Nearest to your photo in the space",
        badges=[f"{result['rank']}" for result in near.neighbours],
        notes=[f"{result['value']:.3f}" for result in near.neighbours],
        tile=68,
    )
    query_neighbours.show_controls(lookup)
