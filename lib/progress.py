"""Progress of long work: signatures for a single stage, named stages and sentences, joined in a reporter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib.errors import Notice

# Called with the units done and the units in total; the total is None while it is unknown.
Progress = Callable[[int, int | None], None]
# Called with the name of a stage, then as `Progress`.
StageProgress = Callable[[str, int, int | None], None]
# Called with a sentence for the user, or with a notice, whose remedy the surface words.
Message = Callable[[str | Notice], None]
# Called with a notice only.
Warn = Callable[[Notice], None]


def no_progress(done: int, total: int | None) -> None:
    """Discards progress."""
    del done, total


def no_stage_progress(stage: str, done: int, total: int | None) -> None:
    """Discards the progress of stages."""
    del stage, done, total


def no_message(message: str | Notice) -> None:
    """Discards a message for the user."""
    del message


def of_stage(progress: StageProgress, name: str) -> Progress:
    """The progress of the stage `name`, reported through `progress`."""
    return lambda done, total: progress(name, done, total)


@dataclass(frozen=True)
class Reporter:
    """How long work reports: `progress(stage, done, total)` many times, `say(message)` for the user."""

    progress: StageProgress = no_stage_progress
    say: Message = no_message

    def stage(self, name: str) -> Progress:
        """The progress of one stage."""
        return of_stage(self.progress, name)
