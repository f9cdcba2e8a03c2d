"""The kind of spaces whose vectors another program computed: brought in once, kept, and matched with the photos.

A folder `imports/<name>-<hash>` of the data set's artifacts has `vectors.npy` (m, dim) float32: one row for each photo
of the catalog of that time, then the rows that no photo had, which photos that come later may have. `rows.json` says
which row is whose. Texts have `texts.json` and `text_vectors.npy` (t, dim).

Invariant: a photo keeps its vector while its pixels are the same, whatever its name; a photo with other pixels has none
until its vectors are brought in anew.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from lib import artifacts, documents
from lib.data import vector_ids
from lib.data.catalog import Catalog
from lib.data.vector_ids import Match
from lib.data.vector_tables import VectorFile, rows_of_block
from lib.embed.space import Definition, Kind, Made, Space
from lib.errors import ArtifactError, PetalscopeError, QueryError, Remedy
from lib.progress import Progress, no_progress
from lib.text import counted, listed, shown_name

KIND_NAME: Final = "imported"
FOLDER: Final = "imports"
# Vectors of more dimensions are projected to `PROJECTED`, with the seed 0. Exact search takes milliseconds up to here.
MOST_DIMENSIONS: Final = 65_536
PROJECTED: Final = 8_192
# Rows that no photo has are kept up to this many times the photos.
_MOST_EXTRA: Final = 10
_VECTORS, _ROWS, _TEXTS, _TEXT_VECTORS = "vectors.npy", "rows.json", "texts.json", "text_vectors.npy"
_HASHES: Final = "hashes.json"  # of the other files; written last


@dataclass(frozen=True)
class Written:
    """What was brought in: the `definition` of its space, and the catalog rows of `zero` and `constant` vectors."""

    definition: dict[str, Any]
    zero: list[int]
    constant: list[int]


def projected(dim: int) -> dict[str, int] | None:
    """The projection of vectors of `dim` numbers; None where they stay as they are."""
    return {"from": dim, "to": PROJECTED, "seed": 0} if dim > MOST_DIMENSIONS else None


def projection_of(facts: dict[str, int] | None) -> Callable[[np.ndarray], np.ndarray]:
    """A function from vectors (m, from) to (m, to): every dimension is added to one that a seed draws, with a sign that
    it draws. Inner products and squared distances are kept in expectation (Charikar, Chen and Farach-Colton 2002)."""
    if facts is None:
        return lambda values: values
    from scipy import sparse

    rng, before, after = np.random.default_rng(facts["seed"]), facts["from"], facts["to"]
    places, signs = rng.integers(0, after, before), rng.choice(np.array([-1.0, 1.0], dtype=np.float32), before)
    matrix = sparse.csr_array((signs, (np.arange(before), places)), shape=(before, after))
    return lambda values: np.asarray(values @ matrix, dtype=np.float32)


def write(
    folder: Path,
    name: str,
    catalog: Catalog,
    file: VectorFile,
    match: Match,
    facts: dict[str, Any],
    texts: VectorFile | None = None,
    progress: Progress = no_progress,
) -> Written:
    """Copy vectors into the artifacts `folder` of a data set, atomically, in the order of `match`. `facts` join the
    definition.

    Raises QueryError that counts and names the photos whose vectors have NaN or infinite numbers, ArtifactError when
    the disk is full.
    """
    keyed = "" if file.keys is None else artifacts.digest(file.keys)
    facts = {**facts, "kind": KIND_NAME, "how": match.how, "dtype": file.dtype, "ids": keyed, "texts": 0}
    if texts is not None and texts.keys is not None:
        facts["texts"] = len(texts.keys)
    if (projection := projected(file.dim)) is not None:
        facts["projection"] = projection
    relative = f"{FOLDER}/{name}-{artifacts.digest(facts, catalog.ids, catalog.hashes)[:8]}"
    hashes = _whole(folder / relative)  # the same vectors, brought in again
    if hashes is None:
        with artifacts.replacing(folder / relative) as target:
            target.mkdir()
            _fill(target, catalog, file, match, projection_of(projection), texts, progress)
            hashes = {each.name: artifacts.file_hash(each) for each in sorted(target.iterdir())}
            _write_json(target / _HASHES, hashes)
    values = np.load(folder / relative / _VECTORS, mmap_mode="r", allow_pickle=False)
    zero, constant = _check(values[: len(catalog.ids)], catalog.ids)
    definition = {**facts, "file": relative, "files": hashes, "dim": values.shape[1]}
    return Written(definition, zero, constant)


def _fill(
    target: Path,
    catalog: Catalog,
    file: VectorFile,
    match: Match,
    project: Callable[[np.ndarray], np.ndarray],
    texts: VectorFile | None,
    progress: Progress,
) -> None:
    """Write everything but the hashes into the new folder `target`."""
    extra = match.extra[: _MOST_EXTRA * len(catalog.ids)]
    order = np.concatenate([match.rows, extra]).astype(np.int64)
    dim = PROJECTED if projected(file.dim) else file.dim
    # Writing through a map into a full disk kills the process.
    if shutil.disk_usage(target).free < 4 * dim * len(order):
        raise ArtifactError(f"The disk that holds {target.parent} is full", remedy=Remedy.FREE_SPACE)
    values = np.lib.format.open_memmap(target / _VECTORS, mode="w+", dtype=np.float32, shape=(len(order), dim))
    done = 0
    for places, block in _sorted_blocks(file, order):
        values[places] = project(block)
        done += len(places)
        progress(done, len(order))
    _check(values[: len(catalog.ids)], catalog.ids)
    values.flush()
    del values
    keys = [] if file.keys is None else [file.keys[row] for row in extra.tolist()]
    _write_json(target / _ROWS, {"photos": list(zip(catalog.ids, catalog.hashes, strict=True)), "extra": keys})
    if texts is not None and texts.keys is not None:
        np.save(target / _TEXT_VECTORS, _text_vectors(texts, project, file.dim), allow_pickle=False)
        _write_json(target / _TEXTS, texts.keys)


def _whole(folder: Path) -> dict[str, str] | None:
    """The hashes of the files in the folder of a copy; None where there is none, or one is not what was written."""

    def hashes(path: Path) -> dict[str, Any] | None:
        found = artifacts.read_json(path)
        for name, sha256 in (found or {}).items():
            artifacts.verify_file(folder / name, str(sha256))
        return found

    return artifacts.unless_damaged(hashes, folder / _HASHES)


def _sorted_blocks(file: VectorFile, order: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows `order` of a file, read once from its start: the places in `order` and their vectors, float32."""
    by_row = np.argsort(order, kind="stable")
    rows, start = order[by_row], 0
    with np.errstate(over="ignore", invalid="ignore"):
        for block in file.blocks():
            first, last = np.searchsorted(rows, [start, start + len(block)])
            yield by_row[first:last], block[rows[first:last] - start].astype(np.float32)
            start += len(block)
    if start != file.rows:
        raise QueryError(f"The vectors end after {start:,} of {file.rows:,} rows; write the file anew.")


def _check(values: np.ndarray, ids: Sequence[str]) -> tuple[list[int], list[int]]:
    """The rows of zero and of other constant vectors. Raises QueryError for numbers that are not finite."""
    broken: list[int] = []
    zero: list[int] = []
    constant: list[int] = []
    step = rows_of_block(values.shape[1])
    for start in range(0, len(values), step):
        block = values[start : start + step]
        broken += (np.nonzero(~np.isfinite(block).all(axis=1))[0] + start).tolist()
        is_zero = ~block.any(axis=1)
        zero += (np.nonzero(is_zero)[0] + start).tolist()
        constant += (np.nonzero((block == block[:, :1]).all(axis=1) & ~is_zero)[0] + start).tolist()
    if broken:
        names = listed((ids[row] for row in broken), 3)
        raise QueryError(
            f"{counted(len(broken), 'photo')} would have a vector with numbers that are NaN, infinite or too large for "
            f"float32: {names}; mend them first."
        )
    return zero, constant


def _text_vectors(texts: VectorFile, project: Callable[[np.ndarray], np.ndarray], dim: int) -> np.ndarray:
    if texts.dim != dim:
        raise QueryError(f"The vectors of the texts have {texts.dim:,} dimensions, those of the photos {dim:,}.")
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.concatenate([project(block.astype(np.float32)) for block in texts.blocks()])
    if not np.isfinite(values).all():
        raise QueryError("The vectors of the texts have NaN or infinite numbers; mend them first.")
    return values


def _write_json(path: Path, value: Any) -> None:
    path.write_text(documents.json_text(value), encoding="utf-8")


# --- the space -------------------------------------------------------------------------------------------------------


def space_of(name: str, definition: Definition, folder: Path) -> Space:
    """The space that a definition describes. Raises QueryError where the definition is not sound."""
    path = PurePosixPath(str(definition.get("file")))
    dim, files = definition.get("dim"), definition.get("files")
    if path.parts[:1] != (FOLDER,) or len(path.parts) != 2 or ".." in path.parts:
        raise QueryError("The folder of an imported space is not one of the imports.")
    if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1 or not isinstance(files, dict):
        raise QueryError("An imported space has no dimension or no hashes of its files.")
    source = folder / path

    def make(catalog: Catalog, bases: Sequence[np.ndarray]) -> Made:
        artifacts.verify_file(source / _VECTORS, str(files.get(_VECTORS)))
        values = np.load(source / _VECTORS, mmap_mode="r", allow_pickle=False)
        rows = _rows(source, files, catalog)
        if (missing := _missing(rows, catalog)) or len(values) <= int(rows.max()):
            raise QueryError(f"The space {name} cannot be made: {missing or 'its copy has too few rows'}.")
        # Photos as they were need no copy in memory.
        return Made(values[: len(rows)] if np.array_equal(rows, np.arange(len(rows))) else values[rows])

    def lacks(catalog: Catalog) -> str:
        try:
            return _missing(_rows(source, files, catalog), catalog)
        except PetalscopeError as error:
            return f"its copy in the artifacts cannot be read ({error.problem})"

    origin = shown_name(str(definition.get("source", "a file")))
    how = vector_ids.WAYS.get(str(definition.get("how")), "")
    about = f"vectors that another program computed, from {origin}, matched {how}"
    if isinstance(definition.get("projection"), dict):
        about += f"; projected at random from {definition['projection'].get('from'):,} dimensions"
    return Space(
        name=name,
        title=name,
        dim=dim,
        dtype="float32",
        about=about,
        group="imported",
        definition=definition,
        make=make,
        lacks=lacks,
        refusal=f"The vectors of {name} come from another program, so a picture from elsewhere has none; search with a "
        "photo of the data set, or with a file of one vector.",
    )  # fmt: skip


def _read_json(path: Path, sha256: object) -> Any:
    artifacts.verify_file(path, str(sha256))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise artifacts.damaged_file_error(path) from error


def _rows(source: Path, files: dict[str, Any], catalog: Catalog) -> np.ndarray:
    """The row of the copy for each photo (n,), -1 where there is none."""
    known = _read_json(source / _ROWS, files.get(_ROWS))
    exact = {(image_id, sha256): row for row, (image_id, sha256) in reversed(list(enumerate(known["photos"])))}
    by_pixels = {sha256: row for row, (_, sha256) in reversed(list(enumerate(known["photos"])))}
    photos = list(zip(catalog.ids, catalog.hashes, strict=True))
    rows = np.array([exact.get(photo, by_pixels.get(photo[1], -1)) for photo in photos], dtype=np.int64)
    known_ids = {image_id for image_id, _ in known["photos"]}
    if known["extra"] and (rows < 0).any():
        later = vector_ids.best(known["extra"], catalog)
        is_new = np.array([image_id not in known_ids for image_id in catalog.ids])
        take = (rows < 0) & (later >= 0) & is_new
        rows[take] = later[take] + len(known["photos"])
    return rows


def _missing(rows: np.ndarray, catalog: Catalog) -> str:
    """The clause that counts and names the photos without a vector; "" without any."""
    places = np.nonzero(rows < 0)[0]
    if not len(places):
        return ""
    names = listed((catalog.ids[place] for place in places), 3)
    return f"{counted(len(places), 'photo')} of {len(rows):,} have no vector: {names}"


# --- texts -----------------------------------------------------------------------------------------------------------


def texts(space: Space, folder: Path) -> list[str]:
    """The texts that have a vector in an imported space, in the file's order; none for other spaces.

    Raises ArtifactError when their file changed.
    """
    definition = space.definition or {}
    if definition.get("kind") != KIND_NAME or not definition.get("texts"):
        return []
    found = _read_json(folder / str(definition["file"]) / _TEXTS, definition["files"].get(_TEXTS))
    return list(map(str, found))


def text_vector(space: Space, folder: Path, text: str) -> np.ndarray:
    """The vector (dim,) of one of the `texts`. Raises QueryError for another text, with those most like it."""
    known = texts(space, folder)
    if text not in known:
        like = [each for each in known if text.casefold() in each.casefold() or each.casefold() in text.casefold()]
        shown = listed(like or known, 5)
        raise QueryError(
            f"{shown_name(text)} is none of the {counted(len(known), 'text')} that have a vector in {space.name}; "
            f"{'like it are' if like else 'the first are'} {shown}."
            if known
            else f"No text has a vector in {space.name}: texts come with the vectors of an imported space."
        )
    definition = space.definition or {}
    path = folder / str(definition["file"]) / _TEXT_VECTORS
    artifacts.verify_file(path, str(definition["files"].get(_TEXT_VECTORS)))
    return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[known.index(text)], dtype=np.float32)


KIND = Kind(KIND_NAME, space_of)
