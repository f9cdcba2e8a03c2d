"""Embedding map: a space on a plane, its photos and true neighbours at hand, and how far the plane can be trusted."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import cached, page_controls, page_frame
from lib.view.embedding_map import (
    fidelity,
    findings,
    map_choice,
    plot,
    selected_photos,
    uploaded_photo,
    what_training_does,
)

page_frame.begin(
    "Embedding map",
    "Each point is a photo; photos with near vectors lie near each other. Click a point, or draw a lasso.",
)
opened = page_frame.workspace(show_query=False)
try:
    photos = cached.catalog(opened)
    space = page_controls.space_choice(opened, "map")
    first = st.columns([3, 3, 3, 2, 2], vertical_alignment="bottom")
    with first[0]:
        by = plot.colour_choice(opened, space)
    with first[1]:
        beside = map_choice.beside_choice(opened, space)
    with first[2]:
        wanted = map_choice.parameters_choice(opened, space)
    with first[3]:
        selected_photos.choose(opened)
    with first[4]:
        guest = uploaded_photo.choose()
    main = map_choice.shown(opened, space, wanted)
    other = map_choice.beside(opened, main, beside)
    page_frame.origin(opened, space, **map_choice.facts(opened, main, other))
    left, right = st.container(key="split").columns([7, 3] if other is None else [1, 1], gap="medium")
    with right if other is None else st.container():
        metric, k, lines = plot.neighbour_choice()
    placed = uploaded_photo.place(opened, main, guest, metric, k)
    with left:
        plot.draw(opened, main, by, placed or plot.query_lines(opened, main, lines, metric, k), key="map")
        fidelity.strip(opened, main)
    with right:
        if other is not None:
            second = uploaded_photo.place(opened, other, guest, metric, k)
            plot.draw(opened, other, by, second or plot.query_lines(opened, other, lines, metric, k), key="map2")
            fidelity.strip(opened, other, "other")
        elif guest is not None and placed is not None:
            uploaded_photo.show(opened, main, guest, placed)
        else:
            plot.query(opened, main, metric, k)
    if other is not None:
        fidelity.two(opened, photos, main, other)
        plot.query(opened, main, metric, k)
    plot.neighbours(opened, main, metric, k)
    selected_photos.ways_on(opened)
    panel = plot.panel_choice()
    if panel == "selection":
        selected_photos.show(opened, space)
    elif panel == "findings":
        findings.show(opened, space)
    elif panel == "training":
        what_training_does.show(opened)
    else:
        fidelity.how_to_read(main)
except PetalscopeError as error:
    page_frame.failed(error)
