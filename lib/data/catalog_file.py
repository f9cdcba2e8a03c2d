"""A catalog on disk, and what has changed in its folder since it was written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lib import artifacts
from lib.data import images
from lib.data.scanning import scan
from lib.errors import ImageError

if TYPE_CHECKING:
    pass
from lib.data.catalog import SCHEMA, Catalog, _status


def changes(catalog: Catalog) -> dict[str, int]:
    """Files that were added, removed or changed in the data folder since `catalog` was made (by name, size and time).

    A file that could not be read then and can be now counts as added. A catalog made with a limit leaves files out on
    purpose: then nothing counts as added. Raises DataError when the folder has gone.
    """
    files, _ = scan(catalog.root)
    sizes, times = (catalog.frame[name].tolist() for name in ("bytes", "changed_ns"))
    known = dict(zip(catalog.ids, zip(sizes, times, strict=True), strict=True))
    left_out = {entry["id"] for entry in catalog.skipped}
    new = [] if catalog.limit is not None else [name for name in files if name not in known]
    changed = 0
    for name in known.keys() & set(files):
        try:
            changed += known[name] != _status(catalog.root / name)
        except OSError:
            changed += 1
    return {
        "added": sum(name not in left_out or _is_readable(catalog.root / name) for name in new),
        "removed": len(known.keys() - set(files)),
        "changed": changed,
    }


def _is_readable(path: Path) -> bool:
    try:
        images.open_rgb(path)
    except ImageError:
        return False
    return True


def save(catalog: Catalog, path: Path) -> None:
    """Write `catalog` to the Parquet file `path`, atomically; everything but the rows goes into its metadata."""
    frame = catalog.frame.copy()
    facts = {
        "schema": SCHEMA,
        "name": catalog.name,
        "root": str(catalog.root),
        "fingerprint": catalog.fingerprint,
        "seed": catalog.seed,
        "limit": catalog.limit,
        "skipped": catalog.skipped,
        "columns": list(frame.columns),
    }
    # Parquet's checksums are of the rows alone.
    frame.attrs = facts | {"sha256": artifacts.digest(facts)}
    with artifacts.replacing(path) as temporary:
        frame.to_parquet(temporary, index=False, engine="pyarrow", write_page_checksum=True)


def load(path: Path) -> Catalog | None:
    """The catalog at `path`; None when there is none or another version of Petalscope wrote it.

    Raises ArtifactError when the file is damaged.
    """
    import pandas as pd

    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path, engine="pyarrow", page_checksum_verification=True)
        facts = dict(frame.attrs)
        if facts["schema"] != SCHEMA:
            return None
        if facts.pop("sha256") != artifacts.digest(facts) or facts["columns"] != list(frame.columns):
            raise ValueError("wrong checksum")
        return Catalog(
            name=facts["name"],
            root=Path(facts["root"]),
            frame=frame,
            skipped=facts["skipped"],
            fingerprint=facts["fingerprint"],
            seed=facts["seed"],
            limit=facts["limit"],
        )
    except Exception as error:  # Arrow and pandas raise nearly anything on damaged files
        raise artifacts.damaged(path) from error
