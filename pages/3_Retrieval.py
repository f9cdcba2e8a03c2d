"""Retrieval: what is close to a query under five metrics and in every space, and why the answers differ."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import page_frame
from lib.view.retrieval import query_form, views

page_frame.begin(
    "Retrieval",
    "Choose a photo: the closest others, by five ways to measure closeness. Click any photo to search with it.",
)
opened = page_frame.workspace(show_query=False)
try:
    view = views.choice()
    if isinstance(view, views.OfAll):
        view.show(opened)
    else:
        left, right = st.container(key="split").columns([5, 19], gap="medium")
        with left:
            try:
                asked = query_form.choose(opened)
            except PetalscopeError as error:  # said where the query was chosen; the page stays as it is
                page_frame.failed(error)
                asked = None
        with right:
            if asked is None:
                query_form.starters(opened)
            else:
                view.show(opened, asked)
except PetalscopeError as error:
    page_frame.failed(error)
