"""Milvus page, Search: by a row, a photo or a pasted vector, in any vector field, under its index's metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.data import thumbnails
from lib.documents.inspect import CollectionDocument, FieldDocument, IndexDocument
from lib.embed import embedder, spaces
from lib.errors import StoreError
from lib.store import collections, field_search, index_types
from lib.store import rows as store_rows
from lib.store.field_search import FieldAnswers
from lib.view import cached, formatting, inputs, page_controls, selection, uploads, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import filter_builder, load_prompt, row_photos
from lib.view.milvus.values import known_or_not

WAYS = {"row": "A row", "photo": "A photo", "typed": "Paste a vector"}
_RANDOM_ROWS = 500  # rows from which a random one is taken
_IMAGES = ["jpg", "jpeg", "png", "webp", "bmp", "gif"]
PHOTO_TITLE = "Rows like this one"
TIMED = "round trip, measured by this client"
NO_FIELD = "This collection has no vector field that can be searched here."
NO_RESULT = "No row matches: the filter excludes all rows, or the collection is empty."


@dataclass(frozen=True)
class _Query:
    """A vector to search with: an array, or a sparse vector; and the key of the row that is left out of the results."""

    vector: Any
    leave_out: str | None = None


def show(context: MilvusContext) -> None:
    """The query and its options, then the results."""
    if load_prompt.show(context):
        return
    entry = context.read_entry()
    fields = {field["name"]: field for field in field_search.vector_fields(entry)}
    if not fields:
        st.info(NO_FIELD)
        return
    columns = st.columns([4, 3, 2, 5], vertical_alignment="bottom")
    with columns[0]:
        name = st.selectbox(
            "Field",
            list(fields),
            format_func=lambda each: _title(fields[each]),
            **url_state.choice("field", "milvus_search", list(fields), next(iter(fields))),
        )
    index = field_search.index_on(entry, name)
    with columns[1]:
        metric = _metric_choice(index, fields[name])
    k = int(columns[2].number_input("Results (k)", **url_state.number("answers", 1, 200, 12)))
    with columns[3]:
        way = page_controls.segments("Search with", WAYS, "with", "milvus_search", "row")
    params = _parameters(context, index, k)
    text = filter_builder.choose(context, "search")
    scalars = [field["name"] for field in entry["fields"] if "VECTOR" not in field["type"] and not field["primary"]]
    output = st.multiselect("Fields to show", scalars, default=scalars[:4], key=f"output {context.name}")
    query = _query(context, entry, fields[name], way)
    if query is None:
        return
    try:
        results = field_search.search(
            context.open_store(), entry, name, query.vector, limit=k, metric=metric, params=params, filter=text,
            output_fields=output, leave_out=query.leave_out,
        )  # fmt: skip
    except StoreError as error:
        filter_builder.failed(context, error, text)
        return
    _results(context, results, params)


def _title(field: FieldDocument) -> str:
    return f"{field['name']} · {field['type']}" + (f"({field['dim']})" if field["dim"] else "")


def _metric_choice(index: IndexDocument | None, field: FieldDocument) -> str:
    """The index's metric; a choice only where there is no index."""
    if index is not None and index["metric_type"]:
        built = str(index["metric_type"])
        about = "The metric that the index is built for. Under another one Milvus Lite returns wrong results, silently."
        st.selectbox("Metric", [built], disabled=True, key=f"metric {field['name']} {built}", help=about)
        return built
    metrics = {"SPARSE_FLOAT_VECTOR": ["IP"], "BINARY_VECTOR": ["HAMMING", "JACCARD"]}.get(
        field["type"], ["COSINE", "L2", "IP"]
    )
    return str(st.selectbox("Metric", metrics, help="There is no index, so any metric can be chosen."))


def _parameters(context: MilvusContext, index: IndexDocument | None, k: int) -> dict[str, float]:
    """The index's search parameters, each with a control."""
    parameters = index_types.search_parameters(index, k, lite=context.lite)
    if not parameters:
        kind = index["index_type"] if index else "no index"
        st.caption(f"{plain(kind)} has no search parameters.")
        return {}
    values = {}
    for column, parameter in zip(st.columns([2, 5])[: len(parameters)], parameters, strict=False):
        number = int if float(parameter.default).is_integer() and parameter.most > 1 else float
        values[parameter.name] = column.number_input(
            parameter.name,
            number(parameter.least),
            number(parameter.most),
            number(parameter.default),
            key=f"{parameter.name} {k} {context.name}",
            help=parameter.help,
        )
    return values


def _query(context: MilvusContext, entry: CollectionDocument, field: FieldDocument, way: str) -> _Query | None:
    """None while the user has given nothing to search with."""
    if way == "typed":
        example = "7:0.5 9:0.2" if field["type"] == "SPARSE_FLOAT_VECTOR" else "0.1, -0.2, …"
        text = inputs.text("Vector", placeholder=example, key=f"typed {field['name']}", height=80)
        return _Query(field_search.parse_vector(text, field)) if text.strip() else None
    if way == "photo":
        vector = _of_photo(context, entry, field)
        return None if vector is None else _Query(vector)
    return _of_row(context, entry, field)


def _of_row(context: MilvusContext, entry: CollectionDocument, field: FieldDocument) -> _Query | None:
    """The stored vector of a row, by its primary key: that of the address, else the query photo of all pages."""
    like = url_state.parameter(row_photos.LIKE) or selection.query_id() or ""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    key = inputs.line(
        "Primary key",
        where=left,
        value=like,
        key=f"like {context.name} {like}",
        help="The row itself is left out of the results.",
    ).strip()

    def random_row() -> None:
        rows = store_rows.browse(context.open_store(), entry["name"], limit=_RANDOM_ROWS)
        primary = next(each["name"] for each in entry["fields"] if each["primary"])
        if rows:
            url_state.write(**{row_photos.LIKE: str(rows[np.random.default_rng().integers(len(rows))][primary])})

    right.button(
        "Random row",
        icon=":material/casino:",
        on_click=random_row,
        width="stretch",
        help=f"Picks from the first {_RANDOM_ROWS} rows.",
    )
    if not key:
        st.caption("Type a key, pick a random row, or click a photo on any page.")
        return None
    return _Query(field_search.stored_vector(context.open_store(), entry, key, field["name"]), key)


def _of_photo(context: MilvusContext, entry: CollectionDocument, field: FieldDocument) -> np.ndarray | None:
    """The vector of an uploaded photo; None, with a hint, where the photo cannot be embedded for this field."""
    workspace = context.workspace
    able = [] if workspace is None else [each for each in workspace.spaces if spaces.takes_photos(each)]
    fitting = [each for each in able if spaces.get(each).dim == field["dim"]]
    if field["type"] in {"INT8_VECTOR", "BINARY_VECTOR"}:
        st.info(f"{field['type']} cannot hold a photo's vector, which has fractions: search with a row or a vector.")
        return None
    if workspace is None or not fitting:
        st.info(
            f"No prepared space that takes photos has {field['dim']} dimensions, so a photo cannot be embedded for "
            "this field: search with a row or a vector."
        )
        return None
    provenance = collections.provenance(context.open_store(), entry["name"])
    if provenance.get("space") in fitting:
        space = str(provenance["space"])
    else:
        space = str(st.selectbox("Embed the photo in", fitting, format_func=lambda each: spaces.get(each).title))
        st.caption(
            ":material/warning: This collection does not record its network. If it was made with another one, the "
            "results mean nothing."
        )
    upload = st.file_uploader("A photo", type=_IMAGES, key="milvus_photo")
    if upload is None:
        return None
    photo = uploads.read(upload.getvalue())
    st.image(thumbnails.encode(photo.whole, 160), caption="your photo")
    vector = embedder.query_vector(cached.embedder(workspace, space), photo.whole)
    return collections.centre(vector[None])[0] if provenance.get("centred") else np.asarray(vector)


def _results(context: MilvusContext, results: FieldAnswers, params: dict[str, float]) -> None:
    for note in results.notes:
        st.warning(plain(note), icon=":material/warning:")
    direction = "larger = closer" if results.higher_is_closer else "smaller = closer"
    used = ", ".join(f"{name} {known_or_not(value)}" for name, value in params.items())
    st.caption(
        f"**{plain(results.value_name)}**, {direction}{f' · {used}' if used else ''} · "
        f"**{results.milliseconds:.1f} ms**, {TIMED}"
    )
    if not results.rows:
        st.info(NO_RESULT)
        return
    keys = [str(row["key"]) for row in results.rows]
    row_photos.show(
        context,
        results.rows,
        keys,
        key="like_photos",
        title=PHOTO_TITLE,
        badges=[f"#{rank}" for rank in range(1, len(keys) + 1)],
        notes=[f"{row['value']:.4f}" for row in results.rows],
    )
    metric = "L2²" if results.metric == "L2" else results.metric
    table = pd.DataFrame(
        {"Rank": rank, "Key": key, metric: row["value"]} | _fields(row)
        for rank, (key, row) in enumerate(zip(keys, results.rows, strict=True), start=1)
    )
    st.dataframe(table, hide_index=True, width="stretch")
    page_controls.csv_button(table, "milvus-search")
    with st.expander("The same search in pymilvus", icon=":material/code:"):
        st.code(results.code, language="python")


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    """The row's own fields as table cells."""
    return {
        name: formatting.exact(store_rows.table_cell(value))
        for name, value in row.items()
        if name not in {"key", "value"}
    }
