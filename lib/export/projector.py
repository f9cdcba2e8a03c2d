"""A space as TensorBoard's embedding projector reads it: vectors and labels as text, and a sprite of thumbnails.

`projector_config.pbtxt` names the three files; a folder or an unpacked archive is what `tensorboard --logdir` takes.
The sprite is a square of square tiles, row by row, and at most 8,192 px wide: more is no texture for many machines.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib import artifacts, documents
from lib.data import thumbnails
from lib.data.catalog import Catalog
from lib.errors import ImageError, QueryError
from lib.export import space_table
from lib.prepare.workspace import Workspace
from lib.progress import Progress
from lib.text import shown_name, visible

if TYPE_CHECKING:
    import pyarrow as pa

TSV, ZIP = ".tsv", ".zip"
CONFIG: Final = "projector_config.pbtxt"
MOST_SIDE: Final = 8192  # px of the sprite
TILE: Final = 48  # px of a photo in it, fewer where there are very many
_LEAST_TILE: Final = 4  # px; smaller photos show nothing
_CACHED: Final = 96  # px of the cached thumbnails that tiles are made from
MOST_NUMBERS: Final = 100_000_000  # as text they take a gigabyte
_MARK: Final = "# Petalscope"
_BLOCK: Final = 1000  # rows written at once
# Not those that are lists, or say again what the vectors do.
_LEFT_OUT: Final = {space_table.VECTOR, "sha256", "neighbors", "tags", "x", "y", "pca_x", "pca_y"}


def check_size(workspace: Workspace, space: str) -> None:
    """Raises QueryError for a space with too many numbers for a file of text."""
    entry = workspace.space(space)
    if (numbers := entry["count"] * entry["dim"]) > MOST_NUMBERS:
        raise QueryError(
            f"{entry['count']:,} vectors of {entry['dim']:,} are {numbers:,} numbers, and the projector reads text, "
            f"for at most {MOST_NUMBERS:,}; write .parquet or .npy."
        )


def matrix(table: pa.Table) -> np.ndarray:
    """The vectors of a space's table, (n, dim)."""
    column = table.column(space_table.VECTOR).combine_chunks()
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), column.type.list_size))


def write_files(workspace: Workspace, table: pa.Table, target: Path, progress: Progress | None) -> list[Path]:
    """`X.tsv`, with `X.metadata.tsv`, `X.sprite.png` and `projector_config.pbtxt` beside it.

    Raises QueryError when that folder has a configuration that is not Petalscope's.
    """
    config = target.with_name(CONFIG)
    with contextlib.suppress(FileNotFoundError):
        if not config.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
            raise QueryError(
                f"{shown_name(str(config))} is of another program; name a file in another folder, or end it in {ZIP}."
            )
    sprite_file = target.with_suffix(".sprite.png")
    metadata = target.with_suffix(".metadata.tsv")
    with artifacts.replacing(metadata) as temporary, temporary.open("w", encoding="utf-8") as file:
        _write_metadata(table, file)
    tile = sprite_tile(len(table))
    if tile:
        with artifacts.replacing(sprite_file) as temporary, temporary.open("wb") as binary:
            sprite(workspace, workspace.catalog(), tile, progress).save(binary, "PNG", pnginfo=_png_text(table))
    with artifacts.replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        _write_vectors(table, file)
    names = (target.name, metadata.name, sprite_file.name if tile else "")
    with artifacts.replacing(config) as temporary:
        temporary.write_text(configuration(table, *names, tile), encoding="utf-8")
    return [target, metadata, *([sprite_file] if tile else []), config]


def write_archive(workspace: Workspace, table: pa.Table, target: Path, progress: Progress | None) -> list[Path]:
    """`X.zip` with `vectors.tsv`, `metadata.tsv`, `sprite.png` and `projector_config.pbtxt`."""
    with (
        artifacts.disk_errors(target.parent),
        tempfile.TemporaryDirectory(prefix=artifacts.TEMPORARY, dir=_made(target.parent)) as folder,
    ):
        written = write_files(workspace, table, Path(folder) / f"vectors{TSV}", progress)
        with (
            artifacts.replacing(target) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for file in written:
                archive.write(file, file.name)
    return [target]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_vectors(table: pa.Table, file: TextIO) -> None:
    """A line of tab-separated numbers for each image, with as many digits as its type holds."""
    vectors = matrix(table)
    form = "%d" if np.issubdtype(vectors.dtype, np.integer) else "%.9g"
    for start in range(0, len(vectors), _BLOCK):
        np.savetxt(file, vectors[start : start + _BLOCK], fmt=form, delimiter="\t")


def columns_of(table: pa.Table) -> list[str]:
    """The columns of a space's table that the labels have: those with one value for each image."""
    return [name for name in table.column_names if name not in _LEFT_OUT and not name.startswith("neighbours_")]


def _write_metadata(table: pa.Table, file: TextIO) -> None:
    """A heading, and a line for each image, without tabs and line breaks in any cell."""
    names = columns_of(table)
    file.write("\t".join(visible(name) for name in names) + "\n")
    columns = [table.column(name).to_pylist() for name in names]
    for row in zip(*columns, strict=True):
        file.write("\t".join("" if cell is None else _cell(cell) for cell in row) + "\n")


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))


def configuration(table: pa.Table, vectors: str, metadata: str, sprite_name: str, tile: int) -> str:
    """The text of `projector_config.pbtxt`: the files' names, and the provenance as a comment."""
    quoted = [documents.json_text(name, ascii=False) for name in (vectors, metadata, sprite_name)]
    facts = json.loads(table.schema.metadata[space_table.KEY])
    lines = [
        f"{_MARK}: {documents.json_text(facts, sort_keys=True)}",
        "embeddings {",
        f"  tensor_name: {documents.json_text(facts['space'])}",
        f"  tensor_shape: {len(table)}",
        f"  tensor_shape: {table.schema.field(space_table.VECTOR).type.list_size}",
        f"  tensor_path: {quoted[0]}",
        f"  metadata_path: {quoted[1]}",
    ]
    if tile:
        sides = f"    single_image_dim: {tile}\n" * 2
        lines.append(f"  sprite {{\n    image_path: {quoted[2]}\n{sides}  }}")
    return "\n".join([*lines, "}"]) + "\n"


def _png_text(table: pa.Table) -> PngInfo:
    info = PngInfo()
    info.add_itxt("Provenance", table.schema.metadata[space_table.KEY].decode())
    return info


def sprite_tile(n: int) -> int:
    """The side of a photo in the sprite of `n` photos, px; 0 where photos would be too small to show anything."""
    side = min(TILE, MOST_SIDE // max(1, math.isqrt(max(0, n - 1)) + 1))
    return side if side >= _LEAST_TILE else 0


def sprite(workspace: Workspace, catalog: Catalog, tile: int, progress: Progress | None = None) -> Image.Image:
    """A square picture of all photos, row by row, each fitted into `tile` × `tile` px on grey.

    A photo that is gone or has become another picture stays grey.
    """
    n = len(catalog.ids)
    across = math.isqrt(max(0, n - 1)) + 1
    whole = Image.new("RGB", (across * tile, across * tile), (128, 128, 128))
    folder = workspace.settings.artifacts / "thumbnails"
    for row, (image_id, sha256) in enumerate(zip(catalog.ids, catalog.hashes, strict=True)):
        with contextlib.suppress(ImageError):
            small = thumbnails.thumbnail_image(catalog.path(image_id), sha256, _CACHED, folder)
            small.thumbnail((tile, tile))
            left, top = (row % across) * tile, (row // across) * tile
            whole.paste(small, (left + (tile - small.width) // 2, top + (tile - small.height) // 2))
        if progress is not None and (row + 1) % 50 == 0:
            progress(row + 1, n)
    return whole
