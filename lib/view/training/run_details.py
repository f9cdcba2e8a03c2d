"""A look inside one training run: what it confuses, where it is surely wrong, how it was configured."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.learn import results
from lib.learn.results import Run
from lib.prepare.workspace import Workspace
from lib.view import page_controls, photo_tiles, url_state
from lib.view.components import plotly_clicks
from lib.view.figures import style, training_results
from lib.view.formatting import ink, plain

MOST = 48
_CHART = "confusion"


def section(opened: Workspace, shown: list[Run]) -> None:
    """One of the chosen runs."""
    ids = list(dict.fromkeys(run["id"] for run in shown))
    tied = url_state.choice("run", "training", ids, _best(shown))
    chosen = str(st.selectbox("Run", ids, **tied))
    # The user's own record stands for a recorded one of the same name.
    run = [run for run in shown if run["id"] == chosen][-1]
    about = [
        f"**{plain(results.title(run))}**",
        f"seed {run['seed']}",
        plain(run["weights_about"]) + " weights",
    ]
    if run["test_accuracy"] is not None:
        about.append(f"{run['test_accuracy']:.2%} of {run['tested'] or 'its'} test photos")
    if run["best_epoch"] is not None:
        about.append(f"network of epoch {run['best_epoch']} of {len(run['epochs'])}")
    st.markdown(" · ".join(about))
    same = run["dataset"]["fingerprint"] == opened.state["dataset"]["fingerprint"]
    if not same:
        st.info(
            f"This run is of other photos ({plain(run['dataset']['name'])}), so that its photos are named but not "
            "shown.",
            icon=":material/image_not_supported:",
        )
    st.subheader("Which classes it confuses")
    if run["confusion"]:
        _confusion(opened, run, same)
    else:
        st.caption("This record has no confusion matrix.")
    st.subheader("Surely wrong")
    wrong = results.mistakes(run, 18)
    if wrong:
        st.caption("Test photos that it takes for another class, the most confident first.")
        _photos(
            opened,
            [row["id"] for row in wrong],
            [(f"said {row['predicted']}", _sure(row["confidence"])) for row in wrong],
            same,
            "mistakes",
        )
    else:
        st.caption("No mistake on the test photos." if run["predictions"] else "This record has no predictions.")
    _configuration(run, shown)


def _best(shown: list[Run]) -> str:
    return str(max(shown, key=lambda run: run["test_accuracy"] or 0.0)["id"])


def _sure(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.0%} sure"


def _confusion(opened: Workspace, run: Run, same: bool) -> None:
    classes = run["classes"]
    cells = [(run["confusion"][i][j], i, j) for i in range(len(classes)) for j in range(len(classes)) if i != j]
    _, row, column = max(cells, default=(0, 0, 0), key=lambda cell: (cell[0], -cell[1], -cell[2]))
    left, right = st.container(key="split_confusion").columns([5, 6], gap="medium")

    def clicked(cell: str) -> None:
        i, j = (int(part) for part in cell.split("-"))
        url_state.write(true=classes[i], predicted=classes[j])

    with left:
        st.plotly_chart(
            training_results.confusion(run, ink=ink()),
            width="stretch",
            key=_CHART,
            config=style.config(f"confusion-{run['id']}"),
            alt="confusion matrix: true classes in rows, predicted ones in columns; choose a cell beside it",
        )
        plotly_clicks.listen(_CHART, clicked)
        st.caption("Counts of test photos; colour by share of the row. Click a cell to see its photos.")
    with right:
        pair = st.columns(2)
        true = str(pair[0].selectbox("Is", classes, **url_state.choice("true", "training", classes, classes[row])))
        tied = url_state.choice("predicted", "training", classes, classes[column])
        predicted = str(pair[1].selectbox("Taken for", classes, **tied))
        ids = results.cell_ids(run, true, predicted)
        count = run["confusion"][classes.index(true)][classes.index(predicted)]
        more = f"; the {MOST} most confident" if len(ids) > MOST else ""
        st.caption(
            f"{count} test photo{'s' if count != 1 else ''} of class {plain(true)} taken for {plain(predicted)}"
            + (more if ids or not count else "; this record does not say which")
        )
        sure = {row["id"]: row["confidence"] for row in run["predictions"]}
        _photos(opened, ids[:MOST], [(_sure(sure[image_id]),) for image_id in ids[:MOST]], same, "cell")


def _photos(opened: Workspace, ids: list[str], notes: list[tuple[str, ...]], same: bool, key: str) -> None:
    if not ids:
        return
    if same:
        with st.container(height=430 if len(ids) > 18 else "content", border=False):
            photo_tiles.show_photos(opened, ids, key=f"photos_{key}", title="Photos", notes=notes, tile=92)
        return
    # A photo here may have the same name as one there, and be another photo.
    rows = [{"Photo": image_id, "Network": " · ".join(note)} for image_id, note in zip(ids, notes, strict=True)]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height=300 if len(rows) > 8 else "content")


def _configuration(run: Run, shown: list[Run]) -> None:
    st.subheader("How it was trained")
    left, right = st.container(key="split_config").columns(2, gap="medium")
    with left:
        for name in ("config", "environment"):
            rows = [{"Setting": key, "Value": _said(value)} for key, value in run[name].items()]
            title = {"config": "Configuration", "environment": "Environment"}[name]
            if rows:
                with st.expander(f"{title} ({len(rows)})", expanded=name == "config"):
                    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
            else:
                st.caption(f"This record has no {title.lower()}.")
    with right:
        others = [other["id"] for other in shown if other["id"] != run["id"]]
        if not others:
            st.caption("With a second run, their differences are listed here.")
            return
        tied = url_state.choice("other", "training", others, others[0])
        chosen = str(st.selectbox("What differs from", others, **tied))
        other = [each for each in shown if each["id"] == chosen][-1]
        rows = [
            {"Setting": row["setting"], "This run": _said(row["a"]), "The other": _said(row["b"])}
            for row in results.diff_config(run, other)
        ]
        if not rows:
            st.caption("Nothing: the two records say the same.")
            return
        frame = pd.DataFrame(rows)
        st.dataframe(frame, hide_index=True, width="stretch")
        page_controls.csv_button(frame, "config-diff")


def _said(value: object) -> str:
    return "—" if value is None else str(value)
