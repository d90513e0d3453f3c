"""Whether a training can go on from a checkpoint, seen before anything is loaded or written."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule

from aukit.errors import StoreError

_STATE = ("loops", "optimizer_states", "lr_schedulers", "callbacks", "state_dict")


def check_resumable(path: Path, model: LightningModule) -> None:
    """See that a checkpoint is whole and of this training; tensors stay on the disk, so it takes no memory.

    Args:
        path: The checkpoint that the run would go on from.
        model: The model of the run.

    Raises:
        StoreError: It is not; the message says which file to remove and what is lost by it.
    """
    if (fault := _fault(path, model)) is None:
        return
    lost, best = "training then begins anew", path.with_name("best.ckpt")
    if best.exists() and readable(best) is not None:
        lost += f"; {best.name} beside it is whole, for aukit test --checkpoint {best}"
    raise StoreError(f"{path}: {fault}\nremove this file and repeat the command: {lost}")


def _fault(path: Path, model: LightningModule) -> str | None:
    """Why a training of the model cannot go on from a file."""
    content = readable(path)
    if content is None:
        return f"is truncated or no checkpoint ({path.stat().st_size:,} bytes)"
    if missing := [name for name in _STATE if name not in content]:
        return f"holds no state of a training: {missing[0]} is missing"
    own, saved = model.state_dict(), content["state_dict"]
    if differ := sorted(own.keys() ^ saved.keys()):
        return f"is of another model: {differ[0]} is in one of them only"
    if differ := [name for name, value in own.items() if value.shape != saved[name].shape]:
        there, here = list(saved[differ[0]].shape), list(own[differ[0]].shape)
        return f"is of another model: {differ[0]} has the shape {there}, here {here}"
    return None


def readable(path: Path) -> Mapping[str, Any] | None:
    """What a checkpoint holds, its tensors left on the disk; None for a file that is none."""
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a mapping behind the end of the file
            raise
        return None
    except (RuntimeError, EOFError, ValueError, LookupError, pickle.UnpicklingError):
        return None
    return content if isinstance(content, Mapping) else None
