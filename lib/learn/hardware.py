"""The number format of training: bfloat16 where the hardware multiplies it, else float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def precision(device: torch.device) -> str:
    """`bfloat16` where `device` multiplies it in hardware, else `float32`: the precision of a training forward pass."""
    import torch

    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    capabilities = torch.cpu.get_capabilities()
    return "bfloat16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "float32"


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """A context in which a forward pass computes in the device's `precision`."""
    import torch

    return torch.autocast(device.type, torch.bfloat16) if precision(device) == "bfloat16" else nullcontext()
