"""What is said of vectors that were brought in: the document of a command, and its sentences for every surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.data import vector_ids
from lib.data.catalog import Catalog
from lib.data.vector_ids import Match
from lib.data.vector_tables import VectorFile
from lib.documents.prepare import PrepareDocument
from lib.documents.spaces import AddSpaceDocument, NamedPhotos
from lib.embed import imported_spaces
from lib.embed.imported_spaces import Written
from lib.text import agreeing, counted, listed, shown_name

FIRST = 5  # ids that a report names


def document(
    name: str,
    source: str,
    catalog: Catalog,
    file: VectorFile,
    match: Match,
    written: Written,
    prepared: PrepareDocument,
    *,
    replaced: bool,
) -> AddSpaceDocument:
    """The document of a space that is ready; `source` is what its vectors came from."""
    entry = next(each for each in prepared["spaces"] if each["name"] == name)
    keys = file.keys or []
    return {
        "name": name,
        "space": name,
        "file": source,
        "sha256": written.definition["sha256"],
        "dim": entry["dim"],
        "count": entry["count"],
        "matched": int(np.count_nonzero(match.rows >= 0)),
        "missing": [],
        "extra": [keys[row] for row in match.extra[:FIRST].tolist()] if keys else [],
        "missing_count": 0,
        "extra_count": len(match.extra),
        "ids": file.keyed_by or "none",
        "how": vector_ids.WAYS[match.how],
        "dtype": file.dtype,
        "projected_from": file.dim if imported_spaces.projected(file.dim) else None,
        "zero": _named(catalog, written.zero),
        "constant": _named(catalog, written.constant),
        "texts": written.definition["texts"],
        "replaced": replaced,
        "cached": entry["cached"],
        "collections": [row["name"] for row in prepared["milvus"]["collections"] if row["space"] == name],
        "fingerprint": entry["fingerprint"],
        "seconds": prepared["seconds"],
    }


def _named(catalog: Catalog, rows: Sequence[int]) -> NamedPhotos:
    return {"count": len(rows), "ids": [catalog.ids[row] for row in rows[:FIRST]]}


def lacking(source: str, catalog: Catalog, keys: Sequence[str], match: Match) -> str:
    """The sentence for a source in which photos have no vector."""
    missing, name = np.nonzero(match.rows < 0)[0].tolist(), shown_name(source)
    if len(missing) == len(catalog.ids):
        return (
            f"No id of {name} ({listed(keys[:2])}, …) is that of a photo ({shown_name(catalog.ids[0])}, …): ids are "
            "paths below the folder of the photos, base names, or hashes of pixels or files. Nothing was changed."
        )
    extra = f"; {agreeing(len(match.extra), 'row', 'is', 'are')} of no photo" if len(match.extra) else ""
    names = listed([catalog.ids[place] for place in missing], 3)
    return (
        f"{name} has vectors for {len(catalog.ids) - len(missing):,} of {counted(len(catalog.ids), 'photo')}, matched "
        f"{vector_ids.WAYS[match.how]}; {counted(len(missing), 'photo')} without: {names}{extra}. Nothing was changed; "
        "add their vectors."
    )


def sentences(found: AddSpaceDocument) -> list[str]:
    """What was matched and how, and what is odd about the vectors: a line each."""
    photos = counted(found["count"], "photo")
    ids = f"ids: {found['ids']}, " if found["ids"] != "none" else ""
    lines = [f"space {found['name']}: {photos} × {found['dim']:,} from {found['file']} ({ids}matched {found['how']})"]
    if found["cached"]:
        lines[0] += ", nothing to compute"
    if found["extra_count"]:
        names = f": {', '.join(found['extra'])}, …" if found["extra"] else ""
        lines.append(f"{counted(found['extra_count'], 'row')} of no photo, ignored{names}")
    if found["projected_from"]:
        lines.append(f"projected at random from {found['projected_from']:,} dimensions, seed 0")
    if found["dtype"] != "float32":
        lines.append(f"{found['dtype']} numbers, kept as float32")
    lines += _odd("zero vector", found["zero"], "without a cosine")
    lines += _odd("constant vector", found["constant"], "without an NCC")
    return lines


def _odd(noun: str, found: NamedPhotos, why: str) -> list[str]:
    return [f"{counted(found['count'], noun)}, {why}: {', '.join(found['ids'])}"] if found["count"] else []
