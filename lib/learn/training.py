"""Training one network: an epoch, an evaluation, and the whole of a run with its checkpoints.

Shaped like torchvision's reference training. A step's gradient is that of its mean loss over all its photos, however
these are cut into forward passes and shared out among processes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.errors import DataError, TrainingError
from lib.learn import distributed, feed
from lib.learn.backbone import FEATURES, Preprocess
from lib.learn.recipes import Recipe

if TYPE_CHECKING:
    import torch

# Photos per forward pass of an evaluation.
EVALUATED = 32
# Photos per forward pass of a GPU, which has the memory and wants the work.
GPU_BATCH = 256


@dataclass(frozen=True)
class Source:
    """Where inputs come from. `batches(epoch, passes)` yields, for each array of places, the input tensor (n, …) of the
    training photos there; `count` is how many there are, `labels` (count,) their classes."""

    count: int
    labels: np.ndarray
    batches: Callable[[int, Sequence[np.ndarray]], Iterator[Any]]


@dataclass(frozen=True)
class Scores:
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


@dataclass
class State:
    """Everything that a run is made of while it trains, and that a checkpoint keeps."""

    network: torch.nn.Module
    # The network as it is called in training: the same one, or the one that averages gradients over processes.
    shared: Any
    average: Any
    optimizer: torch.optim.Optimizer
    schedule: Any
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Any] = field(default_factory=dict)

    @property
    def judged(self) -> torch.nn.Module:
        """The network that is evaluated: the averaged one where there is one."""
        found: torch.nn.Module = self.average.module if self.average is not None else self.network
        return found

    def kept(self) -> dict[str, Any]:
        """For a checkpoint: tensors, numbers and texts only, so that it can be read without running code."""
        import torch

        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "schedule": {"last_epoch": self.schedule.last_epoch},
            "random": torch.get_rng_state(),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "best": self.best,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from what `kept` was."""
        import torch

        self.network.load_state_dict(kept["network"])
        if self.average is not None:
            self.average.load_state_dict(kept["average"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.schedule.last_epoch = kept["schedule"]["last_epoch"]
        torch.set_rng_state(kept["random"])
        self.epochs = list(kept["epochs"])
        self.best_epoch, self.best = kept["best_epoch"], kept["best"]


def freeze(network: torch.nn.Module, count: int) -> None:
    """Fix the first `count` parameter tensors."""
    for place, parameter in enumerate(network.parameters()):
        parameter.requires_grad_(place >= count)


def train_mode(network: torch.nn.Module) -> None:
    """Switch `network` to training, but for the norms whose weight is fixed: these keep their statistics."""
    import torch

    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def new_state(network: torch.nn.Module, recipe: Recipe, total_steps: int) -> State:
    """A run before its first step: optimiser, schedule and averaged weights for `network`."""
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    groups = parameter_groups(network, recipe)
    if recipe.optimizer == "adamw":
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
    else:
        optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: one_cycle(step / max(1, total_steps), recipe.warmup)
    )

    def average(averaged: Any, current: Any, updates: Any) -> None:
        # Young averages follow fast, so that they do not drag the first weights along.
        decay = min(recipe.ema, (1 + int(updates)) / (10 + int(updates)))
        get_ema_multi_avg_fn(decay)(averaged, current, updates)  # type: ignore[no-untyped-call]

    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True) if recipe.ema else None
    return State(network, _shared(network), averaged, optimizer, schedule)


def one_cycle(done: float, warmup: float) -> float:
    """The learning rate over its highest after the share `done` of all steps: up in a line, down along a cosine."""
    if done < warmup:
        return 0.04 + 0.96 * done / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup))))


def parameter_groups(network: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The tensors that train, by learning rate and decay: none on norms and biases, less change in early stages."""
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = (
                recipe.lr * recipe.layer_decay ** _distance(name),
                recipe.weight_decay if parameter.ndim > 1 else 0.0,
            )
            groups.setdefault(key, []).append(parameter)
    return [{"params": found, "lr": lr, "weight_decay": decay} for (lr, decay), found in groups.items()]


def _distance(name: str) -> int:
    """Stages between a tensor and the classifier's: 0 for the classifier itself, 5 for the first convolution."""
    stage = name.partition(".")[0]
    return 5 - int(stage[-1]) if stage.startswith("layer") else 0 if stage in {"fc", "weight", "bias"} else 5


def precision(device: torch.device) -> str:
    """What a forward pass of training computes in: bfloat16 where the hardware multiplies it, else float32."""
    import torch

    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("amx_bf16") or able.get("avx512_bf16") else "float32"


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """A forward pass of training in the device's `precision`."""
    import torch

    return torch.autocast(device.type, torch.bfloat16) if precision(device) == "bfloat16" else nullcontext()


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
    groups = feed.steps(source.count, recipe, seed, epoch, least=2 * distributed.size())
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
        distributed.share_buffers(state.network)
        if state.average is not None:
            state.average.update_parameters(state.network)
    totals = np.sum([np.array(part) for part in distributed.gathered((loss_sum, right, seen))], axis=0)
    return {
        "train_loss": float(totals[0] / totals[2]),
        "train_accuracy": float(totals[1] / totals[2]),
        "images": int(totals[2]),
        "lr": float(rate),
    }


def _shared(network: torch.nn.Module) -> Any:
    """`network` so that a backward pass averages the gradients of all processes."""
    import torch

    if distributed.size() == 1:
        return network
    return torch.nn.parallel.DistributedDataParallel(network)


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
        torch.manual_seed(feed.drawn(*where, "mix", epoch, distributed.rank()))
        mixed: tuple[Any, Any] = v2.RandomChoice(ways)(given, targets)
        return mixed


def evaluate(
    network: torch.nn.Module,
    inputs: Callable[[np.ndarray], torch.Tensor],
    labels: np.ndarray,
    device: Any,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Scores:
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
    found = distributed.gathered(
        (mine, np.concatenate(probabilities), np.concatenate(losses)) if len(mine) else (mine, None, None)
    )
    filled = [part for part in found if len(part[0])]
    order = np.argsort(np.concatenate([part[0] for part in filled]))
    return Scores(
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


def photo_source(training: feed.Training, preprocess: Preprocess, device: Any) -> Source:
    """The training photos, augmented anew in each epoch. On a GPU several processes prepare them ahead."""
    import os

    import torch

    workers = min(8, os.cpu_count() or 1) if device.type == "cuda" else 0
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocess.mean, preprocess.std))

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        loader: Any = torch.utils.data.DataLoader(
            training,  # type: ignore[arg-type]
            batch_sampler=[[(epoch, int(place)) for place in places] for places in passes],
            num_workers=workers,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),
        )
        for pixels in _told_plainly(loader):
            scaled = (pixels.float() / 255 - mean) / std
            yield scaled.contiguous(memory_format=torch.channels_last)

    return Source(len(training), training.wanted.labels, batches)


def _told_plainly(loader: Any) -> Iterator[Any]:
    """The pictures of each batch; what a process that prepares them ahead could not do is told in its own sentence."""
    try:
        for pixels, _ in loader:
            yield pixels
    except DataError as error:  # torch wraps the sentence into the other process's traceback
        raise DataError(str(error).strip().splitlines()[-1].removeprefix("lib.errors.DataError: ")) from error


def feature_source(views: np.ndarray, labels: np.ndarray, seed: int) -> Source:
    """Frozen features (views, n, 512): in each epoch every photo is one of its views, by lot."""
    import torch

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        chosen = np.random.default_rng(feed.drawn(seed, "view", epoch)).integers(len(views), size=len(labels))
        for places in passes:
            yield torch.from_numpy(views[chosen[places], places])

    return Source(len(labels), labels, batches)


def classifier(classes: int, seed: int) -> torch.nn.Module:
    """A new linear classifier on ResNet18's features, as torch initialises it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(feed.drawn(seed, "classifier"))
        return torch.nn.Linear(FEATURES, classes)
