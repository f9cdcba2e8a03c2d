"""How a collection of ours differs from today's artifacts, row by row, and its repair.

Invariant: vectors are compared bit by bit (Milvus keeps float32 as it is), so a row is changed or it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lib.progress import Progress
from lib.store import collections, filters, rows
from lib.store.collections import VECTOR
from lib.store.connection import Store
from lib.store.write import Rows

_STEP = 200


@dataclass
class Drift:
    """Ids that the artifacts have and the collection lacks (`missing`), the reverse (`extra`), and those whose vector
    (`moved`) or label, path or split (`renamed`) differ; `same` counts the rest."""

    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    same: int = 0

    @property
    def none(self) -> bool:
        """Whether the collection is exactly what the artifacts say."""
        return not (self.missing or self.extra or self.moved or self.renamed)


def drift(store: Store, collection: str, wanted: Rows, *, centred: bool, progress: Progress | None = None) -> Drift:
    """Compare a loaded collection with `wanted`; `centred` takes each vector's mean off first, as when it was written.

    Raises StoreError when the collection cannot be read.
    """
    places = {image_id: place for place, image_id in enumerate(wanted.ids)}
    found = Drift()
    seen: set[str] = set()
    done = 0
    for page in rows.pages(store, collection, vectors=[VECTOR], size=500, strong=True):
        known = [row for row in page if row["id"] in places]
        found.extra += [str(row["id"]) for row in page if row["id"] not in places]
        at = np.array([places[row["id"]] for row in known], dtype=np.int64)
        if len(at):
            vectors = np.asarray([wanted.vectors[place] for place in at], dtype=np.float32)
            vectors = collections.centre(vectors) if centred else vectors
            stored = np.asarray([row[VECTOR] for row in known], dtype=np.float32)
            equal = (stored == vectors).all(axis=1) if stored.shape == vectors.shape else np.zeros(len(at), dtype=bool)
            for row, place, alike in zip(known, at, equal, strict=True):
                said = (row["path"], row["label"], row["split"])
                if not alike:
                    found.moved.append(str(row["id"]))
                elif said != (wanted.paths[place], wanted.labels[place], wanted.splits[place]):
                    found.renamed.append(str(row["id"]))
                else:
                    found.same += 1
        seen |= {str(row["id"]) for row in known}
        done += len(page)
        if progress is not None:
            progress(done, None)
    found.missing = [image_id for image_id in wanted.ids if image_id not in seen]
    return found


def repair(
    store: Store, collection: str, found: Drift, wanted: Rows, *, centred: bool, progress: Progress | None = None
) -> int:
    """Write the missing and changed rows, delete the extra ones, flush; returns how many rows were touched.

    Raises StoreError, after which what was written stays: compare again.
    """
    places = {image_id: place for place, image_id in enumerate(wanted.ids)}
    write = [*found.missing, *found.moved, *found.renamed]
    total, done = len(write) + len(found.extra), 0
    for start in range(0, len(write), _STEP):
        part = [places[image_id] for image_id in write[start : start + _STEP]]
        vectors = np.asarray([wanted.vectors[place] for place in part], dtype=np.float32)
        vectors = collections.centre(vectors) if centred else vectors
        data = [
            {
                "id": wanted.ids[place],
                "path": wanted.paths[place],
                "label": wanted.labels[place],
                "split": wanted.splits[place],
                VECTOR: vector,
            }
            for place, vector in zip(part, vectors, strict=True)
        ]
        store.call("upsert", collection, data, doing=f"write rows into {collection}")
        done += len(part)
        if progress is not None:
            progress(done, total)
    for start in range(0, len(found.extra), _STEP):
        part_ids = found.extra[start : start + _STEP]
        store.call("delete", collection, filter=_among(part_ids), doing=f"delete rows of {collection}")
        done += len(part_ids)
        if progress is not None:
            progress(done, total)
    if total:  # rows that are not flushed never use an index
        store.call("flush", collection, doing=f"flush {collection}", slow=True)
    return total


def _among(ids: Sequence[str]) -> str:
    return f"id in [{', '.join(filters.quoted(image_id) for image_id in ids)}]"
