"""Detection of Petalscope's own folders, which a scan for photos skips.

An artifacts folder is marked on first use. Artifacts folders of earlier versions have no mark and are detected by their
contents. The `data` folder inside the artifacts is not skipped: Petalscope downloads or draws photos there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path

from lib import artifacts
from lib.errors import ArtifactError

MARK = "PETALSCOPE.TAG"
MARK_TEXT = "Petalscope keeps its results in this folder. A folder with this file in it is never read as photos.\n"

ARTIFACTS = "is an artifacts folder of Petalscope"
BESIDE = "holds artifacts of Petalscope beside other files; the artifacts are left out"
INSIDE = "is a link into an artifacts folder of Petalscope"
STORE = "is a Milvus Lite store"
ENVIRONMENT = "is a Python environment"
LEFTOVER = "is a leftover of Petalscope, which was stopped while it wrote"
REASONS = frozenset({ARTIFACTS, BESIDE, INSIDE, STORE, ENVIRONMENT, LEFTOVER})

# Folders that Petalscope creates in an artifacts folder.
_PARTS = frozenset({"sets", "thumbnails", "runs", "scratch", "exports"})
_SET = re.compile(r"-[0-9a-f]{8}\Z")
_PAIR = re.compile(r"[0-9a-f]{2}")
_THUMBNAIL = re.compile(r"[0-9a-f]{64}\.jpg")
_NOTE = ".db.owner.json"
_LEFTOVER = re.compile(r"[0-9a-f]{8}-")  # follows `artifacts.TEMPORARY`


def mark(folder: Path) -> None:
    """Mark an artifacts folder as Petalscope's, unless it contains other files, which may be photos.

    A folder that cannot be written stays without a mark and is still detected by its contents.
    """
    names = _names(folder)
    if MARK in names or _has_foreign_entries(names):
        return
    with contextlib.suppress(ArtifactError), artifacts.replacing(folder / MARK, lasting=False) as temporary:
        temporary.write_text(MARK_TEXT, encoding="utf-8")


def entries_to_skip(folder: Path, names: Set[str]) -> tuple[str, Set[str]]:
    """The reason to skip entries of a folder, and their names; ("", empty set) where nothing is skipped.

    `names` are all entries of the folder. Further folders are listed only where an entry has a name of Petalscope's.
    """
    if folder.name.endswith(".db") and "LOCK" in names:
        return STORE, names
    if "pyvenv.cfg" in names:
        return ENVIRONMENT, names
    if MARK in names:
        return ARTIFACTS, names
    own_names = {name for name, is_own in _CONTENT_CHECKS.items() if name in names and is_own(folder / name)}
    if own_names.isdisjoint(_SUFFICIENT_PARTS):
        return "", frozenset()
    return (BESIDE, own_names) if _has_foreign_entries(names) else (ARTIFACTS, names)


def is_inside(path: Path) -> bool:
    """Whether `path`, free of links, is or lies in a part of an artifacts folder other than its `data`."""
    parts = path.parts
    return any(part in _PARTS and _is_artifacts(Path(*parts[:depth])) for depth, part in enumerate(parts))


def is_leftover(name: str) -> bool:
    """Whether `name` is a temporary name of `artifacts.replacing`."""
    rest = name.removeprefix(artifacts.TEMPORARY)
    return rest != name and _LEFTOVER.match(rest) is not None


def is_note(name: str) -> bool:
    """Whether `name` is the file that names the owner of a Milvus Lite store; it is temporary, so it is not listed."""
    return name.endswith(_NOTE)


def summary(skipped: Iterable[Mapping[str, str]], most: int = 3) -> str:
    """A clause about Petalscope's own folders in a catalog's `skipped`, with at most `most` names; empty for none."""
    clauses = sorted(f"{entry['id']} {entry['reason']}" for entry in skipped if entry["reason"] in REASONS)
    more = f"; and {len(clauses) - most:,} more" if len(clauses) > most else ""
    return f"left out of the photos: {'; '.join(clauses[:most])}{more}" if clauses else ""


def _has_foreign_entries(names: Iterable[str]) -> bool:
    """Whether the entries `names` of an artifacts folder include some that Petalscope does not create."""
    own_names = {*_PARTS, "data", MARK}
    return any(
        name not in own_names and not name.startswith(".") and not name.endswith((".db", _NOTE)) for name in names
    )


def _is_artifacts(folder: Path) -> bool:
    return _exists(folder / MARK) or any(_CONTENT_CHECKS[name](folder / name) for name in _SUFFICIENT_PARTS)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _names(folder: Path) -> list[str]:
    try:
        return [child.name for child in folder.iterdir()]
    except OSError:
        return []


def _are_sets(folder: Path) -> bool:
    # `prepare` creates the lock at its start, and the state file at its end.
    return any(
        _SET.search(name) and any(_exists(folder / name / file) for file in ("state.json", "prepare.lock"))
        for name in _names(folder)
    )


def _are_thumbnails(folder: Path) -> bool:
    return any(
        _THUMBNAIL.fullmatch(name)
        for size in _names(folder)
        if size.isdecimal()
        for pair in _names(folder / size)
        if _PAIR.fullmatch(pair)
        for name in _names(folder / size / pair)
    )


def _are_downloads(folder: Path) -> bool:
    return any(name == "flower_photos" or name.startswith("synthetic-") for name in _names(folder))


def _are_runs(folder: Path) -> bool:
    return any(name.endswith((".json", ".log", ".lock")) for name in _names(folder))


# How each part of an artifacts folder is recognised by its contents, and the parts that suffice without a mark.
_CONTENT_CHECKS: dict[str, Callable[[Path], bool]] = {
    "sets": _are_sets,
    "thumbnails": _are_thumbnails,
    "data": _are_downloads,
    "runs": _are_runs,
}
_SUFFICIENT_PARTS = frozenset({"sets", "thumbnails"})
