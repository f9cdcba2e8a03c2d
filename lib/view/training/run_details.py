"""The section Inside a run: its confusion matrix, its most confident mistakes, its configuration."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from lib.learn import configurations, results
from lib.learn.results import Run
from lib.learn.untrained import untrained_note
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import page_controls, photo_tiles, url_state
from lib.view.components import plotly_clicks
from lib.view.figures import style, training_results
from lib.view.formatting import ink, plain

_MOST_PHOTOS = 48  # of a cell of the confusion matrix
_MOST_MISTAKES = 18
_CHART = "confusion"
OTHER_PHOTOS = "so its photos are named but not shown"


def cell_count(count: int, true: str, predicted: str) -> str:
    """The words for a cell of the confusion matrix."""
    return f"{counted(count, 'test photo')} of class {plain(true)} predicted as {plain(predicted)}"


def section(workspace: Workspace, runs: list[Run]) -> None:
    """One of the runs, in detail."""
    ids = list(dict.fromkeys(run["id"] for run in runs))
    best = max(runs, key=lambda run: run["test_accuracy"] or 0.0)
    chosen = str(st.selectbox("Run", ids, **url_state.choice("run", "training", ids, str(best["id"]))))
    # Of a bundled run and a user's own with the same id, the user's own comes last.
    run = [run for run in runs if run["id"] == chosen][-1]
    _summary(run)
    same_photos = run["dataset"]["fingerprint"] == workspace.state["dataset"]["fingerprint"]
    if not same_photos:
        st.info(
            f"This run used other photos ({plain(run['dataset']['name'])}), {OTHER_PHOTOS}.",
            icon=":material/image_not_supported:",
        )
    st.subheader("Confusion matrix")
    if run["confusion"]:
        _confusion(workspace, run, same_photos)
    else:
        st.caption("This record has no confusion matrix.")
    st.subheader("Most confident mistakes")
    mistakes = results.mistakes(run, _MOST_MISTAKES)
    if mistakes:
        st.caption("Misclassified test photos, the most confident predictions first.")
        notes = [(f"predicted {row['predicted']}", _confidence(row["confidence"])) for row in mistakes]
        _photos(workspace, [row["id"] for row in mistakes], notes, same_photos, "mistakes")
    else:
        st.caption("No test photo is misclassified." if run["predictions"] else "This record has no predictions.")
    st.subheader("How it was trained")
    left, right = st.container(key="split_config").columns(2, gap="medium")
    with left:
        _configuration(run)
    with right:
        _compare(run, [other for other in runs if other["id"] != run["id"]])


def _summary(run: Run) -> None:
    facts = [
        f"**{plain(configurations.title(run))}**",
        f"seed {run['seed']}",
        f"weights: {plain(run['weights_about'])}",
    ]
    if run["test_accuracy"] is not None:
        facts.append(f"{run['test_accuracy']:.2%} of {run['tested'] or 'its'} test photos")
    if run["best_epoch"] is not None:
        facts.append(f"network of epoch {run['best_epoch']} of {len(run['epochs'])}")
    st.markdown(" · ".join(facts))
    if note := untrained_note(run["untrained"]["photos"], run["tested"] or 0, run["untrained"]["classes"]):
        st.info(plain(note), icon=":material/info:")


def _confidence(confidence: float | None) -> str:
    return "" if confidence is None else f"confidence {confidence:.0%}"


def _confusion(workspace: Workspace, run: Run, same_photos: bool) -> None:
    """The matrix, and the photos of one cell: the largest off the diagonal unless another is chosen."""
    classes = run["classes"]
    places = range(len(classes))
    errors = [(i, j) for i in places for j in places if i != j]
    row, column = max(errors, default=(0, 0), key=lambda cell: run["confusion"][cell[0]][cell[1]])
    left, right = st.container(key="split_confusion").columns([5, 6], gap="medium")

    def choose(cell: str) -> None:
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
        plotly_clicks.listen(_CHART, choose)
        st.caption("Counts of test photos, coloured by their share of the row. Click a cell to see its photos.")
    with right:
        pair = st.columns(2)
        tied = url_state.choice("true", "training", classes, classes[row])
        true = str(pair[0].selectbox("True class", classes, **tied))
        tied = url_state.choice("predicted", "training", classes, classes[column])
        predicted = str(pair[1].selectbox("Predicted class", classes, **tied))
        _cell(workspace, run, (true, predicted), same_photos)


def _cell(workspace: Workspace, run: Run, cell: tuple[str, str], same_photos: bool) -> None:
    true, predicted = cell
    ids = results.confusion_cell_ids(run, true, predicted)
    count = run["confusion"][run["classes"].index(true)][run["classes"].index(predicted)]
    note = f"; the {_MOST_PHOTOS} most confident" if len(ids) > _MOST_PHOTOS else ""
    if count and not ids:
        note = "; this record does not list them"
    st.caption(cell_count(count, true, predicted) + note)
    confidences = {row["id"]: row["confidence"] for row in run["predictions"]}
    shown = ids[:_MOST_PHOTOS]
    _photos(workspace, shown, [(_confidence(confidences[image_id]),) for image_id in shown], same_photos, "cell")


def _photos(
    workspace: Workspace, ids: list[str], notes: Sequence[tuple[str, ...]], same_photos: bool, key: str
) -> None:
    """The photos with their notes; only their names where the run used other photos (not `same_photos`)."""
    if not ids:
        return
    if same_photos:
        with st.container(height=430 if len(ids) > 18 else "content", border=False):
            photo_tiles.show_photos(workspace, ids, key=f"photos_{key}", title="Photos", notes=notes, tile=92)
        return
    # The prepared data set may have a different photo of the same name.
    rows = [{"Photo": image_id, "Network": " · ".join(note)} for image_id, note in zip(ids, notes, strict=True)]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height=300 if len(rows) > 8 else "content")


def _configuration(run: Run) -> None:
    for key, title, settings in (
        ("config", "Configuration", run["config"]),
        ("environment", "Environment", run["environment"]),
    ):
        rows = [{"Setting": name, "Value": _cell_text(value)} for name, value in settings.items()]
        if rows:
            with st.expander(f"{title} ({len(rows)})", expanded=key == "config"):
                st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
        else:
            st.caption(f"This record has no {title.lower()}.")


def _compare(run: Run, others: list[Run]) -> None:
    """The settings in which a run differs from another one."""
    if not others:
        st.caption("Choose a second run to compare settings.")
        return
    ids = [other["id"] for other in others]
    chosen = str(st.selectbox("Compare settings with", ids, **url_state.choice("other", "training", ids, ids[0])))
    other = [other for other in others if other["id"] == chosen][-1]
    rows = [
        {"Setting": row["setting"], "This run": _cell_text(row["a"]), "Other run": _cell_text(row["b"])}
        for row in results.configuration_differences(run, other)
    ]
    if not rows:
        st.caption("The settings of both runs are the same.")
        return
    frame = pd.DataFrame(rows)
    st.dataframe(frame, hide_index=True, width="stretch")
    page_controls.csv_button(frame, "config-diff")


def _cell_text(value: object) -> str:
    return "—" if value is None else str(value)
