"""Milvus page, Five steps: from nothing to a search on a scratch collection of the user's photos, code and answers."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.embed import spaces
from lib.errors import StoreError
from lib.store import quickstart
from lib.store.quickstart import Lesson, Server
from lib.view import cached, cached_milvus, page_frame, photo_tiles
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import connect

MOST = 500


def show(here: MilvusContext) -> None:
    """The steps, one after the other, each with its code, its time, and the engine's answer."""
    if here.opened is None:
        st.info("The five steps use your own photos, and none are prepared: run `python -m lib prepare` first.")
        return
    server = _where(here)
    lesson: Lesson | None = st.session_state.get("lesson")
    if lesson is not None and lesson.server != server:  # begun elsewhere, or changes have been locked since
        _forget()
        lesson = None
    first, second, third, _ = st.columns([2, 2, 2, 4])
    count = 0 if lesson is None else len(lesson.done)
    total = 5
    if first.button(
        f"Run step {count + 1}" if count < total else "All steps are done",
        type="primary",
        disabled=count == total,
        icon=":material/play_arrow:",
        width="stretch",
    ):
        _run(here, server, 1)
    if second.button("Run all that are left", disabled=count == total, icon=":material/fast_forward:", width="stretch"):
        _run(here, server, total - count)
    if third.button("Start over", disabled=lesson is None, icon=":material/restart_alt:", width="stretch"):
        _forget()
        st.rerun()
    if lesson is None:
        lesson = _new(here, server)
    for place, step in enumerate(lesson.steps):
        with st.container(border=True):
            mark = ":material/check_circle:" if place < count else f":material/counter_{place + 1}:"
            st.markdown(f"{mark} **{place + 1} · {step.title}**")
            st.caption(step.words)
            st.code(step.code, language="python")
            if place < count:
                done = lesson.done[place]
                st.caption(f"**{done.milliseconds:.1f} ms**, timed here · the engine's answer:")
                if isinstance(done.answer, (dict, list)):
                    st.json(done.answer, expanded=place in {3, 4})
                else:
                    st.code(str(done.answer), language=None)
                if place == total - 1:
                    ids = [row["id"] for row in done.answer]
                    notes = [f"{row['cosine']:.4f}" for row in done.answer]
                    photo_tiles.show_photos(
                        here.opened, ids, key="steps_photos", title="What the search found", notes=notes
                    )


def _where(here: MilvusContext) -> Server | None:
    """Where the steps are run: None is a Lite store of their own. A server must be unlocked, since they write to it."""
    connection = here.connection
    if connection.lite:
        st.caption(
            f"On a Milvus Lite store of its own, with up to {MOST} of your photos, deleted at *Start over* or after a "
            "day. On a server only the first line differs: its address and a token."
        )
        return None
    allowed = connect.unlocked(connection)
    scratch, there = "a Milvus Lite store of its own", f"the server {connection.address}"
    chosen = st.radio(
        "Run them on", [scratch, there] if allowed else [scratch], key=f"steps on {connection.key}", horizontal=True
    )
    if not allowed:
        st.caption(
            f":material/lock: To run them on {plain(there)}, unlock changes first (part *Change*): they make a "
            "collection there."
        )
    if chosen == scratch:
        st.caption(f"With up to {MOST} of your photos; the store is deleted at *Start over* or after a day.")
        return None
    st.caption(
        f"With up to {MOST} of your photos, in a collection named `{quickstart.PREFIX}…`. It is dropped at "
        "*Start over*, or when somebody begins anew there after a day; no other collection is touched."
    )
    return Server(connection.uri, connection.token)


def _new(here: MilvusContext, server: Server | None) -> Lesson:
    opened = here.opened
    assert opened is not None
    space = next(name for name in ("resnet18", *opened.spaces) if name in opened.spaces and spaces.get(name).in_milvus)
    photos = cached.catalog(opened)
    chosen = np.sort(np.random.default_rng(0).permutation(len(photos.ids))[:MOST])
    vectors = np.asarray(cached.loaded(opened, space).gallery.vectors[chosen], dtype=np.float32)
    labels = photos.frame["label"].to_numpy()[chosen]
    folder = cached.current_settings().artifacts / "scratch"
    ids = [photos.ids[row] for row in chosen]
    lesson = Lesson(folder, ids, [str(label) for label in labels], vectors, server=server)
    st.session_state["lesson"] = lesson
    return lesson


def _run(here: MilvusContext, server: Server | None, count: int) -> None:
    lesson: Lesson = st.session_state.get("lesson") or _new(here, server)
    try:
        with st.spinner("Running"):
            for _ in range(count):
                lesson.run()
    except StoreError as error:
        page_frame.failed(error)
        return
    st.rerun()


def _forget() -> None:
    lesson: Lesson | None = st.session_state.pop("lesson", None)
    if lesson is not None:
        lesson.close()
        cached_milvus.refresh()  # or its collection would still be listed
