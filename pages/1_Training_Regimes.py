"""Training regimes: final results, curves, a look inside each run, the network, and training from the page."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import page_frame
from lib.view.training import curves, embeddings, network, results, run_choice, run_details, sections, train_form

page_frame.begin(
    "Training regimes",
    "Four ways to train ResNet18: from scratch, or from pretrained weights with all, most or no layers frozen.",
)
workspace = page_frame.workspace()
try:
    runs = run_choice.load()
except PetalscopeError as error:
    page_frame.restart_or_show_error(error)
    runs = []
origins = st.container()
section = sections.choose()
chosen = run_choice.choose(runs, workspace) if runs and section != "train" else []
with origins:
    run_choice.origins(workspace, chosen)
if section == "network":
    network.section(workspace, chosen)
elif section == "train":
    train_form.section(runs)
    embeddings.section(workspace)
elif not runs:
    sections.nothing_yet()
    network.published()
elif section == "results":
    results.section(chosen, workspace)
elif section == "curves":
    curves.section(chosen)
else:
    run_details.section(workspace, chosen)
