"""Training what was planned, one run after another: taken up where it was left, recorded when it is done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lib import artifacts
from lib.errors import ArtifactError, TrainingError
from lib.learn import checkpoints, distributed, live_status, loop, run_record, runs, trainee
from lib.learn.loop import Watch
from lib.learn.plan import PlannedRun
from lib.learn.state import State
from lib.settings import Settings


def train(
    settings: Settings,
    planned: Sequence[PlannedRun],
    *,
    resume: bool = False,
    teller: live_status.StatusWriter | None = None,
    watch: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
    epoch: Callable[[PlannedRun, list[dict[str, Any]]], None] = lambda run, rows: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[dict[str, Any]]:
    """Train what was planned, one run after another; returns their records.

    With `resume` a finished run is taken as it is and one that was begun goes on after its last finished epoch.
    `watch` is told of each stage's photos, `epoch` of the rows of a run's finished epochs, each time there is one more;
    `teller` is what `alone` gave, when the caller holds that already. Raises TrainingError when the loss is no number
    any more or another process trains into these artifacts, DataError when a photo cannot be read, ArtifactError when
    the disk is full; KeyboardInterrupt says what is kept.
    """
    small = [run for run in planned if run.recipe.batch_size < 2 * distributed.size()]
    if small:
        raise TrainingError(
            f"A batch of {small[0].recipe.batch_size} leaves {distributed.size()} processes with fewer than two photos "
            f"each; use --batch-size {2 * distributed.size()} or more."
        )
    with contextlib.nullcontext(teller) if teller is not None else alone(settings) as told:
        if told is not None:
            told.change(queue=[run.title for run in planned])
        return [_one(settings, run, place, resume, told, watch, epoch, say) for place, run in enumerate(planned)]


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[live_status.StatusWriter | None]:
    """The one training of these artifacts; of several processes that train together, the first speaks for all."""
    if distributed.rank() > 0:
        yield None
        return
    with live_status.training(settings, []) as teller:
        yield teller


def _one(
    settings: Settings,
    run: PlannedRun,
    place: int,
    resume: bool,
    teller: live_status.StatusWriter | None,
    watch: Callable[[str, int, int | None], None],
    epoch: Callable[[PlannedRun, list[dict[str, Any]]], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    finished = _finished(settings, run) if resume else None
    if distributed.broadcast(finished is not None):
        say(f"{run.title}: done before.")
        if distributed.rank() == 0:  # left by a process that was killed after it had written the record
            artifacts.remove(checkpoints.checkpoint_file(settings, run.id))
        return distributed.broadcast(finished)  # type: ignore[no-any-return]

    def told(stage: str, done: int, total: int | None) -> None:
        watch(f"{run.title}, {stage}", done, total)
        if teller is not None:
            teller.progress(stage, done, total)

    def after_epoch(rows: list[dict[str, Any]]) -> None:
        epoch(run, rows)
        if teller is not None:
            teller.epoch(rows)

    if teller is not None:
        teller.begin(place, run.regime, run.seed, run.id, run.recipe, run.weights.preprocess.input_size)
    both = Watch(told, after_epoch)
    began, worked = time.perf_counter(), time.process_time()
    saved = 0
    try:
        device = distributed.device()
        pupil = trainee.make(settings, run, device, both)
        state = pupil.state
        checkpoint = checkpoints.checkpoint_file(settings, run.id)
        _take_up(state, checkpoint, resume, say)
        saved = len(state.epochs)

        def keep(kept: State) -> None:
            nonlocal saved
            checkpoints.save(checkpoint, kept.kept())
            saved = len(kept.epochs)

        before, worked_before = (
            spent + sum(row[name] for row in state.epochs)
            for spent, name in zip(pupil.spent, ("seconds", "cpu_seconds"), strict=True)
        )
        both.epoch(state.epochs)
        loop.fit(
            state,
            pupil.source,
            pupil.judge,
            run.recipe,
            seed=run.seed,
            classes=len(run.classes),
            device=device,
            watch=both,
            keep=keep,
        )
        network = pupil.best()
        record = run_record.record(run, pupil, network, device, both)
        record["seconds"] = round(before + time.perf_counter() - began, 3)
        record["cpu_seconds"] = round(worked_before + time.process_time() - worked, 3)
        if distributed.rank() == 0:
            # Until the record is written this run is not done: an old one of the same name must not vouch for a network
            # of which half is written. The checkpoint has all that it takes to write both again.
            artifacts.remove(checkpoints.record_file(settings, run.id))
            checkpoints.save_weights(
                checkpoints.weights_file(settings, run.id),
                network.state_dict(),
                run.weights.preprocess,
                {"run": run.id, "regime": run.regime, "classes": list(run.classes)},
            )
            artifacts.write_json(checkpoints.record_file(settings, run.id), record)
            artifacts.remove(checkpoint)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"Stopped after epoch {saved} of {run.recipe.epochs} of {run.title}; "
            "the same command with --resume goes on."
        ) from error
    return record | {"recorded": False}


def _finished(settings: Settings, run: PlannedRun) -> dict[str, Any] | None:
    path = checkpoints.record_file(settings, run.id)
    has_all = path.is_file() and checkpoints.weights_file(settings, run.id).is_file()
    return runs.read(path) | {"recorded": False} if has_all else None


def _take_up(state: State, checkpoint: Any, resume: bool, say: Callable[[str], None]) -> None:
    kept = None
    if resume and distributed.rank() == 0:
        try:
            kept = checkpoints.load(checkpoint)
        except ArtifactError:
            say(f"The checkpoint {checkpoint} is damaged; training starts anew.")
    kept = distributed.broadcast(kept)
    if kept is not None:
        state.restore(kept)
        say(f"Going on after epoch {len(state.epochs)}.")
