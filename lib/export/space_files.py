"""A space as a file for other programs: Parquet, NPY, or what TensorBoard's projector reads. The ending decides.

Each file is written beside its target and renamed, and has the provenance: in Parquet's metadata, else as JSON in a
file or a comment beside the vectors. What belongs to the vectors is written first, so a vectors file of one export
never stands without its ids.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from lib import artifacts
from lib.documents.export import ExportDocument
from lib.errors import QueryError
from lib.export import projector, space_table
from lib.prepare.workspace import Workspace
from lib.progress import Progress
from lib.text import shown_name

if TYPE_CHECKING:
    import pyarrow as pa

# Numbers in a row group of Parquet: one is read at a time.
_GROUP: Final = 16_000_000
# Columns beside an array.
_BESIDE: Final = ["id", "label", "split"]


def export(workspace: Workspace, space: str, target: Path, progress: Progress | None = None) -> ExportDocument:
    """Write a space to `target` in the format of its ending, one of `FORMATS`; `progress` counts photos.

    Raises QueryError for another ending, a folder, or a space that is too large for text; ArtifactError when the space
    is not prepared or the file cannot be written.
    """
    start = time.perf_counter()
    kind = target.suffix.lower()
    if kind not in FORMATS:
        raise QueryError(f"{shown_name(target.name)} must end in {', '.join([*FORMATS][:-1])} or {[*FORMATS][-1]}.")
    check_target(target)
    if kind in {projector.TSV, projector.ZIP}:
        projector.check_size(workspace, space)
    table = space_table.table(workspace, space)
    name, write, columns_of = FORMATS[kind]
    files = write(workspace, table, target, progress)
    return {
        "space": json.loads(table.schema.metadata[space_table.KEY])["space"],
        "file": str(target),
        "files": [str(file) for file in files],
        "format": name,
        "rows": table.num_rows,
        "dim": table.schema.field(space_table.VECTOR).type.list_size,
        "columns": columns_of(table),
        "bytes": sum(file.stat().st_size for file in files),
        "seconds": round(time.perf_counter() - start, 3),
    }


def check_target(target: Path) -> None:
    """Raises QueryError if `target` is a folder."""
    if target.is_dir():
        raise QueryError(f"{shown_name(str(target))} is a folder; name a file to write.")


def _parquet(workspace: Workspace, table: pa.Table, target: Path, progress: Progress | None) -> list[Path]:
    from pyarrow import parquet

    size = max(1, _GROUP // table.schema.field(space_table.VECTOR).type.list_size)
    with artifacts.replacing(target) as temporary:
        parquet.write_table(table, temporary, row_group_size=size, use_dictionary=["label", "split"])
    return [target]


def _npy(workspace: Workspace, table: pa.Table, target: Path, progress: Progress | None) -> list[Path]:
    """`X.npy` (n, dim), with `X.ids.csv` (id, label, split; row for row) and `X.json`, the provenance."""
    from pyarrow import csv

    ids, sidecar = target.with_suffix(".ids.csv"), target.with_suffix(".json")
    with artifacts.replacing(ids) as temporary:
        csv.write_csv(table.select(_BESIDE), temporary)
    artifacts.write_json(sidecar, json.loads(table.schema.metadata[space_table.KEY]))
    with artifacts.replacing(target) as temporary, temporary.open("wb") as file:
        np.save(file, projector.matrix(table), allow_pickle=False)
    return [target, ids, sidecar]


Writer = Callable[["Workspace", "pa.Table", Path, "Progress | None"], list[Path]]
Columns = Callable[["pa.Table"], list[str]]
# By ending: the name, what writes the files, and which columns of the table they have.
FORMATS: Final[dict[str, tuple[str, Writer, Columns]]] = {
    ".parquet": ("parquet", _parquet, lambda table: list(table.column_names)),
    ".npy": ("npy", _npy, lambda table: _BESIDE),
    projector.TSV: ("projector", projector.write_files, projector.columns_of),
    projector.ZIP: ("projector", projector.write_archive, projector.columns_of),
}
