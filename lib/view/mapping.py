"""The maps of the map page: which is drawn, in what colours, with which lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.embed.alignment import similarity
from lib.embed.projection import Map, MapParameters
from lib.errors import QueryError
from lib.search.metrics import METRICS
from lib.search.neighbourhoods import K
from lib.traits import RIGHT, WRONG, Trait
from lib.view import cached, charts, clicks, mapper, selection, theme, ui
from lib.workspace import Workspace

NOTHING = "nothing"
# So many photos in view are drawn as photos, not as points.
MOST_PHOTOS = 100
_CALLED = {"true": "its true neighbours", "map": "nearest on the map"}
PANELS = {
    "selection": "Selection",
    "findings": "Findings",
    "training": "What training does",
    "reading": "How to read a map",
}
LINES = {"true": "True neighbours", "map": "Nearest on the map"}


@dataclass(frozen=True)
class Shown:
    """One map on the page. `turn` (2, 2) and `shift` (2,) lead from `made`, as it is stored, to what is drawn."""

    space: str
    parameters: MapParameters
    made: Map
    turn: np.ndarray = field(default_factory=lambda: np.eye(2))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(2))

    @property
    def map(self) -> Map:
        """The map as it is drawn."""
        return replace(self.made, xy=self.turned(self.made.xy))

    def turned(self, places: np.ndarray) -> np.ndarray:
        """Places (n, 2) on the map as it was made, as they are drawn."""
        return np.asarray(places.astype(np.float64) @ self.turn + self.shift, dtype=np.float32)

    @property
    def title(self) -> str:
        """For headings: the space and how it was laid out."""
        return f"{spaces.get(self.space).title} · {self.map.facts['method']}"


@dataclass(frozen=True)
class Lines:
    """Lines from a photo's place (2,) to photos near it; `name` and `called` are the legend's words for both."""

    at: np.ndarray
    near: list[dict[str, Any]]
    name: str
    called: str


# --- what is shown ---------------------------------------------------------------------------------------------------


def parameters_choice(opened: Workspace, space: str) -> MapParameters:
    """How the map is laid out: controls behind a button, kept in the address once a map is asked for."""
    usual = opened.map_parameters(space)
    asked = _asked(usual)
    with st.popover(_words(asked), icon=":material/tune:", width="stretch"):
        with st.form("map_form", border=False):
            names = {"umap": "UMAP", "pca": "PCA"}
            method = st.segmented_control(
                "Method", list(names), default=asked.method, format_func=names.__getitem__, required=True
            )
            near = st.slider(
                "n_neighbors", 2, 200, asked.n_neighbors, help="UMAP: few show fine structure, many the whole."
            )
            apart = st.slider(
                "min_dist", 0.0, 0.99, asked.min_dist, 0.01, help="UMAP: how tightly points may be packed."
            )
            metric = st.selectbox("Metric", ["cosine", "euclidean"], index=["cosine", "euclidean"].index(asked.metric))
            if st.form_submit_button("Draw this map", type="primary", width="stretch"):
                wanted = replace(asked, method=str(method), n_neighbors=near, min_dist=apart, metric=metric)
                _ask(opened, space, wanted, usual)
        if asked != usual and st.button("Back to the usual map", icon=":material/undo:", width="stretch"):
            st.query_params.pop("map", None)
            st.session_state.pop("asked_map", None)
            st.rerun()
    return asked


def _words(asked: MapParameters) -> str:
    if asked.method == "pca":
        return f"PCA, {asked.metric}"
    return f"UMAP {asked.n_neighbors} / {asked.min_dist:g}, {asked.metric}"


def _asked(usual: MapParameters) -> MapParameters:
    """What the address or this session asks for; the usual map when that is nothing or makes no sense."""
    word = st.query_params.get("map") or st.session_state.get("asked_map")
    if not word:
        return usual
    try:
        method, near, apart, metric = str(word).split(",")
        found = replace(usual, method=method, n_neighbors=int(near), min_dist=float(apart), metric=metric)
    except (ValueError, QueryError):
        return usual
    st.session_state["asked_map"] = st.query_params["map"] = str(word)
    return found


def _ask(opened: Workspace, space: str, wanted: MapParameters, usual: MapParameters) -> None:
    word = f"{wanted.method},{wanted.n_neighbors},{wanted.min_dist:g},{wanted.metric}"
    if wanted == usual:
        st.query_params.pop("map", None)
        st.session_state.pop("asked_map", None)
    else:
        st.query_params["map"] = st.session_state["asked_map"] = word
        if cached.space_map(opened, space, wanted) is None and not mapper.maker().start(
            cached.current_settings(), space, wanted
        ):
            st.toast("Another map is being made; press again when it is done.")
    st.rerun()


def shown(opened: Workspace, space: str, wanted: MapParameters) -> Shown:
    """The map that was asked for; until it is there PCA, which always is, and the making of the other one."""
    found = cached.space_map(opened, space, wanted)
    if found is not None:
        return Shown(space, wanted, found)
    making = mapper.maker().making
    mine = making is not None and making.space == space and making.parameters == wanted
    if making is not None and making.running:
        mapper.follow()
    elif making is not None and mine and making.error:
        st.error(ui.plain(making.error), icon=":material/error:")
    if making is None or not making.running:
        st.info("This map is not made yet; PCA is shown in its place.", icon=":material/hourglass_empty:")
        if st.button("Make it now", icon=":material/play_arrow:"):
            mapper.maker().start(cached.current_settings(), space, wanted)
            st.rerun()
    return Shown(space, _pca(opened, space), opened.map(space, "pca"))


def _pca(opened: Workspace, space: str) -> MapParameters:
    return replace(opened.map_parameters(space), method="pca")


def beside_choice(opened: Workspace, space: str) -> str:
    """What is drawn beside the map: nothing, another space, or this one by PCA."""
    titles = {NOTHING: "Nothing"}
    titles |= {name: spaces.get(name).title for name in opened.spaces if name != space}
    titles["pca"] = "The same by PCA"
    tied = ui.linked("beside", "map", list(titles), NOTHING)
    return str(st.selectbox("Beside it", list(titles), format_func=titles.__getitem__, **tied))


def beside(opened: Workspace, main: Shown, chosen: str) -> Shown | None:
    """The second map, turned to lie as near to the main one as it can; None when there is to be none."""
    if chosen == NOTHING:
        return None
    space = main.space if chosen == "pca" else chosen
    parameters = _pca(opened, space) if chosen == "pca" else opened.map_parameters(space)
    found = cached.space_map(opened, space, parameters) or opened.map(space, parameters.method)
    return Shown(space, parameters, found, *similarity(found.xy, main.map.xy))


def colour_choice(opened: Workspace, space: str) -> str:
    """What colours the points: a control kept in the address."""
    titles = {name: trait.title for name, trait in cached.traits(opened, space).items()}
    titles["preserved"] = "Neighbours kept on the map"
    tied = ui.linked("colour", "map", list(titles), "label")
    return str(st.selectbox("Colour", list(titles), format_func=titles.__getitem__, **tied))


def trait(opened: Workspace, shown: Shown, by: str) -> Trait:
    """The column that colours a map; the class where this space has no such column."""
    known = cached.traits(opened, shown.space)
    if by == "preserved":
        k = shown.map.facts["fidelity"]["k"]
        about = f"Share of its {k} nearest in the space that are among its {k} nearest on this map."
        return Trait(by, "Neighbours kept", about, "number", shown.map.preserved)
    return known.get(by, known["label"])


def colours(photos: Catalog, trait: Trait) -> dict[str, str]:
    """The colour of every value of a trait: class colours are the same on every page."""
    if trait.kind == "class":
        return ui.colours(photos)
    if trait.name == "split":
        return theme.SPLIT_COLOURS
    values = sorted(set(trait.values) - {""})
    if set(values) <= {RIGHT, WRONG}:
        return {RIGHT: theme.RIGHT, WRONG: theme.WRONG}
    return theme.class_colours(values)


# --- drawing ---------------------------------------------------------------------------------------------------------


@st.cache_resource(max_entries=32, show_spinner=False)
def _figure(
    version: str, space: str, key: str, by: str, beside: str, _photos: Catalog, _xy: Any, _by: Trait
) -> go.Figure:
    figure = charts.space_map(_photos.frame, _xy, _by, colours(_photos, _by))
    # A changed figure keeps the user's zoom only if it is of the same plane.
    return figure.update_layout(meta=f"{space} {key} {beside}")


def near_in_space(opened: Workspace, space: str, metric: str, k: int) -> list[dict[str, Any]]:
    """The query's nearest photos in the full space; none when there is no query of this data set."""
    chosen = selection.query()
    if chosen is None or cached.catalog(opened).row(chosen) is None:
        return []
    return list(cached.search(opened, space, chosen, metric, k)["results"])


def near_on_map(opened: Workspace, shown: Shown, k: int) -> list[dict[str, Any]]:
    """The photos that lie nearest to the query on the plane, in the shape of a search's results."""
    photos, chosen = cached.catalog(opened), selection.query()
    row = photos.row(chosen) if chosen else None
    if row is None:
        return []
    distances = np.linalg.norm(shown.map.xy - shown.map.xy[row], axis=1)
    distances[photos.copies(str(photos.frame["sha256"].iloc[row]))] = np.inf
    order = np.argsort(distances, kind="stable")[:k]
    return [
        {"rank": i, "id": photos.ids[place], "label": str(photos.frame["label"].iloc[place]), "value": distances[place]}
        for i, place in enumerate(order, start=1)
        if np.isfinite(distances[place])
    ]


def draw(opened: Workspace, shown: Shown, by: str, lines: Lines | None, *, key: str) -> None:
    """A map, with the selection lit, and lines to neighbours. `key` tells the page's maps apart."""
    photos = cached.catalog(opened)
    column = trait(opened, shown, by)
    turned = "" if key == "map" else str(shown.map.xy[:1].tolist())
    kept = _figure(
        opened.version, shown.space, shown.parameters.key(), column.name, turned, photos, shown.map.xy, column
    )
    figure = go.Figure(kept)
    inside = selection.picked(photos.ids, photos.contents)
    if inside:
        charts.select(figure, inside)
    if lines is not None:
        rows = [row for row in (photos.row(found["id"]) for found in lines.near) if row is not None]
        charts.join(figure, shown.map.xy, lines.at, rows, name=lines.name, called=lines.called)
    joined = None if lines is None else (lines.at.tolist(), [found["id"] for found in lines.near])
    view = _view(key, figure.layout.meta, (opened.version, figure.layout.meta, column.name, joined, inside))
    if view is not None:
        charts.restore(figure, view)
    st.markdown(f"**{shown.title}**")
    st.plotly_chart(
        figure,
        width="stretch",
        key=key,
        on_select=partial(_picked, key, photos.ids, photos.contents),
        selection_mode=("points", "lasso", "box"),
        config={"displaylogo": False, "scrollZoom": True, "toImageButtonOptions": {"filename": "petalscope-map"}},
        alt=f"{shown.title}: {len(photos.frame):,} photos, coloured by {column.title}",
    )
    much = f" Grey is the density of all photos; {charts.SAMPLE:,} of them are drawn as points."
    st.caption(f"**{column.title}**: {column.about}{much if len(photos.frame) > charts.DENSE else ''}")
    clicks.listen(key, selection.choose, _photos(opened, shown, figure.layout.meta, key, set(inside)))


def _photos(opened: Workspace, shown: Shown, of: str, key: str, selected: set[str]) -> list[dict[str, Any]]:
    """The photos in view, once they are few enough to be seen as photos."""
    photos, xy, told = cached.catalog(opened), shown.map.xy, clicks.view(key)
    inside = np.ones(len(xy), dtype=bool)
    if told and told["of"] == of:
        for axis, name in enumerate(("x", "y")):
            low, high = told[name] or (-np.inf, np.inf)
            inside &= (xy[:, axis] >= min(low, high)) & (xy[:, axis] <= max(low, high))
    rows = np.nonzero(inside)[0]
    if len(rows) > MOST_PHOTOS:
        return []
    known, frame = ui.colours(photos), photos.frame
    return [
        {
            "x": float(xy[row, 0]),
            "y": float(xy[row, 1]),
            "src": cached.thumbnail(opened, photos.ids[row], 96),
            "alt": f"{frame['label'].iloc[row]}, {photos.ids[row]}",
            "colour": known[str(frame["label"].iloc[row])],
            "opacity": 1.0 if not selected or photos.ids[row] in selected else 0.25,
        }
        for row in rows
        if photos.path(photos.ids[row]).is_file()
    ]


def _picked(key: str, ids: list[str], contents: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    inside = [str(point["id"]) for point in points if point.get("id")]
    # A click is one point and makes it the query; a lasso or a box is kept as a selection.
    if len(inside) == 1:
        selection.choose(inside[0])
    elif inside:
        selection.pick(inside, ids, contents)


def _view(key: str, of: str, content: object) -> dict[str, Any] | None:
    """The zoom, tool and hidden classes to draw a map with.

    The user's latest ones are taken up only when the map's content changes: a changed figure is drawn from scratch.
    """
    if st.session_state.get(f"{key}_content") != content:
        told = clicks.view(key)
        st.session_state[f"{key}_content"] = content
        st.session_state[f"{key}_view"] = told if told and told["of"] == of else None
    kept: dict[str, Any] | None = st.session_state[f"{key}_view"]
    return kept


def facts(opened: Workspace, main: Shown, other: Shown | None) -> dict[str, object]:
    """How the maps were made, for the line under the heading."""
    found: dict[str, object] = {"Map": _how(main)}
    if other is not None:
        weights = opened.space(other.space)["weights"]
        found["Beside"] = (
            f"{spaces.get(other.space).title}, {weights['about'] if weights else 'no weights'}, {_how(other)}"
        )
    return found


def _how(shown: Shown) -> str:
    told = shown.made.facts
    names = ("n_neighbors", "min_dist", "metric", "seed")
    return (
        f"{told['method']}, {', '.join(f'{name} {told[name]}' for name in names if name in told)}, from {told['input']}"
    )


def neighbour_choice() -> tuple[str, int, str]:
    """By which metric neighbours are found, how many, and which ones the lines lead to: controls in the address."""
    metric = ui.metric_choice("Neighbours by", "cosine", "metric", "map")
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    count = left.number_input("How many", 1, 50, 10, key="near", bind="query-params")
    tied = ui.linked("lines", "map", list(LINES), "true")
    lines = right.selectbox("Lines to", list(LINES), format_func=LINES.__getitem__, **tied)
    return metric, int(count), str(lines)


def query_lines(opened: Workspace, shown: Shown, which: str, metric: str, k: int) -> Lines | None:
    """Lines from the query to its neighbours, `true` ones or those that the `map` suggests; None without a query."""
    chosen = selection.query()
    row = cached.catalog(opened).row(chosen) if chosen else None
    if row is None:
        return None
    near = near_on_map(opened, shown, k) if which == "map" else near_in_space(opened, shown.space, metric, k)
    return Lines(shown.map.xy[row], near, "query photo", _CALLED[which])


def panel_choice() -> str:
    """What is told below the map: a control kept in the address."""
    tied = ui.linked("panel", "map", list(PANELS), "selection")
    return str(
        st.segmented_control(
            "Below the map",
            list(PANELS),
            required=True,
            format_func=PANELS.__getitem__,
            label_visibility="collapsed",
            wrap=True,
            **tied,
        )
    )


def query(opened: Workspace, shown: Shown, metric: str, k: int) -> None:
    """The query photo, and what its neighbours take it for."""
    chosen = selection.query()
    photos = cached.catalog(opened)
    row = photos.row(chosen) if chosen else None
    if chosen is None or row is None:
        st.info("Click a point: its photo and its true neighbours appear here.", icon=":material/ads_click:")
        return
    label = str(photos.frame["label"].iloc[row])
    true, drawn = near_in_space(opened, shown.space, metric, k), near_on_map(opened, shown, k)
    kept = len({found["id"] for found in true} & {found["id"] for found in drawn})
    ui.show_photos(opened, [chosen], key="map_query", title="Query", notes=[chosen], tile=170)
    if not true:
        return
    guess = cached.traits(opened, shown.space)
    st.caption(
        f"{sum(found['label'] == label for found in true)} of its {len(true)} nearest in the full space "
        f"({METRICS[metric].title}) are of its class; {kept} of them are among its {len(drawn)} nearest on the map. "
        f"Its {K} nearest under cosine take it for {ui.plain(guess['predicted'].values[row])} "
        f"({guess['confidence'].values[row]:.0%} of the votes)."
    )


def neighbours(opened: Workspace, shown: Shown, metric: str, k: int) -> None:
    """The query's neighbours in the full space and on the map, as two rows of photos to compare."""
    chosen = selection.query()
    photos = cached.catalog(opened)
    row = photos.row(chosen) if chosen else None
    if row is None:
        return
    label = str(photos.frame["label"].iloc[row])
    both = (
        ("map_neighbours", "True neighbours", near_in_space(opened, shown.space, metric, k), 3),
        ("map_near", "Nearest on the map", near_on_map(opened, shown, k), 2),
    )
    for key, title, found, digits in both:
        st.markdown(f"**{title}**")
        ui.show_photos(
            opened,
            [each["id"] for each in found],
            key=key,
            title=title,
            badges=[f"{each['rank']}" for each in found],
            notes=[f"{each['value']:.{digits}f}" for each in found],
            right=[each["label"] == label for each in found],
            tile=84,
            row=True,
        )
