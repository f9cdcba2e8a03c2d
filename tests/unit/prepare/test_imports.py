"""Spaces of vectors from elsewhere: made, searched, kept, replaced, removed, and killed on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib import artifacts
from lib.embed import spaces
from lib.errors import ArtifactError, QueryError
from lib.measure import evaluation, first_results, space_diagnosis
from lib.prepare import imports, pipeline, workspace
from lib.prepare.imports import Source
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.retrieval import explain_vectors, search
from lib.retrieval.query import find_query
from lib.retrieval.text_query import text_query, texts
from lib.search.metrics import METRICS
from lib.settings import Settings
from lib.store import collections
from tests.conftest import draw_photos
from tests.helpers.killed_work import killed_work


@pytest.fixture(scope="module")
def ten(quick_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of fifteen small photos, prepared. Read only."""
    root = tmp_path_factory.mktemp("ten")
    settings = Settings(
        data=draw_photos(root / "photos", per_class=3), artifacts=root / "artifacts", weights=quick_weights, seed=0,
        offline=True, store_wait_s=0.0,
    )  # fmt: skip
    pipeline.prepare(settings, names=["resnet18"])
    return settings


@pytest.fixture
def settings(ten: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A copy of these artifacts, with the store; names that a test defines are forgotten after it."""
    monkeypatch.setattr(spaces, "_DEFINED", {})
    shutil.copytree(ten.artifacts, tmp_path / "artifacts")
    yield replace(ten, artifacts=tmp_path / "artifacts")


def _vectors(opened: Workspace) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(opened.vectors("resnet18").values[:, :24] + rng.normal(size=(15, 24)) * 0.01, dtype=np.float32)


def _file(folder: Path, vectors: np.ndarray, ids: list[str], name: str = "own.npz") -> Path:
    np.savez(folder / name, vectors=vectors, ids=np.array(ids))
    return folder / name


def _names(settings: Settings) -> list[str]:
    with workspace.open_store(settings, "test") as store:
        return collections.names(store)


def test_vectors_are_matched_mapped_searched_and_stored(settings: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(settings)
    vectors, ids = _vectors(opened), opened.catalog().ids
    order = np.random.default_rng(1).permutation(15)
    rows = np.concatenate([vectors[order], vectors[:1]])
    file = _file(tmp_path, rows.astype(np.float64), [*(f"/d/{ids[row]}" for row in order), "nobody.jpg"])
    found = imports.add(settings, "own", Source(file))
    assert found["sha256"] == artifacts.file_hash(file)
    assert (found["dim"], found["count"], found["matched"]) == (24, 15, 15)
    assert (found["extra_count"], found["extra"], found["missing"]) == (1, ["nobody.jpg"], [])
    assert (found["how"], found["dtype"], found["replaced"]) == ("by path", "float64", False)
    assert len(found["collections"]) == 3
    spaces._DEFINED.clear()
    opened = workspace.open_workspace(settings)
    assert opened.spaces == ["resnet18", "own"]
    assert spaces.get("own").group == "imported"
    assert np.array_equal(opened.vectors("own").values, vectors)
    assert len(opened.map("own").xy) == 15 and len(opened.neighbourhoods("own").rows["l1"]) == 15
    loaded = search.load_space(opened, "own")
    for metric in METRICS:
        for engine in ("exact", "milvus"):
            query = find_query(opened.catalog(), ids[2])
            results = search.search(opened, loaded, query, metric_name=metric, k=3, engine=engine)["results"]
            assert len(results) == 3
            exact = search.search(opened, loaded, query, metric_name=metric, k=3)["results"]
            assert [each["id"] for each in results] == [each["id"] for each in exact]
    # A second time computes nothing.
    again = imports.add(settings, "own", Source(file))
    assert again["cached"] and again["fingerprint"] == found["fingerprint"] and not again["replaced"]


def test_queries_from_elsewhere_are_refused_but_for_vectors(settings: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(settings)
    vectors, catalog = _vectors(opened), opened.catalog()
    imports.add(settings, "own", Source(_file(tmp_path, vectors, catalog.ids)))
    opened = workspace.open_workspace(settings)
    loaded = search.load_space(opened, "own")
    assert not spaces.takes_photos("own") and spaces.takes_photos("resnet18")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    with pytest.raises(QueryError, match="vectors of own come from another program"):
        search.query_vectors(opened, loaded, find_query(catalog, str(tmp_path / "red.png")))
    np.save(tmp_path / "q.npy", vectors[4])
    query = find_query(catalog, str(tmp_path / "q.npy"))
    assert search.search(opened, loaded, query, metric_name="l2", k=1)["results"][0]["id"] == catalog.ids[4]
    with pytest.raises(QueryError, match="24 numbers, and resnet18 holds 512"):
        search.query_vectors(opened, search.load_space(opened, "resnet18"), query)
    pair = [find_query(catalog, catalog.ids[row]) for row in (0, 1)]
    document = explain_vectors.document(opened, loaded, "l1", *pair)
    assert document["sum"] == pytest.approx(document["value"]) == pytest.approx(np.abs(vectors[0] - vectors[1]).sum())
    assert document["why"] is not None and len(document["dimensions"]) == 24


def test_an_orthogonal_turn_leaves_cosine_and_l2_as_they_are_and_moves_l1(settings: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(settings)
    vectors, ids = _vectors(opened), opened.catalog().ids
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(24, 24)))[0]
    imports.add(settings, "plain", Source(_file(tmp_path, vectors, ids)))
    imports.add(settings, "turned", Source(_file(tmp_path, vectors @ turn, ids, "turned.npz")))
    opened = workspace.open_workspace(settings)
    results = {}
    for space in ("plain", "turned"):
        loaded = search.load_space(opened, space)
        for metric in METRICS:
            found = [
                search.search(opened, loaded, find_query(opened.catalog(), name), metric_name=metric, k=14)["results"]
                for name in ids
            ]
            results[space, metric] = [{each["id"]: each["value"] for each in each_found} for each_found in found]
    moved = []
    for metric in METRICS:
        for plain, turned in zip(results["plain", metric], results["turned", metric], strict=True):
            if metric in {"cosine", "l2", "mse"}:
                assert turned == pytest.approx(plain, rel=1e-4)
            elif metric == "l1":
                moved.append(max(abs(turned[name] - plain[name]) / plain[name] for name in plain))
    assert min(moved) > 0.01
    scores = {
        space: {
            row["metric"]: row["map"]
            for row in evaluation.evaluate(opened, space, list(METRICS), k=5, queries="all", near=None)
        }
        for space in ("plain", "turned")
    }
    for metric in ("cosine", "l2", "mse"):
        assert scores["plain"][metric] is not None
        assert scores["plain"][metric] == pytest.approx(scores["turned"][metric])


def test_all_photos_need_a_vector(settings: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(settings)
    vectors, ids = _vectors(opened), opened.catalog().ids
    before = (opened.folder / "state.json").read_bytes()
    with pytest.raises(
        QueryError, match=r"vectors for 14 of 15 photos, matched by path; 1 photo without: daisy/00.jpg"
    ):
        imports.add(settings, "own", Source(_file(tmp_path, vectors[1:], ids[1:])))
    with pytest.raises(QueryError, match=r"No id of own\.npz"):
        imports.add(settings, "own", Source(_file(tmp_path, vectors, [f"x{number}" for number in range(15)])))
    vectors[3, 3] = np.nan
    with pytest.raises(QueryError, match="1 photo would have a vector"):
        imports.add(settings, "own", Source(_file(tmp_path, vectors, ids)))
    assert (opened.folder / "state.json").read_bytes() == before
    assert not spaces.is_defined("own")
    assert not list((opened.folder / "imports").glob("*"))


@pytest.mark.parametrize(
    "name", ["", "a b", "A", "resnet18", "transfer", "vgg16", "x+l2", "x@y", "-x", "a" * 41, "../x"]
)
def test_names_that_mean_something_else_are_refused(settings: Settings, name: str) -> None:
    with pytest.raises(QueryError, match=r"cannot be the name of a space|is the name of another space"):
        imports.check_name(settings, name)


def test_a_name_means_one_thing_in_a_folder_of_artifacts(settings: Settings) -> None:
    other = settings.artifacts / "sets" / "other-1"
    artifacts.write_json(other / "state.json", {"spaces": {"own": {}}, "dataset": {"root": "/elsewhere"}})
    with pytest.raises(QueryError, match="/elsewhere have a space own"):
        imports.check_name(settings, "own")


def test_the_same_name_gets_other_vectors_and_says_so(settings: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(settings)
    vectors, ids = _vectors(opened), opened.catalog().ids
    imports.add(settings, "own", Source(_file(tmp_path, vectors, ids)))
    said: list[str] = []
    reporter = Reporter(say=lambda message: said.append(str(message)))
    found = imports.add(settings, "own", Source(_file(tmp_path, vectors[:, :9], ids)), reporter)
    assert found["replaced"] and "The space own had other vectors; they are replaced." in said
    opened = workspace.open_workspace(settings)
    assert np.array_equal(opened.vectors("own").values, vectors[:, :9]) and opened.space("own")["dim"] == 9
    assert len(list((opened.folder / "imports").iterdir())) == 1
    assert sorted(name for name in _names(settings) if name.startswith("own")) == sorted(found["collections"])


def test_texts_search_in_their_space_only(settings: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(settings)
    vectors, catalog = _vectors(opened), opened.catalog()
    np.savez(tmp_path / "texts.npz", text=np.array(["a rose", "a daisy"]), vector=vectors[[7, 2]])
    found = imports.add(settings, "own", Source(_file(tmp_path, vectors, catalog.ids), texts=tmp_path / "texts.npz"))
    assert found["texts"] == 2
    opened = workspace.open_workspace(settings)
    assert texts(opened, "own") == ["a rose", "a daisy"] and texts(opened, "resnet18") == []
    loaded, query = search.load_space(opened, "own"), text_query(opened, "own", "a daisy")
    results = search.search(opened, loaded, query, metric_name="cosine", k=1)["results"]
    assert results[0]["id"] == catalog.ids[2] and results[0]["value"] == pytest.approx(1)
    with pytest.raises(QueryError, match="none of the 2 texts that have a vector in own; like it are a rose"):
        text_query(opened, "own", "rose")
    with pytest.raises(QueryError, match="resnet18 has no vectors of texts; texts can be searched in own"):
        text_query(opened, "resnet18", "a rose")
    imports.add(settings, "other", Source(_file(tmp_path, vectors, catalog.ids)))
    opened = workspace.open_workspace(settings)
    with pytest.raises(QueryError, match="has a vector in own only"):
        search.query_vectors(opened, search.load_space(opened, "other"), query)


def test_when_photos_change_a_space_stays_or_is_left_out_with_a_sentence(settings: Settings, tmp_path: Path) -> None:
    data = tmp_path / "photos"
    shutil.copytree(settings.data or "", data)
    settings = replace(settings, data=data, artifacts=tmp_path / "fresh")
    pipeline.prepare(settings, names=["resnet18"])
    opened = workspace.open_workspace(settings)
    vectors, ids = _vectors(opened), opened.catalog().ids
    later = np.full((1, 24), 0.5, dtype=np.float32)
    later[0, 0] = 1
    imports.add(settings, "own", Source(_file(tmp_path, np.concatenate([vectors, later]), [*ids, "rose/later.png"])))
    # One photo is renamed, one goes, and one comes whose vector was there already.
    (data / "rose" / "00.jpg").rename(data / "rose" / "renamed.jpg")
    (data / "daisy" / "00.jpg").unlink()
    Image.new("RGB", (40, 40), "blue").save(data / "rose" / "later.png")
    with pytest.raises(ArtifactError, match="changed since they were prepared"):
        imports.add(settings, "other", Source(_file(tmp_path, vectors, ids)))
    said: list[str] = []
    pipeline.prepare(settings, names=["resnet18"], reporter=Reporter(say=lambda message: said.append(str(message))))
    assert any(sentence.startswith("The space own is rebuilt: the photos") for sentence in said)
    opened = workspace.open_workspace(settings)
    values, catalog = opened.vectors("own").values, opened.catalog()
    before = dict(zip(ids, vectors, strict=True)) | {"rose/later.png": later[0]}
    before["rose/renamed.jpg"] = before["rose/00.jpg"]
    assert all(np.array_equal(value, before[name]) for name, value in zip(catalog.ids, values, strict=True))
    # A photo without a vector: the space is left out, and the copy with it.
    Image.new("RGB", (40, 40), "green").save(data / "rose" / "new.png")
    said.clear()
    pipeline.prepare(settings, names=["resnet18"], reporter=Reporter(say=lambda message: said.append(str(message))))
    assert "The space own is left out: 1 photo of 16 have no vector: rose/new.png." in said
    assert workspace.open_workspace(settings).spaces == ["resnet18"]
    assert not list((opened.folder / "imports").iterdir())


def test_removing_leaves_nothing_behind(settings: Settings, tmp_path: Path) -> None:
    def left() -> set[str]:
        files = (path for path in settings.artifacts.rglob("*") if path.is_file())
        return {str(path) for path in files if "petalscope.db" not in str(path) and path.suffix != ".lock"}

    first_results.make(settings)
    opened = workspace.open_workspace(settings)
    space_diagnosis.measure_all(opened, opened.catalog())
    before, names = left(), _names(settings)
    vectors, ids = _vectors(opened), opened.catalog().ids
    found = imports.add(settings, "own", Source(_file(tmp_path, vectors, ids)))
    first_results.make(settings)
    opened = workspace.open_workspace(settings)
    space_diagnosis.measure_all(opened, opened.catalog())
    assert any("own-" in path for path in left() - before)
    removed = imports.remove(settings, "own")
    assert removed["removed"] == ["own"] and sorted(removed["collections"]) == sorted(found["collections"])
    assert _names(settings) == names
    opened = workspace.open_workspace(settings)
    assert opened.spaces == ["resnet18"] and not spaces.is_defined("own")
    # The sentences on screens are worded anew for the spaces that there are.
    assert {path for path in left() - before if "verdicts" not in path} == set()
    content = "".join(
        Path(path).read_text(encoding="utf-8")
        for path in left()
        if path.endswith((".json",)) and "verdicts" not in path
    )
    assert found["fingerprint"] not in content
    with pytest.raises(QueryError, match="cannot be removed"):
        imports.remove(settings, "resnet18")
    with pytest.raises(QueryError, match="has no space own"):
        imports.remove(settings, "own")


def _checked(settings: Settings, old: np.ndarray, names: list[str]) -> None:
    """After a kill: the old state answers, on both engines where the store is not being written."""
    opened = workspace.open_workspace(settings)
    assert "own" not in opened.spaces
    assert np.array_equal(opened.vectors("resnet18").values[:3], old)
    loaded = search.load_space(opened, "resnet18")
    query = find_query(opened.catalog(), opened.catalog().ids[0])
    results = search.search(opened, loaded, query, metric_name="cosine", k=3, engine="milvus")
    assert len(results["results"]) == 3 and results["recall"] == 1
    assert set(names) <= set(_names(settings))


def test_a_killed_run_leaves_the_old_state(ten: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(ten)
    file = _file(tmp_path, _vectors(opened), opened.catalog().ids)
    old, names = np.array(opened.vectors("resnet18").values[:3]), _names(ten)
    with killed_work() as worker:
        trial = replace(ten, artifacts=tmp_path / "undisturbed")
        shutil.copytree(ten.artifacts, trial.artifacts)
        whole = worker.run("add space", trial, file=str(file))
        places = list(dict.fromkeys(whole["places"][: whole["switch"] - 1]))
        assert {"bring in own", "map", "store"} <= set(places)
        settings = replace(ten, artifacts=tmp_path / "killed")
        for place in places:
            steps = whole["places"][: whole["switch"] - 1].count(place)
            shutil.rmtree(settings.artifacts, ignore_errors=True)
            shutil.copytree(ten.artifacts, settings.artifacts)
            reply = worker.run("add space", settings, file=str(file), die_in=place, die_at=max(1, steps // 2))
            assert reply["signal"], f"not killed in {place}"
            _checked(settings, old, names)
        # Going on ends as if nothing had happened, and nothing unfinished stays.
        worker.run("add space", settings, file=str(file))
        spaces._DEFINED.pop("own", None)
        opened = workspace.open_workspace(settings)
        assert opened.spaces == ["resnet18", "own"] and not list(settings.artifacts.rglob(".tmp-*"))
        # A killed removal has removed the space, or not; the next one ends it.
        worker.run("remove space", settings, die_in="start", die_at=4)
        state = json.loads((opened.folder / "state.json").read_text(encoding="utf-8"))
        if "own" in state["spaces"]:
            worker.run("remove space", settings)
        _checked(settings, old, names)
    spaces._DEFINED.pop("own", None)
