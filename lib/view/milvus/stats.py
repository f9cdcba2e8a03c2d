"""Milvus page, Overview: what a collection holds, as figures in boxes, and its other properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import pandas as pd
import streamlit as st

from lib.documents.inspect import CollectionDocument, UnavailableCall
from lib.store import field_search, index_types, lite_files
from lib.store.index_types import IndexSize
from lib.text import counted
from lib.view import formatting, page_controls
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus.values import NOT_EXPOSED, known_or_not

ROWS, VECTORS, MEMORY, LOAD, CONSISTENCY = "Rows, count(*)", "Vectors", "Memory, estimated", "Load state", "Consistency"
_OBJECTS = {"segments": "Segments on disk", "loaded_segments": "Loaded segments", "replicas": "Replicas"}


def show(context: MilvusContext, entry: CollectionDocument) -> None:
    """Rows, vectors, memory, load state, consistency and engine, a box each."""
    rows = entry["rows"]
    fields = field_search.vector_fields(entry)
    sizes = [size for size in index_sizes(entry, lite=context.lite).values() if size.memory is not None]
    memory = sum(size.memory or 0 for size in sizes)
    disk = lite_files.disk_bytes(context.connection.uri, entry["name"]) if context.connection.lite else None
    page_controls.numbers(
        "collection",
        (
            ROWS.replace("*", r"\*"),
            known_or_not(rows["count"]),
            f"row_count {known_or_not(rows['row_count'])}",
            "count(\\*) is counted by a query; a server needs the collection loaded for that. row_count is the "
            "engine's statistic; a server counts flushed rows only.",
        ),
        (
            VECTORS,
            " + ".join(f"{field['dim']:,}-d" if field["dim"] else "sparse" for field in fields) or "none",
            f"{counted(len(entry['fields']), 'field')}: *Fields* below",
            ", ".join(f"{plain(field['name'])}: {field['type']}" for field in fields),
        ),
        (
            MEMORY,
            index_types.format_bytes(memory) if sizes and rows["count"] is not None else "not known",
            f"{index_types.format_bytes(disk)} on disk" if disk is not None else "of the indexes, by formula",
            "; ".join(plain(size.formula) for size in sizes) + (". On disk: its files, added up." if disk else ""),
        ),
        (LOAD, known_or_not(entry["load_state"]), "searches need it loaded", ""),
        (
            CONSISTENCY,
            known_or_not(entry["consistency"]),
            "level of reads",
            "Strong: a read sees every earlier write. Bounded: it may miss the newest. Eventually: no promise.",
        ),
        (
            "Engine",
            "Milvus Lite" if context.lite else "Milvus server",
            plain(context.pulse.version.removeprefix("milvus_lite-")),
            f"{context.pulse.milliseconds:.1f} ms for one small call, measured by this client.",
        ),
    )
    if rows.get("note"):
        st.caption(f":material/info: {rows['note']}")
    elif rows["count"] is None:
        st.caption(":material/info: Load the collection to run count(\\*) (see *Rows & search*).")


def index_sizes(entry: CollectionDocument, *, lite: bool) -> dict[str, IndexSize]:
    """The estimated size of each index on a vector field, by field; none while the number of rows is not known."""
    rows = entry["rows"]["count"] if entry["rows"]["count"] is not None else entry["rows"]["row_count"]
    fields = {field["name"]: field for field in entry["fields"] if "VECTOR" in field["type"]}
    sizes: dict[str, IndexSize] = {}
    for index in entry["indexes"]:
        field = fields.get(index["field"])
        if field is not None and rows is not None:
            kind = "FLAT" if index.get("pretended") else index["index_type"]
            sizes[field["name"]] = index_types.estimated_size(
                kind, field["type"], rows, field["dim"], index["params"], lite=lite
            )
    return sizes


def show_properties(entry: CollectionDocument) -> None:
    """Partitions, aliases, shards and the rest; objects of a server; the calls that the engine refused."""
    properties(
        {
            "Partitions": _listed(entry["partitions"]),
            "Aliases": _listed(entry["aliases"]),
            "Shards": known_or_not(entry.get("shards")),
            "Dynamic fields": "yes" if entry["dynamic"] else "no",
            "Replicas": _counted(entry, "replicas"),
            "Segments on disk": _counted(entry, "segments"),
            "Segments loaded": _counted(entry, "loaded_segments"),
            "Properties": ", ".join(f"{name} = {value}" for name, value in entry["properties"].items()) or "none",
        }
    )
    if entry.get("description"):
        with st.expander("Description", icon=":material/notes:"):
            st.code(entry["description"], language=None, wrap_lines=True)
    reported = cast("Mapping[str, Any]", entry)
    for key, title in _OBJECTS.items():
        if reported.get(key):
            with st.expander(f"{title}, as the engine reports them", icon=":material/data_object:"):
                st.json(formatting.exact(reported[key]), expanded=False)
    _unsupported(entry["unavailable"])


def properties(values: dict[str, str]) -> None:
    """Names and values as a table."""
    st.dataframe(
        pd.DataFrame({"Property": list(values), "Value": list(values.values())}),
        hide_index=True,
        width="stretch",
        column_config={
            "Property": st.column_config.TextColumn(width=150),
            "Value": st.column_config.TextColumn(width=800),
        },
    )


def _listed(names: list[str]) -> str:
    """The names after their number; numbers within names in numeric order (`_pk_2` before `_pk_10`)."""

    def order(name: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name)]

    return f"{len(names)}: " + ", ".join(sorted(names, key=order)) if names else "none"


def _counted(entry: CollectionDocument, key: str) -> str:
    if key not in entry:
        return NOT_EXPOSED
    parts = cast("Mapping[str, Any]", entry)[key]
    if key == "replicas":
        return str(len(parts))
    rows = sum(int(part.get("num_rows") or 0) for part in parts if isinstance(part, dict))
    return f"{len(parts)}" + (f", {counted(rows, 'row')}" if rows else "")


def _unsupported(items: list[UnavailableCall]) -> None:
    """The calls that the engine refused, each with the reason."""
    if items:
        title = f"{counted(len(items), 'call')} about this collection not supported"
        with st.expander(title, icon=":material/help:"):
            st.dataframe(
                pd.DataFrame(items).rename(columns={"call": "Call", "reason": "Reason"}),
                hide_index=True,
                width="stretch",
            )
