"""Which weights a network is used with: ResNet18's, those of another network of torchvision, or a foreign file's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lib.documents.embeddings import WeightsRecord
from lib.learn import backbone, network_files, network_weights
from lib.learn.backbone import RESNET18, Weights
from lib.progress import Reporter
from lib.settings import Settings


def choose(settings: Settings, network: str, reporter: Reporter) -> Weights:
    """The weights of a network of torchvision, downloaded where they are missing.

    What had to be adapted is said. Raises what `backbone.choose` and `network_weights.choose` raise.
    """
    progress = reporter.stage("download weights")
    if network != RESNET18:
        return network_weights.choose(settings, network, progress=progress)
    weights, how = backbone.adapted(backbone.choose(settings, progress=progress, warn=reporter.say))
    if how:
        reporter.say(how)
    return weights


def from_record(record: WeightsRecord) -> Weights:
    """The weights of a `Weights.record`. Imports nothing heavy. Raises WeightsError when their file is missing."""
    if record.get("network", RESNET18) != RESNET18:
        return network_weights.from_record(record)
    return backbone.from_record(record)


def are_named(recorded: WeightsRecord, name: str) -> bool:
    """Whether the weights of a record, which are not ResNet18's, are those called `name`: `imagenet`, `random` or a
    file. Imports nothing heavy. Raises WeightsError when the file cannot be read."""
    if name in {"imagenet", "random"}:
        return name == recorded["name"]
    return backbone.file_hash(Path(name).expanduser()) == recorded["sha256"]


def of_file(own: Weights) -> Weights:
    """The weights of a foreign network with the hash of its file. Raises WeightsError when the file is missing."""
    assert own.path is not None, "a foreign network has a file"
    return replace(own, sha256=network_files.file_hash(own.path))
