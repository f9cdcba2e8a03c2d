"""Queries: an image of the catalog, a picture from outside, a crop of either, or a vector."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from lib.data import images, vector_files
from lib.data.catalog import Catalog
from lib.errors import ImageError, QueryError
from lib.text import shown_name


@dataclass(frozen=True)
class Query:
    """A query. `row` is its catalog row, None for a picture from outside; `copies` are the catalog rows with exactly
    its pixels, its own included. `picture` is None when the stored vector serves. `key` identifies the query in caches.
    `values` (dim,) is the vector of a query without a picture, such as a row of another collection; `space` is the only
    space that it belongs to, "" where any space of as many dimensions takes it. `text` is that of a query by text."""

    name: str
    row: int | None
    copies: list[int]
    picture: Image.Image | None = field(compare=False)
    key: str = ""
    values: np.ndarray | None = field(default=None, compare=False)
    space: str = ""
    text: str = ""

    def left_out(self, *, keep_duplicates: bool) -> list[int]:
        """Rows that may not be results: the query itself and, unless `keep_duplicates`, its pixel-identical copies."""
        if keep_duplicates:
            return [] if self.row is None else [self.row]
        return self.copies


def find_query(catalog: Catalog, name: str) -> Query:
    """The query that a catalog id or the path of a file names: a picture, or an NPY file of one vector.

    Raises QueryError when `name` is neither.
    """
    try:
        row = catalog.row(name)
        if row is None:
            path = Path(name).expanduser()
            row = _row_of_file(catalog, path)
        if row is not None:
            return query_row(catalog, row)
        if path.suffix.lower() == ".npy" and path.is_file():
            return query_vector_file(path, name)
        if name and path.exists():
            return query_picture(catalog, images.open_rgb(path), name)
    except ImageError as error:
        raise QueryError(f"{shown_name(name)} {error}; choose another picture.") from error
    except (OSError, ValueError, RuntimeError):  # an impossible file name, or a loop of links
        pass
    raise QueryError(
        f"{shown_name(name) or 'An empty name'} is neither an image id of the catalog nor a file; ids look like "
        f"{shown_name(catalog.ids[0])}."
    )


def _row_of_file(catalog: Catalog, path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        return catalog.row(path.resolve().relative_to(catalog.root.resolve()).as_posix())
    return None


def query_row(catalog: Catalog, row: int) -> Query:
    """The catalog's image in `row` as a query."""
    image_id = catalog.ids[row]
    return Query(image_id, row, catalog.copies(catalog.hashes[row]), None, f"id {image_id}")


def query_picture(catalog: Catalog, picture: Image.Image, name: str) -> Query:
    """A picture from outside as a query. `picture` is upright RGB, as `images.open_rgb` gives it."""
    sha256 = images.pixel_hash(picture)
    return Query(name, None, catalog.copies(sha256), picture, f"picture {sha256}")


def query_vector_file(path: Path, name: str) -> Query:
    """The vector in an NPY file as a query. Raises QueryError when the file is no single vector."""
    values = vector_files.query_vector(path)
    return Query(name, None, [], None, f"vector {hashlib.sha256(values.tobytes()).hexdigest()}", values)


def query_part(catalog: Catalog, query: Query, box: tuple[float, float, float, float]) -> Query:
    """A crop of a query's picture as a query from outside: `box` is left, top, right and bottom in percent.

    The crop counts as a new image, so the whole picture may be a result. Raises QueryError for a box without area or a
    query without a picture, DataError when the photo can no longer be read.
    """
    left, top, right, bottom = box
    if not (0 <= left < right <= 100 and 0 <= top < bottom <= 100):
        raise QueryError("A crop is left,top,right,bottom in percent of the picture, such as 25,25,75,75.")
    if query.row is None and query.picture is None:
        raise QueryError(f"{shown_name(query.name)} is a vector without a picture, so it cannot be cropped.")
    whole = query.picture if query.picture is not None else catalog.open(query.row or 0)
    across, down = whole.width / 100, whole.height / 100
    x, y = int(left * across), int(top * down)
    crop = whole.crop((x, y, max(x + 1, round(right * across)), max(y + 1, round(bottom * down))))
    return query_picture(catalog, crop, f"part {left:g},{top:g},{right:g},{bottom:g} of {query.name}")
