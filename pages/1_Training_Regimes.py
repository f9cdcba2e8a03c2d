"""Training regimes: results and curves, a look inside each run, the network, and training from the page."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.measure.training_verdict import training_verdict
from lib.view import page_controls, page_frame, unlabelled, verdict
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
chosen, options = [], curves.Options()
if runs and section != "train":
    with page_controls.sheet("training"):
        chosen = run_choice.choose(runs, workspace)
        if section == "results":
            options = curves.choose(chosen)
with origins:
    run_choice.origins(workspace, chosen)
if chosen or not runs or section == "train":
    verdict.show(training_verdict(chosen or runs, str(workspace.state["dataset"]["fingerprint"])))
if section == "train" and unlabelled.stops(workspace, "Networks that are trained here"):
    pass
elif section == "network":
    network.section(workspace, chosen)
elif section == "train":
    train_form.section(runs)
    embeddings.section(workspace)
elif not runs:
    sections.nothing_yet()
    network.published()
elif section == "results":
    results.section(chosen, workspace, options)
else:
    run_details.section(workspace, chosen)
