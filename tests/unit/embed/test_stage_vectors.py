"""lib.embed.stage_vectors: the means over positions of each stage, as torchvision's own network has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.embed import stage_vectors
from lib.embed.stage_vectors import STAGES
from lib.errors import WeightsError
from lib.learn import backbone, transforms
from lib.prepare.workspace import Workspace


def test_stages_are_those_of_the_unfolded_network(opened: Workspace, quick_weights: str) -> None:
    import torch

    weights = backbone.from_file(Path(quick_weights))
    catalog, rows = opened.catalog(), [3, 40, 7]
    found = stage_vectors.extract(catalog, rows, weights)
    network: Any = backbone.resnet18(weights).eval()
    pictures = np.stack([transforms.shrink(catalog.open(row), weights.preprocess) for row in rows])
    with torch.inference_mode():
        x = torch.from_numpy(transforms.normalise(pictures, weights.preprocess))
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        expected = [x]
        for layer in backbone.stages(network):
            x = layer(x)
            expected.append(x)
    for stage, values in zip(STAGES, expected, strict=True):
        np.testing.assert_allclose(found[stage], values.mean((2, 3)).numpy(), rtol=1e-3, atol=1e-4)


def test_output_that_is_not_finite_is_refused(
    opened: Workspace, quick_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = backbone.from_file(Path(quick_weights))
    nothing = {module: np.full((1, 4), np.nan, dtype=np.float32) for module in stage_vectors._MODULES.values()}
    monkeypatch.setattr(stage_vectors.linear_probe, "activations", lambda *arguments, **options: nothing)
    with pytest.raises(WeightsError, match="NaN or infinite"):
        stage_vectors.extract(opened.catalog(), [0], weights)
