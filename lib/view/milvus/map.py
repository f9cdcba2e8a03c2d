"""Milvus page, Map: any float vector field as PCA or UMAP of a bounded sample, coloured by any scalar field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.measure.traits import Trait
from lib.store import rows as reading
from lib.view import cached, formatting, photo_tiles, theme, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.components import scatter
from lib.view.formatting import plain
from lib.view.milvus import load_prompt, map_sample, row_photos

_METHODS = {"pca": "PCA", "umap": "UMAP"}
_GROUPS = 20  # more values than these become "other"
_SIZES = (500, 1_000, 2_000, 5_000)


def show(here: MilvusContext) -> None:
    """The map of a field; a click on a point shows its row and searches with it."""
    if load_prompt.not_loaded(here):
        return
    fields = map_sample.dense(here)
    if not fields:
        st.info("A map needs a field of dense vectors, and this collection has none.")
        return
    entry = here.entry
    scalars = [each["name"] for each in entry["fields"] if "VECTOR" not in each["type"] and not each["primary"]]
    scalars = [name for name in scalars if _type(entry, name) not in {"JSON", "ARRAY"}]
    first = st.columns([2, 1, 2, 1], vertical_alignment="bottom")
    with first[0]:
        field = st.selectbox("Field", fields, **url_state.choice("field", "milvus_map", fields, fields[0]))
    with first[1]:
        method = st.segmented_control(
            "Method",
            list(_METHODS),
            format_func=_METHODS.__getitem__,
            required=True,
            wrap=True,
            **url_state.choice("plane", "milvus", list(_METHODS), "pca"),
        )
    most = int(first[3].selectbox("Rows at most", _SIZES, index=2, format_func="{:,}".format, key="map_most"))
    taken = map_sample.sample(here, field, most)
    offered = [*scalars, *_dynamic(taken, {each["name"] for each in entry["fields"]})]
    default = next((name for name in ("label", "class", "category") if name in offered), offered[0] if offered else "")
    with first[2]:
        by = (
            st.selectbox("Colour", offered, **url_state.choice("by", "milvus_map", offered, default)) if offered else ""
        )
    made = map_sample.plane(here, field, taken, method)
    values = [row.get(by) for row in taken.fields] if by else [None] * len(taken.keys)
    trait, colours = _trait(here, by, values)
    frame = pd.DataFrame({"id": taken.keys, "label": [str(value) if value is not None else "" for value in values]})
    places = scatter.place_columns(frame, made["xy"])
    chosen = f"milvus_map_row {here.name}"

    def click(row: int) -> None:
        if 0 <= row < len(taken.keys):
            st.session_state[chosen] = taken.keys[row]

    scatter.show(
        places,
        scatter.colour_columns(trait, colours, places["drawn"]),
        key="milvus_map",
        plane=f"{here.connection.key} {here.name} {field} {method} {most}",
        title=f"{_METHODS[method]} of {field}: {len(taken.keys):,} rows, coloured by {by or 'nothing'}",
        lit=None,
        on_click=click,
    )
    total = entry["rows"]["count"]
    which = "all" if total is not None and len(taken.keys) >= total else f"{len(taken.keys):,} random"
    kept, k = (made["facts"]["fidelity"][name] for name in ("preservation", "k"))
    told = ""
    if kept is not None:
        told = f"; neighbours kept: {kept:.1%} of a row's {k} nearest are among its {k} nearest here, too"
    st.caption(
        f"{_METHODS[method]} of {which} rows, made here of the vectors as they are "
        f"({made['facts'].get('metric', 'cosine')}){told}. Click a point for its row."
    )
    if st.session_state.get(chosen) in taken.keys:
        _row(here, taken, str(st.session_state[chosen]))


def _type(entry: dict[str, Any], name: str) -> str:
    return next(str(each["type"]) for each in entry["fields"] if each["name"] == name)


def _dynamic(taken: map_sample.Sample, known: set[str]) -> list[str]:
    found = dict.fromkeys(name for row in taken.fields[:200] for name in row if name not in known and name != "$meta")
    return list(found)[:20]


def _trait(here: MilvusContext, by: str, values: list[Any]) -> tuple[Trait, dict[str, str]]:
    """The colouring: numbers with many values by a scale, everything else by groups."""
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(set(numbers)) > _GROUPS and len(numbers) == sum(value is not None for value in values):
        array = np.array([float("nan") if value is None else float(value) for value in values])
        low, high = float(np.nanmin(array)), float(np.nanmax(array))
        return Trait(by, by, "", "number", array, low, high if high > low else low + 1), {}
    words = np.array(["" if value is None else str(reading.cell(value)) for value in values], dtype=object)
    names, counts = np.unique(words[words != ""].astype(str), return_counts=True)
    kept = set(names[np.argsort(-counts, kind="stable")[: _GROUPS - 1]]) if len(names) > _GROUPS else set(names)
    words = np.array([word if word in kept or not word else "other" for word in words], dtype=object)
    known = photo_tiles.colours(cached.catalog(here.opened)) if here.opened is not None else {}
    groups = sorted({str(word) for word in words if word})
    own = theme.class_colours(groups)
    colours = {name: known[name] if set(groups) <= set(known) else own[name] for name in groups}
    return Trait(by, by, "", "category", words), colours


def _row(here: MilvusContext, taken: map_sample.Sample, key: str) -> None:
    place = taken.keys.index(key)
    with st.container(border=True):
        left, right = st.columns([1, 3], gap="medium")
        with left:
            if not row_photos.show(here, [taken.fields[place]], [key], key="map_photo", title="This row", tile=160):
                st.caption("No photo of this row is here.")
        with right:
            st.markdown(f"**Row {plain(key)}**")
            st.json({name: formatting.exact(reading.cell(value)) for name, value in taken.fields[place].items()})

            def search() -> None:
                url_state.write(**{row_photos.LIKE: key}, part="search")

            st.button("Search with it", icon=":material/search:", on_click=search)
