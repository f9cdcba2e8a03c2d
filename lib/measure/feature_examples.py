"""What each dimension of a space responds to: its most exciting photos, its class, and whether it adds anything.

Computed from the stored vectors (n, d) alone, in blocks; the values are those of the space, pixels over 255. Class
selectivity is that of Morcos, Barrett, Rabinowitz and Botvinick, "On the importance of single directions for
generalization", ICLR 2018: (µmax − µ₋max) / (µmax + µ₋max), where µmax is the largest class mean and µ₋max the mean of
the other classes' means. It runs from 0 (all classes alike) to 1 (one class only), and is defined for features that are
never negative, not dead, and seen on two classes or more.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lib import artifacts, statistics
from lib.data.catalog import Catalog
from lib.data.layouts.unlabelled import NO_LABEL
from lib.documents.features import FeatureEntry, FeaturesDocument
from lib.embed import spaces
from lib.errors import QueryError
from lib.measure.provenance import Provenance, provenance
from lib.prepare.workspace import Workspace
from lib.search.blocks import slices
from lib.search.metrics import PIXEL_SCALE, Floats

FOLDER = "measured"
SCHEMA = 1
TOP = 12  # photos of a feature
DEAD = 1e-6  # a feature whose values are at most this far from 0 on every photo is dead
REDUNDANT = 0.9  # |r| with another feature from which a feature is redundant
WIDEST = 4_096  # dimensions that are compared with each other at most
SHUFFLES = 5  # of the labels, for the selectivity by chance
_BLOCK = 2_048  # rows, and dimensions, at a time: 32 MB of float64
_Z = 1.96
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


class FeatureFacts(Provenance):
    """The provenance of the examples, the classes in the order of the arrays, and the number of photos."""

    classes: list[str]
    images: int
    schema: int


@dataclass(frozen=True)
class FeatureExamples:
    """One entry for each of d dimensions: `means`, `smallest` and `largest` (d,) over all photos; `class_means` and
    their standard errors `class_errors` (c, d); `chance` (d,), the selectivity under shuffled labels, NaN where it is
    undefined; `top_rows` and `top_values` (d, t), the photos with the largest values, row -1 where there are fewer that
    excite it; `partners` and `correlations` (d,), the most correlated other dimension, -1 and NaN where there is none.
    """

    means: Floats
    smallest: Floats
    largest: Floats
    class_means: Floats
    class_errors: Floats
    chance: Floats
    top_rows: Rows
    top_values: Floats
    partners: Rows
    correlations: Floats
    facts: FeatureFacts

    def __len__(self) -> int:
        return len(self.means)

    @cached_property
    def dead(self) -> Bools:
        """Whether a feature is 0 on every photo, or never farther from it than `DEAD`, (d,)."""
        return np.maximum(np.abs(self.smallest), np.abs(self.largest)) <= DEAD

    @cached_property
    def redundant(self) -> Bools:
        """Whether |r| with another feature is at least `REDUNDANT`, (d,)."""
        return np.nan_to_num(np.abs(self.correlations)) >= REDUNDANT

    @property
    def compared(self) -> bool:
        """Whether the dimensions were compared with each other."""
        return len(self) <= WIDEST

    @cached_property
    def selectivity(self) -> Floats:
        """The class selectivity, (d,); NaN where it is undefined."""
        return np.where(self._defined, _selectivity(self.class_means), np.nan)

    @cached_property
    def classes(self) -> list[str]:
        """The class with the largest mean, (d,); "" where the selectivity is undefined."""
        best = self.class_means.argmax(axis=0)
        return [self.facts["classes"][code] if ok else "" for code, ok in zip(best, self._defined, strict=True)]

    @cached_property
    def intervals(self) -> Floats:
        """The 95 % interval of each selectivity, (d, 2), NaN where it is undefined or a class has one photo.

        By the delta method (Casella and Berger, Statistical Inference, section 5.5.4) from the standard errors of the
        class means, for the class that was chosen: that it was chosen on the same photos flatters it a little.
        """
        count = len(self.class_means)
        best = self.class_means.argmax(axis=0)[None]
        top = np.take_along_axis(self.class_means, best, axis=0)[0]
        rest = (self.class_means.sum(axis=0) - top) / max(1, count - 1)
        variance = self.class_errors**2
        of_top = np.take_along_axis(variance, best, axis=0)[0]
        of_rest = (variance.sum(axis=0) - of_top) / max(1, count - 1) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            error = 2 * np.sqrt(rest**2 * of_top + top**2 * of_rest) / (top + rest) ** 2
        bounds = np.stack([self.selectivity - _Z * error, self.selectivity + _Z * error], axis=1)
        return np.asarray(np.clip(bounds, -1, 1))

    @property
    def _defined(self) -> Bools:
        return np.asarray((self.smallest >= 0) & ~self.dead & (len(self.class_means) > 1))

    def top(self, dimension: int) -> list[tuple[int, float]]:
        """The catalog rows of the photos that excite a feature most, and its values in them, the largest first."""
        pairs = zip(self.top_rows[dimension].tolist(), self.top_values[dimension].tolist(), strict=True)
        return [(row, value) for row, value in pairs if row >= 0]


_ARRAYS = tuple(field.name for field in fields(FeatureExamples) if field.name != "facts")


def compute(vectors: np.ndarray, labels: np.ndarray, facts: FeatureFacts, seed: int = 0) -> FeatureExamples:
    """The examples of `vectors` (n, d), float32 or uint8 pixels, with `labels` (n,) among `facts["classes"]`."""
    count, dimensions = vectors.shape
    code_of = {label: code for code, label in enumerate(facts["classes"])}
    codes = np.array([code_of[str(label)] for label in labels], dtype=np.int64)
    shuffler = np.random.default_rng(seed)
    labellings = [codes, *(shuffler.permutation(codes) for _ in range(SHUFFLES))]
    sizes = np.bincount(codes, minlength=len(code_of))[:, None]
    sums, squares = np.zeros((len(labellings), len(code_of), dimensions)), np.zeros((len(code_of), dimensions))
    smallest, largest = np.full(dimensions, np.inf), np.full(dimensions, -np.inf)
    rows = np.full((min(TOP, count), dimensions), -1, dtype=np.int64)
    values = np.full(rows.shape, -np.inf)
    for block in slices(count, _BLOCK):
        members = [_membership(each[block], len(code_of)) for each in labellings]
        for columns in slices(dimensions, _BLOCK):
            x = _values(vectors[block, columns])
            for total, member in zip(sums, members, strict=True):
                total[:, columns] += member @ x
            squares[:, columns] += members[0] @ x**2
            smallest[columns] = np.minimum(smallest[columns], x.min(axis=0))
            largest[columns] = np.maximum(largest[columns], x.max(axis=0))
            rows[:, columns], values[:, columns] = _largest(rows[:, columns], values[:, columns], x, block.start)
    by_chance, sums = sums[1:], sums[0]
    class_means, means = sums / sizes, sums.sum(axis=0) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(squares / sizes - class_means**2, 0) * sizes / (sizes - 1)
        errors = np.where(sizes > 1, np.sqrt(variance / sizes), np.nan)
        # Equal values have no spread, which does not show that the next photo is the same. As in `statistics`: up to
        # the share that Wilson's interval of none of n allows may be others, here as large as the largest value.
        unseen = np.array([[statistics.wilson(0, max(1, int(size)))[1]] for size in sizes[:, 0]])
        errors = np.where(errors <= 1e-9 * largest, unseen * largest / _Z, errors)
        chance = np.mean([_selectivity(total / sizes) for total in by_chance], axis=0)
    # A photo in which a feature is 0 is no example of it; a signed feature has no such zero.
    unexcited = (values <= DEAD) & (smallest >= 0)
    partners, correlations = _partners(vectors, means)
    found = FeatureExamples(
        means=means,
        smallest=smallest,
        largest=largest,
        class_means=class_means,
        class_errors=errors,
        chance=chance,
        top_rows=np.where(unexcited, -1, rows).T,
        top_values=np.where(unexcited, 0.0, values).T,
        partners=partners,
        correlations=correlations,
        facts=facts,
    )
    return replace(found, chance=np.where(found._defined, chance, np.nan))


def _values(vectors: np.ndarray) -> Floats:
    scale = PIXEL_SCALE if vectors.dtype == np.uint8 else 1.0
    return np.asarray(vectors, dtype=np.float64) / scale


def _membership(codes: Rows, classes: int) -> Any:
    """A sparse matrix (c, b) whose product with rows (b, d) is their sum by class (c, d)."""
    from scipy import sparse

    ones = np.ones(len(codes))
    return sparse.csr_array((ones, (codes, np.arange(len(codes)))), shape=(classes, len(codes)))


def _largest(rows: Rows, values: Floats, x: Floats, first: int) -> tuple[Rows, Floats]:
    """The largest of each column of `values` (t, d), which lie in `rows` (t, d), and of `x` (b, d), which lies in the
    rows from `first` on: t of them, equal values by the lower row."""
    # A column in a row of its own: that is many times faster to look through.
    left = np.ascontiguousarray(np.concatenate([values, x]).T)
    places = np.empty(rows.shape, dtype=np.int64)
    for rank in range(len(rows)):
        places[rank] = left.argmax(axis=1)  # the first of equal values: the lower row
        left[np.arange(left.shape[0]), places[rank]] = -np.inf
    earlier = np.minimum(places, len(rows) - 1)
    is_new = places >= len(rows)
    chosen = np.where(is_new, places - len(rows) + first, np.take_along_axis(rows, earlier, axis=0))
    both = np.concatenate([values, x])
    return chosen, np.take_along_axis(both, places, axis=0)


def _selectivity(class_means: Floats) -> Floats:
    """(µmax − µ₋max) / (µmax + µ₋max) of class means (c, d), (d,); NaN where the sum is 0 or there is one class."""
    others = len(class_means) - 1
    top = class_means.max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = (class_means.sum(axis=0) - top) / others if others else np.full_like(top, np.nan)
        return np.asarray((top - rest) / (top + rest))


def _partners(vectors: np.ndarray, means: Floats) -> tuple[Rows, Floats]:
    """The other dimension with the largest |r| (Pearson), and r: (d,) each; -1 and NaN for a constant dimension, and
    for all where there are more than `WIDEST`."""
    count, dimensions = vectors.shape
    partners, correlations = np.full(dimensions, -1, dtype=np.int64), np.full(dimensions, np.nan)
    if dimensions > WIDEST:
        return partners, correlations
    products = np.zeros((dimensions, dimensions))
    for block in slices(count, _BLOCK):
        apart = _values(vectors[block]) - means
        products += apart.T @ apart
    spread = products.diagonal()
    varies = np.flatnonzero(spread > 1e-12 * count * np.maximum(means**2, DEAD**2))
    if len(varies) < 2:
        return partners, correlations
    scale = np.sqrt(spread[varies])
    r = np.clip(products[np.ix_(varies, varies)] / scale / scale[:, None], -1, 1)
    np.fill_diagonal(r, 0)
    best = np.abs(r).argmax(axis=1)
    partners[varies], correlations[varies] = varies[best], r[np.arange(len(varies)), best]
    return partners, correlations


# --- kept with the vectors -------------------------------------------------------------------------------------------


def file(workspace: Workspace, space: str, catalog: Catalog) -> Path:
    """The file of a space's examples, whether it exists or not; its name is a hash of all its inputs."""
    entry = workspace.space(space)
    key = artifacts.digest("petalscope-features", SCHEMA, TOP, DEAD, WIDEST, entry["fingerprint"], catalog.contents)
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-features-{key[:12]}.npz"


def find(workspace: Workspace, space: str) -> FeatureExamples:
    """The examples of a prepared space: read from their file, else computed and written.

    Raises ArtifactError when the space is not prepared.
    """
    catalog = workspace.catalog()
    target = file(workspace, space, catalog)
    stored = artifacts.unless_damaged(_read, target)
    if stored is not None:
        return stored
    name = spaces.get(space).name
    facts: FeatureFacts = {
        **provenance(workspace, name, catalog),
        "classes": list(catalog.classes) or [NO_LABEL],  # one class, so that no selectivity is defined
        "images": len(catalog.frame),
        "schema": SCHEMA,
    }
    found = compute(workspace.vectors(name).values, catalog.frame["label"].to_numpy(), facts)
    artifacts.write_arrays(target, facts, {name: getattr(found, name) for name in _ARRAYS})
    return found


def _read(path: Path) -> FeatureExamples | None:
    stored = artifacts.read_arrays(path)
    if stored is None:
        return None
    facts, arrays = stored
    try:
        return FeatureExamples(**arrays, facts=cast("FeatureFacts", facts))
    except TypeError as error:
        raise artifacts.damaged_file_error(path) from error


# --- the `features` document -----------------------------------------------------------------------------------------


def document(found: FeatureExamples, ids: list[str], dimension: int | None = None) -> FeaturesDocument:
    """The `features` document of one `dimension`, or of all. Raises QueryError for one that the space does not have."""
    if dimension is not None and not 0 <= dimension < len(found):
        raise QueryError(
            f"{found.facts['space']} has no dimension {dimension}; its dimensions are 0 to {len(found) - 1:,}."
        )
    chosen = range(len(found)) if dimension is None else [dimension]
    return {
        "space": found.facts["space"],
        "images": found.facts["images"],
        "redundant_above": REDUNDANT if found.compared else None,
        "dead_below": DEAD,
        "dimensions": [_entry(found, ids, each) for each in chosen],
    }


def _entry(found: FeatureExamples, ids: list[str], dimension: int) -> FeatureEntry:
    partner = int(found.partners[dimension])
    interval = found.intervals[dimension]
    return {
        "dimension": dimension,
        "selectivity": _number(found.selectivity[dimension]),
        "ci95": None if np.isnan(interval).any() else interval.tolist(),
        "chance": _number(found.chance[dimension]),
        "class": found.classes[dimension] or None,
        "mean": float(found.means[dimension]),
        "dead": bool(found.dead[dimension]),
        "redundant": bool(found.redundant[dimension]),
        "partner": (
            None if partner < 0 else {"dimension": partner, "correlation": float(found.correlations[dimension])}
        ),
        "top": [{"id": ids[row], "value": value} for row, value in found.top(dimension)],
    }


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
