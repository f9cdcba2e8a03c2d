"""Photos without labels, from `prepare` to every command: what can be made is made, the rest is one sentence."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.commands import cli
from lib.measure import clusters, first_results, label_sample, stored_verdicts
from lib.prepare import pipeline, workspace
from lib.settings import Settings
from tests.conftest import draw_picture


def run(settings: Settings, capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[str, str]:
    named = ["--data", str(settings.data), "--artifacts", str(settings.artifacts)]
    assert cli.main([*words, *named], offline=True) == status
    printed = capsys.readouterr()
    return printed.out, printed.err


def document(settings: Settings, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    out, _ = run(settings, capsys, *words, "--json")
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_everything_that_needs_no_label_is_made(unlabelled: Settings) -> None:
    opened = workspace.open_workspace(unlabelled)
    catalog = opened.catalog()
    assert len(catalog.ids) == 42 and catalog.classes == {}
    assert [entry["id"] for entry in catalog.skipped] == ["IMG_3000.HEIC"]
    assert opened.spaces == ["pixels", "resnet18"]
    for space in opened.spaces:
        opened.map(space, "umap")
        assert clusters.load(opened, space, catalog, "kmeans", clusters.default_k(catalog)) is not None
    found = {each.name: each for each in stored_verdicts.find(opened)}
    assert list(found) == ["clusters", "duplicates", "hubs", "index"]
    assert "42 photos without labels fall into 8 clusters" in found["clusters"].verdict.text
    assert "4 photos have an equal or nearly equal copy" in found["duplicates"].verdict.text
    assert not any("label" in each.verdict.text for name, each in found.items() if name != "clusters")


def test_clusters_are_named_by_number_and_agree_with_nothing(
    unlabelled: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(unlabelled, capsys, "clusters")
    assert (found["nmi"], found["ari"], found["k"]) == (None, None, 8)
    assert [each["name"] for each in found["clusters"]] == [f"cluster {number}" for number in range(1, 9)]
    assert {(each["label"], each["purity"]) for each in found["clusters"]} == {("", None)}
    text, _ = run(unlabelled, capsys, "clusters")
    assert "without labels" in text and "%" not in text


@pytest.mark.parametrize(
    ("words", "beginning"),
    [
        (["evaluate"], "Scores need labels"),
        (["suspects"], "Checks of labels need labels"),
        (["train", "--regime", "transfer", "--preset", "quick"], "Classifiers need labels"),
        (["audit", "--together", "new.csv"], "Tables of labels and splits need labels"),
    ],
)
def test_what_needs_labels_says_so_in_one_sentence(
    unlabelled: Settings, capsys: pytest.CaptureFixture[str], words: list[str], beginning: str
) -> None:
    _, printed = run(unlabelled, capsys, *words, status=1)
    (line,) = [each for each in printed.splitlines() if each.startswith("petalscope:")]
    assert beginning in line and "--labels FILE.csv" in line
    assert "Traceback" not in printed


def test_relabelling_needs_classes_and_excluding_does_not(
    unlabelled: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "review.csv"
    table.write_text("id,action,label\nIMG_2041.jpg,relabel,rose\n")
    _, printed = run(unlabelled, capsys, "relabel", str(table), status=1)
    assert "Corrections of labels need labels" in printed


def test_searches_features_and_spaces_work(unlabelled: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    results = document(unlabelled, capsys, "search", "IMG_2041.jpg", "--k", "5")["results"]
    assert len(results) == 5 and {result["label"] for result in results} == {""}
    (feature,) = document(unlabelled, capsys, "features", "--dimension", "7")["dimensions"]
    assert feature["selectivity"] is None and feature["class"] is None and feature["top"]
    for space in document(unlabelled, capsys, "spaces")["spaces"]:
        assert space["silhouette"] is None and space["alignment"] is None
        assert space["intrinsic_dimension"] is not None
    assert document(unlabelled, capsys, "audit")["duplicates"]
    assert {check["name"]: check["ready"] for check in document(unlabelled, capsys, "doctor")["checks"]}["training"]


# --- the sample ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", label_sample.METHODS)
def test_the_sample(unlabelled: Settings, capsys: pytest.CaptureFixture[str], method: str) -> None:
    found = document(unlabelled, capsys, "sample", "12", "--method", method)
    assert set(found) >= {"method", "space", "seed", "rows"}
    assert (found["method"], found["space"]) == (method, "resnet18")
    assert [row["rank"] for row in found["rows"]] == list(range(1, 13))
    assert sum(row["covers"] for row in found["rows"]) == 42
    fewer = document(unlabelled, capsys, "sample", "5", "--method", method)["rows"]
    assert [row["id"] for row in fewer] == [row["id"] for row in found["rows"][:5]]
    assert document(unlabelled, capsys, "sample", "12", "--method", method)["rows"] == found["rows"]
    text, _ = run(unlabelled, capsys, "sample", "12", "--method", method)
    assert found["rows"][0]["id"] in text and "--labels" in text


def test_of_copies_one_is_chosen_however_many_are_wanted(unlabelled: Settings) -> None:
    opened = workspace.open_workspace(unlabelled)
    chosen = {row["id"] for row in label_sample.measure(opened, "resnet18", 500)["rows"]}
    assert len(chosen) == 40
    assert not {"IMG_2043.jpg", "IMG_2043 (1).png"} <= chosen


def test_large_data_sets_are_sampled_within_bounds(unlabelled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = workspace.open_workspace(unlabelled)
    monkeypatch.setattr(label_sample, "MOST_CANDIDATES", 20)
    monkeypatch.setattr(label_sample, "MOST_REPRESENTED", 30)
    found = label_sample.measure(opened, "resnet18", 10)
    assert (found["candidates"], found["represented"]) == (20, 30)
    assert found["rows"] == label_sample.measure(opened, "resnet18", 10)["rows"]
    assert "of which 20 drawn by chance" in label_sample.about(found)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sample", "5000"], "A sample has 1 to 1,000 photos"),
        (["sample", "5", "--space", "nowhere"], "no space called"),
    ],
)
def test_a_sample_that_cannot_be(
    unlabelled: Settings, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert sentence in run(unlabelled, capsys, *words, status=1)[1]


def test_the_table_of_the_sample_is_read_back_when_it_is_filled_in(
    unlabelled: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "sample.csv"
    assert document(unlabelled, capsys, "sample", "20", "--table", str(table))["table"] == str(table)
    assert "exists already" in run(unlabelled, capsys, "sample", "20", "--table", str(table), status=1)[1]
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["id", "label"] and {row[1] for row in rows[1:]} == {""}
    for place, row in enumerate(rows[1:]):
        row[1] = "ab"[place % 2]
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    elsewhere = replace(unlabelled, artifacts=tmp_path / "artifacts")
    out, _ = run(elsewhere, capsys, "prepare", "--spaces", "pixels", "--labels", str(table))
    assert "20 images of 2 classes" in out
    back = document(elsewhere, capsys, "prepare", "--spaces", "pixels", "--layout", "unlabelled")["dataset"]
    assert (back["images"], back["classes"], back["layout"]["kind"]) == (42, {}, "unlabelled")


@pytest.mark.parametrize("count", [1, 2])
def test_one_photo_and_two(count: int, quick_weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    for number in range(count):
        draw_picture(0, number).save(tmp_path / "data" / f"IMG_{number}.jpg")
    settings = Settings(data=tmp_path / "data", artifacts=tmp_path / "artifacts", weights=quick_weights, offline=True)
    pipeline.prepare(settings)
    first_results.make(settings)
    assert len(document(settings, capsys, "sample", "9")["rows"]) == count
    assert document(settings, capsys, "clusters", "--space", "pixels")["k"] == 1
    assert stored_verdicts.find(workspace.open_workspace(settings))[0].name == "clusters"
