"""The four training regimes: which weights start pretrained and which train, tensor by tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

# In `named_parameters()` order, batch norms included: up to layer4.0.bn2.weight.
FROZEN_IN_FINETUNE = 50
TENSORS = 62
PUBLISHED_CONDITIONS = (
    "ImageNet weights, batch 256, split 0.9 : 0.1 : 0.1 (the course's slides; its table prints 93.11 % for fine-tuning)"
)
_STAGES = ((1, 64), (2, 128), (3, 256), (4, 512))


@dataclass(frozen=True)
class Regime:
    """A way to train ResNet18. `published` is the test accuracy (a fraction) that the course reports for it.

    `summary` says in a few words what `title` alone does not; "" where the title says it.
    """

    name: str
    title: str
    about: str
    pretrained: bool
    published: float
    summary: str = ""


REGIMES = {
    regime.name: regime
    for regime in (
        Regime("scratch", "From scratch", "everything trains, from random weights", False, 0.7311),
        Regime("transfer", "Transfer", "only the new classifier trains", True, 0.8698, "pretrained, frozen"),
        Regime(
            "finetune",
            "Fine-tuning",
            "the first 50 tensors stay frozen",
            True,
            0.9313,
            "pretrained, last layers trained",
        ),
        Regime(
            "init",
            "Initialisation",
            "everything trains, from pretrained weights",
            True,
            0.9527,
            "pretrained, fully trained",
        ),
    )
}


@dataclass(frozen=True)
class Tensor:
    """One parameter tensor of the network."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def tensors(classes: int) -> list[Tensor]:
    """ResNet18's 62 parameter tensors in `named_parameters()` order, for a classifier with `classes` outputs.

    Listed by hand (He et al. 2016, torchvision's layout), so that a page can show them without importing torch.
    """
    layout = [Tensor("conv1.weight", (64, 3, 7, 7)), *_norm("bn1", 64)]
    width = 64
    for stage, channels in _STAGES:
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            inputs = width if block == 0 else channels
            layout += [Tensor(f"{name}.conv1.weight", (channels, inputs, 3, 3)), *_norm(f"{name}.bn1", channels)]
            layout += [Tensor(f"{name}.conv2.weight", (channels, channels, 3, 3)), *_norm(f"{name}.bn2", channels)]
            if inputs != channels:
                layout += [Tensor(f"{name}.downsample.0.weight", (channels, inputs, 1, 1))]
                layout += _norm(f"{name}.downsample.1", channels)
        width = channels
    return [*layout, Tensor("fc.weight", (classes, width)), Tensor("fc.bias", (classes,))]


def _norm(name: str, channels: int) -> list[Tensor]:
    return [Tensor(f"{name}.weight", (channels,)), Tensor(f"{name}.bias", (channels,))]


def frozen_count(regime: Regime, classes: int) -> int:
    """How many of the first tensors are frozen under `regime`."""
    counts = {"transfer": len(tensors(classes)) - 2, "finetune": FROZEN_IN_FINETUNE}
    return counts.get(regime.name, 0)


def frozen_share(regime: Regime, tensors: int, of_head: int) -> int:
    """How many of the first of a network's `tensors` are frozen, the last `of_head` of which are its last layer's.

    Fine-tuning freezes the share that it freezes of ResNet18's, rounded, and never the last layer.
    """
    if regime.name == "transfer":
        return tensors - of_head
    if regime.name != "finetune":
        return 0
    return min(tensors - of_head, round(tensors * FROZEN_IN_FINETUNE / TENSORS))


def parameter_counts(regime: Regime, classes: int) -> tuple[int, int]:
    """(total, trainable) number of parameters of the network under `regime`."""
    sizes = [tensor.size for tensor in tensors(classes)]
    return sum(sizes), sum(sizes[frozen_count(regime, classes) :])
