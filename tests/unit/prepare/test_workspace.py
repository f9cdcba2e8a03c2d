"""lib.prepare.workspace: what `prepare` made is read back together or refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib import artifacts
from lib.data.catalog import split_of
from lib.errors import ArtifactError, DataError, PetalscopeError, QueryError
from lib.learn import backbone
from lib.prepare import pipeline, state_file, vectors_step, workspace
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.search import neighbourhoods
from lib.settings import Settings


def folder(settings: Settings) -> Path:
    return next((settings.artifacts / "sets").iterdir())


def edit_state(settings: Settings, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder(settings) / "state.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    change(state)
    path.write_text(json.dumps(state), encoding="utf-8")


def sentence(action: Callable[[], object], kind: type[PetalscopeError] = ArtifactError) -> str:
    with pytest.raises(kind) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# -- everything there -----------------------------------------------------------------------------------------------


def test_what_was_prepared_is_read_back(opened: Workspace, prepared: Settings) -> None:
    catalog = opened.catalog()
    assert opened.spaces == ["pixels", "resnet18"]
    assert len(catalog.frame) == 61
    for space, dim in (("pixels", 49_152), ("resnet18", 512), ("transfer", 512)):
        assert opened.vectors(space).values.shape == (61, dim)
        assert opened.vectors(space).belong_to(catalog)
        assert opened.map(space).xy.shape == opened.map(space, "pca").xy.shape == (61, 2)
        assert opened.map(space).facts.items() >= opened.map_parameters(space).facts().items()
    assert opened.weights("pixels") is None
    assert opened.weights("resnet18") == backbone.bundled()
    assert opened.collection("transfer") == opened.collection("resnet18")
    assert opened.collection("resnet18").startswith("resnet18_" + opened.space("resnet18")["fingerprint"][:8])
    assert opened.folder.is_relative_to(prepared.artifacts)


def test_a_seed_that_is_named_splits_anew_without_preparing(prepared: Settings) -> None:
    kept, other = (workspace.open_workspace(replace(prepared, seed=seed)).catalog() for seed in (None, 7))
    assert kept.seed == 0
    assert list(other.frame["split"]) == [split_of(sha256, 7) for sha256 in other.frame["sha256"]]
    assert list(kept.frame["split"]) != list(other.frame["split"])


def test_the_version_changes_with_the_state(copied: Settings) -> None:
    before = workspace.open_workspace(copied).version
    assert workspace.open_workspace(copied).version == before
    edit_state(copied, lambda state: state.update(prepared="later"))
    assert workspace.open_workspace(copied).version != before


# -- nothing there --------------------------------------------------------------------------------------------------


def test_nothing_prepared_names_the_command(pictures: Path, tmp_path: Path) -> None:
    settings = Settings(data=pictures, artifacts=tmp_path / "my artifacts")
    text = sentence(lambda: workspace.open_workspace(settings))
    assert f"python -m lib prepare --data '{pictures}' --artifacts '{tmp_path}/my artifacts'" in text
    assert not settings.artifacts.exists()  # looking makes nothing


def test_no_photos_at_all(tmp_path: Path) -> None:
    assert "No photos are prepared yet" in sentence(lambda: workspace.open_workspace(Settings(artifacts=tmp_path)))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "nowhere", artifacts=tmp_path / "a")
    assert "nowhere does not exist" in sentence(lambda: workspace.open_workspace(settings), DataError)


def test_a_space_that_was_not_prepared(copied: Settings) -> None:
    edit_state(copied, lambda state: state["spaces"].pop("resnet18"))
    opened = workspace.open_workspace(copied)
    assert opened.spaces == ["pixels"]
    assert "resnet18 of drawn flowers is not prepared yet" in sentence(lambda: opened.vectors("transfer"))
    assert "no space called 'umap'" in sentence(lambda: opened.vectors("umap"), QueryError)


# -- something damaged ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"state"', '{"schema": ', "\x00\x00", '{"schema": 2}', '{"schema": 2, "spaces": 3}']
)
def test_a_damaged_state_is_named(copied: Settings, text: str) -> None:
    (folder(copied) / "state.json").write_text(text, encoding="utf-8")
    assert "state.json cannot be read" in sentence(lambda: workspace.open_workspace(copied))


def test_a_state_that_is_not_text_is_named(copied: Settings) -> None:
    (folder(copied) / "state.json").write_bytes(b"\xff\xfe{}")
    assert "state.json cannot be read" in sentence(lambda: workspace.open_workspace(copied))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("catalog"),
        lambda state: state.pop("contents"),
        lambda state: state["dataset"].pop("seed"),
        lambda state: state["dataset"].update(seed="one"),
        lambda state: state["spaces"]["resnet18"].pop("map"),
        lambda state: state["spaces"]["resnet18"].update(folder=None),
        lambda state: state["spaces"]["resnet18"].update(weights=None),
        lambda state: state["spaces"]["resnet18"]["weights"].pop("path"),
        lambda state: state["spaces"].update(unheard_of={}),
        lambda state: state.update(collections=[]),
        lambda state: state["collections"].update({"http://x": {"resnet18": {"base": 5}}}),
        lambda state: state["collections"].update({"http://x": None}),
    ],
)
def test_a_state_with_a_part_missing_is_named(copied: Settings, change: Callable[[dict[str, Any]], None]) -> None:
    edit_state(copied, change)
    assert "state.json cannot be read" in sentence(lambda: workspace.open_workspace(copied))


def test_a_state_of_another_version_is_named(copied: Settings) -> None:
    edit_state(copied, lambda state: state.update(schema=state_file.SCHEMA + 1))
    assert "another version of Petalscope" in sentence(lambda: workspace.open_workspace(copied))


def test_a_catalog_that_is_damaged_or_gone(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    path = folder(copied) / opened.state["catalog"]
    path.write_bytes(path.read_bytes()[:-100])
    assert f"{path.name} cannot be read" in sentence(opened.catalog)
    path.unlink()
    assert "There is no catalog of" in sentence(opened.catalog)


def test_vectors_that_are_gone_or_belong_to_others(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    made = folder(copied) / opened.space("resnet18")["folder"]
    hashes = np.load(made / "pictures.npy")
    np.save(made / "pictures.npy", hashes[::-1])
    assert "pictures.npy changed after it was written" in sentence(lambda: opened.vectors("resnet18"))
    np.save(made / "pictures.npy", hashes)
    meta = json.loads((made / "meta.json").read_text(encoding="utf-8"))
    artifacts.write_json(made / "meta.json", meta | {"fingerprint": "other"})
    assert "belong to other photos or weights" in sentence(lambda: opened.vectors("resnet18"))
    (made / "vectors.npy").write_bytes(b"")
    assert "cannot be read" in sentence(lambda: opened.vectors("resnet18"))
    shutil.rmtree(made)
    assert "The vectors of resnet18 are gone" in sentence(lambda: opened.vectors("resnet18"))
    assert opened.vectors("pixels").values.shape == (61, 49_152)  # the other space is as good as before


def _flip_a_bit(path: Path) -> None:
    with path.open("rb+") as file:
        file.seek(-5, 2)
        byte = file.read(1)[0]
        file.seek(-5, 2)
        file.write(bytes([byte ^ 1]))


CHANGES = {
    "reversed rows": lambda path: np.save(path, np.load(path)[::-1]),
    "zeros": lambda path: np.save(path, np.zeros_like(np.load(path))),
    "a flipped bit": _flip_a_bit,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("space", ["pixels", "resnet18"])
def test_vectors_that_changed_are_not_believed(copied: Settings, space: str, change: str) -> None:
    """Also under an open app, which has read the sound ones."""
    opened = workspace.open_workspace(copied)
    sound, version = np.array(opened.vectors(space).values), opened.version
    path = folder(copied) / opened.space(space)["folder"] / "vectors.npy"
    CHANGES[change](path)
    assert "vectors.npy changed after it was written" in sentence(lambda: opened.vectors(space))
    later = workspace.open_workspace(copied)
    assert later.version != version  # so that pages read it again
    assert "vectors.npy changed after it was written" in sentence(lambda: later.vectors(space))
    said: list[str] = []
    pipeline.prepare(copied, names=[space], reporter=Reporter(say=said.append))
    assert vectors_step.changed(space) in said
    np.testing.assert_array_equal(workspace.open_workspace(copied).vectors(space).values, sound)


def test_sound_vectors_are_hashed_once(copied: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, hashed = workspace.open_workspace(copied), []
    real = artifacts.file_hash
    monkeypatch.setattr(artifacts, "file_hash", lambda path: hashed.append(path.name) or real(path))
    for _ in range(3):
        opened.vectors("pixels")
        workspace.open_workspace(copied).vectors("pixels")
    assert sorted(hashed) == ["pictures.npy", "vectors.npy"]


@pytest.mark.parametrize("kind", ["map", "pca", "neighbours"])
def test_maps_and_neighbours_that_changed_are_not_believed(copied: Settings, kind: str) -> None:
    """A file that is sound in itself, with other rows under the hash of the written ones."""
    opened = workspace.open_workspace(copied)
    path = folder(copied) / opened.space("pixels")[kind]
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = "rows_l1" if kind == "neighbours" else "xy"
    np.savez(path, **arrays | {name: arrays[name][::-1]})
    read = {
        "map": lambda: opened.map("pixels"),
        "pca": lambda: opened.map("pixels", "pca"),
        "neighbours": lambda: opened.neighbourhoods("pixels"),
    }[kind]
    assert "changed after it was written" in sentence(read)
    pipeline.prepare(copied, names=["pixels"])
    read()
    with np.load(path) as stored:
        np.testing.assert_array_equal(stored[name], arrays[name])


def test_a_map_that_is_gone_or_of_other_pictures(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    path = folder(copied) / opened.space("pixels")["map"]
    np.savez(path, xy=np.zeros((60, 2), np.float32), preserved=np.zeros(60, np.float32), facts=np.array("{}"))
    assert "The map of pixels is gone" in sentence(lambda: opened.map("pixels"))
    path.unlink()
    assert "The map of pixels is gone" in sentence(lambda: opened.map("pixels"))
    assert opened.map("pixels", "pca").facts["method"] == "PCA"
    assert opened.map("resnet18").facts["method"] == "UMAP"


def test_neighbours_that_are_gone_or_of_other_pictures(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    path = folder(copied) / opened.space("pixels")["neighbours"]
    found = opened.neighbourhoods("pixels")
    assert found.rows["cosine"].shape == (61, 30)
    fewer = ({name: rows[:60] for name, rows in kind.items()} for kind in (found.rows, found.values))
    neighbourhoods.save(neighbourhoods.Neighbourhoods(*fewer, found.facts), path)
    assert "The neighbours in pixels are gone" in sentence(lambda: opened.neighbourhoods("pixels"))
    path.unlink()
    assert "The neighbours in pixels are gone" in sentence(lambda: opened.neighbourhoods("pixels"))


# -- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [None, "bundled", str(backbone.BUNDLED)])
def test_weights_that_fit(prepared: Settings, named: str | None) -> None:
    opened = workspace.open_workspace(replace(prepared, weights=named))
    assert opened.vectors("resnet18").values.shape == (61, 512)


@pytest.mark.parametrize("named", ["random", "imagenet"])
def test_weights_that_do_not_fit(prepared: Settings, named: str) -> None:
    opened = workspace.open_workspace(replace(prepared, weights=named))
    text = sentence(lambda: opened.vectors("resnet18"))
    assert f"prepared with the bundled weights, not with {named}; run `python -m lib prepare " in text
    assert text.endswith(f"--weights {named}`.")
    assert opened.vectors("pixels").values.shape == (61, 49_152)


def test_weights_named_imagenet_need_not_be_here_to_search_what_they_made(copied: Settings) -> None:
    edit_state(copied, lambda state: state["spaces"]["resnet18"]["weights"].update(name="imagenet", path="/gone.pth"))
    opened = workspace.open_workspace(replace(copied, weights="imagenet"))
    assert opened.vectors("resnet18").values.shape == (61, 512)
    text = sentence(lambda: opened.weights("resnet18"))
    assert "The imagenet weights that resnet18 was made with are not at /gone.pth any more" in text


def test_weights_that_changed_since_are_refused(copied: Settings) -> None:
    edit_state(copied, lambda state: state["spaces"]["resnet18"]["weights"].update(sha256="0" * 64))
    opened = workspace.open_workspace(replace(copied, weights=None))
    assert "are not the ones that resnet18 was made with" in sentence(lambda: opened.weights("resnet18"))


# -- the store ------------------------------------------------------------------------------------------------------


def test_another_store_has_no_collection_and_its_password_is_not_told(prepared: Settings) -> None:
    elsewhere = replace(prepared, milvus_uri="https://anna:p4ss@example.org:19530")
    text = sentence(lambda: workspace.open_workspace(elsewhere).collection("resnet18"))
    assert "not stored in https://example.org:19530 yet" in text
    assert "p4ss" not in text


@pytest.mark.parametrize("key", ["fingerprint", "contents"])
def test_a_store_that_missed_a_change_is_not_searched(copied: Settings, key: str) -> None:
    assert workspace.open_workspace(copied).collection("resnet18")  # the own store moves along with the artifacts

    def change(state: dict[str, Any]) -> None:
        for entry in state["collections"].values():
            entry["resnet18"][key] = "of before"

    edit_state(copied, change)
    opened = workspace.open_workspace(copied)
    assert "is not stored in" in sentence(lambda: opened.collection("resnet18"))


def test_a_store_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    settings = Settings(artifacts=tmp_path)
    assert "There is no Milvus Lite store at" in sentence(lambda: workspace.check_store(settings), QueryError)
    assert list(tmp_path.iterdir()) == []
    workspace.check_store(replace(settings, milvus_uri="http://localhost:19530"))
    (tmp_path / "petalscope.db").mkdir()
    workspace.check_store(settings)
