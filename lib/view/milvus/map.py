"""Milvus page, Map: a bounded sample of any dense vector field as PCA or UMAP, coloured by any scalar field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.documents.inspect import CollectionDocument
from lib.export import point_columns
from lib.measure.traits import Trait
from lib.store import rows as store_rows
from lib.view import cached, formatting, page_controls, photo_tiles, provenance, theme, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.components import scatter
from lib.view.formatting import plain
from lib.view.milvus import load_prompt, map_sample, row_photos
from lib.view.milvus.map_sample import Plane, Sample

_METHODS = {"pca": "PCA", "umap": "UMAP"}
_MOST_GROUPS = 20  # the rarest values beyond these become "other"
_MOST_DYNAMIC = 20  # dynamic fields that are offered as colours
_SIZES = (500, 1_000, 2_000, 5_000)
CLICK = "Click a point for its row."


def show(context: MilvusContext) -> None:
    """The map of a field. A click on a point shows its row, which can then be searched with."""
    if load_prompt.show(context):
        return
    fields = map_sample.vector_fields(context)
    if not fields:
        st.info("A map needs a field of dense vectors; this collection has none.")
        return
    entry = context.read_entry()
    columns = st.columns([2, 1, 2, 1], vertical_alignment="bottom")
    with columns[0]:
        field = st.selectbox("Field", fields, **url_state.choice("field", "milvus_map", fields, fields[0]))
    with columns[1]:
        method = page_controls.segments("Method", _METHODS, "plane", "milvus", "pca")
    most = int(columns[3].selectbox("Max rows", _SIZES, index=2, format_func="{:,}".format, key="map_most"))
    sample = map_sample.sample(context, field, most)
    with columns[2]:
        colour_field = _colour_choice(entry, sample)
    plane = map_sample.plane(context, field, sample, method)
    selected = f"milvus_map_row {context.name}"

    def click(row: int) -> None:
        if 0 <= row < len(sample.keys):
            st.session_state[selected] = sample.keys[row]

    values = [fields.get(colour_field) for fields in sample.fields] if colour_field else [None] * len(sample.keys)
    trait, colours = _trait(context, colour_field, values)
    frame = pd.DataFrame({"id": sample.keys, "label": ["" if value is None else str(value) for value in values]})
    points = point_columns.place_columns(frame, plane.xy)
    title = f"{_METHODS[method]} of {field}: {len(sample.keys):,} rows, coloured by {colour_field or 'nothing'}"
    scatter.show(
        points,
        scatter.colour_columns(trait, colours, points["drawn"]),
        key="milvus_map",
        plane=f"{context.connection.key} {context.name} {field} {method} {most}",
        title=title,
        lit=None,
        provenance="\n".join([provenance.text(), f"Collection: {context.name}", title]),
        on_click=click,
    )
    st.caption(_about(method, len(sample.keys), entry["rows"]["count"], plane))
    if st.session_state.get(selected) in sample.keys:
        _row(context, sample, str(st.session_state[selected]))


def _colour_choice(entry: CollectionDocument, sample: Sample) -> str:
    """The field to colour by: a scalar field or a dynamic one; "" where there is none."""
    scalars = [
        field["name"]
        for field in entry["fields"]
        if "VECTOR" not in field["type"] and not field["primary"] and field["type"] not in {"JSON", "ARRAY"}
    ]
    names = [*scalars, *_dynamic(sample, {field["name"] for field in entry["fields"]})]
    if not names:
        return ""
    default = next((name for name in ("label", "class", "category") if name in names), names[0])
    return str(st.selectbox("Colour", names, **url_state.choice("by", "milvus_map", names, default)))


def _dynamic(sample: Sample, declared: set[str]) -> list[str]:
    """Names of dynamic fields among the first rows of a sample."""
    names = dict.fromkeys(name for fields in sample.fields[:200] for name in fields)
    return [name for name in names if name not in declared and name != "$meta"][:_MOST_DYNAMIC]


def _about(method: str, count: int, row_count: int | None, plane: Plane) -> str:
    rows = "all" if row_count is not None and count >= row_count else f"{count:,} random"
    fidelity = plane.facts["fidelity"]
    preservation, k = fidelity["preservation"], fidelity["k"]
    preserved = ""
    if preservation is not None:
        preserved = f"; {preservation:.1%} of each row's {k} nearest neighbours are among its {k} nearest on this map"
    metric = plane.facts["metric"]
    return f"{_METHODS[method]} of {rows} rows, computed here from the stored vectors ({metric}){preserved}. {CLICK}"


def _trait(context: MilvusContext, name: str, values: list[Any]) -> tuple[Trait, dict[str, str]]:
    """The colouring of a field's values: a scale for numbers with many values, groups for everything else."""
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(set(numbers)) > _MOST_GROUPS and len(numbers) == sum(value is not None for value in values):
        array = np.array([float("nan") if value is None else float(value) for value in values])
        low, high = float(np.nanmin(array)), float(np.nanmax(array))
        return Trait(name, name, "", "number", array, low, high if high > low else low + 1), {}
    groups = _grouped(["" if value is None else str(store_rows.table_cell(value)) for value in values])
    names = sorted({group for group in groups if group})
    class_colours = photo_tiles.colours(cached.catalog(context.workspace)) if context.workspace is not None else {}
    colours = class_colours if set(names) <= set(class_colours) else theme.class_colours(names)
    return Trait(name, name, "", "category", np.array(groups, dtype=object)), {each: colours[each] for each in names}


def _grouped(values: list[str]) -> list[str]:
    """The values with all but the most frequent replaced by "other"; empty ones stay."""
    names, counts = np.unique([value for value in values if value], return_counts=True)
    if len(names) <= _MOST_GROUPS:
        return values
    frequent = set(names[np.argsort(-counts, kind="stable")[: _MOST_GROUPS - 1]])
    return [value if value in frequent or not value else "other" for value in values]


def _row(context: MilvusContext, sample: Sample, key: str) -> None:
    fields = sample.fields[sample.keys.index(key)]
    with st.container(border=True):
        left, right = st.columns([1, 3], gap="medium")
        with left:
            if not row_photos.show(context, [fields], [key], key="map_photo", title="This row", tile=160):
                st.caption("There is no photo of this row.")
        with right:
            st.markdown(f"**Row {plain(key)}**")
            st.json({name: formatting.exact(store_rows.table_cell(value)) for name, value in fields.items()})
            row_photos.search_button(key)
