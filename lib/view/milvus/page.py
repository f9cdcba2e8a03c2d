"""The Milvus page: the user's connection and collection, and the part of the page that is shown."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import streamlit as st

from lib.errors import PetalscopeError
from lib.prepare.workspace import Workspace, store_key
from lib.store import pool
from lib.store.pool import Connection
from lib.text import shortened
from lib.view import cached, cached_milvus, page_controls, page_frame, remedies, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import (
    changes,
    connect,
    field_space,
    index_quality,
    map,
    measured_recall,
    overview,
    quickstart,
    rows,
    search,
    vector_health,
)

# The sections of the page. By the value of the link parameter `section`: the parts of each, with title and function.
Part = tuple[str, Callable[[MilvusContext], None]]
SECTIONS: dict[str, dict[str, Part]] = {
    "Overview": {"overview": ("Overview", overview.show)},
    "Rows & search": {"rows": ("By key", rows.show), "search": ("By similarity", search.show)},
    "Index quality": {"quality": ("Index quality", index_quality.show)},
    "Vectors": {
        "health": ("Health", vector_health.show),
        "map": ("Map", map.show),
        "space": ("As a space", field_space.show),
    },
    connect.CHANGES: {"steps": ("Five steps", quickstart.show), "change": ("Change", changes.show)},
}
_SWITCHES = {"Rows & search": "Order", "Vectors": "View", connect.CHANGES: "Learn or change"}
_OF_THE_INDEX = frozenset({"overview", "quality"})  # parts that read what the verdict needs
_FIRST = next(iter(SECTIONS.items()))
RETRY = f"Other connections are under *{connect.CONNECT}* above; *{connect.REFRESH}* tries again."


def choose() -> MilvusContext:
    """The controls for connection and collection. Raises StoreError with the remedy."""
    connection, places = connect.choose()
    workspace = _photos(connection)
    connection, pulse = connect.health(connection, places.state)
    own = connection.name == pool.MAIN
    names = cached_milvus.collection_names(connection, workspace.version if own and workspace is not None else "")
    with places.collection:
        name = _collection(connection, names, workspace) if names else None
    return MilvusContext(connection, pulse, tuple(names), name, workspace)


def show(context: MilvusContext) -> None:
    """The section that the user has chosen, and of its parts the chosen one."""
    linked = url_state.parameter(url_state.SECTION)
    title, parts = next(((title, parts) for title, parts in SECTIONS.items() if linked in parts), _FIRST)
    firsts = {next(iter(each)): name for name, each in SECTIONS.items()}
    # The address names the part; the control over it shows the section that the part belongs to.
    page_controls.segments("Section", firsts, url_state.SECTION, "milvus", next(iter(parts)), label_is_shown=False)
    part = next(iter(parts))
    if len(parts) > 1:
        titles = {name: part_title for name, (part_title, _) in parts.items()}
        part = page_controls.segments(
            _SWITCHES[title], titles, url_state.SECTION, "milvus_part", part, label_is_shown=False
        )
    early = part in _OF_THE_INDEX
    if early:
        _verdict(context)
    parts[part][1](context)
    if not early:  # what it reads takes time in proportion to the rows, on Lite, or a slow server's
        _verdict(context)


def _verdict(context: MilvusContext) -> None:
    """The verdict on the chosen collection's index; the page's lead stays where there is none."""
    if context.name is not None:
        with contextlib.suppress(PetalscopeError):  # the section says what cannot be read
            measured_recall.show_verdict(context)


def _photos(connection: Connection) -> Workspace | None:
    """The prepared photos. None are needed to look at a store that is not Petalscope's own."""
    try:
        workspace = cached.open_workspace()
        cached.catalog(workspace)
    except PetalscopeError as error:
        if connection.name == pool.MAIN:
            page_frame.nothing_ready(remedies.sentence(error))
        return None
    page_frame.workspace()
    return workspace


def _collection(connection: Connection, names: list[str], workspace: Workspace | None) -> str:
    """The chosen collection. Those of the prepared photos come first, in the order of their spaces."""
    bases: tuple[str, ...] = ()
    if workspace is not None and connection.name == pool.MAIN:
        by_space = workspace.state["collections"].get(store_key(workspace.settings), {})
        bases = tuple(by_space[space]["base"] for space in workspace.spaces if space in by_space)
        # The other pages begin with the same space.
        names = sorted(names, key=lambda name: next((i for i, base in enumerate(bases) if name.startswith(base)), -1))
    ordered = sorted(names, key=lambda name: not name.startswith(bases)) if bases else names
    linked = url_state.parameter("collection")
    if linked and linked not in names:
        st.warning(f"There is no collection {plain(shortened(linked))} in this store; another one is shown.")
    return str(st.selectbox("Collection", ordered, **url_state.choice("collection", "milvus", ordered, ordered[0])))
