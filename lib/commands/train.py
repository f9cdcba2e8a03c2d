"""The commands about training: `train` and `runs`."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from lib.commands.progress import Progress
from lib.documents.runs import EpochRow
from lib.progress import Reporter
from lib.settings import Settings
from lib.text import printable


def train(settings: Settings, options: argparse.Namespace) -> Any:
    """The runs asked for, trained or taken up: see `study.train`. None in all but the first of several processes."""
    from lib.learn import backbone, distributed, plan, recipes, regimes, run_all
    from lib.prepare import pipeline

    names = list(regimes.REGIMES) if "all" in options.regime else options.regime
    for name in names:  # before anything is read or fetched
        recipes.recipe(name, options.preset)
    with Progress() as progress, _ended_as_interrupted(), distributed.group(), run_all.alone(settings) as teller:
        # Of processes that train together only the first talks.
        talks = distributed.rank() == 0
        reporter = Reporter(progress.update, progress.say) if talks else Reporter()
        photos = pipeline.catalog(settings, limit=options.limit, reporter=reporter)
        chosen = backbone.choose(settings, progress=reporter.stage("download weights"), warn=reporter.say)
        planned = plan.plan(
            photos,
            chosen,
            names=names,
            preset=options.preset,
            seeds=options.seeds,
            epochs=options.epochs,
            batch_size=options.batch_size,
            image_size=options.image_size,
        )
        done = run_all.train(
            settings,
            planned,
            resume=options.resume,
            writer=teller,
            on_progress=reporter.progress,
            on_epoch=_epochs_told(reporter.say),
            log=reporter.say,
        )
        return {"runs": done} if talks else None


def _epochs_told(say: Callable[[str], None], every_s: float = 10.0) -> Callable[[Any, list[EpochRow]], None]:
    """A line after an epoch, unless there was one a moment ago: a hundred short epochs need no hundred lines."""
    last = time.monotonic()

    def tell(run: Any, rows: list[EpochRow]) -> None:
        nonlocal last
        if rows and time.monotonic() - last > every_s:
            last = time.monotonic()
            best = max(row["val_accuracy"] for row in rows)
            say(
                f"{run.title}: epoch {len(rows)} of {run.recipe.epochs}, validation {rows[-1]['val_accuracy']:.1%} "
                f"(best {best:.1%})"
            )

    return tell


@contextlib.contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Being told to end (by the page, `kill`, or the system going down) is heard as an interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def runs(settings: Settings, options: argparse.Namespace) -> Any:
    """All runs, recorded ones included: see `runs.load`."""
    from lib.learn import runs

    return {"runs": runs.load(settings)}


def show_runs(document: Any) -> str:
    """A line for each run, accuracies in percent."""
    if not document["runs"]:
        return "No training run yet: python -m lib train --regime all --preset quick"
    lines = [f"{'run':<34} {'weights':<10} {'epochs':>6} {'best':>5} {'val':>7} {'test':>7}  95 % interval"]
    for run in document["runs"]:
        low, high = run.get("test_ci95") or (None, None)
        lines.append(
            f"{run['id']:<34} {run['weights']:<10} {len(run['epochs']):>6} {run['best_epoch']:>5} "
            f"{_percent(run.get('val_accuracy')):>7} {_percent(run['test_accuracy']):>7}  "
            f"{_percent(low)}–{_percent(high)}  {run['dataset']['name']}{', recorded' if run.get('recorded') else ''}"
        )
    return printable(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"
