"""A space as a table with a row for each image: ids, vectors, places on the maps, neighbours, traits and tags.

The table is what files of a space hold; it keeps the order of the catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lib import documents
from lib.data import tags
from lib.data.catalog import Catalog
from lib.documents.export import ExportProvenance
from lib.embed import spaces
from lib.embed.projection import Map
from lib.measure import space_traits
from lib.measure.provenance import provenance
from lib.measure.traits import FACTOR
from lib.prepare.workspace import Workspace
from lib.search.metrics import metric
from lib.search.neighbourhoods import Neighbourhoods
from lib.settings import VERSION

if TYPE_CHECKING:
    import pyarrow as pa

# The key of the provenance in the metadata of a table.
KEY = b"petalscope"
VECTOR = "vector"
# Columns of the catalog that say something to another program.
CATALOG = ("id", "label", "split", "width", "height", "sha256")


def origin(workspace: Workspace, space: str, catalog: Catalog, laid_out: Map | None = None) -> ExportProvenance:
    """What a file of a space records of where it and its map come from: the UMAP map of `prepare`, or `laid_out`."""
    entry = workspace.space(space)
    return {
        "petalscope": VERSION,
        "dataset": workspace.state["dataset"]["name"],
        "images": len(catalog.ids),
        "prepared": str(workspace.state["prepared"]),
        "made_from": list(spaces.get(space).bases),
        "precision": entry.get("precision") or "fp32",
        "map": documents.finite(dict((laid_out or workspace.map(space)).facts)),
        "neighbours": documents.finite(dict(workspace.neighbourhoods(space).facts)),
        **provenance(workspace, spaces.get(space).name, catalog),
    }


def table(workspace: Workspace, space: str) -> pa.Table:
    """The table of a space; its metadata have the provenance as JSON under `KEY`.

    Columns: `id`, `label`, `split`, `width`, `height`, `sha256`; `vector`, a list of fixed size in the type that is
    stored; `x`, `y` (UMAP) and `pca_x`, `pca_y`; for each metric M whose neighbours are stored `neighbours_M`, their
    ids from the nearest on; `neighbors`, the same under cosine as zero-based rows and distances (1 − cosine), the shape
    that Embedding Atlas reads; a column for each trait and each factor of the user; `tags`.

    Raises ArtifactError when the space is not prepared.
    """
    import pyarrow as pa

    catalog, near = workspace.catalog(), workspace.neighbourhoods(space)
    values = np.ascontiguousarray(workspace.vectors(space).values)
    columns: dict[str, Any] = {name: pa.array(catalog.frame[name]) for name in CATALOG}
    columns[VECTOR] = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    for prefix, method in (("", "umap"), ("pca_", "pca")):
        xy = workspace.map(space, method).xy
        columns[f"{prefix}x"], columns[f"{prefix}y"] = (pa.array(np.ascontiguousarray(xy[:, axis])) for axis in (0, 1))
    ids = np.array(catalog.ids, dtype=object)
    for name, rows in near.rows.items():
        columns[f"neighbours_{name}"] = pa.array([list(ids[row[row >= 0]]) for row in rows], pa.list_(pa.string()))
    columns["neighbors"] = _atlas_neighbours(near)
    factors = {name for name in catalog.frame.columns if name.startswith(FACTOR)}
    for trait in space_traits.read(workspace, space, catalog).values():
        if trait.name not in columns and trait.name not in factors and not trait.name.startswith("tag_"):
            is_number = trait.kind == "number"
            values_of = trait.values.astype(np.float64) if is_number else [str(each) or None for each in trait.values]
            columns[trait.name] = pa.array(values_of, pa.float64() if is_number else pa.string(), from_pandas=True)
    for name in sorted(factors):
        columns[name] = pa.array(catalog.frame[name], from_pandas=True)
    named = tags.read(workspace.folder)
    columns["tags"] = pa.array([named.of(sha256) for sha256 in catalog.hashes], pa.list_(pa.string()))
    text = documents.json_text(origin(workspace, space, catalog), sort_keys=True)
    return pa.table(columns).replace_schema_metadata({KEY: text.encode()})


def _atlas_neighbours(near: Neighbourhoods) -> pa.Array:
    import pyarrow as pa

    is_similarity = metric("cosine").higher_is_closer
    pairs = [
        {"ids": row[row >= 0].tolist(), "distances": (1 - value if is_similarity else value)[row >= 0].tolist()}
        for row, value in zip(near.rows["cosine"], near.values["cosine"].astype(np.float64), strict=True)
    ]
    return pa.array(pairs, pa.struct([("ids", pa.list_(pa.int32())), ("distances", pa.list_(pa.float32()))]))
