"""lib.measure.data_set_verdicts and stored_verdicts: every figure in a sentence is computed here a second time."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.data import audit
from lib.learn import runs as records
from lib.learn.normalise_record import normalise
from lib.measure import data_set_verdicts as verdicts
from lib.measure import first_results, leaks, scoreboard, stored_verdicts
from lib.measure.data_set_verdicts import DataSetVerdict
from lib.measure.findings import Finding
from lib.measure.training_verdict import training_verdict
from lib.prepare import pipeline, workspace
from lib.prepare.workspace import Workspace
from lib.search import significance
from lib.search.metrics import METRICS
from lib.settings import Settings

NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


def numbers(text: str) -> list[float]:
    return [float(each.replace(",", "").rstrip(".")) for each in NUMBER.findall(text)]


def finding(ids: list[str], notes: list[str] | None = None) -> Finding:
    return Finding("strays", "Possible label errors", "The rule.", ids, notes or [""] * len(ids))


@pytest.fixture
def measured(copied: Settings) -> Workspace:
    first_results.make(copied)
    return workspace.open_workspace(copied)


def by_name(found: list[DataSetVerdict]) -> dict[str, DataSetVerdict]:
    return {each.name: each for each in found}


# --- the scores ------------------------------------------------------------------------------------------------------


def test_the_best_configuration_is_the_largest_mean_of_a_plain_loop(measured: Workspace) -> None:
    catalog = measured.catalog()
    scores = {space: scoreboard.measure(measured, space) for space in measured.spaces}
    means = {
        (space, metric): float(np.nanmean(scoreboard.per_query(cell, "map")))
        for space, each in scores.items()
        for metric, cell in each.scores.items()
    }
    space, metric = max(means, key=means.__getitem__)
    found = verdicts.best_configuration(scores)
    assert found.choices == {"space": space, "metric": metric}
    assert f"Best of {len(means)} configurations" in found.verdict.text
    assert METRICS[metric].short in found.verdict.text
    assert f"mAP {100 * means[space, metric]:.1f}%" in found.verdict.text
    assert f"over {catalog.splits['test']} test photos" in found.verdict.text
    interval = re.search(r"\[([\d.]+), ([\d.]+)\]", found.verdict.text)
    assert interval is not None
    assert float(interval[1]) <= 100 * means[space, metric] <= float(interval[2])


def test_l1_and_cosine_are_compared_query_by_query(measured: Workspace) -> None:
    catalog = measured.catalog()
    scores = {space: scoreboard.measure(measured, space) for space in measured.spaces}
    found = verdicts.l1_against_cosine(scores, catalog.ids)
    space = found.choices["space"]
    assert space == verdicts.best_configuration(scores).choices["space"]
    cosine, l1 = (scoreboard.per_query(scores[space].scores[name], "map") for name in ("cosine", "l1"))
    mean = float(np.nanmean(cosine - l1))
    text = found.verdict.text
    assert text.startswith("Cosine" if mean > 0 else "L1")
    assert f"by {abs(100 * mean):.1f} points" in text
    p = significance.difference(cosine, l1).p
    assert p is not None
    assert ("more than chance" in text) == (p < 0.05)
    assert ("may be chance" in text) == (p >= 0.05)
    lead = np.abs(np.nan_to_num(cosine - l1)) * (np.sign(cosine - l1) == np.sign(mean))
    rows = scores[space].scores["cosine"].per_query.rows
    if lead.max() > 0:
        assert lead[list(rows).index(catalog.row(found.ids[0]))] == lead.max()


def test_without_scores_or_with_one_class_a_sentence_says_so(measured: Workspace) -> None:
    for found in (verdicts.best_configuration({}), verdicts.l1_against_cosine({}, [])):
        assert "ot measured yet" in found.verdict.text
        assert not found.ids
    scores = {"pixels": scoreboard.measure(measured, "pixels")}
    empty = {
        name: replace(cell, why="One class.", means=dict.fromkeys(cell.means), intervals=dict.fromkeys(cell.means))
        for name, cell in scores["pixels"].scores.items()
    }
    one_class = {"pixels": replace(scores["pixels"], scores=empty)}
    assert verdicts.best_configuration(one_class).verdict.text == "No search can be scored: One class."
    assert verdicts.l1_against_cosine(one_class, []).verdict.text == "Not comparable: One class."


# --- labels, duplicates, hubs ----------------------------------------------------------------------------------------


def test_label_errors_are_counted_among_the_photos_that_can_be_judged() -> None:
    purity = np.array([0.0, 1.0, np.nan, *[0.5] * 17])
    found = verdicts.label_errors(finding(["a", "b"], ["9/10 x", "8/10 y"]), purity, 2, "pixels")
    assert found.verdict.text.startswith("2 photos are possible label errors (10.5% of 19)")
    assert found.ids == ["a", "b"]
    assert found.notes == ["9/10 x", "8/10 y"]
    assert verdicts.label_errors(finding([*"abcdef"]), purity, 2, "pixels").ids == [*"abcd"]
    assert "1 photo is a possible" in verdicts.label_errors(finding(["a"]), purity, 2, "pixels").verdict.text
    assert "No possible label error" in verdicts.label_errors(finding([]), purity, 2, "pixels").verdict.text
    assert "one class" in verdicts.label_errors(finding([]), np.full(20, np.nan), 1, "pixels").verdict.text
    assert "too few" in verdicts.label_errors(finding(["a"]), np.zeros(3), 2, "pixels").verdict.text


def test_duplicates_and_leaks_are_those_of_the_audit(measured: Workspace) -> None:
    catalog = measured.catalog()
    report, near = audit.audit(catalog), leaks.find(measured, catalog)
    found = verdicts.duplicates(report, leaks.leaks(near, catalog), catalog.splits["test"])
    split = dict(zip(catalog.ids, catalog.frame["split"], strict=True))
    groups = near.groups(catalog)
    outside = {int(group) for group, name in zip(groups, catalog.ids, strict=True) if split[name] != "test"}
    pairs = leaks.leaks(near, catalog)
    tested = {name for pair in pairs for name in pair["ids"] if split[name] == "test"}
    assert all(int(groups[catalog.ids.index(name)]) in outside for name in tested)
    assert ("none of" in found.verdict.text) == (not tested)
    assert "No duplicate" in found.verdict.text, "the only copies have one label"


def test_conflicts_and_leaks_share_the_photos() -> None:
    group: Any = {"ids": ["a", "b"], "labels": ["x", "y"], "conflict": True, "kind": "exact", "distance": 0}
    leak: Any = {"ids": ["c", "d"], "labels": ["x", "x"], "splits": ["train", "test"], "correlation": 1, "equal": True}
    report: Any = {"duplicates": [group], "corrupt": [], "images": 9}
    found = verdicts.duplicates(report, [leak], 3)
    assert found.verdict.text == (
        "2 photos have an equal or nearly equal copy with another label; 1 of 3 test photos has a near-duplicate "
        "outside the test split."
    )
    assert found.ids == ["a", "b", "c", "d"]
    assert found.notes == ["conflicting label", "conflicting label", "leak", "leak"]
    assert "without test photos" in verdicts.duplicates(report, [], 0).verdict.text
    assert "leaks are not measured" in verdicts.duplicates(report, None, 3).verdict.text
    assert verdicts.duplicates(None, None, 3).verdict.text == verdicts.NOT_MEASURED


def test_the_share_of_the_hubs_is_that_of_all_neighbour_lists() -> None:
    counts = np.array([40.0, 30.0, *[5.0] * 18])
    found = verdicts.hubs(finding(["a", "b"]), counts, "pixels")
    share, mean = 70 / 160, 8
    assert f"{2 / 20:.1%} of all, but {share:.0%}" in found.verdict.text
    assert f"the largest is in 40 lists, the mean photo in {mean}" in found.verdict.text
    assert "No photo of 20 is a hub" in verdicts.hubs(finding([]), counts, "pixels").verdict.text
    assert "too few" in verdicts.hubs(finding(["a"]), counts[:3], "pixels").verdict.text


# --- training and the index ------------------------------------------------------------------------------------------


def test_what_training_changed_in_the_recorded_runs(prepared: Settings) -> None:
    runs = [normalise(run) for run in records.load(prepared)]
    fingerprint = Counter(run["dataset"]["fingerprint"] for run in runs).most_common(1)[0][0]
    by_regime: dict[str, list[Any]] = {}
    for run in runs:
        if run["dataset"]["fingerprint"] == fingerprint:
            by_regime.setdefault(run["regime"], []).append(run)
    accuracy = {
        regime: np.mean([np.mean([row["label"] == row["predicted"] for row in run["predictions"]]) for run in each])
        for regime, each in by_regime.items()
    }
    best = max(accuracy, key=accuracy.__getitem__)
    ids = [row["id"] for row in by_regime[best][0]["predictions"]]
    found = verdicts.training(runs, fingerprint, ids)
    assert f"{accuracy[best]:.1%} test accuracy" in found.verdict.text
    assert f"{100 * (accuracy[best] - accuracy['transfer']):.1f} points" in found.verdict.text
    assert f"above Transfer ({accuracy['transfer']:.1%})" in found.verdict.text
    # The page of the training runs says it in the same words.
    assert found.verdict == training_verdict(
        [run for each in by_regime.values() for run in each], fingerprint, "transfer"
    )
    for name, note in zip(found.ids, found.notes, strict=True):
        for regime, is_right in ((best, True), ("transfer", False)):
            for run in by_regime[regime]:
                row = next(row for row in run["predictions"] if row["id"] == name)
                assert (row["label"] == row["predicted"]) == is_right
                assert is_right or note == f"was {row['predicted']}"
    assert found.ids
    alone = verdicts.training(by_regime["transfer"], fingerprint, ids)
    assert alone.verdict == training_verdict(by_regime["transfer"], fingerprint)
    assert "on others" in verdicts.training(runs, "other photos", ids).verdict.text
    assert "No network was trained" in verdicts.training([], fingerprint, ids).verdict.text
    assert "damaged" in verdicts.training(None, fingerprint, ids).verdict.text
    worse = [run for run in runs if run["regime"] in {"transfer", "scratch"}]
    swapped = [{**run, "regime": {"transfer": "scratch", "scratch": "transfer"}[run["regime"]]} for run in worse]
    frozen_best = verdicts.training(swapped, fingerprint, ids).verdict.text  # type: ignore[arg-type]
    assert frozen_best.startswith("Transfer (pretrained, frozen) is best")


def recall(index: str, *values: float) -> dict[str, Any]:
    rows = [
        {"index_type": index, "params": {"ef": 16 * place}, "recall": value, "ci95": {"recall": [value - 0.01, 1.0]}}
        for place, value in enumerate(values, start=1)
    ]
    return {"rows": rows, "collection": f"c_{index}", "k": 10, "queries": 100, "gallery": 4000}


def test_the_weakest_index_speaks_at_its_most_thorough_setting() -> None:
    found = verdicts.index([recall("HNSW", 0.9, 1.0), recall("IVF_FLAT", 0.99, 0.9799)], 1)
    assert found.verdict.text.startswith("IVF_FLAT lost neighbours: it found 97.9% [97.0, 100.0] of the exact 10")
    assert "ef = 32, over 100 queries" in found.verdict.text
    assert found.choices == {"collection": "c_IVF_FLAT"}
    assert found.table[0] == ["ef", "recall@10", "95% interval", "median"]
    assert found.table[1:] == [["16", "99.0%", "98.0 to 100.0", "–"], ["32", "97.9%", "97.0 to 100.0", "–"]]
    assert "lost no neighbour: it found 100.0%" in verdicts.index([recall("HNSW", 0.9, 1.0)], 1).verdict.text
    assert "lost few neighbours: it found 99.9%" in verdicts.index([recall("HNSW", 0.9999)], 1).verdict.text
    assert verdicts.index([], 1).verdict.text == verdicts.NOT_MEASURED
    assert "No collection in Milvus" in verdicts.index([], 0).verdict.text


# --- as an artifact --------------------------------------------------------------------------------------------------


def test_verdicts_are_stored_and_made_anew_when_an_input_changes(
    measured: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = measured.folder / stored_verdicts.FOLDER
    (file,) = folder.glob("*-verdicts-*.json")
    found = stored_verdicts.find(measured)
    assert [each.name for each in found] == list(verdicts.NAMES)
    with monkeypatch.context() as patch:
        patch.setattr(stored_verdicts, "compute", lambda *_: pytest.fail("computed again although stored"))
        assert stored_verdicts.find(measured) == found
    shutil.rmtree(measured.folder / scoreboard.FOLDER)
    without = by_name(stored_verdicts.find(measured))
    assert without["metric"].verdict.text == verdicts.NOT_MEASURED
    assert without["hubs"] == by_name(found)["hubs"]
    assert not file.exists(), "the earlier sentences are gone"
    (again,) = folder.glob("*-verdicts-*.json")
    again.write_text("{", encoding="utf-8")
    assert by_name(stored_verdicts.find(measured)) == without, "a damaged file is made anew"


@pytest.mark.parametrize("classes", [1, 2])
def test_three_photos_have_sentences(copied: Settings, tmp_path: Path, classes: int) -> None:
    for number, file in enumerate(sorted((copied.data or Path()).rglob("*.jpg"))[:3]):
        target = tmp_path / "photos" / f"class {number % classes}" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    settings = replace(copied, data=tmp_path / "photos", artifacts=tmp_path / "artifacts")
    pipeline.prepare(settings, names=["pixels"])
    first_results.make(settings)
    found = by_name(stored_verdicts.find(workspace.open_workspace(settings)))
    assert ("of one class" if classes == 1 else "too few") in found["labels"].verdict.text
    assert "too few" in found["hubs"].verdict.text
    assert "No collection in Milvus" in found["index"].verdict.text
    assert "on others" in found["training"].verdict.text
    assert not re.search(r"\bnan\b|None", " ".join(each.verdict.text for each in found.values()))
