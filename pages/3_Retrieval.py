"""Retrieval: which photos are closest to a query under five metrics, in every space, and why the metrics disagree."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import page_frame
from lib.view.retrieval import query_form, views

page_frame.begin(
    "Retrieval",
    "Choose a photo to see the closest ones under five distance metrics. Click any photo to search with it.",
)
workspace = page_frame.workspace(show_query=False)
view = views.choose()
try:
    if isinstance(view, views.DataSetView):
        view.show(workspace)
    else:
        form, results = st.container(key="split").columns([5, 19], gap="medium")
        with form:
            queries = query_form.choose(workspace)
        with results:
            if queries is None:
                query_form.show_examples(
                    workspace, "Choose a photo to search with: one of these, or any other.", "starters"
                )
            else:
                view.show(workspace, queries)
except PetalscopeError as error:
    page_frame.restart_or_show_error(error)
