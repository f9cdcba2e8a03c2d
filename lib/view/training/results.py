"""The section Results of the training page: accuracies and curves side by side; differences, costs, and all runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.documents.runs import ResultRow
from lib.learn import configurations, results
from lib.learn.regimes import PUBLISHED_CONDITIONS
from lib.learn.results import Run
from lib.prepare.workspace import Workspace
from lib.statistics import TEST_RESAMPLES
from lib.text import counted
from lib.view import page_controls
from lib.view.components import drawn
from lib.view.figures import style, training_results
from lib.view.formatting import ink, percent, plain
from lib.view.training import curves
from lib.view.training.run_choice import data_name

_TOGETHER, _INTERVAL = "p, seeds together", "95 % (pp)"
_DIFFERENCE, _DISAGREEMENTS = "Difference (pp)", "Disagreements (A only : B only)"
ONE_SEED = "1 seed"
_BELOW_PX = 700  # about the height of what follows, so that nothing moves when it comes
TEST_ACCURACY = "Test accuracy %"
SIGNIFICANCE = (
    "McNemar's exact test on the same test photos, per common seed; all tests Holm-corrected together. Significant "
    "only if every seed is. The seeds together: the share of seeds that are right on a photo, compared photo by photo "
    f"by a sign-flip permutation test ({TEST_RESAMPLES:,} resamples) and Holm-corrected over the pairs. Applies to "
    "these runs on this test set."
)


def section(runs: list[Run], workspace: Workspace, options: curves.Options) -> None:
    """Accuracies beside the curves, in one screen; below, differences, costs, and all runs."""
    rows, names = results.table(runs), list(configurations.names(runs).values())
    left, right = st.container(key="split_results").columns([5, 8], gap="medium")
    with left:
        _accuracies(runs, rows, names)
        _table(rows, names, str(workspace.state["dataset"]["fingerprint"]))
    with right:
        curves.chart(runs, options)
    _below(runs, rows, names)
    _all_runs(runs, workspace)


@st.fragment
def _below(runs: list[Run], rows: Sequence[ResultRow], names: list[str]) -> None:
    """What lies below the first screen, once that is drawn: a change of pages waits for a third less."""
    if not drawn.is_drawn("results_below"):
        st.html(f'<div style="height: {_BELOW_PX}px"></div>')
        return
    _differences(runs)
    _costs(rows, names)


def _accuracies(runs: list[Run], rows: Sequence[ResultRow], names: list[str]) -> None:
    st.plotly_chart(
        training_results.final(rows, names, ink=ink()),
        width="stretch",
        key="final",
        config=style.config("results"),
        alt="test accuracy of each regime with intervals, beside the published one; the table below has the numbers",
    )
    weights = sorted({run["weights_about"] for run in runs if run["weights"] != "random"})
    start = f"these runs started from {plain('; '.join(weights))} and have" if weights else "these runs have"
    st.caption(
        "Bar: mean test accuracy; line: 95 % interval of one run (Wilson); dots: seeds; open diamond: published.",
        help=f"Published for {PUBLISHED_CONDITIONS}; {start} another split, so the two do not compare like with like.",
    )


def _table(rows: Sequence[ResultRow], names: list[str], fingerprint: str) -> None:
    frame = pd.DataFrame([_line(row, name, fingerprint) for row, name in zip(rows, names, strict=True)])
    st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        column_config={
            TEST_ACCURACY: st.column_config.NumberColumn(format="%.2f"),
            "Published %": st.column_config.NumberColumn(format="%.2f"),
            "Difference": st.column_config.NumberColumn(
                format="%+.2f", help="Test accuracy − published, in percentage points."
            ),
            "Trainable": st.column_config.NumberColumn(format="localized", help="Trainable parameters."),
            "Minutes": st.column_config.NumberColumn(
                format="%.1f", help="Wall time of one whole run, whatever else its machine did."
            ),
            "CPU minutes": st.column_config.NumberColumn(
                format="%.1f", help="Processor time of one whole run, all cores together."
            ),
            "% per million": st.column_config.NumberColumn(
                format="localized", help="Test accuracy per million trainable parameters."
            ),
            "% per minute": st.column_config.NumberColumn(
                format="%.2f",
                help="Test accuracy per minute of processor time; of wall time where that is not recorded.",
            ),
        },
    )
    page_controls.csv_button(frame, "results")


def _line(row: ResultRow, name: str, fingerprint: str) -> dict[str, Any]:
    return {
        "Regime": name,
        TEST_ACCURACY: percent(row["accuracy"], 4),
        "Over seeds %": f"{_range(row['band'])}, {len(row['accuracies'])} seeds" if row["band"] else ONE_SEED,
        "95 % of one run": _range(row["ci95"]),
        "Published %": percent(row["published"], 2),
        "Difference": percent(row["difference"], 4),
        "Trainable": row["trainable"],
        "Minutes": None if row["seconds"] is None else row["seconds"] / 60,
        "CPU minutes": None if row["cpu_seconds"] is None else row["cpu_seconds"] / 60,
        "Weights": row["weights"],
        "Photos": row["dataset"] + ("" if row["fingerprint"] == fingerprint else " (other photos)"),
        "% per million": percent(row["per_million"], 1),
        "% per minute": percent(row["per_minute"], 4),
    }


def _range(bounds: tuple[float, float] | None) -> str:
    return "–".join(f"{100 * bound:.1f}" for bound in bounds) if bounds else ""


def _points(bounds: tuple[float, float]) -> str:
    return " to ".join(f"{100 * bound:+.1f}" for bound in bounds)


def _differences(runs: list[Run]) -> None:
    pairs, names = results.differences(runs), configurations.names(runs)
    if not pairs:
        return
    st.markdown("**Is the difference more than chance?**")
    frame = pd.DataFrame(
        [
            {
                "A": names[pair["a_key"]],
                "B": names[pair["b_key"]],
                _DIFFERENCE: percent(pair["difference"], 2),
                "Verdict": pair["verdict"],
                _DISAGREEMENTS: ", ".join(f"{test['a_only']} : {test['b_only']}" for test in pair["tests"]),
                "p, corrected": pair["p_holm"],
                _TOGETHER: pair["over_seeds"]["p_holm"] if pair["over_seeds"] else None,
                _INTERVAL: _points(pair["over_seeds"]["ci95"]) if pair["over_seeds"] else "",
                "Seeds": f"{pair['significant_seeds']} of {pair['seeds']}" if pair["seeds"] else "",
            }
            for pair in pairs
        ]
    )
    st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        column_config={
            _DIFFERENCE: st.column_config.NumberColumn(format="%+.2f", help="A − B, in percentage points."),
            _DISAGREEMENTS: st.column_config.TextColumn(
                help="Test photos that only A, and only B, classifies correctly; one pair of counts per seed."
            ),
            "p, corrected": st.column_config.NumberColumn(format="%.2g", help="The largest over the seeds."),
            _TOGETHER: st.column_config.NumberColumn(
                format="%.2g", help="Of the test that uses the seeds together; its least value is the resamples'."
            ),
            _INTERVAL: st.column_config.TextColumn(
                help="95 % interval of the difference over test photos, seeds averaged; paired bootstrap."
            ),
            "Seeds": st.column_config.TextColumn(help="Common seeds in which the difference is significant."),
        },
    )
    st.caption(SIGNIFICANCE)
    page_controls.csv_button(frame, "differences")


def _costs(rows: Sequence[ResultRow], names: list[str]) -> None:
    st.markdown("**What accuracy costs**: trainable parameters, and the time of one whole run, on logarithmic axes")
    time = "cpu_seconds" if all(row["cpu_seconds"] for row in rows) else "seconds"
    st.plotly_chart(
        training_results.costs(rows, names, time),
        width="stretch",
        key="costs",
        config=style.config("accuracy-costs"),
        alt="test accuracy of each regime against trainable parameters and against time, as in the table above",
    )


@st.fragment
def _all_runs(runs: list[Run], workspace: Workspace) -> None:
    # The table is made and sent only once the user opens this.
    expander = st.expander(
        f"All {counted(len(runs), 'run')} (full records)", icon=":material/list:", key="every_run", on_change="rerun"
    )
    if not expander.open:
        return
    fingerprint = str(workspace.state["dataset"]["fingerprint"])
    with expander:
        frame = pd.DataFrame(
            [
                {
                    "Run": run["id"],
                    "Seed": run["seed"],
                    "Accuracy %": percent(run["test_accuracy"], 2),
                    "95 % interval": _range(run["test_ci95"]),
                    "Best epoch": run["best_epoch"],
                    "Of epochs": len(run["epochs"]),
                    "Data": data_name(run, fingerprint),
                    "From": "bundled" if run["recorded"] else "this machine",
                    "Finished": run["finished"],
                }
                for run in runs
            ]
        )
        st.dataframe(frame, hide_index=True, width="stretch")
        ids = list(dict.fromkeys(run["id"] for run in runs))
        chosen = st.multiselect("Records to download", ids, default=ids, key="export")
        records = [run["record"] for run in runs if run["id"] in chosen]
        page_controls.json_button({"runs": records}, "runs")
