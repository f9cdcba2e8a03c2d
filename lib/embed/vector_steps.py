"""Steps that change vectors: scaling, centring, PCA, whitening, powers, 8-bit and 1-bit compression.

Invariant: a step learns from the training photos alone and without chance, so the same photos give the same numbers.
Vectors are (n, d); raw pixels come as uint8, whose values stand for 0 to 1, and are widened a block of rows at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Learned = Mapping[str, np.ndarray]

# Whitening divides by the square root of (1 - S) × variance + S × mean variance, with this S unless the user names one.
SHRINKAGE: Final = 0.01
MOST_POWER: Final = 4.0
# Directions whose variance is smaller than this share of the largest are rounding errors.
NEGLIGIBLE: Final = 1e-10
# PCA of vectors wider than this learns from at most as many training photos, evenly spread: it compares every two.
MOST_TRAINING: Final = 8_192
# Numbers that the directions of whitening may take together (256 MiB); of wider vectors the largest directions stay.
MOST_NUMBERS: Final = 2**26
_BLOCK: Final = 2**22  # numbers that are widened at a time
_COLUMNS: Final = 1_024
_NUMBER: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,12})?")


@dataclass(frozen=True)
class Step:
    """One step: its `name` as spaces are named, a clause that describes it, what it learns from the training `rows` of
    vectors (n, d), and how it changes vectors (m, d), which it may overwrite, with what it learned."""

    name: str
    about: str
    learn: Callable[[np.ndarray, Rows], dict[str, np.ndarray]]
    apply: Callable[[Floats, Learned], Floats]
    # Bytes that a packed store takes for one vector of `d` numbers.
    stored_bytes: Callable[[int], int] = lambda d: 4 * d


def fit(steps: list[Step], values: np.ndarray, training: Rows) -> tuple[Floats, list[dict[str, np.ndarray]]]:
    """`values` (n, d) after all `steps`, and what each step learned from the rows `training`.

    At most two arrays of the vectors exist at a time. Raises QueryError where there is too little to learn from.
    """
    if not len(training):
        raise QueryError("No photo is in the training split, so there is nothing to learn from.")
    learned: list[dict[str, np.ndarray]] = []
    current, own = values, False
    for step in steps:
        facts = step.learn(current, training)
        learned.append(facts)
        current, own = transformed(step, current, facts, in_place=own), True
    return (current if own else features(current)), learned


def transformed(step: Step, values: np.ndarray, learned: Learned, *, in_place: bool = False) -> Floats:
    """All vectors (n, d) after one step, a block of rows at a time; into `values` itself with `in_place`, where the
    step keeps the number of dimensions."""
    target = values if in_place else None
    for rows in _blocks(len(values), values.shape[1]):
        block = step.apply(features(values[rows]), learned)
        if target is None or target.shape[1] != block.shape[1]:
            target = np.empty((len(values), block.shape[1]), dtype=np.float32)
        target[rows] = block
    return features(values) if target is None else target


def apply(steps: list[Step], values: np.ndarray, learned: Sequence[Learned]) -> Floats:
    """Vectors (m, d) from elsewhere after all `steps`, with what the steps learned."""
    current = features(values)
    for step, facts in zip(steps, learned, strict=True):
        current = step.apply(current, facts)
    return current


def features(values: np.ndarray) -> Floats:
    """A copy of vectors as float32; raw pixels between 0 and 1."""
    if values.dtype == np.uint8:
        return np.asarray(values, dtype=np.float32) / np.float32(255)
    return np.array(values, dtype=np.float32)


def parse(text: str) -> Step:
    """The step that `text` names, such as `pca64`. Raises QueryError that lists the steps, or says what is wrong."""
    if text in _PLAIN:
        return _PLAIN[text]
    for name, make in (("pca", _pca), ("power", _power), ("whiten", _whiten)):
        if text.startswith(name):
            number = text.removeprefix(name)
            return make(text, float(number) if _NUMBER.fullmatch(number) else None)
    raise QueryError(unknown_step(text))


def unknown_step(text: str) -> str:
    """The error for a step that does not exist."""
    return f"There is no step called {text!r}; write l2, centre, pcaN, whiten, powerP, int8 or binary, as in +pca64."


def too_many_components(asked: int, possible: int, training: int) -> str:
    """The error for more principal components than the training photos determine."""
    return (
        f"{asked:,} principal components cannot be learned: {training:,} training photos of these vectors determine "
        f"{possible:,}; write at most +pca{possible}."
    )


# --- steps -----------------------------------------------------------------------------------------------------------


def _nothing(values: np.ndarray, rows: Rows) -> dict[str, np.ndarray]:
    return {}


def _scaled(x: Floats, learned: Learned) -> Floats:
    lengths = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    x /= np.where(lengths > 0, lengths, 1).astype(np.float32)[:, None]
    return x


def _learn_mean(values: np.ndarray, rows: Rows) -> dict[str, np.ndarray]:
    return {"mean": _mean(values, rows).astype(np.float32)}


def _centred(x: Floats, learned: Learned) -> Floats:
    x -= learned["mean"]
    return x


def _learn_largest(values: np.ndarray, rows: Rows) -> dict[str, np.ndarray]:
    largest = max(float(np.abs(block).max()) for block in _training(values, rows))
    return {"scale": np.asarray(127 / largest if largest > 0 else 0.0, dtype=np.float32)}


def _quantised(x: Floats, learned: Learned) -> Floats:
    return np.clip(np.rint(x * learned["scale"]), -127, 127).astype(np.float32)


def _bits(x: Floats, learned: Learned) -> Floats:
    return (x > learned["mean"]).astype(np.float32)


def _turned(x: Floats, learned: Learned) -> Floats:
    return np.asarray((x - learned["mean"]) @ learned["directions"].T, dtype=np.float32)


def _pca(text: str, number: float | None) -> Step:
    if number is None or number < 1 or number != int(number):
        raise QueryError(f"{text!r} is no number of principal components; write a whole number from 1, as in +pca64.")
    count = int(number)

    def learn(values: np.ndarray, rows: Rows) -> dict[str, np.ndarray]:
        found = principal_axes(values, rows, count)
        if len(found.directions) < count:
            raise QueryError(too_many_components(count, len(found.directions), found.photos))
        return {"mean": found.mean.astype(np.float32), "directions": found.directions}

    return Step(f"pca{count}", f"the first {count} principal components", learn, _turned)


def _power(text: str, number: float | None) -> Step:
    if number is None or not 0 < number <= MOST_POWER:
        raise QueryError(f"{text!r} is no power; write a number above 0 and at most {MOST_POWER:g}, as in +power0.5.")
    power = np.float32(number)

    def apply(x: Floats, learned: Learned) -> Floats:
        # The sign stays: a root of a negative number would be NaN.
        return np.asarray(np.sign(x) * np.abs(x) ** power, dtype=np.float32)

    return Step(f"power{_digits(number)}", f"each value to the power {_digits(number)}, signs kept", _nothing, apply)


def _whiten(text: str, shrinkage: float | None) -> Step:
    if shrinkage is None or not 0 < shrinkage < 1:
        raise QueryError(f"{text!r} shrinks by no number between 0 and 1; write +whiten, or for example +whiten0.1.")

    def learn(values: np.ndarray, rows: Rows) -> dict[str, np.ndarray]:
        found = principal_axes(values, rows, max(1, MOST_NUMBERS // values.shape[1]))
        if not len(found.directions):
            raise QueryError("The training photos all have the same vector, so there is nothing to whiten.")
        shrunk = (1 - shrinkage) * found.variances + shrinkage * found.mean_variance
        directions = (found.directions / np.sqrt(shrunk)[:, None]).astype(np.float32)
        return {"mean": found.mean.astype(np.float32), "directions": directions}

    name = "whiten" if shrinkage == SHRINKAGE else f"whiten{_digits(shrinkage)}"
    about = f"principal components with variances shrunk by {_digits(shrinkage)} towards their mean and made 1"
    return Step(name, about, learn, _turned)


def _digits(number: float) -> str:
    """A number without an exponent, as the names of steps have it."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


_PLAIN: Final[Mapping[str, Step]] = {
    "l2": Step("l2", "scaled to length 1", _nothing, _scaled),
    "centre": Step("centre", "without the mean", _learn_mean, _centred),
    "whiten": _whiten("whiten", SHRINKAGE),
    "int8": Step("int8", "rounded to whole numbers from −127 to 127", _learn_largest, _quantised, lambda d: d),
    "binary": Step("binary", "one bit each: above the mean or not", _learn_mean, _bits, lambda d: (d + 7) // 8),
}


# --- principal components --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrincipalAxes:
    """The `mean` (d,), the `directions` (k, d) of largest variance, largest first, and their `variances` (k,), learned
    from so many `photos`; `mean_variance` is over all d dimensions.

    The number of a direction that is largest by size is positive, which fixes the sign.
    """

    mean: Doubles
    directions: Floats
    variances: Doubles
    mean_variance: float
    photos: int


def principal_axes(values: np.ndarray, rows: Rows, most: int) -> PrincipalAxes:
    """The principal components of the training `rows` of vectors (n, d): all that have variance, at most `most`.

    Pearson 1901. By the covariance of the dimensions, or by the products of every two photos where these are fewer.
    """
    dim = values.shape[1]
    if dim > MOST_TRAINING and len(rows) > MOST_TRAINING:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_TRAINING).astype(np.int64)]
    mean, freedom = _mean(values, rows), max(1, len(rows) - 1)
    if len(rows) > dim:
        products = np.zeros((dim, dim))
        for block in _training(values, rows):
            centred = block - mean
            products += centred.T @ centred
    else:
        products = np.zeros((len(rows), len(rows)))
        for columns in _column_blocks(dim):
            part = _columns(values, rows, columns) - mean[columns]
            products += part @ part.T
    spread, axes = np.linalg.eigh(products)
    spread, axes = spread[::-1], axes[:, ::-1]
    count = min(most, int((spread > max(spread[0], 0.0) * NEGLIGIBLE).sum()), dim, len(rows) - 1)
    total, spread, axes = float(np.trace(products)), spread[:count], axes[:, :count]
    directions = np.empty((count, dim), dtype=np.float32)
    if len(rows) > dim:
        directions[:] = axes.T
    else:
        for columns in _column_blocks(dim) if count else ():
            part = _columns(values, rows, columns) - mean[columns]
            directions[:, columns] = (part.T @ (axes / np.sqrt(spread))).T
    if count:
        largest = np.abs(directions).argmax(axis=1)
        directions *= np.sign(directions[np.arange(count), largest])[:, None]
    return PrincipalAxes(mean, directions, spread / freedom, total / freedom / dim, len(rows))


def _mean(values: np.ndarray, rows: Rows) -> Doubles:
    total = np.zeros(values.shape[1])
    for block in _training(values, rows):
        total += block.sum(axis=0)
    return total / len(rows)


def _training(values: np.ndarray, rows: Rows) -> Iterator[Doubles]:
    """The training rows in float64, a block at a time."""
    for block in _blocks(len(rows), values.shape[1]):
        part = np.asarray(values[rows[block]], dtype=np.float64)
        yield part / 255 if values.dtype == np.uint8 else part


def _columns(values: np.ndarray, rows: Rows, columns: slice) -> Doubles:
    part = np.asarray(values[:, columns][rows], dtype=np.float64)
    return part / 255 if values.dtype == np.uint8 else part


def _column_blocks(dim: int) -> Iterator[slice]:
    return (slice(start, min(start + _COLUMNS, dim)) for start in range(0, dim, _COLUMNS))


def _blocks(rows: int, dim: int) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, dim))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
