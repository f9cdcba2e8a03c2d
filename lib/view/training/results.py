"""Final results on the training page: the answer, the table, what is more than chance, what accuracy costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.learn import results
from lib.learn.regimes import PUBLISHED_CONDITIONS
from lib.learn.results import Run
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls
from lib.view.figures import style, training_curves, training_results
from lib.view.formatting import plain
from lib.view.training import page


def headline(shown: list[Run]) -> None:
    """The answer in a sentence."""
    rows = [row for row in results.table(shown) if row["accuracy"] is not None]
    if not rows:
        return
    best = max(rows, key=lambda row: row["accuracy"] or 0.0)
    seeds = f"Mean of {len(best['accuracies'])} seeds" if best["band"] else "1 seed"
    tested = f" of {best['tested']:,} test photos" if best["tested"] else ""
    others = ", ".join(
        f"{plain(row['title'])} {row['accuracy']:.1%}"
        for row in sorted(rows, key=lambda row: -(row["accuracy"] or 0.0))
        if row is not best
    )
    st.markdown(
        f"#### {plain(best['title'])} is right on {best['accuracy']:.1%}{tested}\n"
        f"{seeds}{'. The others: ' + others if others else ''}."
    )


def final(shown: list[Run], opened: Workspace) -> None:
    """Final results: figure, table, and which differences are more than chance."""
    rows = results.table(shown)
    called = list(training_curves.names(shown).values())
    headline(shown)
    st.plotly_chart(
        training_results.final(rows, called),
        width="stretch",
        key="final",
        config=style.config("results"),
        alt="test accuracy of each regime with intervals, beside the published one; the table below has the numbers",
    )
    weights = sorted({run["weights_about"] for run in shown if run["weights"] != "random"})
    st.caption(
        "Filled: mean test accuracy; bar: 95 % interval of one run (Wilson); small dots: seeds. Diamonds: published "
        f"with {PUBLISHED_CONDITIONS}; "
        + (
            f"ours started from {plain('; '.join(weights))}, on another split, "
            if weights
            else "ours are on another split, "
        )
        + "so the two columns do not compare like with like."
    )
    frame = _frame(rows, called, str(opened.state["dataset"]["fingerprint"]))
    st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        column_config={
            "Test accuracy %": st.column_config.NumberColumn(format="%.2f"),
            "Published %": st.column_config.NumberColumn(format="%.2f"),
            "Difference": st.column_config.NumberColumn(format="%+.2f", help="Test accuracy − published, in points."),
            "Trainable": st.column_config.NumberColumn(format="localized", help="Parameters that train."),
            "Minutes": st.column_config.NumberColumn(
                format="%.1f", help="Wall time of one whole run, on the machine that ran it, whatever else it did."
            ),
            "CPU minutes": st.column_config.NumberColumn(
                format="%.1f", help="Processor time of one whole run, all cores together."
            ),
            "% per million": st.column_config.NumberColumn(
                format="localized", help="Test accuracy per million trainable parameters."
            ),
            "% per minute": st.column_config.NumberColumn(
                format="%.2f",
                help="Test accuracy per minute of processor time, or of wall time where that is not known.",
            ),
        },
    )
    page_controls.csv_button(frame, "results")
    _differences(shown)
    st.markdown("**What accuracy costs**: parameters that train, and the time of one whole run, on logarithmic axes")
    cost = "cpu_seconds" if all(row["cpu_seconds"] for row in rows) else "seconds"
    st.plotly_chart(
        training_results.costs(rows, called, cost),
        width="stretch",
        key="costs",
        config=style.config("accuracy-costs"),
        alt="test accuracy of each regime against trainable parameters and against time, as in the table above",
    )
    _every_run(shown, opened)


def _frame(rows: Sequence[Mapping[str, Any]], called: list[str], here: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Regime": name,
                "Test accuracy %": _percent(row["accuracy"], 4),
                "Over seeds %": f"{_range(row['band'])}, {len(row['accuracies'])} seeds" if row["band"] else "1 seed",
                "Published %": _percent(row["published"], 2),
                "Difference": _percent(row["difference"], 4),
                "95 % of one run": _range(row["ci95"]),
                "Trainable": row["trainable"],
                "Minutes": None if row["seconds"] is None else row["seconds"] / 60,
                "CPU minutes": None if row["cpu_seconds"] is None else row["cpu_seconds"] / 60,
                "Weights": row["weights"],
                "Photos": row["dataset"] + ("" if row["fingerprint"] == here else " (other photos)"),
                "% per million": _percent(row["per_million"], 1),
                "% per minute": _percent(row["per_minute"], 4),
            }
            for row, name in zip(rows, called, strict=True)
        ]
    )


def _percent(share: float | None, places: int) -> float | None:
    return None if share is None else round(100 * share, places)


def _range(bounds: tuple[float, float] | None) -> str:
    return "–".join(f"{100 * bound:.1f}" for bound in bounds) if bounds else ""


def _differences(shown: list[Run]) -> None:
    pairs, called = results.differences(shown), training_curves.names(shown)
    if not pairs:
        return
    st.markdown("**Is the difference more than chance?**")
    frame = pd.DataFrame(
        [
            {
                "One": called[pair["a_key"]],
                "Other": called[pair["b_key"]],
                "One − other, points": _percent(pair["difference"], 2),
                "Verdict": pair["verdict"],
                "Only one right": ", ".join(f"{test['a_only']} : {test['b_only']}" for test in pair["tests"]),
                "p, corrected": pair["p_holm"],
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
            "One − other, points": st.column_config.NumberColumn(format="%+.2f"),
            "Only one right": st.column_config.TextColumn(
                help="Test photos that only the one, and only the other gets right; one pair per seed."
            ),
            "p, corrected": st.column_config.NumberColumn(format="%.2g", help="The largest of the seeds'."),
            "Seeds": st.column_config.TextColumn(help="Common seeds in which the difference is significant."),
        },
    )
    st.caption(
        "McNemar's exact test on the same test photos, per common seed; all tests Holm-corrected together, and a pair "
        "is significant when every seed is. It speaks of these networks on these photos."
    )
    page_controls.csv_button(frame, "differences")


@st.fragment
def _every_run(shown: list[Run], opened: Workspace) -> None:
    here = str(opened.state["dataset"]["fingerprint"])
    # What is inside is made, sent and drawn when it is opened.
    unfolded = st.expander(
        f"Every run ({len(shown)}), and its whole record", icon=":material/list:", key="every_run", on_change="rerun"
    )
    if not unfolded.open:
        return
    with unfolded:
        frame = pd.DataFrame(
            [
                {
                    "Run": run["id"],
                    "Seed": run["seed"],
                    "Accuracy %": _percent(run["test_accuracy"], 2),
                    "95 % interval": _range(run["test_ci95"]),
                    "Best epoch": run["best_epoch"],
                    "Of epochs": len(run["epochs"]),
                    "Data": page.data_name(run, here),
                    "From": "Petalscope" if run["recorded"] else "this machine",
                    "Finished": run["finished"],
                }
                for run in shown
            ]
        )
        st.dataframe(frame, hide_index=True, width="stretch")
        ids = list(dict.fromkeys(run["id"] for run in shown))
        wanted = st.multiselect("Records to download", ids, default=ids, key="export")
        records = [run["record"] for run in shown if run["id"] in wanted]
        page_controls.download(
            "Download as JSON", lambda: cached.json_of({"runs": records}), "petalscope-runs.json", "json_runs"
        )
