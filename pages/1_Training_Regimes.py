"""Training regimes: final results, curves, a look inside each run, the network, and training from here."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import inside, network, outcome, trainer, training, ui

ui.begin(
    "Training regimes",
    "ResNet18 learns your photos four ways: from random weights, or with all, most or none of pretrained ones frozen.",
)
opened = ui.workspace()
try:
    found = training.runs()
except PetalscopeError as error:
    ui.failed(error)
    found = []
chips = st.container()
section = training.section_choice()
shown = training.choose(found, opened) if found and section != "train" else []
with chips:
    training.origins(opened, shown)
if section == "network":
    network.section(opened, shown)
elif section == "train":
    trainer.section(found)
    trainer.make_spaces(opened)
elif not found:
    training.nothing_yet()
    network.published()
elif section == "results":
    outcome.final(shown, opened)
elif section == "curves":
    training.draw_curves(shown)
else:
    inside.section(opened, shown)
