"""Training planned runs one after another: resumed after the last finished epoch, recorded when finished."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lib import artifacts
from lib.documents.runs import EpochRow, RunRecord
from lib.errors import ArtifactError, Notice, Remedy, TrainingError
from lib.learn import checkpoints, distributed, epoch_embeddings, live_status, loop, run_record, runs, trainee
from lib.learn.loop import Callbacks
from lib.learn.plan import PlannedRun
from lib.learn.state import State
from lib.progress import Message, StageProgress, no_message, no_stage_progress
from lib.settings import Settings


def stopped(title: str, epochs: int, total: int) -> Notice:
    """The message of a run that was interrupted after `epochs` of `total` epochs."""
    return Notice(f"Stopped after epoch {epochs} of {total} of {title}", Remedy.RESUME)


def resumed(epochs: int) -> str:
    """The message of a run that continues after `epochs` finished epochs."""
    return f"Resuming after epoch {epochs}."


def already_finished(title: str) -> str:
    """The message of a run that has a record and a network already."""
    return f"{title}: already finished."


def damaged_checkpoint(path: Path) -> str:
    """The message of a run whose checkpoint cannot be read."""
    return f"The checkpoint {path} is damaged; training starts over."


@dataclass(frozen=True)
class _Output:
    """Where a training reports: see `train`."""

    writer: live_status.StatusWriter | None
    on_progress: StageProgress
    on_epoch: Callable[[PlannedRun, list[EpochRow]], None]
    log: Message
    embed_epochs: bool

    def embeddings(self, settings: Settings, run: PlannedRun) -> epoch_embeddings.Writer | None:
        """The writer of the epoch embeddings of `run`, whose messages reach the status file as well; None if off."""

        def say(message: str | Notice) -> None:
            self.log(message)
            if self.writer is not None:
                self.writer.update(warning=str(message))

        return epoch_embeddings.Writer(settings, run, say) if self.embed_epochs else None

    def callbacks(self, run: PlannedRun) -> Callbacks:
        """Callbacks of `run`, which report to the status file as well."""

        def progress(stage: str, done: int, total: int | None) -> None:
            self.on_progress(f"{run.title}, {stage}", done, total)
            if self.writer is not None:
                self.writer.progress(stage, done, total)

        def epoch(rows: list[EpochRow]) -> None:
            self.on_epoch(run, rows)
            if self.writer is not None:
                self.writer.epoch(rows)

        return Callbacks(progress, epoch)


def train(
    settings: Settings,
    planned: Sequence[PlannedRun],
    *,
    resume: bool = False,
    writer: live_status.StatusWriter | None = None,
    on_progress: StageProgress = no_stage_progress,
    on_epoch: Callable[[PlannedRun, list[EpochRow]], None] = lambda run, rows: None,
    log: Message = no_message,
    embed_epochs: bool = True,
) -> list[RunRecord]:
    """Train the planned runs one after another; returns their records.

    With `resume`, finished runs are not trained again, and unfinished ones continue after their last finished epoch.
    `on_progress(stage, done, total)` counts the photos of a stage, `on_epoch(run, rows)` gets the rows of all finished
    epochs after each epoch, `log` gets messages. With `embed_epochs`, each run keeps its epoch embeddings, which does
    not change its result. `writer` is the result of `alone`, if the caller holds it already.
    Raises TrainingError when the loss is not finite or another process trains into these artifacts, DataError when a
    photo cannot be read, ArtifactError when the disk is full; KeyboardInterrupt carries the notice of `stopped`.
    """
    small = [run for run in planned if run.recipe.batch_size < 2 * distributed.size()]
    if small:
        raise TrainingError(
            f"A batch of {small[0].recipe.batch_size} photos is too small for {distributed.size()} processes, which "
            f"need two photos each: {2 * distributed.size()} at least",
            remedy=Remedy.LARGER_BATCH,
        )
    with contextlib.nullcontext(writer) if writer is not None else training_lock(settings) as status_writer:
        if status_writer is not None:
            status_writer.update(queue=[run.title for run in planned])
        output = _Output(status_writer, on_progress, on_epoch, log, embed_epochs)
        return [_train_or_read(settings, run, place, resume, output) for place, run in enumerate(planned)]


@contextlib.contextmanager
def training_lock(settings: Settings) -> Iterator[live_status.StatusWriter | None]:
    """Hold the training lock of these artifacts. Of the processes of a group, rank 0 holds it; the others get None."""
    if distributed.rank() > 0:
        yield None
        return
    with live_status.training(settings, []) as writer:
        yield writer


def _train_or_read(settings: Settings, run: PlannedRun, place: int, resume: bool, output: _Output) -> RunRecord:
    finished = _finished(settings, run) if resume else None
    if distributed.broadcast(finished is not None):
        output.log(already_finished(run.title))
        if distributed.rank() == 0:  # a process may have been killed between writing the record and removing this
            artifacts.remove(checkpoints.checkpoint_file(settings, run.id))
        return cast(RunRecord, distributed.broadcast(finished))
    if output.writer is not None:
        output.writer.begin(place, run.regime, run.seed, run.id, run.recipe, run.weights.preprocess.input_size)
    return _train(settings, run, resume, output)


def _train(settings: Settings, run: PlannedRun, resume: bool, output: _Output) -> RunRecord:
    callbacks = output.callbacks(run)
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    saved_epochs = 0
    try:
        device = distributed.device()
        embeddings = output.embeddings(settings, run)
        learner = trainee.make(settings, run, device, callbacks, embeddings)
        state = learner.state
        checkpoint = checkpoints.checkpoint_file(settings, run.id)
        _restore(state, checkpoint, resume, output.log)
        saved_epochs = len(state.epochs)
        if embeddings is not None:
            embeddings.begin(saved_epochs)
        if not saved_epochs:
            learner.embed_untrained()

        def save(state: State) -> None:
            nonlocal saved_epochs
            checkpoints.save(checkpoint, state.checkpoint())
            saved_epochs = len(state.epochs)

        earlier_wall = learner.feature_seconds[0] + sum(row["seconds"] for row in state.epochs)
        earlier_cpu = learner.feature_seconds[1] + sum(row["cpu_seconds"] for row in state.epochs)
        callbacks.epoch(state.epochs)
        loop.fit(
            state,
            learner.source,
            learner.validate,
            run.recipe,
            seed=run.seed,
            classes=len(run.classes),
            device=device,
            callbacks=callbacks,
            save=save,
        )
        network = learner.best_network()
        record = run_record.record(run, learner, network, device, callbacks)
        record["seconds"] = round(earlier_wall + time.perf_counter() - wall_start, 3)
        record["cpu_seconds"] = round(earlier_cpu + time.process_time() - cpu_start, 3)
        if distributed.rank() == 0:
            _write(settings, run, record, network)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(stopped(run.title, saved_epochs, run.recipe.epochs)) from error
    return {**record, "recorded": False}


def _write(settings: Settings, run: PlannedRun, record: RunRecord, network: Any) -> None:
    # A run is finished when it has a record. An old record of the same id must not stand beside a half-written network,
    # so it goes first; the checkpoint, from which both files can be made again, goes last.
    artifacts.remove(checkpoints.record_file(settings, run.id))
    checkpoints.save_weights(
        checkpoints.weights_file(settings, run.id),
        network.state_dict(),
        run.weights.preprocess,
        {"run": run.id, "network": run.network, "regime": run.regime, "classes": list(run.classes)},
    )
    artifacts.write_json(checkpoints.record_file(settings, run.id), record)
    artifacts.remove(checkpoints.checkpoint_file(settings, run.id))


def _finished(settings: Settings, run: PlannedRun) -> RunRecord | None:
    path = checkpoints.record_file(settings, run.id)
    if not path.is_file() or not checkpoints.weights_file(settings, run.id).is_file():
        return None
    return {**runs.read(path), "recorded": False}


def _restore(state: State, path: Path, resume: bool, log: Message) -> None:
    """Load the checkpoint at `path` into `state`, if there is one and the run is to be resumed."""
    checkpoint = None
    if resume and distributed.rank() == 0:
        try:
            checkpoint = checkpoints.load(path)
        except ArtifactError:
            log(damaged_checkpoint(path))
    checkpoint = distributed.broadcast(checkpoint)
    if checkpoint is not None:
        state.restore(checkpoint)
        log(resumed(len(state.epochs)))
