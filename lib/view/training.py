"""The parts of the training page."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from lib.learn import regimes as register
from lib.learn import runs as records
from lib.learn.regimes import PUBLISHED_CONDITIONS, REGIMES
from lib.view import cached, charts, ui
from lib.workspace import Workspace

PUBLISHED = {regime.name: regime.published for regime in REGIMES.values()}


def runs() -> list[dict[str, Any]]:
    """All recorded runs. Raises ArtifactError when a record is damaged."""
    return records.load(cached.current_settings())


def regimes(opened: Workspace) -> None:
    """The four regimes: what trains in each, drawn, and what was published of them."""
    classes = len(cached.catalog(opened).classes)
    left, right = st.container(key="split").columns([3, 2], gap="large")
    left.plotly_chart(
        charts.frozen_tensors(register.tensors(classes), _frozen(classes)),
        width="stretch",
        key="tensors",
        alt="which parameter tensors each regime trains",
    )
    left.caption(
        "ResNet18's parameter tensors from the first convolution (left) to the classifier (right); pale ones are "
        "frozen. Hover for name, shape and size."
    )
    rows = []
    for regime in REGIMES.values():
        total, trainable = register.parameters(regime, classes)
        rows.append(
            {
                "Regime": f"{regime.title} ({regime.name})",
                "Trainable parameters": f"{trainable:,} of {total:,}",
                "What happens": regime.about,
            }
        )
    st.table(pd.DataFrame(rows), hide_index=True)  # wraps long text, where st.dataframe cuts it off
    right.plotly_chart(
        charts.published_bars(PUBLISHED), width="stretch", key="published", alt="published test accuracies"
    )
    right.caption(f"Published for {PUBLISHED_CONDITIONS}. Not measured here.")


def _frozen(classes: int) -> dict[str, int]:
    return {regime.name: register.frozen(regime, classes) for regime in REGIMES.values()}


def nothing_yet() -> None:
    """Where there is no run to show."""
    st.info(
        "No training run is recorded yet, neither with Petalscope nor in your artifacts folder. A run is one JSON "
        "file; its curves appear here as soon as there is one.",
        icon=":material/hourglass_empty:",
    )


def curves(found: list[dict[str, Any]]) -> None:
    """Accuracy and loss of the chosen regimes, epoch by epoch."""
    names = list(dict.fromkeys(run["regime"] for run in found))
    chosen = st.pills("Regimes", names, selection_mode="multi", default=names, key="regimes", bind="query-params")
    shown = [run for run in found if run["regime"] in (chosen or names)]
    left, right = st.container(key="split_curves").columns(2, gap="medium")
    for column, quantity in ((left, "accuracy"), (right, "loss")):
        column.plotly_chart(
            charts.curves(shown, quantity, PUBLISHED),
            width="stretch",
            key=f"curves_{quantity}",
            alt=f"{quantity} of the chosen runs over epochs",
        )
    st.caption("Training dotted, validation bold, best epoch starred; dashed lines are the published test accuracies.")


def results(found: list[dict[str, Any]], opened: Workspace) -> None:
    """Final test accuracy of each run, and whether the run is of the photos that are open."""
    here = opened.state["dataset"]["fingerprint"]
    rows = [
        {
            "Run": run["id"],
            "Regime": run["regime"],
            "Seed": run["seed"],
            "Weights": run["weights"],
            "Best epoch": run["best_epoch"],
            "Test accuracy %": round(100 * run["test_accuracy"], 2),
            "95 % interval": "–".join(f"{100 * bound:.1f}" for bound in run["test_ci95"])
            if run.get("test_ci95")
            else "",
            "Photos": run["dataset"]["name"] + ("" if run["dataset"]["fingerprint"] == here else " (other photos)"),
            "Recorded": "with Petalscope" if run["recorded"] else "on this machine",
        }
        for run in found
    ]
    frame = pd.DataFrame(rows)
    st.dataframe(frame, hide_index=True, width="stretch")
    ui.csv_button(frame, "runs")
