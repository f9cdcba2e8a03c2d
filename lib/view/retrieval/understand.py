"""Understand: how a photo becomes a vector, what each metric computes, and which metrics give the same ranking."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st

from lib.data import images, thumbnails
from lib.embed import spaces
from lib.errors import DataError, PetalscopeError
from lib.measure import retrieval_verdicts
from lib.prepare.workspace import Workspace
from lib.search import equivalence, worked_example
from lib.search.metrics import METRICS
from lib.text import counted
from lib.view import cached, page_controls, page_frame, photo_tiles, selection, verdict
from lib.view.components import gallery
from lib.view.figures import scores, vectors
from lib.view.figures.style import config
from lib.view.formatting import plain
from lib.view.retrieval import measurements

GREY_SIDE = 9  # px of the photo that is flattened
NUMBERS_A_LINE = 512
FEATURES_SHOWN = 3
METRIC_NAMES = {
    **{name: metric.short for name, metric in METRICS.items()},
    equivalence.UNIT_L2: "L2 of unit vectors",
    equivalence.CENTRED_COSINE: "cosine of centred vectors",
}
_REASONS = {
    frozenset({"mse", "l2"}): "MSE is the square of L2 divided by the number of dimensions, which keeps the order",
    frozenset({"cosine", equivalence.UNIT_L2}): "for vectors of length 1, L2² = 2 − 2·cosine",
    frozenset({"ncc", equivalence.CENTRED_COSINE}): "the definition of NCC",
}


def show(workspace: Workspace) -> None:
    """The view, for one space."""
    space = page_controls.space_choice(workspace, "retrieval")
    page_frame.origin(workspace, space, Engine="exact")
    st.subheader("How a photo becomes a vector")
    _show_flattening(workspace, space)
    st.subheader("How close two vectors are")
    _show_metrics()
    st.subheader("Worked example")
    _show_worked_example()
    st.subheader("Which metrics give the same ranking")
    _show_equivalences(workspace, space)


# --- how a photo becomes a vector ----------------------------------------------------------------------------------


def _show_flattening(workspace: Workspace, space: str) -> None:
    """The query photo as 9 × 9 grey values that line up in one row, then its stored vectors."""
    photos = cached.catalog(workspace)
    query_id = selection.query_id()
    row = (photos.row(query_id) if query_id else None) or 0
    try:
        photo = photos.open(row)
    except DataError as error:
        page_frame.restart_or_show_error(error)
        return
    grey = images.resized(photo.convert("L").convert("RGB"), GREY_SIDE, GREY_SIDE)[:, :, 0]
    left, right = st.columns([1, 4], gap="medium", vertical_alignment="top")
    left.html(
        f'<img src="{gallery.data_uri(thumbnails.encode(photo, 360))}" alt="{html.escape(photos.ids[row])}" '
        'style="width:100%;max-width:16rem;border-radius:.6rem">'
    )
    left.caption(
        f"{plain(photos.ids[row])}, {photo.width} × {photo.height} px. "
        + ("Click any photo to see it here." if query_id else "Choose a query photo to see it here.")
    )
    right.plotly_chart(
        vectors.flattening(grey),
        width="stretch",
        key="flattening",
        config={"displayModeBar": False},
        alt=f"animation: the {GREY_SIDE} × {GREY_SIDE} grey values of the photo line up as a vector",
    )
    right.caption(
        f"The photo as {GREY_SIDE} × {GREY_SIDE} grey values. ▶ reads them row by row into one vector of "
        f"{GREY_SIDE * GREY_SIDE} numbers. Vertically adjacent pixels end up {GREY_SIDE} positions apart."
    )
    _show_stored_vectors(workspace, space, row)


def _show_stored_vectors(workspace: Workspace, space: str, row: int) -> None:
    """The photo's stored vectors as grey cells, all of one size."""
    features = space if space != "pixels" else next((name for name in workspace.spaces if name != "pixels"), None)
    for name in ("pixels", features):
        if name is None or name not in workspace.spaces:
            continue
        vector = np.asarray(cached.searchable_space(workspace, name).gallery.vectors[row])
        about = spaces.get(name)
        lines = -(-len(vector) // NUMBERS_A_LINE)
        st.markdown(
            f"**{about.title}: {len(vector):,} numbers** · {about.about} · {NUMBERS_A_LINE} numbers a line, "
            f"{counted(lines, 'line')}"
        )
        alt = f"the {len(vector):,} numbers of this photo in {about.title}, as grey cells"
        _show_strip(vector, alt, "")
        if name == "pixels":
            st.caption("From black (0) to white (1): red, green and blue of each pixel in turn, row by row.")
            continue
        _show_strip(vector, "the same line, taller", "height:2.2rem;")
        st.caption(
            f"The line at the scale of the pixels above, then taller. From black (0) to white ({vector.max():.2f}, the "
            f"maximum); {float((vector == 0).mean()):.0%} are 0. There are "
            f"{spaces.get('pixels').dim // len(vector)} times fewer features than pixel values, and a feature has no "
            "position in the photo."
        )
        _show_strongest_features(workspace, name, vector)


def _show_strip(vector: np.ndarray, alt: str, style: str) -> None:
    st.html(
        f'<img src="{gallery.data_uri(vectors.strip(vector, NUMBERS_A_LINE))}" alt="{html.escape(alt)}" '
        f'style="width:100%;{style}display:block;border-radius:.3rem;image-rendering:pixelated">'
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.KEYS)
def _strongest_photos(workspace: Workspace, space: str, feature: int) -> list[tuple[int, float]]:
    """The rows of the eight photos with the largest values of a feature, and these values."""
    values = np.asarray(cached.searchable_space(workspace, space).gallery.vectors[:, feature])
    return [(int(row), float(values[row])) for row in np.argsort(-values, kind="stable")[:8]]


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=cached.KEYS)
def feature_means(workspace: Workspace, space: str) -> np.ndarray:
    """The mean absolute value of every feature, (dim,); 1 where a feature is always 0."""
    means = np.abs(np.asarray(cached.searchable_space(workspace, space).gallery.vectors)).mean(axis=0)
    return np.where(means > 0, means, 1.0)


def _show_strongest_features(workspace: Workspace, space: str, vector: np.ndarray) -> None:
    """The photo's strongest features, each with the photos that have its largest values."""
    ids = cached.catalog(workspace).ids
    ratios = vector / feature_means(workspace, space)
    st.markdown("**What its strongest features respond to** (relative to their mean over all photos)")
    strongest = np.argsort(-ratios, kind="stable")[:FEATURES_SHOWN]
    for column, feature in zip(st.columns(FEATURES_SHOWN, gap="medium"), strongest, strict=True):
        photos = _strongest_photos(workspace, space, int(feature))
        with column:
            st.caption(
                f"Feature {feature}: {vector[feature]:.2f}, {ratios[feature]:.1f} × its mean. Photos with its largest "
                "values:"
            )
            photo_tiles.show_photos(
                workspace,
                [ids[row] for row, _ in photos],
                key=f"feature_{feature}",
                title=f"Photos with most of feature {feature}",
                notes=[f"{value:.2f}" for _, value in photos],
                tile=70,
            )


# --- how close two vectors are -------------------------------------------------------------------------------------


def _show_metrics() -> None:
    """Each metric's formula, direction, unit and note."""
    columns = st.columns(len(METRICS), gap="small")
    for column, metric in zip(columns, METRICS.values(), strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{metric.title}** `{metric.name}`")
            st.latex(metric.formula)
            direction = (
                ":material/trending_up: larger" if metric.higher_is_closer else ":material/trending_down: smaller"
            )
            st.markdown(f"{direction} = closer")
            st.caption(f"Unit: {metric.unit}. {metric.note}")


def _show_worked_example() -> None:
    """Four vectors and a query that can be edited, and their order under each metric."""
    left, right = st.columns([2, 3], gap="medium")
    start = pd.DataFrame({"q": worked_example.QUERY, **worked_example.VECTORS}, index=["x", "y", "z"]).T
    with left:
        st.caption("A query q and four vectors. Edit any number; the values beside it are recomputed.")
        edited = st.data_editor(start, key="worked", width="stretch")
    rows = {
        str(name): [float(value) for value in values]
        for name, values in zip(edited.index, edited.to_numpy(), strict=True)
    }
    query = rows.pop("q")
    try:
        results = worked_example.compute(rows, query)
    except PetalscopeError as error:
        with right:
            page_frame.restart_or_show_error(error)
        return
    table = pd.DataFrame(
        {
            METRICS[name].title: {
                **{vector: f"{value:.4g}" for vector, value in result.values.items()},
                "order": " ".join(result.order),
            }
            for name, result in results.items()
        }
    ).T
    with right:
        st.caption("Values, and the order from closest to farthest; equal values keep the order of the rows.")
        st.table(table)
    with left:
        st.plotly_chart(
            vectors.arrows(query, rows),
            width="stretch",
            key="arrows",
            config={"displayModeBar": False},
            alt="the query and the vectors as arrows in three dimensions",
        )
    with right:
        for name, values in rows.items():
            terms = " + ".join(f"|{x:g} − {q:g}|" for x, q in zip(values, query, strict=True))
            distances = " + ".join(f"{abs(x - q):g}" for x, q in zip(values, query, strict=True))
            st.markdown(f"L1({name}) = {plain(terms)} = {plain(distances)} = **{results['l1'].values[name]:g}**")
        if len(set(query)) == 1:
            st.caption(
                "All values of q are equal, so q minus its mean is zero. NCC is then undefined, and 0 by convention."
            )


# --- which metrics give the same ranking ---------------------------------------------------------------------------


def _show_equivalences(workspace: Workspace, space: str) -> None:
    """Kendall's tau between every two metrics on the prepared vectors, and the metrics with equal rankings."""
    measured = measurements.equivalences(workspace, space)
    if said := retrieval_verdicts.rankings(spaces.get(space).title, measured, METRIC_NAMES):
        verdict.show(said)
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(
        scores.tau_heatmap(measured, METRIC_NAMES),
        width="stretch",
        key="taus",
        config=config("tau"),
        alt="Kendall's tau between every two metrics, as in the table to download",
    )
    with right:
        st.markdown(
            f"Kendall's tau between every two rankings of {counted(measured.rows, 'photo')} in "
            f"**{spaces.get(space).title}**, mean over {measured.queries} queries (seeded sample). 1: the same order; "
            "0: unrelated."
        )
        pairs = measured.alike()
        for a, b in pairs:
            reason = _REASONS.get(frozenset({a, b}))
            st.markdown(
                f":material/equal: **{METRIC_NAMES[a]} = {METRIC_NAMES[b]}** on every query"
                f"{': ' + reason if reason else ''}."
            )
        if not pairs:
            st.markdown("No two metrics give the same ranking on every query here.")
        known = np.where(np.isnan(measured.mean), np.inf, measured.mean)
        a_place, b_place = (int(place) for place in np.unravel_index(np.argmin(known), known.shape))
        st.markdown(
            f":material/call_split: Least similar: **{METRIC_NAMES[measured.names[a_place]]}** and "
            f"**{METRIC_NAMES[measured.names[b_place]]}**, tau {measured.mean[a_place, b_place]:.2f}."
        )
        table = pd.DataFrame(measured.mean, index=measured.names, columns=measured.names)
        page_controls.csv_button(table.rename_axis("metric").reset_index(), "tau")
