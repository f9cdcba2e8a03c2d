"""The vectors of single images: how a space shrinks and embeds them, with its network loaded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from lib.embed.space import Space
from lib.errors import QueryError, Remedy, WeightsError
from lib.learn import transforms
from lib.learn.backbone import Weights


@dataclass(frozen=True)
class Embedder:
    """Turns images into vectors in two steps, so that full-size images need not wait in memory: `shrink` makes an
    upright RGB image as small as the space needs it, `embed` makes vectors (n, dim) of n shrunk images.

    `batch` is the best n for `embed`. `side` is the shorter side that `shrink` reduces to, px: given one, `shrink` also
    takes pixels (h, w, 3) that are no smaller than that. `engine` names the computing library and its version. Up to
    `workers` threads, of an executor that `pool` makes, may call `embed` at the same time. `maps` makes the last
    feature maps (n, dim, h, w) of n shrunk images, whose means over the positions are the vectors; None for spaces
    without a network, and of networks whose features are no such means.
    """

    shrink: Callable[[Any], Any]
    embed: Callable[[Sequence[Any]], np.ndarray]
    batch: int = 16
    side: int | None = None
    engine: dict[str, str] | None = None
    workers: int = 1
    pool: Callable[[int], AbstractContextManager[Executor]] = ThreadPoolExecutor
    maps: Callable[[Sequence[Any]], np.ndarray] | None = None


def made(space: Space, bases: Sequence[Embedder], learned: Mapping[str, np.ndarray]) -> Embedder:
    """The embedder of a made space from those of its bases and what was learned when it was made.

    Raises QueryError with the space's reason when it takes no photos from elsewhere.
    """
    of_query = space.of_query
    if of_query is None:
        raise QueryError(space.refusal)
    if len(bases) == 1:
        return replace(bases[0], embed=lambda shrunk: of_query([bases[0].embed(shrunk)], learned), maps=None)

    def embed(shrunk: Sequence[Any]) -> np.ndarray:
        return of_query(
            [base.embed(part) for base, part in zip(bases, zip(*shrunk, strict=True), strict=True)], learned
        )

    return Embedder(shrink=lambda image: tuple(base.shrink(image) for base in bases), embed=embed)


def embedder(space: Space, weights: Weights | None) -> Embedder:
    """The embedder of a space that is not made from others. Loads the network when the space needs one.

    Raises WeightsError when weights are missing or do not fit, or when this machine does not compute in the space's
    precision.
    """
    if space.shrink is not None:
        return Embedder(space.shrink, space.embed)
    if weights is None:
        raise WeightsError(f"The space {space.name} needs a network's weights", remedy=Remedy.CHOOSE_WEIGHTS)
    from lib.embed import inference

    engine, preprocess = (space.engine or inference.engine)(weights, space.precision), weights.preprocess
    last_maps = engine.maps
    return Embedder(
        shrink=lambda image: transforms.shrink(image, preprocess),
        embed=lambda shrunk: engine.run(np.stack(shrunk)),
        batch=engine.batch,
        side=preprocess.short,
        engine=engine.facts,
        workers=engine.workers,
        pool=inference.thread_pool,
        maps=None if last_maps is None else lambda shrunk: last_maps(np.stack(shrunk)),
    )


def query_vector(embed: Embedder, image: Image.Image) -> np.ndarray:
    """The vector of one image, (dim,)."""
    return np.asarray(embed.embed([embed.shrink(image)])[0])
