"""The vectors of photos after each stage of a network: its stem and its four layers, averaged over the positions.

Invariant: photos are read and shrunk as for the stored vectors, so the vectors after layer4 are those of the network's
space, within float32's rounding. ResNet18's stages have 64, 64, 128, 256 and 512 channels; the stem ends with the
maximum pooling.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lib.data.catalog import Catalog
from lib.embed.extract import READERS, not_finite_error
from lib.learn import backbone, distributed, linear_probe, photo_dataset, transforms
from lib.learn.backbone import Weights
from lib.learn.results import LAYERS
from lib.progress import Progress, no_progress

if TYPE_CHECKING:
    import torch

STEM: Final = "stem"
STAGES: Final = (STEM, *LAYERS)
_MODULES: Final = {STEM: "maxpool", **{layer: layer for layer in LAYERS}}


def extract(
    catalog: Catalog, rows: Sequence[int], weights: Weights, progress: Progress = no_progress
) -> dict[str, np.ndarray]:
    """The vectors of the photos in `rows` by stage, (n, channels) float32, in the order of `rows`.

    One pass over the photos, in float32 on any hardware. Raises DataError when a photo changed since the catalog was
    made, WeightsError when the weights do not fit or their output is not finite.
    """
    device = distributed.device()
    network = backbone.features(weights).to(device)
    preprocess = weights.preprocess

    def read(index: int) -> Any:
        return transforms.shrink(catalog.pixels(int(rows[index]), preprocess.short), preprocess)

    with ThreadPoolExecutor(max_workers=min(READERS, os.cpu_count() or 1)) as pool:

        def inputs(indices: np.ndarray) -> torch.Tensor:
            return photo_dataset.network_input(list(pool.map(read, indices)), preprocess)

        by_module = linear_probe.activations(
            network, inputs, len(rows), device, progress, modules=tuple(_MODULES.values())
        )
    if not all(np.isfinite(values).all() for values in by_module.values()):
        raise not_finite_error(weights)
    return {stage: by_module[module] for stage, module in _MODULES.items()}
