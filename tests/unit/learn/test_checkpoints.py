"""lib.learn.checkpoints: written whole or not at all, and read without running anything that is in them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lib.errors import ArtifactError, WeightsError
from lib.learn import backbone, checkpoints
from lib.learn.preprocess import Preprocess
from lib.settings import Settings


def kept() -> dict[str, Any]:
    import torch

    return {"network": {"weight": torch.arange(6.0).view(2, 3)}, "average": None, "epochs": [{"epoch": 1, "lr": 0.5}]}


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    import torch

    path = checkpoints.checkpoint_file(Settings(artifacts=tmp_path), "init-quick-s0-1")
    assert checkpoints.load(path) is None
    checkpoints.save(path, kept())
    loaded = checkpoints.load(path)
    assert loaded is not None
    assert torch.equal(loaded.pop("network")["weight"], kept()["network"]["weight"])
    assert loaded == {"average": None, "epochs": [{"epoch": 1, "lr": 0.5}]}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def damage(path: Path, how: str) -> None:
    import torch

    whole = path.read_bytes()
    if how == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("{}", encoding="utf-8")
    else:
        torch.save({"a list": [1], "another version": {**kept(), "schema": 99}, "no version": kept()}[how], path)


@pytest.mark.parametrize("how", ["half", "empty", "text", "a list", "another version", "no version"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "run.pt"
    checkpoints.save(path, kept())
    damage(path, how)
    with pytest.raises(ArtifactError, match=r"run\.pt cannot be read") as caught:
        checkpoints.load(path)
    assert "\n" not in str(caught.value)


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    import torch

    torch.save({"schema": checkpoints.SCHEMA, "network": Evil(tmp_path / "ran")}, tmp_path / "run.pt")
    with pytest.raises(ArtifactError):
        checkpoints.load(tmp_path / "run.pt")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "unfinished").write_bytes(b"a file where the folder should be")
    with pytest.raises(ArtifactError, match=r"Cannot write to .*unfinished"):
        checkpoints.save(tmp_path / "unfinished" / "run.pt", kept())


def test_a_trained_network_is_weights_like_any_other(tmp_path: Path) -> None:
    import torch

    preprocess = Preprocess(resize=(40,), crop=32, mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1))
    network = backbone.resnet18(backbone.random(3), 5)
    path = checkpoints.weights_file(Settings(artifacts=tmp_path), "init-quick-s0-1")
    about = {"run": "init-quick-s0-1", "regime": "init", "classes": ["a", "b"]}
    checkpoints.save_weights(path, network.state_dict(), preprocess, about)
    weights = backbone.from_file(path)
    assert weights.preprocess == preprocess
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {key: card[key] for key in about} == about
    again = backbone.resnet18(weights, 5).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in network.state_dict().items() if "fc." not in name)


def test_weights_never_stand_beside_the_card_of_others(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    preprocess = Preprocess(resize=(32, 32), crop=None)
    checkpoints.save_weights(path, backbone.resnet18(backbone.random(0), 5).state_dict(), preprocess, {})
    checkpoints.save_weights(path, backbone.resnet18(backbone.random(1), 5).state_dict(), preprocess, {})
    assert backbone.from_file(path).preprocess == preprocess
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(WeightsError, match="damaged"):
        backbone.from_file(path)
