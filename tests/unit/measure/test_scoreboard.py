"""lib.measure.scoreboard: scores are measured once and stored, equal those of `evaluate`, and are never stale."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lib.errors import ArtifactError
from lib.measure import scoreboard
from lib.measure.evaluation import evaluate, query_and_gallery_rows
from lib.measure.scoreboard import MEASURES
from lib.prepare import workspace
from lib.settings import Settings
from lib.statistics import mean_interval


def without_seconds(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_stored_scores_equal_those_of_evaluate(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    stages: list[str] = []
    measured = scoreboard.measure_all(opened, lambda name: stages.append(name) or (lambda done, total: None))
    assert stages == opened.spaces == ["pixels", "resnet18"]
    again = scoreboard.measure_all(opened, lambda name: stages.append(name) or (lambda done, total: None))
    assert stages == opened.spaces, "measured again although stored"
    for first, kept in zip(measured, again, strict=True):
        rows = without_seconds(evaluate(opened, kept.space))
        assert without_seconds(first.rows()) == without_seconds(kept.rows()) == rows
        assert kept.facts == first.facts
        assert kept.facts["space_fingerprint"] == opened.space(kept.space)["fingerprint"]
        for name, scores in kept.scores.items():
            for measure in MEASURES:
                values = scoreboard.per_query(scores, measure)
                np.testing.assert_array_equal(values, scoreboard.per_query(first.scores[name], measure))
                mean, interval = scoreboard.mean_and_interval(scores, measure)
                assert mean == pytest.approx(np.nanmean(values))
                assert interval == mean_interval(values)
                labels = opened.catalog().frame["label"].to_numpy(dtype=object)
                means = [each for _, each in scoreboard.by_class(scores, labels, measure).values()]
                balanced, wide = scoreboard.mean_and_interval(scores, measure, scoreboard.CLASSES)
                assert balanced == pytest.approx(np.mean(means))
                assert wide is not None and wide[0] <= balanced <= wide[1]
            assert kept.calibrations[name].auc == first.calibrations[name].auc
            np.testing.assert_array_equal(kept.calibrations[name].same, first.calibrations[name].same)


def test_means_by_class_add_up(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    labels = opened.catalog().frame["label"].to_numpy(dtype=object)
    scores = scoreboard.measure(opened, "resnet18").scores["cosine"]
    found = scoreboard.by_class(scores, labels, "p10")
    assert sum(count for count, _ in found.values()) == scores.queries
    whole = math.fsum(count * (mean or 0.0) for count, mean in found.values()) / scores.queries
    assert whole == pytest.approx(scores.means["p10"])


def test_a_damaged_file_is_named(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    path = scoreboard.scores_file(opened, "resnet18", catalog)
    assert scoreboard.load(opened, "resnet18", catalog) is None
    scoreboard.save(scoreboard.measure(opened, "resnet18"), path)
    whole = path.read_bytes()
    for damage in (b"", b"PK", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(damage)
        with pytest.raises(ArtifactError, match=r"scores.*cannot be read; delete it"):
            scoreboard.load(opened, "resnet18", catalog)


def test_another_split_or_space_has_another_file(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    assert scoreboard.scores_file(opened, "pixels", catalog) != scoreboard.scores_file(
        opened, "pixels", catalog.reseeded(3)
    )
    assert scoreboard.scores_file(opened, "pixels", catalog) != scoreboard.scores_file(opened, "resnet18", catalog)


def test_the_cost_is_queries_times_gallery_times_dimensions(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    queries, gallery = query_and_gallery_rows(catalog)
    assert scoreboard.cost(opened, catalog) == len(queries) * len(gallery) * (49_152 + 512)
