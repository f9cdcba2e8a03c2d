"""Milvus page, Health: norms and suspect vectors of a field, value counts of another, and drift from the artifacts."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lib.errors import PetalscopeError, StoreError
from lib.store import collections, drift, field_search, rows, vector_health
from lib.store.drift import Drift
from lib.store.vector_health import Health
from lib.store.write import Rows
from lib.text import counted
from lib.view import cached, cached_milvus, page_frame, url_state
from lib.view.cached_milvus import BY_COLLECTION, MilvusContext
from lib.view.figures import vector_health as figures
from lib.view.milvus import connect, load_prompt, map_sample, row_photos

_COUNTABLE = frozenset({"VARCHAR", "BOOL", "INT8", "INT16", "INT32", "INT64"})
_SUSPECT = {
    "zero": ("Zero", "A zero vector has no direction: its cosine is undefined, and Milvus makes it 0."),
    "constant": ("Constant", "All numbers are equal: centring leaves nothing."),
    "broken": ("NaN or inf", "Milvus Lite accepts these vectors, and they spoil every comparison."),
    "null": ("Null", "No search finds these rows."),
}
_MOST_IDS = 500  # listed for each kind of drift
_MOST_PHOTOS = 24
NO_VECTORS = "Health checks cover dense and binary vectors; this collection has neither."
OTHER_ORIGIN = "It was made with other weights, photos or settings than today's artifacts."


def no_drift(rows: int) -> str:
    """The sentence for a collection that matches the artifacts."""
    return f"**No drift**: all {counted(rows, 'row')} match the local vectors exactly."


def show(context: MilvusContext) -> None:
    """The health of a vector field; for Petalscope's own collections, drift, too."""
    if load_prompt.show(context):
        return
    _drift(context)
    fields = map_sample.vector_fields(context, (*field_search.DENSE, field_search.BINARY))
    if not fields:
        st.info(NO_VECTORS)
        return
    left, right = st.columns(2)
    with left:
        field = st.selectbox("Vectors", fields, **url_state.choice("field", "milvus_health", fields, fields[0]))
    with right:
        counted = _counted_field(context)
    health = _examined(context, field, counted, context.read_entry()["rows"]["count"])
    _numbers(health)
    first, second = st.columns(2, gap="medium")
    with first:
        st.plotly_chart(figures.norms(health.norms), width="stretch", key="health_norms")
    with second:
        if health.values:
            st.plotly_chart(figures.value_counts(health.values, counted), width="stretch", key="health_values")
    _lists(context, health)


def _counted_field(context: MilvusContext) -> str:
    """The field whose values are counted; "" for none. A label or a partition key by default."""
    entry = context.read_entry()
    fields = [field for field in entry["fields"] if field["type"] in _COUNTABLE and not field["primary"]]
    names = [field["name"] for field in fields]
    partition_keys = [field["name"] for field in fields if field.get("is_partition_key")]
    default = next((name for name in ("label", "class", "category", *partition_keys) if name in names), "")
    options = ["", *names]
    chosen = st.selectbox("Value counts of", options, index=options.index(default), key=f"by {context.name}")
    return str(chosen)


@st.cache_data(ttl=600, max_entries=16, show_spinner="Reading every vector", hash_funcs=BY_COLLECTION)
def _examined(context: MilvusContext, field: str, counted: str, row_count: int | None) -> Health:
    # `row_count` only keys the cache.
    return vector_health.examine(context.open_store(), context.read_entry(), field, by=counted)


def _numbers(health: Health) -> None:
    columns = st.container(key="numbers_health").columns(6)
    for column, (kind, (title, about)) in zip(columns, _SUSPECT.items(), strict=False):
        column.metric(title, f"{health.counts[kind]:,}", help=about, border=True)
    copies = max(0, health.duplicate_rows - len(health.duplicates))
    columns[4].metric(
        "Duplicates", f"{copies:,}", border=True, help="Rows whose vector equals an earlier row's, bit by bit."
    )
    columns[5].metric(
        "Dead dims", f"{len(health.dead):,}", border=True, help=f"Of {health.dim:,}: the same value in all rows."
    )
    st.caption(
        f"{counted(health.rows, 'row')}, cached up to 10 min"
        + ("." if health.complete else "; the collection has more rows, which were not examined.")
    )


def _lists(context: MilvusContext, health: Health) -> None:
    """The suspect rows, kind by kind."""
    for kind, (title, about) in _SUSPECT.items():
        keys = health.keys[kind]
        if keys:
            with st.expander(f"{title}: {health.counts[kind]:,}", icon=":material/warning:"):
                st.caption(about)
                _photos(context, keys[:_MOST_PHOTOS], kind)
                st.dataframe(pd.DataFrame({"Key": keys}), hide_index=True)
    if health.duplicates:
        groups = health.duplicates
        with st.expander(f"Equal vectors: {counted(len(groups), 'group')}", icon=":material/content_copy:"):
            st.caption("Bit-equal vectors usually come from one photo that was stored twice.")
            _photos(context, [key for group in groups[:12] for key in group][:36], "duplicates")
            table = pd.DataFrame({"Rows": [len(group) for group in groups], "Keys": groups})
            st.dataframe(table, hide_index=True, width="stretch")
    if health.dead:
        with st.expander(f"Dead dimensions: {len(health.dead):,}", icon=":material/do_not_disturb_on:"):
            places = ", ".join(map(str, health.dead[:200]))
            st.caption(f"Constant dimensions: no information, only memory. Dimensions {places}")


def _photos(context: MilvusContext, keys: list[str], kind: str) -> None:
    suspect = rows.by_keys(context.open_store(), str(context.name), keys)
    primary = next(field["name"] for field in context.read_entry()["fields"] if field["primary"])
    row_keys = [str(row[primary]) for row in suspect]
    row_photos.show(context, suspect, row_keys, key=f"health_{kind}", title=f"Rows: {kind}", tile=84)


@dataclass(frozen=True)
class _Expected:
    """The rows that a collection should hold according to the artifacts `version`, whether their vectors are `centred`,
    and whether the collection was made of other photos, weights or settings."""

    rows: Rows
    centred: bool
    version: str
    other_origin: bool


def _expected(context: MilvusContext) -> _Expected | None:
    """None where the collection is not Petalscope's, or its space has no vectors."""
    workspace = context.workspace
    if workspace is None:
        return None
    provenance = collections.provenance(context.open_store(), str(context.name))
    space = provenance.get("space")
    if space not in workspace.spaces:
        return None
    try:
        vectors = workspace.vectors(space).values
    except PetalscopeError:
        return None
    photos = cached.catalog(workspace)
    labels, splits = list(photos.frame["label"]), list(photos.frame["split"])
    return _Expected(
        Rows(photos.ids, photos.ids, labels, splits, vectors),
        bool(provenance.get("centred")),
        workspace.version,
        provenance.get("fingerprint") != workspace.space(space)["fingerprint"],
    )


def _drift(context: MilvusContext) -> None:
    expected = _expected(context)
    if expected is None:
        return
    with st.container(border=True):
        gap = _compared(context, expected.version, context.read_entry()["rows"]["count"], expected)
        if gap.none:
            st.markdown(f":material/check_circle: {no_drift(gap.same)}")
            return
        st.markdown(
            f":material/sync_problem: **Drift from today's artifacts**: {counted(len(gap.missing), 'row')} missing, "
            f"{len(gap.extra):,} extra, {len(gap.moved):,} with another vector, {len(gap.renamed):,} with another "
            f"label or split; {gap.same:,} match. {OTHER_ORIGIN if expected.other_origin else ''}"
        )
        lists = {"Missing": gap.missing, "Extra": gap.extra, "Other vector": gap.moved, "Other label": gap.renamed}
        for title, ids in lists.items():
            if ids:
                with st.expander(f"{title}: {len(ids):,}"):
                    st.dataframe(pd.DataFrame({"id": ids[:_MOST_IDS]}), hide_index=True)
        _repair(context, gap, expected)


@st.cache_data(ttl=120, max_entries=8, show_spinner="Comparing with today's artifacts", hash_funcs=BY_COLLECTION)
def _compared(context: MilvusContext, version: str, row_count: int | None, _expected: _Expected) -> Drift:
    # `version` and `row_count` only key the cache.
    return drift.compare(context.open_store(), str(context.name), _expected.rows, centred=_expected.centred)


def _repair(context: MilvusContext, gap: Drift, expected: _Expected) -> None:
    written = len(gap.missing) + len(gap.moved) + len(gap.renamed)
    effect = f"Writes {counted(written, 'row')} and deletes {len(gap.extra):,}, then flushes."
    if not connect.unlocked(context.connection):
        st.caption(f"{effect} To allow that, {connect.UNLOCK}.")
        return
    if st.button("Repair the collection", type="primary", icon=":material/healing:", help=effect):
        bar = st.progress(0.0, text="repairing")

        def progress(done: int, total: int | None) -> None:
            bar.progress(done / (total or 1), text=f"{done:,} of {total:,} rows")

        try:
            drift.repair(
                context.open_store(),
                str(context.name),
                gap,
                expected.rows,
                centred=expected.centred,
                progress=progress,
            )
        except StoreError as error:
            page_frame.restart_or_show_error(error)
            return
        forget()
        st.toast("The collection matches the artifacts.", icon=":material/check:")
        st.rerun()


def forget() -> None:
    """Empty the caches that hold rows: the rows have changed."""
    _compared.clear()
    _examined.clear()
    cached_milvus.refresh()
