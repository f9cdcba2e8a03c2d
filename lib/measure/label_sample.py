"""Which photos to label first: a diverse sample of a space's photos, so that a few labels say most of the others.

Facility location is the default: on the flowers its 100 photos teach a k-NN classifier more than 100 drawn at random
(`python -m benchmarks.label_sample`), and k-center's teach it less, since it begins with the odd ones.
"""

from __future__ import annotations

import csv
import io
import time
from typing import Final

import numpy as np

from lib.data.catalog import Catalog
from lib.documents.labels import LabelSample
from lib.embed import projection, spaces
from lib.errors import QueryError
from lib.measure.space_diagnosis import picture_codes
from lib.prepare.workspace import Workspace
from lib.search import clustering, diverse_sample
from lib.search.diverse_sample import FACILITY, K_CENTER, Rows
from lib.text import counted

METHODS: Final = (FACILITY, K_CENTER)
# More photos are drawn from by chance: 4 bytes for each pair of a candidate and a represented photo make 200 MB.
MOST_CANDIDATES, MOST_REPRESENTED = 5_000, 10_000
MOST = 1_000  # in a sample
ABOUT: Final = {
    FACILITY: "Facility location: the photos that together are most like all others (largest cosine; greedy, Wei et "
    "al. 2015)",
    K_CENTER: "k-center: each photo is the farthest from those before it (Gonzalez 1985); it finds the odd ones first",
}


def measure(workspace: Workspace, space: str, count: int, method: str = FACILITY) -> LabelSample:
    """The `sample` document: at most `count` photos of a space in the order in which to label them.

    Of exact copies one may be chosen. Deterministic: chance decides only which photos are looked at where there are
    more than `MOST_CANDIDATES` or `MOST_REPRESENTED`, by the seed of the catalog. Raises QueryError for a `count` that
    is out of range or an unknown method, ArtifactError when the space is not prepared.
    """
    if method not in METHODS:
        raise QueryError(f"There is no method {method} to choose a sample; choose one of {', '.join(METHODS)}.")
    if not 1 <= count <= MOST:
        raise QueryError(f"A sample has 1 to {MOST:,} photos (got {count:,}).")
    start = time.perf_counter()
    catalog, name = workspace.catalog(), spaces.get(space).name
    inputs, source = projection.map_inputs(workspace.vectors(name).values)
    points, has_direction = clustering.unit_points(inputs)
    different = _different(catalog, has_direction)
    candidates = _drawn(different, MOST_CANDIDATES, catalog.seed)
    represented = _drawn(np.flatnonzero(has_direction), MOST_REPRESENTED, catalog.seed)
    if method == FACILITY:
        chosen = diverse_sample.facility_location(points, candidates, represented, count)
    else:
        chosen = diverse_sample.k_center(points, candidates, count)
    covers = np.bincount(diverse_sample.nearest_chosen(points, chosen)[has_direction], minlength=len(chosen))
    return {
        "method": method,
        "space": name,
        "seed": catalog.seed,
        "points": f"{source}, scaled to length 1",
        "images": len(catalog.ids),
        "candidates": len(candidates),
        "represented": len(represented),
        "rows": [
            {"id": catalog.ids[row], "rank": rank, "covers": int(covered)}
            for rank, (row, covered) in enumerate(zip(chosen.tolist(), covers.tolist(), strict=False), start=1)
        ],
        "seconds": round(time.perf_counter() - start, 3),
    }


def _different(catalog: Catalog, has_direction: np.ndarray) -> Rows:
    """The first row of every picture whose vector has a direction, ascending; one row where no vector has any."""
    rows = np.flatnonzero(has_direction)
    _, first = np.unique(picture_codes(catalog)[rows], return_index=True)
    return np.sort(rows[first]) if len(rows) else np.zeros(1, dtype=np.int64)


def _drawn(rows: Rows, most: int, seed: int) -> Rows:
    """The rows, or `most` of them drawn by the seed, ascending."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def about(document: LabelSample) -> str:
    """How the sample was chosen, in a sentence."""
    text = f"{ABOUT[document['method']]}; over {document['points']}, {counted(document['images'], 'photo')}"
    if document["candidates"] == MOST_CANDIDATES or document["represented"] == MOST_REPRESENTED:
        text += f", of which {document['candidates']:,} drawn by chance (seed {document['seed']}) could be chosen"
    return f"{text}. Of exact copies one can be chosen."


def table(document: LabelSample) -> str:
    """A CSV table `id,label` with empty labels, the first to label first. Only ids of the catalog are in it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "label"])
    writer.writerows((row["id"], "") for row in document["rows"])
    return text.getvalue()
