"""Training recipes: every hyperparameter of a run in one frozen dataclass, per regime and preset.

`full` takes hours on two CPU cores; `quick` trains all four regimes on small images in minutes. The gain from each
choice of `full` is measured in `benchmarks/training.md`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from lib.errors import QueryError
from lib.learn.regimes import REGIMES

PRESETS = ("quick", "full")


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of one regime. Sizes are sides of square inputs in px, shares are fractions of all steps."""

    # Passes over the training photos.
    epochs: int
    # Photos per optimiser step, over all processes; the published figures were made with 256.
    batch_size: int = 256
    # Photos per forward pass on a CPU (on a GPU: `loop.GPU_BATCH`); a step's gradient is accumulated over its passes.
    micro_batch: int = 64
    # Input in evaluation. None is the input size of the backbone's weights.
    image_size: int | None = None
    # Input in the first epoch, as a fraction of `image_size`; it grows evenly to `last_size` at `growth` of the run
    # (progressive resizing: Howard 2018; Tan and Le 2021). Training a little below the test size corrects for random
    # crops showing things larger than the test does (Touvron et al. 2019).
    first_size: float = 1.0
    last_size: float = 1.0
    growth: float = 0.75
    # "sgd" is Nesterov momentum 0.9, "adamw" Loshchilov and Hutter 2019 with betas 0.9 and 0.999.
    optimizer: str = "sgd"
    # Maximum learning rate; it rises over `warmup` and falls to zero along a cosine (one cycle, Smith 2018).
    lr: float = 0.1
    warmup: float = 0.15
    # L2 penalty of SGD, decoupled decay of AdamW; never on norms and biases (He et al. 2019).
    weight_decay: float = 5e-4
    # Learning rate of each stage over that of the stage after it (discriminative rates, Howard and Ruder 2018).
    layer_decay: float = 1.0
    # Share of the target spread over all classes (Szegedy et al. 2016).
    label_smoothing: float = 0.1
    # Least share of the photo's area that a random crop keeps.
    crop: float = 0.35
    # "trivial" is TrivialAugmentWide (Müller and Hutter 2021), "light" mirror and mild colour jitter, "none" mirror.
    policy: str = "trivial"
    # Beta parameters of mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019); 0 is off. With both on, each forward
    # pass takes one of the two at random.
    mixup: float = 0.0
    cutmix: float = 0.0
    # Share of the run, at its end, without mixup and CutMix.
    unmixed: float = 0.1
    # Decay per step of the averaged weights that are evaluated; 0 evaluates the weights themselves.
    ema: float = 0.0
    # Whether the last norm of each residual block starts at 0, which makes the block an identity (Goyal et al. 2017).
    zero_init_residual: bool = False
    # Transfer only: feature vectors per training photo, the first of the plain photo, the others of augmented copies.
    views: int = 1
    # Transfer only: whether linear probes are fitted on the frozen layer1 … layer4 at the end.
    probe: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The hyperparameters as a record stores them."""
        return asdict(self)


_FULL = {
    "scratch": Recipe(
        epochs=80,
        optimizer="adamw",
        lr=4e-3,
        weight_decay=0.05,
        ema=0.98,
        first_size=0.375,
        last_size=0.75,
        growth=1.0,
        zero_init_residual=True,
    ),
    "transfer": Recipe(
        epochs=100,
        optimizer="adamw",
        lr=3e-3,
        weight_decay=0.05,
        views=4,
        policy="light",
        crop=0.5,
        probe=True,
    ),
    "finetune": Recipe(
        epochs=20,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.05,
        ema=0.97,
        first_size=0.6,
        last_size=0.9,
    ),
    "init": Recipe(
        epochs=22,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.05,
        ema=0.97,
        first_size=0.6,
        last_size=0.9,
        layer_decay=0.8,
    ),
}
_QUICK = {
    "scratch": Recipe(
        epochs=8, batch_size=64, micro_batch=32, image_size=64, optimizer="adamw", lr=2e-3, policy="light"
    ),
    "transfer": Recipe(epochs=40, image_size=64, optimizer="adamw", lr=1e-2, policy="none", probe=True),
    "finetune": Recipe(
        epochs=4, batch_size=64, micro_batch=32, image_size=64, optimizer="adamw", lr=1e-3, policy="light"
    ),
    "init": Recipe(
        epochs=4,
        batch_size=64,
        micro_batch=32,
        image_size=64,
        optimizer="adamw",
        lr=1e-3,
        layer_decay=0.7,
        policy="light",
    ),
}


def recipe(regime: str, preset: str = "full", **overrides: Any) -> Recipe:
    """The recipe of a regime, with the fields in `overrides` that are not None replaced.

    Raises QueryError for an unknown regime or preset.
    """
    if regime not in REGIMES:
        raise QueryError(f"There is no regime called {regime!r}; choose one of {', '.join(REGIMES)} or all.")
    if preset not in PRESETS:
        raise QueryError(f"There is no preset called {preset!r}; choose one of {', '.join(PRESETS)}.")
    default = (_FULL if preset == "full" else _QUICK)[regime]
    return replace(default, **{name: value for name, value in overrides.items() if value is not None})
