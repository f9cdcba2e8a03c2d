"""What a run is made of while it trains: network, optimiser, schedule and averaged weights; and how it is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lib.learn import distributed, photo_dataset
from lib.learn.backbone import FEATURES
from lib.learn.recipes import Recipe

if TYPE_CHECKING:
    import torch


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


def _shared(network: torch.nn.Module) -> Any:
    """`network` so that a backward pass averages the gradients of all processes."""
    import torch

    if distributed.size() == 1:
        return network
    return torch.nn.parallel.DistributedDataParallel(network)


def classifier(classes: int, seed: int) -> torch.nn.Module:
    """A new linear classifier on ResNet18's features, as torch initialises it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(photo_dataset.shuffled(seed, "classifier"))
        return torch.nn.Linear(FEATURES, classes)
