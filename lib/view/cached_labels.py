"""What pages read about labels, cached: suspects, their reasons, and the scores before and after a review."""

from __future__ import annotations

import streamlit as st

from lib.data import label_review
from lib.data.label_review import LabelReview
from lib.documents.labels import Suspect
from lib.measure import review_scores
from lib.measure import suspects as measured
from lib.measure.review_scores import ScorePair
from lib.measure.suspects import Suspects
from lib.prepare import before_review
from lib.prepare.workspace import Workspace
from lib.view import cached

KEYS = cached.KEYS


@st.cache_resource(max_entries=8, show_spinner="Fitting probes to the labels", hash_funcs=KEYS)
def suspects(workspace: Workspace, space: str) -> Suspects:
    """The suspects of a space, measured unless they are stored. Shared by all sessions: read only."""
    return measured.find(workspace, space, cached.catalog(workspace))


@st.cache_resource(
    max_entries=8,
    show_spinner=False,
    hash_funcs=KEYS,
    validate=lambda found: found is not None,  # another session, or the end of a `prepare`, may store them meanwhile
)
def stored_suspects(workspace: Workspace, space: str) -> Suspects | None:
    """The suspects of a space if they are stored; nothing is measured. Shared by all sessions: read only."""
    return measured.load(workspace, space, cached.catalog(workspace))


@st.cache_resource(max_entries=8, show_spinner="Comparing labels with neighbours", hash_funcs=KEYS)
def rows(workspace: Workspace, space: str) -> list[Suspect]:
    """Every photo once, the most suspicious first, with reasons. Shared by all sessions: read only."""
    near, audit = cached.neighbourhoods(workspace, space), cached.audit_report(workspace)
    return measured.rows(suspects(workspace, space), cached.catalog(workspace), near, audit)


def review(workspace: Workspace) -> LabelReview:
    """The decisions as they are now: another session may have added some. Raises ArtifactError when it is damaged."""
    return label_review.read(workspace.folder)


@st.cache_data(ttl=10, max_entries=4, show_spinner=False, hash_funcs=KEYS)
def scores(workspace: Workspace) -> list[ScorePair]:
    """The scores before and after the review that is applied; at most 10 s old, since they are measured later."""
    return review_scores.compare(before_review.workspace(workspace), workspace)
