"""Photos and features beside the plain way: `python -m benchmarks.images`.

Decoding and resizing against Pillow, on 227 px photos and on 12-megapixel ones (the photos enlarged, saved anew); the
network against torch as a user would write it, `torchvision.models.resnet18` in evaluation mode, from uint8 pictures to
features. `benchmarks/engines.md` says what else was tried.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace

from benchmarks.timing import ONE_THREAD, Row, compared, tell

os.environ.update(ONE_THREAD)

import numpy as np
from PIL import Image

from lib import settings as settings_module
from lib.data import images
from lib.embed import inference
from lib.errors import WeightsError
from lib.learn import backbone, transforms
from lib.learn.backbone import Weights
from lib.learn.preprocess import Preprocess
from lib.prepare import workspace

SIDE = 224
SMALL, LARGE = 100, 5
_TO_224 = Preprocess((SIDE, SIDE), None, (0.5,) * 3, (0.25,) * 3)


def main() -> None:
    """Measure, and print."""
    tell([*decoding(), *features(), overlap()])


def _photos(count: int = SMALL) -> list[bytes]:
    """Bytes of the user's photos, spread over classes."""
    catalog = workspace.open_workspace(settings_module.from_environment()).catalog()
    rows = np.linspace(0, len(catalog.frame) - 1, count).astype(int)
    return [catalog.path(catalog.ids[row]).read_bytes() for row in rows]


def _pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _ours(data: bytes) -> np.ndarray:
    return transforms.shrink(images.open_pixels(data, SIDE), _TO_224)


def decoding() -> list[Row]:
    """From a file's bytes to a network's input."""
    small = _photos()
    large = []
    for data in small[:LARGE]:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(data)).convert("RGB").resize((4000, 3000)).save(buffer, "JPEG", quality=90)
        large.append(buffer.getvalue())
    apart = max(int(np.abs(_ours(data).astype(int) - _pillow(data)).max()) for data in small)
    differences = [np.abs(_ours(data).astype(int) - _pillow(data)) for data in large]
    far, mean = max(int(each.max()) for each in differences), float(np.mean([each.mean() for each in differences]))
    return [
        compared(
            f"decode + resize to {SIDE}, {SMALL} photos, against Pillow",
            lambda: [_ours(data) for data in small],
            lambda: [_pillow(data) for data in small],
            2.0,
            note=f"largest difference of a pixel {apart} (at most 2)",
            why="see benchmarks/engines.md",
        ),
        compared(
            f"decode + resize to {SIDE}, {LARGE} photos of 12 megapixels, against Pillow",
            lambda: [_ours(data) for data in large],
            lambda: [_pillow(data) for data in large],
            5.0,
            note=f"decoded at a quarter; largest difference of a pixel {far}, mean {mean:.2f}",
            why="see benchmarks/engines.md",
        ),
    ]


def _weights() -> Weights:
    return backbone.choose(settings_module.from_environment())


def _distance(computed: np.ndarray, wanted: np.ndarray) -> float:
    a, b = computed.astype(np.float64), wanted.astype(np.float64)
    return float((1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).max())


def features() -> list[Row]:
    """ResNet18 at 224 px in both precisions."""
    import torch
    from torchvision.models import resnet18

    torch.set_num_threads(1)
    weights = replace(_weights(), preprocess=Preprocess((SIDE, SIDE), None))
    plain = resnet18(weights=None)
    plain.load_state_dict(backbone.resnet18(weights).state_dict())
    plain.fc = torch.nn.Identity()
    plain.eval()
    photos = np.stack([_ours(data) for data in _photos()[: inference.BATCH]])
    mean, std = (torch.tensor(value)[:, None, None] for value in (weights.preprocess.mean, weights.preprocess.std))

    def eager() -> np.ndarray:
        with torch.inference_mode():
            batch = torch.from_numpy(photos).permute(0, 3, 1, 2).contiguous().float() / 255
            result: np.ndarray = plain((batch - mean) / std).numpy()
            return result

    rows, wanted = [], eager()
    for precision, goal in ((inference.FP32, 1.4), (inference.BF16, 2.5)):
        name = f"ResNet18 features, {precision}, {SIDE} px, {inference.BATCH} photos, against torch eager in fp32"
        try:
            engine = inference.engine(weights, precision)
        except WeightsError as error:
            rows.append(Row(name, 0, 0, "ms, processor", 0, goal, why=str(error)))
            continue
        rows.append(
            compared(
                name,
                lambda engine=engine: engine.run(photos),  # type: ignore[misc]
                eager,
                goal,
                note=f"by {engine.facts['name']}; cosine distance at most {_distance(engine.run(photos), wanted):.0e}",
                why="at nine tenths of what the cores can multiply; see benchmarks/engines.md",
            )
        )
    return rows


def overlap(count: int = 1000, k: int = 10) -> Row:
    """How many of each photo's nearest by cosine stay in bfloat16, at the weights' own size."""
    path = f"top-{k} of bf16 among those of fp32, {count:,} photos"
    weights = _weights()
    small = np.stack([transforms.shrink(images.open_rgb(data), weights.preprocess) for data in _photos(count)])
    nearest = []
    try:
        for precision in inference.PRECISIONS:
            run = inference.engine(weights, precision).run
            result = np.concatenate(
                [run(small[at : at + inference.BATCH]) for at in range(0, len(small), inference.BATCH)]
            )
            result /= np.linalg.norm(result, axis=1, keepdims=True)
            alike = result @ result.T
            np.fill_diagonal(alike, -2)
            nearest.append(np.argsort(-alike, axis=1)[:, :k])
    except WeightsError as error:
        return Row(path, 0, 1, "share", 0, 0.93, why=str(error))
    kept = float(np.mean([len(set(one) & set(other)) / k for one, other in zip(*nearest, strict=True)]))
    return Row(path, kept, 1, "share", kept, 0.93, why="bfloat16 keeps 8 bits of a number")


if __name__ == "__main__":
    main()
