"""The section Curves of the training page: accuracy and loss over epochs, time or images."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.learn.regimes import PUBLISHED_CONDITIONS
from lib.learn.results import Run
from lib.view import page_controls, url_state
from lib.view.figures import style, training_curves
from lib.view.formatting import ink
from lib.view.training.run_choice import several

ABOUT = (
    "Solid: validation; dotted: training; star: the epoch whose network was tested, chosen on validation. Line: mean "
    "over seeds; band: min to max over seeds; thin lines: single seeds. Horizontal dotted lines: test accuracies "
    f"published for {PUBLISHED_CONDITIONS}."
)


def section(runs: list[Run]) -> None:
    """The controls, then both figures side by side."""
    controls = st.container(key="controls").columns([4, 3, 2.4, 3], vertical_alignment="top")
    with controls[0]:
        axis = page_controls.segments("Over", training_curves.AXES, "x", "training", "epoch")
    with controls[1]:
        lines = several("Lines", "lines", training_curves.LINES, list(training_curves.LINES))
    with controls[2]:
        logs = several("Logarithmic", "log", {"x": "x axis", "y": "loss"}, [])
    with controls[3]:
        smoothing = st.slider(
            "Smoothing",
            step=0.05,
            **url_state.fraction("smoothing", 0.0, 0.95, 0.0),
            help="Weight of the past in an exponential moving average; 0 is off. The raw line stays in view.",
        )
    left, right = st.container(key="split_curves").columns(2, gap="medium")
    for column, quantity in ((left, "accuracy"), (right, "loss")):
        column.plotly_chart(
            training_curves.curves(
                runs,
                quantity,
                axis=axis,
                smoothing=float(smoothing),
                logs=set(logs) - ({"y"} if quantity == "accuracy" else set()),
                lines=lines or list(training_curves.LINES),
                published=training_curves.PUBLISHED,
                ink=ink(),
            ),
            width="stretch",
            key=f"curves_{quantity}",
            config=style.config(f"{quantity}-over-{axis}"),
            alt=f"{quantity} of the chosen runs over {training_curves.AXES[axis].lower()}, training and validation",
        )
    st.caption(ABOUT)
    page_controls.csv_button(_epochs(runs), "epochs")


def _epochs(runs: list[Run]) -> pd.DataFrame:
    """A row for each epoch of each run."""
    return pd.DataFrame(
        [
            {
                "id": run["id"],
                "regime": run["regime"],
                "preset": run["preset"],
                "weights": run["weights"],
                "seed": run["seed"],
                **row,
            }
            for run in runs
            for row in run["epochs"]
        ]
    )
