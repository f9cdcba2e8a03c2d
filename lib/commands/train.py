"""The training commands: `train` and `runs`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from lib.commands import interrupts
from lib.commands.progress import ProgressBar
from lib.documents.runs import EpochRow, RunsDocument
from lib.learn.backbone import Weights
from lib.progress import Message, Reporter
from lib.settings import Settings
from lib.text import printable


def train(settings: Settings, options: argparse.Namespace) -> RunsDocument | None:
    """Train or resume the named runs: see `run_all.train`. None in all but the first of several processes."""
    from lib.learn import backbone, distributed, network_choice, networks, plan, recipes, regimes, run_all, untrained
    from lib.prepare import pipeline

    names = list(regimes.REGIMES) if "all" in options.regime else options.regime
    for name in names:  # refuse a wrong name before anything is read or downloaded
        recipes.recipe(name, options.preset)
    if options.network != backbone.RESNET18:
        networks.check(options.network)
    with (
        ProgressBar() as progress,
        interrupts.heeded(in_group=True),  # so that the state of the run is kept
        distributed.group(),
        run_all.training_lock(settings) as writer,
    ):
        # Of processes that train together only the first reports and prints.
        leads = distributed.rank() == 0
        reporter = Reporter(progress.update, progress.say) if leads else Reporter()
        photos = pipeline.catalog(settings, limit=options.limit, reporter=reporter)
        weights = network_choice.choose(settings, options.network, reporter)
        labels = photos.frame["label"][photos.frame["split"] == "test"]
        unknown = untrained.untrained_classes(photos)
        if note := untrained.untrained_note(int(labels.isin(unknown).sum()), len(labels), unknown):
            reporter.say(note)
        planned = plan.plan(
            photos,
            weights,
            names=names,
            preset=options.preset,
            seeds=options.seeds,
            epochs=options.epochs,
            batch_size=options.batch_size,
            image_size=options.image_size,
        )
        if options.network != backbone.RESNET18 and "finetune" in names:
            reporter.say(frozen_note(weights))
        records = run_all.train(
            settings,
            planned,
            resume=options.resume,
            writer=writer,
            on_progress=reporter.progress,
            on_epoch=_epoch_lines(reporter.say),
            log=reporter.say,
            embed_epochs=options.epoch_embeddings,
        )
        return {"runs": records} if leads else None


def frozen_note(weights: Weights) -> str:
    """The sentence on what fine-tuning freezes of a network other than ResNet18."""
    from lib.learn import networks, regimes

    names, head = networks.parameter_names(weights), networks.head_of(weights)
    of_head = sum(name.startswith(f"{head}.") for name in names)
    frozen = regimes.frozen_share(regimes.REGIMES["finetune"], len(names), of_head)
    return (
        f"Fine-tuning freezes the first {frozen} of {len(names)} parameter tensors of {weights.network}, the share "
        f"that it freezes of ResNet18's ({regimes.FROZEN_IN_FINETUNE} of {regimes.TENSORS})."
    )


def _epoch_lines(say: Message, every_s: float = 10.0) -> Callable[[Any, list[EpochRow]], None]:
    """A callback that prints a line after an epoch, at most one every `every_s` seconds."""
    last = time.monotonic()

    def print_line(run: Any, rows: list[EpochRow]) -> None:
        nonlocal last
        if rows and time.monotonic() - last > every_s:
            last = time.monotonic()
            best = max(row["val_accuracy"] for row in rows)
            say(
                f"{run.title}: epoch {len(rows)} of {run.recipe.epochs}, validation {rows[-1]['val_accuracy']:.1%} "
                f"(best {best:.1%})"
            )

    return print_line


def runs(settings: Settings, options: argparse.Namespace) -> RunsDocument:
    """All runs, including the bundled ones: see `runs.load`."""
    from lib.learn import runs

    return {"runs": runs.load(settings)}


def show_runs(document: RunsDocument) -> str:
    """A line for each run, with accuracies in percent."""
    from lib.learn.untrained import untrained_note

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
    lines += [
        f"{run['id']}: {untrained_note(untrained['photos'], len(run['predictions']), untrained['classes'])}"
        for run in document["runs"]
        if (untrained := run.get("untrained")) and untrained["photos"]
    ]
    return printable(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"
