"""Milvus page, Search: by a row, a photo or a typed vector, in any vector field, by its index's own metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import embedder, spaces
from lib.errors import StoreError
from lib.store import collections, field_search
from lib.store import rows as reading
from lib.store.field_search import FieldAnswers
from lib.view import cached, formatting, inputs, page_controls, selection, uploads, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import filter_builder, load_prompt, row_photos
from lib.view.milvus.overview import told

WAYS = {"row": "A row", "photo": "A photo", "typed": "A typed vector"}


def show(here: MilvusContext) -> None:
    """What is searched with and how, then the answers."""
    if load_prompt.not_loaded(here):
        return
    entry = here.entry
    fields = {field["name"]: field for field in field_search.vector_fields(entry)}
    if not fields:
        st.info("This collection has no vector field that can be searched here.")
        return
    first = st.columns([2, 2, 1, 2], vertical_alignment="bottom")
    with first[0]:
        name = st.selectbox(
            "Field",
            list(fields),
            format_func=lambda each: _title(fields[each]),
            **url_state.choice("field", "milvus_search", list(fields), next(iter(fields))),
        )
    index = field_search.index_on(entry, name)
    with first[1]:
        metric = _metric(index, fields[name])
    limit = int(first[2].number_input("Answers", **url_state.number("answers", 1, 200, 12)))
    with first[3]:
        way = st.segmented_control(
            "Search with",
            list(WAYS),
            format_func=WAYS.__getitem__,
            required=True,
            wrap=True,
            **url_state.choice("with", "milvus_search", list(WAYS), "row"),
        )
    params = _parameters(here, index, limit)
    text = filter_builder.choose(here, "search")
    shown = [field["name"] for field in entry["fields"] if "VECTOR" not in field["type"] and not field["primary"]]
    output = st.multiselect("Fields to show", shown, default=shown[:4], key=f"output {here.name}")
    query = _query(here, entry, fields[name], way)
    if query is None:
        return
    vector, leave_out = query
    try:
        answer = field_search.search(
            here.store, entry, name, vector, limit=limit, metric=metric, params=params, filter=text,
            output_fields=output, leave_out=leave_out,
        )  # fmt: skip
    except StoreError as error:
        filter_builder.failed(here, error, text)
        return
    _answers(here, answer, params)


def _title(field: dict[str, Any]) -> str:
    return f"{field['name']} · {field['type']}" + (f"({field['dim']})" if field["dim"] else "")


def _metric(index: dict[str, Any] | None, field: dict[str, Any]) -> str:
    """The index's metric; a choice only where there is no index."""
    if index is not None and index["metric_type"]:
        built = index["metric_type"]
        why = "The one that the index is built for. Milvus Lite would answer any other without an error, and wrongly."
        st.selectbox("Metric", [built], disabled=True, key=f"metric {field['name']} {built}", help=why)
        return str(built)
    choice = {"SPARSE_FLOAT_VECTOR": ["IP"], "BINARY_VECTOR": ["HAMMING", "JACCARD"]}.get(
        field["type"], ["COSINE", "L2", "IP"]
    )
    return str(st.selectbox("Metric", choice, help="There is no index, so the metric is yours to choose."))


def _parameters(here: MilvusContext, index: dict[str, Any] | None, limit: int) -> dict[str, float]:
    offered = field_search.parameters(index, limit, lite=here.lite)
    if not offered:
        kind = index["index_type"] if index else "no index"
        st.caption(f"{plain(kind)} has no search parameters.")
        return {}
    chosen = {}
    for column, each in zip(st.columns([2, 5])[: len(offered)], offered, strict=False):
        whole = float(each.default).is_integer() and each.most > 1
        value = column.number_input(
            each.name,
            int(each.least) if whole else float(each.least),
            int(each.most) if whole else float(each.most),
            int(each.default) if whole else float(each.default),
            key=f"{each.name} {limit} {here.name}",
            help=each.help,
        )
        chosen[each.name] = value
    return chosen


def _query(
    here: MilvusContext, entry: dict[str, Any], field: dict[str, Any], way: str
) -> tuple[Any, str | None] | None:
    """The vector to search with and the key to leave out; None while there is nothing to search with."""
    if way == "typed":
        shape = "7:0.5 9:0.2" if field["type"] == "SPARSE_FLOAT_VECTOR" else "0.1, -0.2, …"
        text = inputs.text("Vector", placeholder=shape, key=f"typed {field['name']}", height=80)
        return (field_search.parsed(text, field), None) if text.strip() else None
    if way == "photo":
        vector = _of_photo(here, entry, field)
        return None if vector is None else (vector, None)
    like = url_state.parameter(row_photos.LIKE) or selection.query() or ""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    key = inputs.line(
        "Key of the row",
        where=left,
        value=like,
        key=f"like {here.name} {like}",
        help="The row itself is left out of the answers.",
    ).strip()

    def any_row() -> None:
        found = reading.browse(here.store, entry["name"], limit=500)
        primary = next(each["name"] for each in entry["fields"] if each["primary"])
        if found:
            url_state.write(**{row_photos.LIKE: str(found[np.random.default_rng().integers(len(found))][primary])})

    right.button("Any row", icon=":material/casino:", on_click=any_row, width="stretch", help="One of the first 500.")
    if not key:
        st.caption("Type a key, take any row, or click a photo anywhere.")
        return None
    return field_search.stored(here.store, entry, key, field["name"]), key


def _of_photo(here: MilvusContext, entry: dict[str, Any], field: dict[str, Any]) -> np.ndarray | None:
    opened = here.opened
    fitting = [] if opened is None else [each for each in opened.spaces if spaces.get(each).dim == field["dim"]]
    if field["type"] in {"INT8_VECTOR", "BINARY_VECTOR"}:
        st.info(
            f"A photo's vector has fractions, which {field['type']} cannot hold: search with a row or a typed vector."
        )
        return None
    if opened is None or not fitting:
        st.info(
            f"No prepared space has vectors of {field['dim']} numbers, so a photo cannot be turned into one: search "
            "with a row or a typed vector."
        )
        return None
    said = collections.provenance(here.store, entry["name"])
    own = said.get("space") in fitting
    space = str(said["space"]) if own else fitting[0]
    if not own:
        space = str(
            st.selectbox("Turn the photo into a vector by", fitting, format_func=lambda each: spaces.get(each).title)
        )
        st.caption(
            ":material/warning: Nothing says that this collection was made with the same network; if it was not, the "
            "answers mean nothing."
        )
    upload = st.file_uploader("A photo", type=["jpg", "jpeg", "png", "webp", "bmp", "gif"], key="milvus_photo")
    if upload is None:
        return None
    picture = uploads.read(upload.getvalue())
    st.image(cached.encoded(picture.whole, 160), caption="your photo")
    vector = embedder.query_vector(cached.embedder(opened, space), picture.whole)
    return collections.centre(vector[None])[0] if said.get("centred") else np.asarray(vector)


def _answers(here: MilvusContext, answer: FieldAnswers, params: dict[str, float]) -> None:
    for note in answer.notes:
        st.warning(plain(note), icon=":material/warning:")
    direction = "larger = closer" if answer.higher_is_closer else "smaller = closer"
    used = ", ".join(f"{name} {told(value)}" for name, value in params.items())
    st.caption(
        f"**{plain(answer.value_name)}**, {direction}{f' · {used}' if used else ''} · **{answer.milliseconds:.1f} "
        "ms**, timed by this client, the way there and back included"
    )
    if not answer.rows:
        st.info("No row answers: the filter leaves none, or the collection is empty.")
        return
    keys = [str(row["key"]) for row in answer.rows]
    row_photos.show(
        here,
        answer.rows,
        keys,
        key="like_photos",
        title="Rows like this one",
        badges=[f"#{place}" for place in range(1, len(keys) + 1)],
        notes=[f"{row['value']:.4f}" for row in answer.rows],
    )
    lines = [
        {"Rank": place, "Key": key, answer.metric if answer.metric != "L2" else "L2²": row["value"]}
        | {name: formatting.exact(reading.cell(value)) for name, value in row.items() if name not in {"key", "value"}}
        for place, (key, row) in enumerate(zip(keys, answer.rows, strict=True), start=1)
    ]
    table = pd.DataFrame(lines)
    st.dataframe(table, hide_index=True, width="stretch")
    page_controls.csv_button(table, "milvus-search")
    with st.expander("The same search in pymilvus", icon=":material/code:"):
        st.code(answer.code, language="python")
