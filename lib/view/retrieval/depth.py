"""Depth: what each stage of each network knows, how alike stages are, and a photo's neighbours after each stage.

It stands on the retrieval page since its figures are retrieval scores, and its rows are results of the page's query.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces, stage_vectors
from lib.embed.stage_vectors import STEM
from lib.measure import comparison_programs, depth_verdict
from lib.measure import depth as measured_depth
from lib.measure.depth import Depth
from lib.measure.network_depth import CUT, MEASURES, PIXELS, PROBE, PROBED_SIDE
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import cached, page_controls, page_frame, photo_tiles, reproduction, unlabelled, url_state, verdict
from lib.view.figures import depth as figures
from lib.view.figures.style import config
from lib.view.retrieval import measurements, query_form

K = 10
TILE = 84
NETWORK = "Network"
NO_NETWORK = "Only raw pixels are prepared, which have no stages: prepare a network's space, too."


def show(workspace: Workspace) -> None:
    """The section: scores by stage, likeness of stages, and one photo's neighbours by stage."""
    if unlabelled.stops(workspace, "Probes of stages"):
        return
    chosen = measurements.networks(workspace)
    if not chosen:
        st.info(NO_NETWORK, icon=":material/hourglass_empty:")
        return
    row, controls = query_form.catalog_row(workspace)
    titles = {name: spaces.get(name).title for name in (PIXELS, *chosen)}
    with controls:
        bound = url_state.choice("depth", "depth", list(chosen), next(iter(chosen)))
        network = str(st.selectbox(NETWORK, list(chosen), format_func=titles.__getitem__, width=190, **bound))
    # A network that was trained here need not have its space prepared, so the weights are named by themselves.
    about = {f"{titles[name]} ": weights.about for name, weights in chosen.items()}
    page_frame.origin(workspace, Engine="exact", **about)
    found = measurements.depth(workspace)
    verdict.show(depth_verdict.NOT_MEASURED if found is None else depth_verdict.verdict(found))
    if found is None:
        return
    _show_scores(found, titles)
    if row is not None:
        _show_neighbours(workspace, found, network, row)
    _show_likeness(found, titles)
    reproduction.show(comparison_programs.stages(workspace, cached.catalog(workspace), found))


# --- scores ----------------------------------------------------------------------------------------------------------


def _show_scores(found: Depth, titles: dict[str, str]) -> None:
    st.subheader("What each stage knows", anchor=False)
    for place, (column, measure) in enumerate(zip(st.columns(len(MEASURES), gap="small"), MEASURES, strict=True)):
        column.plotly_chart(
            figures.curves(found, measure, titles, legend=place == 0),
            width="stretch",
            key=f"depth_{measure}",
            config=config(f"depth-{measure}"),
            alt=f"{MEASURES[measure]} after each stage, a line with its 95 % interval for each network",
        )
    st.caption(population(found))
    page_controls.csv_button(table(found), "depth")


def population(found: Depth) -> str:
    """What the scores are means over, and how."""
    network = next(iter(found.networks.values()))
    stage = network.stages[0]
    scores, probed = network.scores[stage], len(network.per_photo(stage, PROBE))
    sampled, images = len(found.rows), found.facts["images"]
    of = f"all {images:,} photos" if sampled == images else f"a seeded sample of {sampled:,} of {images:,} photos"
    return (
        f"Vectors: each stage's output, averaged over its positions, of {of}. P@{CUT} and mAP: cosine, "
        f"{counted(scores.queries, 'test photo')} as queries against {counted(scores.gallery, 'other photo')}; bands: "
        "95 % bootstrap intervals. Linear probe (Alain and Bengio 2016): a logistic regression on the training photos, "
        f"its strength chosen on the validation photos, accuracy over {counted(probed, 'test photo')} with Wilson's "
        f"interval. Raw pixels: as they are, for the probe averaged to {PROBED_SIDE} × {PROBED_SIDE}."
    )


def table(found: Depth) -> pd.DataFrame:
    """Every network, stage and measure in a row."""
    return pd.DataFrame(
        [
            {
                "network": name,
                "stage": stage,
                "measure": MEASURES[measure],
                "value": value,
                "low": None if interval is None else interval[0],
                "high": None if interval is None else interval[1],
                "photos": len(network.per_photo(stage, measure)),
            }
            for name, network in found.networks.items()
            for stage in network.stages
            for measure in MEASURES
            for value, interval in [network.value(stage, measure)]
        ]
    )


# --- one photo -------------------------------------------------------------------------------------------------------


def _show_neighbours(workspace: Workspace, found: Depth, network: str, row: int) -> None:
    """The photos of the sample that are closest to the query after each stage, one row for each."""
    photos = cached.catalog(workspace)
    label = photos.labels[row]
    copies = np.flatnonzero(np.isin(found.rows, photos.copies(photos.hashes[row])))
    st.subheader("Its neighbours, stage by stage", anchor=False)
    st.caption(
        f"The {K} closest photos of the sample under cosine after each stage of {spaces.get(network).title}; below "
        "each its value."
    )
    for stage, vectors, query in _by_stage(workspace, found, network, row):
        results = measured_depth.neighbours(vectors, query, copies, K)
        ids = [photos.ids[found.rows[place]] for place, _ in results]
        right = [photos.labels[found.rows[place]] == label for place, _ in results]
        title = spaces.get(PIXELS).title if stage == PIXELS else f"After {'the ' if stage == STEM else ''}{stage}"
        st.markdown(f"**{title}**, {counted(vectors.shape[1], 'number')}: {sum(right)} of {len(ids)} of its class")
        photo_tiles.show_photos(
            workspace,
            ids,
            key=f"depth_{stage}",
            title=f"Neighbours, {title}",
            notes=[f"{value:.3f}" for _, value in results],
            right=right,
            tile=TILE,
            row=True,
        )


def _by_stage(workspace: Workspace, found: Depth, network: str, row: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Each stage, the vectors (s, channels) of the sample after it, and that of the photo in `row`, (channels,)."""
    stages = []
    if PIXELS in found.networks:
        pixels = cached.searchable_space(workspace, PIXELS).gallery.vectors
        stages.append((PIXELS, pixels[found.rows], pixels[row]))
    vectors, place = found.networks[network].vectors, np.flatnonzero(found.rows == row)
    if len(place):
        own = {stage: values[place[0]] for stage, values in vectors.items()}
    else:
        own = _stages_of(workspace, network, row)
    return stages + [(stage, values, own[stage]) for stage, values in vectors.items()]


@st.cache_data(max_entries=64, show_spinner="Embedding the photo, stage by stage", hash_funcs=cached.KEYS)
def _stages_of(workspace: Workspace, network: str, row: int) -> dict[str, np.ndarray]:
    """The vectors of a photo that is not in the sample, by stage."""
    weights = measurements.networks(workspace)[network]
    extracted = stage_vectors.extract(cached.catalog(workspace), [row], weights)
    return {stage: values[0] for stage, values in extracted.items()}


# --- likeness --------------------------------------------------------------------------------------------------------


def _show_likeness(found: Depth, titles: dict[str, str]) -> None:
    st.subheader("How alike stages are", anchor=False)
    names = [titles[name] if name == PIXELS else f"{titles[name]}, {stage}" for name, stage in found.items]
    st.plotly_chart(
        figures.likeness(found, names),
        width="stretch",
        key="depth_likeness",
        config=config("depth-cka"),
        alt="linear CKA between every two stages, as in the table to download",
    )
    st.caption(
        f"Linear centred kernel alignment over {found.facts['compared']:,} photos of the sample, unbiased (Nguyen, "
        "Raghu and Kornblith, ICLR 2021): 1 where two stages lay out the photos alike up to a turn and a scale, about "
        "0 where they are unrelated. Hover also shows its 95 % interval (jackknife over the photos) and the formula of "
        "Kornblith et al. (ICML 2019), which grows with the number of channels."
    )
    page_controls.csv_button(likeness_table(found, names), "depth-cka")


def likeness_table(found: Depth, names: list[str]) -> pd.DataFrame:
    """Every two stages in a row, with the interval; `names` are those of the stages."""
    first, second = np.tril_indices(len(names), -1)
    return pd.DataFrame(
        {
            "stage": [names[place] for place in first],
            "other stage": [names[place] for place in second],
            "unbiased CKA": found.likeness[first, second],
            "low": found.intervals[first, second, 0],
            "high": found.intervals[first, second, 1],
            "CKA by the formula of 2019": found.plain[first, second],
        }
    )
