"""Linear probes: the test accuracy of a linear classifier on the activations of each stage of a network.

Early stages hold features of any picture (edges, colours), late stages features of the task they were trained on
(Yosinski et al. 2014; linear probes: Alain and Bengio 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.documents.runs import ProbeRow
from lib.learn import networks, photo_dataset
from lib.learn.results import LAYERS
from lib.progress import Progress, no_progress
from lib.statistics import wilson

if TYPE_CHECKING:
    import torch

# Photos per class of the probe that stands for a small data set.
FEW_PER_CLASS = 20
# Photos per forward pass.
BATCH = 32
# Candidates for scikit-learn's C, the inverse strength of regularisation.
STRENGTHS = (0.01, 0.1, 1.0)


def activations(
    network: torch.nn.Module,
    inputs: Callable[[np.ndarray], torch.Tensor],
    count: int,
    device: Any,
    progress: Progress = no_progress,
    passes: Sequence[np.ndarray] | None = None,
    modules: Sequence[str] = LAYERS,
) -> dict[str, np.ndarray]:
    """The output of each stage, averaged over the photo's area: layer → (count, channels) float32.

    The values of layer4 are the network's features. `inputs(indices)` is the input tensor of these photos; `passes`
    are the photo indices of each forward pass, by default batches of `BATCH`. `modules` are the names of the network's
    parts whose outputs are wanted.
    """
    import torch

    network.eval()
    batches: dict[str, list[np.ndarray]] = {layer: [] for layer in modules}
    hooks = [
        getattr(network, layer).register_forward_hook(
            lambda module, inputs, output, layer=layer: batches[layer].append(output.mean((2, 3)).cpu().numpy())
        )
        for layer in modules
    ]
    try:
        with torch.inference_mode():
            for indices in passes or np.array_split(np.arange(count), -(-count // BATCH)):
                network(inputs(indices).to(device))
                progress(int(indices[-1]) + 1, count)
    finally:
        for hook in hooks:
            hook.remove()
    return {layer: np.concatenate(arrays) for layer, arrays in batches.items()}


def inputs_of(
    network: torch.nn.Module,
    module: str,
    inputs: Callable[[np.ndarray], torch.Tensor],
    count: int,
    device: Any,
    progress: Progress = no_progress,
    passes: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """What a part of the network gets, averaged over the photo's area where it is a map: (count, d) float32. The other
    arguments are those of `activations`."""
    import torch

    network.eval()
    batches: list[np.ndarray] = []
    hook = network.get_submodule(module).register_forward_pre_hook(
        lambda module, inputs: batches.append(networks.pooled(inputs[0]).cpu().numpy())
    )
    try:
        with torch.inference_mode():
            for indices in passes or np.array_split(np.arange(count), -(-count // BATCH)):
                network(inputs(indices).to(device))
                progress(int(indices[-1]) + 1, count)
    finally:
        hook.remove()
    return np.concatenate(batches)


def accuracies(
    train: tuple[dict[str, np.ndarray], np.ndarray],
    val: tuple[dict[str, np.ndarray], np.ndarray],
    test: tuple[dict[str, np.ndarray], np.ndarray],
    seed: int,
) -> list[ProbeRow]:
    """Test accuracy of a probe per layer, fitted on `FEW_PER_CLASS` training photos per class and on all of them.

    Each split is (activations by layer, labels). A probe is scikit-learn's multinomial logistic regression on
    standardised activations; its C is the one of `STRENGTHS` with the highest accuracy on the validation photos.
    """
    rows: list[ProbeRow] = []
    subset = few_per_class(train[1], seed)
    everything = np.arange(len(train[1]))
    for indices in (subset, everything) if len(subset) < len(everything) else (subset,):
        for layer in LAYERS:
            best = fitted((train[0][layer][indices], train[1][indices]), (val[0][layer], val[1]))
            correct = int((best.predict(test[0][layer]) == test[1]).sum())
            rows.append(
                {
                    "layer": layer,
                    "dim": train[0][layer].shape[1],
                    "photos": len(indices),
                    "accuracy": correct / len(test[1]),
                    "ci95": list(wilson(correct, len(test[1]))),
                }
            )
    return rows


def fitted(train: tuple[np.ndarray, np.ndarray], val: tuple[np.ndarray, np.ndarray]) -> Any:
    """A probe: of those with a C of `STRENGTHS`, the one with the highest accuracy on the validation photos; the middle
    one without any. `train` and `val` are (activations (n, d), labels (n,)); `predict` of the result gives labels."""
    if not len(val[1]):
        return _probe(*train, STRENGTHS[len(STRENGTHS) // 2])
    return max((_probe(*train, strength) for strength in STRENGTHS), key=lambda probe: probe.score(*val))


def few_per_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """Sorted indices of up to `FEW_PER_CLASS` random photos of each class."""
    order = np.random.default_rng(photo_dataset.derived_seed(seed, "probe")).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == label][:FEW_PER_CLASS] for label in np.unique(labels)]))


def _probe(features: np.ndarray, labels: np.ndarray, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000)).fit(features, labels)
