"""Derived spaces: the vectors of one space after a chain of steps, or of several spaces joined, by name.

A name is read from left to right: `resnet18+whiten+pca128` whitens, then keeps 128 components. `resnet18~init` joins
two spaces, each scaled to length 1 and divided by √2, so that a cosine is the mean of theirs; steps before a `~` belong
to the left side. What steps learn, they learn from the training split.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from lib.data.catalog import Catalog
from lib.embed import vector_steps
from lib.embed.space import Definition, Kind, Made, Space
from lib.embed.vector_steps import Floats, Step
from lib.errors import ArtifactError, QueryError

NAME: Final = "derived"
MOST_STEPS: Final = 8
MOST_LETTERS: Final = 120
_SPELT: Final[Mapping[str, str]] = {"center": "centre"}


@dataclass(frozen=True)
class Part:
    """Steps in a row, after the spaces `joined` have been joined to what the part before made. The first part's
    `joined` begins with the space that the chain starts from."""

    joined: tuple[str, ...]
    steps: tuple[Step, ...]


def named(name: str, get: Callable[[str], Space]) -> Space | None:
    """The derived space called `name`; None for a name without `+` or `~`.

    Raises QueryError for a step or a space that does not exist, or too long a chain.
    """
    if "+" not in name and "~" not in name:
        return None
    parts = _parts(name)
    canonical = [Part(tuple(get(base).name for base in part.joined), part.steps) for part in parts]
    return _space(canonical)


def defined(name: str, definition: Definition, folder: Path) -> Space:
    """The derived space of a state file. Raises ArtifactError where its name and its definition do not fit."""
    try:
        space = _space(_parts(name))
    except QueryError as error:
        raise ArtifactError(f"{name[:MOST_LETTERS]} describes no derived space: {error.problem}") from error
    dim = definition.get("dim")
    chain = (space.definition or {})["chain"]
    if definition.get("chain") != chain or not isinstance(dim, int) or dim < 1:
        raise ArtifactError(f"{name} and its definition do not belong together")
    return replace(space, dim=dim, definition=definition)


KIND: Final = Kind(NAME, defined, named)


def steps_of(space: Space) -> list[str]:
    """The last steps of a derived space's name, as `pca64`; none for other spaces, and after a join."""
    definition = space.definition or {}
    if definition.get("kind") != NAME:
        return []
    steps: list[str] = []
    for word in reversed(definition["chain"]):
        if not word.startswith("+"):
            break
        steps.insert(0, word[1:])
    return steps


def stored_bytes(space: Space, dim: int) -> int:
    """Bytes that a packed store takes for one vector of `dim` numbers of a space: fewer after `int8` and `binary`."""
    steps = steps_of(space)
    return vector_steps.parse(steps[-1]).stored_bytes(dim) if steps else dim * np.dtype(space.dtype).itemsize


def joined(parts: Sequence[np.ndarray]) -> Floats:
    """Vectors (m, d1), (m, d2), … side by side, each of length 1 / √parts: (m, d1 + d2 + …)."""
    share = np.float32(1 / np.sqrt(len(parts)))
    scale = vector_steps.parse("l2").apply
    out = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), dtype=np.float32)
    start = 0
    for part in parts:
        columns = slice(start, start + part.shape[1])
        out[:, columns] = vector_steps.features(part)
        scale(out[:, columns], {})
        out[:, columns] *= share
        start = columns.stop
    return out


def training_rows(catalog: Catalog) -> np.ndarray:
    """The rows that steps learn from, (t,)."""
    return np.flatnonzero((catalog.frame["split"] == "train").to_numpy())


# --- from names to vectors -------------------------------------------------------------------------------------------


def _parts(name: str) -> list[Part]:
    """The chain that a name describes. Raises QueryError."""
    if len(name) > MOST_LETTERS:
        raise QueryError(f"The name of a derived space has at most {MOST_LETTERS} letters, not {len(name):,}.")
    words = re.split(r"([+~])", name)
    if any(not word for word in words):
        raise QueryError(f"{name!r} has a + or a ~ with nothing before or after it; write for example resnet18+pca64.")
    if words.count("+") > MOST_STEPS:
        raise QueryError(f"A derived space has at most {MOST_STEPS} steps, not {words.count('+')}; leave some out.")
    parts = [([words[0]], list[Step]())]
    for sign, word in zip(words[1::2], words[2::2], strict=True):
        if sign == "+":
            parts[-1][1].append(vector_steps.parse(_SPELT.get(word, word)))
        elif parts[-1][1]:
            parts.append(([word], []))
        else:
            parts[-1][0].append(word)
    return [Part(tuple(bases), tuple(steps)) for bases, steps in parts]


def _chain(parts: Sequence[Part]) -> list[str]:
    """The words of a chain, each step and each joined space with its sign."""
    words: list[str] = []
    for part in parts:
        words += [*(f"~{base}" for base in part.joined), *(f"+{step.name}" for step in part.steps)]
    return [words[0][1:], *words[1:]]


def _space(parts: list[Part]) -> Space:
    chain = _chain(parts)
    bases = tuple(dict.fromkeys(base for part in parts for base in part.joined))

    def make(catalog: Catalog, vectors: Sequence[np.ndarray]) -> Made:
        values, learned = _fit(parts, dict(zip(bases, vectors, strict=True)), training_rows(catalog))
        return Made(values, learned)

    def of_query(vectors: Sequence[np.ndarray], learned: Mapping[str, np.ndarray]) -> np.ndarray:
        return _apply(parts, dict(zip(bases, vectors, strict=True)), learned)

    words = [f" {word[0]} {word[1:]}" for word in chain[1:]]
    steps = [step.about for part in parts for step in part.steps]
    return Space(
        name="".join(chain),
        title="".join([chain[0], *words]),
        dim=0,
        dtype="float32",
        about=f"{' and '.join(bases)}{' joined' if len(bases) > 1 else ''}: {'; '.join(steps) or 'each at length 1'}",
        group="derived",
        definition={"kind": NAME, "chain": chain},
        bases=bases,
        make=make,
        of_query=of_query,
        learns_from_split=True,
    )


def _fit(
    parts: Sequence[Part], vectors: Mapping[str, np.ndarray], training: np.ndarray
) -> tuple[Floats, dict[str, np.ndarray]]:
    current: np.ndarray | None = None
    learned: dict[str, np.ndarray] = {}
    for place, part in enumerate(parts):
        current = _joined(current, part, vectors)
        current, facts = vector_steps.fit(list(part.steps), current, training)
        learned |= {f"{place}.{i}.{key}": value for i, each in enumerate(facts) for key, value in each.items()}
    assert current is not None, "a chain has a part"
    return current, learned


def _apply(parts: Sequence[Part], vectors: Mapping[str, np.ndarray], learned: Mapping[str, np.ndarray]) -> Floats:
    current: np.ndarray | None = None
    for place, part in enumerate(parts):
        facts = [
            {key.split(".")[2]: value for key, value in learned.items() if key.startswith(f"{place}.{i}.")}
            for i in range(len(part.steps))
        ]
        current = vector_steps.apply(list(part.steps), _joined(current, part, vectors), facts)
    assert current is not None, "a chain has a part"
    return current


def _joined(current: np.ndarray | None, part: Part, vectors: Mapping[str, np.ndarray]) -> np.ndarray:
    arrays = [*([] if current is None else [current]), *(vectors[base] for base in part.joined)]
    return joined(arrays) if len(arrays) > 1 else arrays[0]
