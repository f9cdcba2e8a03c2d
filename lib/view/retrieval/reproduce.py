"""Reproduce this: the link, the command, short programs and the table behind a view of the retrieval page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.retrieval import reproduce
from lib.retrieval.reproduce import Reproduction
from lib.search.metrics import METRICS
from lib.view import cached, cached_search, page_controls, url_state
from lib.view.cached_search import QuerySet, Side

# What may stand in a link: nothing that somebody else put into the address.
LINKED = url_state.NAMES[url_state.RETRIEVAL]


def show(
    opened: Workspace,
    rows: Sequence[tuple[QuerySet, Side]],
    found: Sequence[dict[str, Any]],
    k: int,
    engine: str = "exact",
    *,
    compared: bool = False,
) -> None:
    """The box. `rows` are the questions of the view and `found` their documents; with `compared` they are two sides
    that one command compares."""
    with st.expander("Reproduce this", icon=":material/replay:"):
        recipes = [_recipe(opened, asked, side, k, engine) for asked, side in rows]
        st.caption("A link that opens this view again")
        st.code(link(), language=None, wrap_lines=True)
        outside = any(not recipe.images for recipe in recipes)
        if outside:
            st.caption(
                "Your own picture is in no link, since it is not stored: put it beside the command as "
                f"`{reproduce.YOURS}`. Its vector, for the programs, is a download below."
            )
        st.caption("The command, with `--json` for a program to read")
        lines = [reproduce.command(recipes[0], recipes[1])] if compared else list(map(reproduce.command, recipes))
        st.code("\n".join(dict.fromkeys(lines)), language="bash", wrap_lines=True)
        if compared and recipes[0].unit != recipes[1].unit:
            st.caption("Length 1 applies to features; raw pixels stay as they are.")
        names = [f"{METRICS[side.metric].title}, {spaces.get(side.space).title}" for _, side in rows]
        chosen = st.selectbox("As a program", range(len(rows)), format_func=names.__getitem__, key="recipe")
        _programs(opened, recipes[chosen], *rows[chosen])
        page_controls.csv_button(table(found), "answers")


def _programs(opened: Workspace, recipe: Reproduction, asked: QuerySet, side: Side) -> None:
    place = reproduce.places(opened, side.space)
    faiss, milvus = st.tabs(["faiss" if len(recipe.images) < 2 else "SciPy", "pymilvus"])
    with faiss:
        st.code(reproduce.faiss_program(recipe, place), language="python")
    with milvus:
        program = reproduce.milvus_program(recipe, place)
        if program is None:
            st.caption("Milvus cannot be asked this: too many dimensions, several queries, or vectors of length 1.")
        else:
            st.code(program, language="python")
    if not recipe.images or recipe.part:
        vector = cached_search.vectors(opened, asked, Side(side.metric, side.space))[0]
        label = f"Download the query's vector ({reproduce.VECTOR_FILE})"
        page_controls.download(label, lambda: _npy(vector), reproduce.VECTOR_FILE, "query_vector")


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def link() -> str:
    """The address of this view, without anything in it that is not the page's own."""
    given = {name: values for name in LINKED if (values := url_state.told_all(name))}
    # What was chosen on another page counts here without standing in this page's address.
    tied = {name: st.session_state.get(f"retrieval_{name}") for name in LINKED if name not in given}
    given |= {name: [str(value)] for name, value in tied.items() if value is not None}
    base = (st.context.url or "Retrieval").partition("?")[0]
    return f"{base}?{urlencode(given, doseq=True)}"


def _recipe(opened: Workspace, asked: QuerySet, side: Side, k: int, engine: str) -> Reproduction:
    known = asked.part or all(query.row is not None for query in asked.queries)
    images = [asked.source] if asked.part else [query.name for query in asked.queries]
    out = {row for query in asked.queries for row in query.left_out(keep_duplicates=asked.keep_duplicates)}
    return Reproduction(
        images=[name for name in images if name] if known else [],
        space=side.space,
        metric=side.metric,
        k=k,
        engine=engine,
        among=asked.among,
        keep_duplicates=asked.keep_duplicates,
        part=asked.part,
        unit=side.unit,
        left_out=[cached.catalog(opened).ids[row] for row in sorted(out)],
    )


def table(found: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Every answer of some `search` documents, a row each."""
    return pd.DataFrame(
        [
            {
                "query": " ".join(document.get("queries", [document["query"]])),
                "space": document["space"],
                "metric": document["metric"],
                "engine": document["engine"],
                **row,
            }
            for document in found
            for row in document["results"]
        ]
    )
