"""Tags: names for selections of photos, in a file of their own in the artifacts, never among the photos.

A tag holds pictures by their pixel hashes, so it finds photos that were moved or renamed, and their exact copies; what
is no longer among the photos stays in the file and comes back with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lib import artifacts
from lib.data.catalog import Catalog
from lib.errors import ArtifactError, QueryError, Remedy
from lib.locks import exclusive_lock
from lib.text import composed, natural_key, visible

NAME: Final = "tags.json"
LOCK: Final = "tags.lock"
SCHEMA: Final = 1
LONGEST: Final = 60  # characters of a name
MOST: Final = 200  # tags of a data set


@dataclass(frozen=True)
class Tags:
    """The pixel hashes of each tag's pictures, by name."""

    pictures: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names in natural order."""
        return sorted(self.pictures, key=natural_key)

    def rows(self, name: str, catalog: Catalog) -> list[int]:
        """The catalog rows of a tag, ascending; none for an unknown name."""
        pictures = self.pictures.get(name, frozenset())
        return [row for row, sha256 in enumerate(catalog.hashes) if sha256 in pictures]

    def of(self, sha256: str) -> list[str]:
        """The names of a picture's tags, in natural order."""
        return [name for name in self.names if sha256 in self.pictures[name]]


def read(folder: Path) -> Tags:
    """The tags in a data set's folder of artifacts; none where there is no file.

    Raises ArtifactError when the file is damaged: nobody but the user can make it anew.
    """
    path = folder / NAME
    try:
        stored = artifacts.read_json(path)
        if stored is None:
            return Tags()
        if stored["schema"] != SCHEMA:
            raise ValueError("another schema")
        return Tags({checked(name): frozenset(map(str, pictures)) for name, pictures in stored["tags"].items()})
    except (ArtifactError, QueryError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The tags in {path} cannot be read", remedy=Remedy.RESTORE_FILE) from error


def checked(name: str, noun: str = "tag") -> str:
    """A name of a `noun` as it is kept: one line, accents composed. Raises QueryError for an empty or a long one."""
    kept = composed(visible(" ".join(name.split())))
    if not kept:
        raise QueryError(f"A {noun} needs a name.")
    if len(kept) > LONGEST:
        raise QueryError(f"The name of a {noun} has {len(kept):,} characters; at most {LONGEST} are kept: shorten it.")
    return kept


def put(folder: Path, name: str, pictures: Iterable[str]) -> Tags:
    """Give these pictures a name; a tag of this name is replaced. Raises QueryError for a bad name, too many tags, or
    no picture; ArtifactError as `read` does."""
    kept, hashes = checked(name), frozenset(pictures)
    if not hashes:
        raise QueryError("Nothing is selected, so there is nothing to name.")
    with _locked(folder):
        tags = read(folder)
        if kept not in tags.pictures and len(tags.pictures) >= MOST:
            raise QueryError(f"There are {MOST} tags already; delete one first.")
        return _write(folder, Tags({**tags.pictures, kept: hashes}))


def delete(folder: Path, name: str) -> Tags:
    """Delete a tag, if there is one of this name; its photos stay. Raises ArtifactError as `read` does."""
    with _locked(folder):
        tags = read(folder)
        return _write(folder, Tags({each: pictures for each, pictures in tags.pictures.items() if each != name}))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with exclusive_lock(folder / LOCK):
        yield


def _write(folder: Path, tags: Tags) -> Tags:
    """Write the tags; without any there is no file."""
    if not tags.pictures:
        artifacts.remove(folder / NAME)
        return tags
    stored = {name: sorted(pictures) for name, pictures in tags.pictures.items()}
    artifacts.write_json(folder / NAME, {"schema": SCHEMA, "tags": stored})
    return tags
