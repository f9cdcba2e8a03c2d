"""Whether the heat over a photo points at what counts: `python -m benchmarks.deletion [--json]`.

The deletion test (Samek et al., "Evaluating the Visualization of What a Deep Neural Network Has Learned", 2017;
Petsiuk, Das and Saenko, "RISE", 2018). For each of 200 pairs of photos of one class, drawn with a seed, the quarter of
the answer's cells whose parts of the cosine are largest is painted over with the mean colour of the photo, and another
time a random quarter. The painted photos go through the network anew, so what counts is the loss of the real cosine and
not of the parts. Both losses are compared pair by pair: a sign-flip test of their mean difference, and the share of the
pairs in which the strongest quarter costs more. Pairs and cells are drawn once; nothing is drawn again to please.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from benchmarks.timing import Row, most, tell
from lib import settings as settings_module
from lib.data.catalog import Catalog
from lib.embed.embedder import Embedder
from lib.prepare import workspace
from lib.search import position_parts
from lib.search.metrics import reference
from lib.search.position_parts import located
from lib.statistics import paired_difference, wilson

SPACE, METRIC = "resnet18", "cosine"
PAIRS, QUARTER, SEED = 200, 0.25, 0
AIM, LARGEST_P = 0.65, 0.001


def main() -> None:
    """Measure, and print."""
    opened = workspace.open_workspace(settings_module.from_environment())
    catalog, embed = opened.catalog(), opened.embedder(SPACE)
    rng = np.random.default_rng(SEED)
    drawn = pairs(catalog, PAIRS, rng)
    strongest, chance = losses(catalog, embed, drawn, rng)
    tell(list(rows(strongest, chance, embed)))


def pairs(catalog: Catalog, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """`count` different pairs of rows of one class, (query, answer), that are no copies of each other."""
    labels, hashes = np.array(catalog.labels), catalog.hashes
    found: dict[tuple[int, int], None] = {}
    while len(found) < count:
        query = int(rng.integers(len(labels)))
        answer = int(rng.choice(np.flatnonzero(labels == labels[query])))
        if hashes[query] != hashes[answer]:
            found[query, answer] = None
    return list(found)


def losses(
    catalog: Catalog, embed: Embedder, drawn: list[tuple[int, int]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The cosine that each pair loses when the strongest quarter of the answer's cells is painted over, (n,), and when
    a random quarter is."""
    assert embed.maps is not None
    strongest, chance = [], []
    for query, answer in drawn:
        small = [np.asarray(embed.shrink(catalog.pixels(row, embed.side or 1))) for row in (query, answer)]
        maps = [located(each) for each in embed.maps(small)]
        parts = position_parts.of_maps(METRIC, maps[0], maps[1])
        cells = position_parts.strongest(parts.answer, QUARTER)
        random = np.zeros(cells.size, dtype=bool)
        random[rng.choice(cells.size, int(cells.sum()), replace=False)] = True
        painted = embed.embed([paint(small[1], each) for each in (cells, random.reshape(cells.shape))])
        left = reference(METRIC, maps[0].vector, painted)
        strongest.append(parts.total - left[0])
        chance.append(parts.total - left[1])
    return np.array(strongest), np.array(chance)


def paint(photo: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The network's input (side, side, 3), uint8, with `cells` (h, w) of it in its mean colour."""
    painted = photo.copy()
    colour = photo.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    edges = [
        np.linspace(0, length, count + 1).round().astype(int)
        for length, count in zip(photo.shape, cells.shape, strict=False)
    ]
    for row, column in np.argwhere(cells):
        painted[edges[0][row] : edges[0][row + 1], edges[1][column] : edges[1][column + 1]] = colour
    return painted


def rows(strongest: np.ndarray, chance: np.ndarray, embed: Embedder) -> Iterable[Row]:
    """The share of pairs beside its aim, and the p value beside the most that is allowed."""
    tested = paired_difference(strongest, chance, SEED)
    assert tested.mean is not None and tested.ci95 is not None and tested.p is not None
    share = tested.wins / tested.n
    low, high = wilson(tested.wins, tested.n)
    note = (
        f"mean loss of the cosine {strongest.mean():.4f} against {chance.mean():.4f}, difference {tested.mean:.4f}, "
        f"95 % interval {tested.ci95[0]:.4f} to {tested.ci95[1]:.4f}; share's interval {low:.3f} to {high:.3f}; "
        f"seed {SEED}, {(embed.engine or {}).get('name')}"
    )
    what = f"painting over the strongest quarter of an answer's cells, {tested.n} pairs of one class"
    yield Row(
        f"{what}: share that lose more cosine than by a random quarter, against the aim",
        share,
        AIM,
        "share of pairs",
        share / AIM,
        1.0,
        note=note,
    )
    yield most(
        f"{what}: p of the mean difference (sign flips), thousandths",
        1000 * tested.p,
        1000 * LARGEST_P,
        "thousandths",
        note="the smallest possible is 0.1",
    )


if __name__ == "__main__":
    main()
