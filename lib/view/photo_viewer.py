"""A photo as large as the window allows, with what is known of it: a dialog that opens from any photo on a page.

It is told ids only, and shows those of the catalog: nothing that a browser sends becomes a path. Its photo is the one
that the catalog describes, upright and in sRGB; a file that is gone or has become another picture says so.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from lib.data import tags
from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.errors import ImageError, PetalscopeError
from lib.measure import leaks
from lib.measure.traits import Trait
from lib.prepare.workspace import Workspace
from lib.retrieval.query import query_row
from lib.search.near_duplicates import NearDuplicates
from lib.text import counted
from lib.view import cached, pair_heat, remedies, selection
from lib.view.cached_search import Side
from lib.view.components import gallery, photo_view
from lib.view.components.gallery import Tile
from lib.view.formatting import plain

TITLE = "Photo"
USE = "Use as query"
NOT_HERE = "This photo is not in this data set."
NOT_SEARCHED = "not searched for yet (Home, *Find duplicates*)"
WHY = "Why is this neighbour close?"
NEIGHBOURS = 8
# Traits of a space that say how the photo stands in it, in the order of the table.
TRAITS = ("predicted", "confidence", "purity", "hubness", "network", "network_confidence")
# The photo that is shown, and the last one of the grid that was, in the session's state.
_SHOWN, _PLACE = "viewed_photo", "viewed_place"
# The photo, the space and the neighbour whose nearness is explained, in the session's state.
_WHY = "viewed_why"
# Draws photos of the catalog as tiles, with a note each.
Tiles = Callable[[Sequence[str], Sequence[str]], list[Tile]]


def open_if(opened: str | None, workspace: Workspace, ids: Sequence[str], tiles: Tiles) -> None:
    """Open the dialog on the photo `opened`, which a grid of `ids` has just reported; None opens nothing."""
    if opened is None:
        return
    st.session_state[_PLACE] = ids.index(opened) if opened in ids else 0
    st.session_state[_SHOWN] = opened
    st.dialog(TITLE, width="large", on_dismiss="ignore")(_body)(workspace, list(ids), tiles)


def _body(workspace: Workspace, ids: Sequence[str], tiles: Tiles) -> None:
    photos = cached.catalog(workspace)
    shown: str = st.session_state[_SHOWN]
    row = photos.row(shown)
    if row is None:
        st.warning(NOT_HERE, icon=":material/broken_image:")
        return
    if shown in ids:
        st.session_state[_PLACE] = ids.index(shown)
    _show_photo(workspace, photos, row, ids)
    if st.button(USE, icon=":material/image_search:", key="viewer_use"):
        selection.choose_query(photos.ids[row])
        st.rerun()
    for name in [name for name in workspace.spaces if spaces.get(name).needs_weights][:1]:
        pair_heat.preload(workspace, name)
    traits = {name: cached.traits(workspace, name) for name in workspace.spaces}
    named = ", ".join(_tags(workspace, photos.hashes[row]))
    st.html(_facts(photos, row, _duplicates(workspace, photos, row), named) + _table(traits, row))
    for name in workspace.spaces:
        _show_neighbours(workspace, name, row, tiles)


def _view(image_id: str) -> None:
    st.session_state[_SHOWN] = image_id


def _show_photo(workspace: Workspace, photos: Catalog, row: int, ids: Sequence[str]) -> None:
    image_id, place = photos.ids[row], int(st.session_state[_PLACE])
    width, height = (int(photos.frame[side].iloc[row]) for side in ("width", "height"))
    in_grid = image_id in ids
    try:
        source, trouble = cached.screen_photo(workspace, image_id), ""
    except ImageError as error:
        source, trouble = "", f"{image_id} {error}"
    note = f"{place + 1} of {len(ids)}" if in_grid else "a neighbour; the arrows lead back"
    note += f" · {width:,} × {height:,} px"
    if max(width, height) > cached.SCREEN:
        note += f", reduced to {cached.SCREEN:,} px for the screen"
    photo_view.show(
        key="photo_view",
        src=source,
        alt=f"photo of class {photos.labels[row]}, {image_id}" if photos.classes else f"photo {image_id}",
        size=(width, height),
        note=note,
        previous=_at(ids, place - 1 if in_grid else place),
        following=_at(ids, place + 1),
        on_move=_view,
    )
    if trouble:
        st.warning(plain(trouble), icon=":material/broken_image:")


def _at(ids: Sequence[str], place: int) -> str | None:
    return ids[place] if 0 <= place < len(ids) else None


# --- facts -----------------------------------------------------------------------------------------------------------


def _duplicates(workspace: Workspace, photos: Catalog, row: int) -> str:
    """Whether the photo occurs more than once, in Markdown-free words."""
    copies = [photos.ids[other] for other in photos.copies(photos.hashes[row]) if other != row]
    try:
        near = leaks.stored(workspace, photos)
    except PetalscopeError:
        near = None
    words = f"equal pixels: {', '.join(copies)}" if copies else "no exact copy"
    return f"{words}; near-duplicates {_near(near, photos, row)}"


def _near(near: NearDuplicates | None, photos: Catalog, row: int) -> str:
    if near is None:
        return NOT_SEARCHED.replace("*", "")
    splits = list(photos.frame["split"])
    pairs = near.rows[(near.rows == row).any(axis=1)].tolist()
    others = [b if a == row else a for a, b in pairs]
    named = [
        photos.ids[other] + (" (leak)" if (splits[other] == "test") != (splits[row] == "test") else "")
        for other in others
    ]
    return f"{len(named)}: {', '.join(named)}" if named else "none found"


def _tags(workspace: Workspace, sha256: str) -> list[str]:
    """The user's tags of a picture; none where they cannot be read, which the map's selection reports."""
    try:
        return tags.read(workspace.folder).of(sha256)
    except PetalscopeError:
        return []


def _facts(photos: Catalog, row: int, duplicates: str, named: str) -> str:
    """What the catalog knows of a photo, as HTML."""
    record = photos.frame.iloc[row]
    facts = {
        "Photo ID": photos.ids[row],
        **({"Class": photos.labels[row]} if photos.classes else {}),
        "Split": str(record["split"]),
        "Size": f"{int(record['width']):,} × {int(record['height']):,} px, upright",
        "File": counted(int(record["bytes"]), "byte"),
        "Pixel hash": photos.hashes[row],
        "Duplicates": duplicates,
    } | ({"Tags": named} if named else {})
    rows = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="ps-facts">{rows}</dl>'


def _table(traits: dict[str, dict[str, Trait]], row: int) -> str:
    """How the photo stands in each space, as HTML; a trait that no space has is left out."""
    columns = {name: space[name] for name in TRAITS for space in traits.values() if name in space}
    if not columns:
        return ""
    head = "".join(
        f'<th scope="col" title="{html.escape(trait.about)}">{html.escape(trait.title)}</th>'
        for trait in columns.values()
    )
    body = ""
    for space, known in traits.items():
        cells = "".join(f"<td>{html.escape(_value(known.get(name), row))}</td>" for name in columns)
        body += f'<tr><th scope="row">{html.escape(spaces.get(space).title)}</th>{cells}</tr>'
    return (
        '<div class="ps-wide" tabindex="0" role="group" aria-label="In each space">'
        f'<table class="ps-table"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _value(trait: Trait | None, row: int) -> str:
    """A trait's value of a photo; a dash where it has none."""
    value = None if trait is None else trait.values[row]
    if trait is None or value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if trait.kind != "number":
        return str(value)
    return f"{value:.0%}" if trait.name in {"confidence", "purity", "network_confidence"} else f"{value:,.4g}"


def _show_neighbours(workspace: Workspace, space: str, row: int, tiles: Tiles) -> None:
    """The nearest photos under cosine in a space; a click shows one here."""
    title = f"Nearest in {spaces.get(space).title} (cosine)"
    try:
        near = cached.neighbourhoods(workspace, space)
    except PetalscopeError as error:
        st.caption(plain(remedies.sentence(error)))
        return
    photos = cached.catalog(workspace)
    rows = [int(other) for other in near.rows["cosine"][row][:NEIGHBOURS] if other >= 0]
    st.caption(plain(title if rows else f"{title}: no other photo."))
    if rows:
        notes = [f"{value:.4f}" for value in near.values["cosine"][row][: len(rows)]]
        items = tiles([photos.ids[other] for other in rows], notes)
        chosen = st.session_state.get(_WHY)
        explained = chosen[2] if chosen is not None and chosen[:2] == (photos.ids[row], space) else None
        gallery.show(
            items,
            key=f"viewer_near_{space}",
            title=title,
            on_pick=_view,
            tile=84,
            row=True,
            on_why=partial(_explain, photos.ids[row], space),
            explained=explained,
        )
        if explained is not None:
            st.markdown(f"**{WHY}**")
            pair_heat.show(workspace, query_row(photos, row), explained, [Side("cosine", space)], key=f"viewer_{space}")


def _explain(shown: str, space: str, neighbour: str) -> None:
    """Explain why a neighbour of the photo `shown` is near in a space; a second click closes it."""
    chosen = (shown, space, neighbour)
    st.session_state[_WHY] = None if st.session_state.get(_WHY) == chosen else chosen
