"""From a plan and a generator to a balanced synthetic training set on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from aukit.errors import StoreError
from aukit.facs import MAX_INTENSITY, intensity_column
from aukit.models.niinuma2021.synthesis.networks import ExpressionGenerator, compose
from aukit.store.balanced_set import BalancedSet, check_inputs
from aukit.store.growing_set import grow_set
from aukit.store.store import PreparedStore

__all__ = ["synthesize", "to_images", "to_tensor"]


def to_tensor(images: npt.NDArray[np.uint8]) -> Tensor:
    """Turn uint8 ``[B,S,S,3]`` into float32 ``[B,3,S,S]`` in [−1,1]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def to_images(tensor: Tensor) -> npt.NDArray[np.uint8]:
    """Turn float ``[B,3,S,S]`` in [−1,1] into uint8 ``[B,S,S,3]``, rounded and clipped."""
    scaled = ((tensor.detach().float() + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def synthesize(
    generator: ExpressionGenerator,
    store: PreparedStore,
    plan: pd.DataFrame,
    out: str | Path,
    aus: Sequence[int] = (1, 4, 6, 10, 12, 14, 17),
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> BalancedSet:
    """Synthesise every image of a plan: G(I_input | y_target / 5), targets without noise (§4.2.2).

    Pixels that the input frame does not show, (0,0,0), stay so; all others are at least 1.

    Args:
        generator: The trained generator.
        store: The prepared store of the plan's input frames.
        plan: What `semantic_resampling` returns.
        out: Folder to make. A set of the same plan, store and generator that is there already is returned; a
            run that was interrupted resumes at the batch it had reached.
        aus: Action units in the order of the generator's vector.
        batch_size: Images per forward pass; 16 is best on a CPU, take more on a GPU.
        device: Device of the forward passes. The generator is moved there.
        progress: Show a progress bar with the time left.

    Raises:
        StoreError: The plan names rows outside the store, or targets that are not coded for every action
            unit.

    Cost: one thread, generator of width 16 with 3 blocks at 64²: about 4 ms per image.
    """
    check_inputs(plan, store, out)
    inputs = plan["input_frame"].to_numpy()
    vectors = plan.reindex(columns=[intensity_column(au) for au in aus]).to_numpy(np.float32) / MAX_INTENSITY
    if not np.isfinite(vectors).all():
        raise StoreError(f"{out}: the plan has targets that are not coded for every AU of {tuple(aus)}")
    origin = _origin(generator, store, plan, aus)
    generator = generator.to(device).eval()

    @torch.inference_mode()
    def make(at: slice) -> npt.NDArray[np.uint8]:
        real = np.asarray(store.images[inputs[at]])
        image, target = to_tensor(real).to(device), torch.from_numpy(vectors[at]).to(device)
        fake = to_images(compose(image, *generator(image, target)))
        visible = real.any(axis=-1, keepdims=True)
        return np.where(visible, np.maximum(fake, 1), np.uint8(0))

    return grow_set(out, plan, store, origin, make, batch_size, "synthesise", progress)


def _origin(
    generator: ExpressionGenerator, store: PreparedStore, plan: pd.DataFrame, aus: Sequence[int]
) -> str:
    """Hash of everything the images depend on."""
    masks = [generator.attention_bias, generator.attention_limit, generator.attend]
    settings = [store.fingerprint, list(aus), *masks]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for name, value in sorted(generator.state_dict().items()):
        digest.update(name.encode() + value.detach().float().cpu().contiguous().numpy().tobytes())
    columns = ["au", "level", "input_frame", *map(intensity_column, aus)]
    digest.update(plan.reindex(columns=columns).to_numpy(np.float64).tobytes())
    return digest.hexdigest()
