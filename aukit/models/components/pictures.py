"""Pictures of a training: into the run's folder, and to the loggers that take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning import LightningModule
from PIL import Image
from torch import Tensor

from aukit.models.components.training import logged_step
from aukit.utils.files import atomic_path

__all__ = ["save_picture", "tiled"]


def tiled(rows: list[Tensor]) -> npt.NDArray[np.uint8]:
    """Rows of images ``[C,3,S,S]`` in [0,1] → one RGB picture ``[R·S, C·S, 3]``."""
    picture = torch.cat([torch.cat(list(row), dim=-1) for row in rows], dim=-2)
    pixels: npt.NDArray[np.uint8] = (picture * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels


def save_picture(module: LightningModule, name: str, picture: npt.NDArray[np.uint8]) -> None:
    """Write a picture of what a training has come to; does nothing but on the first process.

    Args:
        module: Module in training.
        name: Folder inside the run's, whose files are numbered by the batches so far; loggers that show
            pictures have it as ``pictures/<name>``.
        picture: uint8 ``[H,W,3]``.
    """
    if not module.trainer.is_global_zero:
        return
    # Lightning counts a batch when its validation is over.
    batches = logged_step(module.trainer) + int(module.trainer.validating)
    path = Path(module.trainer.default_root_dir) / name / f"step{batches:07d}.png"
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
    for logger in module.loggers:
        if hasattr(logger, "log_image"):
            logger.log_image(key=f"pictures/{name}", images=[picture], step=batches - 1)
