"""The map of a run, epoch by epoch: how training moves a sample of photos, while it trains and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from lib import documents
from lib.embed import epoch_maps
from lib.embed.epoch_maps import EpochMaps, Separation
from lib.export import point_columns
from lib.learn import epoch_embeddings
from lib.learn.epoch_embeddings import EpochEmbeddings
from lib.learn.regimes import REGIMES
from lib.learn.results import Run
from lib.measure.traits import Trait
from lib.settings import VERSION, Settings
from lib.text import counted
from lib.view import page_controls, provenance, theme
from lib.view.components import hover_photo, scatter
from lib.view.figures import epoch_purity, style, training_clip

TITLE = "The map, epoch by epoch"
NONE_KEPT = (
    "No epoch embeddings are kept for this run: it was made before there were any, on another machine, or without "
    "them. Train again under *Train here* to see its map move."
)
ONLY_ANIMATION = "Positions between epochs are only animation."
FROZEN = "Transfer learning freezes the backbone: its features, and so this map, are the same in every epoch."
MOST_STOPS = 12  # of the animation, and the last epoch
TOO_FEW = "One photo makes no map; the validation split needs two at least."


@dataclass(frozen=True)
class _Measured:
    """A run's epoch embeddings, their maps and the purity of each epoch."""

    embeddings: EpochEmbeddings
    maps: EpochMaps
    purity: list[Separation]


@st.cache_resource(max_entries=8, show_spinner=False)
def _measured(run_id: str, version: str, _settings: Settings) -> _Measured | None:
    """What is kept for a run; `version` changes with each epoch. Shared by all sessions: read only."""
    found = epoch_embeddings.read(_settings, run_id)
    if found is None:
        return None
    return _Measured(found, epoch_maps.maps(found.features), epoch_maps.separations(found.features, found.labels))


def find(settings: Settings, run_id: str) -> _Measured | None:
    """The epoch embeddings of a run with what is measured on them; None where none are kept."""
    version = epoch_embeddings.version(settings, run_id) if run_id else ""
    return _measured(run_id, version, settings) if version else None


def live(settings: Settings, run_id: str) -> bool:
    """The map of the run in training so far, and whether there is one: it moves on after each epoch."""
    measured = find(settings, run_id)
    if measured is None or len(measured.embeddings.ids) < 2:
        return False
    left, right = st.container(key="split_live_map").columns([5, 4], gap="medium")
    with left:
        _map(measured, run_id, "epochs_live", None, None)
    with right:
        _purity(measured, "live")
    st.caption(_about(measured))
    return True


def section(
    settings: Settings, run: Run, *, photo: Callable[[str], str] | None, choose: Callable[[str], None] | None
) -> None:
    """The animation of a finished run, its purity by epoch, and the clip.

    `photo` gives the address of a photo by its id, and `choose` makes it the query; None where the photos are not here.
    """
    st.subheader(TITLE)
    measured = find(settings, run["id"])
    if measured is None:
        st.info(NONE_KEPT, icon=":material/hourglass_empty:")
        return
    if len(measured.embeddings.ids) < 2:
        st.info(TOO_FEW, icon=":material/hourglass_empty:")
        return
    left, right = st.container(key="split_epochs").columns([5, 4], gap="medium")
    with left:
        _map(measured, run["id"], "epochs_run", photo, choose)
    with right:
        _purity(measured, "run")
        _clip_button(measured, run)
    st.caption(_about(measured))


def _map(
    measured: _Measured,
    run_id: str,
    key: str,
    photo: Callable[[str], str] | None,
    choose: Callable[[str], None] | None,
) -> None:
    kept = measured.embeddings
    epochs = list(measured.maps.planes)
    stride = -(-len(epochs) // MOST_STOPS)
    stops = [epoch for i, epoch in enumerate(epochs) if i % stride == 0 or i == len(epochs) - 1]
    planes = {_epoch(epoch): measured.maps.planes[epoch] for epoch in stops}
    last = measured.maps.planes[epochs[-1]]
    places = point_columns.place_columns(pd.DataFrame({"id": kept.ids, "label": kept.labels}), last)
    colours = theme.class_colours(map(str, kept.facts.get("classes") or kept.labels))
    label = Trait("label", "Class", "", "class", np.asarray(kept.labels, dtype=object))

    def clicked(row: int) -> None:
        if choose is not None and 0 <= row < len(kept.ids):
            choose(kept.ids[row])

    scatter.show(
        places,
        scatter.colour_columns(label, colours, places["drawn"]),
        key=key,
        plane=f"{run_id} epochs",
        title=f"map of {len(kept.ids)} validation photos over {len(epochs)} epochs, coloured by class",
        lit=None,
        animation=scatter.animation_columns(planes, places["drawn"], follows=True),
        provenance="\n".join([provenance.text(), f"Run: {run_id}"]),
        on_click=clicked,
    )
    if photo is not None:
        hover_photo.serve(key, lambda row: photo(kept.ids[row]) if 0 <= row < len(kept.ids) else "")


def _epoch(epoch: int) -> str:
    return "Untrained" if epoch == 0 else str(epoch)


def _purity(measured: _Measured, key: str) -> None:
    regime = str(measured.embeddings.facts.get("regime", ""))
    photos = len(measured.embeddings.ids)
    if photos < epoch_maps.FEWEST:
        st.info(too_few_for_purity(photos), icon=":material/hourglass_empty:")
        return
    known = [row for row in measured.purity if row.purity is not None and row.ci95 is not None]
    if known and known[-1].purity is not None and known[-1].ci95 is not None:
        row, (low, high) = known[-1], known[-1].ci95
        dimensions = next(iter(measured.embeddings.features.values())).shape[1]
        when = "Before training" if row.epoch == 0 else f"After epoch {row.epoch}"
        st.markdown(
            f"**{when}, {row.purity:.1%} of a photo's {row.k} nearest are of its class** "
            f"(95 %: {low:.1%} to {high:.1%}, {counted(row.n, 'photo')}, cosine in all {dimensions} dimensions)."
        )
    st.plotly_chart(
        epoch_purity.purity(measured.purity, regime, epoch_maps.chance(measured.embeddings.labels)),
        width="stretch",
        key=f"purity_{key}",
        config=style.config("purity-by-epoch"),
        alt="purity of the 5 nearest photos over epochs, with its 95 % band",
    )


def too_few_for_purity(photos: int) -> str:
    """What stands in the place of the purity where only these validation photos are kept."""
    return (
        f"{counted(photos, 'validation photo')}: too few to say how well the classes separate. The purity of the "
        f"nearest neighbours is shown from {epoch_maps.FEWEST} photos on."
    )


def _about(measured: _Measured) -> str:
    kept = measured.embeddings
    parts = [
        f"{counted(len(kept.ids), 'validation photo')}, evenly over the classes and the same in every run. None is "
        "trained on; but the best epoch is chosen on validation photos, so the purity favours it a little.",
        f"PCA of all epochs together (unit vectors, each epoch centred), {measured.maps.variance:.0%} of the variance.",
        ONLY_ANIMATION,
    ]
    if kept.frozen:
        parts.append(FROZEN)
    missing = sorted(set(range(max(kept.features) + 1)) - set(kept.features))
    if missing:
        parts.append(f"Not kept: epoch {', '.join(map(str, missing))}.")
    return " ".join(parts)


def _clip_button(measured: _Measured, run: Run) -> None:
    theme_of_page = "dark" if str(st.context.theme.type) == "dark" else "light"
    ground = st.segmented_control(
        "Background of the clip", ["light", "dark"], default=theme_of_page, required=True, key="clip_ground"
    )
    page_controls.download(
        "Download as GIF",
        lambda: training_clip.gif(clip_of(measured, run), dark=ground == "dark"),
        clip_name(run),
        key="clip_gif",
    )


def clip_name(run: Run) -> str:
    """The file name of a run's clip, with its accuracy and id."""
    accuracy = "" if run["test_accuracy"] is None else f"-{100 * run['test_accuracy']:.1f}pct"
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in run["id"])
    return f"petalscope-{safe}{accuracy}.gif"


def clip_of(measured: _Measured, run: Run) -> training_clip.Clip:
    """What the clip of a run shows."""
    kept = measured.embeddings
    regime = REGIMES[run["regime"]].title if run["regime"] in REGIMES else run["regime"]
    tested = "" if run["test_accuracy"] is None else f", {run['test_accuracy']:.1%} test"
    facts = {
        "made_by": f"Petalscope {VERSION}",
        "run": run["id"],
        "test_accuracy": run["test_accuracy"],
        "data": kept.facts.get("data"),
        "sample": f"{len(kept.ids)} {kept.facts.get('split')} photos, seed {kept.facts.get('sample_seed')}",
        "plane": f"PCA of all epochs together, {measured.maps.variance:.4f} of the variance",
        "epochs": sorted(kept.features),
        "note": ONLY_ANIMATION,
    }
    return training_clip.Clip(
        planes=measured.maps.planes,
        labels=kept.labels,
        colours=theme.class_colours(map(str, kept.facts.get("classes") or kept.labels)),
        accuracy={
            int(row["epoch"]): float(row["val_accuracy"])
            for row in run["epochs"]
            if row["epoch"] is not None and row["val_accuracy"] is not None
        },
        purity={row.epoch: row.purity for row in measured.purity if row.purity is not None},
        title=f"{regime}, seed {run['seed']}{tested}",
        subtitle=f"{len(kept.ids)} validation photos of {run['dataset']['name']}; PCA of all epochs together",
        comment=documents.json_text(facts),
    )
