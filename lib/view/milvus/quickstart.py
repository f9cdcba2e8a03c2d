"""Milvus page, Five steps: from an empty store to a search in the user's own photos, with code and answers."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.embed import spaces
from lib.errors import StoreError
from lib.prepare.workspace import Workspace
from lib.store import quickstart
from lib.store.quickstart import Lesson, Server
from lib.view import cached, cached_milvus, page_frame, photo_tiles
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import connect

_MOST_PHOTOS = 500
_STEPS = 5
_INDEX = 3  # the place of the step whose answer is short enough to be shown unfolded
_LESSON = "lesson"  # the session's lesson
RUN_REST = "Run the rest"
START_OVER = "Start over"
ALL_DONE = "All steps done"
RUN_ON = "Run the steps on"
LITE = "a scratch Milvus Lite store"
ANSWER = "measured by this client · the engine's answer:"
LOCKED = f"{connect.UNLOCK} first"


def run_step(number: int) -> str:
    """The label of the button that runs one step."""
    return f"Run step {number}"


def show(context: MilvusContext) -> None:
    """The steps in order, each with its code, its time, and the engine's answer."""
    workspace = context.workspace
    if workspace is None:
        st.info("The five steps use your own photos; prepare them first: run `python -m lib prepare`.")
        return
    server = _target(context)
    lesson: Lesson | None = st.session_state.get(_LESSON)
    if lesson is not None and lesson.server != server:  # another target was chosen, or changes were locked
        _forget()
        lesson = None
    done = 0 if lesson is None else len(lesson.done)
    with st.container(horizontal=True):
        if st.button(RUN_REST if done < _STEPS else ALL_DONE, disabled=done == _STEPS, icon=":material/fast_forward:"):
            _run(workspace, server, _STEPS - done)
        if st.button(START_OVER, disabled=lesson is None, icon=":material/restart_alt:"):
            _forget()
            st.rerun()
    lesson = lesson or st.session_state.get(_LESSON) or _new(workspace, server)  # a failed first step made one, too
    for place in range(_STEPS):
        _step(workspace, lesson, server, place)


def _step(workspace: Workspace, lesson: Lesson, server: Server | None, place: int) -> None:
    """A card of one step: what it is for and its code, beside the button that runs it and, once it ran, its output."""
    step, done = lesson.steps[place], place < len(lesson.done)
    with st.container(border=True, key=f"split_step_{place + 1}"):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            icon = ":material/check_circle:" if done else f":material/counter_{place + 1}:"
            st.markdown(f"{icon} **{place + 1} · {step.title}**: {step.purpose}")
            st.code(step.code, language="python")
        with right:
            is_next = place == len(lesson.done)
            if st.button(
                run_step(place + 1),
                type="primary" if is_next else "secondary",
                disabled=not is_next,
                icon=":material/play_arrow:",
                key=f"run_step_{place + 1}",
                help=None if is_next or done else "Run the steps before it first.",
            ):
                _run(workspace, server, 1)
            if done:
                _output(workspace, lesson, place)


def _output(workspace: Workspace, lesson: Lesson, place: int) -> None:
    """What a step returned: photos for the search, else the engine's answer; and the time it took."""
    result = lesson.done[place]
    st.caption(f"**{result.milliseconds:.1f} ms**, {ANSWER}")
    if place == _STEPS - 1:
        ids = [row["id"] for row in result.answer]
        notes = [f"{row['label']}, {row['cosine']:.4f}" for row in result.answer]
        photo_tiles.show_photos(workspace, ids, key="steps_photos", title="Search results", notes=notes)
        st.caption("The first is the query itself: its cosine with itself is 1.")
        with st.expander("The answer as JSON", icon=":material/data_object:"):
            st.json(result.answer)
    elif isinstance(result.answer, (dict, list)):
        st.json(result.answer, expanded=place == _INDEX)
    else:
        st.code(str(result.answer), language=None)


def _target(context: MilvusContext) -> Server | None:
    """Where the steps run: None is a scratch Lite store. A server must be unlocked, since the steps write to it."""
    connection = context.connection
    if connection.lite:
        st.caption(
            f"Runs on {LITE} with up to {_MOST_PHOTOS} of your photos; it is deleted at *{START_OVER}* or after a day. "
            "On a server only the first line differs: its address and a token."
        )
        return None
    unlocked = connect.unlocked(connection)
    server = f"the server {connection.address}"
    target = st.radio(RUN_ON, [LITE, server] if unlocked else [LITE], key=f"steps on {connection.key}", horizontal=True)
    if not unlocked:
        st.caption(f":material/lock: To run them on {plain(server)}, {LOCKED}: the steps create a collection there.")
    if target == LITE:
        st.caption(f"Up to {_MOST_PHOTOS} of your photos; the store is deleted at *{START_OVER}* or after a day.")
        return None
    st.caption(
        f"Up to {_MOST_PHOTOS} of your photos, in a collection named `{quickstart.COLLECTION_PREFIX}…`. It is dropped "
        f"at *{START_OVER}*, or after a day when the next session starts there; no other collection is touched."
    )
    return Server(connection.uri, connection.token)


def _new(workspace: Workspace, server: Server | None) -> Lesson:
    """A lesson over a random choice of photos, in the first space that Milvus holds."""
    names = [name for name in ("resnet18", *workspace.spaces) if name in workspace.spaces]
    space = next(name for name in names if spaces.get(name).in_milvus)
    photos = cached.catalog(workspace)
    rows = np.sort(np.random.default_rng(0).permutation(len(photos.ids))[:_MOST_PHOTOS])
    vectors = np.asarray(cached.searchable_space(workspace, space).gallery.vectors[rows], dtype=np.float32)
    labels = [str(label) for label in photos.frame["label"].to_numpy()[rows]]
    folder = cached.current_settings().artifacts / "scratch"
    lesson = Lesson(folder, [photos.ids[row] for row in rows], labels, vectors, server=server)
    st.session_state[_LESSON] = lesson
    return lesson


def _run(workspace: Workspace, server: Server | None, count: int) -> None:
    lesson: Lesson = st.session_state.get(_LESSON) or _new(workspace, server)
    try:
        with st.spinner("Running"):
            for _ in range(count):
                lesson.run()
    except StoreError as error:
        page_frame.restart_or_show_error(error)
        return
    st.rerun()


def _forget() -> None:
    """Delete what the lesson created."""
    lesson: Lesson | None = st.session_state.pop(_LESSON, None)
    if lesson is not None:
        lesson.close()
        cached_milvus.refresh()  # or the lesson's collection would still be listed
