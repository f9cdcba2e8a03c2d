"""Programs and commands that pages offer for measurements: run as users paste them, they find the figures shown."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.commands import cli
from lib.commands.options import parser
from lib.measure import clusters, comparison_programs, depth, feature_examples, reproduction, space_diagnosis, suspects
from lib.measure.reproduction import Reproduction
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.settings import Settings

pytestmark = pytest.mark.slow  # each program runs in a process of its own


def printed(found: Reproduction, settings: Settings, folder: Path) -> list[list[str]]:
    """What the program prints in a folder of its own, as words by line; it reads nothing but the artifacts."""
    done = subprocess.run(
        [sys.executable, "-c", found.program],
        cwd=folder,
        env={**os.environ, "PETALSCOPE_ARTIFACTS": str(settings.artifacts), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [line.split("\t") for line in done.stdout.splitlines()]


def ran(found: Reproduction, settings: Settings, capsys: pytest.CaptureFixture[str]) -> Any:
    """The document of the command."""
    words = shlex.split(found.command)
    assert words[:3] == ["python", "-m", "lib"]
    places = ["--data", str(settings.data), "--artifacts", str(settings.artifacts), "--json"]
    assert cli.main([*words[3:], *places], offline=True) == 0
    return json.loads(capsys.readouterr().out)


def numbers(words: list[str]) -> dict[str, float]:
    """The figures of a line, by their titles."""
    return {title: float(value) for title, _, value in (word.rpartition(" ") for word in words) if title}


@pytest.fixture(scope="module")
def opened(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose artifacts this file may add measurements to."""
    import shutil

    artifacts = tmp_path_factory.mktemp("programs") / "artifacts"
    shutil.copytree(prepared.artifacts / "sets", artifacts / "sets")
    return workspace.open_workspace(replace(prepared, artifacts=artifacts))


def test_features(opened: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for dimension in (None, 217):
        found = reproduction.features(opened, "resnet18", dimension)
        by_number = {
            each["dimension"]: each for each in ran(found, opened.settings, capsys)["dimensions"] if not each["dead"]
        }
        lines = printed(found, opened.settings, tmp_path)
        assert len(lines) == (20 if dimension is None else 1)
        for number, selectivity, label, *best in lines:
            entry = by_number[int(number)]
            assert float(selectivity) == pytest.approx(entry["selectivity"], abs=1e-4)
            assert label == entry["class"]
            assert best[: len(entry["top"])] == [photo["id"] for photo in entry["top"]]
    shown = feature_examples.find(opened, "resnet18").selectivity
    assert float(lines[0][1]) == pytest.approx(shown[217], abs=1e-4)


@pytest.mark.parametrize("space", ["resnet18", "pixels"])
def test_suspects(opened: Workspace, space: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = opened.catalog()
    found = reproduction.suspects(opened, space, catalog)
    rows = ran(found, opened.settings, capsys)["rows"]
    shown = suspects.find(opened, space, catalog)
    lines = printed(found, opened.settings, tmp_path)
    assert len(lines) == reproduction.SHOWN
    for line, row, place in zip(lines, rows, shown.ranking.tolist(), strict=False):
        assert float(line[0]) == pytest.approx(row["score"], abs=2e-4)
        assert line[1:] == [row["label"], row["suggested"], row["id"]]
        assert row["id"] == catalog.ids[place]


@pytest.mark.parametrize(
    ("space", "method", "k"), [("resnet18", "kmeans", 5), ("pixels", "kmeans", 3), ("resnet18", "hdbscan", None)]
)
def test_clusters(
    opened: Workspace, space: str, method: str, k: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = reproduction.clusters(opened, space, opened.catalog(), method, k)
    document = ran(found, opened.settings, capsys)
    agreement, *groups = printed(found, opened.settings, tmp_path)
    figures = numbers(agreement)
    assert figures["ARI"] == pytest.approx(document["ari"] or 0, abs=1e-4)
    assert figures["NMI"] == pytest.approx(document["nmi"] or 0, abs=1e-4)
    assert [int(line[0]) for line in groups] == [each["size"] for each in document["clusters"]]
    assert clusters.find(opened, space, opened.catalog(), method, k).document["ari"] == document["ari"]


def test_spaces(opened: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = comparison_programs.diagnoses(opened)
    document = ran(found, opened.settings, capsys)
    first, second, pair = printed(found, opened.settings, tmp_path)
    keys = {
        "intrinsic dimension": "intrinsic_dimension",
        "effective rank": "effective_rank",
        "mean cosine": "mean_cosine",
        "alignment": "alignment",
        "uniformity": "uniformity",
        "hubness": "hubness_skewness",
        "silhouette": "silhouette",
    }
    for line, space in zip((first, second), document["spaces"], strict=True):
        assert line[0] == space["name"]
        figures = numbers(line[1:])
        assert {keys[title]: figures[title] for title in keys} == pytest.approx(
            {key: space[key] for key in keys.values()}, abs=2e-3, rel=2e-3
        )
    (shown,) = document["pairs"]
    assert pair[:2] == [shown["a"], shown["b"]]
    wanted = [shown[key] for key in ("cka", "cka_unbiased", "mutual_knn", "procrustes")]
    assert list(numbers(pair[2:]).values()) == pytest.approx(wanted, abs=1e-3)
    assert space_diagnosis.stored(opened, opened.catalog()) == document


def test_depth(opened: Workspace, tmp_path: Path) -> None:
    shown = depth.measure(opened)
    lines = printed(comparison_programs.stages(opened, opened.catalog(), shown), opened.settings, tmp_path)
    scores = {(line[0], line[1]): numbers(line[2:]) for line in lines if line[0] != "likeness"}
    assert set(scores) == set(shown.items)
    for (network, stage), figures in scores.items():
        entry = shown.networks[network]
        wanted = [entry.value(stage, measure)[0] for measure in ("p10", "map", "probe")]
        assert list(figures.values()) == pytest.approx(wanted, abs=1e-3)
    alike = [line[1:] for line in lines if line[0] == "likeness"]
    assert len(alike) == len(shown.items) * (len(shown.items) - 1) // 2
    for a, b, c, d, value in alike:
        assert float(value) == pytest.approx(shown.alike((a, b), (c, d)), abs=1e-3)


def test_no_program_holds_a_place_or_a_name_that_runs(opened: Workspace) -> None:
    hostile = ["'; import os; os.abort() #", 'a"b\\', "ß 🌹\n"]
    catalog = opened.catalog()
    frame = catalog.frame.copy()
    frame["label"] = [hostile[row % 3] for row in range(len(frame))]
    odd = replace(catalog, frame=frame)
    found = [
        reproduction.features(opened, "resnet18"),
        reproduction.suspects(opened, "pixels", odd),
        reproduction.clusters(opened, "pixels", odd, "kmeans", 3),
        reproduction.clusters(opened, "resnet18", odd, "hdbscan", None),
        comparison_programs.diagnoses(opened),
        comparison_programs.stages(opened, catalog, depth.measure(opened)),
    ]
    assert any(repr(sorted(odd.classes)[0]) in each.program for each in found)
    for each in found:
        compile(each.program, "program", "exec")
        assert str(opened.settings.artifacts.parent) not in each.program
        assert not re.search(r"[\"'(\s]/(home|tmp|work|root)", each.program)
        if each.command:
            parser().parse_args(shlex.split(each.command)[3:])
