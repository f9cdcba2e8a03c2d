"""TREC files: the rankings behind a score (run) and the judgements (qrels), for trec_eval and its relatives.

A run has a line `query Q0 image rank score tag` for every result, a tag being "space.metric"; qrels have a line `query
0 image 1` for every relevant image. Only the queries that count are in either. A score is larger = closer: distances
are negative. An id is written with its white space and percent signs as %XX, since the format separates by white space.

trec_eval reads scores as 32-bit numbers, ignores ranks, and orders equal scores by id. So where scores are equal, or
nearly so, it can differ from the scores here, which count equal values in expectation.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.errors import QueryError
from lib.measure.evaluation import query_and_gallery_rows
from lib.search.metrics import Array, Floats, metric


def run_file(target: Path, tag: str, rows: int) -> Path:
    """The file of one of `rows` runs: `target`, or with several of them its name with the tag before the ending.

    trec_eval refuses a file with an image twice for a query, so two runs cannot share one.
    """
    return target if rows == 1 else target.with_name(f"{target.stem}.{tag}{target.suffix}")


def check_target(target: Path) -> None:
    """Raises QueryError if `target` is a folder."""
    if target.is_dir():
        raise QueryError(f"{target} is a folder; name a file to write.")


def word(image_id: str) -> str:
    """An id without white space."""
    return re.sub(r"[\s%]", lambda found: quote(found[0]), image_id)


class RunWriter:
    """Writes the run of each metric of a space while `evaluation.evaluate_metrics` ranks; a context manager.

    The files appear when the block succeeds, and not at all when it fails.
    """

    def __init__(self, catalog: Catalog, space: str, targets: dict[str, Path], queries: str) -> None:
        self._space, self._targets = space, targets
        self._query_rows, gallery_rows = query_and_gallery_rows(catalog, queries)
        self._gallery_rows = np.unique(gallery_rows)
        labels, pictures = _labels_and_pictures(catalog)
        self._counted = np.array(
            [_relevant(labels, pictures, row, self._gallery_rows).any() for row in self._query_rows], dtype=bool
        )
        self._words = [word(image_id) for image_id in catalog.ids]
        self._stack, self._files = ExitStack(), dict[str, TextIO]()

    def __enter__(self) -> RunWriter:
        with ExitStack() as stack:
            for name, target in self._targets.items():
                temporary = stack.enter_context(artifacts.replacing(target))
                self._files[name] = stack.enter_context(temporary.open("w", encoding="utf-8"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)  # type: ignore[arg-type]

    def observe(self, name: str, block: slice, values: Floats, relevant: Array, excluded: Array) -> None:
        """An `evaluation.Observer`."""
        scores = values if metric(name).higher_is_closer else -values
        words, gallery, tag = self._words, self._gallery_rows, f"{self._space}.{name}"
        for place in np.flatnonzero(self._counted[block]):
            query = words[self._query_rows[block][place]]
            results = np.flatnonzero(~excluded[place])
            ranked = results[np.argsort(-scores[place, results], kind="stable")]
            self._files[name].writelines(
                f"{query} Q0 {words[gallery[column]]} {rank} {float(scores[place, column])!r} {tag}\n"
                for rank, column in enumerate(ranked, start=1)
            )


def write_qrels(target: Path, catalog: Catalog, queries: str = "test") -> None:
    """Write the relevant images of every query that has some to `target`."""
    query_rows, gallery_rows = query_and_gallery_rows(catalog, queries)
    labels, pictures = _labels_and_pictures(catalog)
    words = [word(image_id) for image_id in catalog.ids]
    with artifacts.replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        for query in query_rows:
            relevant = gallery_rows[_relevant(labels, pictures, query, gallery_rows)]
            file.writelines(f"{words[query]} 0 {words[row]} 1\n" for row in relevant)


def _labels_and_pictures(catalog: Catalog) -> tuple[Array, Array]:
    labels, pictures = (np.unique(catalog.frame[name], return_inverse=True)[1] for name in ("label", "sha256"))
    return labels, pictures


def _relevant(labels: Array, pictures: Array, query: int, gallery_rows: Array) -> Array:
    """Which of `gallery_rows` are relevant to the image in the row `query`: of its class, and not a copy of it."""
    relevant: Array = (labels[gallery_rows] == labels[query]) & (pictures[gallery_rows] != pictures[query])
    return relevant
