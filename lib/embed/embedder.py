"""The vector of one picture: how a space shrinks and embeds it, with its network loaded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from lib.data import images
from lib.embed import spaces
from lib.embed.spaces import Space
from lib.learn import transforms
from lib.learn.backbone import Weights


@dataclass(frozen=True)
class Embedder:
    """How pictures become vectors: `shrink` makes an upright RGB picture as small as the space sees it, `embed` turns n
    of these into (n, dim) of the space's type. Apart, so that full-size pictures need not wait in memory.

    `batch` is how many `embed` is best given; `side` what `shrink` aims at, px, if it need not be given all pixels of a
    larger picture, and takes pixels (h, w, 3) as well as images; `engine` names what computes, and its version. So many
    `workers` of the `crew` may call `embed` at once."""

    shrink: Callable[[Any], Any]
    embed: Callable[[Sequence[Any]], np.ndarray]
    batch: int = 16
    side: int | None = None
    engine: dict[str, str] | None = None
    workers: int = 1
    crew: Callable[[int], AbstractContextManager[Executor]] = ThreadPoolExecutor


def embedder(space: Space, weights: Weights | None) -> Embedder:
    """How pictures become vectors of `space`. Loads the network when the space needs one.

    Raises WeightsError when the weights do not fit, or this machine does not compute in the space's precision.
    """
    if not space.needs_weights or weights is None:
        return Embedder(_pixels, np.stack)
    from lib.embed import inference

    engine, preprocess = inference.engine(weights, space.precision), weights.preprocess
    return Embedder(
        shrink=lambda picture: transforms.shrink(picture, preprocess),
        embed=lambda shrunk: engine.run(np.stack(shrunk)),
        batch=engine.batch,
        side=preprocess.short,
        engine=engine.facts,
        workers=engine.workers,
        crew=inference.crew,
    )


def _pixels(picture: Image.Image) -> np.ndarray:
    return images.resized(picture, spaces.PIXEL_SIDE, spaces.PIXEL_SIDE).reshape(-1)


def query_vector(embed: Embedder, picture: Image.Image) -> np.ndarray:
    """The vector of one picture, (dim,)."""
    return np.asarray(embed.embed([embed.shrink(picture)])[0])
