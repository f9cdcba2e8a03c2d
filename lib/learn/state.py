"""The state of a run in training: network, optimiser, schedule and averaged weights; and its checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lib.documents.runs import EpochRow
from lib.learn import distributed, photo_dataset
from lib.learn.backbone import FEATURES
from lib.learn.recipes import Recipe

if TYPE_CHECKING:
    import torch


@dataclass
class State:
    """Everything that changes while a run trains, and that its checkpoint stores.

    `epochs` has a row per finished epoch; `best` is the state dict of the network of `best_epoch` (from 1, 0 before the
    first epoch ends).
    """

    network: torch.nn.Module
    # `network`, wrapped in DistributedDataParallel when several processes train it.
    parallel: Any
    # Exponential moving average of the weights, or None.
    average: Any
    optimizer: torch.optim.Optimizer
    schedule: Any
    epochs: list[EpochRow] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Any] = field(default_factory=dict)

    @property
    def evaluated(self) -> torch.nn.Module:
        """The network to evaluate: that of the averaged weights, if the recipe averages them."""
        network: torch.nn.Module = self.average.module if self.average is not None else self.network
        return network

    def checkpoint(self) -> dict[str, Any]:
        """The state as tensors, numbers and strings only, so that it can be loaded without running code."""
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

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Load what `checkpoint` stored, and set torch's random generator to its state."""
        import torch

        self.network.load_state_dict(checkpoint["network"])
        if self.average is not None:
            self.average.load_state_dict(checkpoint["average"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.schedule.last_epoch = checkpoint["schedule"]["last_epoch"]
        torch.set_rng_state(checkpoint["random"])
        self.epochs = list(checkpoint["epochs"])
        self.best_epoch, self.best = checkpoint["best_epoch"], checkpoint["best"]


def freeze(network: torch.nn.Module, count: int) -> None:
    """Freeze the first `count` parameter tensors."""
    for index, parameter in enumerate(network.parameters()):
        parameter.requires_grad_(index >= count)


def train_mode(network: torch.nn.Module) -> None:
    """Switch `network` to training mode, except its frozen batch norms, which keep their running statistics."""
    import torch

    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def new_state(network: torch.nn.Module, recipe: Recipe, total_steps: int) -> State:
    """The state before the first step: optimiser, schedule and averaged weights for `network`."""
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
        # The decay grows with the number of updates, so that the initial weights are forgotten fast.
        decay = min(recipe.ema, (1 + int(updates)) / (10 + int(updates)))
        get_ema_multi_avg_fn(decay)(averaged, current, updates)  # type: ignore[no-untyped-call]

    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True) if recipe.ema else None
    return State(network, _parallel(network), averaged, optimizer, schedule)


def one_cycle(done: float, warmup: float) -> float:
    """Learning rate as a fraction of its maximum, at the share `done` of all steps: a linear rise, a cosine fall."""
    if done < warmup:
        return 0.04 + 0.96 * done / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup))))


def parameter_groups(network: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """torch's parameter groups of the trainable tensors, by learning rate and weight decay.

    Norms and biases have no weight decay; each stage has `layer_decay` times the learning rate of the stage after it.
    """
    groups: dict[tuple[float, float], list[Any]] = {}
    stages = _stages([name for name, _ in network.named_parameters()])
    for parameter, before in zip(network.parameters(), stages, strict=True):
        if parameter.requires_grad:
            key = (
                recipe.lr * recipe.layer_decay**before,
                recipe.weight_decay if parameter.ndim > 1 else 0.0,
            )
            groups.setdefault(key, []).append(parameter)
    return [{"params": tensors, "lr": lr, "weight_decay": decay} for (lr, decay), tensors in groups.items()]


def _stages(names: Sequence[str]) -> list[int]:
    """How many stages before the classifier each tensor lies. Of a network without stages called layer1 to layer4, the
    tensors before its last layer are cut into five stages of equally many."""
    if len(names) <= 2 or any(name.startswith("layer4.") for name in names):
        return [_stages_before_classifier(name) for name in names]
    last = names[-1].rpartition(".")[0]
    before = sum(not name.startswith(f"{last}.") for name in names)
    return [5 - 5 * index // before if index < before else 0 for index in range(len(names))]


def _stages_before_classifier(name: str) -> int:
    """How many stages before the classifier a tensor lies: 0 for the classifier, 5 for the first convolution."""
    stage = name.partition(".")[0]
    return 5 - int(stage[-1]) if stage.startswith("layer") else 0 if stage in {"fc", "weight", "bias"} else 5


def _parallel(network: torch.nn.Module) -> Any:
    """`network`, wrapped so that a backward pass averages the gradients of all processes."""
    import torch

    if distributed.size() == 1:
        return network
    return torch.nn.parallel.DistributedDataParallel(network)


def classifier(classes: int, seed: int, features: int = FEATURES, bias: bool = True) -> torch.nn.Module:
    """A new linear classifier on a network's features, with torch's default initialisation under `seed`."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(photo_dataset.derived_seed(seed, "classifier"))
        return torch.nn.Linear(features, classes, bias)
