"""The Milvus page's verdict: the latest recall of the chosen collection's index, or what is known of it without one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from lib.documents.inspect import IndexDocument, RecallDocument
from lib.errors import ArtifactError
from lib.measure import index_recall
from lib.store import collections, field_search
from lib.view import url_state, verdict
from lib.view.cached_milvus import MilvusContext

MEASURE_NOW = "Measure its recall"
BY_PREPARE = "measured by prepare"
HERE = "measured in this session"
_LATEST = "recall_latest"  # this session's measurements, by collection, field and identity of the index
_ASKED = "recall_asked"  # those that the user has asked for
K, QUERIES = 10, 50  # of a measurement that the user starts


@dataclass(frozen=True)
class Measured:
    """A `recall` document, and by whom and when it was measured, in words."""

    document: RecallDocument
    origin: str


def latest(context: MilvusContext, index: IndexDocument) -> Measured | None:
    """The latest measurement of this index over these rows: this session's, else the one that `prepare` stored."""
    here: dict[tuple[str, str], Measured] = st.session_state.get(_LATEST, {})
    return here.get(_key(context, index)) or _stored(context, index)


def keep(context: MilvusContext, index: IndexDocument, document: RecallDocument) -> None:
    """Remember a measurement of this session."""
    st.session_state.setdefault(_LATEST, {})[_key(context, index)] = Measured(document, HERE)


def _key(context: MilvusContext, index: IndexDocument) -> tuple[str, str]:
    of = index_recall.identity(context.read_entry(), index, context.pulse.engine, context.pulse.version)
    return context.key, repr(of)


def _stored(context: MilvusContext, index: IndexDocument) -> Measured | None:
    workspace = context.workspace
    if workspace is None or not context.is_own or index["field"] != collections.VECTOR:
        return None
    entry = context.read_entry()
    space = collections.space_of(entry)
    if space not in workspace.state["spaces"]:
        return None
    try:
        found = index_recall.load(workspace, space, entry, index, context.pulse.engine, context.pulse.version)
    except ArtifactError:  # the space was prepared with other weights than the user's
        return None
    return None if found is None else Measured(found["recall"], f"{BY_PREPARE}, {found['provenance']['made']}")


def asked() -> set[tuple[str, str, int, int]]:
    """The measurements that this session has asked for: collection, field, k, number of queries."""
    wanted: set[tuple[str, str, int, int]] = st.session_state.setdefault(_ASKED, set())
    return wanted


def measure_button(context: MilvusContext, index: IndexDocument) -> None:
    """For an index whose recall is not measured: a button that measures it, in the section *Index quality*."""
    if not can_be_measured(context, index) or latest(context, index) is not None:
        return

    def measure() -> None:
        asked().add((context.key, index["field"], K, QUERIES))
        url_state.write(section="quality", field=index["field"], quality=None)

    st.button(MEASURE_NOW, icon=":material/speed:", type="primary", on_click=measure, key=f"measure {index['field']}")


def can_be_measured(context: MilvusContext, index: IndexDocument) -> bool:
    """Whether recall means something for this index: one over 32-bit float vectors that is really built."""
    names = {field["name"] for field in field_search.vector_fields(context.read_entry(), ("FLOAT_VECTOR",))}
    return index["field"] in names and not index.get("pretended")


def show_verdict(context: MilvusContext) -> None:
    """The verdict of the first index over float vectors, beside the heading. Raises StoreError."""
    entry = context.read_entry()
    fields = [field["name"] for field in field_search.vector_fields(entry)]
    if not fields or any(item["call"] in {"list_indexes", "describe_index"} for item in entry["unavailable"]):
        return
    chosen = url_state.parameter("field")
    field = chosen if chosen in fields else fields[0]
    index = field_search.index_on(entry, field)
    measured = latest(context, index) if index is not None else None
    document = None if measured is None else measured.document
    sentence = index_recall.verdict(index, document, lite=context.lite, field=field)
    if measured is not None:
        sentence = replace(sentence, about=f"{sentence.about} {measured.origin.capitalize()}.")
    on_evidence = url_state.parameter(url_state.SECTION) == "quality"
    if measured is None or on_evidence:
        verdict.show(sentence)
    else:
        verdict.show(sentence, page=url_state.MILVUS, label="Index quality", section="quality")
