"""Home: labels that are probably wrong, the review of them, and what it changes in the scores."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st

from lib.data import label_review, review_table
from lib.data.label_review import Counts, LabelReview
from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.learn import runs
from lib.measure import reproduction as reproductions
from lib.measure import suspects as measured
from lib.measure.review_scores import METRIC, Score, ScorePair
from lib.measure.scoreboard import MEASURES
from lib.prepare import before_review
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import (
    background_jobs,
    cached,
    cached_labels,
    page_controls,
    page_frame,
    photo_tiles,
    provenance,
    reproduction,
    url_state,
)
from lib.view.formatting import plain
from lib.view.home import label_review_dialog

REVIEW, PREPARE, UNDO, EXPORT = "Review by keyboard", "Prepare with these labels", "Undo", "Decisions (CSV)"
SUSPECTS = "Doubtful labels"
_SHOWN = 24
NOT_RANKED = "The labels are not checked yet: open the list."
CAUTION = (
    "Labels that were changed with the help of these features favour them: a part of a rise is that the labels now "
    "follow the features. Relabelled and excluded test photos also change which queries are scored."
)


def words(counts: Counts) -> str:
    """Decisions in words: "3 relabelled, 1 excluded, 2 kept"."""
    clauses = [f"{number:,} {name}" for name, number in (*counts.items(),) if isinstance(number, int) and number]
    return ", ".join(clauses) if clauses else "no decision yet"


def show(workspace: Workspace) -> None:
    """One sentence; once the user switches it on, the suspects, the review, and the scores."""
    try:
        review = cached_labels.review(workspace)
    except PetalscopeError as error:
        page_frame.show_error(error)
        return
    default = page_controls.default_space(workspace)
    stored = cached_labels.stored_suspects(workspace, default)
    if stored is None:
        st.caption(NOT_RANKED)
    else:
        verdict = measured.verdict(stored, cached.catalog(workspace).ids)
        st.markdown(plain(verdict.text), help=plain(verdict.about), width="content")
    is_open = st.toggle(
        "Check labels",
        **url_state.switch("labels"),
        help="Lists the photos whose labels are most doubtful, and reviews them by keyboard: keep, relabel, exclude.",
    )
    _show_state(workspace, review)
    if is_open:
        _show_decisions(review)
    if workspace.state.get("review") is not None:
        _show_scores(cached_labels.scores(workspace))
    if is_open:
        try:
            _show_suspects(workspace, review)
        except PetalscopeError as error:
            page_frame.restart_or_show_error(error)


def _show_state(workspace: Workspace, review: LabelReview) -> None:
    """The decisions, whether they are applied, and what can be done with them; nothing where there are none."""
    pending = before_review.pending(workspace)
    if not review.decisions and not review.steps and not pending:
        return
    running = background_jobs.jobs().job.running
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="label_state"):
        now = "not applied yet" if pending else "applied"
        st.markdown(f"**Your review:** {words(review.counts)} · {now}.", width="content")
        if st.button(
            PREPARE,
            type="primary" if pending else "secondary",
            icon=":material/play_arrow:",
            disabled=running or not pending,
            help="Catalog, maps, collections and scores anew; the photos and their folders stay as they are.",
        ):
            settings = cached.current_settings()
            if not background_jobs.start_prepare(settings, cached.release_store, _trained(workspace)):
                st.toast("Another session has just started the same job.")
            st.rerun()
        if st.button(UNDO, icon=":material/undo:", disabled=running or not review.steps, help="Takes back one step."):
            label_review.undo(workspace.folder)
            st.rerun()
        own = dict(zip(cached.catalog(workspace).ids, cached.catalog(workspace).labels, strict=True))
        lines = provenance.lines()
        page_controls.download(
            EXPORT,
            lambda: provenance.comment(lines) + review_table.text(review, own),
            "petalscope-label-review.csv",
            key="label_csv",
        )


def _show_decisions(review: LabelReview) -> None:
    """All decisions as a table: excluded photos are on no page any more."""
    if not review.decisions:
        return
    with st.expander(f"Decisions: {len(review.decisions):,}", icon=":material/checklist:"):
        table = [{"id": each.id, "action": each.action, "label": each.label} for each in review.decisions.values()]
        st.dataframe(table, width="stretch", hide_index=True)


def _trained(workspace: Workspace) -> list[str]:
    """The spaces of trained networks that are prepared now and can be made again."""
    photos = cached.catalog(workspace)
    trained = [space for space in map(spaces.get, workspace.spaces) if space.regime]
    return [
        space.name
        for space in trained
        if space.regime and runs.best(workspace.settings, space.regime, photos, space.network)
    ]


def _show_suspects(workspace: Workspace, review: LabelReview) -> None:
    """The space of the probe, the button that opens the review, and the photos that are not decided yet."""
    photos = cached.catalog(workspace)
    with page_controls.sheet("labels"):
        space = page_controls.space_select(workspace, "Probe on", "home")
        begin = st.button(REVIEW, type="primary", icon=":material/keyboard:")
    rows = cached_labels.rows(workspace, space)
    found = cached_labels.suspects(workspace, space)
    decided = {photos.ids[row] for row, sha256 in enumerate(photos.hashes) if sha256 in review.decisions}
    left = [row for row in rows if row["id"] not in decided][:_SHOWN]
    errors = sum(photos.hashes[row] in review.decisions for row in np.nonzero(found.is_error)[0])
    st.caption(
        f"{counted(len(rows), 'photo')}, ranked in {spaces.get(space).title} ({found.input}) by "
        f"{plain(measured.METHOD)}. {errors:,} of {counted(found.errors, 'probably wrong label')} decided. Equal "
        "photos share a decision."
    )
    photo_tiles.show_photos(
        workspace,
        [row["id"] for row in left],
        key="suspects",
        title=SUSPECTS,
        notes=[label_review_dialog.note(row) for row in left],
        tile=112,
    )
    reproduction.show(reproductions.suspects(workspace, space, photos))
    if begin:
        label_review_dialog.begin(workspace, space)


# --- scores ----------------------------------------------------------------------------------------------------------


def _show_scores(pairs: Sequence[ScorePair]) -> None:
    """The stored scores before and after the review, as a table."""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Space", "Measure", "Before", "After", "Difference"))
    body = "".join(
        f'<tr><th scope="row">{html.escape(spaces.get(pair.space).title)}</th><td>{MEASURES[pair.measure]}</td>'
        f"<td>{_cell(pair.before)}</td><td>{_cell(pair.after)}</td><td>{_difference(pair)}</td></tr>"
        for pair in pairs
    )
    st.html(
        '<div class="ps-wide" tabindex="0" role="group" aria-label="Scores before and after your review">'
        f'<table class="ps-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
    st.caption(
        f"Scores of {METRIC} search with test photos as queries (mean, 95 % interval, number of queries n), before and "
        f"after your review. {CAUTION}"
    )


def _cell(score: Score | None) -> str:
    if score is None:
        return "not measured"
    if score.mean is None:
        return f"undefined (n = {score.queries:,})"
    interval = f" ({score.interval[0]:.3f}–{score.interval[1]:.3f})" if score.interval else ""
    return f"<b>{score.mean:.4f}</b>{interval}, n = {score.queries:,}"


def _difference(pair: ScorePair) -> str:
    means = [None if score is None else score.mean for score in (pair.before, pair.after)]
    return "–" if means[0] is None or means[1] is None else f"{means[1] - means[0]:+.4f}"
