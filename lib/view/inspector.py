"""The Milvus page: where the user is, and which part of it is drawn."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib import workspace
from lib.errors import PetalscopeError
from lib.store import connections
from lib.store.connections import Connection
from lib.view import (
    asked,
    cached,
    changing,
    connecting,
    links,
    milvus_map,
    milvus_search,
    overview,
    quality,
    rowing,
    schema,
    stepping,
    ui,
    vector_health,
)
from lib.view.asked import Here
from lib.workspace import Workspace

# How a link calls a part, its title, and what draws it.
PARTS: dict[str, tuple[str, Callable[[Here], None]]] = {
    "overview": ("Overview", overview.show),
    "schema": ("Schema", schema.show),
    "rows": ("Rows", rowing.show),
    "search": ("Search", milvus_search.show),
    "quality": ("Index quality", quality.show),
    "health": ("Health", vector_health.show),
    "map": ("Map", milvus_map.show),
    "steps": ("Five steps", stepping.show),
    "change": ("Change", changing.show),
}


def place() -> Here:
    """The connection and the collection that the user looks at. Raises StoreError with the remedy."""
    connection, beside = connecting.choose()
    opened = _photos(connection)
    connection, pulse = connecting.health(connection)
    mine = opened if connection.name == connections.MAIN else None
    names = asked.names(connection, mine.version if mine is not None else "")
    with beside:
        name = _collection(connection, names, opened) if names else None
    return Here(connection, pulse, tuple(names), name, opened)


def show(here: Here) -> None:
    """The part that the user chose."""
    chosen = st.segmented_control(
        "Part",
        list(PARTS),
        required=True,
        format_func=lambda part: PARTS[part][0],
        wrap=True,
        label_visibility="collapsed",
        **links.choice("part", "milvus", list(PARTS), "overview"),
    )
    PARTS[chosen][1](here)


def _photos(connection: Connection) -> Workspace | None:
    """The prepared photos. Other people's collections can be looked at without any."""
    try:
        opened = cached.open_workspace()
        cached.catalog(opened)
    except PetalscopeError as error:
        if connection.name == connections.MAIN:
            ui.nothing_ready(str(error))
        return None
    ui.workspace()
    return opened


def _collection(connection: Connection, names: list[str], opened: Workspace | None) -> str:
    """The chosen collection; those of the open photos come first."""
    own: tuple[str, ...] = ()
    if opened is not None and connection.name == connections.MAIN:
        mine = opened.state["collections"].get(workspace.store_key(opened.settings), {})
        own = tuple(mine[space]["base"] for space in opened.spaces if space in mine)
        # The space that other pages begin with begins here, too.
        names = sorted(names, key=lambda name: next((i for i, base in enumerate(own) if name.startswith(base)), -1))
    ordered = sorted(names, key=lambda name: not name.startswith(own)) if own else names
    wanted = links.told("collection")
    if wanted and wanted not in names:
        st.warning(f"There is no collection {ui.plain(wanted[:200])} here any more; this is another one.")
    return str(st.selectbox("Collection", ordered, **links.choice("collection", "milvus", ordered, ordered[0])))
