"""Home: what the measurements say about the photos, each answer with photos that show it and a link to its evidence.

The sentence of the best configuration stands beside the page's heading, the others below it.
"""

from __future__ import annotations

import html

import streamlit as st

from lib.errors import PetalscopeError
from lib.measure import data_set_verdicts, stored_verdicts, unlabelled
from lib.measure.data_set_verdicts import DataSetVerdict
from lib.prepare.workspace import Workspace
from lib.view import cached, page_frame, photo_tiles, url_state, verdict
from lib.view.formatting import plain

_PER_ROW = 3
_TILE = 92
# By the name of a verdict: the page with its evidence, the link's label, and the choices there.
EVIDENCE: dict[str, tuple[str, str, dict[str, str]]] = {
    data_set_verdicts.BEST: (url_state.RETRIEVAL, "Scoreboard", {"section": "Scoreboard"}),
    data_set_verdicts.METRIC: (url_state.RETRIEVAL, "Paired test", {"section": "Scoreboard", "below": "pair"}),
    data_set_verdicts.LABELS: (url_state.MAP, "On the map", {"section": "findings"}),
    data_set_verdicts.DUPLICATES: (url_state.HOME, "All, below", {"audit": "true"}),
    data_set_verdicts.HUBS: (url_state.MAP, "On the map", {"section": "findings", "colour": "hubness"}),
    data_set_verdicts.TRAINING: (url_state.TRAINING, "Results", {"section": "results"}),
    data_set_verdicts.INDEX: (url_state.MILVUS, "Index quality", {"section": "quality"}),
}
# The verdict that takes the first place where photos have no labels.
_CLUSTERS = (url_state.MAP, "Clusters", {"section": "clusters"})


def show(workspace: Workspace) -> None:
    """The verdict in the heading, then a card for each of the others."""
    try:
        found = _found(workspace, stored_verdicts.version(workspace, cached.catalog(workspace)))
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
        return
    best, *others = found
    page, label, choices = _evidence(best)
    verdict.show(best.verdict, page=page, label=label, **choices)
    for start in range(0, len(others), _PER_ROW):
        for column, each in zip(st.columns(_PER_ROW, gap="small"), others[start : start + _PER_ROW], strict=False):
            with column:
                _card(workspace, each)


# Keyed by all that the verdicts are computed from. Shared by all sessions: read only.
@st.cache_resource(max_entries=4, show_spinner="Comparing what is measured", hash_funcs=cached.KEYS)
def _found(workspace: Workspace, version: str) -> list[DataSetVerdict]:
    return stored_verdicts.find(workspace)


def _evidence(found: DataSetVerdict) -> tuple[str, str, dict[str, str]]:
    page, label, choices = _CLUSTERS if found.name == unlabelled.NAME else EVIDENCE[found.name]
    own = found.choices
    if found.name == data_set_verdicts.METRIC and "space" in own:
        own = {"cell": f"{own['space']}.cosine", "cell2": f"{own['space']}.l1"}
    names = url_state.NAMES[page]
    return page, label, choices | {name: value for name, value in own.items() if name in names}


def _card(workspace: Workspace, found: DataSetVerdict) -> None:
    """The subject with a link to the evidence, the sentence, and its photos."""
    page, label, choices = _evidence(found)
    with st.container(border=True, height="stretch", gap="xxsmall", key=f"verdict_{found.name}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(found.title)}**", width="content")
            st.space("stretch")
            link = url_state.link_to(page, **choices)
            st.page_link(page, label=label, icon=":material/arrow_forward:", query_params=link, width="content")
        st.markdown(plain(found.verdict.text), help=plain(found.verdict.about) or None)
        if found.ids:
            photo_tiles.show_photos(
                workspace,
                found.ids,
                key=f"shows_{found.name}",
                title=found.title,
                notes=found.notes,
                tile=_TILE,
                row=True,
            )
        if found.table:
            st.html(_table(found.table))


def _table(rows: list[list[str]]) -> str:
    head, *body = ([html.escape(word) for word in row] for row in rows)
    lines = "".join(f"<tr>{''.join(f'<td>{word}</td>' for word in row)}</tr>" for row in body)
    heading = "".join(f'<th scope="col">{word}</th>' for word in head)
    return f'<table class="ps-table"><thead><tr>{heading}</tr></thead><tbody>{lines}</tbody></table>'
