"""The query of the retrieval page in one row: the photo, how to choose another one, and behind *More* the rest."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib.data.catalog import SPLITS
from lib.errors import ImageError, PetalscopeError, QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval.query import Query, query_part, query_row
from lib.retrieval.search import AnswerFilter
from lib.retrieval.tag_filter import tag_filter
from lib.text import counted
from lib.view import (
    cached,
    cached_search,
    inputs,
    page_controls,
    page_frame,
    photo_tiles,
    selection,
    tag_choice,
    uploads,
    url_state,
)
from lib.view.cached_search import QuerySet
from lib.view.components import crop_box
from lib.view.components.crop_box import Box
from lib.view.formatting import plain
from lib.view.retrieval import example, feedback, query_sources
from lib.view.retrieval.query_sources import PHOTOS, ROW, SELECTION, TEXT, UPLOAD

RANDOM, PHOTO_ID, MORE = "Random photo", "Photo ID", "More"
CONTROLS = "Choose the query and settings"
DUPLICATES = "Include exact duplicates"
DUPLICATES_INCLUDED = "exact duplicates included"
EXAMPLES = "Photos to begin with"
ANY_CLASS = "any class"
_THUMBNAIL = 64  # px


@dataclass(frozen=True)
class QueryForm:
    """The queries, None where there are none (the form has said why); the places in the row and behind *More* for the
    controls of the section. `movable` queries may be moved by marks: one query that is not the selection itself."""

    queries: QuerySet | None
    controls: DeltaGenerator
    more: DeltaGenerator
    movable: bool = False


def choose(workspace: Workspace) -> QueryForm:
    """Draw the row. An error is shown below it."""
    source = _source_in_address(workspace)
    with st.container(key="query_row", horizontal=True, vertical_alignment="bottom", gap="small"):
        picture = _picture_place()
        with page_controls.sheet("retrieval", label=CONTROLS):
            _photo_choice(workspace)
            with st.popover("Upload", icon=":material/upload:", width="content"):
                query_sources.upload_fields()
            controls = _section_controls()
            menu = st.popover(MORE, icon=":material/tune:", width="content")
    with menu:
        more = st.container()
    try:
        queries = _queries(workspace, source, picture, menu)
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
        queries = None
    else:
        if queries is None:
            _show_examples(workspace, source)
    movable = queries is not None and len(queries.queries) == 1 and source != SELECTION
    if queries is not None and movable:
        queries = feedback.with_marks(workspace, queries)
        if queries.marks:
            with menu:
                feedback.show_weights()
    return QueryForm(queries, controls, more, movable)


def catalog_row(workspace: Workspace) -> tuple[int | None, DeltaGenerator]:
    """The row with photos of the catalog only: the photo's row, None without photos, and the place for controls."""
    with st.container(key="query_row", horizontal=True, vertical_alignment="bottom", gap="small"):
        picture = _picture_place()
        with page_controls.sheet("retrieval", label=CONTROLS):
            _photo_choice(workspace)
            controls = _section_controls()
    row, note = example.row_and_note(workspace)
    if row is not None:
        _show_photo(workspace, picture, cached.catalog(workspace).ids[row], note)
    return row, controls


def _picture_place() -> DeltaGenerator:
    """The place for the query photo, at the start of the row."""
    return st.container(
        key="query_picture", horizontal=True, vertical_alignment="center", gap="xsmall", width="content"
    )


def _section_controls() -> DeltaGenerator:
    """The place for the controls of a section, in the row of the query."""
    return st.container(
        key="query_controls", horizontal=True, vertical_alignment="bottom", gap="small", width="content"
    )


def _queries(workspace: Workspace, source: str, picture: DeltaGenerator, menu: DeltaGenerator) -> QuerySet | None:
    """The queries of a source, with the crop and the filter that stand in the menu."""
    photos = cached.catalog(workspace)
    with menu:
        _source_choice(workspace)
        if source == PHOTOS:
            row, note = example.row_and_note(workspace)
            found = [] if row is None else [query_row(photos, row)]
            _random_choice(workspace)
            if row is not None:
                _show_photo(workspace, picture, photos.ids[row], note)
                query_sources.selection_button(workspace, photos.ids[row])
        else:
            found = {
                UPLOAD: query_sources.uploaded_photo,
                SELECTION: query_sources.selection_queries,
                ROW: query_sources.milvus_row,
                TEXT: query_sources.text_query,
            }[source](workspace)
            _show_others(workspace, picture, found)
        label = _shared_label(workspace, [query.row for query in found])
        part, cropped_id = "", ""
        if len(found) == 1 and found[0].values is None and (box := _crop_switch()) is not None:
            part, cropped_id = ",".join(map(str, box)), "" if found[0].row is None else found[0].name
            found = [_crop(workspace, found[0], box)]
        answer_filter, keep_duplicates = _result_filter(workspace)
    _show_limits(answer_filter, keep_duplicates, part)
    if source == UPLOAD and found and found[0].copies:
        st.info(query_sources.SAME_PIXELS)
    return QuerySet(found, answer_filter, keep_duplicates, label, part, cropped_id) if found else None


def _source_in_address(workspace: Workspace) -> str:
    source = url_state.parameter("from")
    return source if source in query_sources.available(workspace) else _default_source(workspace)


def _default_source(workspace: Workspace) -> str:
    photos = cached.catalog(workspace)
    selected = selection.selected_ids(photos.ids, photos.contents)
    return SELECTION if selected and selection.query_id() is None else PHOTOS


def _source_choice(workspace: Workspace) -> None:
    """Where the query comes from: a control kept in the address."""
    photos = cached.catalog(workspace)
    selected = selection.selected_ids(photos.ids, photos.contents)
    titles = query_sources.available(workspace)
    titles |= {SELECTION: f"Selection ({len(selected)})"} if selected else {}
    page_controls.segments("Query from", titles, "from", "retrieval", _default_source(workspace))


def _shared_label(workspace: Workspace, rows: list[int | None]) -> str | None:
    """The class of all these catalog rows; None when they differ or are none, or a query is not in the catalog."""
    photos = cached.catalog(workspace)
    labels = {None if row is None else photos.labels[row] or None for row in rows}
    return labels.pop() if len(labels) == 1 else None


def single(workspace: Workspace, queries: QuerySet) -> list[QuerySet]:
    """Each query of a set as a set of its own, with the same filter."""
    return [
        QuerySet([query], queries.filter, queries.keep_duplicates, _shared_label(workspace, [query.row]))
        for query in queries.queries
    ]


def _show_examples(workspace: Workspace, source: str) -> None:
    """The state without a query: how to get one, and a photo of each class."""
    st.info(query_sources.MISSING.get(source, "There is no photo to search with."), icon=":material/image_search:")
    photos = cached.catalog(workspace)
    first_ids = photos.frame.drop_duplicates("label")["id"] if photos.classes else photos.frame["id"]
    photo_tiles.show_photos(workspace, list(first_ids)[:12], key="starters", title=EXAMPLES, tile=112)


# --- the photo -----------------------------------------------------------------------------------------------------


def _photo_choice(workspace: Workspace) -> None:
    """A random photo, or one by its ID or a part of it."""
    photos = cached.catalog(workspace)

    def draw_next() -> None:
        st.session_state["turn"] = (int(st.session_state.get("turn", 0)) + 1) % 1_000_000
        _draw(workspace)

    def choose_by_id() -> None:
        # A mistyped ID leaves the query as it is.
        found = _matches(photos.ids, str(st.session_state["query_id"]).strip())
        if len(found) == 1:
            st.session_state["query_id"] = ""
            selection.choose_query(found[0])

    st.button(RANDOM, on_click=draw_next, icon=":material/casino:", type="primary")
    with st.container(key="query_id_box", width=140, gap=None):
        word = inputs.line(
            PHOTO_ID,
            key="query_id",
            placeholder=next(iter(photos.ids), ""),
            on_change=choose_by_id,
            help="The ID of a photo, or a part of it that no other ID has.",
        ).strip()
        if word:
            count = len(_matches(photos.ids, word))
            what = "No photo has this ID" if not count else f"{counted(count, 'photo')} match: type more"
            st.caption(f":material/error: {what}.")


def _matches(ids: list[str], word: str) -> list[str]:
    """The ids that are `word`, else all that contain it."""
    if not word:
        return []
    return [word] if word in ids else [image_id for image_id in ids if word.casefold() in image_id.casefold()]


def _draw(workspace: Workspace) -> None:
    """A random photo of the chosen class, by seed, so that the seventh one is the same for everybody."""
    photos = cached.catalog(workspace)
    label = st.session_state.get("query_class", ANY_CLASS)
    frame = photos.frame if label not in photos.classes else photos.frame[photos.frame["label"] == label]
    seed = int(st.session_state.get("turn", 0))
    selection.choose_query(str(frame["id"].iloc[int(np.random.default_rng(seed).integers(len(frame)))]))


def _random_choice(workspace: Workspace) -> None:
    """What *Random photo* draws from."""
    left, right = st.columns(2)
    if classes := list(cached.catalog(workspace).classes):
        left.selectbox("Class", [ANY_CLASS, *classes], key="query_class")
    right.number_input(
        "Seed", 0, 999_999, key="turn", on_change=lambda: _draw(workspace),
        help="The same seed and class always give the same photo.",
    )  # fmt: skip


def _show_photo(workspace: Workspace, place: DeltaGenerator, image_id: str, note: str) -> None:
    row = cached.catalog(workspace).row(image_id)
    label = "" if row is None else cached.catalog(workspace).labels[row]
    with place:
        with st.container(width=_THUMBNAIL + 8):
            photo_tiles.show_photos(workspace, [image_id], key="query_photo", title="Query", tile=_THUMBNAIL, bare=True)
        st.html(
            f'<div class="ps-query"><b>{escape(label)}</b><span title="{escape(image_id)}">'
            f"{escape(image_id)}</span><small>{escape(note)}</small></div>",
            width=150,
        )


def _show_others(workspace: Workspace, place: DeltaGenerator, queries: list[Query]) -> None:
    """A query that is not one photo of the catalog, or several."""
    with place:
        shown = [query.name for query in queries if query.row is not None]
        if shown:
            with st.container(width=_THUMBNAIL + 8):
                photo_tiles.show_photos(
                    workspace, shown[:1], key="query_photo", title="Query", tile=_THUMBNAIL, bare=True
                )
        elif queries and queries[0].picture is not None:
            preview = uploads.read(query_sources.uploaded_bytes()).preview
            st.html(
                f'<img src="{preview}" alt="your photo" style="width:{_THUMBNAIL}px;height:{_THUMBNAIL}px;'
                'object-fit:cover;border-radius:.5rem">',
                width="content",
            )
        if queries:
            st.markdown(plain(queries[0].name) if len(queries) == 1 else counted(len(queries), "photo"), width=150)


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
            uploads.read(query_sources.uploaded_bytes()).preview
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
    """Which photos may be results: by class, split and tag, and whether exact duplicates of the query may."""
    classes = list(cached.catalog(workspace).classes)
    st.markdown("**Filter results**")
    left, right = st.columns(2)
    labels = left.multiselect("Classes", classes, **url_state.several("classes", classes)) if classes else []
    splits = right.multiselect("Splits", list(SPLITS), **url_state.several("splits", SPLITS))
    known = tag_choice.read(workspace)
    names = st.multiselect("Tags", known.names, **url_state.several("tags", known.names)) if known.names else []
    keep_duplicates = st.toggle(
        DUPLICATES,
        **url_state.switch("copies"),
        help="Other files with exactly the query's pixels. The query itself is never a result.",
    )
    return tag_filter(cached.catalog(workspace), known, labels, splits, names), bool(keep_duplicates)


def _show_limits(answer_filter: AnswerFilter, keep_duplicates: bool, part: str) -> None:
    """What is set behind *More* and changes the results, in a line."""
    active = [*map(plain, answer_filter.labels), *answer_filter.splits, *map(plain, answer_filter.tags)]
    active += [DUPLICATES_INCLUDED] if keep_duplicates else []
    lines = [f":material/filter_alt: Results: {', '.join(active)}"] if active else []
    lines += [f":material/crop: Query: its crop {part} (left, top, right, bottom, %)"] if part else []
    if lines:
        st.caption(" · ".join(lines))
