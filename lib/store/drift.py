"""Differences between a collection of ours and today's artifacts, row by row, and their repair.

Invariant: vectors are compared bit by bit (Milvus stores float32 unchanged), so a row either differs or it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lib.progress import Progress
from lib.store import filters, rows
from lib.store.collections import VECTOR
from lib.store.connection import Store
from lib.store.write import Rows

_BATCH = 200


@dataclass
class Drift:
    """Ids that the artifacts have and the collection lacks (`missing`), the reverse (`extra`), and ids whose vector
    (`moved`) or label, path or split (`renamed`) differs; `same` counts the rest."""

    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    same: int = 0

    @property
    def none(self) -> bool:
        """Whether the collection equals the artifacts."""
        return not (self.missing or self.extra or self.moved or self.renamed)


def compare(
    store: Store, collection: str, artifacts: Rows, *, centred: bool, progress: Progress | None = None
) -> Drift:
    """Compare a loaded collection with the rows of the artifacts; `centred` subtracts each vector's mean first, as when
    the collection was written.

    Raises StoreError when the collection cannot be read.
    """
    place_by_id = {image_id: place for place, image_id in enumerate(artifacts.ids)}
    result = Drift()
    stored_ids: set[str] = set()
    done = 0
    for page in rows.pages(store, collection, vectors=[VECTOR], size=500, strong=True):
        shared = [row for row in page if row["id"] in place_by_id]
        result.extra += [str(row["id"]) for row in page if row["id"] not in place_by_id]
        places = [place_by_id[row["id"]] for row in shared]
        if shared:
            vectors = artifacts.block(places, centred=centred)
            stored = np.asarray([row[VECTOR] for row in shared], dtype=np.float32)
            same_shape = stored.shape == vectors.shape
            equal = (stored == vectors).all(axis=1) if same_shape else np.zeros(len(shared), dtype=bool)
            for row, place, is_equal in zip(shared, places, equal, strict=True):
                fields = (artifacts.paths[place], artifacts.labels[place], artifacts.splits[place])
                if not is_equal:
                    result.moved.append(str(row["id"]))
                elif fields != (row["path"], row["label"], row["split"]):
                    result.renamed.append(str(row["id"]))
                else:
                    result.same += 1
        stored_ids |= {str(row["id"]) for row in shared}
        done += len(page)
        if progress is not None:
            progress(done, None)
    result.missing = [image_id for image_id in artifacts.ids if image_id not in stored_ids]
    return result


def repair(
    store: Store,
    collection: str,
    difference: Drift,
    artifacts: Rows,
    *,
    centred: bool,
    progress: Progress | None = None,
) -> int:
    """Write the missing and changed rows, delete the extra ones, flush; returns the number of rows written or deleted.

    Raises StoreError; rows written until then stay, so compare again.
    """
    place_by_id = {image_id: place for place, image_id in enumerate(artifacts.ids)}
    changed = [*difference.missing, *difference.moved, *difference.renamed]
    total, done = len(changed) + len(difference.extra), 0
    for start in range(0, len(changed), _BATCH):
        places = [place_by_id[image_id] for image_id in changed[start : start + _BATCH]]
        entities = artifacts.entities(places, centred=centred)
        store.call("upsert", collection, entities, doing=f"write rows into {collection}")
        done += len(places)
        if progress is not None:
            progress(done, total)
    for start in range(0, len(difference.extra), _BATCH):
        ids = difference.extra[start : start + _BATCH]
        store.call("delete", collection, filter=_id_filter(ids), doing=f"delete rows of {collection}")
        done += len(ids)
        if progress is not None:
            progress(done, total)
    if total:  # rows that are not flushed never use an index
        store.call("flush", collection, doing=f"flush {collection}", slow=True)
    return total


def _id_filter(ids: Sequence[str]) -> str:
    return f"id in [{', '.join(filters.quoted(image_id) for image_id in ids)}]"
