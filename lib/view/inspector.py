"""The parts of the Milvus page."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from lib import workspace
from lib.errors import StoreError
from lib.store import inspect, milvus, similar
from lib.view import cached, selection, ui
from lib.workspace import Workspace

PAGE = 50


def overview() -> dict[str, Any]:
    """What the store says, for all collections; also the line that names it. Raises StoreError with the remedy."""
    address = workspace.address(cached.current_settings())
    document = cached.inspected(address, None)
    columns = st.container(key="numbers").columns([2, 2, 1])
    kind = "Milvus Lite" if document["engine"] == "lite" else "Milvus server"
    columns[0].metric("Engine", kind, border=True, height="stretch")
    columns[1].metric("Version", document["server_version"], border=True, height="stretch")
    columns[2].metric("Collections", len(document["collections"]), border=True, height="stretch")
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.caption(f"Address: {ui.plain(address)} · read only · asked at most every 20 s")
    if right.button("Ask again", icon=":material/refresh:", width="stretch"):
        cached.inspected.clear()
        st.rerun()
    return document


def table(document: dict[str, Any]) -> None:
    """All collections at a glance."""
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "Collection": entry["name"],
                    "row_count": entry["rows"]["row_count"],
                    "count(*)": entry["rows"]["count"],
                    "Load state": entry["load_state"],
                    "Indexes": ", ".join(
                        f"{index['index_type']} ({index['metric_type']})" for index in entry["indexes"]
                    ),
                    "Consistency": entry["consistency"],
                    "Partitions": len(entry["partitions"]),
                    "Aliases": ", ".join(entry["aliases"]),
                }
                for entry in document["collections"]
            ]
        ),
        hide_index=True,
        width="stretch",
    )


def choose(document: dict[str, Any], opened: Workspace) -> dict[str, Any]:
    """The collection that the user looks at; those of the open photos come first."""
    mine = opened.state["collections"].get(workspace.store_key(opened.settings), {})
    own = tuple(entry["base"] for entry in mine.values())
    ordered = sorted(document["collections"], key=lambda entry: not entry["name"].startswith(own))
    entries = {entry["name"]: entry for entry in ordered}
    name = st.selectbox("Collection", list(entries), key="collection", bind="query-params")
    return dict(entries[name])


def schema(entry: dict[str, Any]) -> None:
    """Row counts, fields, and what the engine could not answer."""
    rows = entry["rows"]
    counts = st.container(key="numbers_rows").columns(4)
    counts[0].metric(
        "row_count",
        _shown(rows["row_count"]),
        border=True,
        help="The engine's statistic; a server counts flushed rows only.",
    )
    counts[1].metric(
        "count(*)", _shown(rows["count"]), border=True, help="Counted by a query; needs a loaded collection."
    )
    counts[2].metric("Load state", str(entry["load_state"]), border=True)
    counts[3].metric("Consistency", str(entry["consistency"]), border=True)
    if rows.get("note"):
        st.caption(rows["note"])
    fields = pd.DataFrame(entry["fields"])
    st.dataframe(fields.dropna(axis="columns", how="all"), hide_index=True, width="stretch")
    if entry.get("description"):
        with st.expander("Description", icon=":material/notes:"):
            st.code(entry["description"], language=None, wrap_lines=True)
    if entry["unavailable"]:
        with st.expander(f"{len(entry['unavailable'])} questions this engine does not answer", icon=":material/help:"):
            st.dataframe(pd.DataFrame(entry["unavailable"]), hide_index=True, width="stretch")


def indexes(entry: dict[str, Any]) -> None:
    """Every index with its build parameters, each tagged with where the value comes from."""
    if not entry["indexes"]:
        st.info("This collection has no index: searches scan all rows.")
    for index in entry["indexes"]:
        st.markdown(
            f"**{ui.plain(index['index_type'])}** on **{ui.plain(index['field'])}**, "
            f"metric **{ui.plain(str(index['metric_type']))}**"
        )
        known = dict.fromkeys([*index["source"], *index["params"]])
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "Parameter": name,
                        "Value": _shown(index["params"].get(name)),
                        "Source": index["source"].get(name, "reported"),
                    }
                    for name in known
                ]
            ),
            hide_index=True,
            width="stretch",
        )
        for note in ("warning", "state_note"):
            if index.get(note):
                st.caption(f":material/warning: {ui.plain(index[note])}")
        with st.expander("The engine's own answer", icon=":material/data_object:"):
            st.json(index["raw"], expanded=True)


def rows(entry: dict[str, Any], opened: Workspace) -> None:
    """Rows a page at a time, with photos where the ids are photos of this data set."""
    text = st.text_input(
        "Filter",
        placeholder='label == "rose" and split == "test"',
        key="filter",
        bind="query-params",
        help="A Milvus expression; leave it empty for all rows.",
    )
    trail = st.session_state.setdefault(f"trail_{entry['name']}_{text}", [None])
    if len(trail) > 1 and st.button("First page", icon=":material/first_page:"):
        del trail[1:]
        st.rerun()
    found = inspect.browse(cached.store(), entry["name"], after_id=trail[-1], limit=PAGE, filter=text)
    if not found:
        st.caption("No row matches.")
        return
    photos = cached.catalog(opened)
    here = [str(row["id"]) for row in found if photos.row(str(row.get("id", ""))) is not None]
    if here:
        ui.show_photos(opened, here[:12], key="row_photos", title="Photos of these rows", row=True, tile=84)
    st.dataframe(pd.DataFrame(found), hide_index=True, width="stretch", height=320)
    if len(found) == PAGE and st.button("Next page", icon=":material/navigate_next:"):
        key = next(field["name"] for field in entry["fields"] if field["primary"])
        trail.append(found[-1][key])
        st.rerun()


def search(entry: dict[str, Any], opened: Workspace) -> None:
    """Rows like one row of the collection, by the index's own metric."""
    keys = [field for field in entry["fields"] if field["primary"]]
    typed = st.text_input(
        "Rows like the row with this key",
        value=selection.query() or "",
        key=f"like_{entry['name']}_{selection.query()}",  # a photo clicked anywhere takes the place of what was typed
        help="The vector of that row is searched in this very collection, by its index's metric.",
    )
    if not typed or not keys:
        st.caption("Type a key, or click a photo anywhere.")
        return
    answer = similar.similar(cached.store(), entry["name"], typed, limit=12)
    direction = "larger = closer" if answer["higher_is_closer"] else "smaller = closer"
    st.caption(
        f"{answer['value_name']} ({direction}) · {answer['milliseconds']:.1f} ms, timed here, in this process, the way "
        "there and back included"
    )
    photos = cached.catalog(opened)
    if all(photos.row(row["key"]) is not None for row in answer["rows"]):
        ui.show_photos(
            opened,
            [row["key"] for row in answer["rows"]],
            key="like_photos",
            title="Rows like this one",
            badges=[f"#{place}" for place in range(1, len(answer["rows"]) + 1)],
            notes=[f"{row['value']:.4f}" for row in answer["rows"]],
            tile=96,
        )
    else:
        st.dataframe(pd.DataFrame(answer["rows"]), hide_index=True, width="stretch")


def not_loaded(entry: dict[str, Any]) -> bool:
    """Whether rows cannot be read yet; offers to load the collection, which changes nothing in it."""
    if entry["load_state"] == "Loaded":
        return False
    st.info(
        "This collection is not loaded, so its rows cannot be read or searched. Loading takes memory and changes "
        "nothing else."
    )
    if st.button("Load it", icon=":material/memory:", type="primary"):
        try:
            milvus.ensure_loaded(cached.store(), entry["name"])
        except StoreError as error:
            ui.failed(error)
            return True
        cached.inspected.clear()
        st.rerun()
    return True


def _shown(value: object) -> str:
    return "not known" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
