"""Photos and features beside the plain way: `python -m benchmarks.images`.

Decoding and resizing against Pillow, on 227 px photos and on 12-megapixel ones (the photos enlarged, saved anew); the
network against torch as a user would write it, `torchvision.models.resnet18` in evaluation mode, batches of 16.
"""

from __future__ import annotations

import io
import os

from benchmarks.timing import ONE_THREAD, Row, compared, tell

os.environ.update(ONE_THREAD)

import numpy as np
from PIL import Image

from lib import settings as settings_module
from lib.data import images
from lib.learn import backbone, transforms
from lib.learn.backbone import Preprocess

SIDE = 224
SMALL, LARGE = 100, 5
_TO_224 = Preprocess((SIDE, SIDE), None, (0.5,) * 3, (0.25,) * 3)


def main() -> None:
    """Measure, and print."""
    tell([*decoding(), features()])


def _photos() -> list[bytes]:
    """Bytes of the user's photos, spread over classes."""
    from lib import workspace

    catalog = workspace.open_workspace(settings_module.from_environment()).catalog()
    rows = np.linspace(0, len(catalog.frame) - 1, SMALL).astype(int)
    return [catalog.path(catalog.ids[row]).read_bytes() for row in rows]


def _pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _ours(data: bytes) -> np.ndarray:
    return transforms.resize(images.open_rgb(data), _TO_224)


def decoding() -> list[Row]:
    """From a file's bytes to a network's input."""
    small = _photos()
    large = []
    for data in small[:LARGE]:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(data)).convert("RGB").resize((4000, 3000)).save(buffer, "JPEG", quality=90)
        large.append(buffer.getvalue())
    apart = max(int(np.abs(_ours(data).astype(int) - _pillow(data)).max()) for data in small)
    return [
        compared(
            f"decode + resize to {SIDE}, {SMALL} photos, against Pillow",
            lambda: [_ours(data) for data in small],
            lambda: [_pillow(data) for data in small],
            2.0,
            note=f"largest difference of a pixel {apart} (at most 2)",
            why="decoding is twice as fast as Pillow's; the resampling is still Pillow's own, bit for bit",
        ),
        compared(
            f"decode + resize to {SIDE}, {LARGE} photos of 12 megapixels, against Pillow",
            lambda: [_ours(data) for data in large],
            lambda: [_pillow(data) for data in large],
            5.0,
            why="decoded in full: the catalog's hash is of all pixels; decoding at an eighth is not built yet",
        ),
    ]


def features() -> Row:
    """ResNet18 at 224 px in float32."""
    import torch
    from torchvision.models import resnet18

    torch.set_num_threads(1)
    weights = backbone.choose(settings_module.from_environment())
    ours = backbone.features(weights)
    plain = resnet18(weights=None)
    plain.load_state_dict(backbone.resnet18(weights).state_dict())
    plain.fc = torch.nn.Identity()
    plain.eval()
    batch = torch.rand(16, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    by_channel = batch.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        one, other = (network(batch).double() for network in (ours, plain))
        apart = float((1 - torch.nn.functional.cosine_similarity(one, other)).max())
        return compared(
            "ResNet18 features, float32, 224 px, 16 photos, against torch eager",
            lambda: ours(by_channel),
            lambda: plain(batch),
            1.4,
            note=f"cosine distance at most {apart:.0e} (at most 1e-6)",
            why="norms folded, channels last; ONNX Runtime and OpenVINO reach 1.41 × on an AMD EPYC, not built in yet",
        )


if __name__ == "__main__":
    main()
