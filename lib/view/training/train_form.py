"""The section Train here: the form that starts a training, above it the training that runs or has ended."""

from __future__ import annotations

import streamlit as st

from lib.errors import PetalscopeError
from lib.learn import live_status, results
from lib.learn.regimes import REGIMES
from lib.learn.results import Run
from lib.settings import Settings
from lib.text import counted
from lib.view import cached, page_frame, url_state
from lib.view.formatting import plain
from lib.view.training import after_training, live_training
from lib.view.training.live_training import Trainer
from lib.view.training.run_choice import several

PRESETS = {
    "quick": "Small images, few epochs; takes minutes",
    "full": "The careful recipe; up to hours on two cores",
}
SEEDS = (0, 1, 2, 3, 4)
_SEED = "A seed fixes the initial weights and the order of the photos; several seeds show the effect of chance."


def section(runs: list[Run], trainer: Trainer = live_status) -> None:
    """The current or last training, then the form. `runs` are the recorded ones: they tell how long it takes."""
    settings = cached.current_settings()
    status = trainer.status(settings)
    running = status is not None and status.running
    if running:
        live_training.follow(settings, trainer)
    elif status is not None:
        live_training.ended(status, runs)
        after_training.links(status, runs)
    _form(settings, runs, trainer, running)
    if not running:
        live_training.watch(settings, trainer)


def _form(settings: Settings, runs: list[Run], trainer: Trainer, running: bool) -> None:
    st.subheader("Train")
    regimes, preset, seeds = _choices(running)
    count = len(regimes) * len(seeds)
    pressed = st.button(
        f"Train {counted(count, 'network')}",
        type="primary",
        icon=":material/play_arrow:",
        disabled=running or not count,
        key="train_start",
        help="One training at a time; this one may come from another session or a command." if running else None,
    )
    st.caption(_command(regimes, preset) + _expected_time(runs, regimes, preset, len(seeds)))
    _pretrained_weights(regimes)
    if not pressed:
        return
    try:
        with st.spinner("Starting the training process"):
            started = trainer.start(settings, regimes=regimes, preset=preset, seeds=seeds)
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
        return
    if not started:
        st.toast("Another session or command is training already; its progress is shown.")
    st.rerun()


def _choices(disabled: bool) -> tuple[list[str], str, list[int]]:
    """Regimes in their usual order, the preset, and the seeds in ascending order: all kept in the address."""
    left, middle, right = st.container(key="split_form").columns([5, 3, 4], vertical_alignment="top")
    with left:
        titles = {name: regime.title for name, regime in REGIMES.items()}
        regimes = several("What to train", "train", titles, list(REGIMES), disabled=disabled)
    preset = str(
        middle.segmented_control(
            "Preset",
            list(PRESETS),
            required=True,
            disabled=disabled,
            **url_state.choice("preset", "training", list(PRESETS), "quick"),
        )
    )
    middle.caption(PRESETS[preset])
    with right:
        seeds = several(
            "Seeds", "seeds", {str(seed): str(seed) for seed in SEEDS}, ["0"], disabled=disabled, about=_SEED
        )
    return [name for name in REGIMES if name in regimes], preset, sorted(int(seed) for seed in seeds)


def _pretrained_weights(regimes: list[str]) -> None:
    """The weights that the pretrained regimes would start from: which are available decides."""
    if any(REGIMES[name].pretrained for name in regimes):
        checks = cached.readiness("")["checks"]
        weights = next(check["detail"] for check in checks if check["name"] == "weights")
        st.caption(f":material/info: Pretrained weights: {plain(weights)}.")


def _command(regimes: list[str], preset: str) -> str:
    names = "all" if len(regimes) == len(REGIMES) else ",".join(regimes) or "…"
    return (
        f"The same as `python -m lib train --regime {names} --preset {preset} --resume`; it continues when you close "
        "this page."
    )


def _expected_time(runs: list[Run], regimes: list[str], preset: str, seeds: int) -> str:
    """How long as many runs took on one data set, which is named since others may be larger; "" where not recorded."""
    by_dataset: dict[str, dict[str, float]] = {}
    for row in results.table(runs):
        if row["preset"] == preset and row["seconds"]:
            by_dataset.setdefault(row["dataset"], {})[row["regime"]] = row["seconds"]
    for dataset, seconds in by_dataset.items():
        if regimes and all(name in seconds for name in regimes):
            total = live_training.duration(seeds * sum(seconds[name] for name in regimes))
            return f" As many runs on {plain(dataset)} took {total}."
    return ""
