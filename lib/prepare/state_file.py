"""The state file of a data set, read and checked field by field: it names the results in use, and anybody may edit it.

Invariant: a state that is returned has every field that the code reads, of its type and within its range, and no path
in it leads out of the data set's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

from lib import artifacts
from lib.documents.prepare import State
from lib.embed import spaces
from lib.errors import ArtifactError, PetalscopeError, Remedy
from lib.text import shortened

NAME: Final = "state.json"
SCHEMA: Final = 2

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_name(value: Any) -> bool:
    return _is_text(value) and bool(value)


def _is_path_inside(value: Any) -> bool:
    """Whether a value is a path below the data set's folder."""
    if not _is_name(value) or "\\" in value:
        return False
    path = PurePosixPath(value)
    return not path.is_absolute() and ".." not in path.parts and path != PurePosixPath()


def _is_count(value: Any, least: int = 0, most: int = 2**63 - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_seed(value: Any) -> bool:
    return _is_count(value, most=2**32 - 1)  # what NumPy's generator takes


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_file_name(value: Any) -> bool:
    return _is_path_inside(value) and "/" not in value


# The fields of each part. A field that early versions did not write is in the second table of its part.
_STATE: Final[Mapping[str, Check]] = {
    "dataset": _is_object,
    "catalog": _is_path_inside,
    "contents": _is_text,
    "spaces": _is_object,
    "collections": _is_object,
}
_STATE_SINCE: Final[Mapping[str, Check]] = {"review": _is_object}
_REVIEW: Final[Mapping[str, Check]] = {
    "digest": _is_name,
    "before": _is_file_name,
    "relabelled": _is_count,
    "excluded": _is_count,
}
_DATASET: Final[Mapping[str, Check]] = {
    "name": _is_name,
    "root": _is_name,
    "note": _is_text,
    "fingerprint": _is_name,
    "seed": _is_seed,
    "limit": _or_none(lambda value: _is_count(value, least=1)),
    "images": _is_count,
}
_SPACE: Final[Mapping[str, Check]] = {
    "fingerprint": _is_name,
    "data_fingerprint": _is_name,
    "pictures": _is_text,
    "folder": _is_path_inside,
    "dim": lambda value: _is_count(value, least=1),
    "count": _is_count,
    "weights": _or_none(_is_object),
    "neighbours": _is_path_inside,
    "map": _is_path_inside,
    "pca": _is_path_inside,
}
_SPACE_SINCE: Final[Mapping[str, Check]] = {
    "precision": _or_none(lambda value: value in ("fp32", "bf16")),
    "engine": _or_none(lambda value: _is_object(value) and all(map(_is_text, value.values()))),
    "definition": _is_object,
    "bases": lambda value: _is_object(value) and all(map(_is_text, value.values())),
}
_WEIGHTS: Final[Mapping[str, Check]] = {
    "name": _is_name,
    "sha256": _is_text,
    "about": _is_text,
    "preprocess": _is_object,
    "path": _or_none(_is_name),
    "seed": _is_seed,
}
_COLLECTION: Final[Mapping[str, Check]] = {"base": _is_name, "fingerprint": _is_text, "contents": _is_text}


def read(folder: Path, name: str = NAME, *, define: bool = True) -> State | None:
    """The state file in a data set's folder of artifacts; None when there is none. With `define`, the spaces that it
    defines are known by their names afterwards; a state of before adds only the names that are not known yet.

    Raises ArtifactError, which names the first bad field, when the file is damaged; or when another version of
    Petalscope wrote it.
    """
    path = folder / name
    state = artifacts.read_json(path)
    if state is None:
        return None
    if state.get("schema") != SCHEMA:
        raise ArtifactError(f"{path} was written by another version of Petalscope", remedy=Remedy.PREPARE)
    for fault in _faults(state, folder):
        raise ArtifactError(f"{path} cannot be read: {fault}", remedy=Remedy.PREPARE_ANEW)
    for space, entry in state["spaces"].items():
        if define and "definition" in entry and (name == NAME or not spaces.is_defined(space)):
            spaces.define_stored(spaces.defined(space, entry["definition"], folder))
    return cast("State", state)


def _faults(state: dict[str, Any], folder: Path) -> Iterator[str]:
    """What is wrong with a state, part by part: an outer part is sound before an inner one is looked at."""
    yield from _wrong_fields("", state, _STATE, _STATE_SINCE)
    if "review" in state:
        yield from _wrong_fields("review.", state["review"], _REVIEW)
    yield from _wrong_fields("dataset.", state["dataset"], _DATASET)
    for name, entry in state["spaces"].items():
        yield from _wrong_fields(f"spaces.{name}.", entry, _SPACE, _SPACE_SINCE)
        space = spaces.SPACES.get(name)
        if space is None and "definition" in entry:
            try:
                space = spaces.defined(name, entry["definition"], folder)
            except PetalscopeError as error:
                yield f"`spaces.{name}.definition` cannot be used: {error.problem}"
        if space is None:
            yield f"{_quoted(name)} is no space"
            continue
        if entry["weights"] is not None:
            yield from _wrong_fields(f"spaces.{name}.weights.", entry["weights"], _WEIGHTS)
        elif space.needs_weights:
            yield f"`spaces.{name}.weights` is missing"
    for store, entries in state["collections"].items():
        if not isinstance(entries, dict):
            yield f"`collections` has {_quoted(entries)} for a store"
        for name, entry in entries.items():
            yield from _wrong_fields(f"collections.{shortened(store, 60)}.{shortened(name, 60)}.", entry, _COLLECTION)


def _wrong_fields(
    place: str, part: Any, fields: Mapping[str, Check], since: Mapping[str, Check] | None = None
) -> Iterator[str]:
    if not isinstance(part, dict):
        yield f"`{place.rstrip('.')}` is {_quoted(part)}"
        return
    for name, check in {**fields, **(since or {})}.items():
        if name not in part:
            if name in fields:
                yield f"`{place}{name}` is missing"
        elif not check(part[name]):
            yield f"`{place}{name}` is {_quoted(part[name])}"


def _quoted(value: Any) -> str:
    return shortened(ascii(value), 80)
