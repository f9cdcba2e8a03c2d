"""The review of labels in the photo viewer: one photo at a time, decided by a key, saved at once.

The browser is told ids and classes only, and what it sends is checked: the photo must be the one that is shown, the
action and the class must exist. So a second press of a key, sent before the next photo is there, decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from lib.data import label_review
from lib.data.label_review import EXCLUDE, KEEP, RELABEL, LabelReview, decision
from lib.documents.labels import Suspect
from lib.embed import spaces
from lib.errors import ImageError, PetalscopeError
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import cached, cached_labels, page_frame, photo_tiles, remedies
from lib.view.components import photo_view
from lib.view.components.photo_view import Review
from lib.view.formatting import plain

TITLE = "Review labels"
SKIP, UNDO = "skip", "undo"
NEIGHBOURS = 8
ALL_DECIDED = "Every photo of this list is decided."
# The id of the photo that is shown, in the session's state.
_SHOWN = "reviewed_photo"


def note(row: Suspect) -> tuple[str, ...]:
    """What a tile of a suspect says beside its label: the suggested one, and the score."""
    score = "not judged" if row["score"] is None else f"score {row['score']:.3f}"
    change = "the probe agrees" if row["suggested"] == row["label"] else f"→ {row['suggested']}"
    return (change, score)


def begin(workspace: Workspace, space: str) -> None:
    """Open the review at the first photo that is not decided."""
    rows = cached_labels.rows(workspace, space)
    _move(workspace, rows, -1)
    st.dialog(TITLE, width="large", on_dismiss="rerun")(_body)(workspace, space)


def _body(workspace: Workspace, space: str) -> None:
    rows = cached_labels.rows(workspace, space)
    places = {row["id"]: place for place, row in enumerate(rows)}
    shown: str | None = st.session_state.get(_SHOWN)
    try:
        review = cached_labels.review(workspace)
        if shown is None or shown not in places:
            st.success(ALL_DECIDED, icon=":material/done_all:")
            st.markdown(progress(workspace, space, review))
            return
        _show(workspace, space, rows, places[shown], review)
    except PetalscopeError as error:
        page_frame.show_error(error)


def progress(workspace: Workspace, space: str, review: LabelReview) -> str:
    """How far the review is, in one line."""
    photos, found = cached.catalog(workspace), cached_labels.suspects(workspace, space)
    decided = sum(photos.hashes[row] in review.decisions for row in np.nonzero(found.is_error)[0])
    counts = review.counts
    return (
        f"{decided:,} of {counted(found.errors, 'probably wrong label')} decided · "
        f"{counts['relabelled']:,} relabelled, {counts['excluded']:,} excluded, {counts['kept']:,} kept"
    )


def _sha256(row: int | None, hashes: Sequence[str]) -> str:
    return "" if row is None else hashes[row]


def _show(workspace: Workspace, space: str, rows: list[Suspect], place: int, review: LabelReview) -> None:
    photos, suspect = cached.catalog(workspace), rows[place]
    row = photos.row(suspect["id"])
    assert row is not None  # the rows are those of this catalog
    width, height = (int(photos.frame[side].iloc[row]) for side in ("width", "height"))
    try:
        source, trouble = cached.screen_photo(workspace, suspect["id"]), ""
    except ImageError as error:
        source, trouble = "", f"{suspect['id']} {error}"
    made = review.decisions.get(photos.hashes[row])
    done = "" if made is None else f" · decided: {made.action}{f' to {made.label}' if made.label else ''}"
    photo_view.show(
        key="label_view",
        src=source,
        alt=f"photo of class {suspect['label']}, {suspect['id']}",
        size=(width, height),
        note=f"{place + 1:,} of {len(rows):,} · {suspect['id']}{done}",
        previous=rows[place - 1]["id"] if place else None,
        following=rows[place + 1]["id"] if place + 1 < len(rows) else None,
        on_move=_view,
        review=Review(
            id=suspect["id"],
            label=suspect["label"],
            suggested=suspect["suggested"],
            reasons=tuple(suspect["reasons"]),
            classes=tuple(photos.classes),
            progress=progress(workspace, space, review),
            can_undo=bool(review.steps),
        ),
        on_act=lambda action, label, image_id: _act(workspace, space, action, label, image_id),
    )
    if trouble:
        st.warning(plain(trouble), icon=":material/broken_image:")
    _show_neighbours(workspace, space, row)


def _show_neighbours(workspace: Workspace, space: str, row: int) -> None:
    photos, near = cached.catalog(workspace), cached.neighbourhoods(workspace, space)
    others = [int(other) for other in near.rows["cosine"][row][:NEIGHBOURS] if other >= 0]
    title = f"Nearest in {spaces.get(space).title} (cosine)"
    st.caption(plain(title if others else f"{title}: no other photo."))
    if others:
        photo_tiles.show_photos(
            workspace,
            [photos.ids[other] for other in others],
            key="label_near",
            title=title,
            notes=[f"{value:.4f}" for value in near.values["cosine"][row][: len(others)]],
            tile=84,
            row=True,
            on_pick=lambda _: None,
            opens=False,
        )


def _view(image_id: str) -> None:
    st.session_state[_SHOWN] = image_id


def _act(workspace: Workspace, space: str, action: str, label: str, image_id: str) -> None:
    """Carry out a key: save a decision and go on to the next photo, skip, or undo."""
    photos, rows = cached.catalog(workspace), cached_labels.rows(workspace, space)
    row = photos.row(image_id)
    if row is None or image_id != st.session_state.get(_SHOWN):
        return
    place = next(place for place, each in enumerate(rows) if each["id"] == image_id)
    try:
        if action == UNDO:
            _, hashes = label_review.undo(workspace.folder)
            undone = [each["id"] for each in rows if _sha256(photos.row(each["id"]), photos.hashes) in hashes]
            st.session_state[_SHOWN] = undone[0] if undone else image_id
            return
        if action in {KEEP, EXCLUDE} or (action == RELABEL and label in photos.classes):
            chosen = decision(action, image_id, label)  # type: ignore[arg-type]  # one of the three
            label_review.decide(workspace.folder, {photos.hashes[row]: chosen})
        elif action != SKIP:
            return
    except PetalscopeError as error:
        st.toast(plain(remedies.sentence(error)), icon=":material/error:")
        return
    _move(workspace, rows, place)


def _move(workspace: Workspace, rows: list[Suspect], place: int) -> None:
    """Go on to the next photo after a place that is not decided; to the first one where none follows."""
    photos, decisions = cached.catalog(workspace), cached_labels.review(workspace).decisions
    order = [*rows[place + 1 :], *rows[: max(place, 0)]]
    left = (each["id"] for each in order if _sha256(photos.row(each["id"]), photos.hashes) not in decisions)
    st.session_state[_SHOWN] = next(left, None)
