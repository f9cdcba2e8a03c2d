"""The health of a collection's vectors: their norms, and those that make searches go wrong.

Invariants: rows are read page by page; of each row only its norm, a hash and its key are kept. Nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from lib.errors import QueryError
from lib.store import field_search, rows
from lib.store.connection import Store

SHOWN: Final = 200  # keys that are kept of each kind of trouble


@dataclass
class Health:
    """What was found among `rows` rows. Lists hold keys, the first `SHOWN`; counts are of all.

    `norms` are the L2 norms of the finite vectors. `zero`, `constant` (all numbers equal, not zero), `broken` (NaN or
    infinite) and `null` vectors; `duplicates` are groups of keys with bit-equal vectors; `dead` are dimensions that
    have one value in all rows; `values` counts a field's values.
    """

    rows: int = 0
    dim: int = 0
    norms: np.ndarray = field(default_factory=lambda: np.zeros(0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("zero", "constant", "broken", "null"), 0))
    keys: dict[str, list[str]] = field(default_factory=lambda: {k: [] for k in ("zero", "constant", "broken", "null")})
    duplicates: list[list[str]] = field(default_factory=list)
    duplicate_rows: int = 0
    dead: list[int] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)
    complete: bool = True

    def note(self, kind: str, key: str) -> None:
        """Count one row's trouble."""
        self.counts[kind] += 1
        if len(self.keys[kind]) < SHOWN:
            self.keys[kind].append(key)


def examine(
    store: Store,
    entry: Mapping[str, Any],
    name: str,
    *,
    by: str = "",
    most: int = 200_000,
    progress: Callable[[int, int | None], None] | None = None,
) -> Health:
    """The health of the dense or binary vectors in field `name`, in the first `most` rows; `by` names a field whose
    values are counted. Raises QueryError for a field of another kind, StoreError when the collection cannot be read."""
    if name not in {
        each["name"] for each in field_search.vector_fields(entry, (*field_search.DENSE, field_search.BINARY))
    }:
        raise QueryError(f"{name} is no field of dense or binary vectors: choose another.")
    primary = next(str(each["name"]) for each in entry["fields"] if each["primary"])
    found = Health()
    norms: list[np.ndarray] = []
    hashes: dict[bytes, list[str]] = {}
    low = high = None
    counted: Counter[str] = Counter()
    for page in rows.pages(store, str(entry["name"]), vectors=[name], size=1000, strong=True):
        if found.rows >= most:
            found.complete = False
            break
        found.rows += len(page)
        if by:
            counted.update(str(row.get(by)) for row in page)
        for row in page:
            if row.get(name) is None:
                found.note("null", str(row[primary]))
        held = [row for row in page if row.get(name) is not None]
        if not held:
            continue
        block = np.asarray([row[name] for row in held], dtype=np.float32)
        sound = _judge(found, block, [str(row[primary]) for row in held], hashes)
        if len(sound):
            norms.append(np.linalg.norm(sound.astype(np.float64), axis=1))
            least, greatest = sound.min(axis=0), sound.max(axis=0)
            low = least if low is None else np.minimum(low, least)
            high = greatest if high is None else np.maximum(high, greatest)
        if progress is not None:
            progress(found.rows, entry["rows"]["count"])
    found.norms = np.concatenate(norms) if norms else found.norms
    if low is not None and high is not None and len(found.norms) > 1:
        found.dead = np.nonzero(low == high)[0].tolist()
    groups = [keys for keys in hashes.values() if len(keys) > 1]
    found.duplicate_rows = sum(len(keys) for keys in groups)
    found.duplicates = sorted(groups, key=lambda keys: (-len(keys), keys))[:SHOWN]
    found.values = dict(counted.most_common())
    return found


def _judge(found: Health, block: np.ndarray, keys: list[str], hashes: dict[bytes, list[str]]) -> np.ndarray:
    """Note what is wrong with the vectors of a block; gives the finite ones."""
    found.dim = int(block.shape[1])
    finite = np.isfinite(block).all(axis=1)
    same = finite & (block == block[:, :1]).all(axis=1)
    for place, key in enumerate(keys):
        if not finite[place]:
            found.note("broken", key)
        elif same[place]:
            found.note("constant" if block[place, 0] else "zero", key)
        hashes.setdefault(hashlib.blake2b(block[place].tobytes(), digest_size=12).digest(), []).append(key)
    return np.asarray(block[finite])
