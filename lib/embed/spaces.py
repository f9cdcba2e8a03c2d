"""The registry of spaces and of kinds of spaces: what has a name here can be prepared, searched and shown.

A space's fingerprint is a hash of its inputs (photos, labels, weights, preprocessing, schema), never of the vectors:
two machines that round differently still agree on what they computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lib import artifacts
from lib.data import images
from lib.data.catalog import Catalog
from lib.documents.embeddings import SpaceProvenance
from lib.embed import derived_spaces, imported_spaces, network_spaces
from lib.embed.space import PRECISIONS, Definition, Kind, Space
from lib.errors import QueryError
from lib.learn.backbone import FEATURES, Weights

PIXEL_SIDE = 128
SPACES: dict[str, Space] = {}
# The frozen features of transfer learning are the backbone's own, so they are not stored twice.
ALIASES = {"transfer": "resnet18"}
# The spaces that `prepare` makes by default.
DEFAULTS = ("pixels", "resnet18")


KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (derived_spaces.KIND, imported_spaces.KIND, *network_spaces.KINDS)
}
# Spaces of a kind, as the state files that this process has read define them. A name means the same in all data sets
# of one folder of artifacts.
_DEFINED: dict[str, Space] = {}
# Those that the user has defined anew in this process: a state file, which still has the old ones, does not undo that.
_CHOSEN: set[str] = set()


def register(space: Space) -> None:
    """Add a space; one of the same name is replaced."""
    SPACES[space.name] = space


def register_kind(kind: Kind) -> None:
    """Add a kind of spaces; one of the same name is replaced."""
    KINDS[kind.name] = kind


def define(space: Space) -> None:
    """Make a space of a kind known under its name; one of the same name is replaced."""
    _DEFINED[space.name] = space


def is_defined(name: str) -> bool:
    """Whether a state file has defined a space of this name."""
    return name in _DEFINED


def forget(name: str) -> None:
    """Make a space of a kind unknown again."""
    _DEFINED.pop(name, None)
    _CHOSEN.discard(name)


def choose(space: Space) -> None:
    """Make a space that the user has just described known under its name, also where a state file has another one."""
    define(space)
    _CHOSEN.add(space.name)


def define_stored(space: Space) -> None:
    """Make a space known that a state file defines, unless the user has defined it anew."""
    if space.name not in _CHOSEN:
        define(space)


def defined(name: str, definition: Definition, folder: Path) -> Space:
    """The space that a state file defines. Raises QueryError when there is no such kind, and what the kind raises."""
    kind = KINDS.get(str(definition.get("kind")))
    if kind is None:
        raise QueryError(f"There is no kind of spaces called {definition.get('kind')!r}.")
    return kind.defined(name, definition, folder)


def get(name: str) -> Space:
    """The space called `name`, aliases resolved: registered, defined by a state file, or described by its name.

    Raises QueryError that lists the registered spaces, or says what is wrong with a name that describes a space.
    """
    name = ALIASES.get(name, name)
    known = SPACES.get(name) or _DEFINED.get(name)
    if known is not None:
        return known
    problem = None
    for kind in KINDS.values():
        try:
            space = kind.named(name, get)
        except QueryError as error:  # another kind may read the name otherwise
            problem = problem or error
            continue
        if space is not None:
            return space
    raise problem or QueryError(unknown_space(name))


def takes_photos(name: str) -> bool:
    """Whether a picture from elsewhere has a vector in a space; vectors from other programs have no embedder here."""
    space = get(name)
    return (space.make is None or space.of_query is not None) and all(map(takes_photos, space.bases))


def refusal(name: str) -> str:
    """Why a space takes no pictures from elsewhere: its own reason, or that of a space it is made from; else ""."""
    space = get(name)
    own = space.refusal if space.of_query is None else ""
    return own or next((reason for base in space.bases if (reason := refusal(base))), "")


def with_bases(names: Iterable[str]) -> list[str]:
    """The spaces `names` and those that they are made from, each after its own bases, once."""
    ordered: dict[str, None] = {}
    for name in names:
        space = get(name)
        for each in (*with_bases(space.bases), space.name):
            ordered.setdefault(each)
    return list(ordered)


def sized(space: Space, dim: int) -> Space:
    """`space` with its number of dimensions, also in its definition."""
    return replace(space, dim=dim, definition={**(space.definition or {}), "dim": dim})


def loads_network(space: Space) -> bool:
    """Whether the vector of a new photo needs a network: the space's own, or that of a space that it is made from."""
    if space.make is not None and space.of_query is None:
        return False
    return space.needs_weights or any(loads_network(get(base)) for base in space.bases)


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


def inputs(space: Space, catalog: Catalog) -> str:
    """The fingerprint of what a space takes from the catalog: the photos, and the split where it learns from it."""
    if not space.learns_from_split:
        return catalog.fingerprint
    training = catalog.frame.loc[catalog.frame["split"] == "train", "sha256"]
    return artifacts.digest("petalscope-training-split", catalog.fingerprint, list(training))


def fingerprint(space: Space, data: str, weights: Weights | None, bases: Mapping[str, str] | None = None) -> str:
    """Hash of all inputs of the vectors of `space`; `data` is that of `inputs`, `bases` has the fingerprints
    of the spaces that it is made from."""
    if space.make is not None:
        definition = {key: value for key, value in (space.definition or {}).items() if key != "dim"}
        return artifacts.digest("petalscope-made-space", space.schema, space.name, data, definition, dict(bases or {}))
    network = {"sha256": weights.sha256, "preprocess": weights.preprocess.as_dict()} if weights is not None else None
    precision = [] if space.precision == PRECISIONS[0] else [space.precision]
    return artifacts.digest(
        "petalscope-space", space.schema, space.name, space.dim, space.dtype, data, network, *precision
    )


def provenance(space: Space, weights: Weights | None) -> SpaceProvenance:
    """How vectors were made, apart from the photos: recorded beside them."""
    made: SpaceProvenance = {
        "name": space.name,
        "dim": space.dim,
        "dtype": space.dtype,
        "schema": space.schema,
        "weights": weights.provenance() if weights is not None else None,
        "precision": space.precision if weights is not None else None,
    }
    if space.definition is not None:
        made["definition"] = dict(space.definition)
    return made


def _pixels(image: Image.Image) -> np.ndarray:
    return images.resized(image, PIXEL_SIDE, PIXEL_SIDE).reshape(-1)


register(
    Space(
        name="pixels",
        title="Raw pixels",
        dim=PIXEL_SIDE * PIXEL_SIDE * 3,
        dtype="uint8",
        group="pixels",
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
            group="trained",
        )
    )
