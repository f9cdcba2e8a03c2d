"""Embedding map: UMAP of a space, coloured by class, with photos and true neighbours at hand."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import mapping, ui

ui.begin(
    "Embedding map",
    "Each point is a photo; UMAP lays photos with near vectors near each other. Click a point, or draw a lasso.",
)
opened = ui.workspace(show_query=False)
try:
    controls = st.columns([2, 1, 2, 1], vertical_alignment="bottom")
    with controls[0]:
        space = ui.space_choice(opened, "map")
    with controls[1]:
        by = mapping.colour_choice()
    with controls[2]:
        metric = ui.metric_choice("Neighbours by", "cosine", "metric", "map")
    with controls[3]:
        k = st.number_input("Neighbours", 1, 50, 10, key="near", bind="query-params")
    ui.origin(opened, space, **mapping.parameters(opened, space))
    near = mapping.neighbours(opened, space, metric, int(k))
    left, right = st.container(key="split").columns([7, 3], gap="medium")
    with left:
        mapping.draw(opened, space, by, near)
    with right:
        mapping.query(opened, near, metric)
    mapping.lasso(opened)
    st.caption(
        "Read it with care: UMAP keeps neighbourhoods, not distances. How far apart two clusters lie, and how large "
        "they are, means little; the lines show the true neighbours in all dimensions."
    )
except PetalscopeError as error:
    ui.failed(error)
