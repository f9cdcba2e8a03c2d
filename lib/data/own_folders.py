"""Which folders are Petalscope's own, so that a scan leaves them out of the photos.

An artifacts folder gets a mark when it is first used. Those of earlier versions have none and are known by what lies in
them. Photos in the `data` folder of the artifacts are photos: Petalscope downloads or draws them there.
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

# What Petalscope makes in an artifacts folder, beside stores and hidden files.
_PARTS = frozenset({"sets", "thumbnails", "runs", "scratch", "exports"})
_SET = re.compile(r"-[0-9a-f]{8}\Z")
_PAIR = re.compile(r"[0-9a-f]{2}")
_THUMBNAIL = re.compile(r"[0-9a-f]{64}\.jpg")
_NOTE = ".db.owner.json"
_LEFTOVER = re.compile(r"[0-9a-f]{8}-")  # behind `artifacts.TEMPORARY`


def mark(folder: Path) -> None:
    """Mark an artifacts folder as Petalscope's, unless files of somebody else lie in it: these may be photos.

    A folder that cannot be written stays without a mark; it is still known by what lies in it.
    """
    names = _names(folder)
    if MARK in names or _has_others(names):
        return
    with contextlib.suppress(ArtifactError), artifacts.replacing(folder / MARK, lasting=False) as temporary:
        temporary.write_text(MARK_TEXT, encoding="utf-8")


def left_out(folder: Path, names: Set[str]) -> tuple[str, Set[str]]:
    """Which of the entries `names` of a folder are no photos, all or some, and why; an empty reason for none.

    Needs no listing but the one that `names` comes from, unless the folder has an entry named as Petalscope's are.
    """
    if folder.name.endswith(".db") and "LOCK" in names:
        return STORE, names
    if "pyvenv.cfg" in names:
        return ENVIRONMENT, names
    if MARK in names:
        return ARTIFACTS, names
    own = {name for name, looks in _LOOKS.items() if name in names and looks(folder / name)}
    if own.isdisjoint(_TELLING):
        return "", frozenset()
    return (BESIDE, own) if _has_others(names) else (ARTIFACTS, names)


def is_inside(path: Path) -> bool:
    """Whether `path`, without links in it, is or lies in a part of an artifacts folder that is not its `data`."""
    parts = path.parts
    return any(part in _PARTS and _is_artifacts(Path(*parts[:place])) for place, part in enumerate(parts))


def is_leftover(name: str) -> bool:
    """Whether Petalscope writes under this name what it renames afterwards."""
    rest = name.removeprefix(artifacts.TEMPORARY)
    return rest != name and _LEFTOVER.match(rest) is not None


def is_note(name: str) -> bool:
    """Whether this is the note about who has a Milvus Lite store open; it comes and goes, so nobody lists it."""
    return name.endswith(_NOTE)


def summary(skipped: Iterable[Mapping[str, str]], most: int = 3) -> str:
    """What a catalog's `skipped` has of Petalscope's own, in words; empty when it has nothing of it."""
    own = sorted(f"{entry['id']} {entry['reason']}" for entry in skipped if entry["reason"] in REASONS)
    more = f"; and {len(own) - most:,} more" if len(own) > most else ""
    return f"left out of the photos: {'; '.join(own[:most])}{more}" if own else ""


def _has_others(names: Iterable[str]) -> bool:
    """Whether somebody else put something into an artifacts folder with the entries `names`."""
    ours = {*_PARTS, "data", MARK}
    return any(name not in ours and not name.startswith(".") and not name.endswith((".db", _NOTE)) for name in names)


def _is_artifacts(folder: Path) -> bool:
    return _is_there(folder / MARK) or any(_LOOKS[name](folder / name) for name in _TELLING)


def _is_there(path: Path) -> bool:
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
    # The lock is there from the first moment on, the state file from the end of the first `prepare`.
    return any(
        _SET.search(name) and any(_is_there(folder / name / file) for file in ("state.json", "prepare.lock"))
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


# What each part of an artifacts folder without a mark is known by, and which of them tell that it is one.
_LOOKS: dict[str, Callable[[Path], bool]] = {
    "sets": _are_sets,
    "thumbnails": _are_thumbnails,
    "data": _are_downloads,
    "runs": _are_runs,
}
_TELLING = frozenset({"sets", "thumbnails"})
