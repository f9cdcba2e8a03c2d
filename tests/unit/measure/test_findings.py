"""lib.measure.findings: each rule on vectors that it must select."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.data.catalog import COLUMNS, Catalog
from lib.measure import findings, traits
from lib.measure.findings import Finding
from lib.search import neighbourhoods

NO_DUPLICATES: dict[str, Any] = {"duplicates": []}


def findings_of(vectors: np.ndarray, labels: list[str], audit: dict[str, Any] = NO_DUPLICATES) -> dict[str, Finding]:
    ids = [f"{label}/{i:03d}.jpg" for i, label in enumerate(labels)]
    frame = pd.DataFrame({"id": ids, "label": labels, "split": "train", "sha256": ids})
    frame = frame.assign(width=40, height=30, bytes=900, changed_ns=1)[COLUMNS]
    near = neighbourhoods.k_nearest(vectors.astype(np.float32), [[row] for row in range(len(vectors))])
    columns = traits.traits(Catalog("x", Path("/x"), frame, [], "f", 0, None), "pixels", near)
    return {finding.name: finding for finding in findings.findings(ids, columns, audit)}


def two_classes() -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    a, b = (np.eye(8)[axis] * 5 + rng.uniform(-0.5, 0.5, size=(40, 8)) for axis in (0, 1))
    return np.concatenate([a, b]), ["a"] * 40 + ["b"] * 40


def test_clean_data_has_no_label_errors_outliers_or_conflicts() -> None:
    result = findings_of(*two_classes())
    assert list(result) == ["conflicts", "strays", "loners", "hubs", "unfound"]
    assert result["conflicts"].ids == result["strays"].ids == result["loners"].ids == []
    assert all(len(finding.ids) == len(finding.notes) for finding in result.values())


def test_a_photo_in_the_wrong_folder_is_a_possible_label_error() -> None:
    vectors, labels = two_classes()
    labels[7] = "b"
    result = findings_of(vectors, labels)["strays"]
    assert result.ids == ["b/007.jpg"]
    assert result.notes == ["10/10 a"]


def test_a_photo_unlike_all_others_is_an_outlier() -> None:
    vectors, labels = two_classes()
    vectors[50] = np.eye(8)[5] * 5
    result = findings_of(vectors, labels)["loners"]
    assert result.ids == ["b/050.jpg"]
    assert result.notes[0].startswith("distance 0.9")


def test_the_middle_of_a_star_is_a_hub() -> None:
    ends = np.eye(60) + np.random.default_rng(0).uniform(-0.05, 0.05, size=(60, 60))
    middle = np.ones((1, 60))
    result = findings_of(np.concatenate([ends, middle]), ["a"] * 61)
    assert result["hubs"].ids[0] == "a/060.jpg"
    assert result["hubs"].notes[0] == "neighbour of 60"


def test_an_image_among_no_neighbours_is_an_anti_hub() -> None:
    vectors, labels = two_classes()
    vectors[50] = np.eye(8)[5] * 5
    assert findings_of(vectors, labels)["unfound"].ids == ["b/050.jpg"]


def test_duplicates_in_two_folders_conflict() -> None:
    vectors, labels = two_classes()
    groups = [
        {"ids": ["a/000.jpg", "b/040.jpg", "gone/1.jpg"], "labels": ["a", "b", "c"], "conflict": True, "kind": "exact"},
        {"ids": ["a/001.jpg", "a/002.jpg"], "labels": ["a", "a"], "conflict": False, "kind": "near"},
    ]
    result = findings_of(vectors, labels, {"duplicates": groups})["conflicts"]
    assert result.ids == ["a/000.jpg", "b/040.jpg"]
    assert result.notes == ["also b and c", "also a and c"]


def test_a_single_image_is_only_an_anti_hub() -> None:
    result = findings_of(np.ones((1, 4)), ["a"])
    assert [name for name, finding in result.items() if finding.ids] == ["unfound"]
