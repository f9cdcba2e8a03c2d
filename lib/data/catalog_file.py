"""Catalogs on disk, and the changes in a data folder since its catalog was written."""

from __future__ import annotations

from pathlib import Path

from lib import artifacts
from lib.data import images
from lib.data.catalog import SCHEMA, Catalog, file_stamp
from lib.data.layouts import layout
from lib.errors import ImageError
from lib.settings import LayoutChoice


def changes(catalog: Catalog) -> dict[str, int]:
    """Numbers of files `added`, `removed` and `changed` since `catalog` was built, by name, size and time; `relabelled`
    ones are now of another class, or of another split of their own.

    A file that has become readable counts as added, and as changed a photo whose colours an earlier version read
    otherwise. A catalog with a limit leaves files out on purpose, so then nothing counts as added. Raises DataError
    when the folder does not exist any more, or can no longer be read in one way only.
    """
    found = layout.read(catalog.root, choice_of(catalog))
    files = found.files
    sizes, times = (catalog.frame[name].tolist() for name in ("bytes", "changed_ns"))
    stamps = dict(zip(catalog.ids, zip(sizes, times, strict=True), strict=True))
    skipped_ids = {entry["id"] for entry in catalog.skipped}
    excluded = set(catalog.review["left_out"] if catalog.review else [])
    new_files = [] if catalog.limit is not None else [name for name in files if name not in stamps]
    changed = 0
    for name in stamps.keys() & set(files):
        try:
            stale = stamps[name] != file_stamp(catalog.root / name)
            if not stale and catalog.decoder != images.DECODER:
                stale = images.has_foreign_colours(catalog.root / name)
            changed += stale
        except OSError:
            changed += 1
    return {
        "added": sum(
            name not in skipped_ids or _is_readable(catalog.root / name) for name in new_files if name not in excluded
        ),
        "removed": len(stamps.keys() - set(files)),
        "changed": changed,
        **_relabelled(catalog, found),
    }


def _relabelled(catalog: Catalog, found: layout.Layout) -> dict[str, int]:
    """The number of photos of another class or split than in the catalog; nothing where there are none."""
    given = set(catalog.given_splits)
    # A label that the label review has changed is not one that the folder has.
    reviewed = catalog.review["labels"] if catalog.review else {}
    labels = [reviewed.get(image_id, label) for image_id, label in zip(catalog.ids, catalog.labels, strict=True)]
    count = 0
    for image_id, label, split in zip(catalog.ids, labels, catalog.frame["split"], strict=True):
        own = found.splits.get(image_id, "")
        moved = (own != split) if split in given else own not in {"", "train"}
        count += found.labels.get(image_id, label) != label or (image_id in found.labels and moved)
    return {"relabelled": count} if count else {}


def choice_of(catalog: Catalog) -> LayoutChoice:
    """How the user wanted the folder of a catalog to be read."""
    return LayoutChoice(**catalog.layout.get("choice", {}))


def _is_readable(path: Path) -> bool:
    try:
        images.open_rgb(path)
    except ImageError:
        return False
    return True


def save(catalog: Catalog, path: Path) -> None:
    """Write `catalog` to the Parquet file `path`, atomically; all fields but the rows are metadata of the file."""
    frame = catalog.frame.copy()
    facts = {
        "schema": SCHEMA,
        "name": catalog.name,
        "root": str(catalog.root),
        "fingerprint": catalog.fingerprint,
        "seed": catalog.seed,
        "limit": catalog.limit,
        "decoder": catalog.decoder,
        "factors": catalog.factors,
        "skipped": catalog.skipped,
        "layout": catalog.layout,
        "columns": list(frame.columns),
    }
    if catalog.review:  # absent otherwise: the file is then that of a version without label reviews
        facts["review"] = catalog.review
    # Parquet's checksums cover only the rows.
    frame.attrs = facts | {"sha256": artifacts.digest(facts)}
    with artifacts.replacing(path) as temporary:
        frame.to_parquet(temporary, index=False, engine="pyarrow", write_page_checksum=True)


def load(path: Path) -> Catalog | None:
    """The catalog in the file `path`; None when there is no file or another version of Petalscope wrote it.

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
            decoder=facts.get("decoder", 1),  # the first version did not record it
            factors=facts.get("factors", ""),
            layout=facts.get("layout") or {},
            review=facts.get("review") or None,
        )
    except Exception as error:  # Arrow and pandas raise almost any error on damaged files
        raise artifacts.damaged_file_error(path) from error
