"""Inference engines of ResNet18: the folded network in torch, or the same convolutions called in oneDNN one by one.

torch is the reference. oneDNN, a part of torch, is used on a CPU only after its output for a fixed batch equals that of
torch; where it is missing, fails or differs, torch is used. Vectors record the engine's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.embed.space import PRECISIONS
from lib.errors import Remedy, WeightsError
from lib.learn import backbone, distributed, hardware, transforms
from lib.learn.backbone import Weights
from lib.learn.preprocess import Preprocess
from lib.settings import command_line

if TYPE_CHECKING:
    import torch

FP32, BF16 = PRECISIONS
# Photos in a batch: a CPU's caches are small, a GPU needs large batches.
BATCH, GPU_BATCH = 16, 256
# Each batch in the network takes up to 80 MB.
MOST_WORKERS = 8
# Largest cosine distance to torch's float32 output at which an engine counts as equal; bfloat16 has 8 bits.
TOLERANCE = {FP32: 1e-6, BF16: 1e-3}
# Largest allocation that the C library serves from memory that it caches; larger ones cost a page fault per 4 kB.
CACHED_ALLOCATION = 32 << 20
GPU_MEMORY_FULL = "The GPU has too little free memory for even one photo"
Network = Callable[[Any], Any]
_EMPTY: tuple[str, list[float], str] = ("none", [], "")
_RELU: tuple[str, list[float], str] = ("relu", [], "")


@dataclass(frozen=True)
class Pooled:
    """A network that averages its last feature maps (n, 512, h, w) over their positions: features (n, 512)."""

    maps: Network

    def __call__(self, batch: Any) -> Any:
        """The features of a batch (n, 3, side, side)."""
        return self.maps(batch).float().mean((2, 3))


@dataclass(frozen=True)
class Engine:
    """`run` turns photos, uint8 (n, side, side, 3), into features, float32 (n, d); `maps` into the last feature maps,
    float32 (n, d, h, w), whose means over the positions are those features, None for networks whose features are no
    such means. `facts` go into provenance. `workers`, each with its own batch, keep the machine busy."""

    run: Callable[[np.ndarray], np.ndarray]
    maps: Callable[[np.ndarray], np.ndarray] | None
    facts: dict[str, str]
    batch: int
    workers: int


def check(precision: str) -> None:
    """Raises WeightsError when this machine does not compute in `precision`."""
    if precision == BF16 and hardware.precision(distributed.device()) != "bfloat16":
        raise WeightsError(
            "This machine has no bfloat16, which needs a GPU or a processor with avx512_bf16 or amx_bf16",
            remedy=Remedy.RUN_COMMAND,
            command=command_line("prepare", precision=FP32),
        )


def engine(weights: Weights, precision: str = FP32, build: Callable[..., Network] | None = None) -> Engine:
    """The fastest engine for `weights` on this machine that equals torch.

    `build` builds the network that is tried before torch (default: `onednn`). Raises WeightsError when the weights do
    not fit, or this machine does not compute in `precision`.
    """
    import torch

    check(precision)
    device, preprocess = distributed.device(), weights.preprocess
    dtype = torch.bfloat16 if precision == BF16 else torch.float32
    reference: Any = backbone.features(weights)
    fast, name = None, "torch"
    if device.type == "cpu":
        fast = _verified(reference, build or onednn, precision, preprocess.input_size)
        name = "onednn" if fast is not None else name
    if device.type == "cuda":
        # Otherwise, pinning memory would make every process take a few hundred MB of the first GPU.
        torch.cuda.set_device(device)
        name = f"torch, {torch.cuda.get_device_name(device)}"
    network: Network | None = fast
    if network is None:
        try:
            network = reference.to(device=device, dtype=dtype)
        except torch.OutOfMemoryError as error:
            raise WeightsError(GPU_MEMORY_FULL, remedy=Remedy.FREE_GPU) from error
    last_maps = fast.maps if isinstance(fast, Pooled) else lambda batch: backbone.last_maps(reference.to(dtype), batch)

    run, maps = (computed(by, preprocess, device, dtype) for by in (network, last_maps))
    facts = {"name": name, "version": torch.__version__}
    if device.type == "cuda":
        return Engine(within_memory(run, GPU_BATCH), within_memory(maps, GPU_BATCH), facts, GPU_BATCH, 1)
    return Engine(run, maps, facts, BATCH, min(MOST_WORKERS, torch.get_num_threads()))


def computed(
    by: Network, preprocess: Preprocess, device: torch.device, dtype: torch.dtype
) -> Callable[[np.ndarray], np.ndarray]:
    """The function from photos, uint8 (n, side, side, 3), to what the network `by` makes of them, float32."""
    import torch

    def compute(photos: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), _exact(device):
            return _values(by, _input(photos, preprocess, device).to(dtype))

    return compute


@contextmanager
def thread_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool whose workers divide torch's threads.

    Threads that share a layer wait for each other at its end, and for other programs on their cores; with a batch each
    they never wait.
    """
    import torch

    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(max(1, threads // workers),))
    try:
        with pool:
            yield pool
    finally:
        # torch passes a thread's own setting on to every later thread.
        torch.set_num_threads(threads)


def within_memory(run: Callable[[np.ndarray], np.ndarray], most: int) -> Callable[[np.ndarray], np.ndarray]:
    """`run` for at most `most` photos at a time, halved for good whenever the GPU's memory does not hold them. Raises
    WeightsError when it does not hold one photo."""
    import torch

    def run_in_parts(photos: np.ndarray) -> np.ndarray:
        nonlocal most
        while True:
            size = min(most, len(photos))
            try:
                return np.concatenate([run(photos[start : start + size]) for start in range(0, len(photos), size)])
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise WeightsError(GPU_MEMORY_FULL, remedy=Remedy.FREE_GPU) from error
            # Only here is all memory of the failed attempt released.
            most = size // 2
            torch.cuda.empty_cache()

    return run_in_parts


def _values(network: Network, batch: torch.Tensor) -> np.ndarray:
    values: np.ndarray = network(batch).float().cpu().numpy()
    return values


def _input(photos: np.ndarray, preprocess: Preprocess, device: torch.device) -> torch.Tensor:
    """The network's input: float32 (n, 3, side, side), channels last, on `device`."""
    import torch

    if device.type == "cpu":
        ready = torch.from_numpy(transforms.normalise(photos, preprocess))
        return ready.contiguous(memory_format=torch.channels_last)
    # As uint8 only a quarter of the bytes is copied, from pinned memory, while photos are read.
    return normalised(torch.from_numpy(photos).pin_memory().to(device, non_blocking=True), preprocess)


def normalised(photos: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """`transforms.normalise` on the photos' device: uint8 (n, h, w, 3) → float32 (n, 3, h, w), channels last."""
    import torch

    mean, std = (
        torch.tensor(values, device=photos.device).view(3, 1, 1) for values in (preprocess.mean, preprocess.std)
    )
    return (photos.permute(0, 3, 1, 2).float() / 255 - mean) / std


def _exact(device: torch.device) -> Any:
    """A context without TF32 on a GPU: torch's default for convolutions, it keeps 11 bits of a float32."""
    import torch

    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()


def probe_batch(count: int, side: int) -> torch.Tensor:
    """A fixed batch (count, 3, side, side). It has edges and large areas, as photos do: on plain noise most channels
    are alike."""
    import torch

    noise = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 4 - 2
    return torch.nn.functional.interpolate(noise, (side, side)).contiguous(memory_format=torch.channels_last)


def _verified(reference: Any, build: Callable[..., Network], precision: str, side: int) -> Network | None:
    """The network that `build` builds of `reference`, if both have the same output for a fixed batch; else None."""
    import torch

    probe = probe_batch(BATCH, side)
    dtype = torch.bfloat16 if precision == BF16 else torch.float32
    try:
        with torch.inference_mode():
            fast = build(reference, dtype, side)
            features, expected = (output.double() for output in (fast(probe.to(dtype)), reference(probe)))
    except (RuntimeError, AttributeError, TypeError, NotImplementedError):  # in other versions of torch, on other CPUs
        return None
    apart = 1 - torch.nn.functional.cosine_similarity(features, expected)
    return fast if bool((apart <= TOLERANCE[precision]).all()) else None


def onednn(network: Any, dtype: torch.dtype, side: int) -> Pooled:
    """The folded `network` as oneDNN calls: weights are reordered once for the kernel; shortcut and ReLU are applied
    while a convolution's result is still in cache.

    torch.compile makes the same calls of the network, and takes half a minute to compile them. Raises RuntimeError or
    AttributeError where torch does not have them.
    """
    import torch

    convolve: Any = torch.ops.mkldnn._convolution_pointwise
    arrange: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    # The first result is the largest by far.
    size = dtype.itemsize * 64 * (side // 2) ** 2
    chunk = max(1, min(BATCH, 8, CACHED_ALLOCATION // size))

    def reordered(conv: Any, side: int, count: int = BATCH) -> tuple[Any, ...]:
        shape = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        weight = arrange(conv.weight.detach().to(dtype).to_mkldnn(), *shape, [count, conv.in_channels, side, side])
        return (weight, conv.bias.detach().to(dtype), *shape)

    stem = reordered(network.conv1, side, chunk)
    side //= 4
    blocks = []
    for block in (part for stage in backbone.stages(network) for part in stage):
        shortcut = reordered(block.downsample, side) if block.downsample is not None else None
        first = reordered(block.conv1, side)
        side = max(1, side // block.conv1.stride[0])
        blocks.append((first, reordered(block.conv2, side), shortcut))

    def maps(batch: Any) -> Any:
        x = torch.cat([network.maxpool(convolve(part, *stem, *_RELU)) for part in batch.split(chunk)])
        for first, second, shortcut in blocks:
            added = x if shortcut is None else convolve(x, *shortcut, *_EMPTY)
            x = convolve.binary(convolve(x, *first, *_RELU), added, *second, "add", 1.0, *_RELU)
        return x

    return Pooled(maps)
