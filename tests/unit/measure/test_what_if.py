"""Shorter vectors of a space: every row is what its derived space scores, and the rule of the trade-off."""

from __future__ import annotations

from typing import cast

import pytest

from lib.documents.what_if import WhatIfRow
from lib.embed import spaces
from lib.measure import evaluation, what_if
from lib.prepare import pipeline, workspace
from lib.settings import Settings


def _row(space: str, size: int, loss: float, p: float | None, p10: float = 0.0, p10_p: float | None = 1.0) -> WhatIfRow:
    differences = {"map": {"mean": loss, "ci95": None, "p": p}, "p10": {"mean": p10, "ci95": None, "p": p10_p}}
    return cast("WhatIfRow", {"space": space, "bytes": size, "map": 0.5 + loss, "difference": differences})


def test_the_fewest_bytes_that_lose_nothing_surely_are_chosen() -> None:
    rows = [
        _row("full", 100, 0.0, None),
        _row("worse", 10, -0.1, 0.001),
        _row("worse at ten", 20, 0.1, 0.001, -0.1, 0.01),
        _row("as good", 40, -0.01, 0.3),
        _row("better of equal size", 40, 0.02, 0.01),
        _row("better, but longer", 50, 0.2, 0.001),
    ]
    chosen = what_if.best(rows)
    assert chosen is not None
    assert chosen["space"] == "better of equal size"
    assert [what_if.is_worse(row) for row in rows] == [False, True, True, False, False, False]
    assert what_if.best([]) is None
    # With few queries a large loss is not significant, and not excluded.
    rows[4]["difference"]["p10"]["ci95"] = [-0.2, 0.1]
    rows[3]["difference"]["map"]["ci95"] = [-0.04, 0.02]
    assert what_if.best(rows) == rows[3]


def test_every_row_is_what_its_derived_space_scores(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    seen: list[tuple[int, int | None]] = []
    document = what_if.measure(opened, catalog, "transfer", lambda done, total: seen.append((done, total)))
    rows = {row["space"]: row for row in document["rows"]}
    assert document["space"] == "resnet18"
    assert seen[-1] == (len(rows), len(rows))
    assert next(iter(rows)) == "resnet18"
    assert len(rows) == len(document["rows"])
    assert document["best"] in rows
    # Read back, not measured again.
    assert what_if.measure(opened, catalog, "resnet18", lambda *_: pytest.fail("measured again")) == document
    assert what_if.file(opened, catalog, "resnet18").name.startswith("resnet18-")

    chosen = ["resnet18+int8", "resnet18+pca8", "resnet18+pca4+whiten", "resnet18+pca8+binary"]
    pipeline.prepare(copied, names=chosen)
    again = workspace.open_workspace(copied)
    for name in ["resnet18", *chosen]:
        row = rows[name]
        plain = evaluation.evaluate(again, name, [row["metric"]])[0]
        # Their components are first ones of more; and float32 may turn a near tie of 61 pictures.
        assert row["map"] == pytest.approx(plain["map"], abs=0.01)
        assert row["p10"] == pytest.approx(plain["precision"]["10"], abs=0.01)
        assert row["dim"] == again.space(name)["dim"]
    full = rows["resnet18"]
    assert (full["bytes"], full["difference"]["map"]["mean"]) == (2048, None)
    assert rows["resnet18+int8"]["bytes"] == 512
    assert rows["resnet18+pca8+binary"]["bytes"] == 1
    assert rows["resnet18+pca8"]["difference"]["map"]["mean"] == pytest.approx(
        rows["resnet18+pca8"]["map"] - full["map"]
    )
    answer = what_if.verdict(document)
    assert answer is not None
    assert str(document["best"]) in answer.text or "Nothing shorter" in answer.text
    assert what_if.RULE in answer.about


def test_names_of_ways_are_names_of_spaces() -> None:
    for way in what_if._ways(512):
        name = "+".join(["resnet18", *way.steps])
        assert spaces.get(name).name == name
