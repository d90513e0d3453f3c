"""Pictures of a training: into the run's folder, and to the loggers that take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning import LightningModule
from PIL import Image
from torch import Tensor

from aukit.utils.files import atomic_path

__all__ = ["save_picture", "tiled"]


def tiled(rows: list[Tensor]) -> npt.NDArray[np.uint8]:
    """Rows of images ``[C,3,S,S]`` in [0,1] → one RGB picture ``[R·S, C·S, 3]``."""
    picture = torch.cat([torch.cat(list(row), dim=-1) for row in rows], dim=-2)
    pixels: npt.NDArray[np.uint8] = (picture * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels


def save_picture(
    module: LightningModule, folder: str, step: int, picture: npt.NDArray[np.uint8], key: str | None = None
) -> None:
    """Write a picture of one step of a training; does nothing but on the first process.

    Args:
        module: Module in training.
        folder: Folder inside the run's.
        step: Number of the step, for the file's name.
        picture: uint8 ``[H,W,3]``.
        key: Name under which W&B shows it; None to leave it out there.
    """
    if not module.trainer.is_global_zero:
        return
    path = Path(module.trainer.default_root_dir) / folder / f"step{step:07d}.png"
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
    for logger in module.loggers if key else ():
        if hasattr(logger, "log_image"):
            logger.log_image(key=key, images=[picture])
