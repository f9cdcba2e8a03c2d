"""Why a photo is as near to the query as a metric says: what each dimension contributes, the lengths, the pixels."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.search import contributions
from lib.search.contributions import Contributions
from lib.search.metrics import METRICS, PIXEL_SCALE, centred
from lib.view import cached, cached_search, theme, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.embedding_map import plot
from lib.view.figures import style

MOST_BARS = 20
# Violet for the query as on the map, teal for the answer.
_LEFT, _RIGHT = theme.QUERY, "#2aa198"


def choose(image_id: str) -> None:
    """Take this answer apart."""
    url_state.write(pair=image_id)


def pair(both: dict[str, Any]) -> str | None:
    """The answer that is taken apart: the chosen one while it is an answer, else the one whose ranks differ most."""
    ranks = {
        row["id"]: abs(row["rank"] - there)
        for side in ("a", "b")
        for row, there in zip(both[side]["results"], both["ranks"][side], strict=True)
    }
    wanted = url_state.parameter("pair")
    return wanted if wanted in ranks else max(ranks, key=lambda image_id: ranks[image_id], default=None)


def show(
    opened: Workspace,
    asked: QuerySet,
    sides: tuple[Side, Side],
    both: dict[str, Any],
    names: tuple[str, str],
    chosen: str | None,
) -> None:
    """One pair of query and answer, side by side in both ways to measure."""
    st.subheader("Why")
    if len(asked.queries) > 1:
        st.caption("A pair is one query and one answer: choose a single photo to take a pair apart.")
        return
    if chosen is None:
        return
    ids = list(dict.fromkeys(row["id"] for side in ("a", "b") for row in both[side]["results"]))
    st.session_state["why_pair"] = chosen
    places = {
        row["id"]: f"{names[0]} #{one}, {names[1]} #{two}"
        for side in ("a", "b")
        for row, there in zip(both[side]["results"], both["ranks"][side], strict=True)
        for one, two in [(row["rank"], there) if side == "a" else (there, row["rank"])]
    }
    st.selectbox(
        "The query and",
        ids,
        format_func=lambda image_id: f"{image_id} · {places[image_id]}",
        key="why_pair",
        on_change=lambda: choose(str(st.session_state["why_pair"])),
    )
    found = {side: _pair(opened, asked, side, chosen) for side in sides}
    parts = [contributions.contributions(side.metric, *found[side]) for side in sides]
    _pictures(opened, asked, chosen, sides, parts)
    _words(parts, sides)
    left, right = st.columns(2)
    with left:
        st.plotly_chart(
            _curves(parts, sides), width="stretch", key="why_curves", alt="how few dimensions hold which share"
        )
    with right:
        _lengths(opened, sides, found)
    for place, side in enumerate(dict.fromkeys(sides)):
        if not spaces.get(side.space).pixels:
            _features(parts[sides.index(side)], side, *found[side], key=f"why_features_{place}")


def _pair(opened: Workspace, asked: QuerySet, side: Side, chosen: str) -> tuple[np.ndarray, np.ndarray]:
    row = cached.catalog(opened).row(chosen) or 0
    return cached_search.vectors(opened, asked, side)[0], np.asarray(
        cached_search.loaded(opened, side).gallery.vectors[row]
    )


def _words(parts: list[Contributions], sides: tuple[Side, Side]) -> None:
    for part, side in zip(parts, sides, strict=True):
        what = {"l2": "the squared L2 distance", "cosine": "the cosine", "ncc": "the correlation"}.get(
            side.metric, f"the {METRICS[side.metric].title}"
        )
        d = len(part.parts)
        share = part.holding(0.5) / d
        noun = "values" if side.space == "pixels" else "features"
        st.markdown(
            f"**{METRICS[side.metric].title}**, {spaces.get(side.space).title}: half of {what} ({part.total:#.4g}) "
            f"comes from **{part.holding(0.5):,}** of {d:,} {noun} ({share:.0%}), nine tenths from "
            f"{part.holding(0.9):,}; as concentrated as {part.effective:,.0f} equal ones."
        )


def _curves(parts: list[Contributions], sides: tuple[Side, Side]) -> go.Figure:
    """The share that the largest contributions hold together, by how many they are."""
    figure = go.Figure()
    for place, (part, side) in enumerate(zip(parts, sides, strict=True)):
        curve = np.concatenate([[0], part.curve])
        # Few enough points to send; a curve of 49,152 is as smooth with 400.
        at = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), 400)).round().astype(int))
        figure.add_scatter(
            x=100 * at / (len(curve) - 1),
            y=100 * curve[at],
            mode="lines",
            line={"width": 2.6, "dash": "solid" if place == 0 else "dash", "color": (_LEFT, _RIGHT)[place]},
            name=style.text(f"{METRICS[side.metric].title} · {spaces.get(side.space).title}"),
            hovertemplate="%{x:.1f} % of the dimensions hold %{y:.1f} %<extra></extra>",
        )
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": theme.MUTED, "dash": "dot", "width": 1},
        hoverinfo="skip", name="all alike",
    )  # fmt: skip
    figure.update_layout(
        height=300, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    )
    figure.update_xaxes(title="largest dimensions, %")
    figure.update_yaxes(title="their share, %")
    return figure


def _lengths(opened: Workspace, sides: tuple[Side, Side], found: dict[Side, tuple[np.ndarray, np.ndarray]]) -> None:
    """What the lengths of both vectors do to the distance, in each space of the view."""
    names = [
        "query ‖q‖",
        "answer ‖x‖",
        "median of all photos",
        "squared L2 distance",
        "of it length",
        "of it direction",
    ]
    table: dict[str, list[str]] = {"Length": names}
    for side in {each.space: each for each in sides}.values():
        both = contributions.lengths(*found[side])
        gallery = cached_search.loaded(opened, side).gallery
        scale = PIXEL_SCALE if gallery.pixels else 1.0
        middle = float(np.median(np.sqrt(gallery.squares().astype(np.float64)))) / scale
        whole = both.squared or 1.0
        numbers = [f"{value:#.4g}" for value in (both.query, both.row, middle, both.squared)]
        shares = [f"{value / whole:.1%}" for value in (both.of_length, both.of_direction)]
        table[spaces.get(side.space).title + (" at length 1" if side.unit else "")] = [*numbers, *shares]
    st.markdown("**What the vectors' lengths do**")
    st.dataframe(pd.DataFrame(table), hide_index=True, width="stretch")
    st.caption(
        "‖x - q‖² = (‖x‖ - ‖q‖)² + 2 ‖x‖ ‖q‖ (1 - cosine). The first part is a difference of lengths, which MSE, L1 "
        "and L2 see and cosine does not; *length 1* above takes it away."
    )


def _features(part: Contributions, side: Side, query: np.ndarray, row: np.ndarray, key: str) -> None:
    """The features that contribute most, with both values of each."""
    q, x = (centred(each[None])[0] if side.metric == "ncc" else each.astype(np.float64) for each in (query, row))
    order = part.order[:MOST_BARS]
    labels = [f"f{place}" for place in order]
    figure = go.Figure()
    for name, values, colour in (("query", q, _LEFT), ("answer", x, _RIGHT)):
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
    figure.update_yaxes(title="value" + (" less the mean" if side.metric == "ncc" else ""))
    st.markdown(
        f"**{METRICS[side.metric].title}**: the {len(order)} of {len(part.parts):,} features that contribute most, "
        f"together {part.curve[len(order) - 1]:.0%}"
    )
    st.plotly_chart(figure, width="stretch", key=key, alt="values of query and answer in the features that matter most")


# --- pixels --------------------------------------------------------------------------------------------------------


def _pictures(
    opened: Workspace, asked: QuerySet, chosen: str, sides: tuple[Side, Side], parts: list[Contributions]
) -> None:
    """Query and answer, and for raw pixels what each pixel contributes."""
    shown = []
    pixels = {side: part for side, part in zip(sides, parts, strict=True) if side.space == "pixels"}
    if pixels:
        query, row = _pair(opened, asked, next(iter(pixels)), chosen)
        shown = [("query, 128 × 128", _square(query)), ("answer, 128 × 128", _square(row))]
        shown.append(("difference |x - q|", _square(np.abs(query.astype(np.int16) - row).astype(np.uint8))))
        for side, part in pixels.items():
            shown.append((f"{METRICS[side.metric].title}: share of each pixel", _heat(part.parts)))
    else:
        picture = asked.queries[0]
        mine = plot.thumbnail(opened, picture.row) if picture.row is not None else ""
        if picture.picture is not None:
            mine = _uri(Image.open(io.BytesIO(cached.encoded(picture.picture, 160))))
        shown = [("query", mine)] if mine else []
        theirs = plot.thumbnail(opened, cached.catalog(opened).row(chosen) or 0)
        shown += [("answer", theirs)] if theirs else []
    cells = "".join(
        f'<figure style="margin:0;width:9.5rem"><img src="{source}" alt="{title}" style="width:100%;aspect-ratio:1;'
        f'object-fit:cover;border-radius:.5rem;image-rendering:pixelated"><figcaption style="font-size:.76rem;'
        f'opacity:.8">{title}</figcaption></figure>'
        for title, source in shown
    )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:.7rem">{cells}</div>')
    if pixels:
        st.caption(
            "In the last pictures, bright pixels contribute most; for cosine and correlation, blue ones speak against "
            "likeness. Each is scaled to its own largest."
        )


def _square(values: np.ndarray) -> str:
    side = spaces.PIXEL_SIDE
    return _uri(Image.fromarray(values.reshape(side, side, 3)))


def _heat(parts: np.ndarray) -> str:
    """Contributions summed over the colours of each pixel, as a picture: bright orange for, blue against."""
    side = spaces.PIXEL_SIDE
    total = parts.reshape(side, side, 3).sum(axis=2)
    most = np.abs(total).max()
    level = total / most if most > 0 else total
    ends = np.array([[255, 190, 90], [70, 140, 255]], dtype=np.float64)
    colour = np.where(level[..., None] >= 0, ends[0], ends[1]) * np.abs(level)[..., None] ** 0.6
    return _uri(Image.fromarray(colour.round().astype(np.uint8)))


def _uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
