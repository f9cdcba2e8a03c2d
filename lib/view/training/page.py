"""The parts of the training page: its sections, which runs it is about, their curves."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.learn import runs as records
from lib.learn.regimes import PUBLISHED_CONDITIONS, REGIMES
from lib.learn.results import Run
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls, page_frame, url_state
from lib.view.figures import style, training_curves
from lib.view.formatting import ink, plain

SECTIONS = {
    "results": "Results",
    "curves": "Curves",
    "run": "Inside a run",
    "network": "The network",
    "train": "Train here",
}
ALL = "all"


def runs() -> list[Run]:
    """All recorded runs, in one shape. Raises ArtifactError when a record is damaged."""
    return cached.runs(records.version(cached.current_settings()))


def section_choice() -> str:
    """Which part of the page: a control kept in the address."""
    names = list(SECTIONS)
    tied = url_state.choice("section", "training", names, "results")
    return str(
        st.segmented_control(
            "Show",
            names,
            required=True,
            format_func=SECTIONS.__getitem__,
            wrap=True,
            label_visibility="collapsed",
            **tied,
        )
    )


def _set_of(run: Run) -> str:
    """A short name for the address: preset and data."""
    return f"{run['preset'] or 'any'}-{run['dataset']['fingerprint'][:8]}"


def choose(found: list[Run], opened: Workspace) -> list[Run]:
    """The runs that the page is about, by preset and data; the chosen regimes among them."""
    here = str(opened.state["dataset"]["fingerprint"])
    sets: dict[str, list[Run]] = {}
    for run in found:
        sets.setdefault(_set_of(run), []).append(run)
    # The open photos first, then the careful preset, then the most runs.
    ranked = sorted(
        sets,
        key=lambda name: (
            sets[name][0]["dataset"]["fingerprint"] != here,
            sets[name][0]["preset"] != "full",
            -len(sets[name]),
        ),
    )
    names = [*ranked, ALL] if len(ranked) > 1 else ranked

    def called(name: str) -> str:
        if name == ALL:
            return f"All {len(found)} runs"
        run, count = sets[name][0], len(sets[name])
        return f"{data_name(run, here)} · {run['preset'] or 'no'} preset · {count} run{'s' if count > 1 else ''}"

    left, right = st.container(key="split_choose").columns([3, 4], vertical_alignment="bottom")
    with left:
        tied = url_state.choice("runs", "training", names, names[0])
        chosen = str(st.selectbox("Runs", names, format_func=called, **tied))
    mine = found if chosen == ALL else sets[chosen]
    order = [*REGIMES, *sorted({run["regime"] for run in mine} - set(REGIMES))]
    regimes = [name for name in order if name in {run["regime"] for run in mine}]
    with right:
        titles = {name: REGIMES[name].title if name in REGIMES else plain(name) for name in regimes}
        wanted = several("Regimes", "regimes", titles, regimes)
    return [run for run in mine if run["regime"] in (wanted or regimes)]


def several(label: str, name: str, titles: dict[str, str], default: list[str]) -> list[str]:
    """Any of the options `titles`, kept in the address under `name` by their short names, as `links.choice` keeps one.

    Nothing chosen is kept as such; what it means is the caller's.
    """
    key, wanted = f"training_{name}", url_state.parameter(name)
    kept = default if wanted is None else [option for option in wanted.split(",") if option in titles]
    # A link whose every option is unknown here says nothing about what is here.
    st.session_state[key] = kept if kept or not wanted else default

    def keep() -> None:
        url_state.write(**{name: ",".join(st.session_state[key])})

    chosen = st.pills(
        label, list(titles), selection_mode="multi", format_func=titles.__getitem__, key=key, on_change=keep, wrap=True
    )
    return list(chosen)


def data_name(run: Run, here: str) -> str:
    """The data set of a run, and whether it is the one that is open."""
    return str(run["dataset"]["name"]) + ("" if run["dataset"]["fingerprint"] == here else " (other photos)")


def origins(opened: Workspace, shown: list[Run]) -> None:
    """The line that names where these numbers come from."""
    if not shown:
        page_frame.origin(opened)
        return
    here = str(opened.state["dataset"]["fingerprint"])
    recorded = sum(run["recorded"] for run in shown)
    weights = sorted({run["weights"] for run in shown if run["weights"] != "random"})
    more = len(shown) - recorded
    facts = {
        # A run of this machine that came with Petalscope, too, is told once: as a recorded one.
        "Runs": f"{len(shown)}: {recorded} recorded with Petalscope, {more or 'no'} more from this machine",
        "Pretrained weights": ", ".join(weights) or "none",
        "Seeds": ", ".join(sorted({str(run["seed"]) for run in shown})),
    }
    foreign = sorted({data_name(run, here) for run in shown if run["dataset"]["fingerprint"] != here})
    if foreign:
        facts["Runs of"] = ", ".join(foreign)
    page_frame.origin(opened, None, **facts)


def nothing_yet() -> None:
    """Where there is no run to show."""
    st.info(
        "No training run is recorded yet, neither with Petalscope nor in your artifacts folder. Train one under "
        "*Train here*, or with `python -m lib train --preset quick`; its curves appear here.",
        icon=":material/hourglass_empty:",
    )


def draw_curves(shown: list[Run]) -> None:
    """Accuracy and loss, training and validation, over epochs, time or images."""
    controls = st.container(key="controls").columns([4, 3, 2.4, 3], vertical_alignment="top")
    with controls[0]:
        axes = list(training_curves.AXES)
        tied = url_state.choice("x", "training", axes, "epoch")
        axis = str(
            st.segmented_control(
                "Over", axes, required=True, format_func=training_curves.AXES.__getitem__, wrap=True, **tied
            )
        )
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
                shown,
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
    st.caption(
        "Solid: validation; dotted: training; star: the epoch whose network was tested, chosen on validation. Lines "
        "are means over seeds, the band goes from the least to the most of them, thin lines are single seeds. Level "
        f"dotted lines: test accuracies published for {PUBLISHED_CONDITIONS}."
    )
    page_controls.csv_button(_epochs(shown), "epochs")


def _epochs(shown: list[Run]) -> pd.DataFrame:
    names = ("id", "regime", "preset", "weights", "seed")
    return pd.DataFrame([{name: run[name] for name in names} | row for run in shown for row in run["epochs"]])
