"""The registry of spaces: how an image becomes a vector, and the name under which that is known everywhere.

A space's fingerprint is a hash of its inputs (photos, labels, weights, preprocessing, schema), never of the vectors:
two machines that round differently still agree on what they computed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from lib import artifacts
from lib.errors import QueryError
from lib.learn.backbone import FEATURES, Weights

SCHEMA = 1
# Since 2 large photos are made smaller in two steps before a network sees them.
NETWORK_SCHEMA = 2
PRECISIONS = ("fp32", "bf16")
PIXEL_SIDE = 128
# Milvus takes vectors of at most 32,768 dimensions.
MILVUS_MAX_DIM = 32_768


@dataclass(frozen=True)
class Space:
    """A way to turn an image into a vector of `dim` numbers of type `dtype`."""

    name: str
    title: str
    dim: int
    dtype: str
    about: str
    needs_weights: bool
    # Which regime trains the network; None for networks that are used as they come.
    regime: str | None = None
    # What the network computes in: vectors of two precisions are two spaces that happen to have one name.
    precision: str = PRECISIONS[0]

    @property
    def schema(self) -> int:
        """Changes when the same photos and weights are made into other vectors than before."""
        return NETWORK_SCHEMA if self.needs_weights else SCHEMA

    @property
    def in_milvus(self) -> bool:
        """Whether Milvus can hold the vectors."""
        return self.dim <= MILVUS_MAX_DIM


SPACES = {
    space.name: space
    for space in (
        Space(
            name="pixels",
            title="Raw pixels",
            dim=PIXEL_SIDE * PIXEL_SIDE * 3,
            dtype="uint8",
            about=f"RGB stretched to {PIXEL_SIDE}×{PIXEL_SIDE} and flattened; values 0–255 stand for 0–1",
            needs_weights=False,
        ),
        Space(
            name="resnet18",
            title="ResNet18 features",
            dim=FEATURES,
            dtype="float32",
            about="average-pooled output of the last block of the pretrained backbone",
            needs_weights=True,
        ),
        *(
            Space(
                name=regime,
                title=f"{title} features",
                dim=FEATURES,
                dtype="float32",
                about=f"average-pooled output of the last block of the network trained here, {how}",
                needs_weights=True,
                regime=regime,
            )
            for regime, title, how in (
                ("scratch", "Scratch", "from random weights"),
                ("finetune", "Fine-tuned", "its first 50 tensors frozen"),
                ("init", "Init", "all of it, from pretrained weights"),
            )
        ),
    )
}
# What every data set has without training anything.
UNTRAINED = tuple(name for name, space in SPACES.items() if space.regime is None)
# The frozen features of transfer learning are the backbone's own, so they are not stored twice.
ALIASES = {"transfer": "resnet18"}


def get(name: str) -> Space:
    """The space called `name`, aliases followed. Raises QueryError that lists the names there are."""
    try:
        return SPACES[ALIASES.get(name, name)]
    except KeyError:
        known = ", ".join([*SPACES, *ALIASES])
        raise QueryError(f"There is no space called {name!r}; choose one of {known}.") from None


def at(space: Space, precision: str | None) -> Space:
    """`space` computed in `precision` (None: as it is); pixels are not computed.

    Raises QueryError that lists the precisions there are.
    """
    if precision is not None and precision not in PRECISIONS:
        raise QueryError(f"There is no precision called {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    return replace(space, precision=precision) if space.needs_weights and precision is not None else space


def fingerprint(space: Space, data: str, weights: Weights | None) -> str:
    """Hash of what goes into the vectors of `space`; `data` is the catalog's fingerprint."""
    used = {"sha256": weights.sha256, "preprocess": asdict(weights.preprocess)} if weights is not None else None
    precision = [] if space.precision == PRECISIONS[0] else [space.precision]
    return artifacts.digest(
        "petalscope-space", space.schema, space.name, space.dim, space.dtype, data, used, *precision
    )


def provenance(space: Space, weights: Weights | None) -> dict[str, Any]:
    """What an artifact records of how its vectors were made, beside the data."""
    return {
        "name": space.name,
        "dim": space.dim,
        "dtype": space.dtype,
        "schema": space.schema,
        "weights": weights.provenance() if weights is not None else None,
        "precision": space.precision if weights is not None else None,
    }
