"""What a space is: how an image becomes a vector. Files, commands, collections and links use a space's name.

A space is registered by name (`lib/embed/spaces.py`), or belongs to a kind: a family of spaces that a name or a stored
definition makes. What is known only for one data set, such as the hash of an imported file, stands in the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from lib.data.catalog import Catalog

if TYPE_CHECKING:
    from lib.learn.backbone import Weights

SCHEMA: Final = 1
# Since 2, large photos are shrunk in two steps before the network.
NETWORK_SCHEMA: Final = 2
PRECISIONS: Final = ("fp32", "bf16")
# Milvus takes vectors of at most 32,768 dimensions.
MILVUS_MAX_DIM: Final = 32_768
# The groups of spaces in menus, in their order, and their titles.
GROUPS: Final[Mapping[str, str]] = {
    "pixels": "Pixels",
    "backbone": "Backbones",
    "trained": "Trained here",
    "derived": "Derived",
    "imported": "Imported",
}
# JSON that describes a space of a kind: `kind`, `dim` once it is known, and what the kind needs to make it again.
Definition = Mapping[str, Any]


def _stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(arrays)


@dataclass(frozen=True)
class Made:
    """Vectors that were made all at once: `values` (n, dim), row for row with the catalog, and the arrays that were
    learned on the way, which turn a query's vectors into one of this space."""

    values: np.ndarray
    learned: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Space:
    """A way to turn an image into a vector of `dim` numbers of type `dtype`.

    `title` names the space on screens, `about` describes it, `group` is its place in menus. `dim` is 0 where it is
    known only once vectors exist. `dtype` is float32: uint8 stands for raw pixels, which maps average and screens draw.

    Vectors come about in one of three ways. `shrink` makes an array of an upright RGB image, `embed` makes vectors (n,
    dim) of n such arrays. A network does both where the space `needs_weights`. Or `make` gets the catalog and the
    vectors of the spaces `bases`, each (n, dim of the base), and returns all vectors at once; `of_query` then turns the
    vectors of queries in the bases, each (m, dim of the base), and what `make` learned into vectors (m, dim). A made
    space without `of_query` takes photos of the data set only as queries; `refusal` says why, as a sentence.

    `lacks` is for spaces that outlive a change of the photos: why the space cannot be made for a catalog, as a clause;
    "" where it can. Other spaces of changed photos leave the state unless they are named.
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
    # The network of a space that needs weights: torchvision's name of it, or the name of its file.
    network: str = "resnet18"
    # Makes the engine (`inference.Engine`) of the network from its weights and a precision; None for ResNet18's own.
    engine: Callable[[Weights, str], Any] | None = None
    # The number of dimensions with these weights, where the name alone does not tell it.
    dim_of: Callable[[Weights], int] | None = None
    # The network's file, where it belongs to this space and to no other.
    own: Weights | None = None
    group: str = "backbone"
    # What the state file keeps of a space of a kind; None for registered spaces.
    definition: Definition | None = None
    bases: tuple[str, ...] = ()
    make: Callable[[Catalog, Sequence[np.ndarray]], Made] | None = None
    of_query: Callable[[Sequence[np.ndarray], Mapping[str, np.ndarray]], np.ndarray] | None = None
    refusal: str = ""
    lacks: Callable[[Catalog], str] | None = None
    # Whether `make` learns from the training photos, so that another split gives other vectors.
    learns_from_split: bool = False

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


@dataclass(frozen=True)
class Kind:
    """A family of spaces that are not registered one by one.

    `named(name, get)` is the space that a name alone describes, or None; `get` returns other spaces by name.
    `defined(name, definition, folder)` is the space that the state file describes; `folder` has the data set's
    artifacts. It raises PetalscopeError where the definition is not sound.
    """

    name: str
    defined: Callable[[str, Definition, Path], Space]
    named: Callable[[str, Callable[[str], Space]], Space | None] = lambda name, get: None
