"""The Milvus page: where the user is, and which part of it is drawn."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib.errors import PetalscopeError
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.store import pool
from lib.store.pool import Connection
from lib.view import cached, cached_milvus, page_frame, remedies, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import (
    changes,
    connect,
    index_quality,
    map,
    overview,
    quickstart,
    rows,
    schema,
    search,
    vector_health,
)

# How a link calls a part, its title, and what draws it.
PARTS: dict[str, tuple[str, Callable[[MilvusContext], None]]] = {
    "overview": ("Overview", overview.show),
    "schema": ("Schema", schema.show),
    "rows": ("Rows", rows.show),
    "search": ("Search", search.show),
    "quality": ("Index quality", index_quality.show),
    "health": ("Health", vector_health.show),
    "map": ("Map", map.show),
    "steps": ("Five steps", quickstart.show),
    "change": ("Change", changes.show),
}


def place() -> MilvusContext:
    """The connection and the collection that the user looks at. Raises StoreError with the remedy."""
    connection, beside = connect.choose()
    opened = _photos(connection)
    connection, pulse = connect.health(connection)
    mine = opened if connection.name == pool.MAIN else None
    names = cached_milvus.names(connection, mine.version if mine is not None else "")
    with beside:
        name = _collection(connection, names, opened) if names else None
    return MilvusContext(connection, pulse, tuple(names), name, opened)


def show(here: MilvusContext) -> None:
    """The part that the user chose."""
    chosen = st.segmented_control(
        "Part",
        list(PARTS),
        required=True,
        format_func=lambda part: PARTS[part][0],
        wrap=True,
        label_visibility="collapsed",
        **url_state.choice("part", "milvus", list(PARTS), "overview"),
    )
    PARTS[chosen][1](here)


def _photos(connection: Connection) -> Workspace | None:
    """The prepared photos. Other people's collections can be looked at without any."""
    try:
        opened = cached.open_workspace()
        cached.catalog(opened)
    except PetalscopeError as error:
        if connection.name == pool.MAIN:
            page_frame.nothing_ready(remedies.sentence(error))
        return None
    page_frame.workspace()
    return opened


def _collection(connection: Connection, names: list[str], opened: Workspace | None) -> str:
    """The chosen collection; those of the open photos come first."""
    own: tuple[str, ...] = ()
    if opened is not None and connection.name == pool.MAIN:
        mine = opened.state["collections"].get(workspace.store_key(opened.settings), {})
        own = tuple(mine[space]["base"] for space in opened.spaces if space in mine)
        # The space that other pages begin with begins here, too.
        names = sorted(names, key=lambda name: next((i for i, base in enumerate(own) if name.startswith(base)), -1))
    ordered = sorted(names, key=lambda name: not name.startswith(own)) if own else names
    wanted = url_state.parameter("collection")
    if wanted and wanted not in names:
        st.warning(f"There is no collection {plain(wanted[:200])} here any more; this is another one.")
    return str(st.selectbox("Collection", ordered, **url_state.choice("collection", "milvus", ordered, ordered[0])))
