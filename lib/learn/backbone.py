"""The ResNet18 backbone and its weights: which weights are available, their preprocessing, and loading them.

Every set of weights has its own preprocessing. Loading never runs pickled code: files are safetensors, or torch files
read with `weights_only`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import artifacts
from lib.documents.embeddings import PreprocessRecord, WeightsProvenance, WeightsRecord
from lib.errors import DownloadError, Remedy, WeightsError
from lib.learn.preprocess import BILINEAR, Preprocess, preprocess_of, read_card
from lib.progress import Progress, Warn, no_message
from lib.settings import ASSETS, DEFAULT_SEED, Settings

if TYPE_CHECKING:
    import torch

    from lib.data.remote import Remote
    from lib.learn.weights_file import StoredWeights

RESNET18 = "resnet18"
FEATURES = 512
BUNDLED = ASSETS / "weights" / "resnet18_tinyimagenet.safetensors"
# torchvision's own preset for ResNet18_Weights.IMAGENET1K_V1 (torchvision.models documentation).
IMAGENET_PREPROCESS = Preprocess(resize=(256,), crop=224)


@dataclass(frozen=True)
class Weights:
    """Named weights of a `network`. Random weights have a `seed` and no `path`; `about` describes them on screens."""

    name: str
    sha256: str
    preprocess: Preprocess
    path: Path | None
    about: str
    seed: int = 0
    # torchvision's name of the network, or the name of a foreign network's file.
    network: str = RESNET18

    def provenance(self) -> WeightsProvenance:
        """The weights' part of an artifact's provenance, in JSON types only, so that it equals its copy read back."""
        preprocess: PreprocessRecord = {
            "resize": list(self.preprocess.resize),
            "crop": self.preprocess.crop,
            "mean": list(self.preprocess.mean),
            "std": list(self.preprocess.std),
        }
        if self.preprocess.interpolation != BILINEAR:
            preprocess["interpolation"] = self.preprocess.interpolation
        made: WeightsProvenance = {
            "name": self.name,
            "sha256": self.sha256,
            "about": self.about,
            "preprocess": preprocess,
        }
        if self.network != RESNET18:
            made["network"] = self.network
        return made

    def record(self) -> WeightsRecord:
        """Provenance, and the path and seed by which `from_kept` finds these weights again on this machine."""
        return {**self.provenance(), "path": str(self.path) if self.path else None, "seed": self.seed}


def choose(
    settings: Settings,
    *,
    progress: Progress | None = None,
    warn: Warn = no_message,
    remote: Remote | None = None,
) -> Weights:
    """The weights in `settings`, else ImageNet's (from torch's cache or downloaded), else the bundled weights.

    `remote` replaces torchvision's download of the ImageNet weights. `warn` gets a notice when the bundled weights
    replace them. Raises WeightsError when named weights are missing or damaged, DownloadError when named ImageNet
    weights cannot be downloaded.
    """
    named = settings.weights
    if named == "bundled":
        return bundled()
    if named == "random":
        return random()
    if named not in {None, "imagenet"}:
        return from_file(Path(str(named)).expanduser())
    from lib.data import download
    from lib.data.remote import IMAGENET_RESNET18

    folder = settings.torch_home / "hub" / "checkpoints"
    try:
        source = remote or IMAGENET_RESNET18
        return _imagenet(download.fetch(source, folder, offline=settings.offline, progress=progress))
    except DownloadError as error:
        if named == "imagenet":
            raise
        warn(replace(error.notice, outcome="Using the bundled Tiny ImageNet weights instead."))
        return bundled()


def bundled() -> Weights:
    """Our own ResNet18, pretrained on Tiny ImageNet, for machines without internet."""
    return from_file(BUNDLED, name="bundled", about="ResNet18 pretrained on Tiny ImageNet (bundled), input 128 px")


def random(seed: int = DEFAULT_SEED) -> Weights:
    """An untrained ResNet18, initialised by torch under `seed` (not the seed of the split)."""
    return Weights(
        name="random",
        sha256=artifacts.digest("random", seed),
        preprocess=IMAGENET_PREPROCESS,
        path=None,
        about=f"ResNet18 with random weights (seed {seed}), input 224 px",
        seed=seed,
    )


def from_record(record: WeightsRecord) -> Weights:
    """The weights of a `Weights.record` of ResNet18. Raises WeightsError when their file is missing."""
    if record["path"] is None:
        return random(int(record["seed"]))
    if record["name"] == "bundled":  # this copy of Petalscope may have moved
        return bundled()
    path = Path(record["path"])
    if record["name"] == "imagenet" and path.is_file():
        return _imagenet(path)
    return from_file(path, name=record["name"], about=record.get("about", ""))


def _imagenet(path: Path) -> Weights:
    return Weights(
        name="imagenet",
        sha256=file_hash(path),
        preprocess=IMAGENET_PREPROCESS,
        path=path,
        about="ResNet18 pretrained on ImageNet (torchvision IMAGENET1K_V1), input 224 px",
    )


def from_file(path: Path, *, name: str = "", about: str = "") -> Weights:
    """Weights of a ResNet18 in a file (`.safetensors`, `.pth`, `.pt`; see `weights_file`).

    A card, which is a JSON file of the same name, may give their preprocessing and SHA-256; without it, the
    preprocessing is ImageNet's. Raises WeightsError when the file is missing, or its card is damaged or of other
    weights.
    """
    if not path.is_file():
        raise WeightsError(f"The weights file {path} does not exist", remedy=Remedy.CHOOSE_WEIGHTS)
    card = path.with_suffix(".json")
    content = read_card(card) if card.is_file() else None
    preprocess = IMAGENET_PREPROCESS if content is None else preprocess_of(content, card)
    sha256 = file_hash(path)
    if content is not None and content.get("sha256", sha256) != sha256:
        raise WeightsError(
            f"The weights file {path} is damaged, or {card.name} beside it belongs to other weights; fetch both again."
        )
    return Weights(
        name=name or path.name,
        sha256=sha256,
        preprocess=preprocess,
        path=path,
        about=about or f"ResNet18 weights from {path.name}, input {preprocess.input_size} px",
    )


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a weights file, read once until the file changes. Raises WeightsError when it cannot be read."""
    return _hash_of(path, artifacts.stamp(path))


@lru_cache(maxsize=64)
def _hash_of(path: Path, stamp: artifacts.FileStamp | None) -> str:
    try:
        return artifacts.file_hash(path)
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read ({error.strerror}).") from error


def features(weights: Weights) -> torch.nn.Module:
    """ResNet18 without its classifier, in evaluation mode: (n, 3, h, w) float32 → (n, 512) float32.

    BatchNorm is folded into the convolutions and memory is channels-last: 1.3 times faster on a CPU, with features
    within 1e-12 cosine distance of the unfolded network. Raises WeightsError when the weights do not fit.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    network: Any = resnet18(weights)
    network.fc = torch.nn.Identity()
    network.eval()
    for module in [network, *(block for stage in stages(network) for block in stage)]:
        for conv, norm in (("conv1", "bn1"), ("conv2", "bn2")):
            if hasattr(module, conv):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, torch.nn.Identity())
        if getattr(module, "downsample", None) is not None:
            module.downsample = fuse_conv_bn_eval(module.downsample[0], module.downsample[1])
    return network.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[no-any-return]


def stages(network: Any) -> list[Any]:
    """The four stages of a ResNet18, of two blocks each."""
    return [network.layer1, network.layer2, network.layer3, network.layer4]


def stage_maps(network: Any, batch: Any) -> Iterator[Any]:
    """The feature maps (n, c, h, w) of a batch (n, 3, side, side) after the stem and after each of the four stages.

    c is 64, 64, 128, 256 and 512; h and w are a quarter of the input's, a quarter, and half of the one before.
    """
    maps = network.maxpool(network.relu(network.bn1(network.conv1(batch))))
    yield maps
    for stage in stages(network):
        maps = stage(maps)
        yield maps


def last_maps(network: Any, batch: Any) -> Any:
    """The feature maps (n, 512, h, w) that the network averages over their positions into its features."""
    *_, last = stage_maps(network, batch)
    return last


def resnet18(weights: Weights, classes: int = 1000) -> torch.nn.Module:
    """torchvision's ResNet18 with `weights` everywhere except in its new classifier of `classes` outputs.

    Raises WeightsError when the weights do not fit the network.
    """
    import torch
    from torchvision.models import resnet18 as build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        network: torch.nn.Module = build(weights=None, num_classes=classes)
    if weights.path is not None:
        network.load_state_dict(_stored(weights.path, network).tensors, strict=False)
    return network


def adapted(weights: Weights) -> tuple[Weights, str]:
    """`weights` with a description that says how their file was adapted to the network, and a sentence about it.

    The sentence is empty, and the weights are unchanged, where nothing had to be adapted. Imports torch and reads the
    file. Raises WeightsError when the weights do not fit.
    """
    if weights.path is None or weights.name in {"imagenet", "bundled"}:
        return weights, ""
    import torch
    from torchvision.models import resnet18 as build

    with torch.device("meta"):
        how = _stored(weights.path, build(weights=None)).adapted
    if not how:
        return weights, ""
    file = weights.path.name
    return replace(weights, about=weights.about.replace(file, f"{file} ({how})", 1)), f"The weights file {file}: {how}."


def _stored(path: Path, network: torch.nn.Module) -> StoredWeights:
    from lib.learn import weights_file

    return weights_file.read(path, {name: value.shape for name, value in network.state_dict().items()})
