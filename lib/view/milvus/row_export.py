"""The export of the Rows part: all rows that match the filter, written by a background job and then downloaded."""

from __future__ import annotations

import re
import time
from pathlib import Path

import streamlit as st

from lib.documents.inspect import CollectionOutline
from lib.progress import Reporter
from lib.store import export
from lib.view import background_jobs, cached, page_controls
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain

DOWNLOAD = "Download"
EXPORT_ALL, EXPORT_MATCHES = "Export all rows", "Export the rows that match"
_TARGET = "exported"  # the session's latest export
_MOST_BYTES = 200_000_000  # a larger file is not downloaded through the browser


def show(context: MilvusContext, outline: CollectionOutline, text: str) -> None:
    """The form, the progress while a job runs, and the latest file. `text` is the filter."""
    running = background_jobs.jobs().job.running
    # Open while a job runs and once a file is ready, or the file would be hidden when it arrives.
    with st.expander("Export", icon=":material/download:", expanded=running or _TARGET in st.session_state):
        if running:
            background_jobs.follow()
            return
        vector_fields = [field["name"] for field in outline["fields"] if "VECTOR" in field["type"]]
        left, middle, right = st.columns([2, 3, 2], vertical_alignment="bottom")
        kind = left.selectbox("As", list(export.FORMATS), format_func=export.FORMATS.__getitem__, key="export_kind")
        vectors = middle.multiselect("With the vectors", vector_fields, key="export_vectors")
        if right.button(EXPORT_MATCHES if text else EXPORT_ALL, type="primary", width="stretch"):
            _start(context, kind, text, vectors)
            st.rerun()
        st.caption("Written page by page, so memory stays small, and kept under `artifacts/exports`.")
        _file()


def _start(context: MilvusContext, kind: str, text: str, vectors: list[str]) -> None:
    store, name = context.open_store(), str(context.name)
    safe_name = re.sub(r"[^\w-]", "_", name)  # a server may call a collection ../../x
    folder = cached.current_settings().artifacts / "exports"
    target = folder / f"{safe_name}-{time.strftime('%Y%m%d-%H%M%S')}.{kind}"

    def work(reporter: Reporter) -> None:
        progress = reporter.stage(f"export {name}")
        export.export(store, name, target, kind, filter=text, vectors=vectors, progress=progress)

    st.session_state[_TARGET] = str(target)
    if not background_jobs.jobs().start(work, name=target.name):
        st.toast("Another job is running; try again when it has ended.")


def _file() -> None:
    """The latest export: its error, or its download."""
    target = Path(st.session_state.get(_TARGET, ""))
    job = background_jobs.jobs().job
    if job.error and job.name == target.name:  # not another job's error
        st.error(plain(job.error), icon=":material/error:")
    if not target.name or not target.is_file():
        return
    size = target.stat().st_size
    st.caption(f"{plain(target.name)} · {size / 1e6:.2f} MB")
    if size > _MOST_BYTES:
        st.caption(f"Too large for a download in the browser: open {plain(str(target))}.")
    else:
        page_controls.download(DOWNLOAD, target.read_bytes, target.name)
