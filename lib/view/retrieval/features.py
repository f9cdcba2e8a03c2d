"""Features: each dimension of a space as the photos that excite it most, and where in them; its class; dead ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.measure import feature_verdict
from lib.measure import reproduction as reproductions
from lib.measure.feature_examples import REDUNDANT, FeatureExamples
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import (
    cached,
    cached_features,
    formatting,
    inputs,
    page_controls,
    page_frame,
    photo_tiles,
    reproduction,
    selection,
    unlabelled,
    url_state,
    verdict,
)
from lib.view.components import gallery
from lib.view.figures import features as figures
from lib.view.figures.style import config
from lib.view.formatting import plain
from lib.view.retrieval import feature_names

A_PAGE = 8  # features on a page of the list
TILE, TILE_ALONE = 84, 116
SEARCH = "Number or class"
ORDERS = {
    "selectivity": "Selectivity",
    "mean": "Mean value",
    "query": "Strength in the query photo",
    "number": "Number",
}
KINDS = {"all": "All", "dead": "Dead", "redundant": "Redundant", "distinct": "Neither"}
WHERE = "Where in the photo"
WHERE_HELP = (
    "Photos stay bright where the feature is excited: its value at each position of the network's last feature map, "
    "whose mean over the positions is the photo's value. As bright as the photo itself: the largest value in the row. "
    "Loads the network."
)
NO_FEATURES = "Only raw pixels are prepared, and a pixel is no feature: prepare a network's space, too."
NO_MATCH = "No feature matches."


def show(workspace: Workspace) -> None:
    """The section, for one space of features."""
    titles = {name: title for name, title in page_controls.menu_titles(workspace).items() if name != "pixels"}
    if not titles:
        st.info(NO_FEATURES, icon=":material/hourglass_empty:")
        return
    with page_controls.sheet("features"):
        default = next((name for name in (page_controls.default_space(workspace), *titles) if name in titles), "")
        bound = url_state.choice("space", "features", list(titles), default)
        space = str(st.selectbox("Space", list(titles), format_func=titles.__getitem__, width=190, **bound))
        with st.container(width=180, gap=None):
            word = inputs.line(SEARCH, placeholder="217, or a class", **url_state.text_field("feature")).strip()
        orders = [each for each in ORDERS if each != "query" or selection.query_id() is not None]
        bound = url_state.choice("order", "features", orders, "selectivity")
        order = str(st.selectbox("Sort by", orders, format_func=ORDERS.__getitem__, width=210, **bound))
        kind = page_controls.segments("Show", KINDS, "only", "features", "all")
        is_lit = bool(st.toggle(WHERE, help=WHERE_HELP, **url_state.switch("lit")))
    page_frame.origin(workspace, space)
    found = cached_features.examples(workspace, space)
    verdict.show(feature_verdict.verdict(found, spaces.get(space).title))
    chosen = matching(found, word)
    alone = int(chosen[0]) if len(chosen) == 1 and word.isdecimal() else None
    if alone is not None:
        _show_feature(workspace, space, found, alone, is_lit)
    else:
        _show_list(workspace, space, found, chosen[_of_kind(found, kind)[chosen]], order, is_lit)
    page_controls.csv_button(table(found), f"features-{space}")
    reproduction.show(reproductions.features(workspace, space, alone))


def matching(found: FeatureExamples, word: str) -> np.ndarray:
    """The features that a search names: that of a number, else those whose class contains the word; all for ""."""
    if word.isdecimal():
        number = int(word) if len(word) < 10 else len(found)
        return np.arange(number, number + 1) if number < len(found) else np.zeros(0, dtype=np.int64)
    wanted = word.casefold()
    return np.array([each for each, label in enumerate(found.classes) if wanted in label.casefold()], dtype=np.int64)


def _of_kind(found: FeatureExamples, kind: str) -> np.ndarray:
    """Whether each feature is of a kind, (d,)."""
    kinds = {"dead": found.dead, "redundant": found.redundant, "distinct": ~(found.dead | found.redundant)}
    return kinds.get(kind, np.ones(len(found), dtype=bool))


def _ordered(workspace: Workspace, space: str, found: FeatureExamples, chosen: np.ndarray, order: str) -> np.ndarray:
    """The features in an order, the first ones first; those without a value come last."""
    if order == "number":
        return chosen
    values = found.selectivity if order == "selectivity" else found.means
    row = cached.catalog(workspace).row(selection.query_id() or "")
    if order == "query" and row is not None:
        vector = np.asarray(cached.searchable_space(workspace, space).gallery.vectors[row], dtype=np.float64)
        values = np.where(found.dead, -np.inf, vector / np.maximum(np.abs(found.means), 1e-12))
    keys = np.where(np.isnan(values), -np.inf, values)[chosen]
    return chosen[np.argsort(-keys, kind="stable")]


# --- the list --------------------------------------------------------------------------------------------------------


def _show_list(
    workspace: Workspace, space: str, found: FeatureExamples, chosen: np.ndarray, order: str, is_lit: bool
) -> None:
    if not len(chosen):
        st.info(NO_MATCH, icon=":material/search_off:")
        return
    ordered = _ordered(workspace, space, found, chosen, order)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"**{counted(len(ordered), 'feature')}**, {A_PAGE} a page", width="stretch")
        place = st.container(width=140)
    page = page_controls.page_number(place, -(-len(ordered) // A_PAGE), "features_page")
    for feature in ordered[(page - 1) * A_PAGE : page * A_PAGE].tolist():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                f"Feature {feature}",
                key=f"feature_{feature}",
                on_click=feature_names.to_feature(space, feature),
                help="This feature alone: its photos, larger, and its mean in each class",
                width=124,
            )
            st.markdown(about(found, feature), width="stretch")
        _show_photos(workspace, space, found, feature, is_lit, row=True)


def about(found: FeatureExamples, feature: int) -> str:
    """A feature in a line of Markdown: class and selectivity, mean and largest value, the most similar feature."""
    if found.dead[feature]:
        return "**dead**: 0 on every photo"
    if np.isnan(found.selectivity[feature]):
        parts = ["no class: class selectivity is undefined"]
    else:
        low, high = found.intervals[feature]
        between = "" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]"
        parts = [
            f"**{plain(found.classes[feature])}**, selectivity **{found.selectivity[feature]:.2f}**{plain(between)} "
            f"({found.chance[feature]:.2f} by chance)"
        ]
    parts.append(f"mean {found.means[feature]:.3g}, largest {found.largest[feature]:.3g}")
    if found.partners[feature] >= 0:
        r, partner = found.correlations[feature], found.partners[feature]
        parts.append(f"{'**redundant** with' if abs(r) >= REDUNDANT else 'nearest to'} {partner} (r = {r:.2f})")
    return " · ".join(parts)


def _show_photos(
    workspace: Workspace, space: str, found: FeatureExamples, feature: int, is_lit: bool, *, row: bool
) -> None:
    """The photos that excite a feature most, with its value in each; lit where it is excited."""
    photos = cached.catalog(workspace)
    examples, tile = found.top(feature), TILE if row else TILE_ALONE
    if not examples:
        st.caption("No photo excites it.")
        return
    ids = [photos.ids[photo] for photo, _ in examples]
    notes = [f"{value:.3g}" for _, value in examples]
    title = f"Photos with most of feature {feature}"
    if not is_lit:
        photo_tiles.show_photos(workspace, ids, key=f"photos_{feature}", title=title, notes=notes, tile=tile, row=row)
        return
    tiles = photo_tiles.tiles(workspace, ids, notes=notes)
    try:
        maps = [cached_features.feature_map(workspace, space, photo)[feature] for photo, _ in examples]
        largest = max(float(each.max()) for each in maps)
        tiles = [
            replace(
                each,
                src=cached_features.lit_photo(workspace, space, photo, feature, largest),
                alt=f"{each.alt}, bright where feature {feature} is excited",
            )
            for each, (photo, _) in zip(tiles, examples, strict=True)
        ]
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
    opened = gallery.show(
        tiles,
        key=f"photos_{feature}",
        title=title,
        on_pick=selection.choose_query,
        tile=tile,
        row=row,
        chosen=selection.query_id(),
        opens=True,
    )
    photo_tiles.look_at(opened, workspace, ids)


# --- one feature -----------------------------------------------------------------------------------------------------


def _show_feature(workspace: Workspace, space: str, found: FeatureExamples, feature: int, is_lit: bool) -> None:
    """A feature alone: its photos, its mean in each class, and the features beside it in the order of selectivity."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"Feature {feature}", anchor=False, width="content")
        st.markdown(about(found, feature), width="stretch")
        partner = int(found.partners[feature])
        if partner >= 0:
            st.button(f"Feature {partner}", key="partner", on_click=feature_names.to_feature(space, partner))
        st.button("All features", icon=":material/list:", key="all_features", on_click=_show_all)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _show_photos(workspace, space, found, feature, is_lit, row=False)
    with right:
        if unlabelled.stops(workspace, "Means by class"):
            return
        colours = photo_tiles.colours(cached.catalog(workspace))
        st.plotly_chart(
            figures.class_means(found, feature, colours, ink=formatting.ink()),
            width="stretch",
            key="class_means",
            config=config(f"feature-{feature}"),
            alt=f"the mean value of feature {feature} in each class, with 95 % intervals",
        )
        st.caption(
            "Mean value over the photos of each class; bars: 95 % interval (1.96 standard errors). Class selectivity "
            "compares the largest with the mean of the others."
        )


def _show_all() -> None:
    url_state.write(feature=None)


def table(found: FeatureExamples) -> pd.DataFrame:
    """Every feature in a row."""
    return pd.DataFrame(
        {
            "feature": np.arange(len(found)),
            "class": found.classes,
            "selectivity": found.selectivity,
            "low": found.intervals[:, 0],
            "high": found.intervals[:, 1],
            "by chance": found.chance,
            "mean": found.means,
            "largest": found.largest,
            "dead": found.dead,
            "redundant": found.redundant,
            "most correlated feature": [None if partner < 0 else partner for partner in found.partners.tolist()],
            "correlation": found.correlations,
        }
    )
