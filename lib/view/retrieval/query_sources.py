"""Queries that are not a photo of the catalog: an uploaded photo, the selection, a row of a Milvus collection."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.embed import spaces
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval import text_query as text_queries
from lib.retrieval.query import Query, query_row
from lib.store import field_search, pool
from lib.view import cached, cached_milvus, inputs, photo_tiles, selection, uploads, url_state
from lib.view.components import paste_field
from lib.view.formatting import plain

PHOTOS, UPLOAD, SELECTION, ROW, TEXT = "photos", "upload", "selection", "row", "text"
SOURCES = {PHOTOS: "Photos", UPLOAD: "Upload", SELECTION: "Selection", ROW: "Milvus row", TEXT: "Text"}
# What to do where a source has no query yet.
MISSING = {
    UPLOAD: "Upload a photo to search with it, or choose one of these.",
    SELECTION: "No photos are selected: draw a lasso on the map, or choose one of these.",
    TEXT: "Choose a text under *More*, or one of these photos.",
    ROW: "Type the primary key of a row under *More*, or choose one of these photos.",
}
# A larger selection is thinned to this many queries, so that a search stays a matter of a second.
MOST_QUERIES = 24
# Texts that a menu lists.
MOST_TEXTS = 500
TEXTS_ONLY = (
    "Only texts that came with their vectors can be searched with, since no model embeds others here; these are in"
)
# The file of the uploaded photo in the session, or the error that refused it.
_UPLOADED = "own"
SAME_PIXELS = "The data set holds a photo with exactly these pixels; the results leave it out."


def available(workspace: Workspace) -> dict[str, str]:
    """The titles of the sources that there are: texts only where a space has some."""
    able = text_queries.spaces_with_texts(workspace)
    return {source: title for source, title in SOURCES.items() if source != TEXT or able}


# --- an uploaded photo ---------------------------------------------------------------------------------------------


def upload_fields() -> None:
    """Fields for a file, the clipboard and the camera; a photo in one of them becomes the query."""

    def replace_photo(content: bytes | QueryError | None) -> None:
        st.session_state[_UPLOADED] = content
        url_state.write(crop=None, **{"from": UPLOAD})

    def replace_from(widget: str) -> None:
        file = st.session_state[widget]
        replace_photo(None if file is None else file.getvalue())

    st.file_uploader("Your photo", type=uploads.KINDS, key="upload", on_change=replace_from, args=("upload",))
    paste_field.field("paste", replace_photo)
    if st.toggle("Use the camera", key="use_camera"):
        st.camera_input("Camera", key="camera", on_change=replace_from, args=("camera",), label_visibility="collapsed")
    st.caption(uploads.PROMISE)


def uploaded_bytes() -> bytes:
    """The file of the uploaded photo; only while `uploaded_photo` returns one."""
    return bytes(st.session_state[_UPLOADED])


def uploaded_photo(workspace: Workspace) -> list[Query]:
    """The uploaded photo as a query; none without one. Raises QueryError for a file that is not taken."""
    content = st.session_state.get(_UPLOADED)
    if content is None:
        return []
    if isinstance(content, QueryError):
        raise content
    photo = uploads.read(content)
    copies = cached.catalog(workspace).copies(photo.pixel_hash)
    return [Query("your photo", None, copies, photo.whole, f"picture {photo.pixel_hash}")]


# --- the selection -------------------------------------------------------------------------------------------------


def selection_button(workspace: Workspace, image_id: str) -> None:
    """A button that adds the query photo to the selection."""
    photos = cached.catalog(workspace)
    selected = selection.selected_ids(photos.ids, photos.contents)
    if st.button(
        "Add to the selection",
        icon=":material/library_add:",
        width="stretch",
        disabled=image_id in selected,
        help="*Query from*, *Selection* searches with all selected photos together.",
    ):
        selection.select([*selected, image_id], photos.ids, photos.contents)
        st.rerun()


def selection_queries(workspace: Workspace) -> list[Query]:
    """The selected photos, thinned to `MOST_QUERIES`, as queries."""
    photos = cached.catalog(workspace)
    selected = selection.selected_ids(photos.ids, photos.contents)
    if not selected:
        return []
    places = np.linspace(0, len(selected) - 1, min(MOST_QUERIES, len(selected))).round().astype(int)
    image_ids = [selected[place] for place in np.unique(places)]
    st.caption(together(len(image_ids), len(selected)))
    photo_tiles.show_photos(workspace, image_ids, key="query_photos", title="Queries", tile=62)
    if st.button("Clear the selection", icon=":material/close:", width="stretch"):
        selection.select([], photos.ids, photos.contents)
        st.rerun()
    return [query_row(photos, photos.row(image_id) or 0) for image_id in image_ids]


def together(queries: int, selected: int) -> str:
    """How several queries are searched with."""
    photos = (
        f"{queries} of the {selected:,} selected photos, evenly spaced," if queries < selected else "Selected photos"
    )
    return (
        f"{photos} are searched with together: results are sorted by their mean rank over the {queries} queries. The "
        "queries themselves are left out."
    )


# --- a row of a Milvus collection ----------------------------------------------------------------------------------


def milvus_row(workspace: Workspace) -> list[Query]:
    """The row of a collection that the address names, as a query; none until there is one."""
    photos = cached.catalog(workspace)
    connection = pool.app_connection(cached.current_settings())
    names = cached_milvus.collection_names(connection, workspace.version)
    if not names:
        st.caption("The store has no collections yet; the Milvus page shows how to make one.")
        return []
    collection = st.selectbox("Collection", names, **url_state.choice("collection", "retrieval", names, names[0]))
    entry = cached_milvus.collection_entry(connection, collection)
    fields = field_search.vector_fields(entry, field_search.DENSE)
    if not fields:
        st.caption("This collection has no float vectors to search with; choose another one.")
        return []
    if entry["load_state"] != "Loaded":
        st.caption("This collection is not loaded; load it on the Milvus page.")
        return []
    key = inputs.line("Primary key", placeholder=photos.ids[0], **url_state.text_field("row")).strip()
    if not key:
        return []
    vector = field_search.stored_vector(cached.store(), entry, key, fields[0]["name"])
    row = photos.row(key)
    own_collections = {entry["base"] for spaces in workspace.state["collections"].values() for entry in spaces.values()}
    if row is not None and any(collection.startswith(base) for base in own_collections):
        return [query_row(photos, row)]
    st.caption(f"A vector with {len(vector):,} dimensions; search it in a space with as many.")
    return [Query(f"row {key} of {collection}", None, [], None, f"row {collection} {key}", vector)]


# --- a text --------------------------------------------------------------------------------------------------------


def text_query(workspace: Workspace) -> list[Query]:
    """The chosen text, one of those that came with an imported space, as a query in that space; none at first."""
    able = text_queries.spaces_with_texts(workspace)
    if not able:
        st.caption("No space has texts with vectors; they come with vectors of your own.")
        return []
    chosen = url_state.parameter("space")
    space = chosen if chosen in able else able[0]
    known = _texts(workspace, space)
    text = url_state.parameter("text") or ""
    if len(known) > MOST_TEXTS:
        word = inputs.line("Part of a text", key="text_word").strip().casefold()
        known = [each for each in known if word in each.casefold()][:MOST_TEXTS]
    known = known if text in known or text not in _texts(workspace, space) else [text, *known]
    bound = url_state.choice("text", "retrieval", ["", *known], "")
    title = spaces.get(space).title
    st.selectbox("Text", ["", *known], format_func=lambda each: each or "Choose a text", **bound)
    st.caption(plain(f"{TEXTS_ONLY} {title}: choose that space."))
    return [text_queries.text_query(workspace, space, text)] if text else []


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=cached.KEYS)
def _texts(workspace: Workspace, space: str) -> list[str]:
    return text_queries.texts(workspace, space)
