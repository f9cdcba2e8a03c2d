"""Foreign networks: a program of `torch.export` (`.pt2`) or an ONNX file, from photos to vectors.

A network takes one array of n normalised photos, float32 (n, 3, h, w), or (n, h, w, 3) where its layout is NHWC, and
returns float vectors (n, d), or maps (n, d, h, w) in the same layout, which are averaged over their positions. Reading
a file runs no code of it and unpickles nothing: see `exported_program`; ONNX files hold numbers and known operations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib import artifacts
from lib.errors import Remedy, WeightsError
from lib.learn import backbone, exported_program
from lib.learn.preprocess import BICUBIC, BILINEAR, preprocess_of, read_card

PT2, ONNX = ".pt2", ".onnx"
LAYOUTS: Final = ("NCHW", "NHWC")
# What the JSON of a network's preprocessing may have.
FIELDS: Final = ("resize", "crop", "mean", "std", "interpolation", "layout")
USUAL_SIDE: Final = 224
# How an ONNX file names a file of weights beside it: the entry `location` of the table of a tensor.
_BESIDE: Final = re.compile(rb"\n\x08location\x12([\x01-\x7f])")


@dataclass(frozen=True)
class LoadedNetwork:
    """`run` turns photos (n, 3, h, w), or in another layout, into the network's output. `batch` is the one n that it
    takes, `height` and `width` the one size, px; each is None where any will do. `library` and `version` compute it."""

    run: Callable[[np.ndarray], object]
    batch: int | None
    height: int | None
    width: int | None
    library: str
    version: str


def is_network(path: Path) -> bool:
    """Whether a file is a foreign network, by its ending."""
    return path.suffix.lower() in {PT2, ONNX}


def file_hash(path: Path) -> str:
    """The hash of a network's file, and of the files of weights beside it that an ONNX file names.

    Raises WeightsError when one is missing.
    """
    if not path.is_file():
        raise WeightsError(f"The network {path} does not exist", remedy=Remedy.NAME_NETWORK)
    beside = _files_beside(path, artifacts.stamp(path)) if path.suffix.lower() == ONNX else ()
    if not beside:
        return backbone.file_hash(path)
    return artifacts.digest([backbone.file_hash(each) for each in (path, *beside)])


@lru_cache(maxsize=64)
def _files_beside(path: Path, stamp: artifacts.FileStamp | None) -> tuple[Path, ...]:
    content = path.read_bytes()
    names = {content[found.end() : found.end() + found[1][0]] for found in _BESIDE.finditer(content)}
    files = []
    for name in sorted(names):
        file = path.parent / name.decode("utf-8", errors="replace")
        if file.parent != path.parent or not file.is_file():
            raise WeightsError(
                f"The network {path.name} keeps weights in {file.name}, which must lie beside it; put it there."
            )
        files.append(file)
    return tuple(files)


def read_preprocessing(path: Path, card: Path | None, loaded: LoadedNetwork) -> dict[str, Any]:
    """The preprocessing of the network `path`: of the JSON file `card`, else of one of the network's name beside it,
    else ImageNet's at the size of the network's input.

    Raises WeightsError when it is not valid, or does not give the network's input.
    """
    beside = path.with_suffix(".json")
    card = card or (beside if beside.is_file() else None)
    if card is None:
        side = loaded.height or loaded.width or USUAL_SIDE
        usual = backbone.IMAGENET_PREPROCESS
        content: dict[str, Any] = {"resize": round(side * usual.resize[0] / USUAL_SIDE), "crop": side}
        return {**content, "mean": list(usual.mean), "std": list(usual.std)}
    if not card.is_file():
        raise WeightsError(f"The preprocessing {card} does not exist", remedy=Remedy.NAME_NETWORK)
    content = read_card(card)
    if unknown := [name for name in content if name not in FIELDS]:
        raise WeightsError(f"{card} has {unknown[0]!r}; it may have {', '.join(FIELDS)}.")
    layout_of(content, card)
    if content.get("interpolation", BILINEAR) not in {BILINEAR, BICUBIC}:
        raise WeightsError(
            f"The interpolation in {card} is {content['interpolation']!r}; it must be {BILINEAR} or {BICUBIC}."
        )
    preprocess_of(content, card, least=1)
    return content


def layout_of(card: Mapping[str, Any], path: Path) -> str:
    """The order of the axes of a network's input. Raises WeightsError when there is no such order."""
    layout = card.get("layout", LAYOUTS[0])
    if layout not in LAYOUTS:
        raise WeightsError(f"The layout in {path} is {layout!r}; it must be {' or '.join(LAYOUTS)}.")
    return str(layout)


def load(path: Path) -> LoadedNetwork:
    """The network in a file, read once until the file changes.

    Raises WeightsError when the file is missing or no network, or the library for it is not installed.
    """
    return _load(path, artifacts.stamp(path))


@lru_cache(maxsize=2)
def _load(path: Path, stamp: artifacts.FileStamp | None) -> LoadedNetwork:
    if stamp is None or not path.is_file():
        raise WeightsError(f"The network {path} does not exist", remedy=Remedy.NAME_NETWORK)
    if not is_network(path):
        raise WeightsError(f"{path.name} is no network that can be read: a .pt2 or an .onnx file is needed.")
    return _exported(path) if path.suffix.lower() == PT2 else _onnx(path)


def _exported(path: Path) -> LoadedNetwork:
    import torch

    program = exported_program.load(path)
    names = program.graph_signature.user_inputs
    inputs = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(inputs) != 1:
        raise no_input(path, f"{len(inputs)} inputs")
    batch, height, width = _shape(path, list(inputs[0].shape))
    network = program.module(check_guards=False)
    kind = inputs[0].dtype

    def run(photos: np.ndarray) -> object:
        with torch.inference_mode():
            output: object = network(torch.from_numpy(photos).to(kind))
        # A network may return several arrays; the first is the features.
        first = output[0] if isinstance(output, list | tuple) else output
        return first.float().numpy() if isinstance(first, torch.Tensor) else first

    return LoadedNetwork(run, batch, height, width, "torch.export", torch.__version__)


def _onnx(path: Path) -> LoadedNetwork:
    try:
        import onnxruntime
    except ImportError as error:
        raise WeightsError(
            f"The network {path.name} needs onnxruntime, which is not installed; `pip install onnxruntime` adds it."
        ) from error
    file_hash(path)  # the files beside it are there
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a type of its own for every reason
        raise exported_program.unreadable(path, error) from error
    inputs = session.get_inputs()
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
    if len(inputs) != 1 or inputs[0].type not in kinds:
        raise no_input(path, f"{len(inputs)} inputs" if len(inputs) != 1 else f"an input of {inputs[0].type}")
    batch, height, width = _shape(path, list(inputs[0].shape))
    kind, name = kinds[inputs[0].type], inputs[0].name

    def run(photos: np.ndarray) -> object:
        return session.run(None, {name: photos.astype(kind, copy=False)})[0]

    return LoadedNetwork(run, batch, height, width, "onnxruntime", onnxruntime.__version__)


def no_input(path: Path, instead: str) -> WeightsError:
    """The error of a network that does not take one array of photos."""
    return WeightsError(
        f"The network {path.name} has {instead}, where one array of photos (n, 3, height, width) is needed",
        remedy=Remedy.NAME_NETWORK,
    )


def _shape(path: Path, shape: list[Any]) -> tuple[int | None, int | None, int | None]:
    """The fixed batch, height and width of an input of this shape; None where any will do."""
    fixed = [size if isinstance(size, int) else None for size in shape]
    if len(fixed) != 4 or 3 not in {fixed[1] or 3, fixed[3] or 3}:
        raise no_input(path, f"an input of shape {_sides(shape)}")
    is_last = fixed[1] != 3 and fixed[3] == 3
    height, width = fixed[1:3] if is_last else fixed[2:4]
    return fixed[0], height, width


def _sides(shape: object) -> str:
    return " × ".join(str(size) for size in shape) if isinstance(shape, list | tuple) else str(shape)


def arranged(photos: np.ndarray, layout: str) -> np.ndarray:
    """Photos (n, 3, h, w) in the network's layout."""
    return photos if layout == LAYOUTS[0] else photos.transpose(0, 2, 3, 1)


def maps_first(values: np.ndarray, layout: str) -> np.ndarray:
    """The network's output, maps as (n, d, h, w)."""
    return values.transpose(0, 3, 1, 2) if values.ndim == 4 and layout != LAYOUTS[0] else values


def pooled(values: np.ndarray) -> np.ndarray:
    """Vectors (n, d) of vectors or of maps (n, d, h, w)."""
    return values.mean((2, 3), dtype=np.float32) if values.ndim == 4 else values


def whole_batches(loaded: LoadedNetwork, photos: np.ndarray, path: Path) -> np.ndarray:
    """The output for photos in the network's layout, float32 (n, …), computed in batches of the size that it takes.

    Raises WeightsError when the network does not take them, or returns neither vectors nor maps.
    """
    size = loaded.batch or len(photos)
    parts = []
    for start in range(0, len(photos), size):
        part = photos[start : start + size]
        filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        try:
            output = loaded.run(filled)
        except Exception as error:  # each library has types of its own
            raise WeightsError(
                f"The network {path.name} does not take photos of shape {_sides(filled.shape)}",
                remedy=Remedy.NAME_NETWORK,
            ) from error
        if not (isinstance(output, np.ndarray) and np.issubdtype(output.dtype, np.floating)):
            kind = output.dtype if isinstance(output, np.ndarray) else type(output).__name__
            raise no_features(path, str(kind))
        if output.ndim not in {2, 4} or len(output) != size or not output.size:
            raise no_features(path, _sides(output.shape))
        parts.append(output[: len(part)].astype(np.float32, copy=False))
    return np.concatenate(parts)


def no_features(path: Path, instead: str) -> WeightsError:
    """The error of a network that returns something else than features."""
    return WeightsError(
        f"The network {path.name} returns {instead}, where vectors (n, d) or maps (n, d, height, width) are needed",
        remedy=Remedy.NAME_NETWORK,
    )


def outputs(loaded: LoadedNetwork, path: Path, side: int, layout: str) -> int:
    """The number d of features. Raises WeightsError when the network does not take photos of `side` px."""
    wanted = (loaded.height or side, loaded.width or side)
    if wanted != (side, side):
        raise WeightsError(
            f"The network {path.name} takes photos of {wanted[0]} × {wanted[1]} px, and its preprocessing gives "
            f"{side} × {side}",
            remedy=Remedy.NAME_NETWORK,
        )
    probe = np.ascontiguousarray(arranged(np.zeros((1, 3, side, side), np.float32), layout))
    return int(pooled(maps_first(whole_batches(loaded, probe, path), layout)).shape[1])
