"""Rows of a collection as photos: those of the prepared data set, or files that a field of the row names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from lib.data import images, thumbnails
from lib.errors import ImageError
from lib.store import row_photos
from lib.view import cached, photo_tiles, selection, theme, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.components import gallery
from lib.view.components.gallery import Tile

LIKE = "like"  # the row that is searched with, in the address
_LABELS = ("label", "class", "category", "title", "name")


def show(
    here: MilvusContext,
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
    """Tiles of those rows that have a photo here; a click searches with that row. Gives how many there were."""
    photos = None if here.opened is None else cached.catalog(here.opened)
    known = {} if photos is None else photo_tiles.colours(photos)
    tiles = []
    for place, (values, row_key) in enumerate(zip(rows, keys, strict=True)):
        source = _source(here, values, row_key)
        if not source:
            continue
        label = next((str(values[name]) for name in _LABELS if values.get(name)), "")
        if not label and here.opened is not None and photos is not None and photos.row(row_key) is not None:
            label = str(photos.frame["label"].iloc[photos.row(row_key)])
        tiles.append(
            Tile(
                id=row_key,
                src=source,
                label=label or row_key,
                colour=known.get(label, theme.MUTED),
                notes=(notes[place],) if notes else (),
                badge=badges[place] if badges else "",
                alt=f"photo of row {row_key}",
            )
        )
    if tiles:
        gallery.show(
            tiles, key=key, title=title, on_pick=_pick(here), tile=tile, row=row, chosen=url_state.parameter(LIKE)
        )
    return len(tiles)


def _pick(here: MilvusContext) -> Any:
    def pick(row_key: str) -> None:
        if here.opened is not None and cached.catalog(here.opened).row(row_key) is not None:
            selection.choose(row_key, **{LIKE: row_key})
        else:
            url_state.write(**{LIKE: row_key})

    return pick


def _source(here: MilvusContext, values: dict[str, Any], row_key: str) -> str:
    if here.opened is not None:
        photos = cached.catalog(here.opened)
        for name in (row_key, values.get("path"), values.get("id")):
            if isinstance(name, str) and photos.row(name) is not None:
                try:
                    return cached.thumbnail(here.opened, name)
                except ImageError:  # the file is gone
                    return ""
    path = row_photos.file_of(cached.current_settings(), values)
    if path is None:
        return ""
    try:
        return _small(str(path), path.stat().st_mtime)
    except (ImageError, OSError):
        return ""


@st.cache_data(max_entries=5_000, show_spinner=False)
def _small(path: str, changed: float) -> str:
    return gallery.data_uri(thumbnails.encode(images.open_rgb(Path(path)), cached.THUMBNAIL))
