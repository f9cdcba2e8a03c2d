"""Why two photos are as close as a metric says: the parts of its value at each position of both, and by dimension.

Commands and pages both call `explain`, so a page shows what the command prints. Features are split over the positions
of the network's last map, pixels by pixel (see `lib.search.position_parts`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.documents.search import ExplainDocument
from lib.embed import spaces
from lib.embed.embedder import Embedder
from lib.embed.feature_maps import NO_MAPS, Picture, feature_map
from lib.errors import ArtifactError, QueryError, Remedy
from lib.learn import transforms
from lib.prepare.workspace import Workspace
from lib.retrieval import explain_vectors, feedback, search
from lib.retrieval.feedback import NO_MARKS, Marks
from lib.retrieval.query import Query
from lib.retrieval.search import SearchableSpace
from lib.search import contributions, metrics, position_parts
from lib.search.contributions import Contributions
from lib.search.position_parts import Map, PositionParts
from lib.text import shown_name

# By precision, how far a photo's map may be from its stored vector, relative to the vector's length. Another batch and
# another processor round differently; bfloat16 has 8 bits.
ROUNDING = {"fp32": 1e-3, "bf16": 5e-2}
UNDEFINED = "This similarity is undefined, since a vector is zero or constant, so no part of a photo adds to it."
NO_PICTURE = "has no picture, so nothing in it has a place."


@dataclass(frozen=True)
class Place:
    """One photo of a pair: its `vector` (d,); its map where the space has maps, else None; and `seen`, the part of the
    photo that its positions cover: left, top, right and bottom in percent."""

    vector: np.ndarray
    map: Map | None
    seen: tuple[float, float, float, float]


@dataclass(frozen=True)
class Explanation:
    """A metric's `value` between two photos, its parts by position and by dimension."""

    value: float
    parts: PositionParts
    dimensions: Contributions
    query: Place
    answer: Place

    @property
    def rounding(self) -> float:
        """The larger of the two maps' differences to their vectors, relative to the vector's length."""
        return max((place.map.rounding for place in (self.query, self.answer) if place.map is not None), default=0.0)


def place(workspace: Workspace, loaded: SearchableSpace, query: Query, embed: Embedder | None = None) -> Place:
    """A photo of the catalog, or a picture from outside, with its map in a space.

    `embed` is the embedder of the space; without it, the network is loaded from the workspace when the space has one.
    Where `loaded` has vectors of length 1, the map is scaled alike. Raises QueryError for a query without a picture or
    a space without positions, ArtifactError when a photo's map is not that of its stored vector.
    """
    space = workspace.prepared_space(loaded.space)
    row = query.row if query.row is not None else next(iter(query.copies), None)
    if row is None and query.picture is None:
        raise QueryError(f"{shown_name(query.name)} {NO_PICTURE}")
    if not (space.pixels or space.needs_weights):
        raise QueryError(NO_MAPS)
    if space.pixels:
        return Place(search.vector(workspace, loaded, query), None, (0.0, 0.0, 100.0, 100.0))
    weights = workspace.weights(space.name)
    assert weights is not None, f"{space.name} is computed by a network"
    embed = embed or workspace.embedder(space.name)
    picture: Picture
    if row is not None:
        # As the vectors of the catalog are made: a large photo is decoded at a fraction of its size.
        picture = loaded.catalog.pixels(row, embed.side or 1)
        width, height = (int(loaded.catalog.frame[name].iloc[row]) for name in ("width", "height"))
    else:
        assert query.picture is not None
        picture, (width, height) = query.picture, query.picture.size
    vector = search.vector(workspace, loaded, query, embed)
    values = feature_map(embed, picture).astype(np.float64)
    if loaded.unit:
        values /= np.linalg.norm(values.mean(axis=(1, 2))) or 1.0
    found = position_parts.located(values, vector)
    if found.rounding > ROUNDING[space.precision]:
        raise ArtifactError(
            f"The features of {shown_name(query.name)} are not those that are stored for it in {space.name}",
            remedy=Remedy.PREPARE,
            command=workspace.way_to_rebuild(space.name)[1],
        )
    return Place(vector, found, transforms.seen(width, height, weights.preprocess))


def moved_place(query: Place, vector: np.ndarray) -> Place:
    """A query that marks moved to `vector` (d,): no map averages to it, so as features it has no positions. Moved
    pixels are a picture again, so they keep theirs."""
    return Place(vector, None, query.seen)


def explain(metric: str, query: Place, answer: Place) -> Explanation:
    """Why a metric has its value between two photos of one space, or a moved query and a photo.

    Raises QueryError for an unknown metric.
    """
    value = float(metrics.reference(metric, query.vector, answer.vector[None])[0])
    if answer.map is None:
        parts = position_parts.of_pixels(metric, query.vector, answer.vector, spaces.PIXEL_SIDE)
    elif query.map is None:
        parts = position_parts.of_answer(metric, query.vector, answer.map)
    else:
        parts = position_parts.of_maps(metric, query.map, answer.map)
    return Explanation(value, parts, contributions.contributions(metric, query.vector, answer.vector), query, answer)


def of_pair(
    workspace: Workspace,
    loaded: SearchableSpace,
    metric: str,
    query: Query,
    answer: Query,
    marks: Marks = NO_MARKS,
) -> ExplainDocument:
    """The explanation of a metric's value between two photos, the query moved by `marks`; the network is loaded once,
    where the space has one. In a space without positions, it has the parts of the dimensions only.

    Raises what `place` raises.
    """
    embed = workspace.embedder(loaded.space) if workspace.prepared_space(loaded.space).needs_weights else None
    if not explain_vectors.has_places(workspace, loaded.space) or (embed is not None and embed.maps is None):
        return explain_vectors.document(workspace, loaded, metric, query, answer, marks, embed)
    start, end = (place(workspace, loaded, each, embed) for each in (query, answer))
    if marks:
        start = moved_place(start, feedback.moved_vectors(loaded, start.vector[None], metric, marks)[0])
    return document(explain(metric, start, end), query.name, answer.name, loaded, marks)


def document(
    explained: Explanation, query: str, answer: str, loaded: SearchableSpace, marks: Marks = NO_MARKS
) -> ExplainDocument:
    """The explanation as the command `explain` prints it; `query` and `answer` are the photos' names, `marks` what
    moved the query."""
    parts, split = explained.parts, explained.dimensions
    q, x = (contributions.values(each.vector) for each in (explained.query, explained.answer))
    made: ExplainDocument = {
        "query": query,
        "answer": answer,
        "space": loaded.space,
        "metric": parts.name,
        "value": explained.value,
        "higher_is_closer": metrics.metric(parts.name).higher_is_closer,
        "grid": list(parts.answer.shape),
        "seen": {"query": list(explained.query.seen), "answer": list(explained.answer.seen)},
        "parts": {"query": parts.query.tolist(), "answer": parts.answer.tolist()},
        "sum": parts.total,
        "dimensions": [
            {"dimension": int(i), "part": float(split.parts[i]), "query": float(q[i]), "answer": float(x[i])}
            for i in split.order
        ],
        "rounding": explained.rounding,
        "why": None if parts.defined else UNDEFINED,
    }
    if loaded.unit:
        made["normalised"] = True
    if marks:
        made["moved"] = marks.facts()
    return made
