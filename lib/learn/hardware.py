"""What training computes with: the precision that the hardware multiplies fastest."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def precision(device: torch.device) -> str:
    """What a forward pass of training computes in: bfloat16 where the hardware multiplies it, else float32."""
    import torch

    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("amx_bf16") or able.get("avx512_bf16") else "float32"


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """A forward pass of training in the device's `precision`."""
    import torch

    return torch.autocast(device.type, torch.bfloat16) if precision(device) == "bfloat16" else nullcontext()
