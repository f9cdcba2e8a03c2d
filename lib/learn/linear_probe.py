"""Linear probes: how much a linear classifier makes of what each stage of a network computes.

Early stages hold features of any picture (edges, colours), late ones features of the task they were trained on
(Yosinski et al. 2014; linear probes: Alain and Bengio 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.learn import photo_dataset
from lib.learn.results import LAYERS
from lib.learn.statistics import wilson

if TYPE_CHECKING:
    import torch

# Photos a class in the probe that stands for a small data set.
FEW = 20
# Photos per forward pass.
BATCH = 32
STRENGTHS = (0.01, 0.1, 1.0)


def activations(
    network: torch.nn.Module,
    inputs: Callable[[np.ndarray], torch.Tensor],
    count: int,
    device: Any,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    passes: Sequence[np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """The output of each stage, averaged over the picture: layer → (count, channels) float32, that of layer4 being the
    network's features. `inputs(places)` gives the tensor of some pictures, `passes` which ones go together."""
    import torch

    network.eval()
    found: dict[str, list[np.ndarray]] = {layer: [] for layer in LAYERS}
    hooks = [
        getattr(network, layer).register_forward_hook(
            lambda module, given, output, layer=layer: found[layer].append(output.mean((2, 3)).cpu().numpy())
        )
        for layer in LAYERS
    ]
    try:
        with torch.inference_mode():
            for places in passes or np.array_split(np.arange(count), -(-count // BATCH)):
                network(inputs(places).to(device))
                progress(int(places[-1]) + 1, count)
    finally:
        for hook in hooks:
            hook.remove()
    return {layer: np.concatenate(parts) for layer, parts in found.items()}


def accuracies(
    train: tuple[dict[str, np.ndarray], np.ndarray],
    val: tuple[dict[str, np.ndarray], np.ndarray],
    test: tuple[dict[str, np.ndarray], np.ndarray],
    seed: int,
) -> list[dict[str, Any]]:
    """Test accuracy of a probe per layer, from `FEW` training photos a class and from all.

    A probe is multinomial logistic regression on standardised activations (scikit-learn's), its strength of
    regularisation (C) the one of `STRENGTHS` that is best on the validation photos.
    """
    rows = []
    places = few(train[1], seed)
    for chosen in (places, np.arange(len(train[1]))) if len(places) < len(train[1]) else (places,):
        for layer in LAYERS:
            fitted = [_probe(train[0][layer][chosen], train[1][chosen], strength) for strength in STRENGTHS]
            best = max(fitted, key=lambda probe: probe.score(val[0][layer], val[1]))
            right = int((best.predict(test[0][layer]) == test[1]).sum())
            rows.append(
                {
                    "layer": layer,
                    "dim": train[0][layer].shape[1],
                    "photos": len(chosen),
                    "accuracy": right / len(test[1]),
                    "ci95": list(wilson(right, len(test[1]))),
                }
            )
    return rows


def few(labels: np.ndarray, seed: int) -> np.ndarray:
    """Places of up to `FEW` photos of each class, by lot."""
    order = np.random.default_rng(photo_dataset.shuffled(seed, "probe")).permutation(len(labels))
    kept = [order[labels[order] == label][:FEW] for label in np.unique(labels)]
    return np.sort(np.concatenate(kept))


def _probe(features: np.ndarray, labels: np.ndarray, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000)).fit(features, labels)
