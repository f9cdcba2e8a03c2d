"""The classification networks of torchvision: their names, their features, and how weights get into them.

The features of a photo are what the last linear layer gets. That layer is found by running the network without data,
so no table of layers has to be kept. Where the layer's input is a map (n, c, h, w), as SqueezeNet's is, it is averaged
over the positions: features are (n, d), float32. Names are read in torchvision's source, so no name costs its import.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lib.errors import QueryError, WeightsError
from lib.learn import network_tensors
from lib.learn.backbone import RESNET18, Weights
from lib.learn.preprocess import Preprocess

if TYPE_CHECKING:
    import torch

# What marks a classification network in torchvision's source (torchvision.models._api).
_BUILDER: Final = re.compile(r"^@register_model\(\)\n(?:@[^\n]*\n){0,4}def (\w{1,60})\(", re.MULTILINE)
# Functions that average a map over its positions: in torch a network uses one of them.
_AVERAGES: Final = frozenset({"adaptive_avg_pool2d", "avg_pool2d", "mean"})
# Largest relative difference between the average of a map and the features at which both are the same.
_SAME: Final = 1e-4
CLASSES: Final = 1000  # ImageNet's


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """torchvision's classification networks, sorted; none where torchvision is missing. Imports neither."""
    spec = importlib.util.find_spec("torchvision")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    files = [file for folder in folders for file in sorted((Path(folder) / "models").glob("*.py"))]
    return tuple(sorted({name for file in files for name in _BUILDER.findall(file.read_text(encoding="utf-8"))}))


def check(name: str) -> None:
    """Raises QueryError when torchvision has no classification network of this name."""
    if name not in names():
        raise QueryError(unknown_network(name))


def unknown_network(name: str) -> str:
    """The error for a network that torchvision lacks."""
    return f"There is no network called {name!r} in torchvision; choose one of {', '.join(names())}."


@dataclass(frozen=True)
class Structure:
    """What a network's run without data shows: the name of its last linear layer, `head`, and the number `features` of
    its inputs; `arguments` are the builder's for this size of input."""

    head: str
    features: int
    arguments: Mapping[str, Any]


@lru_cache(maxsize=256)
def structure(name: str, side: int) -> Structure:
    """The structure of a network for square inputs of `side` px.

    Raises WeightsError when the network does not take inputs of this size.
    """
    # Vision transformers and MaxViT are built for one size of input.
    for arguments in ({}, {"image_size": side}, {"input_size": (side, side)}):
        try:
            network = _without_data(name, arguments)
            head, features = _head(network, side)
        except (RuntimeError, AssertionError, TypeError, ValueError):
            continue
        return Structure(head, features, arguments)
    raise WeightsError(wrong_side(name, side))


def wrong_side(name: str, side: int) -> str:
    """The error for an input that a network does not take."""
    return f"The network {name} does not take inputs of {side} px."


def _without_data(name: str, arguments: Mapping[str, Any]) -> torch.nn.Module:
    import torch

    try:
        with torch.device("meta"):
            return _built(name, CLASSES, arguments)
    except NotImplementedError:  # RegNet computes its widths with tensors
        return _built(name, CLASSES, arguments)


def _built(name: str, classes: int, arguments: Mapping[str, Any]) -> torch.nn.Module:
    """The network without auxiliary classifiers, which GoogLeNet and Inception have for training alone."""
    from torchvision.models import get_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on how the two initialise their weights
        network: Any = get_model(name, weights=None, num_classes=classes, **arguments)
    if hasattr(network, "aux_logits"):
        network.aux_logits = False
        for child in [child for child, _ in network.named_children() if child.lower().startswith("aux")]:
            setattr(network, child, None)
    return network  # type: ignore[no-any-return]


def _head(network: torch.nn.Module, side: int) -> tuple[str, int]:
    """The name of the layer that is linear and runs last, and the number of its inputs. A network without a linear
    layer has a convolution of 1 × 1 in its place."""
    import torch

    ran: list[tuple[str, bool, int]] = []

    def note(name: str) -> Any:
        return lambda module, inputs: ran.append((name, isinstance(module, torch.nn.Linear), inputs[0].shape[1]))

    layers = (torch.nn.Linear, torch.nn.Conv2d)
    hooks = [
        module.register_forward_pre_hook(note(name))
        for name, module in network.named_modules()
        if isinstance(module, layers)
    ]
    network.eval()
    try:
        with torch.inference_mode():
            network(torch.empty(2, 3, side, side, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    linear = [(name, features) for name, is_linear, features in ran if is_linear]
    return (linear or [(name, features) for name, _, features in ran])[-1]


def parameter_names(weights: Weights) -> list[str]:
    """The names of the network's parameter tensors, in order."""
    found = structure(weights.network, weights.preprocess.input_size)
    return [name for name, _ in _without_data(weights.network, found.arguments).named_parameters()]


def takes(weights: Weights, sides: Iterable[int]) -> bool:
    """Whether one network of these weights takes square inputs of all of these sides, px. A file of weights fits the
    network that is built for the size of its own input."""
    built_for = {weights.preprocess.input_size} if weights.path is not None else set()
    try:
        found = [structure(weights.network, side) for side in {*sides, *built_for}]
    except WeightsError:
        return False
    return all(each.arguments == found[0].arguments for each in found)


def classifier(weights: Weights, classes: int = CLASSES) -> torch.nn.Module:
    """The network of `weights`, with them everywhere except in its new last layer of `classes` outputs.

    Raises WeightsError when the weights do not fit.
    """
    import torch

    found = structure(weights.network, weights.preprocess.input_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        network: Any = _built(weights.network, classes, found.arguments)
    if weights.path is not None:
        network_tensors.load(weights.path, network, weights.network, found.head)
    # GoogLeNet and Inception were trained on other means than their weights' transforms have, and convert the input.
    if hasattr(network, "transform_input"):
        network.transform_input = True
    return network  # type: ignore[no-any-return]


class _ReachedError(Exception):
    """Carries the last layer's input out of a forward pass, which need not go on. Threads do not share it."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


@dataclass(frozen=True)
class FeatureNetwork:
    """A network up to its last layer. Calls may run in several threads at once."""

    network: Any

    def inputs(self, batch: Any) -> Any:
        """What the last layer gets for a batch (n, 3, side, side)."""
        try:
            self.network(batch)
        except _ReachedError as reached:
            return reached.found
        raise AssertionError("the last layer ran when the structure was found")

    def __call__(self, batch: Any) -> Any:
        """The features (n, d) of a batch, float32."""
        return pooled(self.inputs(batch))

    def maps(self, batch: Any) -> Any:
        """The maps (n, d, h, w) that the network averages last before its last layer; None where it averages none."""
        with _averaged() as maps:
            found = self.inputs(batch)
        return found if found.ndim == 4 else (maps[-1] if maps else None)

    def averages(self, batch: Any) -> bool:
        """Whether the features of a batch are the averages of `maps`, with nothing done to them in between."""
        import torch

        with torch.inference_mode():
            maps, features = self.maps(batch), self(batch)
        if maps is None or maps.shape[:2] != features.shape:
            return False
        apart = (pooled(maps) - features).abs().max()
        return bool(apart <= _SAME * features.abs().max().clamp_min(1e-12))


def pooled(values: Any) -> Any:
    """Features (n, d), float32, of features or of maps (n, d, h, w)."""
    return values.float().mean((2, 3)) if values.ndim == 4 else values.float()


def features(weights: Weights) -> FeatureNetwork:
    """The network of `weights` up to its last layer, in evaluation mode. Raises WeightsError when they do not fit."""
    import torch

    network: Any = classifier(weights).eval().requires_grad_(False)
    head = network.get_submodule(structure(weights.network, weights.preprocess.input_size).head)

    def reach(module: Any, inputs: Any) -> None:
        raise _ReachedError(inputs[0])

    head.register_forward_pre_hook(reach)
    return FeatureNetwork(network.to(memory_format=torch.channels_last))


@contextmanager
def _averaged() -> Iterator[list[Any]]:
    """The maps (n, c, h, w) that this thread averages over their positions in the block, in order."""
    import torch
    from torch.overrides import TorchFunctionMode

    found: list[Any] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            output = func(*args, **(kwargs or {}))
            if getattr(func, "__name__", "") in _AVERAGES and isinstance(args[0], torch.Tensor):
                maps = args[0]
                if maps.ndim == 4 and output.shape[:2] == maps.shape[:2] and output.numel() == maps[:, :, 0, 0].numel():
                    found.append(maps)
            return output

    with Watch():
        yield found


@dataclass(frozen=True)
class Published:
    """The weights that torchvision publishes for a network: their `label`, address, rounded size in bytes, and
    preprocessing."""

    label: str
    url: str
    bytes: int
    preprocess: Preprocess


@lru_cache(maxsize=256)
def published(name: str) -> Published:
    """torchvision's default weights of a network. Imports torchvision."""
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(name).DEFAULT
    transforms: Any = weights.transforms()
    return Published(
        weights.name,
        weights.url,
        round(weights.meta["_file_size"] * 2**20),
        Preprocess(
            resize=tuple(int(side) for side in transforms.resize_size),
            crop=int(transforms.crop_size[0]),
            mean=tuple(map(float, transforms.mean)),
            std=tuple(map(float, transforms.std)),
            interpolation=str(transforms.interpolation.value),
        ),
    )


def head_of(weights: Weights) -> str:
    """The name of the last layer of a network."""
    return "fc" if weights.network == RESNET18 else structure(weights.network, weights.preprocess.input_size).head
