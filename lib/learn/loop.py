"""The training loop: one epoch, an evaluation, and a whole run with its checkpoints.

Structured like torchvision's reference training. The gradient of a step is that of the mean loss over all its photos,
however the step is cut into forward passes and divided among processes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from lib.documents.runs import EpochRow
from lib.errors import Remedy, TrainingError
from lib.learn import distributed, networks, photo_dataset
from lib.learn.batch_sources import Source
from lib.learn.hardware import autocast
from lib.learn.recipes import Recipe
from lib.learn.state import State, train_mode
from lib.progress import Progress, StageProgress, no_progress, no_stage_progress

if TYPE_CHECKING:
    import torch

# Photos per forward pass of an evaluation.
EVALUATION_BATCH = 32
# Photos per forward pass on a GPU, which has more memory than a CPU's `micro_batch` needs.
GPU_BATCH = 256


def divergence(loss: float, epoch: int, kind: str = "loss") -> TrainingError:
    """The error of a run whose `kind` of loss is not finite in `epoch`, from 1."""
    return TrainingError(
        f"The {kind} became {loss} in epoch {epoch}. Finished epochs are kept, but this recipe diverges",
        remedy=Remedy.CHANGE_RECIPE,
    )


@dataclass(frozen=True)
class EvaluationResult:
    """Predictions for n photos: class `probabilities` (n, classes), and each photo's cross-entropy `losses` (n,).

    `features` (m, 512) float32 are the pooled features of the photos for which they were requested.
    """

    probabilities: np.ndarray
    losses: np.ndarray
    features: np.ndarray | None = None

    def accuracy(self, labels: np.ndarray) -> float:
        """Share of photos whose most probable class is their label."""
        return float((self.probabilities.argmax(1) == labels).mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy, nats."""
        return float(self.losses.mean())


@dataclass(frozen=True)
class Callbacks:
    """Functions called during training: `progress(stage, done, total)` in photos, `epoch(rows)` after each epoch."""

    progress: StageProgress = no_stage_progress
    epoch: Callable[[list[EpochRow]], None] = lambda rows: None


class TrainingMeans(TypedDict):
    """The part of an epoch's row that comes from its training photos."""

    train_loss: float
    train_accuracy: float
    images: int
    lr: float


def train_one_epoch(
    state: State,
    source: Source,
    recipe: Recipe,
    *,
    epoch: int,
    seed: int,
    classes: int,
    device: Any,
    callbacks: Callbacks,
) -> TrainingMeans:
    """One pass over the training photos, in `epoch` from 0.

    The mean loss and accuracy are over the photos as the network saw them: augmented and mixed, while the weights
    changed. `images` counts them, `lr` is the learning rate of the last step. Raises TrainingError when the loss is not
    finite.
    """
    import torch
    from torch.nn import functional

    train_mode(state.network)
    model = state.parallel
    steps = photo_dataset.steps(source.count, recipe, seed, epoch, least=2 * distributed.size())
    passes_by_step = [_passes(step, recipe, device) for step in steps]
    batches = source.batches(epoch, [indices for passes in passes_by_step for indices in passes])
    seen = correct = 0
    loss_sum, rate = 0.0, recipe.lr
    for step_number, (step, passes) in enumerate(zip(steps, passes_by_step, strict=True)):
        state.optimizer.zero_grad(set_to_none=True)
        for pass_number, indices in enumerate(passes):
            inputs = next(batches).to(device)
            targets = torch.from_numpy(source.labels[indices]).to(device)
            inputs, targets = _mixed(inputs, targets, recipe, classes, epoch, position=(seed, step_number, pass_number))
            is_last = pass_number == len(passes) - 1
            with nullcontext() if is_last or distributed.size() == 1 else model.no_sync():
                with autocast(device):
                    logits = model(inputs)
                pass_loss = functional.cross_entropy(
                    logits.float(), targets, label_smoothing=recipe.label_smoothing, reduction="sum"
                )
                # Processes average their gradients; the factor `size` turns the average into the sum over all photos.
                (pass_loss * (distributed.size() / len(step))).backward()  # type: ignore[no-untyped-call]
            labels = targets.argmax(1) if targets.ndim > 1 else targets
            correct += int((logits.argmax(1) == labels).sum())
            loss_sum += float(pass_loss.detach())
            seen += len(indices)
            if not math.isfinite(loss_sum):
                raise divergence(loss_sum, epoch + 1)
            callbacks.progress(f"epoch {epoch + 1}", seen * distributed.size(), source.count)
        rate = max(group["lr"] for group in state.optimizer.param_groups)
        state.optimizer.step()
        state.schedule.step()
        distributed.broadcast_buffers(state.network)
        if state.average is not None:
            state.average.update_parameters(state.network)
    totals = np.sum([np.array(part) for part in distributed.all_gather((loss_sum, correct, seen))], axis=0)
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
    inputs: torch.Tensor,
    targets: torch.Tensor,
    recipe: Recipe,
    classes: int,
    epoch: int,
    position: tuple[int, int, int],
) -> tuple[Any, Any]:
    """Inputs and targets of a forward pass after mixup or CutMix, if the recipe has them.

    `position` is (seed, step, pass), from which the random numbers follow.
    """
    import torch
    from torchvision.transforms import v2

    mixers = [v2.MixUp(alpha=recipe.mixup, num_classes=classes)] if recipe.mixup else []
    mixers += [v2.CutMix(alpha=recipe.cutmix, num_classes=classes)] if recipe.cutmix else []
    # Frozen features have no regions to swap.
    if not mixers or inputs.ndim < 4 or epoch >= recipe.epochs * (1 - recipe.unmixed):
        return inputs, targets
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(photo_dataset.derived_seed(*position, "mix", epoch, distributed.rank()))
        mixed: tuple[Any, Any] = v2.RandomChoice(mixers)(inputs, targets)
        return mixed


def evaluate(
    network: torch.nn.Module,
    inputs: Callable[[np.ndarray], torch.Tensor],
    labels: np.ndarray,
    device: Any,
    progress: Progress = no_progress,
    features_of: np.ndarray | None = None,
    head: str = "fc",
) -> EvaluationResult:
    """Predictions of `network` for every photo; `inputs(indices)` is the input tensor of these photos.

    `features_of` are sorted indices of photos whose features, the input of the last layer `head`, are part of the
    result. They are copies of what the network computes anyway, so the predictions are the same bits with and without
    them.

    In float32 on any hardware, so that an accuracy does not depend on it. Processes divide the photos among themselves,
    and every process gets the whole result, in the photos' order.
    """
    import torch
    from torch.nn import functional

    network.eval()
    share = np.arange(distributed.rank(), len(labels), distributed.size())
    probabilities, losses = [], []
    features: list[np.ndarray] = []
    with torch.inference_mode(), _pooled(network, features, head if features_of is not None else None):
        for start in range(0, len(share), EVALUATION_BATCH):
            indices = share[start : start + EVALUATION_BATCH]
            logits = network(inputs(indices).to(device))
            targets = torch.from_numpy(labels[indices]).to(device)
            losses.append(functional.cross_entropy(logits, targets, reduction="none").cpu().numpy())
            probabilities.append(logits.softmax(1).cpu().numpy())
            progress(min(len(labels), (start + len(indices)) * distributed.size()), len(labels))
    kept = np.isin(share, features_of) if features_of is not None else np.zeros(len(share), dtype=bool)
    pooled = np.concatenate(features)[kept] if features else None
    shares = distributed.all_gather(
        (share, np.concatenate(probabilities), np.concatenate(losses), share[kept], pooled)
        if len(share)
        else (share, None, None, share, None)
    )
    filled = [part for part in shares if len(part[0])]
    order = np.argsort(np.concatenate([part[0] for part in filled]))
    features_order = np.argsort(np.concatenate([part[3] for part in filled]))
    return EvaluationResult(
        np.concatenate([part[1] for part in filled])[order].astype(np.float64),
        np.concatenate([part[2] for part in filled])[order].astype(np.float64),
        None if features_of is None else np.concatenate([part[4] for part in filled])[features_order],
    )


@contextmanager
def _pooled(network: Any, features: list[np.ndarray], head: str | None) -> Iterator[None]:
    """Append the features (n, d) of each forward pass of the block, the input of the layer `head`, to `features`; none
    where `head` is None."""
    if head is None:
        yield
        return
    hook = network.get_submodule(head).register_forward_pre_hook(
        lambda module, inputs: features.append(networks.pooled(inputs[0]).cpu().numpy())
    )
    try:
        yield
    finally:
        hook.remove()


def fit(
    state: State,
    source: Source,
    validate: Callable[[torch.nn.Module], tuple[float, float]],
    recipe: Recipe,
    *,
    seed: int,
    classes: int,
    device: Any,
    callbacks: Callbacks,
    save: Callable[[State], None],
) -> State:
    """Train `state` from its last finished epoch to the end of `recipe`.

    `validate` gives (loss, accuracy) on the validation photos. The best epoch has the highest accuracy, then the lowest
    loss, then comes first. `save` is called at rank 0 after each epoch, to write a checkpoint. Raises TrainingError
    when the training or the validation loss is not finite.
    """
    for epoch in range(len(state.epochs), recipe.epochs):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        means = train_one_epoch(
            state, source, recipe, epoch=epoch, seed=seed, classes=classes, device=device, callbacks=callbacks
        )
        loss, accuracy = validate(state.evaluated)
        if not math.isfinite(loss):
            raise divergence(loss, epoch + 1, "validation loss")
        row: EpochRow = {
            "epoch": epoch + 1,
            **means,
            "val_loss": loss,
            "val_accuracy": accuracy,
            "seconds": round(time.perf_counter() - wall_start, 3),
            # On a machine with other work, processor time says more than wall time.
            "cpu_seconds": round(time.process_time() - cpu_start, 3),
        }
        state.epochs.append(row)
        best = state.epochs[state.best_epoch - 1] if state.best_epoch else None
        if best is None or (accuracy, -loss) > (best["val_accuracy"], -best["val_loss"]):
            state.best_epoch = epoch + 1
            state.best = {name: value.detach().clone() for name, value in state.evaluated.state_dict().items()}
        if distributed.rank() == 0:
            save(state)
        callbacks.epoch(state.epochs)
    return state
