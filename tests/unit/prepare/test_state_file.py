"""lib.prepare.state_file: whatever somebody writes into a state file, it is used or refused by name, without a wait."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.embed import spaces
from lib.errors import ArtifactError, PetalscopeError
from lib.prepare import doctor, pipeline, state_file, workspace
from lib.settings import Settings

ODD: list[Any] = [-1, -1.5, 0, None, True, "", "x", "../../x", "/etc", "a\0b", [], [1], {}, {"a": None}, 2**70, "é" * 9]


@pytest.fixture(scope="module")
def edited(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from dataclasses import replace

    artifacts = tmp_path_factory.mktemp("edited") / "artifacts"
    shutil.copytree(prepared.artifacts, artifacts)
    return replace(prepared, artifacts=artifacts)


def state_path(settings: Settings) -> Path:
    return next(settings.artifacts.glob("sets/*/state.json"))


def places(value: Any, here: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The place of every field, at any depth."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*here, name)
            yield from places(item, (*here, name))


def put(state: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        state = state[name]
    state[place[-1]] = value


def test_every_field_may_hold_anything(edited: Settings) -> None:
    """Each is refused by name, or all that reads the state copes with it."""
    path = state_path(edited)
    sound = json.loads(path.read_text(encoding="utf-8"))
    refused = 0
    try:
        for place in places(sound):
            for value in ODD:
                changed = copy.deepcopy(sound)
                put(changed, place, value)
                path.write_text(json.dumps(changed), encoding="utf-8")
                try:
                    state_file.read(path.parent)
                except ArtifactError as error:
                    refused += 1
                    assert "\n" not in str(error)
                    assert "state.json" in str(error)
                    continue
                try:
                    opened = workspace.open_workspace(edited)
                    for name in opened.spaces:
                        opened.prepared_space(name)
                        opened.weights(name)
                        pipeline.make_map(edited, name, opened.map_parameters(name))
                        opened.vectors(name)
                        opened.neighbourhoods(name)
                        opened.collection(name)
                except PetalscopeError:
                    pass
    finally:
        path.write_text(json.dumps(sound), encoding="utf-8")
    assert refused > 300


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("spaces", "pixels", "weights"), -1),
        (("spaces", "resnet18", "weights"), -1),
        (("spaces", "resnet18", "weights", "seed"), -1),
        (("dataset", "seed"), -1),
        (("dataset", "seed"), True),
        (("dataset", "limit"), 0),
        (("dataset", "note"), 3),
        (("catalog",), "../catalog.parquet"),
        (("spaces", "pixels", "folder"), "/etc"),
        (("spaces", "pixels", "map"), "maps/../../x"),
        (("spaces", "pixels", "precision"), "fp64"),
    ],
)
def test_a_bad_field_is_named(edited: Settings, place: tuple[str, ...], value: Any) -> None:
    path = state_path(edited)
    text = path.read_text(encoding="utf-8")
    state = json.loads(text)
    put(state, place, value)
    try:
        path.write_text(json.dumps(state), encoding="utf-8")
        with pytest.raises(ArtifactError, match=rf"state\.json cannot be read: `{'.'.join(place)}` is ") as caught:
            workspace.open_workspace(edited)
        assert "delete it and run `python -m lib prepare" in str(caught.value)
        catalog = next(c for c in doctor.examine(edited, look_into_store=False)["checks"] if c["name"] == "catalog")
        assert ".".join(place) in catalog["detail"]
    finally:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_refused_at_once(edited: Settings, kind: str) -> None:
    path = state_path(edited)
    aside = path.with_suffix(".aside")
    path.rename(aside)
    try:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero")
        with pytest.raises(ArtifactError, match=r"state\.json cannot be read"):
            workspace.open_workspace(edited)
    finally:
        shutil.rmtree(path) if kind == "folder" else path.unlink()
        aside.rename(path)


def test_pipes_in_the_place_of_vectors_are_refused_at_once(edited: Settings) -> None:
    opened = workspace.open_workspace(edited)
    folder = opened.folder / opened.space("pixels")["folder"]
    for name in ("vectors.npy", "pictures.npy", "meta.json"):
        (folder / name).rename(folder / "aside")
        os.mkfifo(folder / name)
        with pytest.raises(ArtifactError, match="cannot be read"):
            opened.vectors("pixels")
        (folder / name).unlink()
        (folder / "aside").rename(folder / name)


def test_the_sound_state_is_sound(edited: Settings) -> None:
    state = state_file.read(state_path(edited).parent)
    assert state is not None
    assert state["spaces"].keys() <= spaces.SPACES.keys()
