"""Saved views: names for links into the pages, in a file of their own in the artifacts of a data set.

A view is a page and the choices in its address; the surface that reads it drops what its pages do not know any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lib import artifacts
from lib.data import tags
from lib.errors import ArtifactError, QueryError, Remedy
from lib.locks import exclusive_lock
from lib.text import natural_key

NAME: Final = "views.json"
LOCK: Final = "views.lock"
SCHEMA: Final = 1
MOST: Final = 200  # views of a data set


@dataclass(frozen=True)
class SavedView:
    """A page, and the values of each parameter in its address."""

    page: str
    choices: Mapping[str, Sequence[str]]


def read(folder: Path) -> dict[str, SavedView]:
    """The views of a data set by name, in natural order; none where there is no file.

    Raises ArtifactError when the file is damaged: nobody but the user can make it anew.
    """
    path = folder / NAME
    try:
        stored = artifacts.read_json(path)
        if stored is None:
            return {}
        if stored["schema"] != SCHEMA:
            raise ValueError("another schema")
        found = {tags.checked(name): _view(each) for name, each in stored["views"].items()}
    except (ArtifactError, QueryError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The saved views in {path} cannot be read", remedy=Remedy.RESTORE_FILE) from error
    return {name: found[name] for name in sorted(found, key=natural_key)}


def _view(stored: Mapping[str, object]) -> SavedView:
    page, choices = stored["script"], stored["choices"]
    if not isinstance(page, str) or not isinstance(choices, dict):
        raise ValueError("no view")
    for values in choices.values():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError("no values")
    return SavedView(page, choices)


def put(folder: Path, name: str, view: SavedView) -> str:
    """Save a view under a name, which is returned as it is kept; a view of this name is replaced.

    Raises QueryError for a bad name or too many views, ArtifactError as `read` does.
    """
    kept = tags.checked(name, "saved view")
    with exclusive_lock(folder / LOCK):
        views = read(folder)
        if kept not in views and len(views) >= MOST:
            raise QueryError(f"There are {MOST} saved views already; delete one first.")
        _write(folder, {**views, kept: view})
    return kept


def delete(folder: Path, name: str) -> None:
    """Delete a view, if there is one of this name. Raises ArtifactError as `read` does."""
    with exclusive_lock(folder / LOCK):
        _write(folder, {each: view for each, view in read(folder).items() if each != name})


def _write(folder: Path, views: Mapping[str, SavedView]) -> None:
    """Write the views; without any there is no file."""
    if not views:
        artifacts.remove(folder / NAME)
        return
    stored = {
        name: {"script": view.page, "choices": {key: list(values) for key, values in view.choices.items()}}
        for name, view in views.items()
    }
    artifacts.write_json(folder / NAME, {"schema": SCHEMA, "views": stored})
