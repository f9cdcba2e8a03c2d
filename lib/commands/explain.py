"""The command `explain`: where in two photos a metric's value comes from."""

from __future__ import annotations

import argparse
from itertools import zip_longest

import numpy as np

from lib.commands.search import marks_of
from lib.documents.search import ExplainDocument, MovedQuery
from lib.settings import Settings
from lib.text import printable

ABOUT = "show where in two images, and in which features, a metric's value comes from"
# A larger grid is printed as sums over blocks.
MOST_CELLS, BLOCKS = 16, 8
DIMENSIONS = 5


def explain(settings: Settings, options: argparse.Namespace) -> ExplainDocument:
    """Why two images are as close as a metric says: see `retrieval.explain`."""
    from lib.prepare import workspace
    from lib.retrieval import explain as explanations
    from lib.retrieval import search
    from lib.retrieval.query import find_query, query_part

    opened = workspace.open_workspace(settings)
    loaded = search.load_space(opened, options.space)
    loaded = search.normalised(loaded) if options.normalise else loaded
    query, answer = (find_query(loaded.catalog, name) for name in (options.query, options.answer))
    if options.crop:
        query = query_part(loaded.catalog, query, options.crop)
    return explanations.of_pair(opened, loaded, options.metric, query, answer, marks_of(options))


def show_explain(document: ExplainDocument) -> str:
    """The value, the grids of both photos side by side, and the dimensions with the largest parts."""
    direction = "larger = closer" if document["higher_is_closer"] else "smaller = closer"
    space = document["space"] + (" at length 1" if document.get("normalised") else "")
    lines = [
        f"{document['query']}  {document['answer']}",
        f"{space} · {document['metric']} {document['value']:.6g} ({direction})",
    ]
    if document["why"] is not None:
        return printable([*lines, document["why"], *([] if document["parts"]["query"] else _dimensions(document))])
    grids = [np.array(document["parts"]["query"]), np.array(document["parts"]["answer"])]
    sums = [float(grid.sum()) for grid in grids]
    height, width = document["grid"]
    note = f"parts of {height} × {width} positions"
    if max(height, width) > MOST_CELLS:
        grids = [_blocks(grid) for grid in grids]
        note += f", as sums over {height // len(grids[0])} × {width // len(grids[0][0])}"
    together = "each photo's parts sum to" if document["higher_is_closer"] else "both photos' parts together sum to"
    square = " (the square of L2)" if document["metric"] == "l2" else ""
    lines.append(f"{note}; {together} {document['sum']:.6g}{square}")
    if "moved" in document:
        lines.append(_about_move(document["moved"], has_places=grids[0].shape == grids[1].shape))
    cells = [[[f"{value:.4g}" for value in row] for row in grid] for grid in grids]
    size = max(len(text) for grid in cells for row in grid for text in row)
    rows = [[" ".join(text.rjust(size) for text in row) for row in grid] for grid in cells]
    heads = [f"query {sums[0]:.4g}", f"answer {sums[1]:.4g}"]
    lines.append(f"  {heads[0].ljust(len(rows[0][0]))}     {heads[1]}")
    left_width = len(rows[0][0])
    lines += [f"  {left.ljust(left_width)}     {right}" for left, right in zip_longest(*rows, fillvalue="")]
    return printable([*lines, *_dimensions(document)])


def _dimensions(document: ExplainDocument) -> list[str]:
    """The dimensions with the largest parts."""
    noun = "value" if document["space"] == "pixels" else "feature"
    return [
        f"  {noun} {each['dimension']:<5} {each['part']:+.4g}  (query {each['query']:.4g}, answer {each['answer']:.4g})"
        for each in document["dimensions"][:DIMENSIONS]
    ]


def _about_move(moved: MovedQuery, *, has_places: bool) -> str:
    """What moved the query, and what its parts are then."""
    marked = f"query moved by {len(moved['right'])} right and {len(moved['wrong'])} wrong"
    return f"{marked}: " + ("a picture again" if has_places else "the vector of no photo, so its part is one number")


def _blocks(grid: np.ndarray) -> np.ndarray:
    """The sums of a grid (h, w) over blocks, (BLOCKS, BLOCKS)."""
    rows = np.add.reduceat(grid, np.arange(BLOCKS) * len(grid) // BLOCKS, axis=0)
    return np.asarray(np.add.reduceat(rows, np.arange(BLOCKS) * grid.shape[1] // BLOCKS, axis=1))
