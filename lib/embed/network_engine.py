"""Engines of networks other than ResNet18: torchvision's in torch, foreign ones in what their files are made for.

Features are float32 (n, d). A network computes whole batches; a foreign one that takes batches of one size gets that
size, filled up with copies of the last photo.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lib.embed import inference
from lib.embed.inference import BATCH, BF16, FP32, GPU_BATCH, GPU_MEMORY_FULL, TOLERANCE, Engine
from lib.errors import Remedy, WeightsError
from lib.learn import distributed, network_files, networks, transforms
from lib.learn.backbone import Weights
from lib.settings import command_line

if TYPE_CHECKING:
    import torch

# The input side for which `BATCH` and `GPU_BATCH` are meant, px: larger inputs get smaller batches.
USUAL_SIDE = 224


def of_torchvision(weights: Weights, precision: str = FP32) -> Engine:
    """The engine of a network of torchvision, in torch.

    Raises WeightsError when the weights do not fit, or the network does not compute in `precision` here.
    """
    import torch

    inference.check(precision)
    device, preprocess = distributed.device(), weights.preprocess
    dtype = torch.bfloat16 if precision == BF16 else torch.float32
    network = networks.features(weights)
    probe = inference.probe_batch(2, preprocess.input_size)
    has_maps = network.averages(probe)
    try:
        if precision == BF16:
            _check_half(network, probe, device, weights)
        network.network.to(device=device, dtype=dtype)
    except torch.OutOfMemoryError as error:
        raise WeightsError(GPU_MEMORY_FULL, remedy=Remedy.FREE_GPU) from error
    name, workers = "torch", min(inference.MOST_WORKERS, torch.get_num_threads())
    usual = BATCH
    if device.type == "cuda":
        torch.cuda.set_device(device)
        name, workers, usual = f"torch, {torch.cuda.get_device_name(device)}", 1, GPU_BATCH
    batch = max(1, min(usual, usual * USUAL_SIDE**2 // preprocess.input_size**2))
    run, maps = (inference.computed(by, preprocess, device, dtype) for by in (network, network.maps))
    if device.type == "cuda":
        run, maps = inference.within_memory(run, batch), inference.within_memory(maps, batch)
    return Engine(run, maps if has_maps else None, {"name": name, "version": torch.__version__}, batch, workers)


def _check_half(network: networks.FeatureNetwork, probe: torch.Tensor, device: torch.device, weights: Weights) -> None:
    """Raises WeightsError when the network does not compute in bfloat16 what it computes in float32."""
    import torch

    with torch.inference_mode():
        expected = network(probe).double()
        try:
            network.network.to(device=device, dtype=torch.bfloat16)
            found = network(probe.to(device, torch.bfloat16)).cpu().double()
        except (RuntimeError, NotImplementedError) as error:
            raise _no_half(weights) from error
    apart = 1 - torch.nn.functional.cosine_similarity(found, expected)
    if not bool((apart <= TOLERANCE[BF16]).all()):
        raise _no_half(weights)


def _no_half(weights: Weights) -> WeightsError:
    command = command_line("prepare", spaces=weights.network, precision=FP32)
    problem = f"The network {weights.network} does not compute in bfloat16 what it computes in float32"
    return WeightsError(problem, remedy=Remedy.RUN_COMMAND, command=command)


def of_file(weights: Weights, precision: str, layout: str) -> Engine:
    """The engine of a foreign network, on the processor; `layout` is that of its input and output.

    Raises WeightsError when the file is no network, lacks its library, or does not take photos.
    """
    path, preprocess = weights.path, weights.preprocess
    assert path is not None, "a foreign network has a file"
    if precision != FP32:
        raise WeightsError(
            f"The network in {path.name} computes in the numbers that its file has, so it takes no precision",
            remedy=Remedy.RUN_COMMAND,
            command=command_line("prepare", spaces="NAME", precision=FP32),
        )
    loaded = network_files.load(path)
    network_files.outputs(loaded, path, preprocess.input_size, layout)
    batch = loaded.batch or BATCH

    def output(photos: np.ndarray) -> np.ndarray:
        # Contiguous, as both libraries want it.
        ready = np.ascontiguousarray(network_files.arranged(transforms.normalise(photos, preprocess), layout))
        return network_files.maps_first(network_files.whole_batches(loaded, ready, path), layout)

    def run(photos: np.ndarray) -> np.ndarray:
        return network_files.pooled(output(photos))

    maps: Callable[[np.ndarray], np.ndarray] | None = None
    if output(np.zeros((1, preprocess.input_size, preprocess.input_size, 3), np.uint8)).ndim == 4:
        maps = output
    return Engine(run, maps, {"name": loaded.library, "version": loaded.version}, batch, 1)
