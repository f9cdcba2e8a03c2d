"""Why two vectors are as close as a metric says, by dimension: for spaces whose vectors have no place in a photo."""

from __future__ import annotations

from lib.documents.search import ExplainDocument
from lib.embed.embedder import Embedder
from lib.embed.feature_maps import NO_MAPS
from lib.prepare.workspace import Workspace
from lib.retrieval import feedback, search
from lib.retrieval.feedback import NO_MARKS, Marks
from lib.retrieval.query import Query
from lib.retrieval.search import SearchableSpace
from lib.search import contributions, metrics

NO_PLACES = f"{NO_MAPS} The parts are those of its dimensions."


def has_places(workspace: Workspace, space: str) -> bool:
    """Whether a metric's value has parts by position in a space: in pixels, and in a network's features."""
    prepared = workspace.prepared_space(space)
    return prepared.pixels or prepared.needs_weights


def document(
    workspace: Workspace,
    loaded: SearchableSpace,
    metric: str,
    query: Query,
    answer: Query,
    marks: Marks = NO_MARKS,
    embed: Embedder | None = None,
) -> ExplainDocument:
    """The `explain` document with the parts of dimensions only: an empty grid, and `why`. `marks` move the query,
    `embed` is the embedder of a space with a network.

    Raises QueryError when a query has no vector in the space.
    """
    q, x = (search.vector(workspace, loaded, each, embed) for each in (query, answer))
    if marks:
        q = feedback.moved_vectors(loaded, q[None], metric, marks)[0]
    split = contributions.contributions(metric, q, x)
    left, right = contributions.values(q), contributions.values(x)
    made: ExplainDocument = {
        "query": query.name,
        "answer": answer.name,
        "space": loaded.space,
        "metric": metric,
        "value": float(metrics.reference(metric, q, x[None])[0]),
        "higher_is_closer": metrics.metric(metric).higher_is_closer,
        "grid": [0, 0],
        "seen": {"query": [0.0, 0.0, 100.0, 100.0], "answer": [0.0, 0.0, 100.0, 100.0]},
        "parts": {"query": [], "answer": []},
        "sum": float(split.parts.sum()),
        "dimensions": [
            {"dimension": int(i), "part": float(split.parts[i]), "query": float(left[i]), "answer": float(right[i])}
            for i in split.order
        ],
        "rounding": 0.0,
        "why": NO_PLACES,
    }
    if loaded.unit:
        made["normalised"] = True
    if marks:
        made["moved"] = marks.facts()
    return made
