"""Start, follow and stop a training from the page. What is shown is what the training process itself wrote down."""

from __future__ import annotations

from typing import Any, Protocol

import streamlit as st

from lib.documents.runs import NormalisedEpoch
from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.learn import live_status as own
from lib.learn import results
from lib.learn import runs as records
from lib.learn.live_status import Status
from lib.learn.normalise_record import normalise
from lib.learn.regimes import REGIMES
from lib.learn.results import Run
from lib.prepare.workspace import Workspace
from lib.settings import Settings
from lib.view import background_jobs, cached, page_frame
from lib.view.figures import style, training_curves
from lib.view.formatting import plain

PRESETS = {
    "quick": "small pictures, few epochs: minutes",
    "full": "the careful recipe: up to hours on two cores",
}
SEEDS = (0, 1, 2, 3, 4)


class Live(Protocol):
    """What this page needs of `lib.learn.live_status`; a test hands in its own."""

    def status(self, settings: Settings) -> Status | None: ...
    def start(self, settings: Settings, *, regimes: list[str], preset: str, seeds: list[int]) -> bool: ...
    def stop(self, settings: Settings) -> bool: ...


def section(runs: list[Run], live: Live = own) -> None:
    """The form to start with, or what is going on."""
    settings = cached.current_settings()
    told = live.status(settings)
    running = told is not None and told.running
    if running:
        _follow(settings, live)
    elif told is not None:
        _ended(told)
    _form(settings, runs, live, running)
    if not running:
        _wait_for_others(settings, live)


def _form(settings: Settings, runs: list[Run], live: Live, running: bool) -> None:
    st.subheader("Train")
    left, middle, right = st.container(key="split_form").columns([5, 3, 4], vertical_alignment="top")
    regimes = left.pills(
        "What to train",
        list(REGIMES),
        selection_mode="multi",
        default=list(REGIMES),
        format_func=lambda name: REGIMES[name].title,
        key="train_regimes",
        wrap=True,
        disabled=running,
    )
    presets = list(PRESETS)
    preset = str(
        middle.segmented_control(
            "Preset", presets, default="quick", required=True, key="train_preset", disabled=running
        )
    )
    middle.caption(PRESETS[preset])
    seeds = right.pills(
        "Seeds",
        SEEDS,
        selection_mode="multi",
        default=SEEDS[:1],
        key="train_seeds",
        disabled=running,
        help="A seed fixes the initial weights and the order of the photos; several show how much chance does.",
    )
    chosen = [name for name in REGIMES if name in (regimes or [])]
    count = len(chosen) * len(seeds or [])
    pressed = st.button(
        f"Train {count} network{'s' if count != 1 else ''}",
        type="primary",
        icon=":material/play_arrow:",
        disabled=running or not count,
        key="train_start",
        help="One training at a time: another session or command may have started the one above." if running else None,
    )
    st.caption(_expected(runs, chosen, preset, len(seeds or [])))
    _pretrained(chosen)
    if not pressed:
        return
    try:
        with st.spinner("Starting the training process"):
            began = live.start(settings, regimes=chosen, preset=preset, seeds=sorted(seeds or []))
    except PetalscopeError as error:
        page_frame.failed(error)
        return
    if not began:
        st.toast("Another session or command is training already; here is how it goes.")
    st.rerun()


def _pretrained(regimes: list[str]) -> None:
    """Which weights the pretrained regimes would start from; which ones are there decides, and nobody should guess."""
    if any(REGIMES[name].pretrained for name in regimes):
        checks = cached.readiness("")["checks"]
        weights = next(check["detail"] for check in checks if check["name"] == "weights")
        st.caption(f":material/info: Pretrained weights: {plain(weights)}.")


def _expected(runs: list[Run], regimes: list[str], preset: str, seeds: int) -> str:
    """How long it may take, by the records of the same preset."""
    known: dict[str, dict[str, float]] = {}
    for row in results.table(runs):
        if row["preset"] == preset and row["seconds"]:
            known.setdefault(row["dataset"], {})[row["regime"]] = row["seconds"]
    named = "all" if len(regimes) == len(REGIMES) else ",".join(regimes) or "…"
    command = (
        f"The same as `python -m lib train --regime {named} --preset {preset} --resume`; it runs on if you close this "
        "page."
    )
    # Of one data set's runs, and named, since others may be larger.
    for dataset, seconds in known.items():
        if regimes and all(name in seconds for name in regimes):
            took = _time(seeds * sum(seconds[name] for name in regimes))
            return f"{command} As many runs on {plain(dataset)} took {took}."
    return command


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _ended(told: Status) -> None:
    if told.message:
        st.warning(plain(told.message), icon=":material/stop_circle:")
        st.caption("Finished epochs are kept: the same start goes on from there.")
        return
    st.success(
        f"The last training is finished: {len(told.queue)} run{'s' if len(told.queue) != 1 else ''} recorded.",
        icon=":material/check_circle:",
    )


def make_spaces(opened: Workspace) -> None:
    """The way from trained networks to their spaces, where some are not made yet."""
    photos, settings = cached.catalog(opened), cached.current_settings()
    kept = opened.state["spaces"]
    try:
        runs = {
            space.name: records.best(settings, space.regime, photos) for space in spaces.SPACES.values() if space.regime
        }
    except PetalscopeError:  # a damaged record, which the page has named already
        return
    new = [
        name
        for name, run_id in runs.items()
        if run_id is not None and (name not in kept or kept[name]["weights"]["name"] != run_id)
    ]
    if background_jobs.jobs().job.running:
        background_jobs.follow()
        return
    if background_jobs.jobs().job.error:
        st.error(plain(background_jobs.jobs().job.error), icon=":material/error:")
    if new:
        titles = ", ".join(spaces.SPACES[name].title for name in new)
        st.markdown(f"What the networks have learned to see can become spaces, on the map and in retrieval: {titles}.")
        if st.button("Make their spaces", icon=":material/scatter_plot:", key="make_spaces"):
            background_jobs.start_prepare(settings, cached.release_store, new)
            st.rerun()
        st.caption(f"The same as `python -m lib prepare --spaces {','.join(new)}`.")


@st.fragment(run_every=1.0)
def _follow(settings: Settings, live: Live) -> None:
    told = live.status(settings)
    if told is None or not told.running:
        st.rerun(scope="app")
    title = told.queue[told.place] if 0 <= told.place < len(told.queue) else told.regime
    of = f", {told.place + 1} of {len(told.queue)}" if len(told.queue) > 1 else ""
    st.subheader(f"Training {plain(title)}{of}")
    numbers = st.container(key="numbers_live").columns(4)
    best = max((row["val_accuracy"] for row in _rows(told) if row["val_accuracy"] is not None), default=None)
    for column, name, value in zip(
        numbers,
        ("Epoch", "Best validation", "Images per second", "Left of this run"),
        (
            f"{told.epoch} of {told.epochs}" if told.epochs else "—",
            "—" if best is None else f"{best:.1%}",
            "—" if told.images_per_s is None else f"{told.images_per_s:,.0f}",
            "—" if told.seconds_left is None else _time(told.seconds_left),
        ),
        strict=True,
    ):
        column.metric(name, value, border=True)
    stage = plain(told.stage or "starting")
    if told.total:
        st.progress(min(1.0, max(0.0, told.done / told.total)), text=f"{stage}: {told.done:,} of {told.total:,} photos")
    else:
        st.progress(0.0, text=f"{stage} …")
    if told.curve:
        left, right = st.container(key="split_live").columns(2, gap="medium")
        for column, quantity in ((left, "accuracy"), (right, "loss")):
            figure = training_curves.curves([_as_run(told)], quantity, published=None)
            figure.update_layout(height=270, showlegend=False)
            column.plotly_chart(
                figure,
                width="stretch",
                key=f"live_{quantity}",
                config=style.config(f"live-{quantity}"),
                alt=f"{quantity} of the run that goes on, epoch by epoch",
            )
        st.caption("Solid: validation; dotted: training.")
    if len(told.queue) > 1:
        st.caption(
            " → ".join(
                f"~~{plain(name)}~~" if i < told.place else f"**{plain(name)}**" if i == told.place else plain(name)
                for i, name in enumerate(told.queue)
            )
        )
    left, right = st.columns([1, 4], vertical_alignment="center")
    if left.button("Stop", icon=":material/stop:", key="train_stop", width="stretch") and not live.stop(settings):
        st.toast("Nothing to stop: it is just starting, or has ended.")
    right.caption("Every session sees this. Stopping keeps the finished epochs; the same start goes on from there.")


def _as_run(told: Status) -> Run:
    record: dict[str, Any] = {"id": told.run_id, "regime": told.regime, "seed": told.seed, "epochs": told.curve}
    return normalise(record)


def _rows(told: Status) -> list[NormalisedEpoch]:
    return _as_run(told)["epochs"]


@st.fragment(run_every=3.0)
def _wait_for_others(settings: Settings, live: Live) -> None:
    """Another session or a command may start a training while this page is open."""
    told = live.status(settings)
    if told is not None and told.running:
        st.rerun(scope="app")
