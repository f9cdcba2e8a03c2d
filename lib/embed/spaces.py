"""The registry of spaces: how an image becomes a vector. Files, commands, collections and links use a space's name.

A space's fingerprint is a hash of its inputs (photos, labels, weights, preprocessing, schema), never of the vectors:
two machines that round differently still agree on what they computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from PIL import Image

from lib import artifacts
from lib.data import images
from lib.documents.embeddings import SpaceProvenance
from lib.errors import QueryError
from lib.learn.backbone import FEATURES, Weights

SCHEMA = 1
# Since 2, large photos are shrunk in two steps before the network.
NETWORK_SCHEMA = 2
PRECISIONS = ("fp32", "bf16")
PIXEL_SIDE = 128
# Milvus takes vectors of at most 32,768 dimensions.
MILVUS_MAX_DIM = 32_768


def _stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(arrays)


@dataclass(frozen=True)
class Space:
    """A way to turn an image into a vector of `dim` numbers of type `dtype`.

    `title` names the space on screens, `about` describes it. `shrink` makes an array of an upright RGB image, `embed`
    makes vectors (n, dim) of n such arrays; the network does both where the space `needs_weights`. `dtype` is float32:
    uint8 stands for raw pixels, which maps average and screens draw.
    """

    name: str
    title: str
    dim: int
    dtype: str
    about: str
    needs_weights: bool = False
    shrink: Callable[[Image.Image], np.ndarray] | None = None
    embed: Callable[[Sequence[np.ndarray]], np.ndarray] = _stack
    # The regime that trains the network; None for networks that are used as they come.
    regime: str | None = None
    # The network's number format. Vectors of two precisions are two spaces under one name.
    precision: str = PRECISIONS[0]

    @property
    def schema(self) -> int:
        """The version of the computation: raised when the same photos and weights give other vectors than before."""
        return NETWORK_SCHEMA if self.needs_weights else SCHEMA

    @property
    def pixels(self) -> bool:
        """Whether the vectors are raw pixels rather than features."""
        return self.dtype == "uint8"

    @property
    def in_milvus(self) -> bool:
        """Whether Milvus can hold the vectors."""
        return self.dim <= MILVUS_MAX_DIM


SPACES: dict[str, Space] = {}
# The frozen features of transfer learning are the backbone's own, so they are not stored twice.
ALIASES = {"transfer": "resnet18"}
# The spaces that `prepare` makes by default.
DEFAULTS = ("pixels", "resnet18")


def register(space: Space) -> None:
    """Add a space; one of the same name is replaced."""
    SPACES[space.name] = space


def get(name: str) -> Space:
    """The space called `name`, aliases resolved. Raises QueryError that lists the spaces."""
    try:
        return SPACES[ALIASES.get(name, name)]
    except KeyError:
        raise QueryError(unknown_space(name)) from None


def unknown_space(name: str) -> str:
    """The error for a name that no space has."""
    return f"There is no space called {name!r}; choose one of {', '.join([*SPACES, *ALIASES])}."


def unknown_precision(precision: str) -> str:
    """The error for a precision that does not exist."""
    return f"There is no precision called {precision!r}; choose one of {', '.join(PRECISIONS)}."


def in_precision(space: Space, precision: str | None) -> Space:
    """`space` computed in `precision` (None: unchanged); only networks have one.

    Raises QueryError that lists the precisions.
    """
    if precision is not None and precision not in PRECISIONS:
        raise QueryError(unknown_precision(precision))
    return replace(space, precision=precision) if space.needs_weights and precision is not None else space


def fingerprint(space: Space, data: str, weights: Weights | None) -> str:
    """Hash of all inputs of the vectors of `space`; `data` is the catalog's fingerprint."""
    network = {"sha256": weights.sha256, "preprocess": asdict(weights.preprocess)} if weights is not None else None
    precision = [] if space.precision == PRECISIONS[0] else [space.precision]
    return artifacts.digest(
        "petalscope-space", space.schema, space.name, space.dim, space.dtype, data, network, *precision
    )


def provenance(space: Space, weights: Weights | None) -> SpaceProvenance:
    """How vectors were made, apart from the photos: recorded beside them."""
    return {
        "name": space.name,
        "dim": space.dim,
        "dtype": space.dtype,
        "schema": space.schema,
        "weights": weights.provenance() if weights is not None else None,
        "precision": space.precision if weights is not None else None,
    }


def _pixels(image: Image.Image) -> np.ndarray:
    return images.resized(image, PIXEL_SIDE, PIXEL_SIDE).reshape(-1)


register(
    Space(
        name="pixels",
        title="Raw pixels",
        dim=PIXEL_SIDE * PIXEL_SIDE * 3,
        dtype="uint8",
        about=f"RGB stretched to {PIXEL_SIDE}×{PIXEL_SIDE} and flattened; values 0–255 stand for 0–1",
        shrink=_pixels,
    )
)
register(
    Space(
        name="resnet18",
        title="ResNet18 features",
        dim=FEATURES,
        dtype="float32",
        about="average-pooled output of the last block of the pretrained backbone",
        needs_weights=True,
    )
)
for _regime, _title, _start in (
    ("scratch", "Scratch", "from random weights"),
    ("finetune", "Fine-tuned", "its first 50 tensors frozen"),
    ("init", "Init", "all of it, from pretrained weights"),
):
    register(
        Space(
            name=_regime,
            title=f"{_title} features",
            dim=FEATURES,
            dtype="float32",
            about=f"average-pooled output of the last block of the network trained here, {_start}",
            needs_weights=True,
            regime=_regime,
        )
    )
