"""A training process seen from the page: its progress while it runs, and how the last one ended.

Everything shown comes from the status that the training process itself writes.
"""

from __future__ import annotations

from typing import Any, Protocol

import streamlit as st

from lib.documents.runs import ResultRow
from lib.errors import Remedy
from lib.learn import results
from lib.learn.live_status import Status
from lib.learn.normalise_record import normalise
from lib.learn.results import Run
from lib.settings import Settings
from lib.text import counted
from lib.view import remedies
from lib.view.figures import style, training_curves
from lib.view.formatting import plain
from lib.view.training import after_training, epoch_map

RESUME = "Finished epochs are kept: press Train again to resume."
VISIBLE = f"Visible to everyone using this app. {RESUME}"


class Trainer(Protocol):
    """What this page needs of `lib.learn.live_status`; tests pass a fake."""

    def status(self, settings: Settings) -> Status | None: ...
    def start(self, settings: Settings, *, regimes: list[str], preset: str, seeds: list[int]) -> bool: ...
    def stop(self, settings: Settings) -> bool: ...


def finished(titles: list[str], accuracy: float | None) -> str:
    """The sentence after a training: its runs, and the test accuracy of the last one where it is recorded."""
    tested = "" if accuracy is None else f", {accuracy:.1%} test"
    return f"Training finished: {plain('; '.join(titles))}{tested}"


def ended(settings: Settings, status: Status, runs: list[Run]) -> None:
    """How the last training ended, its curves and its map; `runs` are the recorded ones."""
    _how_it_ended(status, runs)
    after_training.links(status, runs)
    if status.curve:
        run = _as_run(status)
        with st.expander("Its curves and its map", expanded=True):
            _curves(run, status.epochs, runs)
            epoch_map.live(settings, status.run_id)


def _how_it_ended(status: Status, runs: list[Run]) -> None:
    if status.message:
        why = remedies.reworded(remedies.sentence(status.notice))  # a start that failed has left but a line
        st.warning(plain(why), icon=":material/stop_circle:")
        if status.notice.remedy is not Remedy.RESUME:  # whose words say the same
            st.caption(RESUME)
        return
    accuracy = next((run["test_accuracy"] for run in reversed(runs) if run["id"] == status.run_id), None)
    st.success(finished(status.queue, accuracy), icon=":material/check_circle:")


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@st.fragment(run_every=1.0)
def follow(settings: Settings, trainer: Trainer, runs: list[Run]) -> None:
    """Progress, curves and map of the current run, drawn again each second; the whole page once it has ended.

    `runs` are the recorded ones, whose final figures stand beside the curves.
    """
    status = trainer.status(settings)
    if status is None or not status.running:
        st.rerun(scope="app")
    title = status.queue[status.place] if 0 <= status.place < len(status.queue) else status.regime
    position = f", {status.place + 1} of {len(status.queue)}" if len(status.queue) > 1 else ""
    st.subheader(f"Training {plain(title)}{position}")
    run = _as_run(status)
    _numbers(status, run)
    stage = plain(status.stage or "starting")
    if status.total:
        share = min(1.0, max(0.0, status.done / status.total))
        st.progress(share, text=f"{stage}: {status.done:,} of {counted(status.total, 'photo')}")
    else:
        st.progress(0.0, text=f"{stage} …")
    if status.curve:
        _curves(run, status.epochs, runs)
    if not epoch_map.live(settings, status.run_id) and not status.curve:
        st.caption("The curves and the map begin with the first epoch.")
    if status.warning:
        st.caption(f":material/warning: {plain(remedies.reworded(status.warning))}")
    if len(status.queue) > 1:
        st.caption(_queue(status))
    left, right = st.columns([1, 4], vertical_alignment="center")
    if left.button("Stop", icon=":material/stop:", key="train_stop", width="stretch") and not trainer.stop(settings):
        st.toast("Nothing to stop: the training is just starting, or has ended.")
    right.caption(VISIBLE)


def _numbers(status: Status, run: Run) -> None:
    accuracies = [row["val_accuracy"] for row in run["epochs"] if row["val_accuracy"] is not None]
    values = {
        "Epoch": f"{status.epoch} of {status.epochs}" if status.epochs else "—",
        "Best validation": f"{max(accuracies):.1%}" if accuracies else "—",
        "Images per second": "—" if status.images_per_s is None else f"{status.images_per_s:,.0f}",
        "Time left": "—" if status.seconds_left is None else duration(status.seconds_left),
    }
    columns = st.container(key="numbers_live").columns(len(values))
    for column, (name, value) in zip(columns, values.items(), strict=True):
        column.metric(name, value, border=True)


def _curves(run: Run, epochs: int, runs: list[Run]) -> None:
    """Accuracy and loss so far, in the frame of all `epochs`; dashed is the level of finished runs of this regime."""
    row = _finished_runs(run, runs)
    left, right = st.container(key="split_live").columns(2, gap="medium")
    for column, quantity in ((left, "accuracy"), (right, "loss")):
        figure = training_curves.curves([run], quantity, published=None)
        figure.update_layout(height=270, showlegend=False, uirevision=run["id"])
        figure.update_xaxes(range=[0.5, max(epochs, len(run["epochs"])) + 0.5])
        if quantity == "accuracy":
            figure.update_yaxes(range=[0, 1.02])
            if row is not None and row["accuracy"] is not None:
                level = {"dash": "dash", "width": 1.2, "color": style.colour(run["regime"], 0.8)}
                figure.add_hline(y=row["accuracy"], line=level)
        column.plotly_chart(
            figure,
            width="stretch",
            key=f"live_{quantity}",
            config=style.config(f"live-{quantity}"),
            alt=f"{quantity} of the current run, epoch by epoch",
        )
    st.caption("Solid: validation; dotted: training." + (f" {_final_figure(row)}" if row else ""))


def _finished_runs(run: Run, runs: list[Run]) -> ResultRow | None:
    """The final figures of the recorded runs of the same regime; of several groups the one with the most seeds."""
    rows = [row for row in results.table(runs) if row["regime"] == run["regime"] and row["accuracy"] is not None]
    return max(rows, key=lambda row: len(row["seeds"]), default=None)


def _final_figure(row: ResultRow) -> str:
    return (
        f"Dashed: {row['accuracy']:.1%} test accuracy of the finished runs of this regime "
        f"({plain(row['preset'] or 'no')} preset, {counted(len(row['seeds']), 'seed')}, {plain(row['dataset'])})."
    )


def _queue(status: Status) -> str:
    """The runs in order: finished ones struck out, the current one bold."""

    def mark(place: int, title: str) -> str:
        if place < status.place:
            return f"~~{plain(title)}~~"
        return f"**{plain(title)}**" if place == status.place else plain(title)

    return " → ".join(mark(place, title) for place, title in enumerate(status.queue))


def _as_run(status: Status) -> Run:
    """The finished epochs as a run record, for the functions that read one."""
    record: dict[str, Any] = {"id": status.run_id, "regime": status.regime, "seed": status.seed, "epochs": status.curve}
    return normalise(record)


@st.fragment(run_every=3.0)
def watch(settings: Settings, trainer: Trainer) -> None:
    """Draw the page again when another session or a command starts a training."""
    status = trainer.status(settings)
    if status is not None and status.running:
        st.rerun(scope="app")
