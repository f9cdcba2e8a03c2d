"""Training regimes: accuracy and loss curves of whatever runs exist, beside the published figures."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import training, ui

ui.begin(
    "Training regimes",
    "ResNet18 learns the flowers in four ways: from random weights, backbone frozen, half frozen, and as a mere start.",
)
opened = ui.workspace()
ui.origin(opened)

st.header("Four regimes", divider="gray")
training.regimes(opened)

st.header("Curves", divider="gray")
try:
    runs = training.runs()
except PetalscopeError as error:
    ui.failed(error)
    st.stop()
if not runs:
    training.nothing_yet()
    st.stop()
training.curves(runs)

st.header("Results", divider="gray")
training.results(runs, opened)
