"""GPUs that this process may use."""

from __future__ import annotations

import os

import torch

__all__ = ["visible_gpus"]


def visible_gpus() -> list[str]:
    """GPUs that torch sees, as ``CUDA_VISIBLE_DEVICES`` names them: indices or identifiers."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] if named else [str(index) for index in range(count)]
