"""Weights of torchvision's networks other than ResNet18: from torch's cache, a download, or a file of the user.

torchvision publishes the first eight digits of each file's hash in its name; they are compared after the download and
whenever the file is looked for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lib import artifacts
from lib.data.remote import Remote
from lib.documents.embeddings import WeightsRecord
from lib.errors import DownloadError, OfflineError, Remedy, WeightsError
from lib.learn import network_files, networks
from lib.learn.backbone import Weights, file_hash
from lib.learn.preprocess import Preprocess, preprocess_of, read_card
from lib.progress import Progress
from lib.settings import DEFAULT_SEED, Settings

_PUBLISHED_HASH: Final = re.compile(r"-([0-9a-f]{8,64})\.pth$")
# Share of the published size, in MB with three decimals, by which a file may differ from it.
_SLACK: Final = 0.01


def choose(
    settings: Settings, network: str, *, progress: Progress | None = None, remote: Remote | None = None
) -> Weights:
    """The weights of `network` that the user named, else torchvision's default, from torch's cache or downloaded.

    `remote` replaces torchvision's download. Imports torchvision. Raises WeightsError when named weights are missing or
    damaged, or when there are none and none can be downloaded.
    """
    named = settings.weights_of(network)
    if named == "random":
        return random(network)
    if named not in {None, "imagenet"}:
        return from_file(Path(str(named)).expanduser(), network)
    published = networks.published(network)
    source = remote or _remote(published)
    folder = settings.torch_home / "hub" / "checkpoints"
    from lib.data import download

    try:
        path = download.fetch(source, folder, offline=settings.offline, progress=progress)
    except OfflineError as error:
        named_file = settings.command_to_prepare(spaces=network, weights=f"{network}=FILE")
        raise WeightsError(
            absent(network, folder / source.filename), remedy=Remedy.GIVE_WEIGHTS, command=named_file
        ) from error
    except DownloadError as error:
        raise WeightsError(error.problem, remedy=error.remedy, command=error.command) from error
    side = published.preprocess.input_size
    return Weights(
        name="imagenet",
        sha256=file_hash(path),
        preprocess=published.preprocess,
        path=path,
        about=f"{network} pretrained on ImageNet (torchvision {published.label}), input {side} px",
        network=network,
    )


def absent(network: str, file: Path) -> str:
    """The problem of weights that are not on this machine, which is offline."""
    return f"The space {network} needs the weights {file}, which are not there and cannot be downloaded now"


def _remote(published: networks.Published) -> Remote:
    filename = published.url.rpartition("/")[2]
    found = _PUBLISHED_HASH.search(filename)
    if found is None:
        raise WeightsError(f"torchvision publishes {filename} without a hash, so it is not downloaded.")
    return Remote(published.url, filename, published.bytes, found[1], round(published.bytes * _SLACK))


def random(network: str, seed: int = DEFAULT_SEED, preprocess: Preprocess | None = None) -> Weights:
    """An untrained network, initialised by torch under `seed`. Without `preprocess` it has that of the published
    weights."""
    preprocess = preprocess or networks.published(network).preprocess
    return Weights(
        name="random",
        sha256=artifacts.digest("random", network, seed),
        preprocess=preprocess,
        path=None,
        about=f"{network} with random weights (seed {seed}), input {preprocess.input_size} px",
        seed=seed,
        network=network,
    )


def from_file(path: Path, network: str, *, name: str = "", about: str = "") -> Weights:
    """Weights of `network` in a file, with the preprocessing of its card, else that of the published weights.

    Raises WeightsError when the file is missing, or its card is damaged or of other weights.
    """
    if not path.is_file():
        raise WeightsError(f"The weights file {path} does not exist", remedy=Remedy.CHOOSE_WEIGHTS)
    card = path.with_suffix(".json")
    content = read_card(card) if card.is_file() else None
    preprocess = networks.published(network).preprocess if content is None else preprocess_of(content, card)
    sha256 = file_hash(path)
    if content is not None and content.get("sha256", sha256) != sha256:
        raise WeightsError(
            f"The weights file {path} is damaged, or {card.name} beside it belongs to other weights; fetch both again."
        )
    about = about or f"{network} weights from {path.name}, input {preprocess.input_size} px"
    return Weights(name or path.name, sha256, preprocess, path, about, network=network)


def from_record(record: WeightsRecord) -> Weights:
    """The weights of a record, with its preprocessing; imports nothing heavy. Raises WeightsError when the file is
    missing."""
    network, kept = str(record["network"]), record["preprocess"]
    preprocess = preprocess_of({**kept}, Path(f"preprocessing of {record['name']}"), least=1)
    path = Path(record["path"]) if record["path"] is not None else None
    if path is None:
        return random(network, int(record["seed"]), preprocess)
    if not path.is_file():
        raise WeightsError(f"The weights file {path} does not exist", remedy=Remedy.CHOOSE_WEIGHTS)
    sha256 = network_files.file_hash(path) if network_files.is_network(path) else file_hash(path)
    return Weights(record["name"], sha256, preprocess, path, record["about"], network=network)
