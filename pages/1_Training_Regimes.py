"""Training regimes: final results, curves, a look inside each run, the network, and training from here."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import page_frame
from lib.view.training import network, page, results, run_details, train_form

page_frame.begin(
    "Training regimes",
    "ResNet18 learns your photos four ways: from random weights, or with all, most or none of pretrained ones frozen.",
)
opened = page_frame.workspace()
try:
    found = page.runs()
except PetalscopeError as error:
    page_frame.failed(error)
    found = []
chips = st.container()
section = page.section_choice()
shown = page.choose(found, opened) if found and section != "train" else []
with chips:
    page.origins(opened, shown)
if section == "network":
    network.section(opened, shown)
elif section == "train":
    train_form.section(found)
    train_form.make_spaces(opened)
elif not found:
    page.nothing_yet()
    network.published()
elif section == "results":
    results.final(shown, opened)
elif section == "curves":
    page.draw_curves(shown)
else:
    run_details.section(opened, shown)
