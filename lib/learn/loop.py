"""Training one network: an epoch, an evaluation, and the whole of a run with its checkpoints.

Shaped like torchvision's reference training. A step's gradient is that of its mean loss over all its photos, however
these are cut into forward passes and shared out among processes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.errors import TrainingError
from lib.learn import distributed, photo_dataset
from lib.learn.batch_sources import Source
from lib.learn.recipes import Recipe
from lib.learn.state import State, train_mode

if TYPE_CHECKING:
    import torch
from lib.learn.hardware import autocast

# Photos per forward pass of an evaluation.
EVALUATED = 32


# Photos per forward pass of a GPU, which has the memory and wants the work.
GPU_BATCH = 256


@dataclass(frozen=True)
class EvaluationResult:
    """What a network says of n photos: `probabilities` (n, classes) and the cross-entropy of each, `losses` (n,)."""

    probabilities: np.ndarray
    losses: np.ndarray

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of photos whose most probable class is their label."""
        return float((self.probabilities.argmax(1) == labels).mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy, nats."""
        return float(self.losses.mean())


@dataclass(frozen=True)
class Watch:
    """Who is told how training goes: `progress(stage, done, total)` in photos, `epoch(rows)` after each epoch."""

    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None
    epoch: Callable[[list[dict[str, Any]]], None] = lambda rows: None


def train_one_epoch(
    state: State, source: Source, recipe: Recipe, *, epoch: int, seed: int, classes: int, device: Any, watch: Watch
) -> dict[str, Any]:
    """One pass over the training photos; returns the mean loss and accuracy on them as they were shown (augmented,
    mixed, while the weights changed), how many were shown, and the learning rate of the last step.

    Raises TrainingError when the loss is not a number any more.
    """
    import torch
    from torch.nn import functional

    train_mode(state.network)
    model = state.shared
    groups = photo_dataset.steps(source.count, recipe, seed, epoch, least=2 * distributed.size())
    mine = [_passes(step, recipe, device) for step in groups]
    inputs = source.batches(epoch, [places for passes in mine for places in passes])
    seen = right = 0
    loss_sum, rate = 0.0, recipe.lr
    for number, (step, passes) in enumerate(zip(groups, mine, strict=True)):
        state.optimizer.zero_grad(set_to_none=True)
        for turn, places in enumerate(passes):
            given = next(inputs).to(device)
            targets = torch.from_numpy(source.labels[places]).to(device)
            given, targets = _mixed(given, targets, recipe, classes, epoch, (seed, number, turn))
            last = turn == len(passes) - 1
            with nullcontext() if last or distributed.size() == 1 else model.no_sync():
                with autocast(device):
                    answer = model(given)
                summed = functional.cross_entropy(
                    answer.float(), targets, label_smoothing=recipe.label_smoothing, reduction="sum"
                )
                # Processes average their gradients, so that each one's share counts as often as there are processes.
                (summed * (distributed.size() / len(step))).backward()  # type: ignore[no-untyped-call]
            hard = targets.argmax(1) if targets.ndim > 1 else targets
            right += int((answer.argmax(1) == hard).sum())
            loss_sum += float(summed.detach())
            seen += len(places)
            if not math.isfinite(loss_sum):
                raise TrainingError(
                    f"The loss became {loss_sum} in epoch {epoch + 1}; what was trained before is kept, but this "
                    "recipe diverges: train with another --batch-size, other --weights or the other --preset."
                )
            watch.progress(f"epoch {epoch + 1}", seen * distributed.size(), source.count)
        rate = max(group["lr"] for group in state.optimizer.param_groups)
        state.optimizer.step()
        state.schedule.step()
        distributed.broadcast_buffers(state.network)
        if state.average is not None:
            state.average.update_parameters(state.network)
    totals = np.sum([np.array(part) for part in distributed.all_gather((loss_sum, right, seen))], axis=0)
    return {
        "train_loss": float(totals[0] / totals[2]),
        "train_accuracy": float(totals[1] / totals[2]),
        "images": int(totals[2]),
        "lr": float(rate),
    }


def _passes(step: np.ndarray, recipe: Recipe, device: Any) -> list[np.ndarray]:
    """This process's share of a step, in forward passes of nearly equal size."""
    share = step[distributed.rank() :: distributed.size()]
    most = min(recipe.batch_size, GPU_BATCH if device.type == "cuda" else recipe.micro_batch)
    return np.array_split(share, math.ceil(len(share) / most))


def _mixed(
    given: torch.Tensor, targets: torch.Tensor, recipe: Recipe, classes: int, epoch: int, where: tuple[int, int, int]
) -> tuple[Any, Any]:
    """A forward pass's photos after mixup or CutMix, where the recipe has them."""
    import torch
    from torchvision.transforms import v2

    ways = [v2.MixUp(alpha=recipe.mixup, num_classes=classes)] if recipe.mixup else []
    ways += [v2.CutMix(alpha=recipe.cutmix, num_classes=classes)] if recipe.cutmix else []
    # Features are no pictures: they have no parts to swap.
    if not ways or given.ndim < 4 or epoch >= recipe.epochs * (1 - recipe.unmixed):
        return given, targets
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(photo_dataset.shuffled(*where, "mix", epoch, distributed.rank()))
        mixed: tuple[Any, Any] = v2.RandomChoice(ways)(given, targets)
        return mixed


def evaluate(
    network: torch.nn.Module,
    inputs: Callable[[np.ndarray], torch.Tensor],
    labels: np.ndarray,
    device: Any,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> EvaluationResult:
    """What `network` says of every photo; `inputs(places)` gives the tensor of some of them.

    In float32 whatever the hardware, so that an accuracy does not depend on it. Processes share the photos out, and
    each gets the whole answer, in the photos' order.
    """
    import torch
    from torch.nn import functional

    network.eval()
    mine = np.arange(distributed.rank(), len(labels), distributed.size())
    probabilities, losses = [], []
    with torch.inference_mode():
        for start in range(0, len(mine), EVALUATED):
            places = mine[start : start + EVALUATED]
            answer = network(inputs(places).to(device))
            targets = torch.from_numpy(labels[places]).to(device)
            losses.append(functional.cross_entropy(answer, targets, reduction="none").cpu().numpy())
            probabilities.append(answer.softmax(1).cpu().numpy())
            progress(min(len(labels), (start + len(places)) * distributed.size()), len(labels))
    found = distributed.all_gather(
        (mine, np.concatenate(probabilities), np.concatenate(losses)) if len(mine) else (mine, None, None)
    )
    filled = [part for part in found if len(part[0])]
    order = np.argsort(np.concatenate([part[0] for part in filled]))
    return EvaluationResult(
        np.concatenate([part[1] for part in filled])[order].astype(np.float64),
        np.concatenate([part[2] for part in filled])[order].astype(np.float64),
    )


def fit(
    state: State,
    source: Source,
    judge: Callable[[torch.nn.Module], tuple[float, float]],
    recipe: Recipe,
    *,
    seed: int,
    classes: int,
    device: Any,
    watch: Watch,
    keep: Callable[[State], None],
) -> State:
    """Train `state` to the end of `recipe`, from wherever it is.

    `judge` gives (loss, accuracy) on the validation photos; the epoch with the highest accuracy wins, of equal ones the
    one with the lower loss. `keep` is called after each epoch, to write a checkpoint.
    """
    for epoch in range(len(state.epochs), recipe.epochs):
        start, worked = time.perf_counter(), time.process_time()
        row = train_one_epoch(
            state, source, recipe, epoch=epoch, seed=seed, classes=classes, device=device, watch=watch
        )
        loss, accuracy = judge(state.judged)
        if not math.isfinite(loss):
            raise TrainingError(
                f"The validation loss became {loss} in epoch {epoch + 1}; what was trained before is kept, but this "
                "recipe diverges: train with another --batch-size, other --weights or the other --preset."
            )
        # Processor time beside wall time, since that of a machine with other work to do says little.
        spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - worked}
        state.epochs.append(
            {
                "epoch": epoch + 1,
                **row,
                "val_loss": loss,
                "val_accuracy": accuracy,
                **{name: round(value, 3) for name, value in spent.items()},
            }
        )
        best = state.epochs[state.best_epoch - 1] if state.best_epoch else None
        if best is None or (accuracy, -loss) > (best["val_accuracy"], -best["val_loss"]):
            state.best_epoch = epoch + 1
            state.best = {name: value.detach().clone() for name, value in state.judged.state_dict().items()}
        if distributed.rank() == 0:
            keep(state)
        watch.epoch(state.epochs)
    return state
