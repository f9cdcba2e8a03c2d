"""Embedding map: a space on a plane, its photos and true neighbours at hand, and how far the plane can be trusted."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import cached, journey, mapping, noteworthy, picked, planes, trust, ui, visitor

ui.begin(
    "Embedding map",
    "Each point is a photo; photos with near vectors lie near each other. Click a point, or draw a lasso.",
)
opened = ui.workspace(show_query=False)
try:
    photos = cached.catalog(opened)
    space = ui.space_choice(opened, "map")
    first = st.columns([3, 3, 3, 2, 2], vertical_alignment="bottom")
    with first[0]:
        by = mapping.colour_choice(opened, space)
    with first[1]:
        beside = planes.beside_choice(opened, space)
    with first[2]:
        wanted = planes.parameters_choice(opened, space)
    with first[3]:
        picked.choose(opened)
    with first[4]:
        guest = visitor.choose()
    main = planes.shown(opened, space, wanted)
    other = planes.beside(opened, main, beside)
    ui.origin(opened, space, **planes.facts(opened, main, other))
    left, right = st.container(key="split").columns([7, 3] if other is None else [1, 1], gap="medium")
    with right if other is None else st.container():
        metric, k, lines = mapping.neighbour_choice()
    placed = visitor.place(opened, main, guest, metric, k)
    with left:
        mapping.draw(opened, main, by, placed or mapping.query_lines(opened, main, lines, metric, k), key="map")
        trust.strip(opened, main)
    with right:
        if other is not None:
            second = visitor.place(opened, other, guest, metric, k)
            mapping.draw(opened, other, by, second or mapping.query_lines(opened, other, lines, metric, k), key="map2")
            trust.strip(opened, other, "other")
        elif guest is not None and placed is not None:
            visitor.show(opened, main, guest, placed)
        else:
            mapping.query(opened, main, metric, k)
    if other is not None:
        trust.two(opened, photos, main, other)
        mapping.query(opened, main, metric, k)
    mapping.neighbours(opened, main, metric, k)
    picked.ways_on(opened)
    panel = mapping.panel_choice()
    if panel == "selection":
        picked.show(opened, space)
    elif panel == "findings":
        noteworthy.show(opened, space)
    elif panel == "training":
        journey.show(opened)
    else:
        trust.how_to_read(main)
except PetalscopeError as error:
    ui.failed(error)
