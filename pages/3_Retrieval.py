"""Retrieval: one query under five metrics, two metrics side by side, and what every photo tells of the metrics."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import calibrating, disagreeing, lab, scoring, searching, ui, understanding

WHOLE = {
    "Disagreements": disagreeing.show,
    "Scoreboard": scoring.show,
    "Calibration": calibrating.show,
    "Robustness lab": lab.show,
    "Understand": understanding.show,
}
VIEWS = ("Five metrics", "Side by side", *WHOLE)

ui.begin(
    "Retrieval",
    "Choose a photo: the closest others, by five ways to measure closeness. Click any photo to search with it.",
)
opened = ui.workspace(show_query=False)
try:
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params", wrap=True
    )
    if view in WHOLE:
        WHOLE[view](opened)
        st.stop()
    controls = st.columns([5, 1, 2], vertical_alignment="bottom")
    with controls[0]:
        space = ui.space_choice(opened, "retrieval")
    with controls[1]:
        k = int(st.number_input("Answers", 1, 100, 10, key="k", bind="query-params"))
    with controls[2]:
        engine = st.segmented_control(
            "Engine",
            ["exact", "milvus"],
            default="exact",
            required=True,
            key="engine",
            bind="query-params",
            disabled=view != VIEWS[0],
            help="The other views always use exact.",
        )
    ui.origin(opened, space, Engine=engine if view == VIEWS[0] else "exact")
    left, right = st.container(key="split").columns([2, 9], gap="medium")
    with left:
        query = searching.choose_query(opened)
    with right:
        if query is None:
            searching.starters(opened)
        elif view == "Five metrics":
            searching.five(opened, query, space, k, engine)
        else:
            pair = st.columns(2)
            with pair[0]:
                a = ui.metric_choice("One side", "l1", "a", "retrieval")
            with pair[1]:
                b = ui.metric_choice("Other side", "cosine", "b", "retrieval")
            searching.side_by_side(opened, query, space, a, b, k)
except PetalscopeError as error:
    ui.failed(error)
