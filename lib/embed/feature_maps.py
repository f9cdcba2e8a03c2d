"""The last feature maps of photos: where in a photo each feature of its vector is strong.

ResNet18 averages its last map over the positions, so the mean of a map F (512, h, w), float32, over them is the photo's
vector (512,), as it is stored: within float32's rounding where the vector was made in float32, within bfloat16's where
it was made in that. The maps come from the embedder's own network, which is loaded once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from lib.embed.embedder import Embedder
from lib.errors import QueryError

NO_MAPS = "This space has no feature maps: only vectors of a network that averages over positions have them."


# An upright RGB image, or its pixels (h, w, 3), uint8, no smaller than `Embedder.side`.
Picture = Image.Image | np.ndarray


def feature_map(embed: Embedder, image: Picture) -> np.ndarray:
    """The last feature map of an image, float32 (512, h, w). Raises QueryError for a space without maps."""
    return np.asarray(next(feature_maps(embed, [image]))[0])


def feature_maps(embed: Embedder, images: Iterable[Picture]) -> Iterator[np.ndarray]:
    """The last feature maps of many images in their order, in batches (n, 512, h, w) of at most `embed.batch`.

    Images are shrunk as they come, so full-size ones need not wait in memory together. Raises QueryError for a space
    without maps.
    """
    if embed.maps is None:
        raise QueryError(NO_MAPS)
    shrunk = (embed.shrink(image) for image in images)
    while batch := list(itertools.islice(shrunk, embed.batch)):
        yield embed.maps(batch)
