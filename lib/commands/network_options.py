"""The options that name networks and their weights."""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.learn import networks
from lib.learn.backbone import RESNET18


def add_weights(command: argparse.ArgumentParser) -> None:
    """`--weights`, which may be given several times."""
    help_ = "imagenet, bundled, random or a weights file; NETWORK=NAME for another network than ResNet18; repeatable"
    command.add_argument("--weights", action="append", metavar="NAME", help=help_)


def add_file(command: argparse.ArgumentParser) -> None:
    """A network in a file, its preprocessing, and the name of its space."""
    help_ = "a network of your own: a program of torch.export (.pt2) or an ONNX file"
    command.add_argument("--network", type=Path, metavar="FILE", help=help_)
    help_ = "its preprocessing: resize, crop, mean, std, layout (default: FILE.json beside it, else ImageNet's)"
    command.add_argument("--preprocess", type=Path, metavar="JSON", help=help_)
    command.add_argument("--as", dest="as_name", metavar="NAME", help="the name of its space (default: the file's)")


def add_network(command: argparse.ArgumentParser) -> None:
    """The network that is trained."""
    help_ = "resnet18 (default), or another classification network of torchvision: vgg16, convnext_tiny, …"
    command.add_argument("--network", default=RESNET18, metavar="N", help=help_)


def weights_choice(options: argparse.Namespace) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The weights that the user named for ResNet18, and those for other networks, by network.

    Raises QueryError for a network that torchvision lacks.
    """
    chosen: str | None = None
    others: dict[str, str] = {}
    for text in getattr(options, "weights", None) or []:
        network, equals, name = text.partition("=")
        # A folder's name may have the sign, too.
        if not equals or "/" in network or "." in network:
            chosen = text
        elif network == RESNET18:
            chosen = name
        else:
            networks.check(network)
            others[network] = name
    return chosen, tuple(others.items())
