"""Retrieval: what is close to a query under five metrics and in every space, and why the answers differ."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import asking, ui, views

ui.begin(
    "Retrieval",
    "Choose a photo: the closest others, by five ways to measure closeness. Click any photo to search with it.",
)
opened = ui.workspace(show_query=False)
try:
    view = views.choice()
    if isinstance(view, views.OfAll):
        view.show(opened)
    else:
        left, right = st.container(key="split").columns([5, 19], gap="medium")
        with left:
            try:
                asked = asking.choose(opened)
            except PetalscopeError as error:  # said where the query was chosen; the page stays as it is
                ui.failed(error)
                asked = None
        with right:
            if asked is None:
                asking.starters(opened)
            else:
                view.show(opened, asked)
except PetalscopeError as error:
    ui.failed(error)
