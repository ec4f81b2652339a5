"""Numerical precision: may be reduced for learning perturbations and impressions, full for measuring."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from auditor.errors import InputError
from auditor.models.loaded import LoadedModel


def resolve(precision: str, device: torch.device) -> str:
    """``auto`` becomes ``bfloat16`` if the hardware supports it, else ``float32``."""
    if precision in ("float32", "bfloat16"):
        return precision
    if precision != "auto":
        raise InputError(f"precision '{precision}': needed auto, float32 or bfloat16")
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bfloat16"
    return "float32"


def learning(model: LoadedModel, precision: str) -> AbstractContextManager[Any]:
    """Autocast for learning on the model's device; full precision is a no-op."""
    if precision == "bfloat16":
        return torch.autocast(model.device.type, dtype=torch.bfloat16)
    return nullcontext()
