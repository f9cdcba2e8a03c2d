"""Milvus page, Health: norms and bad vectors of a field, values of another, and drift from today's artifacts."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.errors import PetalscopeError, StoreError
from lib.store import collections, drift, field_search, rows, vector_health
from lib.store.drift import Drift
from lib.store.vector_health import Health
from lib.store.write import Rows
from lib.view import cached, cached_milvus, page_frame, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.figures import vector_health as figures
from lib.view.milvus import connect, load_prompt, map_sample, row_photos

_COUNTED = frozenset({"VARCHAR", "BOOL", "INT8", "INT16", "INT32", "INT64"})
_TROUBLE = {
    "zero": ("Zero", "They have no direction: their cosine to anything is undefined, and Milvus makes it 0."),
    "constant": ("Constant", "All numbers equal: nothing is left of them once they are centred."),
    "broken": ("NaN or inf", "Milvus Lite accepts them, and they spoil every comparison."),
    "null": ("Null", "These rows are never found."),
}


def show(here: MilvusContext) -> None:
    """The health of a field; and for our own collections, drift."""
    if load_prompt.not_loaded(here):
        return
    _drift(here)
    fields = map_sample.dense(here, (*field_search.DENSE, field_search.BINARY))
    if not fields:
        st.info("Health is told of dense and binary vectors, and this collection has none.")
        return
    entry = here.entry
    counted = [each for each in entry["fields"] if each["type"] in _COUNTED and not each["primary"]]
    scalars = [each["name"] for each in counted]
    keyed = [each["name"] for each in counted if each.get("is_partition_key")]
    preferred = next((name for name in ("label", "class", "category", *keyed) if name in scalars), "")
    left, right = st.columns(2)
    with left:
        field = st.selectbox("Vectors", fields, **url_state.choice("field", "milvus_health", fields, fields[0]))
    choices = ["", *scalars]
    by = right.selectbox("Count the values of", choices, index=choices.index(preferred), key=f"by {here.name}")
    key = f"{here.connection.key} {cached.pool().generation}"
    found = _examined(key, entry["name"], field, by, entry["rows"]["count"], here)
    _numbers(found)
    first, second = st.columns(2, gap="medium")
    with first:
        st.plotly_chart(figures.norms(found.norms), width="stretch", key="health_norms")
    with second:
        if found.values:
            st.plotly_chart(figures.value_counts(found.values, by), width="stretch", key="health_values")
    _listed(here, found)


@st.cache_data(ttl=600, max_entries=16, show_spinner="Reading every vector")
def _examined(key: str, name: str, field: str, by: str, count: int | None, _here: MilvusContext) -> Health:
    return vector_health.examine(_here.store, _here.entry, field, by=by)


def _numbers(found: Health) -> None:
    columns = st.container(key="numbers_health").columns(6)
    for column, (kind, (title, about)) in zip(columns, _TROUBLE.items(), strict=False):
        column.metric(title, f"{found.counts[kind]:,}", help=about, border=True)
    copies = found.duplicate_rows - len(found.duplicates)
    columns[4].metric(
        "Duplicates", f"{max(0, copies):,}", border=True, help="Rows whose vector equals an earlier row's, bit by bit."
    )
    columns[5].metric(
        "Dead dims", f"{len(found.dead):,}", border=True, help=f"Of {found.dim:,}: one value in all rows."
    )
    st.caption(
        f"{found.rows:,} rows read just now, or at most ten minutes ago"
        + ("." if found.complete else "; the collection has more, which were not looked at.")
    )


def _listed(here: MilvusContext, found: Health) -> None:
    for kind, (title, about) in _TROUBLE.items():
        keys = found.keys[kind]
        if keys:
            with st.expander(f"{title}: {found.counts[kind]:,}", icon=":material/warning:"):
                st.caption(about)
                _photos(here, keys[:24], kind)
                st.dataframe(pd.DataFrame({"Key": keys}), hide_index=True)
    if found.duplicates:
        with st.expander(
            f"Equal vectors: {len(found.duplicates):,} group{'s' if len(found.duplicates) > 1 else ''}",
            icon=":material/content_copy:",
        ):
            st.caption("Bit-equal vectors are usually the same picture stored twice.")
            _photos(here, [key for group in found.duplicates[:12] for key in group][:36], "duplicates")
            groups = pd.DataFrame({"Rows": [len(g) for g in found.duplicates], "Keys": found.duplicates})
            st.dataframe(groups, hide_index=True, width="stretch")
    if found.dead:
        with st.expander(f"Dead dimensions: {len(found.dead):,}", icon=":material/do_not_disturb_on:"):
            st.caption("They tell no row from another, and cost memory: " + ", ".join(map(str, found.dead[:200])))


def _photos(here: MilvusContext, keys: list[str], kind: str) -> None:
    found = rows.by_keys(here.store, str(here.name), keys)
    primary = next(each["name"] for each in here.entry["fields"] if each["primary"])
    there = [str(row[primary]) for row in found]
    row_photos.show(here, found, there, key=f"health_{kind}", title=f"Rows: {kind}", tile=84)


def _wanted(here: MilvusContext) -> tuple[Rows, bool, str] | None:
    """What the collection should hold by today's artifacts, whether centred, and a warning; None for others' ones."""
    if here.opened is None:
        return None
    said = collections.provenance(here.store, str(here.name))
    space = said.get("space")
    if space not in here.opened.spaces:
        return None
    try:
        vectors = here.opened.vectors(space).values
    except PetalscopeError:
        return None
    photos = cached.catalog(here.opened)
    frame = photos.frame
    wanted = Rows(photos.ids, photos.ids, list(frame["label"]), list(frame["split"]), vectors)
    other = said.get("fingerprint") != here.opened.space(space)["fingerprint"]
    told = "It was made with other weights, photos or settings than today's artifacts." if other else ""
    return wanted, bool(said.get("centred")), told


def _drift(here: MilvusContext) -> None:
    found = _wanted(here)
    if found is None:
        return
    wanted, centred, warning = found
    key = f"{here.connection.key} {cached.pool().generation}"
    assert here.opened is not None
    with st.container(border=True):
        gap = _drifted(key, str(here.name), here.opened.version, here.entry["rows"]["count"], here, wanted, centred)
        if gap.none:
            st.markdown(
                f":material/check_circle: **No drift**: all {gap.same:,} rows are, bit by bit, what the artifacts say."
            )
            return
        st.markdown(
            f":material/sync_problem: **Drift from today's artifacts**: {len(gap.missing):,} rows missing, "
            f"{len(gap.extra):,} extra, {len(gap.moved):,} with another vector, {len(gap.renamed):,} with another "
            f"label or split; {gap.same:,} are the same. {warning}"
        )
        lists = {"Missing": gap.missing, "Extra": gap.extra, "Other vector": gap.moved, "Other label": gap.renamed}
        for title, ids in lists.items():
            if ids:
                with st.expander(f"{title}: {len(ids):,}"):
                    st.dataframe(pd.DataFrame({"id": ids[:500]}), hide_index=True)
        _repair(here, gap, wanted, centred)


@st.cache_data(ttl=120, max_entries=8, show_spinner="Comparing with today's artifacts")
def _drifted(
    key: str, name: str, version: str, count: int | None, _here: MilvusContext, _wanted: Rows, _centred: bool
) -> Drift:
    return drift.drift(_here.store, name, _wanted, centred=_centred)


def _repair(here: MilvusContext, gap: Drift, wanted: Rows, centred: bool) -> None:
    touched = len(gap.missing) + len(gap.moved) + len(gap.renamed)
    words = f"Writes {touched:,} rows and deletes {len(gap.extra):,}, then flushes."
    if not connect.unlocked(here.connection):
        st.caption(f"{words} To allow that, unlock changes (part *Change*).")
        return
    if st.button("Repair the collection", type="primary", icon=":material/healing:", help=words):
        bar = st.progress(0.0, text="repairing")

        def tell(done: int, total: int | None) -> None:
            bar.progress(done / (total or 1), text=f"{done:,} of {total:,} rows")

        try:
            drift.repair(
                here.store,
                str(here.name),
                gap,
                wanted,
                centred=centred,
                progress=tell,
            )
        except StoreError as error:
            page_frame.failed(error)
            return
        forget()
        st.toast("The collection is what the artifacts say.", icon=":material/check:")
        st.rerun()


def forget() -> None:
    """Forget what was read of rows: they have changed."""
    _drifted.clear()
    _examined.clear()
    cached_milvus.refresh()
