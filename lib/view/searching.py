"""The parts of the retrieval page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from lib import retrieval
from lib.embed import spaces
from lib.errors import ImageError, QueryError
from lib.retrieval import Query
from lib.search.metrics import METRICS
from lib.view import cached, charts, gallery, selection, ui
from lib.workspace import Workspace

FROM_CATALOG, FROM_FILE = "Photos", "Upload"
MOST_UPLOAD_BYTES = 50_000_000
KINDS = ["jpg", "jpeg", "png", "webp", "bmp", "gif"]


def choose_query(opened: Workspace) -> Query | None:
    """The controls that choose a query, and the query; None until there is one."""
    if st.session_state.get("asked") != selection.query():  # a click on an answer to an uploaded photo
        st.session_state["asked"] = selection.query()
        st.session_state["source"] = FROM_CATALOG
    st.session_state.setdefault("source", FROM_CATALOG)
    source = st.segmented_control("Query from", [FROM_CATALOG, FROM_FILE], required=True, key="source")
    return _uploaded(opened) if source == FROM_FILE else _from_catalog(opened)


def _from_catalog(opened: Workspace) -> Query | None:
    photos = cached.catalog(opened)
    label = st.selectbox("Class", ["any class", *photos.classes], key="query_class")
    rows = photos.frame if label == "any class" else photos.frame[photos.frame["label"] == label]

    def surprise() -> None:
        # Numbered, so that the tenth photo that the button shows is the same for everybody.
        turn = st.session_state.get("turn", 0) + 1
        st.session_state["turn"] = turn
        selection.choose(str(rows["id"].iloc[int(np.random.default_rng(turn).integers(len(rows)))]))

    st.button("Another photo", on_click=surprise, icon=":material/casino:", width="stretch", type="primary")

    def named() -> None:
        # A mistyped id leaves the query alone.
        typed = str(st.session_state["query_id"]).strip()
        if photos.row(typed) is not None:
            selection.choose(typed)

    typed = str(st.text_input("Or its id", key="query_id", placeholder=photos.ids[0], on_change=named)).strip()
    if typed and photos.row(typed) is None:
        st.caption(f":material/error: No photo here has this id; ids look like {ui.plain(photos.ids[0])}.")
    chosen = selection.query()
    row = photos.row(chosen) if chosen else None
    if chosen is None or row is None:  # the sidebar says so when a link names a photo that is not here
        return None
    ui.show_photos(opened, [chosen], key="query_photo", title="Query", notes=[chosen], tile=180)
    return retrieval.query_row(photos, row)


def _uploaded(opened: Workspace) -> Query | None:
    picture = picture_of(st.file_uploader("A photo of yours", type=KINDS, key="upload"))
    st.caption("It stays in this process's memory and is not stored. At most 50 MB and 64 megapixels.")
    if picture is None:
        return None
    st.html(
        f'<img src="{gallery.data_uri(cached.encoded(picture))}" alt="your photo" '
        'style="width:100%;max-width:15rem;border-radius:.6rem">'
    )
    query = retrieval.query_picture(cached.catalog(opened), picture, "your photo")
    if query.copies:
        st.info("These very pixels are in the data set too; that photo is left out of the answers.")
    return query


def picture_of(file: Any) -> Image.Image | None:
    """The picture in an uploaded file, upright RGB; None without a file. Raises QueryError with the reason."""
    if file is None:
        return None
    if file.size > MOST_UPLOAD_BYTES:
        raise QueryError("This file is larger than 50 MB; choose a smaller picture.")
    try:
        return cached.decoded(file.getvalue())
    except ImageError as error:
        raise QueryError(f"This file {error}; choose another picture.") from error


def starters(opened: Workspace) -> None:
    """Where no photo is chosen yet: one of each class to begin with."""
    st.info("Choose a photo to search with: one of these, or any other.", icon=":material/image_search:")
    firsts = cached.catalog(opened).frame.drop_duplicates("label")["id"]
    ui.show_photos(opened, list(firsts)[:12], key="starters", title="Photos to begin with", tile=112)


def answer(opened: Workspace, query: Query, space: str, metric: str, k: int, engine: str) -> dict[str, Any]:
    """The `search` document for a query of either kind."""
    if query.row is not None and engine == "exact":
        return cached.search(opened, space, query.name, metric, k)
    needs_network = not query.copies and spaces.get(space).needs_weights
    return retrieval.search(
        opened,
        cached.loaded(opened, space),
        query,
        metric_name=metric,
        k=k,
        engine=engine,
        embed=cached.embedder(opened, space) if needs_network else None,
        store=cached.store() if engine == "milvus" else None,
    )


def label_of(opened: Workspace, query: Query) -> str | None:
    """The query's class, or None for a photo from outside."""
    return None if query.row is None else str(cached.catalog(opened).frame["label"].iloc[query.row])


def grid(opened: Workspace, query: Query, found: dict[str, Any], key: str, other: list[str] | None = None) -> None:
    """One row of answers with rank, value and right/wrong mark, under the metric's name and direction.

    `other` is a second line for each answer: where the other side ranks it.
    """
    metric = METRICS[found["metric"]]
    label = label_of(opened, query)
    rows = found["results"]
    direction = "larger = closer" if metric.higher_is_closer else "smaller = closer"
    right = sum(row["label"] == label for row in rows)
    verdict = f" · {right} of {len(rows)} of the query's class" if label is not None else ""
    recall = f" · recall against the full scan {found['recall']:.2f}" if found["recall"] is not None else ""
    st.markdown(
        f"**{metric.title}** · {direction}{verdict}{recall}", help=f"${metric.formula}$ ({metric.unit}). {metric.note}"
    )
    ui.show_photos(
        opened,
        [row["id"] for row in rows],
        key=key,
        title=f"Answers by {metric.title}",
        badges=[f"#{row['rank']}" for row in rows],
        notes=[(format(row["value"], "#.4g"), *(other[i : i + 1] if other else [])) for i, row in enumerate(rows)],
        right=[row["label"] == label for row in rows] if label is not None else None,
        row=True,
        tile=68,
    )


def five(opened: Workspace, query: Query, space: str, k: int, engine: str) -> None:
    """A grid per metric."""
    if engine == "milvus" and not spaces.get(space).in_milvus:
        st.info(
            f"{spaces.get(space).title} have {spaces.get(space).dim:,} dimensions and Milvus takes "
            f"{spaces.MILVUS_MAX_DIM:,}: choose the engine exact, or another space.",
            icon=":material/info:",
        )
        return
    answers = {name: answer(opened, query, space, name, k, engine) for name in METRICS}
    for name, found in answers.items():
        grid(opened, query, found, key=f"grid_{name}")
    ids = {name: [row["id"] for row in found["results"]] for name, found in answers.items()}
    if ids["mse"] == ids["l2"]:
        st.caption(
            ":material/info: MSE and L2 give the same photos in the same order: one grows exactly when the other does."
        )
    table = pd.DataFrame([{"metric": name, **row} for name, found in answers.items() for row in found["results"]])
    ui.csv_button(table, "answers")


def side_by_side(opened: Workspace, query: Query, space: str, a: str, b: str, k: int) -> None:
    """Two metrics on the same query: answers, shared photos, agreement."""
    if query.row is not None:
        both = cached.compare(opened, space, query.name, a, b, k)
    else:
        embed = cached.embedder(opened, space) if spaces.get(space).needs_weights and not query.copies else None
        both = retrieval.compare(opened, cached.loaded(opened, space), query, a=a, b=b, k=k, embed=embed)
    numbers = st.container(key="numbers").columns(3)
    numbers[0].metric(
        "Overlap", _number(both["overlap"], ".0%"), border=True, help="Photos that both answers share, divided by k."
    )
    numbers[1].metric(
        "Rank-biased overlap",
        _number(both["rbo"], ".3f"),
        border=True,
        help="Agreement of the two rankings, the first ranks weighing most (p = 0.9; Webber et al. 2010).",
    )
    numbers[2].metric(
        "Kendall's tau",
        _number(both["kendall_tau"], ".3f"),
        border=True,
        help="Over the whole gallery: 1 same order, 0 unrelated, −1 reversed (tau-b).",
    )
    for mine, other in (("a", "b"), ("b", "a")):
        ranks = {row["id"]: row["rank"] for row in both[other]["results"]}
        name = METRICS[both[other]["metric"]].name
        elsewhere = [
            f"{name} #{ranks[row['id']]}" if row["id"] in ranks else "only here" for row in both[mine]["results"]
        ]
        grid(opened, query, both[mine], key=f"side_{mine}", other=elsewhere)
    st.plotly_chart(
        charts.slopes(both["a"]["results"], both["b"]["results"], (METRICS[a].title, METRICS[b].title)),
        width="stretch",
        key="slopes",
        alt="the two rankings side by side, lines between equal photos",
    )
    st.caption("Lines join equal photos; dotted stubs are photos that only one side found.")


def _number(value: float | None, form: str) -> str:
    return "undefined" if value is None else format(value, form)
