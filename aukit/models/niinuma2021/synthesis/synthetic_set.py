"""From a plan and a generator to a balanced synthetic training set on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from aukit.errors import StoreError
from aukit.facs import MAX_INTENSITY, intensity_column
from aukit.models.niinuma2021.synthesis.networks import ExpressionGenerator, compose
from aukit.store.balanced_set import IMAGES, BalancedSet, check_inputs
from aukit.store.files import create_array, map_array, read_manifest
from aukit.store.store import PreparedStore
from aukit.utils.files import atomic_folder, write_atomic

__all__ = ["synthesize", "to_images", "to_tensor"]

_PROGRESS = "synthesis.json"
_BLOCK = 64  # batches between two notes of progress

Mapped = np.memmap[Any, np.dtype[np.uint8]]


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
    out, count = Path(out), len(plan)
    origin = _origin(generator, store, plan, aus)
    if _done(out, origin) == count:
        return BalancedSet.open(out)
    check_inputs(plan, store, out)
    inputs = plan["input_frame"].to_numpy()
    vectors = plan.reindex(columns=[intensity_column(au) for au in aus]).to_numpy(np.float32) / MAX_INTENSITY
    if not np.isfinite(vectors).all():
        raise StoreError(f"{out}: the plan has targets that are not coded for every AU of {tuple(aus)}")

    generator = generator.to(device).eval()
    with atomic_folder(out, resume=True) as folder:
        images, done = _begun(folder, origin, (count, store.size, store.size, 3))
        bar = tqdm(
            total=count, initial=done, desc=f"synthesise {out.name}", unit="image", disable=not progress
        )
        with bar, torch.inference_mode():
            for number, start in enumerate(range(done, count, batch_size), start=1):
                at = slice(start, start + batch_size)
                real = np.asarray(store.images[inputs[at]])
                image, aus_target = to_tensor(real).to(device), torch.from_numpy(vectors[at]).to(device)
                fake = to_images(compose(image, *generator(image, aus_target)))
                visible = real.any(axis=-1, keepdims=True)
                images[at] = np.where(visible, np.maximum(fake, 1), np.uint8(0))
                bar.update(len(real))
                if number % _BLOCK == 0:
                    _note(images, folder, origin, min(start + batch_size, count))
        _note(images, folder, origin, count)
        BalancedSet.seal(folder, out, plan, store)
    return BalancedSet.open(out)


def _origin(
    generator: ExpressionGenerator, store: PreparedStore, plan: pd.DataFrame, aus: Sequence[int]
) -> str:
    """Hash of everything the images depend on."""
    settings = [store.fingerprint, list(aus), generator.attention_bias, generator.attend]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for name, value in sorted(generator.state_dict().items()):
        digest.update(name.encode() + value.detach().float().cpu().contiguous().numpy().tobytes())
    columns = ["au", "level", "input_frame", *map(intensity_column, aus)]
    digest.update(plan.reindex(columns=columns).to_numpy(np.float64).tobytes())
    return digest.hexdigest()


def _done(folder: Path, origin: str) -> int:
    """Images of this origin that are in a folder; 0 where its note is missing, damaged or of others."""
    try:
        state = read_manifest(folder / _PROGRESS)
    except ValueError:
        return 0
    return state["done"] if state.get("origin") == origin and type(state.get("done")) is int else 0


def _begun(folder: Path, origin: str, shape: tuple[int, ...]) -> tuple[Mapped, int]:
    """The images in a folder, to go on writing, and how many are done; none where they are damaged."""
    if done := _done(folder, origin):
        with suppress(ValueError):
            map_array(folder / IMAGES, np.uint8, shape)
            return np.load(folder / IMAGES, mmap_mode="r+", allow_pickle=False), done
    (folder / _PROGRESS).unlink(missing_ok=True)
    return create_array(folder / IMAGES, shape), 0


def _note(images: Mapped, folder: Path, origin: str, done: int) -> None:
    images.flush()
    write_atomic(folder / _PROGRESS, json.dumps({"origin": origin, "done": done}).encode())
