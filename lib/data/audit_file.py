"""The duplicates of a data set on disk: found once for these pictures, and read back by pages and commands.

A file holds the groups by id; labels, and whether they conflict, come from the catalog that it is read for.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data import audit
from lib.data.catalog import Catalog
from lib.documents.prepare import AuditDocument
from lib.errors import ArtifactError
from lib.progress import Progress, no_progress

SCHEMA = 1
FOLDER = "audits"


def file_name(catalog: Catalog) -> str:
    """The name of the file of these pictures: a hash of ids and decoded pixels, whatever their labels and splits."""
    return f"{artifacts.digest('petalscope-audit', SCHEMA, catalog.ids, catalog.hashes)[:16]}.json"


def load(folder: Path, catalog: Catalog) -> AuditDocument | None:
    """The stored `audit` document of these pictures; None while there is none, or its file is damaged."""
    stored = artifacts.unless_damaged(artifacts.read_json, folder / FOLDER / file_name(catalog))
    if stored is None:
        return None
    return audit.document(catalog, [(group["ids"], group["kind"], group["distance"]) for group in stored["groups"]])


def find(folder: Path, catalog: Catalog, progress: Progress = no_progress) -> AuditDocument:
    """The `audit` document, read from its file under `folder` (of the data set's artifacts), else found and written.

    Where a photo is gone or was replaced nothing is written: its duplicates are found once it is back.
    """
    stored = load(folder, catalog)
    if stored is not None:
        return stored
    start = time.perf_counter()
    found = audit.audit(catalog, progress)
    if all(map(catalog.is_unchanged, range(len(catalog.ids)))):
        with contextlib.suppress(ArtifactError):  # where nothing can be written they are found again
            artifacts.write_json(
                folder / FOLDER / file_name(catalog), _record(found, catalog, time.perf_counter() - start)
            )
    return found


def _record(found: AuditDocument, catalog: Catalog, seconds: float) -> dict[str, Any]:
    return {
        "groups": [{name: group[name] for name in ("ids", "kind", "distance")} for group in found["duplicates"]],
        "data_fingerprint": catalog.fingerprint,
        "images": found["images"],
        "near_bits": audit.NEAR_BITS,
        "near_pattern": audit.NEAR_PATTERN,
        "near_colour": audit.NEAR_COLOUR,
        "schema": SCHEMA,
        "libraries": artifacts.library_versions(),
        "seconds": round(seconds, 3),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
