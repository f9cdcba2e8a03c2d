"""lib.embed.feature_maps: the mean of a photo's last map over the positions is its stored vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lib.embed import embedder, feature_maps, inference, spaces
from lib.errors import QueryError
from lib.learn import backbone, hardware, transforms
from lib.learn.backbone import Weights
from lib.prepare.workspace import Workspace
from tests.conftest import draw_picture

RESNET18 = spaces.get("resnet18")
needs_bf16 = pytest.mark.skipif(
    hardware.precision(torch.device("cpu")) != "bfloat16", reason="this processor has no bfloat16"
)


def torch_only(*_: object) -> Any:
    raise AttributeError("this torch has no such call")


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference of two vectors, relative to their length."""
    return float(np.abs(a - b).max() / np.linalg.norm(b))


@pytest.fixture(scope="module")
def weights(quick_weights: str) -> Weights:
    return backbone.from_file(Path(quick_weights))


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [draw_picture(number % 5, number) for number in range(5)]


def test_the_mean_of_a_map_is_the_vector_that_prepare_stored(opened: Workspace) -> None:
    stored, catalog, embed = opened.vectors("resnet18").values, opened.catalog(), opened.embedder("resnet18")
    rows = [0, 17, 40]
    batches = list(feature_maps.feature_maps(embed, (catalog.open(row) for row in rows)))
    found = np.concatenate(batches)
    assert (found.dtype, found.shape) == (np.float32, (3, 512, 4, 4))
    for each, row in zip(found, rows, strict=True):
        assert apart(each.mean(axis=(1, 2), dtype=np.float64), stored[row]) <= 1e-6


@pytest.mark.parametrize("build", [None, torch_only])
def test_maps_are_what_torchvisions_network_averages(
    weights: Weights, photos: list[Image.Image], build: Callable[..., Any] | None
) -> None:
    kept: list[torch.Tensor] = []
    network: Any = backbone.resnet18(weights)
    network.eval().layer4.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    small = np.stack([transforms.shrink(photo, weights.preprocess) for photo in photos])
    with torch.inference_mode():
        network(torch.from_numpy(np.ascontiguousarray(transforms.normalise(small, weights.preprocess))))
    np.testing.assert_allclose(inference.engine(weights, build=build).maps(small), kept[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_networks_have_maps_too(seed: int, photos: list[Image.Image]) -> None:
    weights = backbone.random(seed)
    small = replace(weights, preprocess=replace(weights.preprocess, resize=(64, 64), crop=None))
    embed = embedder.embedder(RESNET18, small)
    one = feature_maps.feature_map(embed, photos[0])
    assert one.shape == (512, 2, 2)
    assert apart(one.mean(axis=(1, 2), dtype=np.float64), embedder.query_vector(embed, photos[0])) <= 1e-6


@needs_bf16
@pytest.mark.parametrize("build", [None, torch_only])
def test_bfloat16_has_its_own_tolerance(
    weights: Weights, photos: list[Image.Image], build: Callable[..., Any] | None
) -> None:
    engine = inference.engine(weights, inference.BF16, build=build)
    small = np.stack([transforms.shrink(photo, weights.preprocess) for photo in photos])
    maps, vectors = engine.maps(small), engine.run(small)
    assert maps.dtype == np.float32
    for each, vector in zip(maps, vectors, strict=True):
        assert apart(each.mean(axis=(1, 2), dtype=np.float64), vector) <= 2**-8


def test_many_photos_come_in_batches_and_in_order(weights: Weights, photos: list[Image.Image]) -> None:
    embed = replace(embedder.embedder(RESNET18, weights), batch=2)
    batches = list(feature_maps.feature_maps(embed, photos))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    alone = [feature_maps.feature_map(embed, photo) for photo in photos]
    np.testing.assert_allclose(np.concatenate(batches), np.stack(alone), rtol=1e-3, atol=1e-4)


def test_each_stage_halves_its_map(weights: Weights) -> None:
    batch = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        shapes = [tuple(maps.shape[1:]) for maps in backbone.stage_maps(backbone.features(weights), batch)]
    assert shapes == [(64, 16, 16), (64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]


def test_pixels_have_no_maps(photos: list[Image.Image]) -> None:
    embed = embedder.embedder(spaces.get("pixels"), None)
    with pytest.raises(QueryError, match="no feature maps"):
        feature_maps.feature_map(embed, photos[0])
