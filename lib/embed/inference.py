"""What carries ResNet18 out: the folded network in torch, or the same convolutions called in oneDNN one by one.

torch is the reference. oneDNN, which torch brings along, is taken on a CPU only after it has answered a fixed batch as
torch does; where it is missing, fails or differs, torch stays. The engine's name is part of what vectors record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.embed import spaces
from lib.errors import WeightsError
from lib.learn import backbone, distributed, hardware, transforms
from lib.learn.backbone import Preprocess, Weights

if TYPE_CHECKING:
    import torch

PRECISIONS = spaces.PRECISIONS
FP32, BF16 = PRECISIONS
# Photos at a time: caches of a CPU are small, a GPU wants much to do.
BATCH, GPU_BATCH = 16, 256
# Each batch on its way through the network holds up to 80 MB.
MOST_WORKERS = 8
# Cosine distance to torch's float32 up to which another engine counts as equal; bfloat16 keeps 8 bits of a number.
EQUAL = {FP32: 1e-6, BF16: 1e-3}
# Bytes up to which the C library takes a result from memory that it keeps; larger ones cost a page fault per 4 kB.
KEPT = 32 << 20
NO_ROOM = (
    "The GPU has too little free memory for even one photo: end the other programs on it, or compute on the processor "
    "(CUDA_VISIBLE_DEVICES= python -m lib prepare)."
)
Network = Callable[[Any], Any]
_EMPTY: tuple[str, list[float], str] = ("none", [], "")
_RELU: tuple[str, list[float], str] = ("relu", [], "")


@dataclass(frozen=True)
class Engine:
    """`run` turns photos, uint8 (n, side, side, 3), into features, float32 (n, 512). `facts` go into provenance. So
    many `workers` keep the machine busy when each runs a batch of its own."""

    run: Callable[[np.ndarray], np.ndarray]
    facts: dict[str, str]
    batch: int
    workers: int


def check(precision: str) -> None:
    """Raises WeightsError where this machine does not compute in `precision`."""
    if precision == BF16 and hardware.precision(distributed.device()) != "bfloat16":
        raise WeightsError(
            "This machine has no bfloat16 (a GPU, or a processor with avx512_bf16 or amx_bf16): "
            "run `python -m lib prepare --precision fp32`."
        )


def engine(weights: Weights, precision: str = FP32, build: Callable[..., Network] | None = None) -> Engine:
    """The fastest proven engine for `weights` on this machine.

    `build` makes the network that is tried before torch. Raises WeightsError when the weights do not fit, or this
    machine does not compute in `precision`.
    """
    import torch

    check(precision)
    device, preprocess = distributed.device(), weights.preprocess
    dtype = torch.bfloat16 if precision == BF16 else torch.float32
    network: Any = backbone.features(weights)
    found, name = None, "torch"
    if device.type == "cpu":
        found = _proven(network, build or onednn, precision, preprocess.input_size)
        name = "onednn" if found is not None else name
    if device.type == "cuda":
        # Else pinning memory makes every process take a few hundred MB of the first GPU.
        torch.cuda.set_device(device)
        name = f"torch, {torch.cuda.get_device_name(device)}"
    if found is None:
        try:
            found = network.to(device=device, dtype=dtype)
        except torch.OutOfMemoryError as error:
            raise WeightsError(NO_ROOM) from error
    network = found

    def run(photos: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), _exact(device):
            return _answer(network, _input(photos, preprocess, device).to(dtype))

    facts = {"name": name, "version": torch.__version__}
    if device.type == "cuda":
        return Engine(as_fits(run, GPU_BATCH), facts, GPU_BATCH, 1)
    return Engine(run, facts, BATCH, min(MOST_WORKERS, torch.get_num_threads()))


@contextmanager
def crew(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share torch's threads among them.

    Two that compute a layer together wait for each other at its end, and both for whoever takes one's core meanwhile;
    with a batch each they wait for nobody.
    """
    import torch

    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(max(1, threads // workers),))
    try:
        with pool:
            yield pool
    finally:
        # What a thread sets for itself, torch gives to every thread that comes later.
        torch.set_num_threads(threads)


def as_fits(run: Callable[[np.ndarray], np.ndarray], most: int) -> Callable[[np.ndarray], np.ndarray]:
    """`run` for at most `most` photos at a time, and from then on half as many whenever a GPU's memory does not hold
    them. Raises WeightsError when it does not even hold one."""
    import torch

    def lean(photos: np.ndarray) -> np.ndarray:
        nonlocal most
        while True:
            size = min(most, len(photos))
            try:
                return np.concatenate([run(photos[start : start + size]) for start in range(0, len(photos), size)])
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise WeightsError(NO_ROOM) from error
            # Only here is nothing of the failed attempt held any more.
            most = size // 2
            torch.cuda.empty_cache()

    return lean


def _answer(network: Network, batch: torch.Tensor) -> np.ndarray:
    found: np.ndarray = network(batch).float().cpu().numpy()
    return found


def _input(photos: np.ndarray, preprocess: Preprocess, device: torch.device) -> torch.Tensor:
    """The network's input: float32 (n, 3, side, side), channels last, on `device`."""
    import torch

    if device.type == "cpu":
        ready = torch.from_numpy(transforms.normalise(photos, preprocess))
        return ready.contiguous(memory_format=torch.channels_last)
    # A quarter of the bytes travels as uint8, from pinned memory, while the threads that read go on.
    return normalised(torch.from_numpy(photos).pin_memory().to(device, non_blocking=True), preprocess)


def normalised(photos: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """`transforms.normalise` where the photos lie: uint8 (n, h, w, 3) → float32 (n, 3, h, w), channels last."""
    import torch

    mean, std = (
        torch.tensor(values, device=photos.device).view(3, 1, 1) for values in (preprocess.mean, preprocess.std)
    )
    return (photos.permute(0, 3, 1, 2).float() / 255 - mean) / std


def _exact(device: torch.device) -> Any:
    """On a GPU float32 means float32: TF32, torch's default for convolutions, keeps 11 bits of a number."""
    import torch

    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()


def _proven(network: Any, build: Callable[..., Network], precision: str, side: int) -> Network | None:
    """The network that `build` makes, if it answers a fixed batch as `network`, torch's float32 one, does."""
    import torch

    # Pictures with edges and large faces, as photos have: noise alone leaves most channels alike.
    noise = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 4 - 2
    probe = torch.nn.functional.interpolate(noise, (side, side)).contiguous(memory_format=torch.channels_last)
    dtype = torch.bfloat16 if precision == BF16 else torch.float32
    try:
        with torch.inference_mode():
            fast = build(network, dtype, side)
            found, wanted = (made.double() for made in (fast(probe.to(dtype)), network(probe)))
    except (RuntimeError, AttributeError, TypeError, NotImplementedError):  # another torch, or another processor
        return None
    apart = 1 - torch.nn.functional.cosine_similarity(found, wanted)
    return fast if bool((apart <= EQUAL[precision]).all()) else None


def onednn(network: Any, dtype: torch.dtype, side: int) -> Network:
    """The folded `network` as calls of oneDNN: weights are laid out once for the kernel, and adding the shortcut and
    cutting off below zero happen while a convolution's result is still in cache.

    These are the calls that torch.compile makes of the network, without the half minute that it takes for them. Raises
    RuntimeError or AttributeError where torch does not have them.
    """
    import torch

    convolve: Any = torch.ops.mkldnn._convolution_pointwise
    arrange: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    # The first result is the largest by far.
    size = dtype.itemsize * 64 * (side // 2) ** 2
    chunk = max(1, min(BATCH, 8, KEPT // size))

    def laid_out(conv: Any, side: int, count: int = BATCH) -> tuple[Any, ...]:
        shape = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        weight = arrange(conv.weight.detach().to(dtype).to_mkldnn(), *shape, [count, conv.in_channels, side, side])
        return (weight, conv.bias.detach().to(dtype), *shape)

    stem = laid_out(network.conv1, side, chunk)
    side //= 4
    blocks = []
    for block in (part for stage in backbone.stages(network) for part in stage):
        shortcut = laid_out(block.downsample, side) if block.downsample is not None else None
        first = laid_out(block.conv1, side)
        side = max(1, side // block.conv1.stride[0])
        blocks.append((first, laid_out(block.conv2, side), shortcut))

    def run(batch: Any) -> Any:
        x = torch.cat([network.maxpool(convolve(part, *stem, *_RELU)) for part in batch.split(chunk)])
        for first, second, shortcut in blocks:
            beside = x if shortcut is None else convolve(x, *shortcut, *_EMPTY)
            x = convolve.binary(convolve(x, *first, *_RELU), beside, *second, "add", 1.0, *_RELU)
        return x.float().mean((2, 3))

    return run
