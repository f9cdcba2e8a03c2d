"""The catalog of a run: the photos are read again, except files that an earlier catalog of this folder describes."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lib import artifacts
from lib.data import catalog as catalogs
from lib.data import catalog_file, data_notes, label_overlay, label_review, own_folders, skipped_files
from lib.data.catalog import Catalog
from lib.documents.prepare import State
from lib.prepare.job import PrepareJob
from lib.settings import LayoutChoice
from lib.text import counted


def catalog_of(job: PrepareJob, limit: int | None) -> tuple[Catalog, str]:
    """The catalog of the photos as they are now, with the user's label review applied, and the name of its file, which
    is written unless it exists."""
    previous = _previous_catalog(job.folder, job.previous)
    earlier = LayoutChoice() if previous is None else catalog_file.choice_of(previous)
    choice = job.settings.layout.after(earlier)
    catalog = catalogs.build(
        job.dataset.name,
        job.dataset.root,
        seed=job.seed,
        limit=limit,
        previous=previous,
        choice=choice,
        progress=job.reporter.stage("read photos"),
    )
    for clause in (skipped_files.summary(catalog.skipped), own_folders.summary(catalog.skipped)):
        if clause:
            job.reporter.say(f"{clause[0].upper()}{clause[1:]}.")
    if catalog.factors:
        job.reporter.say(f"{catalog.factors}.")
    # Plain class folders that are as before need no word.
    if data_notes.is_notable(catalog) or previous is None or previous.key != catalog.key:
        for sentence in data_notes.sentences(catalog, kept=earlier if choice == earlier else None):
            job.reporter.say(sentence)
    if previous is not None and (changed := _recoloured(previous, catalog)):
        job.reporter.say(recoloured(changed))
    own_name = _save(job.folder, catalog)
    reviewed = label_overlay.applied(catalog, label_review.read(job.folder), own_name)
    if not reviewed.review:
        return catalog, own_name
    job.reporter.say(label_overlay.sentence(*label_overlay.changes(reviewed.review)))
    return reviewed, _save(job.folder, reviewed)


def _save(folder: Path, catalog: Catalog) -> str:
    """The name of a catalog's file, which is written unless it exists."""
    name = f"catalog-{catalog.key}.parquet"
    existing = artifacts.unless_damaged(catalog_file.load, folder / name)
    # The file's name does not depend on these two.
    if existing is None or (existing.decoder, existing.factors) != (catalog.decoder, catalog.factors):
        catalog_file.save(catalog, folder / name)
    return name


def recoloured(count: int) -> str:
    """The sentence for photos of an earlier version whose colours are converted now."""
    photos = counted(count, "photo")
    return f"{photos} with a colour profile had been read without it by an earlier version; now converted to sRGB."


def _recoloured(previous: Catalog, catalog: Catalog) -> int:
    """How many photos have other pixels than in a catalog of an earlier decoder, though their files are the same."""
    if previous.decoder == catalog.decoder:
        return 0
    columns = ["id", "bytes", "changed_ns", "sha256"]
    both = previous.frame[columns].merge(catalog.frame[columns], on=["id", "bytes", "changed_ns"])
    return int((both["sha256_x"] != both["sha256_y"]).sum())


def _previous_catalog(folder: Path, state: State | None) -> Catalog | None:
    """An earlier catalog: the state's (without its label review), or one that a killed run left; None without any.

    Any earlier catalog serves, since its rows are checked file by file.
    """
    names = [state["catalog"]] if state else [path.name for path in _newest_first(folder)]
    if state is not None and "review" in state:  # that one has the excluded photos, too
        names.insert(0, state["review"]["before"])
    for name in names:
        catalog = artifacts.unless_damaged(catalog_file.load, folder / name)
        if catalog is not None:
            return catalog
    return None


def _newest_first(folder: Path) -> list[Path]:
    """The catalogs in a folder of artifacts: the newest one has the user's last choice."""
    with contextlib.suppress(OSError):
        return sorted(folder.glob("catalog-*.parquet"), key=lambda path: (-path.stat().st_mtime_ns, path.name))
    return []


def pictures(catalog: Catalog) -> str:
    """Short hash of the pictures in row order: vectors are valid for exactly these."""
    return artifacts.digest(list(catalog.frame["sha256"]))[:8]


def contents(catalog: Catalog) -> str:
    """Hash of a collection's rows apart from their vectors: id, picture, label and split of each."""
    return artifacts.digest(catalog.contents, list(catalog.frame["sha256"]))
