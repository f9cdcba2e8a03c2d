"""lib.learn.linear_probe: what a linear classifier makes of each stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lib.learn import backbone, linear_probe
from lib.statistics import wilson
from tests.helpers import quick_trainings

DIMS = {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}
Part = tuple[dict[str, np.ndarray], np.ndarray]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


def part(count: int, seed: int, signal: float, classes: int = 5, width: int = 12) -> Part:
    """Activations of `count` photos: noise, and `signal` where the class is."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    values = rng.normal(size=(count, width)).astype(np.float32)
    values[np.arange(count), labels] += signal
    return dict.fromkeys(linear_probe.LAYERS, values), labels


def test_classes_that_can_be_told_apart_are() -> None:
    rows = linear_probe.accuracies(part(150, 0, 20.0), part(20, 1, 20.0), part(60, 2, 20.0), seed=0)
    assert [(row["layer"], row["photos"]) for row in rows] == [
        (layer, n) for n in (100, 150) for layer in linear_probe.LAYERS
    ]
    assert all(row["accuracy"] == 1.0 and row["dim"] == 12 for row in rows)
    assert all(row["ci95"] == list(wilson(60, 60)) for row in rows)


def test_noise_is_told_apart_by_chance_alone() -> None:
    rows = linear_probe.accuracies(part(300, 0, 0.0), part(50, 1, 0.0), part(400, 2, 0.0), seed=0)
    assert all(0.1 < row["accuracy"] < 0.3 for row in rows)
    assert all(row["ci95"][0] < row["accuracy"] < row["ci95"][1] for row in rows)


def test_a_stage_is_scored_by_its_own_activations() -> None:
    def staged(count: int, seed: int) -> Part:
        plain, labels = part(count, seed, 0.0)
        return plain | {"layer3": part(count, seed, 20.0)[0]["layer3"]}, labels

    rows = linear_probe.accuracies(staged(100, 0), staged(50, 1), staged(200, 2), seed=0)
    assert len(rows) == 4  # all photos are few
    assert [row["layer"] for row in rows if row["accuracy"] > 0.9] == ["layer3"]


def test_few_are_up_to_twenty_of_each_class() -> None:
    labels = np.repeat([0, 1, 3], [50, 7, 20])
    result = linear_probe.few_per_class(labels, seed=0)
    assert list(result) == sorted(set(result))
    assert dict(zip(*np.unique(labels[result], return_counts=True), strict=True)) == {0: 20, 1: 7, 3: 20}
    assert np.array_equal(result, linear_probe.few_per_class(labels, seed=0))
    assert not np.array_equal(result, linear_probe.few_per_class(labels, seed=1))


def test_activations_are_the_stages_outputs_averaged() -> None:
    import torch

    network: Any = backbone.resnet18(backbone.bundled(), 5)
    network.train()
    torch.manual_seed(0)
    pixels = torch.randn(40, 3, 32, 32)
    reports: list[tuple[int, int | None]] = []
    output = linear_probe.activations(
        network,
        lambda places: pixels[places],
        40,
        torch.device("cpu"),
        lambda done, total: reports.append((done, total)),
    )
    assert reports[-1] == (40, 40)
    network.eval()
    with torch.inference_mode():
        value = network.maxpool(network.relu(network.bn1(network.conv1(pixels))))
        for layer, dim in DIMS.items():
            value = getattr(network, layer)(value)
            assert output[layer].shape == (40, dim)
            np.testing.assert_allclose(output[layer], value.mean((2, 3)).numpy(), atol=1e-4)
        np.testing.assert_allclose(network.fc(torch.from_numpy(output["layer4"])), network(pixels), atol=1e-3)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_hanging_on_the_network(fails: bool) -> None:
    import torch

    network: Any = backbone.resnet18(backbone.random(), 5)

    def inputs(places: np.ndarray) -> Any:
        if fails:
            raise RuntimeError("a photo broke")
        return torch.zeros(len(places), 3, 32, 32)

    try:
        linear_probe.activations(network, inputs, 40, torch.device("cpu"))
    except RuntimeError:
        assert fails
    assert not any(getattr(network, layer)._forward_hooks for layer in linear_probe.LAYERS)
