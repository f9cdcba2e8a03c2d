"""Photos of the catalog on a page: their class colours, their tiles, and the gallery that shows them."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from lib.data.catalog import Catalog
from lib.errors import ImageError
from lib.prepare.workspace import Workspace
from lib.view import cached, photo_viewer, selection, theme
from lib.view.components import gallery
from lib.view.components.gallery import Marking, Tile

MISSING_PHOTO = "the photo is no longer available"


def colours(photos: Catalog) -> dict[str, str]:
    """Class colours of the data set: the same on every page."""
    return theme.class_colours(photos.classes)


def legend(workspace: Workspace, counts: dict[str, str] | None = None) -> None:
    """The classes with their colours; with `counts`, those of the classes in it, each with its count."""
    class_colours = colours(cached.catalog(workspace))
    colour_key(
        (class_colours[label], f"{label} · {counts[label]}" if counts else label) for label in (counts or class_colours)
    )


def colour_key(entries: Iterable[tuple[str, str]]) -> None:
    """What each colour stands for: pairs of a colour and its meaning, in one line."""
    items = (
        f'<span class="ps-key"><i style="background:{colour}"></i>{html.escape(meaning)}</span>'
        for colour, meaning in entries
    )
    st.html(f"<div>{''.join(items)}</div>")


def described(label: str, image_id: str) -> str:
    """A photo in words, for those who do not see it; `label` is "" where there are no labels."""
    return f"photo of class {label}, {image_id}" if label else f"photo {image_id}"


def source(workspace: Workspace, image_id: str) -> str:
    """The address of a photo of the catalog; "" for a photo that is not in it, or whose file is gone."""
    try:
        return cached.thumbnail(workspace, image_id) if cached.catalog(workspace).row(image_id) is not None else ""
    except ImageError:
        return ""


def tiles(
    workspace: Workspace,
    ids: Sequence[str],
    *,
    notes: Sequence[str | tuple[str, ...]] | None = None,
    badges: Sequence[str] | None = None,
    right: Sequence[bool | None] | None = None,
) -> list[Tile]:
    """Photos of the catalog as tiles; a photo whose file is gone, or that is not in the catalog, still has one.

    `notes`, `badges` and `right` (see `Tile`) are row for row with `ids`.
    """
    photos = cached.catalog(workspace)
    class_colours = colours(photos)
    result = []
    for i, image_id in enumerate(ids):
        row = photos.row(image_id)
        label = "not in this data set" if row is None else photos.labels[row]
        picture = source(workspace, image_id)
        result.append(
            Tile(
                id=image_id,
                src=picture,
                label=label,
                colour=class_colours.get(label, theme.MUTED),
                notes=_lines(notes[i]) if notes else (),
                badge=badges[i] if badges else "",
                right=right[i] if right else None,
                alt=described(label, image_id) if picture else f"{image_id}: {MISSING_PHOTO}",
            )
        )
    return result


def show_photos(
    workspace: Workspace,
    ids: Sequence[str],
    *,
    key: str,
    title: str,
    notes: Sequence[str | tuple[str, ...]] | None = None,
    badges: Sequence[str] | None = None,
    right: Sequence[bool | None] | None = None,
    tile: int = 104,
    row: bool = False,
    bare: bool = False,
    on_pick: Callable[[str], None] = selection.choose_query,
    on_why: Callable[[str], None] | None = None,
    explained: str | None = None,
    marking: Marking | None = None,
    opens: bool = True,
) -> None:
    """Photos of the catalog as clickable tiles; a click makes the photo the query on every page, or calls `on_pick`.

    A double click, Space, or the corner of a photo opens it in the photo viewer. The other options are those of
    `gallery.show`.
    """
    opened = gallery.show(
        tiles(workspace, ids, notes=notes, badges=badges, right=right),
        key=key,
        title=title,
        on_pick=on_pick,
        tile=tile,
        row=row,
        bare=bare,
        chosen=selection.query_id(),
        on_why=on_why,
        explained=explained,
        opens=opens,
        marking=marking,
    )
    look_at(opened, workspace, ids)


def look_at(opened: str | None, workspace: Workspace, ids: Sequence[str]) -> None:
    """Open the photo viewer on the photo that a grid of `ids` has reported as opened; None opens nothing."""
    photo_viewer.open_if(opened, workspace, ids, lambda near, notes: tiles(workspace, near, notes=notes))


def _lines(note: str | tuple[str, ...]) -> tuple[str, ...]:
    return (note,) if isinstance(note, str) else note
