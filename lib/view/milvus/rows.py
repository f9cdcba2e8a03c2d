"""Milvus page, Rows: a page at a time, with photos, vectors as small curves with their statistics, and exports."""

from __future__ import annotations

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.errors import StoreError
from lib.progress import Reporter
from lib.store import export
from lib.store import rows as reading
from lib.view import background_jobs, cached, formatting, page_controls, selection, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import filter_builder, load_prompt, row_photos

SIZES = (25, 50, 100)
AHEAD = 2_000  # keys that are read at once
AT_HAND = 5  # pages whose keys are known, or are being fetched
POINTS = 128  # of a curve; longer vectors are drawn by means of equal parts
_FACTS = {
    "norm": "norm",
    "least": "least",
    "most": "most",
    "mean": "mean",
    "spread": "std",
    "zeros": "zeros",
    "broken": "NaN or inf",
}
_SMALL = 200_000_000  # larger exports are left on disk


def show(here: MilvusContext) -> None:
    """Filter, rows, one row in full, and the export."""
    if load_prompt.not_loaded(here):
        return
    entry = here.outline
    key = next(field["name"] for field in entry["fields"] if field["primary"])
    text = filter_builder.choose(here, "rows")
    vectors, size, only = _options(here, entry)
    try:
        found, told = _page(here, entry, key, text, vectors, size, only)
    except StoreError as error:
        filter_builder.failed(here, error, text)
        return
    if not found:
        st.caption("No row matches, or those of this page are gone: *First* starts anew.")
        _moves(here, text, size, only)
        return
    keys = [str(row[key]) for row in found]
    row_photos.show(here, found, keys, key="row_photos", title="Photos of these rows", row=True, tile=84)
    st.caption(told)
    chosen = _table(found, key, vectors)
    _moves(here, text, size, only)
    if chosen is not None:
        _one(found[chosen], keys[chosen], vectors)
    _export(here, entry, text)


def _options(here: MilvusContext, entry: dict[str, Any]) -> tuple[list[str], int, list[str]]:
    named = [field["name"] for field in entry["fields"] if "VECTOR" in field["type"]]
    left, middle, right = st.columns([3, 1, 2], vertical_alignment="bottom")
    vectors = left.multiselect(
        "Vectors to show", named, key="row_vectors", help="Read only when asked for: they are most of a row."
    )
    size = int(middle.selectbox("Rows", SIZES, key="row_size"))
    picked: list[str] = []
    if here.opened is not None:
        photos = cached.catalog(here.opened)
        picked = selection.picked(photos.ids, photos.contents)
    if picked and right.toggle(f"Only the {len(picked):,} selected photos", key="row_only", value=True):
        return vectors, size, picked
    return vectors, size, []


def _place(here: MilvusContext, text: str, only: list[str]) -> dict[str, Any]:
    """Where this session is among the rows: the `keys` known so far, in order, whether they `ended`, those that are
    `coming`, and the `page`."""
    name = f"rows {here.connection.key} {cached.pool().generation} {here.name} {text} {hash(tuple(only))}"
    place: dict[str, Any] = st.session_state.setdefault(
        name, {"keys": list(only), "ended": bool(only), "page": 0, "coming": None}
    )
    return place


@st.cache_resource
def _reader() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, "petalscope-keys")


def _more(here: MilvusContext, place: dict[str, Any], text: str) -> None:
    """Wait for the next keys."""
    coming = place["coming"] or _asked(here, place, text)
    place["coming"] = None
    more = coming.result()
    place["keys"] += more
    place["ended"] = len(more) < AHEAD


def _asked(here: MilvusContext, place: dict[str, Any], text: str) -> Future[list[Any]]:
    last = place["keys"][-1] if place["keys"] else None
    return _reader().submit(reading.keys_after, here.store, str(here.name), last, AHEAD, filter=text)


def _page(
    here: MilvusContext, entry: dict[str, Any], key: str, text: str, vectors: list[str], size: int, only: list[str]
) -> tuple[list[dict[str, Any]], str]:
    place = _place(here, text, only)
    start = time.perf_counter()
    if only and text:
        st.caption(":material/info: The filter is not applied to the selected photos.")
    at = place["page"] * size
    # One more than is shown tells whether there is a next page.
    while not place["ended"] and len(place["keys"]) <= at + size:
        _more(here, place, text)
    if not place["ended"] and place["coming"] is None and len(place["keys"]) <= at + AT_HAND * size:
        # Lite looks at every row for these, so they are fetched while this page is read.
        place["coming"] = _asked(here, place, text)
    found = reading.by_keys(here.store, entry["name"], place["keys"][at : at + size], vectors=vectors)
    what = "rows of the selection" if only else f"rows in the order of `{key}`"
    took = (time.perf_counter() - start) * 1000
    told = (
        f"{len(found):,} {what}, page {place['page'] + 1} · {took:.0f} ms, timed here · choose a row to see it in full"
    )
    return found, told


def _table(found: list[dict[str, Any]], key: str, vectors: list[str]) -> int | None:
    shown = []
    config: dict[str, Any] = {}
    for row in found:
        line = {name: formatting.exact(reading.cell(value)) for name, value in row.items() if name not in vectors}
        for name in vectors:
            facts = reading.vector_facts(row.get(name))
            line[name] = _curve(row.get(name))
            line |= {f"{name} {words}": facts.get(fact) for fact, words in _FACTS.items() if fact in facts}
            if "nonzero" in facts:
                line[f"{name} nonzero"] = facts["nonzero"]
        shown.append(line)
    for name in vectors:
        config[name] = st.column_config.LineChartColumn(name, width="medium")
    event: Any = st.dataframe(
        pd.DataFrame(shown),
        hide_index=True,
        width="stretch",
        height=380,
        column_config=config,
        on_select="rerun",
        selection_mode="single-row",
        key="row_table",
    )
    places = event["selection"]["rows"]
    return places[0] if places and places[0] < len(found) else None


def _curve(vector: Any) -> list[float] | None:
    """A vector as the points of a small curve: a sparse one by its numbers in order of their places."""
    if not vector:
        return None
    values = [vector[place] for place in sorted(vector, key=int)] if isinstance(vector, dict) else vector
    array = np.nan_to_num(np.asarray(values, dtype=np.float32))
    if len(array) > POINTS:
        array = np.array([part.mean() for part in np.array_split(array, POINTS)])
    return [float(value) for value in array]


def _moves(here: MilvusContext, text: str, size: int, only: list[str]) -> None:
    place = _place(here, text, only)
    first, back, on, _ = st.columns([1, 1, 1, 3])

    def go(to: int) -> None:
        place["page"] = to
        if to == 0 and not only:  # what was written meanwhile may be among them
            place.update(keys=[], ended=False, coming=None)

    page = place["page"]
    first.button("First", icon=":material/first_page:", on_click=go, args=(0,), disabled=page == 0, width="stretch")
    before = (max(0, page - 1),)
    back.button("Back", icon=":material/chevron_left:", on_click=go, args=before, disabled=page == 0, width="stretch")
    on.button(
        "Next page",
        icon=":material/chevron_right:",
        on_click=go,
        args=(page + 1,),
        disabled=len(place["keys"]) <= (page + 1) * size,
        width="stretch",
    )


def _one(row: dict[str, Any], key: str, vectors: list[str]) -> None:
    with st.container(border=True):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(f"**Row {plain(key)}**")

        def search() -> None:
            url_state.write(**{row_photos.LIKE: key}, part="search")

        right.button("Search with it", icon=":material/search:", on_click=search, width="stretch")
        st.json({name: formatting.exact(value) for name, value in row.items() if name not in vectors})
        for name in vectors:
            if isinstance(row.get(name), list):
                st.bar_chart(pd.DataFrame({name: row[name]}), height=160, x_label=f"place in {name}", y_label="value")


def _export(here: MilvusContext, entry: dict[str, Any], text: str) -> None:
    named = [field["name"] for field in entry["fields"] if "VECTOR" in field["type"]]
    running = background_jobs.jobs().job
    # What has been exported must not fold away just when it is ready.
    with st.expander("Export", icon=":material/download:", expanded=running.running or "exported" in st.session_state):
        if running.running:
            background_jobs.follow()
            return
        left, middle, right = st.columns([2, 3, 2], vertical_alignment="bottom")
        kind = left.selectbox("As", list(export.KINDS), format_func=export.KINDS.__getitem__, key="export_kind")
        vectors = middle.multiselect("With the vectors", named, key="export_vectors")
        label = "Export the rows that match" if text else "Export all rows"
        if right.button(label, type="primary", width="stretch"):
            folder = cached.current_settings().artifacts / "exports"
            plain = re.sub(r"[^\w-]", "_", str(entry["name"]))  # a server may call a collection ../../x
            target = folder / f"{plain}-{time.strftime('%Y%m%d-%H%M%S')}.{kind}"
            store, name = here.store, entry["name"]

            def work(reporter: Reporter) -> None:
                told = reporter.stage(f"export {name}")
                export.export(store, name, target, kind, filter=text, vectors=vectors, progress=told)

            st.session_state["exported"] = str(target)
            if not background_jobs.jobs().start(work, name=target.name):
                st.toast("Something else is running; try again when it has ended.")
            st.rerun()
        st.caption("Written page by page, so memory stays small, and kept under `artifacts/exports`.")
        _exported()


def _exported() -> None:
    target = Path(st.session_state.get("exported", ""))
    job = background_jobs.jobs().job
    if job.error and job.name == target.name:  # and not of another work
        st.error(plain(job.error), icon=":material/error:")
    if not target.name or not target.is_file():
        return
    size = target.stat().st_size
    st.caption(f"{plain(target.name)} · {size / 1e6:.2f} MB")
    if size > _SMALL:
        st.caption(f"Too large to go through a browser: it lies at {plain(str(target))}.")
    else:
        page_controls.download("Download", target.read_bytes, target.name)
