"""The clusters panel: the clusters of a space in all its dimensions, each with its majority and its exemplars."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.errors import QueryError
from lib.measure import clusters as measured
from lib.measure import reproduction as reproductions
from lib.measure.clusters import MOST_CLUSTERS, TITLES, Clusters
from lib.prepare.workspace import Workspace
from lib.search.clustering import KMEANS, METHODS, NOISE
from lib.text import counted
from lib.view import (
    background_jobs,
    cached,
    page_controls,
    page_frame,
    photo_tiles,
    reproduction,
    selection,
    theme,
    url_state,
)
from lib.view.embedding_map import sections
from lib.view.formatting import plain

SHOW, COLOUR = "Select", "Colour the map by these clusters"
BUTTON = "Find the clusters"
# Clusters of so many multiplications take minutes on two cores: they wait for a click.
UNASKED = 5e10
SHOWN = 40  # clusters listed; the smaller ones are in the CSV


def show(workspace: Workspace, space: str, colour: str) -> None:
    """The choice of a method, how far the clusters are the classes, and a card for each; `colour` is the map's."""
    photos = cached.catalog(workspace)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = page_controls.segments("Method", TITLES, "method", "clusters", KMEANS, about=_METHODS)
        k = None
        if METHODS[method].takes_k:
            most = min(MOST_CLUSTERS, len(photos.ids))
            bound = url_state.number("clusters", 1, most, measured.default_k(photos))
            k = int(st.number_input("Clusters (k)", width=110, help=_K, **bound))
    try:
        k = measured.check(photos, method, k)
    except QueryError as error:
        page_frame.show_error(error)
        return
    found = _found(workspace, space, method, k)
    if found is None:
        return
    answer = measured.verdict(found, len(photos.classes))
    st.markdown(plain(answer.text), help=plain(answer.about))
    trait = measured.trait(found, measured.default_k(photos))
    if colour != trait.name:
        st.button(
            COLOUR, icon=":material/palette:", on_click=url_state.write, kwargs={"colour": trait.name}, key="by_cluster"
        )
    colours = theme.majority_colours(trait.classes, photo_tiles.colours(photos))
    _show_list(workspace, found, colours)
    with st.container(horizontal=True):
        page_controls.csv_button(_table(found, photos.ids), f"clusters-{space}-{method}")
        page_controls.json_button(dict(found.document), f"clusters-{space}-{method}")
    reproduction.show(reproductions.clusters(workspace, space, photos, method, k))


_METHODS = (
    "*k-means* divides all photos into k groups around centres. *HDBSCAN* finds groups that stay dense, as many as "
    "there are, and leaves the rest as noise. Both work in all dimensions of the space, not on the map."
)
_K = "As many as classes, or 8 without labels, unless you choose another number."


def _found(workspace: Workspace, space: str, method: str, k: int | None) -> Clusters | None:
    """The stored clusters. None while they are found: the panel then shows the progress."""
    stored = [
        each
        for each in cached.clusters(workspace, space)
        if (each.document["method"], each.document["k"]) == (method, k)
    ]
    if stored:
        return stored[0]
    catalog = cached.catalog(workspace)
    n, d = len(catalog.ids), min(int(workspace.space(space)["dim"]), 3_072)
    background_jobs.measure_on_request(
        lambda reporter: measured.find(workspace, space, catalog, method, k),
        f"clusters {space} {method} {k}",
        f"{TITLES[method]} of {spaces.get(space).title} is not computed yet: {counted(n, 'photo')}.",
        BUTTON,
        at_once=float(n) * d * (300 * (k or 1) if METHODS[method].most is None else n) <= UNASKED,
    )
    return None


def _show_list(workspace: Workspace, found: Clusters, colours: dict[str, str]) -> None:
    photos, document = cached.catalog(workspace), found.document
    for each in document["clusters"][:SHOWN]:
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                photo_tiles.colour_key([(colours[each["name"]], f"{each['name']} · {counted(each['size'], 'photo')}")])
                _select_button(workspace, found, each["cluster"])
            photo_tiles.show_photos(
                workspace,
                each["exemplars"],
                key=f"cluster_{each['cluster']}",
                title=f"Photos nearest to the centre of cluster {each['name']}",
                tile=72,
                row=True,
            )
    if len(document["clusters"]) > SHOWN:
        st.caption(f"{len(document['clusters']) - SHOWN:,} smaller clusters are in the CSV.")
    if document["noise"]:
        with st.container(border=True):
            share = document["noise"] / max(1, len(photos.ids))
            with st.container(horizontal=True, vertical_alignment="center"):
                photo_tiles.colour_key([(theme.MUTED, f"noise · {counted(document['noise'], 'photo')} ({share:.0%})")])
                _select_button(workspace, found, NOISE)
            st.caption("Photos of no cluster: none of the groups that stay dense holds them.")
    name = "the number by size, the class of most photos, their share" if photos.classes else "the number by size"
    st.caption(
        f"A name: {name}. Photos nearest to the centre first, so the first is the medoid. "
        f"Found in {document['seconds']:.1f} s."
    )


def _select_button(workspace: Workspace, found: Clusters, number: int) -> None:
    photos = cached.catalog(workspace)

    def select() -> None:
        rows = found.rows(number).tolist()
        selection.select_rows(rows, len(photos.ids), photos.contents, section=sections.CLUSTERS)

    st.button(
        SHOW,
        key=f"select_cluster_{number}",
        help="Select these photos on the map, and on every page",
        on_click=select,
    )


def _table(found: Clusters, ids: list[str]) -> pd.DataFrame:
    names = {each["cluster"]: each["name"] for each in found.document["clusters"]}
    numbers = found.numbers.tolist()
    return pd.DataFrame({"id": ids, "cluster": numbers, "name": [names.get(each, "noise") for each in numbers]})
