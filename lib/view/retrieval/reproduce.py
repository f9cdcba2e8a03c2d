"""Reproduce this: the link, the command, short programs and the table behind a view of the retrieval page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lib import documents
from lib.documents.search import SearchDocument
from lib.embed import spaces
from lib.embed.space import MILVUS_MAX_DIM
from lib.prepare.workspace import Workspace
from lib.retrieval import reproduce
from lib.retrieval.reproduce import Reproduction
from lib.search.metrics import METRICS
from lib.view import cached, cached_search, page_controls, provenance, reproduction, tag_choice
from lib.view.cached_search import QuerySet, Side


def show(
    workspace: Workspace,
    rows: Sequence[tuple[QuerySet, Side]],
    search_documents: Sequence[SearchDocument],
    k: int,
    engine: str = "exact",
    *,
    compared: bool = False,
    explained: tuple[str, Sequence[Side]] | None = None,
) -> None:
    """The box for the rows of a view and their documents. With `compared`, the rows are two sides of one command.
    `explained` is the result that is explained, and the sides under which it is."""
    with st.expander(reproduction.TITLE, icon=":material/replay:"):
        recipes = [_reproduction(workspace, queries, side, k, engine) for queries, side in rows]
        reproduction.show_link()
        if any(not (recipe.images or recipe.text) for recipe in recipes):
            st.caption(
                "A link cannot hold your photo, since the photo is not stored: save it beside the command as "
                f"`{reproduce.YOURS}`. Below you can download its vector for the programs."
            )
        st.caption("Command; add `--json` for JSON")
        commands = [reproduce.command(recipes[0], recipes[1])] if compared else list(map(reproduce.command, recipes))
        if explained is not None:
            answer, sides = explained
            commands += [
                reproduce.explain_command(recipes[i], answer) for i, (_, side) in enumerate(rows) if side in sides
            ]
        st.code("\n".join(dict.fromkeys(commands)), language="bash", wrap_lines=True)
        if compared and recipes[0].unit != recipes[1].unit:
            st.caption("Only features are scaled to length 1; raw pixels are not.")
        titles = [f"{METRICS[side.metric].title}, {spaces.get(side.space).title}" for _, side in rows]
        # Of these rows only: those of another section begin with their first.
        key = f"program of {', '.join(titles)}"
        chosen = st.selectbox("Program", range(len(rows)), format_func=titles.__getitem__, key=key)
        _show_programs(workspace, recipes[chosen], *rows[chosen])
        answers = table(search_documents)
        if "id" in answers:
            answers["tags"] = tag_choice.column(workspace, list(answers["id"]))
        page_controls.csv_button(answers, "answers")


def _show_programs(workspace: Workspace, recipe: Reproduction, queries: QuerySet, side: Side) -> None:
    place = reproduce.places(workspace, side.space)
    faiss, milvus = st.tabs(["faiss" if len(recipe.images) < 2 else "SciPy", "pymilvus"])
    with faiss:
        st.code(reproduce.faiss_program(recipe, place), language="python")
    with milvus:
        program = reproduce.milvus_program(recipe, place)
        if program is None:
            st.caption(
                "Not possible in Milvus: it takes one query, vectors as they are stored, and at most "
                f"{MILVUS_MAX_DIM:,} dimensions."
            )
        else:
            st.code(program, language="python")
    if not recipe.images or recipe.part:
        vector = cached_search.vectors(workspace, queries.queries, side.space)[0]
        lines = provenance.lines()
        label = f"Download the query's vector ({reproduce.VECTOR_FILE})"
        page_controls.download(label, lambda: _npz(vector, lines), reproduce.VECTOR_FILE, "query_vector")


def _npz(values: np.ndarray, facts: Mapping[str, str]) -> bytes:
    """The vector, and its provenance as JSON: an array file has no other room for it."""
    buffer = io.BytesIO()
    np.savez(buffer, vector=values, provenance=np.array(documents.json_text(dict(facts))))
    return buffer.getvalue()


def _reproduction(workspace: Workspace, queries: QuerySet, side: Side, k: int, engine: str) -> Reproduction:
    in_catalog = queries.part or all(query.row is not None for query in queries.queries)
    images = [queries.source] if queries.part else [query.name for query in queries.queries]
    left_out = {row for query in queries.queries for row in query.left_out(keep_duplicates=queries.keep_duplicates)}
    return Reproduction(
        images=[name for name in images if name] if in_catalog else [],
        space=side.space,
        metric=side.metric,
        k=k,
        engine=engine,
        answer_filter=queries.filter,
        keep_duplicates=queries.keep_duplicates,
        part=queries.part,
        unit=side.unit,
        marks=queries.marks,
        text=queries.queries[0].text,
        left_out=[cached.catalog(workspace).ids[row] for row in sorted(left_out)],
    )


def table(search_documents: Sequence[SearchDocument]) -> pd.DataFrame:
    """Every result of some `search` documents, one row each."""
    return pd.DataFrame(
        [
            {
                "query": " ".join(document.get("queries", [document["query"]])),
                "space": document["space"],
                "metric": document["metric"],
                "engine": document["engine"],
                **result,
            }
            for document in search_documents
            for result in document["results"]
        ]
    )
