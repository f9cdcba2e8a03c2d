"""Simulated marks over many queries, against one search after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lib.measure import feedback_gain
from lib.prepare.workspace import Workspace
from lib.retrieval import feedback, search
from lib.retrieval.feedback import Marks
from lib.retrieval.query import query_row
from lib.retrieval.search import SearchableSpace
from lib.search.rocchio import Weights

WEIGHTS = Weights(1.0, 0.9, 0.4)


@pytest.mark.parametrize(("space", "metric"), [("resnet18", "cosine"), ("resnet18", "l1"), ("pixels", "l2")])
def test_the_gain_is_that_of_single_searches(
    opened: Workspace, loaded: Callable[[str], SearchableSpace], space: str, metric: str
) -> None:
    searched, k = loaded(space), 6
    gain = feedback_gain.measure(searched, metric, k, WEIGHTS)
    rows = feedback_gain.query_rows(searched.catalog)
    assert len(gain.before) == len(gain.after) == len(rows) >= 2
    for place, row in enumerate(rows[:4]):
        query = query_row(searched.catalog, int(row))
        label = searched.catalog.labels[row]
        first = search.search(opened, searched, query, metric_name=metric, k=2 * k)["results"]
        marks = Marks(
            tuple(each["id"] for each in first[:k] if each["label"] == label),
            tuple(each["id"] for each in first[:k] if each["label"] != label),
            WEIGHTS,
        )
        vectors = search.query_vectors(opened, searched, query)
        moved = feedback.moved_vectors(searched, vectors, metric, marks)
        second = search.search(opened, searched, query, metric_name=metric, k=60, vectors=moved)["results"]
        found = feedback.precision(second, label, k, set(marks.ids))
        assert gain.before[place] == pytest.approx(sum(each["label"] == label for each in first[k:]) / k)
        assert gain.after[place] == pytest.approx(found["unmarked"] / k)
    assert gain.test.mean == pytest.approx(np.mean(gain.after - gain.before))


def test_no_weight_changes_nothing_and_the_words_say_so(loaded: Callable[[str], SearchableSpace]) -> None:
    gain = feedback_gain.measure(loaded("resnet18"), "cosine", 5, Weights(1, 0, 0))
    assert (gain.before == gain.after).all()
    assert "no more than chance" in feedback_gain.described(gain, "cosine")
    assert f"Over {gain.test.n} queries" in feedback_gain.about(gain.k, gain.test.n)
