"""Weights of a ResNet18 in files as people have them: wrapped, prefixed, in half or double precision.

Invariant: reading a file runs no code of the file. torch files are read with `weights_only`; what that refuses is
named, with the way to save it anew.
"""

from __future__ import annotations

import argparse
import itertools
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lib import text
from lib.errors import Remedy, WeightsError

if TYPE_CHECKING:
    import torch

# Keys under which training programs keep the network beside their other state, in the order of preference.
WRAPPERS: Final = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "backbone",
    "encoder",
    "weights",
)
# Of two copies of one network in a file, a moving average is not the one that was trained (He et al. 2020, MoCo).
_AVERAGE: Final = re.compile(r"(?:^|[._])(?:encoder_k|ema|momentum|target)(?:[._]|$)")
_CLASSIFIER: Final = "fc."
# The numbers that `nn.Sequential(*resnet.children())` gives to the parts of a ResNet.
_NUMBERED: Final = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}

SAVE_ANEW: Final = "save the weights alone with torch.save(model.state_dict(), FILE)"
FETCH_AGAIN: Final = "fetch it again"
# What a file is by its first bytes, and the way out.
_KINDS: Final = (
    (
        rb"version https://git-lfs",
        "is a Git LFS pointer instead of the weights",
        "fetch them with git lfs pull where it lies, or download the file itself",
    ),
    (
        rb"\s*<(!doctype|html|\?xml)",
        "is a web page instead of the weights",
        "the download asked for a login or a confirmation: fetch it again in a browser",
    ),
    (rb"\x89HDF\r\n", "is an HDF5 file, as Keras writes them", "name a file of torch or safetensors"),
    (rb"GGUF|.{4}TFL3", "is a file of another framework", "name a file of torch or safetensors"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|.{257}ustar", "is an archive", "unpack it and name the file in it"),
)
_ONNX: Final = ("is an ONNX file", f"in the program that exported it, {SAVE_ANEW}")
_SCRIPT: Final = (
    "is a TorchScript program",
    "save its weights with torch.save(torch.jit.load(FILE).state_dict(), OTHER_FILE)",
)
_EMPTY: Final = ("is empty (0 bytes)", FETCH_AGAIN)
_CUT_OFF: Final = ("is damaged: its end is missing", FETCH_AGAIN)
_NOTHING: Final = ("is damaged or not a weights file", FETCH_AGAIN)
_QUANTISED: Final = "holds quantised numbers"


@dataclass(frozen=True)
class StoredWeights:
    """The tensors of a file by torchvision's names, in float32; `adapted` says how the file differs from that, ""
    where it does not."""

    tensors: dict[str, torch.Tensor]
    adapted: str


def read(path: Path, known: Mapping[str, torch.Size]) -> StoredWeights:
    """The weights in `path` for a network whose tensors have the names and shapes `known`, but for its classifier.

    Raises WeightsError that says what the file is instead, or names the first tensor that does not fit.
    """
    notes: list[str] = []
    tensors = _unprefixed(path, tensors_in(path, notes), notes)
    tensors = {name: value for name, value in tensors.items() if not name.startswith(_CLASSIFIER)}
    _check(path, tensors, {name: shape for name, shape in known.items() if not name.startswith(_CLASSIFIER)})
    return StoredWeights(converted(path, tensors, notes), ", ".join(notes))


def tensors_in(path: Path, notes: list[str]) -> dict[str, torch.Tensor]:
    """The tensors of a file by their names in it; `notes` gets what had to be done. Raises WeightsError as `read`."""
    return _unwrapped(path, _load(path), notes)


def converted(path: Path, tensors: Mapping[str, torch.Tensor], notes: list[str]) -> dict[str, torch.Tensor]:
    """`tensors` with real numbers in float32. Raises WeightsError when one is not finite."""
    kinds = sorted({str(value.dtype).removeprefix("torch.") for value in tensors.values() if value.is_floating_point()})
    if other := [kind for kind in kinds if kind != "float32"]:
        notes.append(f"{' and '.join(other)} converted to float32")
    made = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    for name, value in made.items():
        if not bool(value.isfinite().all()):
            raise _error(path, f"contains NaN or infinite numbers ({name})", FETCH_AGAIN)
    return made


def _error(path: Path, problem: str, way: str) -> WeightsError:
    return WeightsError(f"The weights file {path} {problem}; {way}.")


def misfit(path: Path, why: str, network: str = "ResNet18") -> WeightsError:
    """The error for a file of weights that are not the network's."""
    problem = f"{path.name} does not hold a {network} in torchvision's layout: {why}"
    return WeightsError(problem, remedy=Remedy.CHOOSE_WEIGHTS)


# --- What the file is ------------------------------------------------------------------------------------------------


def _load(path: Path) -> object:
    """The content of a file. Raises WeightsError that says what else the file is."""
    try:
        with path.open("rb") as file:
            head = file.read(1000)
    except OSError as error:
        raise _error(path, f"cannot be read ({error.strerror})", "name another file") from error
    if not head:
        raise _error(path, *_EMPTY)
    for pattern, problem, way in _KINDS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            raise _error(path, problem, way)
    if path.suffix == ".onnx" or (head[:1] == b"\x08" and (b"pytorch" in head or b"onnx" in head)):
        raise _error(path, *_ONNX)
    if head.startswith(b"PK\x03\x04"):
        _check_zip(path)
    if head[8:9] == b"{":
        return _load_safetensors(path, int.from_bytes(head[:8], "little"))
    return _load_torch(path)


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise _error(path, *_CUT_OFF) from error
    if any(name.endswith(("/constants.pkl", ".debug_pkl")) or "/code/" in name for name in names):
        raise _error(path, *_SCRIPT)
    if not any(name.endswith("data.pkl") for name in names):
        inside = ", ".join(map(text.shown_name, names[:2])) or "nothing"
        raise _error(path, f"is an archive without torch's weights (it has {inside})", "unpack it or name another file")


def _load_safetensors(path: Path, header: int) -> object:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # safetensors raises many types for a damaged file
        whole = header < path.stat().st_size and "ncomplete" not in str(error)
        raise _error(path, *(_NOTHING if whole else _CUT_OFF)) from error


def _load_torch(path: Path) -> object:
    import torch

    try:
        # Training programs keep their options beside the weights: a Namespace holds values and runs nothing.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged or foreign file
        if found := re.search(r"(?:GLOBAL|[Uu]nsupported class|type) ([A-Za-z_][\w]*(?:\.\w+)+)", str(error)):
            problem = f"holds pickled Python objects ({text.shown_name(found[1])}), and reading those could run code"
            raise _error(path, problem, f"in the program that made it, {SAVE_ANEW}") from error
        raise _error(path, *_NOTHING) from error


# --- Wrappers and prefixes -------------------------------------------------------------------------------------------


def _unwrapped(path: Path, content: object, notes: list[str]) -> dict[str, torch.Tensor]:
    """The dictionary of tensors in `content`, which may lie under a key, or under several."""
    import torch

    wrappers: list[str] = []
    while isinstance(content, dict):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
        inner = [name for name, value in content.items() if isinstance(value, dict) and _has_tensors(value)]
        if not inner or "param_groups" in content or any(name.endswith("conv1.weight") for name in tensors):
            break
        known = [name for name in WRAPPERS if name in inner]
        if not known and len(inner) > 1:
            names = ", ".join(text.shown_name(str(name)) for name in inner[:3])
            raise misfit(path, f"it has several networks ({names})")
        wrappers.append(str(known[0] if known else inner[0]))
        content = content[known[0] if known else inner[0]]
    if not isinstance(content, dict):
        raise misfit(path, f"it is a {type(content).__name__} instead of tensors with names")
    if wrappers:
        notes.append(f"taken from {text.shown_name('.'.join(wrappers))}")
    if not tensors:
        raise misfit(path, "it has no tensors with names")
    return tensors


def _has_tensors(value: Mapping[Any, object], depth: int = 3) -> bool:
    """Whether a dictionary is a network's: names and tensors, perhaps under further keys. An optimizer's is not."""
    import torch

    if depth == 0 or "param_groups" in value:
        return False
    return any(
        (isinstance(each, torch.Tensor) and isinstance(name, str))
        or (isinstance(each, dict) and _has_tensors(each, depth - 1))
        for name, each in value.items()
    )


def _unprefixed(path: Path, tensors: dict[str, torch.Tensor], notes: list[str]) -> dict[str, torch.Tensor]:
    """`tensors` by names without the prefix that all of the network's have; tensors of other networks are left out."""
    named = _prefixes(tensors, "conv1.weight", "layer1.0.conv1.weight")
    numbered = [] if named else _prefixes(tensors, "0.weight", "4.0.conv1.weight")
    prefixes = _without_averages(named or numbered)
    if not prefixes:  # not a ResNet: the first foreign name is the reason
        common = _common_prefix(tensors)
        return {name.removeprefix(common): value for name, value in tensors.items()}
    if len(prefixes) > 1:
        names = ", ".join(text.shown_name(prefix) for prefix in prefixes[:3])
        raise misfit(path, f"it has several networks ({names})")
    (prefix,) = prefixes
    found = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    if prefix:
        notes.append(f"prefix {text.shown_name(prefix)} removed")
        if others := len(tensors) - len(found):
            notes.append(f"{text.counted(others, 'other tensor')} left out")
    if numbered:
        notes.append("parts renamed by their number")
        found = _renamed(found)
    return found


def _prefixes(tensors: Iterable[str], first: str, second: str) -> list[str]:
    """What stands before the names `first` and `second` alike."""
    names = set(tensors)
    candidates = (name.removesuffix(first) for name in tensors if name.endswith(first))
    return [prefix for prefix in candidates if f"{prefix}{second}" in names and (not prefix or prefix.endswith("."))]


def _without_averages(prefixes: list[str]) -> list[str]:
    trained = [prefix for prefix in prefixes if not _AVERAGE.search(prefix)]
    return trained or prefixes


def _renamed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {}
    for name, value in tensors.items():
        number, _, rest = name.partition(".")
        if number in _NUMBERED:
            renamed[f"{_NUMBERED[number]}.{rest}"] = value
        elif not number.isdecimal():
            renamed[name] = value
    return renamed


def _common_prefix(names: Iterable[str]) -> str:
    """The parts that all names begin with, each with its dot."""
    parts = [name.split(".")[:-1] for name in names]
    common = parts[0]
    for other in parts[1:]:
        pairs = zip(common, other, strict=False)
        common = [part for part, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)]
    return "".join(f"{part}." for part in common)


# --- Whether the tensors are a ResNet18's ----------------------------------------------------------------------------


def _check(path: Path, tensors: Mapping[str, torch.Tensor], known: Mapping[str, torch.Size]) -> None:
    """Raises WeightsError that names the first tensor that does not fit the network."""
    for name in tensors:
        if name not in known:
            raise misfit(path, f"{text.shown_name(name)} {_foreign(name)}")
    for name, shape in known.items():
        if name not in tensors:
            if name.endswith("num_batches_tracked"):
                continue
            raise misfit(path, f"{name} is missing")
        if tensors[name].is_quantized or not (tensors[name].is_floating_point() or "num_batches" in name):
            raise misfit(path, f"{name} {_QUANTISED}")
        if tensors[name].shape != shape:
            raise misfit(path, f"{name} has the shape {_sides(tensors[name].shape)}, not {_sides(shape)}")


def _sides(shape: Iterable[int]) -> str:
    return " × ".join(map(str, shape)) or "of a single number"


def _foreign(name: str) -> str:
    """What a tensor of this name belongs to, as far as its name says."""
    if re.match(r"layer[1-4]\.\d+\.(conv|bn|downsample)", name):
        return "belongs to a deeper ResNet"
    if re.match(r"(cls_token|pos_embed|patch_embed|blocks?\.|encoder\.(layer|ln)|class_token|conv_proj)", name):
        return "belongs to a vision transformer"
    if re.match(r"(resnet\.)?(embedder|encoder\.stages)\.", name):
        return "belongs to a ResNet in Hugging Face's layout"
    if re.match(r"(features|classifier)\.", name):
        return "belongs to another network (VGG, DenseNet, MobileNet, EfficientNet or the like)"
    return "is no part of a ResNet18"
