"""The weights that the spaces of a run are embedded with, and the numbers of dimensions that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lib.data.catalog import Catalog
from lib.documents.prepare import EmbeddedSpace
from lib.embed import spaces
from lib.embed.space import Space
from lib.learn import network_choice, runs
from lib.learn.backbone import Weights
from lib.prepare.job import PrepareJob


def choose(job: PrepareJob, names: Iterable[str]) -> dict[str, Weights]:
    """The weights of the networks of the spaces `names` that are used as they come, by network; downloaded where they
    are missing.

    Raises WeightsError and DownloadError as `network_choice.choose`.
    """
    chosen: dict[str, Weights] = {}
    for space in map(spaces.get, names):
        if space.needs_weights and not (space.regime or space.own) and space.network not in chosen:
            chosen[space.network] = network_choice.choose(job.settings, space.network, job.reporter)
    return chosen


def of(job: PrepareJob, space: Space, catalog: Catalog, chosen: Mapping[str, Weights]) -> Weights | None:
    """The weights that embed a space: those of its own file, of a network trained here, or those `chosen`.

    Raises WeightsError when they are missing.
    """
    if not space.needs_weights:
        return None
    if space.own is not None:
        return network_choice.of_file(space.own)
    if space.regime:
        return runs.network(job.settings, space.regime, catalog, space.network)
    return chosen[space.network]


def sized(space: Space, weights: Weights | None, previous: EmbeddedSpace | None) -> Space:
    """`space` with its number of dimensions, also where its weights tell it; known by its name from now on.

    Raises WeightsError when the network does not take photos.
    """
    if space.dim_of is None or weights is None:
        return space
    before = previous["weights"] if previous is not None else None
    if not space.dim or before is None or before["sha256"] != weights.sha256:
        space = spaces.sized(space, space.dim_of(weights))
    spaces.define(space)
    return space
