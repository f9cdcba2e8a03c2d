"""The health of a collection's vectors: their norms, and vectors that distort searches.

Invariants: rows are read page by page; of each row, the norm, a hash and the key stay in memory. Nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lib.documents.inspect import CollectionDocument
from lib.errors import QueryError
from lib.progress import Progress
from lib.store import field_search, inspect, rows
from lib.store.connection import Store

SHOWN: Final = 200  # keys that are listed of each kind of bad vector
_KINDS: Final = ("zero", "constant", "broken", "null")


@dataclass
class Health:
    """The health of `rows` rows. Lists hold keys, the first `SHOWN`; counts include all.

    `norms` are the L2 norms of the finite vectors. `counts` and `keys` are those of `zero`, `constant` (all numbers
    equal, not zero), `broken` (NaN or infinite) and `null` vectors; `duplicates` are groups of keys with bit-equal
    vectors; `dead` are dimensions with one value in all rows; `values` counts a field's values. `complete` is false if
    the collection has more rows.
    """

    rows: int = 0
    dim: int = 0
    norms: np.ndarray = field(default_factory=lambda: np.zeros(0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    keys: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})
    duplicates: list[list[str]] = field(default_factory=list)
    duplicate_rows: int = 0
    dead: list[int] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)
    complete: bool = True

    def add(self, kind: str, key: str) -> None:
        """Count one row with a bad vector."""
        self.counts[kind] += 1
        if len(self.keys[kind]) < SHOWN:
            self.keys[kind].append(key)


def examine(
    store: Store,
    entry: CollectionDocument,
    name: str,
    *,
    by: str = "",
    most: int = 200_000,
    progress: Progress | None = None,
) -> Health:
    """The health of the dense or binary vectors in field `name`, in the first `most` rows; `by` names a field whose
    values are counted. Raises QueryError for a field of another kind, StoreError when the collection cannot be read."""
    fields = field_search.vector_fields(entry, (*field_search.DENSE, field_search.BINARY))
    if name not in {each["name"] for each in fields}:
        raise QueryError(f"{name} is not a field of dense or binary vectors: choose another.")
    primary = inspect.primary_field(entry)["name"]
    health = Health()
    norms: list[np.ndarray] = []
    keys_by_hash: dict[bytes, list[str]] = {}
    low = high = None
    values: Counter[str] = Counter()
    for page in rows.pages(store, entry["name"], vectors=[name], size=1000, strong=True):
        if health.rows >= most:
            health.complete = False
            break
        health.rows += len(page)
        if by:
            values.update(str(row.get(by)) for row in page)
        for row in page:
            if row.get(name) is None:
                health.add("null", str(row[primary]))
        complete = [row for row in page if row.get(name) is not None]
        if not complete:
            continue
        block = np.asarray([row[name] for row in complete], dtype=np.float32)
        finite = _examine_block(health, block, [str(row[primary]) for row in complete], keys_by_hash)
        if len(finite):
            norms.append(np.linalg.norm(finite.astype(np.float64), axis=1))
            block_low, block_high = finite.min(axis=0), finite.max(axis=0)
            low = block_low if low is None else np.minimum(low, block_low)
            high = block_high if high is None else np.maximum(high, block_high)
        if progress is not None:
            progress(health.rows, entry["rows"]["count"])
    health.norms = np.concatenate(norms) if norms else health.norms
    if low is not None and high is not None and len(health.norms) > 1:
        health.dead = np.nonzero(low == high)[0].tolist()
    groups = [keys for keys in keys_by_hash.values() if len(keys) > 1]
    health.duplicate_rows = sum(len(keys) for keys in groups)
    health.duplicates = sorted(groups, key=lambda keys: (-len(keys), keys))[:SHOWN]
    health.values = dict(values.most_common())
    return health


def _examine_block(
    health: Health, block: np.ndarray, keys: list[str], keys_by_hash: dict[bytes, list[str]]
) -> np.ndarray:
    """Add the bad vectors of a block (n, d) to `health`, and its keys to `keys_by_hash`; gives the finite vectors."""
    health.dim = int(block.shape[1])
    finite = np.isfinite(block).all(axis=1)
    constant = finite & (block == block[:, :1]).all(axis=1)
    for place, key in enumerate(keys):
        if not finite[place]:
            health.add("broken", key)
        elif constant[place]:
            health.add("constant" if block[place, 0] else "zero", key)
        digest = hashlib.blake2b(block[place].tobytes(), digest_size=12).digest()
        keys_by_hash.setdefault(digest, []).append(key)
    return np.asarray(block[finite])
