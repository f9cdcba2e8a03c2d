"""Understand: how a picture becomes a vector, what each metric makes of two of them, and which metrics are one."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st

from lib.data import images
from lib.embed import spaces
from lib.errors import DataError, PetalscopeError
from lib.prepare.workspace import Workspace
from lib.search import equivalence, worked_example
from lib.search.metrics import METRICS
from lib.view import cached, page_controls, page_frame, photo_tiles, selection
from lib.view.components import gallery
from lib.view.figures import scores, vectors
from lib.view.figures.style import config
from lib.view.formatting import plain
from lib.view.retrieval import measurements

SIDE = 9
WIDE = 512
FEATURES_SHOWN = 3


def show(opened: Workspace) -> None:
    """The whole view."""
    space = page_controls.space_choice(opened, "retrieval")
    page_frame.origin(opened, space, Engine="exact")
    st.subheader("How a picture becomes a vector")
    becoming(opened, space)
    st.subheader("How close two vectors are")
    metrics()
    st.subheader("Worked by hand, and by this program")
    worked()
    st.subheader("Which metrics are one and the same")
    alike(opened, space)


def becoming(opened: Workspace, space: str) -> None:
    """A photo as 9×9 grey values that fall into a row, then its 49,152 pixel values beside its 512 features."""
    photos = cached.catalog(opened)
    chosen = selection.query()
    row = photos.row(chosen) if chosen else None
    row = 0 if row is None else row
    try:
        picture = photos.open(row)
    except DataError as error:
        page_frame.failed(error)
        return
    small = images.resized(picture.convert("L").convert("RGB"), SIDE, SIDE)[:, :, 0]
    left, right = st.columns([1, 4], gap="medium", vertical_alignment="top")
    left.html(
        f'<img src="{gallery.data_uri(cached.encoded(picture, 360))}" alt="{html.escape(photos.ids[row])}" '
        'style="width:100%;max-width:16rem;border-radius:.6rem">'
    )
    left.caption(
        f"{plain(photos.ids[row])}, {picture.width} × {picture.height} px. "
        + ("Any photo that you click becomes the one shown here." if chosen else "Choose a photo to see yours here.")
    )
    right.plotly_chart(
        vectors.flattening(small),
        width="stretch",
        key="flattening",
        config={"displayModeBar": False},
        alt=f"animation: the {SIDE} × {SIDE} grey values of the photo leave their rows and line up as one vector",
    )
    right.caption(
        f"The photo in {SIDE} × {SIDE} grey values. ▶ reads them row by row into one vector of {SIDE * SIDE} numbers: "
        "that is all that flattening does. A neighbour below becomes a stranger nine places away."
    )
    sizes(opened, space, row)


def sizes(opened: Workspace, space: str, row: int) -> None:
    """The same photo's stored vectors, drawn to one scale: a number is a cell of the same size in both."""
    photos = cached.catalog(opened)
    features = space if space != "pixels" else next((name for name in opened.spaces if name != "pixels"), None)
    for name in [each for each in ("pixels", features) if each is not None and each in opened.spaces]:
        loaded = cached.loaded(opened, name)
        vector = np.asarray(loaded.gallery.vectors[row])
        about = spaces.get(name)
        lines = -(-len(vector) // WIDE)
        st.markdown(
            f"**{about.title}: {len(vector):,} numbers** · {about.about} · here {WIDE} numbers a line, "
            f"{lines} line{'s' if lines > 1 else ''}"
        )
        st.html(
            f'<img src="{gallery.data_uri(vectors.strip(vector, WIDE))}" '
            f'alt="the {len(vector):,} numbers of this photo in {html.escape(about.title)}, as grey cells" '
            'style="width:100%;display:block;border-radius:.3rem;image-rendering:pixelated">'
        )
        if name == "pixels":
            st.caption("From black (0) to white (1): red, green and blue of each pixel in turn, row after row.")
        else:
            st.html(
                f'<img src="{gallery.data_uri(vectors.strip(vector, WIDE))}" alt="the same line, taller" '
                'style="width:100%;height:2.2rem;display:block;border-radius:.3rem;image-rendering:pixelated">'
            )
            zeros = float((vector == 0).mean())
            st.caption(
                f"The one line at the scale of the pixels above, then taller. From black (0) to white "
                f"({vector.max():.2f}, the largest); {zeros:.0%} are 0. These are "
                f"{spaces.get('pixels').dim // len(vector)} times fewer numbers than the pixels, and none "
                "of them is a place in the picture."
            )
            strongest(opened, name, vector, photos.ids)


@st.cache_data(max_entries=64, show_spinner=False)
def _most(version: str, space: str, feature: int, _opened: Workspace) -> list[tuple[int, float]]:
    column = np.asarray(cached.loaded(_opened, space).gallery.vectors[:, feature])
    return [(int(row), float(column[row])) for row in np.argsort(-column, kind="stable")[:8]]


def strongest(opened: Workspace, space: str, vector: np.ndarray, ids: list[str]) -> None:
    """The photo's strongest features, each with the photos that have the most of it."""
    spread = cached_scale(opened, space)
    order = np.argsort(-(vector / spread), kind="stable")[:FEATURES_SHOWN]
    st.markdown("**What its strongest features answer to** (large for this photo beside what is usual)")
    for column, feature in zip(st.columns(FEATURES_SHOWN, gap="medium"), order, strict=True):
        best = _most(opened.version, space, int(feature), opened)
        with column:
            st.caption(
                f"Feature {feature}: {vector[feature]:.2f} here, {vector[feature] / spread[feature]:.1f} × its mean. "
                "The photos that have most of it:"
            )
            photo_tiles.show_photos(
                opened,
                [ids[row] for row, _ in best],
                key=f"feature_{feature}",
                title=f"Photos with most of feature {feature}",
                notes=[f"{value:.2f}" for _, value in best],
                tile=70,
            )


@st.cache_data(max_entries=8, show_spinner=False)
def _scale(version: str, space: str, _opened: Workspace) -> np.ndarray:
    means = np.abs(np.asarray(cached.loaded(_opened, space).gallery.vectors)).mean(axis=0)
    return np.where(means > 0, means, 1.0)


def cached_scale(opened: Workspace, space: str) -> np.ndarray:
    """The mean size of every feature, (d,); 1 where a feature is always 0."""
    return _scale(opened.version, space, opened)


def metrics() -> None:
    """Each metric's formula, direction, unit, and what is peculiar to it."""
    columns = st.columns(len(METRICS), gap="small")
    for column, each in zip(columns, METRICS.values(), strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{each.title}** `{each.name}`")
            st.latex(each.formula)
            symbol = ":material/trending_up: larger" if each.higher_is_closer else ":material/trending_down: smaller"
            st.markdown(f"{symbol} = closer")
            st.caption(f"Unit: {each.unit}. {each.note}")


def worked() -> None:
    """The design's example, computed by the product's own search; the numbers can be changed."""
    left, right = st.columns([2, 3], gap="medium")
    start = pd.DataFrame({"q": worked_example.QUERY, **worked_example.VECTORS}, index=["x", "y", "z"]).T
    with left:
        st.caption("A query q and four vectors. Change any number: everything beside it is computed anew.")
        edited = st.data_editor(start, key="worked", width="stretch")
    rows = {
        str(name): [float(value) for value in values]
        for name, values in zip(edited.index, edited.to_numpy(), strict=True)
    }
    query = rows.pop("q")
    try:
        found = worked_example.compute(rows, query)
    except PetalscopeError as error:
        with right:
            page_frame.failed(error)
        return
    listed = pd.DataFrame(
        {
            METRICS[name].title: {
                **{vector: f"{value:.4g}" for vector, value in each.values.items()},
                "order": " ".join(each.order),
            }
            for name, each in found.items()
        }
    ).T
    with right:
        st.caption("Values, and the order from the closest to the farthest; equal values keep the order of the rows.")
        st.table(listed)
    with left:
        st.plotly_chart(
            vectors.arrows(query, rows),
            width="stretch",
            key="arrows",
            config={"displayModeBar": False},
            alt="the query and the vectors as arrows in three dimensions",
        )
    with right:
        for vector, values in rows.items():
            terms = " + ".join(f"|{_short(x)} − {_short(q)}|" for x, q in zip(values, query, strict=True))
            apart = " + ".join(_short(abs(x - q)) for x, q in zip(values, query, strict=True))
            st.markdown(f"L1({vector}) = {plain(terms)} = {plain(apart)} = **{found['l1'].values[vector]:g}**")
        if len(set(query)) == 1:
            st.caption(
                "All values of q are equal, so nothing is left of it once its mean is taken away: NCC is undefined, "
                "and 0 by convention."
            )


def _short(value: float) -> str:
    return f"{value:g}"


CALLED = {
    **{name: each.short for name, each in METRICS.items()},
    equivalence.UNIT_L2: "L2, unit vectors",
    equivalence.CENTRED_COSINE: "cosine, centred",
}
_WHY = {
    frozenset({"mse", "l2"}): "one is the other squared and divided by the dimensions, which keeps every order",
    frozenset({"cosine", equivalence.UNIT_L2}): "between vectors of length 1, L2² = 2 − 2·cosine",
    frozenset({"ncc", equivalence.CENTRED_COSINE}): "that is how NCC is defined",
}


def alike(opened: Workspace, space: str) -> None:
    """Kendall's tau between every two metrics, measured on the user's own vectors, and what it shows."""
    found = measurements.equivalences(opened, space)
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(
        scores.taus(found, CALLED),
        width="stretch",
        key="taus",
        config=config("tau"),
        alt="Kendall's tau between every two metrics, as in the table to download",
    )
    with right:
        st.markdown(
            f"Kendall's tau of every two rankings of {found.rows:,} photos in **{spaces.get(space).title}**, mean over "
            f"{found.queries} queries (seeded sample). 1: the same order; 0: nothing to do with each other."
        )
        pairs = found.alike()
        for a, b in pairs:
            why = _WHY.get(frozenset({a, b}))
            st.markdown(f":material/equal: **{CALLED[a]} = {CALLED[b]}** on every query{': ' + why if why else ''}.")
        if not pairs:
            st.markdown("No two of them rank alike on every query here.")
        apart = np.where(np.isnan(found.mean), np.inf, found.mean)
        one, other = (int(place) for place in np.unravel_index(np.argmin(apart), apart.shape))
        st.markdown(
            f":material/call_split: Furthest apart: **{CALLED[found.names[one]]}** and **{CALLED[found.names[other]]}**"
            f", tau {found.mean[one, other]:.2f}. Two answers that differ here tell of two ideas of likeness."
        )
        listed = pd.DataFrame(found.mean, index=found.names, columns=found.names).rename_axis("metric").reset_index()
        page_controls.csv_button(listed, "tau")
