"""Why a result is as close to the query as a metric says: the contribution of each dimension, lengths, pixels."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from lib.documents.search import SearchDocument
from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.search import contributions
from lib.search.contributions import Contributions
from lib.search.metrics import METRICS, PIXEL_SCALE, centred
from lib.view import cached, cached_search, pair_heat, theme, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.figures import style
from lib.view.formatting import plain
from lib.view.retrieval import feature_names

MOST_BARS = 20
MOST_NAMES = 5  # of the features that are named by what they respond to
WHERE = "Where in the photos"
WHERE_HELP = (
    "ResNet18 averages its last feature map over the positions, so each metric is exactly a sum over them. Amber cells "
    "bring the two photos together, blue ones hold them apart. A cell's features also saw what lies around it."
)
MOVED = (
    "The query below is the one that your marks moved. Its features are no photo's, so *where* is shown for the result "
    "alone; moved raw pixels are a picture again, shown below."
)
# Violet for the query as on the map, teal for the result.
_QUERY_COLOUR, _RESULT_COLOUR = theme.QUERY, "#2aa198"


class Pair(NamedTuple):
    """The vectors of a query and of one result, (dim,) each."""

    query: np.ndarray
    result: np.ndarray


def choose(image_id: str, row: str | None = None) -> None:
    """Explain this result, in `row` of several rows of results."""
    url_state.write(pair=image_id, why=row)


def _close() -> None:
    url_state.write(pair=None, why=None)


def chosen_pair(documents: Sequence[SearchDocument]) -> str | None:
    """The id of the result that is explained; None where none is chosen, or it is no result of these documents."""
    chosen = url_state.parameter("pair")
    found = any(result["id"] == chosen for document in documents for result in document["results"])
    return chosen if found else None


def space_title(side: Side) -> str:
    """The title of a side's space, with its scaling."""
    return spaces.get(side.space).title + (" at length 1" if side.unit else "")


def show(
    workspace: Workspace,
    queries: QuerySet,
    sides: Sequence[Side],
    documents: Sequence[SearchDocument],
    result_id: str,
    row: str | None = None,
) -> None:
    """Why one result is as close to the query as the metric of each side says; `documents` are those of the sides."""
    if len(queries.queries) > 1:
        st.caption("A pair is one query and one result: choose a single photo to see why a result is close.")
        return
    with st.container(border=True, key="why"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.subheader("Why is this result close?", anchor=False, width="stretch")
            _pair_choice(documents, result_id, row)
            st.button("Close", icon=":material/close:", key="why_close", on_click=_close)
        pairs = {side: _pair(workspace, queries, side, result_id) for side in sides}
        parts = [contributions.contributions(side.metric, *pairs[side]) for side in sides]
        if queries.marks:
            st.caption(MOVED)
        st.markdown(f"**{WHERE}**", help=WHERE_HELP)
        # Two equal sides have one heat.
        moved = {side: pair.query for side, pair in pairs.items()} if queries.marks else {}
        pair_heat.show(workspace, queries.queries[0], result_id, list(pairs), key="why_heat", moved=moved)
        st.markdown("**Which dimensions of the vectors**")
        for side, part in zip(sides, parts, strict=True):
            st.markdown(concentration(side, part))
        _show_pixels(pairs, parts)
        left, right = st.columns(2)
        with left:
            st.plotly_chart(
                _curves(parts, sides),
                width="stretch",
                key="why_curves",
                alt="share of the distance that the largest dimensions make up",
            )
        with right:
            _show_lengths(workspace, pairs)
        for place, side in enumerate(pairs):
            if not spaces.get(side.space).pixels:
                _show_features(workspace, parts[sides.index(side)], side, pairs[side], key=f"why_features_{place}")


def _pair_choice(documents: Sequence[SearchDocument], result_id: str, row: str | None) -> None:
    """A control for the result that is explained, kept in the address by `choose`."""
    ranks: dict[str, list[str]] = {}
    for document in documents:
        for result in document["results"]:
            ranks.setdefault(result["id"], []).append(f"{METRICS[document['metric']].short} #{result['rank']}")
    st.session_state["why_pair"] = result_id
    st.selectbox(
        "The query and",
        list(ranks),
        format_func=lambda image_id: f"{image_id} · {', '.join(ranks[image_id])}",
        key="why_pair",
        on_change=lambda: choose(str(st.session_state["why_pair"]), row),
        width=360,
    )


def _pair(workspace: Workspace, queries: QuerySet, side: Side, result_id: str) -> Pair:
    row = cached.catalog(workspace).row(result_id) or 0
    query = cached_search.moved_vectors(workspace, queries, side)[0]
    return Pair(query, np.asarray(cached_search.searchable_side(workspace, side).gallery.vectors[row]))


def concentration(side: Side, part: Contributions) -> str:
    """How few dimensions make up the distance, in a sentence."""
    dimensions, half = len(part.parts), part.holding(0.5)
    noun = "values" if side.space == "pixels" else "features"
    return (
        f"**{METRICS[side.metric].title}**, {spaces.get(side.space).title}: of {dimensions:,} {noun}, **{half:,}** "
        f"({half / dimensions:.0%}) make up half of {pair_heat.quantity(side.metric)} ({part.total:#.4g}), and "
        f"{part.holding(0.9):,} make up 90 %. The effective number of {noun} is {part.effective:,.0f}."
    )


def _curves(parts: list[Contributions], sides: Sequence[Side]) -> go.Figure:
    """The cumulative share of the largest contributions."""
    figure = go.Figure()
    for place, (part, side) in enumerate(zip(parts, sides, strict=True)):
        curve = np.concatenate([[0], part.curve])
        # A curve of 49,152 points is as smooth with 400, and quicker to send.
        points = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), 400)).round().astype(int))
        figure.add_scatter(
            x=100 * points / (len(curve) - 1),
            y=100 * curve[points],
            mode="lines",
            line={
                "width": 2.6,
                "dash": "solid" if place == 0 else "dash",
                "color": (_QUERY_COLOUR, _RESULT_COLOUR)[place],
            },
            name=style.text(f"{METRICS[side.metric].title} · {spaces.get(side.space).title}"),
            hovertemplate="%{x:.1f} % of the dimensions make up %{y:.1f} %<extra></extra>",
        )
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": theme.MUTED, "dash": "dot", "width": 1},
        hoverinfo="skip", name="uniform",
    )  # fmt: skip
    figure.update_layout(
        height=300, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    )
    figure.update_xaxes(title="largest dimensions, %")
    figure.update_yaxes(title="share of the distance, %")
    return figure


def _show_lengths(workspace: Workspace, pairs: dict[Side, Pair]) -> None:
    """How much of the squared L2 distance comes from the vectors' lengths, in each space of the view."""
    table: dict[str, list[str]] = {
        "Length": [
            "query ‖q‖",
            "result ‖x‖",
            "median of all photos",
            "squared L2 distance",
            "share from length",
            "share from direction",
        ]
    }
    for side in {side.space: side for side in pairs}.values():
        lengths = contributions.lengths(*pairs[side])
        vectors = cached_search.searchable_side(workspace, side).gallery
        scale = PIXEL_SCALE if vectors.pixels else 1.0
        median = float(np.median(np.sqrt(vectors.squares().astype(np.float64)))) / scale
        squared = lengths.squared or 1.0
        values = [f"{value:#.4g}" for value in (lengths.query, lengths.row, median, lengths.squared)]
        shares = [f"{value / squared:.1%}" for value in (lengths.of_length, lengths.of_direction)]
        table[space_title(side)] = [*values, *shares]
    st.markdown("**Effect of the vectors' lengths**")
    st.dataframe(pd.DataFrame(table), hide_index=True, width="stretch")
    st.caption(
        "‖x - q‖² = (‖x‖ - ‖q‖)² + 2 ‖x‖ ‖q‖ (1 - cosine). The first term is the difference of lengths: MSE, L1 and L2 "
        "depend on it, cosine does not. Scaling to length 1 removes it."
    )


def _show_features(workspace: Workspace, part: Contributions, side: Side, pair: Pair, key: str) -> None:
    """The features that contribute most, with their values in both vectors."""
    query, result = (centred(v[None])[0] if side.metric == "ncc" else v.astype(np.float64) for v in pair)
    order = part.order[:MOST_BARS]
    labels = [f"f{feature}" for feature in order]
    figure = go.Figure()
    for name, values, colour in (("query", query, _QUERY_COLOUR), ("result", result, _RESULT_COLOUR)):
        figure.add_bar(
            name=name,
            x=labels,
            y=values[order].tolist(),
            marker_color=colour,
            customdata=(100 * part.shares[order]).tolist(),
            hovertemplate=f"feature %{{x}}: {name} %{{y:.3f}}, %{{customdata:.2f}} % of the sum<extra></extra>",
        )
    figure.update_layout(
        height=240, margin={"l": 8, "r": 8, "t": 8, "b": 8}, barmode="group",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    figure.update_yaxes(title="value" + (" minus the mean" if side.metric == "ncc" else ""))
    st.markdown(
        f"**{METRICS[side.metric].title}**: the {len(order)} largest contributions of {len(part.parts):,} features, "
        f"together {part.curve[len(order) - 1]:.0%}"
    )
    st.plotly_chart(figure, width="stretch", key=key, alt="values of query and result in the most important features")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"{key}_names"):
        st.caption("What the largest respond to:", width="content")
        for each in feature_names.names(workspace, side.space, part.order[:MOST_NAMES].tolist()):
            st.button(
                plain(each.text),
                key=f"{key}_{each.dimension}",
                type="tertiary",
                on_click=feature_names.to_feature(side.space, each.dimension),
            )


# --- pictures ------------------------------------------------------------------------------------------------------


def _show_pixels(pairs: dict[Side, Pair], parts: list[Contributions]) -> None:
    """For raw pixels, what is compared and the contribution of each pixel."""
    pixel_parts = {side: part for side, part in zip(pairs, parts, strict=False) if side.space == "pixels"}
    if not pixel_parts:
        return
    pair = pairs[next(iter(pixel_parts))]
    difference = np.abs(pair.query.astype(np.int16) - pair.result).astype(np.uint8)
    pictures = [
        ("query, 128 × 128", _pixels_uri(pair.query)),
        ("result, 128 × 128", _pixels_uri(pair.result)),
        ("difference |x - q|", _pixels_uri(difference)),
        *(
            (f"{METRICS[side.metric].title}: share of each pixel", _heat_uri(p.parts))
            for side, p in pixel_parts.items()
        ),
    ]
    cells = "".join(
        f'<figure style="margin:0;width:9.5rem"><img src="{source}" alt="{html.escape(title)}" '
        'style="width:100%;aspect-ratio:1;object-fit:cover;border-radius:.5rem;image-rendering:pixelated">'
        f'<figcaption style="font-size:.76rem;opacity:.8">{html.escape(title)}</figcaption></figure>'
        for title, source in pictures
    )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:.7rem">{cells}</div>')
    st.caption(
        "In the last pictures, bright pixels contribute most; for cosine and correlation, blue pixels lower the value. "
        "Each picture is scaled to its own maximum."
    )


def _pixels_uri(values: np.ndarray) -> str:
    """A pixel vector as a picture."""
    side = spaces.PIXEL_SIDE
    return _png_uri(Image.fromarray(values.reshape(side, side, 3)))


def _heat_uri(parts: np.ndarray) -> str:
    """Contributions summed over the colours of each pixel, as a picture: orange raises the value, blue lowers it."""
    side = spaces.PIXEL_SIDE
    total = parts.reshape(side, side, 3).sum(axis=2)
    largest = np.abs(total).max()
    level = total / largest if largest > 0 else total
    orange, blue = np.array([[255, 190, 90], [70, 140, 255]], dtype=np.float64)
    colour = np.where(level[..., None] >= 0, orange, blue) * np.abs(level)[..., None] ** 0.6
    return _png_uri(Image.fromarray(colour.round().astype(np.uint8)))


def _png_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
