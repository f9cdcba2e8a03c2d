"""Embedding map: a space on a plane, its photos and true neighbours, and how far the map can be trusted."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import cached, page_controls, page_frame
from lib.view.embedding_map import (
    fidelity,
    findings,
    map_choice,
    photo_filter,
    plot,
    selected_photos,
    uploaded_photo,
    what_training_does,
)

page_frame.begin(
    "Embedding map",
    "Each point is a photo; photos with similar vectors lie near each other. Click a point, or draw a lasso.",
)
opened = page_frame.workspace(show_query=False)
try:
    space = page_controls.space_choice(opened, "map")
    controls = st.columns([3, 3, 3, 2, 3], vertical_alignment="bottom")
    with controls[0]:
        colour = plot.colour_choice(opened, space)
    with controls[1]:
        comparison = map_choice.comparison_choice(opened, space)
    with controls[2]:
        parameters = map_choice.parameters_choice(opened, space)
    with controls[3]:
        selected_photos.choose(opened)
    with controls[4]:
        upload = uploaded_photo.choose()
    main = map_choice.main_map(opened, space, parameters)
    second = map_choice.second_map(opened, main, comparison)
    page_frame.origin(opened, space, **map_choice.facts(opened, main, second))
    left, right = st.container(key="split").columns([7, 3] if second is None else [1, 1], gap="medium")
    with right if second is None else st.container():
        metric, k, lines = plot.neighbour_choice()
    upload_lines = uploaded_photo.lines(opened, main, upload, metric, k)
    with left:
        plot.draw(opened, main, colour, upload_lines or plot.query_lines(opened, main, lines, metric, k), key="map")
        fidelity.show_measures(opened, main)
    with right:
        if second is not None:
            second_lines = uploaded_photo.lines(opened, second, upload, metric, k)
            second_lines = second_lines or plot.query_lines(opened, second, lines, metric, k)
            plot.draw(opened, second, colour, second_lines, key="map2")
            fidelity.show_measures(opened, second, "other")
        elif upload is not None and upload_lines is not None:
            uploaded_photo.show(opened, main, upload, upload_lines)
        else:
            plot.show_query(opened, main, metric, k)
    if second is not None:
        fidelity.show_comparison(opened, cached.catalog(opened), main, second)
        plot.show_query(opened, main, metric, k)
    plot.show_neighbours(opened, main, metric, k)
    selected_photos.links(opened)
    panel = plot.panel_choice()
    if panel == "selection":
        selected_photos.show(opened, space)
    elif panel == "filter":
        photo_filter.show(opened, space)
    elif panel == "findings":
        findings.show(opened, space)
    elif panel == "training":
        what_training_does.show(opened)
    else:
        fidelity.how_to_read(main)
except PetalscopeError as error:
    page_frame.restart_or_show_error(error)
