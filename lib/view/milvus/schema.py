"""Milvus page, Schema: every field, and every index with its parameters, where they come from, and its size."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from lib.store import sizing
from lib.view import formatting
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus.overview import told

_FLAGS = {
    "primary": "primary key",
    "auto_id": "auto id",
    "nullable": "nullable",
    "is_partition_key": "partition key",
    "is_clustering_key": "clustering key",
    "is_function_output": "function output",
    "is_dynamic": "dynamic",
}


def show(here: MilvusContext) -> None:
    """Fields, then indexes."""
    entry = here.entry
    st.subheader("Fields")
    fields = pd.DataFrame([_field(field) for field in entry["fields"]])
    said = [name for name in fields if name in {"Field", "Type", "Is"} or (fields[name] != "").any()]
    st.dataframe(fields[said], hide_index=True, width="stretch")
    if entry["dynamic"]:
        st.caption("Rows may have more fields than these: dynamic fields, kept as JSON in `$meta`.")
    for function in entry.get("functions") or []:
        st.json(formatting.exact(function), expanded=False)
    st.subheader("Indexes")
    searchable = [field["name"] for field in entry["fields"] if "VECTOR" in field["type"]]
    missing = [name for name in searchable if name not in {index["field"] for index in entry["indexes"]}]
    untold = [item for item in entry["unavailable"] if item["call"] in {"list_indexes", "describe_index"}]
    if untold:
        st.warning(
            f"The engine did not tell all indexes ({plain(untold[0]['reason'])}), so some may be missing here: "
            "*Ask again* tries once more.",
            icon=":material/warning:",
        )
    elif missing:
        st.info(
            f"Without an index: {plain(', '.join(missing))}. Milvus Lite scans all rows to search there; a server "
            "refuses to load the collection."
        )
    for index in entry["indexes"]:
        _index(index, entry, lite=here.lite)


def _field(field: dict[str, Any]) -> dict[str, Any]:
    kind = field["type"] + (f"<{field['element_type']}>" if field.get("element_type") else "")
    return {
        "Field": field["name"],
        "Type": kind,
        "Is": ", ".join(words for flag, words in _FLAGS.items() if field.get(flag)),
        "Dimension": "" if field["dim"] is None else str(field["dim"]),
        "Longest": "" if field["max_length"] is None else str(field["max_length"]),
        "Most elements": str(field.get("max_capacity") or ""),
        "Default": "" if field.get("default") is None else str(field["default"]),
        "Description": field.get("description", ""),
    }


def _index(index: dict[str, Any], entry: dict[str, Any], *, lite: bool) -> None:
    with st.container(border=True):
        metric = f", metric **{plain(index['metric_type'])}**" if index["metric_type"] else ""
        st.markdown(f"**{plain(index['index_type'])}** on **{plain(index['field'])}**{metric}")
        if index.get("warning"):
            st.warning(plain(index["warning"]), icon=":material/warning:")
        known = dict.fromkeys([*index["source"], *index["params"]])
        if known:
            st.dataframe(
                pd.DataFrame(
                    [
                        {
                            "Build parameter": name,
                            "Value": told(index["params"].get(name)),
                            "Source": index["source"].get(name, "reported"),
                        }
                        for name in known
                    ]
                ),
                hide_index=True,
                width="stretch",
                column_config={
                    "Source": st.column_config.TextColumn(
                        help="reported: the engine says so. default: it says nothing, and its source code has this "
                        "value. not exposed: the parameter exists, and its value cannot be learnt."
                    )
                },
            )
        else:
            st.caption("This type has no build parameters.")
        _size(index, entry, lite=lite)
        state = index["state"] or "not told"
        counted = ", ".join(f"{name} {told(value)}" for name, value in index["rows"].items())
        note = f" :material/warning: {plain(index['state_note'])}" if index.get("state_note") else ""
        st.caption(f"State **{plain(state)}**{f' ({counted})' if counted else ''}.{note}")
        with st.expander("The engine's own answer", icon=":material/data_object:"):
            st.json(formatting.exact(index["raw"]), expanded=True)


def _size(index: dict[str, Any], entry: dict[str, Any], *, lite: bool) -> None:
    field = next((field for field in entry["fields"] if field["name"] == index["field"]), None)
    rows = entry["rows"]["count"] if entry["rows"]["count"] is not None else entry["rows"]["row_count"]
    if field is None or "VECTOR" not in field["type"] or rows is None:
        return
    kind = "FLAT" if index.get("pretended") else index["index_type"]
    size = sizing.size(kind, field["type"], rows, field["dim"], index["params"], lite=lite)
    if size.memory is None:
        st.caption(f"Memory: not known ({size.formula}).")
        return
    assumed = [name for name, source in index["source"].items() if source == "not exposed" and name in {"M", "nlist"}]
    st.caption(
        f"Memory, estimated: **{sizing.told(size.memory)}** = {plain(size.formula)}, for {rows:,} rows"
        + (f"; {', '.join(assumed)} assumed, since it is not exposed" if assumed else "")
    )
