"""torchvision's networks: features, maps and weights of every family, with random weights."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from lib.data.remote import Remote
from lib.errors import QueryError, Remedy, WeightsError
from lib.learn import network_tensors, network_weights, networks, regimes
from lib.learn.preprocess import Preprocess
from lib.settings import Settings
from tests.helpers.http_server import FileServer, serving

# A small network of every family: the side of its input, its last layer, and whether its features are the averages of
# maps. The last layers stand here alone; Petalscope finds them.
FAMILIES = [
    ("alexnet", 64, "classifier.6", False),
    ("convnext_tiny", 32, "classifier.2", False),
    ("densenet121", 32, "classifier", True),
    ("efficientnet_b0", 32, "classifier.1", True),
    ("googlenet", 32, "fc", True),
    ("inception_v3", 75, "fc", True),
    ("mnasnet0_5", 32, "classifier.1", True),
    ("mobilenet_v2", 32, "classifier.1", True),
    ("mobilenet_v3_small", 32, "classifier.3", False),
    ("regnet_y_400mf", 32, "fc", True),
    ("resnet34", 32, "fc", True),
    ("shufflenet_v2_x0_5", 32, "fc", True),
    ("squeezenet1_1", 32, "classifier.1", True),
    ("swin_t", 32, "head", True),
    ("vit_b_32", 32, "heads.head", False),
    pytest.param("vgg11", 32, "classifier.6", False, marks=pytest.mark.slow),
    pytest.param("maxvit_t", 224, "classifier.5", False, marks=pytest.mark.slow),
    pytest.param("swin_v2_t", 64, "head", True, marks=pytest.mark.slow),
    pytest.param("efficientnet_v2_s", 32, "classifier.1", True, marks=pytest.mark.slow),
]


def stretched(side: int) -> Preprocess:
    return Preprocess(resize=(side, side), crop=None)


@pytest.mark.parametrize(("name", "side", "layer", "averages"), FAMILIES)
def test_features_are_what_the_last_layer_gets(name: str, side: int, layer: str, averages: bool) -> None:
    weights = network_weights.random(name, 0, stretched(side))
    network = networks.features(weights)
    batch = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    batch = batch.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = network(batch)
    # By hand: the whole network runs, and the named layer's input is kept. The first hook stops the pass, so it goes.
    whole: Any = network.network
    whole.get_submodule(layer)._forward_pre_hooks.clear()
    kept: list[torch.Tensor] = []
    whole.get_submodule(layer).register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))
    with torch.inference_mode():
        whole(batch)
    expected = kept[0].mean((2, 3)) if kept[0].ndim == 4 else kept[0]
    assert torch.equal(found, expected)
    assert networks.structure(name, side).features == found.shape[1]
    assert float(found.std()) > 0


@pytest.mark.parametrize(("name", "side", "layer", "averages"), FAMILIES)
def test_the_averages_of_the_maps_are_the_features_where_there_are_maps(
    name: str, side: int, layer: str, averages: bool
) -> None:
    if name not in {"densenet121", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "vit_b_32", "swin_t"}:
        pytest.skip("one of each way to average suffices here")
    network = networks.features(network_weights.random(name, 0, stretched(side)))
    batch = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    assert network.averages(batch) == averages
    if averages:
        with torch.inference_mode():
            torch.testing.assert_close(network.maps(batch).mean((2, 3)), network(batch), rtol=1e-4, atol=1e-30)


def test_names_come_without_torch_and_are_those_of_torchvision() -> None:
    from torchvision.models import list_models

    assert list(networks.names()) == sorted(list_models(module=torchvision.models))
    code = (
        "import sys; from lib.embed import spaces; print(spaces.get('vgg16').group, spaces.get('vgg16').needs_weights, "
        "spaces.get('finetune@vgg16').group, spaces.get('transfer@vgg16').name, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["backbone", "True", "trained", "vgg16", "False"]


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(QueryError, match="no network called 'vgg17'"):
        networks.check("vgg17")


def test_preprocessing_is_that_of_the_published_weights() -> None:
    found = networks.published("efficientnet_b0")
    transforms = torchvision.models.EfficientNet_B0_Weights.DEFAULT.transforms()
    assert found.preprocess.resize == tuple(transforms.resize_size)
    assert found.preprocess.crop == transforms.crop_size[0]
    assert found.preprocess.interpolation == "bicubic" == transforms.interpolation.value
    assert network_weights._remote(found).sha256 == "7f5810bc"


# --- Weights in files ------------------------------------------------------------------------------------------------


def saved(state: dict[str, torch.Tensor], path: Path) -> Path:
    torch.save(state, path)
    return path


def small(name: str, **arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(5)
        return torchvision.models.get_model(name, weights=None, **arguments)


def test_a_file_in_imagenets_format_gives_its_features(tmp_path: Path) -> None:
    theirs = small("squeezenet1_1").eval()
    path = saved(theirs.state_dict(), tmp_path / "w.pth")
    weights = dataclasses.replace(network_weights.from_file(path, "squeezenet1_1"), preprocess=stretched(64))
    batch = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = theirs.features(batch).mean((2, 3))
        torch.testing.assert_close(networks.features(weights)(batch), expected, rtol=1e-4, atol=1e-5)


def test_other_classes_a_prefix_and_half_precision_are_taken(tmp_path: Path) -> None:
    theirs = small("shufflenet_v2_x0_5", num_classes=7)
    state = {f"module.{name}": value.half() for name, value in theirs.state_dict().items()}
    ours = small("shufflenet_v2_x0_5")
    last = ours.fc.weight.clone()
    network_tensors.load(saved(state, tmp_path / "w.pth"), ours, "shufflenet_v2_x0_5", "fc")
    torch.testing.assert_close(ours.conv1[0].weight, theirs.conv1[0].weight.half().float())
    assert torch.equal(ours.fc.weight, last)


@pytest.mark.parametrize("name", ["densenet121", "mnasnet0_5"])
def test_files_of_earlier_versions_are_taken(name: str, tmp_path: Path) -> None:
    theirs, ours = small(name), small(name)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.5)
    old = {
        key.replace("norm1", "norm.1").replace("norm2", "norm.2").replace("conv1", "conv.1").replace("conv2", "conv.2")
        if "denselayer" in key
        else key: value
        for key, value in theirs.state_dict().items()
    }
    network_tensors.load(saved(old, tmp_path / "w.pth"), ours, name, "classifier")
    first, expected = next(ours.parameters()), next(theirs.parameters())
    assert torch.equal(first, expected)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda state: state.pop("conv1.0.weight"), "conv1.0.weight is missing"),
        (lambda state: state.update({"extra.weight": torch.zeros(1)}), "extra.weight"),
        (lambda state: state.update({"conv1.0.weight": torch.zeros(1, 3)}), "has the shape 1 × 3"),
        (lambda state: state["conv1.0.weight"].fill_(float("nan")), "NaN"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_a_sentence(spoil: Any, said: str, tmp_path: Path) -> None:
    state = dict(small("shufflenet_v2_x0_5").state_dict())
    spoil(state)
    with pytest.raises(WeightsError, match=said):
        network_tensors.load(saved(state, tmp_path / "w.pth"), small("shufflenet_v2_x0_5"), "shufflenet_v2_x0_5", "fc")


# --- Downloads -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def body() -> bytes:
    buffer = io.BytesIO()
    torch.save(small("squeezenet1_1").state_dict(), buffer)
    return buffer.getvalue()


@pytest.fixture
def server(body: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(body) as running:
        yield running


def remote(server: FileServer, body: bytes, sha256: str | None = None) -> Remote:
    digest = hashlib.sha256(body).hexdigest()[:8]
    return Remote(server.url, "squeezenet.pth", len(body) - 300, sha256 or digest, slack=1000)


def test_weights_are_downloaded_once_and_their_hash_is_checked(server: FileServer, body: bytes, tmp_path: Path) -> None:
    settings = Settings(artifacts=tmp_path, torch_home=tmp_path)
    source = remote(server, body)
    for _ in range(2):
        weights = network_weights.choose(settings, "squeezenet1_1", remote=source)
    assert len(server.gets) == 1
    assert weights.sha256 == hashlib.sha256(body).hexdigest()
    assert weights.path == tmp_path / "hub" / "checkpoints" / "squeezenet.pth"
    assert (weights.name, weights.network) == ("imagenet", "squeezenet1_1")
    record = weights.record()
    assert network_weights.from_record(record) == weights


def test_a_download_with_another_hash_is_not_kept(server: FileServer, body: bytes, tmp_path: Path) -> None:
    settings = Settings(artifacts=tmp_path, torch_home=tmp_path)
    with pytest.raises(WeightsError, match="not the published file"):
        network_weights.choose(settings, "squeezenet1_1", remote=remote(server, body, "00000000"))
    assert not list((tmp_path / "hub" / "checkpoints").glob("*.pth"))


def test_weights_that_are_absent_offline_are_named_with_the_way(tmp_path: Path) -> None:
    settings = Settings(artifacts=tmp_path, torch_home=tmp_path, offline=True)
    with pytest.raises(WeightsError) as caught:
        network_weights.choose(settings, "vgg16")
    assert caught.value.remedy is Remedy.GIVE_WEIGHTS
    sentence = str(caught.value)
    assert "The space vgg16" in sentence
    assert str(tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth") in sentence
    assert "--weights vgg16=FILE" in sentence
    assert "\n" not in sentence


def test_random_weights_and_their_record(tmp_path: Path) -> None:
    settings = Settings(artifacts=tmp_path, network_weights=(("vgg16", "random"),))
    weights = network_weights.choose(settings, "vgg16")
    assert network_weights.from_record(weights.record()) == weights
    assert weights.record()["network"] == "vgg16"


# --- Training --------------------------------------------------------------------------------------------------------


def test_fine_tuning_freezes_the_share_that_it_freezes_of_resnet18() -> None:
    finetune = regimes.REGIMES["finetune"]
    assert regimes.frozen_share(finetune, regimes.TENSORS, 2) == regimes.FROZEN_IN_FINETUNE
    assert regimes.frozen_share(finetune, 32, 2) == round(32 * 50 / 62) == 26
    assert regimes.frozen_share(finetune, 4, 2) == 2
    assert regimes.frozen_share(regimes.REGIMES["transfer"], 32, 2) == 30
    assert regimes.frozen_share(regimes.REGIMES["init"], 32, 2) == 0
    weights = network_weights.random("vgg16", 0, stretched(64))
    assert len(networks.parameter_names(weights)) == 32


def test_networks_of_one_size_take_no_other() -> None:
    assert networks.takes(network_weights.random("vgg16", 0, stretched(64)), {64, 96})
    assert not networks.takes(network_weights.random("vit_b_32", 0, stretched(64)), {64, 96})
    with pytest.raises(WeightsError, match="does not take inputs of 33 px"):
        networks.structure("vit_b_32", 33)
