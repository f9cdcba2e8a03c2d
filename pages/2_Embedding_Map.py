"""Embedding map: a space on a plane, its photos and true neighbours, and how far the map can be trusted."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import cached, page_controls, page_frame, url_state, verdict
from lib.view.embedding_map import (
    map_choice,
    panel,
    plot,
    preloading,
    query_neighbours,
    sections,
    selected_photos,
    shell,
    stability,
    uploaded_photo,
    what_training_does,
)

page_frame.begin(
    "Embedding map",
    "Each point is a photo; photos with similar vectors lie near each other. Click a point, or draw a lasso.",
)
opened = page_frame.workspace(show_query=False)
try:
    places = shell.begin()
    with places.panel:
        section = sections.choose(opened)
    training = what_training_does.is_drawn(opened, section)
    with places.controls:
        space = page_controls.space_menu(opened, "map", disabled=training)
        colour = plot.colour_choice(opened, space, disabled=training)
        comparison = map_choice.comparison_choice(opened, space, disabled=training)
        parameters = map_choice.parameters_choice(opened, space)
        selected_photos.choose(opened)
        upload = uploaded_photo.choose()
    with places.notes:
        main = map_choice.main_map(opened, space, parameters)
        second = map_choice.second_map(opened, main, comparison)
    page_frame.origin(opened, space, **map_choice.facts(opened, main, second))
    stable = stability.measured_verdict(opened, main.space) if section == sections.STABILITY else None
    if stable is not None:
        verdict.show(stable)
    else:
        verdict.show(
            cached.verdict_of_map(opened, main.space, main.parameters, main.original),
            page=url_state.MAP,
            section=sections.READING,
        )
    lookup = query_neighbours.linked()
    with places.canvas:
        if training:
            what_training_does.draw(opened)
        for shown in [] if training else filter(None, (main, second)):
            key = "map" if shown is main else "map2"
            with st.container(key=f"place_{key}"):
                lines = uploaded_photo.lines(opened, shown, upload, lookup, section)
                lines = lines or query_neighbours.query_lines(opened, shown, lookup)
                plot.draw(opened, shown, colour, lines, key=key, titled=second is not None)
    with places.panel:
        panel.show(opened, section, main, second, colour=colour, lookup=lookup, upload=upload)
    preloading.begin(opened, space, main.original)
except PetalscopeError as error:
    page_frame.restart_or_show_error(error)
