"""The query of the retrieval page: a catalog photo, an uploaded one, the selection, or a row of a Milvus collection."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.data.catalog import SPLITS
from lib.errors import ImageError, PetalscopeError, QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval.query import Query, query_part, query_row
from lib.retrieval.search import AnswerFilter
from lib.store import field_search, pool
from lib.view import (
    cached,
    cached_milvus,
    cached_search,
    inputs,
    page_controls,
    page_frame,
    photo_tiles,
    selection,
    uploads,
    url_state,
)
from lib.view.cached_search import QuerySet
from lib.view.components import crop_box, paste_field
from lib.view.components.crop_box import Box
from lib.view.formatting import plain

PHOTOS, UPLOAD, SELECTION, ROW = "photos", "upload", "selection", "row"
RANDOM = "Random photo"
SOURCES = {PHOTOS: "Photos", UPLOAD: "Upload", SELECTION: "Selection", ROW: "Milvus row"}
# A larger selection is thinned to this many queries, so that a search stays a matter of a second.
MOST_QUERIES = 24
# The file of the uploaded photo in the session, or the error that refused it.
_UPLOADED = "own"
SAME_PIXELS = "The data set holds a photo with exactly these pixels; the results leave it out."
DUPLICATES = "Include exact duplicates"
DUPLICATES_INCLUDED = "exact duplicates included"
EXAMPLES = "Photos to begin with"


def choose(workspace: Workspace) -> QuerySet | None:
    """Draw the controls of the query and of the filter. None until there is a query; an error is shown here."""
    try:
        queries = {PHOTOS: _catalog_photo, UPLOAD: _uploaded_photo, SELECTION: _selection, ROW: _milvus_row}[
            _source(workspace)
        ](workspace)
        label = _shared_label(workspace, [query.row for query in queries])
        part, source = "", ""
        if len(queries) == 1 and queries[0].values is None and (box := _crop_switch()) is not None:
            part, source = ",".join(map(str, box)), "" if queries[0].row is None else queries[0].name
            queries = [_crop(workspace, queries[0], box)]
        answer_filter, keep_duplicates = _result_filter(workspace)
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
        return None
    return QuerySet(queries, answer_filter, keep_duplicates, label, part, source) if queries else None


def _source(workspace: Workspace) -> str:
    """Where the query comes from: a control kept in the address."""
    photos = cached.catalog(workspace)
    selected = selection.selected_ids(photos.ids, photos.contents)
    titles = SOURCES | {SELECTION: f"Selection ({len(selected)})" if selected else "Selection"}
    default = SELECTION if selected and selection.query_id() is None else PHOTOS
    return page_controls.segments("Query from", titles, "from", "retrieval", default)


def _shared_label(workspace: Workspace, rows: list[int | None]) -> str | None:
    """The class of all these catalog rows; None when the classes differ, or a query is not in the catalog."""
    photos = cached.catalog(workspace)
    labels = {None if row is None else photos.labels[row] for row in rows}
    return labels.pop() if len(labels) == 1 else None


def single(workspace: Workspace, queries: QuerySet) -> list[QuerySet]:
    """Each query of a set as a set of its own, with the same filter."""
    return [
        QuerySet([query], queries.filter, queries.keep_duplicates, _shared_label(workspace, [query.row]))
        for query in queries.queries
    ]


def show_examples(workspace: Workspace, sentence: str, key: str) -> None:
    """The empty state: one photo of each class to choose from."""
    st.info(sentence, icon=":material/image_search:")
    first_ids = cached.catalog(workspace).frame.drop_duplicates("label")["id"]
    photo_tiles.show_photos(workspace, list(first_ids)[:12], key=key, title=EXAMPLES, tile=112)


# --- a photo of the catalog ----------------------------------------------------------------------------------------


def _catalog_photo(workspace: Workspace) -> list[Query]:
    photos = cached.catalog(workspace)
    label = st.selectbox("Class", ["any class", *photos.classes], key="query_class")
    frame = photos.frame if label == "any class" else photos.frame[photos.frame["label"] == label]

    def draw() -> None:
        # By seed, so that the seventh photo of a class is the same for everybody.
        seed = int(st.session_state["turn"])
        selection.choose_query(str(frame["id"].iloc[int(np.random.default_rng(seed).integers(len(frame)))]))

    def draw_next() -> None:
        st.session_state["turn"] = (int(st.session_state.get("turn", 0)) + 1) % 1_000_000
        draw()

    st.button(RANDOM, on_click=draw_next, icon=":material/casino:", width="stretch", type="primary")
    st.number_input(
        "Seed", 0, 999_999, key="turn", on_change=draw, help="The same seed and class always give the same photo."
    )

    def choose_by_id() -> None:
        # A mistyped ID leaves the query as it is.
        image_id = str(st.session_state["query_id"]).strip()
        if photos.row(image_id) is not None:
            selection.choose_query(image_id)

    image_id = inputs.line("Photo ID", key="query_id", placeholder=photos.ids[0], on_change=choose_by_id).strip()
    if image_id and photos.row(image_id) is None:
        st.caption(f":material/error: No photo has this ID; IDs look like {plain(photos.ids[0])}.")
    query_id = selection.query_id()
    row = photos.row(query_id) if query_id else None
    if query_id is None or row is None:  # the sidebar warns when a link names a photo that is not here
        return []
    _show_query(workspace, query_id)
    selected = selection.selected_ids(photos.ids, photos.contents)
    if st.button(
        "Add to the selection",
        icon=":material/library_add:",
        width="stretch",
        disabled=query_id in selected,
        help="*Query from*, *Selection* searches with all selected photos together.",
    ):
        selection.select([*selected, query_id], photos.ids, photos.contents)
        st.rerun()
    return [query_row(photos, row)]


def _show_query(workspace: Workspace, image_id: str) -> None:
    photo_tiles.show_photos(workspace, [image_id], key="query_photo", title="Query", notes=[image_id], tile=180)


# --- an uploaded photo ---------------------------------------------------------------------------------------------


def _uploaded_photo(workspace: Workspace) -> list[Query]:
    def replace_photo(content: bytes | QueryError | None) -> None:
        st.session_state[_UPLOADED] = content
        _write_crop(None)

    def replace_from(widget: str) -> None:
        file = st.session_state[widget]
        replace_photo(None if file is None else file.getvalue())

    st.file_uploader("Your photo", type=uploads.KINDS, key="upload", on_change=replace_from, args=("upload",))
    paste_field.field("paste", replace_photo)
    if st.toggle("Use the camera", key="use_camera"):
        st.camera_input("Camera", key="camera", on_change=replace_from, args=("camera",), label_visibility="collapsed")
    st.caption(uploads.PROMISE)
    content = st.session_state.get(_UPLOADED)
    if content is None:
        return []
    if isinstance(content, QueryError):
        raise content
    photo = uploads.read(content)
    st.html(f'<img src="{photo.preview}" alt="your photo" style="width:100%;max-width:15rem;border-radius:.6rem">')
    copies = cached.catalog(workspace).copies(photo.pixel_hash)
    if copies:
        st.info(SAME_PIXELS)
    return [Query("your photo", None, copies, photo.whole, f"picture {photo.pixel_hash}")]


# --- the selection -------------------------------------------------------------------------------------------------


def _selection(workspace: Workspace) -> list[Query]:
    photos = cached.catalog(workspace)
    selected = selection.selected_ids(photos.ids, photos.contents)
    if not selected:
        st.caption("No photos are selected. Draw a lasso on the map, or use *Add to the selection* here.")
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


def _milvus_row(workspace: Workspace) -> list[Query]:
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
        _show_query(workspace, key)
        return [query_row(photos, row)]
    st.caption(f"A vector with {len(vector):,} dimensions; search it in a space with as many.")
    return [Query(f"row {key} of {collection}", None, [], None, f"row {collection} {key}", vector)]


# --- a crop of the query -------------------------------------------------------------------------------------------


def _write_crop(box: Box | None) -> None:
    url_state.write(crop=None if box is None else ",".join(map(str, box)))


def _crop_switch() -> Box | None:
    """Which part of the photo is the query: a switch kept in the address; None for the whole photo."""
    box = crop_box.parse_box(url_state.parameter("crop"))
    st.session_state["parting"] = box is not None
    st.toggle(
        "Crop query",
        key="parting",
        on_change=lambda: _write_crop(crop_box.DEFAULT_BOX if st.session_state["parting"] else None),
    )
    return box


def _crop(workspace: Workspace, query: Query, box: Box) -> Query:
    """Draw the crop box, and return the cropped query."""
    try:
        preview = (
            uploads.read(bytes(st.session_state[_UPLOADED])).preview
            if query.row is None
            else cached.thumbnail(workspace, query.name, 320)
        )
    except ImageError as error:
        raise QueryError(f"{query.name} {error}; prepare the photos again, or choose another one.") from error
    crop_box.draw(preview, "the query, with the crop in full brightness", box, key="crop", on_drawn=_write_crop)
    cropped = _cropped(workspace, query, box)
    st.caption("Draw on the photo. The crop counts as a new image, so the full photo can appear in the results.")
    return cropped


@st.cache_resource(max_entries=16, ttl=1800, show_spinner=False, hash_funcs=cached_search.KEYS)
def _cropped(workspace: Workspace, query: Query, box: Box) -> Query:
    return query_part(cached.catalog(workspace), query, box)


# --- the filter ----------------------------------------------------------------------------------------------------


def _result_filter(workspace: Workspace) -> tuple[AnswerFilter, bool]:
    """Which photos may be results: by class and split, and whether exact duplicates of the query may."""
    classes = list(cached.catalog(workspace).classes)
    with st.popover("Filter results", icon=":material/filter_alt:", width="stretch"):
        labels = st.multiselect("Classes", classes, **url_state.several("classes", classes))
        splits = st.multiselect("Splits", list(SPLITS), **url_state.several("splits", SPLITS))
        keep_duplicates = st.toggle(
            DUPLICATES,
            **url_state.switch("copies"),
            help="Other files with exactly the query's pixels. The query itself is never a result.",
        )
    if labels or splits or keep_duplicates:
        active = [*map(plain, labels), *splits, *([DUPLICATES_INCLUDED] if keep_duplicates else [])]
        st.caption(f":material/filter_alt: Results: {', '.join(active)}")
    return AnswerFilter(tuple(labels), tuple(splits)), bool(keep_duplicates)
