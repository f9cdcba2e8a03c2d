"""Milvus page, Overview: every index with all its parameters, and every field."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.documents.inspect import CollectionDocument, FieldDocument, IndexDocument
from lib.store import collections, index_types, vector_search
from lib.store.index_parameters import IndexParameter, index_parameters
from lib.store.index_types import IndexSize
from lib.text import counted
from lib.view import formatting
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import measured_recall
from lib.view.milvus.connect import REFRESH
from lib.view.milvus.stats import MEMORY, index_sizes

ATTRIBUTES = "Key / attributes"
PARAMETER, SOURCE = "Index parameter", "Source"
_ALWAYS = frozenset({"Field", "Type", ATTRIBUTES})  # columns that are shown even when empty
_FLAGS = {
    "primary": "primary key",
    "auto_id": "auto id",
    "nullable": "nullable",
    "is_partition_key": "partition key",
    "is_clustering_key": "clustering key",
    "is_function_output": "function output",
    "is_dynamic": "dynamic",
}


def show_indexes(context: MilvusContext, entry: CollectionDocument) -> None:
    """Each index with every parameter, those of vector fields first."""
    _without_index(entry)
    vectors = {field["name"] for field in entry["fields"] if "VECTOR" in field["type"]}
    sizes = index_sizes(entry, lite=context.lite)
    for index in sorted(entry["indexes"], key=lambda index: index["field"] not in vectors):
        _index(index, entry, sizes.get(index["field"]), lite=context.lite)
        measured_recall.measure_button(context, index)


def show_fields(entry: CollectionDocument) -> None:
    """Every field with its type, attributes and limits."""
    fields = pd.DataFrame([_field(field) for field in entry["fields"]])
    columns = [name for name in fields if name in _ALWAYS or (fields[name] != "").any()]
    st.dataframe(fields[columns], hide_index=True, width="stretch")
    if entry["dynamic"]:
        st.caption("Rows may have further fields: dynamic fields, kept as JSON in `$meta`.")
    for function in entry.get("functions") or []:
        st.json(formatting.exact(function), expanded=False)


def _without_index(entry: CollectionDocument) -> None:
    """A note on vector fields that have no index, or on indexes that could not be read."""
    failed = [item for item in entry["unavailable"] if item["call"] in {"list_indexes", "describe_index"}]
    if failed:
        st.warning(
            f"Some indexes could not be read ({plain(failed[0]['reason'])}) and may be missing below: *{REFRESH}* "
            "tries again.",
            icon=":material/warning:",
        )
        return
    indexed = {index["field"] for index in entry["indexes"]}
    vector_fields = [field["name"] for field in entry["fields"] if "VECTOR" in field["type"]]
    missing = [name for name in vector_fields if name not in indexed]
    if missing:
        st.info(
            f"Without an index: {plain(', '.join(missing))}. Milvus Lite scans all rows to search there; a server "
            "refuses to load the collection."
        )


def _field(field: FieldDocument) -> dict[str, str]:
    type_ = field["type"] + (f"<{field['element_type']}>" if field.get("element_type") else "")
    return {
        "Field": field["name"],
        "Type": type_,
        ATTRIBUTES: ", ".join(attribute for flag, attribute in _FLAGS.items() if field.get(flag)),
        "Dimension": "" if field["dim"] is None else str(field["dim"]),
        "Max length": "" if field["max_length"] is None else str(field["max_length"]),
        "Max capacity": str(field.get("max_capacity") or ""),
        "Default": "" if field.get("default") is None else str(field["default"]),
        "Description": field.get("description", ""),
    }


def _index(index: IndexDocument, entry: CollectionDocument, size: IndexSize | None, *, lite: bool) -> None:
    if index.get("warning"):
        st.warning(plain(index["warning"]), icon=":material/warning:")
    ours = collections.is_ours(entry)
    searched_with = vector_search.plan_search("cosine", 10, 0)[1] if ours else None
    parameters = index_parameters(index, lite=lite, searched_with=searched_with, made_here=ours)
    title = f"Index on {index['field']}" + (f", named {index['name']}" if index["name"] != index["field"] else "")
    st.table(_table(parameters, title), border="horizontal", hide_index=True)
    _size(index, entry, size)
    with st.expander(f"Raw answer of the engine: {plain(index['field'])}", icon=":material/data_object:"):
        st.json(formatting.exact(index["raw"]), expanded=True)


def _table(parameters: list[IndexParameter], title: str) -> pd.DataFrame:
    """The parameters as cells of Markdown, a row each; the title heads the column of names."""
    return pd.DataFrame(
        [
            {plain(title): plain(each.name), "Value": f"**{plain(each.value)}**", SOURCE: plain(each.source),
             "What it does": plain(each.about)}
            for each in parameters
        ]
    )  # fmt: skip


def _size(index: IndexDocument, entry: CollectionDocument, size: IndexSize | None) -> None:
    if size is None:
        return
    if size.memory is None:
        st.caption(f"Memory: not known ({size.formula}).")
        return
    rows = entry["rows"]["count"] if entry["rows"]["count"] is not None else entry["rows"]["row_count"]
    assumed = [name for name, source in index["source"].items() if source == "not exposed" and name in {"M", "nlist"}]
    st.caption(
        f"{MEMORY}: **{index_types.format_bytes(size.memory)}** = {plain(size.formula)}, for "
        f"{counted(rows or 0, 'row')}" + (f"; assumed, since not exposed: {', '.join(assumed)}" if assumed else "")
    )
