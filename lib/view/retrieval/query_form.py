"""Choosing what to search with on the retrieval page: a photo, a picture from outside, several photos, a Milvus row."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import streamlit as st

from lib.data.catalog import SPLITS, Catalog
from lib.errors import ImageError, QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval.query import Query, query_part, query_picture, query_row
from lib.retrieval.search import AnswerFilter
from lib.store import field_search as vectors
from lib.store import pool
from lib.view import cached, cached_milvus, inputs, page_frame, photo_tiles, selection, uploads, url_state
from lib.view.cached_search import QuerySet
from lib.view.components import crop_box, paste_field
from lib.view.components.crop_box import Box
from lib.view.formatting import plain
from lib.view.uploads import Picture

PHOTOS, UPLOAD, SELECTION, ROW = "photos", "upload", "selection", "row"
SOURCES = {PHOTOS: "Photos", UPLOAD: "Upload", SELECTION: "Selection", ROW: "Milvus row"}
# Of a larger selection so many are asked, so that an answer stays a matter of a second.
MOST_QUERIES = 24


def choose(opened: Workspace) -> QuerySet | None:
    """The controls that choose the query, and the query; None until there is one."""
    photos = cached.catalog(opened)
    chosen, picked = selection.query(), selection.picked(photos.ids, photos.contents)
    titles = SOURCES | {SELECTION: f"Selection ({len(picked)})" if picked else "Selection"}
    default = SELECTION if picked and chosen is None else PHOTOS
    source = str(
        st.segmented_control(
            "Query from",
            list(SOURCES),
            required=True,
            format_func=titles.__getitem__,
            wrap=True,
            **url_state.choice("from", "retrieval", list(SOURCES), default),
        )
    )
    queries = {PHOTOS: _photo, UPLOAD: _own, SELECTION: _selected, ROW: _stored}[source](opened)
    part, whole = "", queries[0] if len(queries) == 1 else None
    if whole is not None and (whole.row is not None or whole.picture is not None):
        queries, part = _parts(opened, whole)
    among, keep = _allowed(opened)
    name = whole.name if part and whole is not None and whole.row is not None else ""
    return QuerySet(queries, among, keep, part, name) if queries else None


# --- a photo of the catalog ----------------------------------------------------------------------------------------


def _photo(opened: Workspace) -> list[Query]:
    photos = cached.catalog(opened)
    label = st.selectbox("Class", ["any class", *photos.classes], key="query_class")
    rows = photos.frame if label == "any class" else photos.frame[photos.frame["label"] == label]

    def draw() -> None:
        # By number, so that the seventh photo of a class is the same for everybody.
        seed = int(st.session_state["turn"])
        selection.choose(str(rows["id"].iloc[int(np.random.default_rng(seed).integers(len(rows)))]))

    def another() -> None:
        st.session_state["turn"] = (int(st.session_state.get("turn", 0)) + 1) % 1_000_000
        draw()

    button, seed = st.columns([3, 2], vertical_alignment="bottom")
    button.button("Another", on_click=another, icon=":material/casino:", width="stretch", type="primary")
    seed.number_input(
        "Seed", 0, 999_999, key="turn", on_change=draw, help="One seed and class always draw the same photo."
    )

    def named() -> None:
        # A mistyped id leaves the query alone.
        typed = str(st.session_state["query_id"]).strip()
        if photos.row(typed) is not None:
            selection.choose(typed)

    typed = inputs.line("Or its id", key="query_id", placeholder=photos.ids[0], on_change=named).strip()
    if typed and photos.row(typed) is None:
        st.caption(f":material/error: No photo here has this id; ids look like {plain(photos.ids[0])}.")
    chosen = selection.query()
    row = photos.row(chosen) if chosen else None
    if chosen is None or row is None:  # the sidebar says so when a link names a photo that is not here
        return []
    _query_tile(opened, chosen)
    picked = selection.picked(photos.ids, photos.contents)
    if st.button(
        "Add to the selection",
        icon=":material/library_add:",
        width="stretch",
        disabled=chosen in picked,
        help="The photos of the selection can be asked together: *Query from*, *Selection*.",
    ):
        selection.pick([*picked, chosen], photos.ids, photos.contents)
        st.rerun()
    return [query_row(photos, row)]


def _query_tile(opened: Workspace, image_id: str) -> None:
    photo_tiles.show_photos(opened, [image_id], key="query_photo", title="Query", notes=[image_id], tile=180)


# --- a picture from outside ----------------------------------------------------------------------------------------


def _own(opened: Workspace) -> list[Query]:
    def bring(what: bytes | QueryError | None) -> None:
        st.session_state["own"] = what
        _crop(None)

    def uploaded() -> None:
        file = st.session_state["upload"]
        bring(None if file is None else file.getvalue())

    def taken() -> None:
        file = st.session_state["camera"]
        bring(None if file is None else file.getvalue())

    st.file_uploader("A photo of yours", type=uploads.KINDS, key="upload", on_change=uploaded)
    paste_field.field("paste", bring)
    if st.toggle("Use the camera", key="use_camera"):
        st.camera_input("Camera", key="camera", on_change=taken, label_visibility="collapsed")
    st.caption(uploads.PROMISE)
    own = st.session_state.get("own")
    if own is None:
        return []
    if isinstance(own, QueryError):
        raise own
    picture = uploads.read(own)
    st.html(f'<img src="{picture.preview}" alt="your photo" style="width:100%;max-width:15rem;border-radius:.6rem">')
    query = _outside(opened.version, hashlib.sha256(own).hexdigest(), cached.catalog(opened), picture)
    if query.copies:
        st.info("These very pixels are in the data set too; that photo is left out of the answers.")
    return [query]


@st.cache_resource(max_entries=3, ttl=1800, show_spinner=False)
def _outside(version: str, sha256: str, _photos: Catalog, _picture: Picture) -> Query:
    return query_picture(_photos, _picture.whole, "your photo")


# --- several photos ------------------------------------------------------------------------------------------------


def _selected(opened: Workspace) -> list[Query]:
    photos = cached.catalog(opened)
    picked = selection.picked(photos.ids, photos.contents)
    if not picked:
        st.caption("Nothing is selected. Draw a lasso on the map, or add photos here with *Add to the selection*.")
        return []
    places = np.unique(np.linspace(0, len(picked) - 1, min(MOST_QUERIES, len(picked))).round().astype(int))
    asked = [picked[place] for place in places]
    some = f"{len(asked)} of the {len(picked):,} selected photos, evenly spread," if len(asked) < len(picked) else ""
    st.caption(
        f"{some or f'{len(asked)} photos'} are asked together: the best answers are those with the lowest mean rank "
        "over them. None of them is an answer."
    )
    photo_tiles.show_photos(opened, asked, key="query_photos", title="Queries", tile=62)
    if st.button("Clear the selection", icon=":material/close:", width="stretch"):
        selection.pick([], photos.ids, photos.contents)
        st.rerun()
    return [query_row(photos, photos.row(image_id) or 0) for image_id in asked]


# --- a row of a Milvus collection ----------------------------------------------------------------------------------


def _stored(opened: Workspace) -> list[Query]:
    photos = cached.catalog(opened)
    own = pool.own(cached.current_settings())
    names = cached_milvus.names(own, opened.version)
    if not names:
        st.caption("The store holds no collection yet.")
        return []
    collection = st.selectbox("Collection", names, **url_state.choice("collection", "retrieval", names, names[0]))
    entry = cached_milvus.entry(own, collection)
    fields = vectors.vector_fields(entry, vectors.DENSE)
    if entry["load_state"] != "Loaded" or not fields:
        lacks = "has no field of float vectors" if not fields else "is not loaded; the Milvus page can load it"
        st.caption(f"This collection {lacks}.")
        return []
    key = inputs.line("Key of the row", placeholder=photos.ids[0], **url_state.text_field("row")).strip()
    if not key:
        return []
    values = vectors.stored(cached.store(), entry, key, fields[0]["name"])
    row = photos.row(key)
    ours = {entry["base"] for mine in opened.state["collections"].values() for entry in mine.values()}
    if row is not None and any(collection.startswith(base) for base in ours):
        _query_tile(opened, key)
        return [query_row(photos, row)]
    st.caption(f"A vector of {len(values):,} numbers, searched in spaces of as many.")
    return [Query(f"row {key} of {collection}", None, [], None, f"row {collection} {key}", values)]


# --- a part of a picture, and what may be an answer ----------------------------------------------------------------


def _crop(box: Box | None) -> None:
    url_state.write(part=None if box is None else ",".join(map(str, box)))


def _parts(opened: Workspace, query: Query) -> tuple[list[Query], str]:
    """The query, or the part of its picture that the user has chosen."""
    box = crop_box.boxed(url_state.parameter("part"))
    st.session_state["parting"] = box is not None

    def switched() -> None:
        _crop(crop_box.MIDDLE if st.session_state["parting"] else None)

    st.toggle("Only a part of it", key="parting", on_change=switched)
    if box is None:
        return [query], ""
    try:
        source = cached.thumbnail(opened, query.name, 320) if query.row is not None else uploads.read(_bytes()).preview
    except ImageError as error:
        raise QueryError(f"{query.name} {error}; prepare the photos again, or choose another one.") from error
    crop_box.draw(source, "the query, its part bright", box, key="crop", on_drawn=_crop)
    part = ",".join(map(str, box))
    found = _part(opened.version, query.key, box, cached.catalog(opened), query)
    st.caption("Draw on the picture. The part is a picture of its own, so the whole photo may be an answer.")
    return [found], part


@st.cache_resource(max_entries=16, ttl=1800, show_spinner=False)
def _part(version: str, key: str, box: Box, _photos: Catalog, _query: Query) -> Query:
    return query_part(_photos, _query, box)


def _bytes() -> bytes:
    own: Any = st.session_state["own"]
    return bytes(own)


def _allowed(opened: Workspace) -> tuple[AnswerFilter, bool]:
    """Which photos may be answers: a filter by class and split, and whether copies of the query are kept."""
    photos = cached.catalog(opened)
    with st.popover("Which answers", icon=":material/filter_alt:", width="stretch"):
        labels = st.multiselect("Classes", list(photos.classes), **url_state.several("classes", list(photos.classes)))
        splits = st.multiselect("Splits", list(SPLITS), **url_state.several("splits", SPLITS))
        keep = st.toggle(
            "Exact copies of the query too",
            **url_state.switch("copies"),
            help="Other files with exactly the query's pixels. The query itself is never an answer.",
        )
    if labels or splits or keep:
        said = [*map(page_frame.plain, labels), *splits, *(["exact copies too"] if keep else [])]
        st.caption(f":material/filter_alt: Answers: {', '.join(said)}")
    return AnswerFilter(tuple(labels), tuple(splits)), bool(keep)


def starters(opened: Workspace) -> None:
    """Where no photo is chosen yet: one of each class to begin with."""
    st.info("Choose a photo to search with: one of these, or any other.", icon=":material/image_search:")
    firsts = cached.catalog(opened).frame.drop_duplicates("label")["id"]
    photo_tiles.show_photos(opened, list(firsts)[:12], key="starters", title="Photos to begin with", tile=112)
