"""The curves of the training page: accuracy and loss over epochs, time or images, and how they are drawn."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from lib.learn import configurations
from lib.learn.regimes import PUBLISHED_CONDITIONS
from lib.learn.results import Run
from lib.view import page_controls, url_state
from lib.view.figures import style, training_curves
from lib.view.formatting import ink
from lib.view.training.run_choice import several

DRAWING = "Curve options"
ABOUT = (
    "Solid: validation; dotted: training; star: the epoch whose network was tested, chosen on validation. Line: mean "
    "over seeds; band: min to max over seeds; thin lines: single seeds."
)
PUBLISHED = f"Horizontal dashed lines: test accuracies published for {PUBLISHED_CONDITIONS}."


@dataclass(frozen=True)
class Options:
    """How the curves are drawn: the x axis, the lines, the axes that are drawn otherwise, and the smoothing."""

    axis: str = "epoch"
    lines: tuple[str, ...] = tuple(training_curves.LINES)
    scales: tuple[str, ...] = ()
    smoothing: float = 0.0


def choose(runs: list[Run]) -> Options:
    """The x axis, and what is rarely needed behind a button, such as the numbers of `runs` as a file."""
    axis = page_controls.segments("Over", training_curves.AXES, "x", "training", "epoch")
    with st.popover(DRAWING, icon=":material/tune:"):
        lines = several("Lines", "lines", training_curves.LINES, list(training_curves.LINES))
        scales = several("Axes", "log", training_curves.SCALES, [])
        smoothing = st.slider(
            "Smoothing",
            step=0.05,
            **url_state.fraction("smoothing", 0.0, 0.95, 0.0),
            help="Weight of the past in an exponential moving average; 0 is off. The raw line stays in view.",
        )
        page_controls.csv_button(_epochs(runs), "epochs")
    return Options(axis, tuple(lines) or tuple(training_curves.LINES), tuple(scales), float(smoothing))


def chart(runs: list[Run], options: Options) -> None:
    """Both charts with one hover line, and what their lines mean."""
    st.plotly_chart(
        _figure(_key(runs), astuple(options), ink(), runs, options),
        width="stretch",
        key="curves",
        config=style.config(f"curves-over-{options.axis}"),
        alt=f"accuracy and loss of the chosen runs over {training_curves.AXES[options.axis].lower()}, "
        "training and validation",
    )
    st.caption(ABOUT, help=PUBLISHED)


def _key(runs: list[Run]) -> str:
    """Everything of the runs that their curves show."""
    shown = [[run[name] for name in ("id", "regime", "seed", "best_epoch", "epochs")] for run in runs]
    return str((configurations.names(runs), shown))


# Building it takes a third of a page change. Shared by all sessions: read only.
@st.cache_resource(max_entries=20, show_spinner=False)
def _figure(key: str, options: tuple[object, ...], ink: str | None, _runs: list[Run], _options: Options) -> go.Figure:
    return training_curves.accuracy_and_loss(
        _runs,
        axis=_options.axis,
        smoothing=_options.smoothing,
        scales=_options.scales,
        lines=_options.lines,
        published=training_curves.PUBLISHED,
        ink=ink,
    )


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
