"""Rows of a collection as photos: those of the prepared data set, or files that a field of the row names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from lib.data import images, thumbnails
from lib.errors import ImageError
from lib.store import rows
from lib.view import cached, photo_tiles, selection, theme, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.components import gallery
from lib.view.components.gallery import Tile

LIKE = "like"  # the link parameter that holds the key of the row to search with
SEARCH = "Search with it"
_LABELS = ("label", "class", "category", "title", "name")  # fields that may hold a row's label


def show(
    context: MilvusContext,
    rows: Sequence[dict[str, Any]],
    keys: Sequence[str],
    *,
    key: str,
    title: str,
    badges: Sequence[str] | None = None,
    notes: Sequence[str] | None = None,
    tile: int = 96,
    row: bool = False,
) -> int:
    """Tiles of the rows that have a photo; a click searches with that row. Returns how many tiles there are.

    `keys` are the rows' primary keys; `badges` and `notes` have one text for each row.
    """
    colours = {} if context.workspace is None else photo_tiles.colours(cached.catalog(context.workspace))
    tiles = []
    for place, (fields, row_key) in enumerate(zip(rows, keys, strict=True)):
        source = _source(context, fields, row_key)
        if not source:
            continue
        label = _label(context, fields, row_key)
        tiles.append(
            Tile(
                id=row_key,
                src=source,
                label=label or row_key,
                colour=colours.get(label, theme.MUTED),
                notes=(notes[place],) if notes else (),
                badge=badges[place] if badges else "",
                alt=f"photo of row {row_key}",
            )
        )
    if tiles:
        # Rows of a foreign collection have keys that are no photos of this data set.
        ids = [] if context.workspace is None else [tile.id for tile in tiles]
        photos = None if context.workspace is None else cached.catalog(context.workspace)
        opened = gallery.show(
            tiles,
            key=key,
            title=title,
            on_pick=_pick(context),
            tile=tile,
            row=row,
            chosen=url_state.parameter(LIKE),
            opens=photos is not None and any(photos.row(image_id) is not None for image_id in ids),
        )
        if context.workspace is not None:
            photo_tiles.look_at(opened, context.workspace, ids)
    return len(tiles)


def search_button(key: str, width: Literal["content", "stretch"] = "content") -> None:
    """A button that searches with a row."""

    def search() -> None:
        url_state.write(**{LIKE: key}, section="search")

    st.button(SEARCH, icon=":material/search:", on_click=search, width=width)


def _label(context: MilvusContext, fields: dict[str, Any], row_key: str) -> str:
    """The row's own label, else that of the photo with its key, else ""."""
    label = next((str(fields[name]) for name in _LABELS if fields.get(name)), "")
    if label or context.workspace is None:
        return label
    photos = cached.catalog(context.workspace)
    photo_row = photos.row(row_key)
    return "" if photo_row is None else str(photos.frame["label"].iloc[photo_row])


def _pick(context: MilvusContext) -> Callable[[str], None]:
    def pick(row_key: str) -> None:
        if context.workspace is not None and cached.catalog(context.workspace).row(row_key) is not None:
            selection.choose_query(row_key, **{LIKE: row_key})
        else:
            url_state.write(**{LIKE: row_key})

    return pick


def _source(context: MilvusContext, fields: dict[str, Any], row_key: str) -> str:
    """The address of a row's thumbnail, "" where there is no photo."""
    if context.workspace is not None:
        photos = cached.catalog(context.workspace)
        for name in (row_key, fields.get("path"), fields.get("id")):
            if isinstance(name, str) and photos.row(name) is not None:
                try:
                    return cached.thumbnail(context.workspace, name)
                except ImageError:  # the file is gone
                    return ""
    path = rows.photo_file(cached.current_settings(), fields)
    if path is None:
        return ""
    try:
        return _thumbnail(str(path), path.stat().st_mtime)
    except (ImageError, OSError):
        return ""


@st.cache_data(max_entries=5_000, show_spinner=False)
def _thumbnail(path: str, modified: float) -> str:
    # `modified` only keys the cache: a file that has changed is read anew.
    return gallery.data_uri(thumbnails.encode(images.open_rgb(Path(path)), cached.THUMBNAIL))
