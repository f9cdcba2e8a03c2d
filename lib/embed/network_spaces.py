"""Kinds of spaces of networks other than ResNet18: torchvision's, those that are trained here, and foreign files.

A space of torchvision's network is called as the network is (`vgg16`), that of a trained one `regime@network`
(`finetune@vgg16`), and that of a file after the file. Nothing here imports torch before vectors are made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lib.embed.space import Definition, Kind, Space
from lib.errors import QueryError
from lib.learn import network_files, networks
from lib.learn.backbone import RESNET18, Weights
from lib.learn.preprocess import preprocess_of
from lib.learn.regimes import REGIMES

if TYPE_CHECKING:
    from lib.embed.inference import Engine

NETWORK: Final = "network"
TRAINED: Final = "trained network"
FILE: Final = "network file"
# Names of the registered spaces and their other names.
TAKEN: Final = frozenset({"pixels", RESNET18, *REGIMES})
_FILE_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_-]{0,39}")
FEATURES: Final = "input of its last linear layer, averaged over positions where it is a map"


def engine(weights: Weights, precision: str) -> Engine:
    """The engine of a network of torchvision: see `network_engine.of_torchvision`."""
    from lib.embed import network_engine

    return network_engine.of_torchvision(weights, precision)


def file_engine(weights: Weights, precision: str, layout: str) -> Engine:
    """The engine of a foreign network: see `network_engine.of_file`."""
    from lib.embed import network_engine

    return network_engine.of_file(weights, precision, layout)


def _features(weights: Weights) -> int:
    return networks.structure(weights.network, weights.preprocess.input_size).features


def _outputs(weights: Weights, layout: str) -> int:
    assert weights.path is not None, "a foreign network has a file"
    loaded = network_files.load(weights.path)
    return network_files.outputs(loaded, weights.path, weights.preprocess.input_size, layout)


def _space(name: str, network: str, dim: int, regime: str | None) -> Space:
    kind = {"kind": NETWORK if regime is None else TRAINED, "network": network}
    if regime is None:
        about = f"{FEATURES}; {network} of torchvision with the weights named beside it"
    else:
        about = f"{FEATURES}; {network} trained here, {REGIMES[regime].about}"
    return Space(
        name=name,
        title=f"{network} features" if regime is None else f"{REGIMES[regime].title} {network} features",
        dim=dim,
        dtype="float32",
        about=about,
        needs_weights=True,
        regime=regime,
        network=network,
        engine=engine,
        dim_of=_features,
        group="backbone" if regime is None else "trained",
        definition={**kind, **({"dim": dim} if dim else {})},
    )


def _split(name: str) -> tuple[str | None, str] | None:
    """The regime and the network in a space's name; None when it has none of torchvision's."""
    regime, at, network = name.rpartition("@")
    if (at and regime not in REGIMES) or network == RESNET18 or network not in networks.names():
        return None
    return (regime or None), network


def _named(name: str, get: Callable[[str], Space]) -> Space | None:
    found = _split(name)
    if found is None:
        return None
    regime, network = found
    # Transfer learning leaves the features as they are, so they are not stored twice.
    return get(network) if regime == "transfer" else _space(name, network, 0, regime)


def _defined(name: str, definition: Definition, folder: Path) -> Space:
    found, dim = _split(name), definition.get("dim")
    if found is None or found[1] != definition.get("network"):
        raise QueryError(f"{name!r} names no network of torchvision.")
    return _space(name, found[1], _whole(name, dim), found[0])


def _whole(name: str, dim: Any) -> int:
    if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
        raise QueryError(f"The definition of {name} has no number of dimensions.")
    return dim


def of_file(name: str, path: Path, card: Mapping[str, Any], dim: int = 0) -> Space:
    """The space of a foreign network in the file `path`; `card` has its preprocessing and `layout`.

    Raises WeightsError when the preprocessing is not valid.
    """
    layout = network_files.layout_of(card, path)
    preprocess = preprocess_of(dict(card), path, least=1)
    about = f"{path.name}, input {preprocess.input_size} px"
    kept = {key: card[key] for key in network_files.FIELDS if key in card}
    return Space(
        name=name,
        title=f"{name} features",
        dim=dim,
        dtype="float32",
        about=f"output of the network in the file {path.name}, averaged over positions where it is a map",
        needs_weights=True,
        network=path.name,
        engine=partial(file_engine, layout=layout),
        dim_of=partial(_outputs, layout=layout),
        own=Weights(path.name, "", preprocess, path, about, network=path.name),
        definition={"kind": FILE, "path": str(path), "card": kept, **({"dim": dim} if dim else {})},
    )


def from_file(path: Path, name: str | None, card: Path | None) -> Space:
    """The space of the foreign network in `path`, called `name` or after the file; `card` is the file of its
    preprocessing. Loads the network.

    Raises WeightsError when the network or its preprocessing cannot be used, QueryError when the name cannot.
    """
    name = name or re.sub(r"[^a-z0-9_-]", "_", path.stem.lower())
    if not _FILE_NAME.fullmatch(name) or name in TAKEN or name in networks.names():
        raise QueryError(unusable_name(name))
    loaded = network_files.load(path)
    read = network_files.read_preprocessing(path, card, loaded)
    space = of_file(name, path, read)
    network_files.outputs(
        loaded, path, preprocess_of(dict(read), path, least=1).input_size, network_files.layout_of(read, path)
    )
    return space


def unusable_name(name: str) -> str:
    """The error for a name that no space of a network's file can have."""
    return (
        f"A network's space cannot be called {name!r}: a name has lower-case letters, digits, - and _, at most 40, and "
        "is that of no other network."
    )


def _file_defined(name: str, definition: Definition, folder: Path) -> Space:
    path, card = definition.get("path"), definition.get("card")
    if not (isinstance(path, str) and network_files.is_network(Path(path)) and isinstance(card, dict)):
        raise QueryError(f"The definition of {name} names no file of a network.")
    return of_file(name, Path(path), card, _whole(name, definition.get("dim")))


KINDS: Final = (Kind(NETWORK, _defined, _named), Kind(TRAINED, _defined), Kind(FILE, _file_defined))
