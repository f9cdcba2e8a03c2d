"""Weights are read from files as people have them, and a file that holds none says what it is instead."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18 as torchvision_resnet18

from lib.errors import WeightsError
from lib.learn import backbone, weights_file
from lib.prepare import pipeline, workspace
from lib.progress import Reporter
from lib.settings import Settings
from tests.helpers import image_files

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """A network of which each tensor is one repeated number: small files, and tensors that can be told apart."""
    shapes = {name: value.shape for name, value in torchvision_resnet18(weights=None).state_dict().items()}
    return {
        name: torch.tensor(0 if "num_batches" in name else 0.5 + place / 256).expand(shape)
        for place, (name, shape) in enumerate(shapes.items())
    }


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


def cast(state: State, kind: torch.dtype) -> State:
    """The floating-point tensors in another precision."""
    return {name: value.to(kind) if value.is_floating_point() else value for name, value in state.items()}


def numbered(state: State) -> State:
    """The names that nn.Sequential(*resnet.children()) gives."""
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    parts = {name: name.split(".", 1) for name in state if not name.startswith("fc.")}
    return {f"{numbers[part]}.{rest}": state[name] for name, (part, rest) in parts.items()}


TAKEN: dict[str, tuple[Callable[[State], Any], str]] = {
    "plain": (lambda s: s, ""),
    "data parallel": (lambda s: prefixed("module.", s), "prefix module. removed"),
    "compiled": (lambda s: prefixed("_orig_mod.", s), "prefix _orig_mod. removed"),
    "compiled in parallel": (lambda s: prefixed("module._orig_mod.", s), "prefix module._orig_mod. removed"),
    "backbone": (lambda s: prefixed("backbone.", s), "prefix backbone. removed"),
    "state_dict": (lambda s: {"state_dict": s, "epoch": 3}, "taken from state_dict"),
    "model": (
        lambda s: {"model": s, "model_ema": s, "optimizer": {"state": {}, "param_groups": []}},
        "taken from model",
    ),
    "model_state_dict": (lambda s: {"model_state_dict": s, "loss": 0.1}, "taken from model_state_dict"),
    "an unknown wrapper": (lambda s: {"my_net": s, "epoch": 3}, "taken from my_net"),
    "two wrappers": (lambda s: {"checkpoint": {"model": s}}, "taken from checkpoint.model"),
    "options beside it": (lambda s: {"model": s, "args": argparse.Namespace(lr=0.1)}, "taken from model"),
    "lightning": (
        lambda s: {"state_dict": prefixed("model.", s) | {"loss.weight": torch.ones(3)}, "hyper_parameters": {"lr": 1}},
        "taken from state_dict, prefix model. removed, 1 other tensor left out",
    ),
    "moco": (
        lambda s: {
            "state_dict": prefixed("module.encoder_q.", s)
            | prefixed("module.encoder_k.", cast(s, torch.float16))
            | {"module.queue": torch.ones(2, 2)}
        },
        "taken from state_dict, prefix module.encoder_q. removed, 123 other tensors left out",
    ),
    "byol": (
        lambda s: prefixed("online_encoder.", s) | prefixed("target_encoder.", s),
        "prefix online_encoder. removed, 122 other tensors left out",
    ),
    "numbered": (numbered, "parts renamed by their number"),
    "numbered backbone": (
        lambda s: {"state_dict": prefixed("backbone.", numbered(s))},
        "taken from state_dict, prefix backbone. removed, parts renamed by their number",
    ),
    "half": (lambda s: cast(s, torch.float16), "float16 converted to float32"),
    "bfloat16": (lambda s: cast(s, torch.bfloat16), "bfloat16 converted to float32"),
    "double": (lambda s: cast(s, torch.float64), "float64 converted to float32"),
    "without its classifier": (lambda s: {n: v for n, v in s.items() if not n.startswith("fc.")}, ""),
    "with a deeper classifier": (
        lambda s: {n: v for n, v in s.items() if not n.startswith("fc.")} | {"fc.0.weight": torch.ones(2)},
        "",
    ),
    "without counts of batches": (lambda s: {n: v for n, v in s.items() if "num_batches" not in n}, ""),
}


@pytest.mark.parametrize("what", TAKEN)
def test_weights_are_read_as_people_save_them(what: str, state: State, tmp_path: Path) -> None:
    make, adapted = TAKEN[what]
    path = tmp_path / "w.pth.tar"
    torch.save(make(state), path)
    weights, sentence = backbone.adapted(backbone.from_file(path))
    assert sentence == (f"The weights file w.pth.tar: {adapted}." if adapted else "")
    assert adapted in weights.about
    assert weights.provenance()["about"] == weights.about
    network = backbone.resnet18(weights, 5).state_dict()
    for name in ("conv1.weight", "layer1.0.bn2.running_var", "layer4.1.conv2.weight"):
        assert network[name].dtype == torch.float32
        assert network[name].unique().tolist() == pytest.approx([float(state[name].flatten()[0])], rel=4e-3), name


def test_safetensors_with_a_prefix_and_under_any_name(state: State, tmp_path: Path) -> None:
    whole = {f"module.{name}": value.half().contiguous() for name, value in state.items()}
    save_file(whole, tmp_path / "w.bin")
    _, sentence = backbone.adapted(backbone.from_file(tmp_path / "w.bin"))
    assert "prefix module. removed" in sentence and "float16 converted to float32" in sentence


def problem(content: Any, tmp_path: Path, name: str = "w.pth") -> str:
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(WeightsError) as caught:
        backbone.resnet18(backbone.from_file(path))
    return str(caught.value)


FOREIGN: dict[str, tuple[Callable[[State], Any], str]] = {
    "a deeper network": (
        lambda s: s | {"layer4.2.conv1.weight": torch.ones(2)},
        "layer4.2.conv1.weight belongs to a deeper ResNet",
    ),
    "a deeper one in parallel": (
        lambda s: {"state_dict": prefixed("module.", s | {"layer1.0.conv3.weight": torch.ones(2)})},
        "layer1.0.conv3.weight belongs to a deeper ResNet",
    ),
    "a transformer": (
        lambda s: {"model": {"cls_token": torch.ones(2), "blocks.0.norm1.weight": torch.ones(2)}},
        "cls_token belongs to a vision transformer",
    ),
    "vgg in parallel": (
        lambda s: prefixed("module.", {"features.0.weight": torch.ones(2), "classifier.0.bias": torch.ones(2)}),
        "features.0.weight belongs to another network",
    ),
    "hugging face": (
        lambda s: {"resnet.embedder.embedder.convolution.weight": torch.ones(2), "classifier.1.bias": torch.ones(2)},
        "resnet.embedder.embedder.convolution.weight belongs to a ResNet in Hugging Face's layout",
    ),
    "a head beside it": (lambda s: s | {"projector.0.weight": torch.ones(2)}, "projector.0.weight is no part of"),
    "grey photos": (
        lambda s: s | {"conv1.weight": torch.ones(64, 1, 7, 7)},
        "conv1.weight has the shape 64 × 1 × 7 × 7, not 64 × 3 × 7 × 7",
    ),
    "small photos": (lambda s: s | {"conv1.weight": torch.ones(64, 3, 3, 3)}, "has the shape 64 × 3 × 3 × 3"),
    "one tensor short": (
        lambda s: {n: v for n, v in s.items() if n != "layer3.0.bn1.running_mean"},
        "layer3.0.bn1.running_mean is missing",
    ),
    "whole numbers": (
        lambda s: s | {"conv1.weight": torch.ones(64, 3, 7, 7, dtype=torch.int8)},
        "conv1.weight holds quantised numbers",
    ),
    "student and teacher": (
        lambda s: {"student": s, "teacher": s},
        "it has several networks (student, teacher)",
    ),
    "two prefixes": (
        lambda s: prefixed("a.", s) | prefixed("b.", s),
        "it has several networks (a., b.)",
    ),
    "an optimizer alone": (
        lambda s: {"state": {0: {"step": torch.ones(1)}}, "param_groups": []},
        "no tensors with names",
    ),
    "a list": (lambda s: [torch.ones(3)], "it is a list instead of tensors with names"),
    "one tensor": (lambda s: torch.ones(3), "it is a Tensor instead"),
    "nothing": (lambda s: {}, "it has no tensors with names"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_the_first_tensor_that_does_not_fit_is_named(what: str, state: State, tmp_path: Path) -> None:
    make, expected = FOREIGN[what]
    found = problem(make(state), tmp_path)
    assert expected in found
    assert "does not hold a ResNet18 in torchvision's layout" in found
    assert "\n" not in found


OTHER_FILES = {
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n", "is a Git LFS pointer"),
    "a web page": (b"<!DOCTYPE html><html>Virus scan warning</html>", "is a web page"),
    "an XML error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is a web page"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file"),
    "onnx": (b"\x08\x07\x12\x07pytorch" + bytes(100), "is an ONNX file"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(100), "is a file of another framework"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "is an archive; unpack it"),
    "tar": (b"w.pth".ljust(257, b"\0") + b"ustar" + bytes(100), "is an archive; unpack it"),
    "nothing": (b"", "is empty"),
    "text": (b"weights", "damaged or not a weights file"),
    "cut zip": (b"PK\x03\x04" + bytes(50), "its end is missing"),
}


@pytest.mark.parametrize("what", OTHER_FILES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_called_what_they_are(what: str, suffix: str, tmp_path: Path) -> None:
    content, expected = OTHER_FILES[what]
    assert expected in problem(content, tmp_path, f"w{suffix}")


def test_a_whole_pickled_model_says_how_to_save_it_anew(tmp_path: Path) -> None:
    found = problem(torch.nn.Sequential(torch.nn.Linear(2, 2)), tmp_path)
    assert "pickled Python objects (torch.nn.modules" in found
    assert weights_file.SAVE_ANEW in found
    old = tmp_path / "old.pt"
    torch.save(torch.nn.Linear(2, 2), old, _use_new_zipfile_serialization=False)
    assert weights_file.SAVE_ANEW in problem(old.read_bytes(), tmp_path)


def test_a_script_and_a_foreign_archive(tmp_path: Path) -> None:
    script = tmp_path / "script.pt"
    with zipfile.ZipFile(script, "w") as archive:
        for name in ("script/data.pkl", "script/code/__torch__.py", "script/constants.pkl"):
            archive.writestr(name, b"x")
    assert "is a TorchScript program" in problem(script.read_bytes(), tmp_path)
    np.savez(tmp_path / "arrays.npz", conv1=np.zeros(3))
    assert "archive without torch's weights (it has conv1.npy)" in problem(
        (tmp_path / "arrays.npz").read_bytes(), tmp_path
    )


def test_a_cut_safetensors_file(state: State, tmp_path: Path) -> None:
    save_file({"a": torch.ones(500)}, tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    assert "its end is missing" in problem(content[:-10], tmp_path, "b.safetensors")
    assert "its end is missing" in problem(content[:40], tmp_path, "b.safetensors")


def test_nan_is_named_with_its_tensor(state: State, tmp_path: Path) -> None:
    broken = state["layer4.1.bn2.weight"].clone()
    broken[3] = float("nan")
    found = problem({"module." + n: v for n, v in {**state, "layer4.1.bn2.weight": broken}.items()}, tmp_path)
    assert "contains NaN or infinite numbers (layer4.1.bn2.weight)" in found
    large = state["layer4.1.bn2.weight"].double() * 1e300
    assert "NaN or infinite" in problem({**state, "layer4.1.bn2.weight": large}, tmp_path)


def test_known_weights_are_not_read_to_describe_them() -> None:
    bundled = backbone.bundled()
    assert backbone.adapted(bundled) == (bundled, "")
    assert backbone.adapted(backbone.random()) == (backbone.random(), "")


def test_prepare_says_and_records_how_the_file_was_adapted(tmp_path: Path) -> None:
    network = {f"module.{name}": value for name, value in backbone.resnet18(backbone.random()).state_dict().items()}
    torch.save({"state_dict": network}, tmp_path / "mine.pth")
    photos = image_files.folder(tmp_path / "photos", rose=3, tulip=3)
    settings = Settings(data=photos, artifacts=tmp_path / "a", offline=True, weights=str(tmp_path / "mine.pth"))
    said: list[str] = []
    pipeline.embed(settings, names=["resnet18"], reporter=Reporter(say=said.append))
    adapted = "taken from state_dict, prefix module. removed"
    assert f"The weights file mine.pth: {adapted}." in said
    pipeline.prepare(settings, names=["resnet18"])
    opened = workspace.open_workspace(settings)
    recorded = opened.space("resnet18")["weights"]
    assert recorded is not None and f"mine.pth ({adapted})" in recorded["about"]
    weights = opened.weights("resnet18")
    assert weights is not None and weights.about == recorded["about"]
    assert opened.vectors("resnet18").meta["space"]["weights"]["about"] == recorded["about"]
