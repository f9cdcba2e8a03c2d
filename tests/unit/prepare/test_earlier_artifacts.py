"""Artifacts that an earlier version wrote open unchanged: searches, scores, maps, runs, and `prepare` itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.data.distortions import DISTORTIONS
from lib.learn import runs
from lib.learn.normalise_record import normalise
from lib.measure import evaluation, robustness, scoreboard
from lib.prepare import pipeline, state_file, vectors_step, workspace
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.retrieval import search
from lib.retrieval.query import find_query
from lib.settings import Settings
from tests.helpers import recorded_artifacts

SPACES = ("pixels", "resnet18")
# Not part of a result: when and how fast it was made, and by which libraries.
TIMELY = {"seconds", "cached", "uri", "libraries", "made"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The earlier artifacts; only the last test writes to them."""
    folder = tmp_path_factory.mktemp("earlier")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield recorded_artifacts.restore(folder)


@pytest.fixture(scope="module")
def earlier(settings: Settings) -> Workspace:
    """The workspace of the earlier artifacts."""
    return workspace.open_workspace(settings)


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """What the earlier version printed of them."""
    found: dict[str, Any] = recorded_artifacts.read("artifacts")
    return found


def same(value: Any, recorded: Any) -> bool:
    """Whether a document is the recorded one: fields may have been added, and floats may differ in the last digits."""
    if isinstance(recorded, dict):
        return all(key in value and same(value[key], recorded[key]) for key in recorded.keys() - TIMELY)
    if isinstance(recorded, list):
        return len(value) == len(recorded) and all(map(same, value, recorded))
    return value == (pytest.approx(recorded, rel=1e-6, abs=1e-9) if isinstance(recorded, float) else recorded)


def test_the_comparison_notices_a_change() -> None:
    assert same({"a": [1.0], "new": 1, "seconds": 2}, {"a": [1.0], "seconds": 1})
    assert not any(same({"a": value}, {"a": [1.0]}) for value in ([1.001], [1.0, 2.0], []))
    assert not same({}, {"a": None})


def test_searches_and_comparisons(earlier: Workspace, recorded: dict[str, Any]) -> None:
    loaded = {space: search.load_space(earlier, space) for space in SPACES}
    assert len(recorded["searches"]) == 10
    for wanted in recorded["searches"]:
        query = find_query(earlier.catalog(), wanted["query"])
        found = search.search(
            earlier, loaded[wanted["space"]], query, metric_name=wanted["metric"], k=len(wanted["results"])
        )
        assert same(found, wanted)
    (wanted,) = recorded["compares"]
    sides = wanted["a"], wanted["b"]
    query = find_query(earlier.catalog(), sides[0]["query"])
    left, right = (loaded[side["space"]] for side in sides)
    metrics = {name: wanted[name]["metric"] for name in ("a", "b")}
    assert same(search.compare(earlier, left, query, **metrics, k=len(sides[0]["results"]), other=right), wanted)


def test_scores_are_measured_anew(earlier: Workspace, recorded: dict[str, Any]) -> None:
    """They counted equal values by id, and had fewer measures; without ties the means are the same."""
    for space, rows in zip(SPACES, recorded["scoreboard"], strict=True):
        assert scoreboard.load(earlier, space, earlier.catalog()) is None
        computed = evaluation.evaluate(earlier, space)
        for row, before in zip(computed, rows, strict=True):
            assert same(row, {name: value for name, value in before.items() if name != "ci95"})


def test_a_robustness_sweep_is_read_back(earlier: Workspace, recorded: dict[str, Any]) -> None:
    def refuse() -> Any:
        raise AssertionError("the sweep is measured again")

    kind = DISTORTIONS[recorded["distortion"]]
    assert same(robustness.measure(earlier, search.load_space(earlier, "pixels"), kind, refuse), recorded["robustness"])


@pytest.mark.parametrize("space", SPACES)
def test_maps_and_neighbours(earlier: Workspace, recorded: dict[str, Any], space: str) -> None:
    for method, xy in recorded["maps"][space].items():
        np.testing.assert_allclose(earlier.map(space, method).xy, xy, atol=1e-5)
    assert len(earlier.neighbourhoods(space).rows["cosine"]) == 20
    weights = earlier.weights(space)
    assert (weights.name if weights else None) == (None if space == "pixels" else "bundled")


def test_a_map_with_parameters_of_the_users_own(earlier: Workspace, recorded: dict[str, Any]) -> None:
    parameters = replace(earlier.map_parameters("resnet18"), **recorded["own_map"])
    assert earlier.other_map("resnet18", parameters) is not None
    assert earlier.other_map("resnet18", replace(parameters, n_neighbors=6)) is None


def test_training_records(settings: Settings, earlier: Workspace, recorded: dict[str, Any]) -> None:
    own = runs.own(settings)
    assert [run["id"] for run in own] == recorded["runs"]
    assert [run["regime"] for run in own] == ["transfer"]
    assert all(normalise(run) for run in own)
    assert own[0]["dataset"]["fingerprint"] == earlier.catalog().fingerprint


def test_prepare_recomputes_nothing(settings: Settings, recorded: dict[str, Any]) -> None:
    folder = workspace.open_workspace(settings).folder
    before = _results(folder)
    state = state_file.read(folder)
    maps = {name: workspace.open_workspace(settings).map(name).xy for name in SPACES}
    said: list[str] = []
    document = pipeline.prepare(settings, reporter=Reporter(say=said.append))
    assert [(space["name"], space["cached"]) for space in document["spaces"]] == [(name, True) for name in SPACES]
    assert same(document["dataset"], recorded["dataset"])
    assert len(before) == 16
    # Artifacts of before there were hashes get them, once.
    assert [sentence for sentence in said if "hash" in sentence] == [vectors_step.hashes_recorded(n) for n in SPACES]
    hashed = _results(folder)
    assert hashed.keys() == before.keys()
    assert state is not None
    expected = {entry[kind] for entry in state["spaces"].values() for kind in ("map", "pca", "neighbours")}
    expected |= {f"{entry['folder']}/meta.json" for entry in state["spaces"].values()}
    assert {name for name in before if hashed[name] != before[name]} == expected
    opened = workspace.open_workspace(settings)
    for name in SPACES:
        assert set(opened.vectors(name).meta["sha256"]) == {"vectors.npy", "pictures.npy"}
        np.testing.assert_array_equal(opened.map(name).xy, maps[name])
    said.clear()
    pipeline.prepare(settings, reporter=Reporter(say=said.append))
    assert not [sentence for sentence in said if "hash" in sentence]
    assert _results(folder) == hashed
    after = state_file.read(folder)
    assert after is not None
    for entry in (*state["spaces"].values(), *after["spaces"].values()):
        if entry["weights"] is not None:
            entry["weights"]["path"] = None  # where this copy of Petalscope keeps its bundled weights
    assert (after["spaces"], after["collections"]) == (state["spaces"], state["collections"])


def _results(folder: Path) -> dict[str, bytes]:
    """The files of the spaces and of what was computed from them."""
    kinds = ("spaces", "neighbours", "maps", "scores", "robustness")
    files = [path for kind in kinds for path in (folder / kind).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
