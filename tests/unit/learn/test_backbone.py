"""lib.learn.backbone: which weights are taken, which are refused, and that folding changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import ResNet18_Weights
from torchvision.models import resnet18 as torchvision_resnet18

from lib.data.remote import IMAGENET_RESNET18, Remote
from lib.errors import DownloadError, WeightsError
from lib.learn import backbone
from lib.learn.backbone import IMAGENET_PREPROCESS
from lib.learn.preprocess import Preprocess, invalid_card
from lib.settings import Settings
from tests.helpers.http_server import serving

CARD = {"resize": [64, 64], "crop": None, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """A network in torchvision's layout, with BatchNorm statistics that are not the trivial ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = torchvision_resnet18(weights=None)
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(part.running_mean, -0.2, 0.2)
                torch.nn.init.uniform_(part.running_var, 0.5, 2.0)
                torch.nn.init.uniform_(part.weight, 0.5, 1.5)
                torch.nn.init.uniform_(part.bias, -0.2, 0.2)
    return network.state_dict()


@pytest.fixture(scope="module")
def checkpoint(state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That network as torch writes it, in a cache folder laid out like torch's."""
    path = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints" / "resnet18-test.pth"
    path.parent.mkdir(parents=True)
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def published(checkpoint: Path) -> Remote:
    """What the publisher of `checkpoint` would say of it; nothing listens at the address."""
    content = checkpoint.read_bytes()
    return Remote(
        "https://localhost:9/resnet18-test.pth", checkpoint.name, len(content), hashlib.sha256(content).hexdigest()
    )


def batch(n: int = 3, side: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, 3, side, side)).astype(np.float32))


# -- which weights --------------------------------------------------------------------------------------------------


def test_imagenet_comes_first_when_torch_has_it_in_its_cache(checkpoint: Path, published: Remote) -> None:
    home = checkpoint.parents[2]
    for named in (None, "imagenet"):
        found = backbone.choose(Settings(weights=named, offline=True, torch_home=home), remote=published)
        assert (found.name, found.path, found.sha256) == ("imagenet", checkpoint, published.sha256)
        assert found.preprocess == IMAGENET_PREPROCESS


def test_without_it_the_bundled_weights_serve_and_the_user_is_told(tmp_path: Path) -> None:
    warnings: list[str] = []
    found = backbone.choose(
        Settings(offline=True, torch_home=tmp_path), warn=lambda notice: warnings.append(str(notice))
    )
    assert found.name == "bundled"
    assert len(warnings) == 1
    assert "bundled Tiny ImageNet weights instead" in warnings[0]
    assert "PETALSCOPE_OFFLINE" in warnings[0]


def test_imagenet_named_but_out_of_reach_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DownloadError):
        backbone.choose(Settings(weights="imagenet", offline=True, torch_home=tmp_path))


def test_the_published_weights_are_torchvisions() -> None:
    assert ResNet18_Weights.IMAGENET1K_V1.url == IMAGENET_RESNET18.url


def test_downloaded_weights_lie_where_torch_looks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.save({"weight": torch.ones(2)}, tmp_path / "weights.pth")
    content = (tmp_path / "weights.pth").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"resnet18-{sha256[:8]}.pth"
    with serving(content) as server:
        remote = Remote(server.url, name, len(content), sha256)
        found = backbone.choose(Settings(torch_home=tmp_path, weights="imagenet"), remote=remote)
    assert found.path == tmp_path / "hub" / "checkpoints" / name
    # Nothing answers at this address, so torch must have found the file.
    stored = torch.hub.load_state_dict_from_url(f"https://flowers.invalid/{name}", check_hash=True, weights_only=True)
    assert stored["weight"].tolist() == [1, 1]


def test_a_damaged_file_in_torchs_cache_is_not_used(checkpoint: Path, published: Remote, tmp_path: Path) -> None:
    damaged = tmp_path / "hub" / "checkpoints" / checkpoint.name
    damaged.parent.mkdir(parents=True)
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert backbone.choose(Settings(offline=True, torch_home=tmp_path), remote=published).name == "bundled"


def test_a_named_file_wins(checkpoint: Path, published: Remote) -> None:
    settings = Settings(weights=str(checkpoint), offline=True, torch_home=checkpoint.parents[2])
    found = backbone.choose(settings, remote=published)
    assert (found.name, found.path) == (checkpoint.name, checkpoint)
    assert found.sha256 == published.sha256  # so the vectors are the same ones that `imagenet` would give


def test_bundled_weights_are_what_their_card_says() -> None:
    found = backbone.choose(Settings(weights="bundled"))
    assert found.preprocess == Preprocess(resize=(128, 128), crop=None)
    card = json.loads(backbone.BUNDLED.with_suffix(".json").read_text(encoding="utf-8"))
    assert found.sha256 == card["sha256"]


def test_random_weights_do_not_depend_on_the_seed_of_the_split() -> None:
    # Else a `search` that does not repeat --seed would find other weights than `prepare` used.
    assert backbone.choose(Settings(weights="random", seed=7)) == backbone.choose(Settings(weights="random"))
    assert backbone.random(1).sha256 != backbone.random(2).sha256


def test_kept_weights_are_found_again(checkpoint: Path) -> None:
    for weights in (backbone.bundled(), backbone.random(3), backbone.from_file(checkpoint)):
        assert backbone.from_record(json.loads(json.dumps(weights.record()))) == weights


def test_kept_bundled_weights_move_with_the_program(tmp_path: Path) -> None:
    record = backbone.bundled().record() | {"path": str(tmp_path / "an old place" / "x.safetensors")}
    assert backbone.from_record(record) == backbone.bundled()


def test_kept_weights_that_are_gone_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth does not exist"):
        backbone.from_record({"name": "gone.pth", "path": str(tmp_path / "gone.pth"), "seed": 0})


# -- what the card beside a file says -------------------------------------------------------------------------------


def with_card(path: Path, card: Any) -> Path:
    path.write_bytes(b"any bytes: only the card is read here")
    text = card if isinstance(card, str) else json.dumps(card)
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    return path


def test_a_card_gives_the_preprocessing(tmp_path: Path) -> None:
    stretched = backbone.from_file(with_card(tmp_path / "a.pth", CARD))
    assert stretched.preprocess == Preprocess((64, 64), None, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert "64 px" in stretched.about
    cropped = backbone.from_file(with_card(tmp_path / "b.pth", CARD | {"resize": 72, "crop": 64}))
    assert (cropped.preprocess.resize, cropped.preprocess.crop) == ((72,), 64)


def test_without_a_card_imagenets_preprocessing_is_assumed(checkpoint: Path) -> None:
    assert backbone.from_file(checkpoint).preprocess == IMAGENET_PREPROCESS


@pytest.mark.parametrize(
    "card",
    [
        "{not json",
        "[]",
        "{}",
        "null",
        "\x00",
        {key: value for key, value in CARD.items() if key != "mean"},
        CARD | {"resize": "large"},
        CARD | {"resize": []},
        CARD | {"resize": [64, 64, 64]},
        CARD | {"resize": [64, 32]},
        CARD | {"resize": 64},
        CARD | {"resize": 0, "crop": 0},
        CARD | {"resize": [1_000_000, 1_000_000]},
        CARD | {"resize": 64, "crop": 65},
        CARD | {"resize": 64, "crop": -64},
        CARD | {"mean": [0.5]},
        CARD | {"mean": ["a", "b", "c"]},
        CARD | {"std": [1.0, 0.0, 1.0]},
        CARD | {"std": [float("nan"), 1.0, 1.0]},
        CARD | {"resize": [float("inf"), 1.0]},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(tmp_path: Path, card: Any) -> None:
    with pytest.raises(WeightsError, match=re.escape(invalid_card(tmp_path / "w.json"))) as caught:
        backbone.from_file(with_card(tmp_path / "w.pth", card))
    assert "\n" not in str(caught.value)


def test_a_card_with_another_hash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="belongs to other weights"):
        backbone.from_file(with_card(tmp_path / "w.pth", CARD | {"sha256": "00" * 32}))


# -- files that are no weights --------------------------------------------------------------------------------------


class _Trap:
    """Unpickling this makes a folder: the harmless sister of what a hostile file would do."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def test_pickled_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1), "x": _Trap(tmp_path / "ran")}, tmp_path / "zip.pth")
    torch.save({"x": _Trap(tmp_path / "ran")}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(_Trap(tmp_path / "ran")))
    (tmp_path / "bare.safetensors").write_bytes(pickle.dumps(_Trap(tmp_path / "ran")))
    for name in ("zip.pth", "old.pt", "bare.pth", "bare.safetensors"):
        with pytest.raises(WeightsError, match=r"holds pickled Python objects|damaged or not a weights file"):
            backbone.features(backbone.from_file(tmp_path / name))
    assert not (tmp_path / "ran").exists()
    pickle.loads((tmp_path / "bare.pth").read_bytes())
    assert (tmp_path / "ran").exists()  # the trap works where pickles are run


@pytest.mark.parametrize("name", ["nowhere.pth", "folder.safetensors", "fifo.pth"])
def test_what_is_not_a_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    os.mkfifo(tmp_path / "fifo.pth")
    with pytest.raises(WeightsError, match=f"{name} does not exist"):
        backbone.choose(Settings(weights=str(tmp_path / name)))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b'\x08\x00\x00\x00\x00\x00\x00\x00{"a":1}', b"PK\x03\x04" + b"\0" * 50]
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged or not a weights file|end is missing|is empty"):
        backbone.features(backbone.from_file(path))


def test_a_cut_file_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    for source in (checkpoint, backbone.BUNDLED):
        cut = tmp_path / f"cut{source.suffix}"
        cut.write_bytes(source.read_bytes()[:-1000])
        with pytest.raises(WeightsError, match="end is missing"):
            backbone.features(backbone.from_file(cut))


def test_another_network_is_refused(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    # One stored number stands for a whole tensor, which keeps the files small.
    sound = {name: torch.zeros(()).expand(value.shape) for name, value in state.items()}
    variants: dict[str, Any] = {
        "other": {"weight": torch.zeros(3)},
        "empty": {},
        "list": [torch.zeros(3)],
        "numbers": {"conv1.weight": 1.0},
        "missing": {name: value for name, value in sound.items() if name != "layer3.0.bn1.running_mean"},
        "extra": sound | {"layer5.weight": torch.zeros(2)},
        "shape": sound | {"conv1.weight": torch.zeros(64, 1, 7, 7)},
        "nested": {"state_dict": {"conv1.weight": torch.zeros(3)}},
    }
    for name, content in variants.items():
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(WeightsError, match="torchvision's layout"):
            backbone.resnet18(backbone.from_file(tmp_path / f"{name}.pth"))
    torch.save(sound, tmp_path / "sound.pth")
    backbone.resnet18(backbone.from_file(tmp_path / "sound.pth"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_with_nan_are_refused(state: dict[str, torch.Tensor], tmp_path: Path, value: float) -> None:
    broken = {name: tensor.clone() for name, tensor in state.items()}
    broken["layer4.1.conv2.weight"][0, 0, 0, 0] = value
    save_file(broken, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match="NaN or infinite"):
        backbone.resnet18(backbone.from_file(tmp_path / "nan.safetensors"))


# -- the network ----------------------------------------------------------------------------------------------------


def test_folded_features_are_those_of_the_plain_network(state: dict[str, torch.Tensor], checkpoint: Path) -> None:
    plain = torchvision_resnet18(weights=None)
    plain.load_state_dict(state)
    plain.fc = torch.nn.Identity()
    plain.eval()
    with torch.inference_mode():
        expected = plain(batch()).double().numpy()
        found = backbone.features(backbone.from_file(checkpoint))(batch()).double().numpy()
    assert found.shape == (3, 512)
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
    assert expected.std() > 1e-3  # else anything would be equal


@pytest.mark.parametrize("wrapped", [False, True])
def test_half_precision_and_wrapped_files_are_read(
    state: dict[str, torch.Tensor], tmp_path: Path, wrapped: bool
) -> None:
    half = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    half = {name: value for name, value in half.items() if not name.startswith("fc.")}
    path = tmp_path / ("w.pth" if wrapped else "w.safetensors")
    torch.save({"state_dict": half, "epoch": 3}, path) if wrapped else save_file(half, path)
    network = backbone.resnet18(backbone.from_file(path), classes=5)
    assert network.conv1.weight.dtype == torch.float32
    torch.testing.assert_close(network.conv1.weight, half["conv1.weight"].float())
    assert network.fc.out_features == 5


def test_the_classifier_is_new_and_the_rest_is_as_named(checkpoint: Path, state: dict[str, torch.Tensor]) -> None:
    network = backbone.resnet18(backbone.from_file(checkpoint), classes=5)
    assert sum(value.numel() for value in network.parameters()) == 11_179_077
    torch.testing.assert_close(network.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


def test_random_weights_are_repeatable_and_use_up_nobodys_random_numbers() -> None:
    before = torch.get_rng_state()
    one, again, other = (backbone.resnet18(backbone.random(seed)).conv1.weight for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
