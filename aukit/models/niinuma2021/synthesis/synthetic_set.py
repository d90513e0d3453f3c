"""From a plan and a generator to a balanced synthetic training set on disk."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from aukit.errors import StoreError
from aukit.facs import MAX_INTENSITY
from aukit.models.niinuma2021.synthesis.networks import ExpressionGenerator, compose
from aukit.store.balanced_set import PLAN_COLUMNS, BalancedSet
from aukit.store.files import create_array, map_array, read_manifest
from aukit.store.store import PreparedStore
from aukit.utils.files import write_atomic

__all__ = ["synthesize", "to_images", "to_tensor"]

_ORIGIN = "synthesis.json"
_BLOCK = 64  # batches between two notes of progress


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
        store: The prepared store that the plan's rows index.
        plan: Columns ``au``, ``level``, ``input_frame``, ``target``, as `semantic_resampling` gives them.
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
    out = Path(out)
    origin = _origin(generator, store, plan, aus)
    partial = out.with_name(f".{out.name}.partial")
    if _note_of(out / _ORIGIN).get("origin") == origin:
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed as it removed it
        return BalancedSet.open(out, store)
    inputs, targets = plan["input_frame"].to_numpy(), plan["target"].to_numpy()
    vectors = store.table.intensities(tuple(aus)) / MAX_INTENSITY
    if len(plan) and not np.isfinite(vectors[targets]).all():
        raise StoreError(f"{out}: the plan has targets that are not coded for every AU of {tuple(aus)}")

    shape = (len(plan), store.size, store.size, 3)
    done = _progress_of(partial, origin, shape)
    if done == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        images = create_array(partial / "images.npy", shape)
    else:
        images = np.load(partial / "images.npy", mmap_mode="r+", allow_pickle=False)

    generator = generator.to(device).eval()
    starts = range(done, len(plan), batch_size)
    bar = tqdm(
        total=len(plan), initial=done, desc=f"synthesise {out.name}", unit="image", disable=not progress
    )
    with bar, torch.inference_mode():
        for number, start in enumerate(starts, start=1):
            at = slice(start, start + batch_size)
            real = np.asarray(store.images[inputs[at]])
            image, aus_target = to_tensor(real).to(device), torch.from_numpy(vectors[targets[at]]).to(device)
            fake = to_images(compose(image, *generator(image, aus_target)))
            visible = real.any(axis=-1, keepdims=True)
            images[at] = np.where(visible, np.maximum(fake, 1), np.uint8(0))
            bar.update(len(real))
            if number % _BLOCK == 0:
                _note(images, partial, origin, min(start + batch_size, len(plan)))
    _note(images, partial, origin, len(plan))
    made = BalancedSet.write(out, plan, store, _batches(images))
    write_atomic(out / _ORIGIN, json.dumps({"origin": origin}).encode())
    shutil.rmtree(partial)
    return made


def _origin(
    generator: ExpressionGenerator, store: PreparedStore, plan: pd.DataFrame, aus: Sequence[int]
) -> str:
    """Hash of everything the images depend on."""
    settings = [store.fingerprint, list(aus), generator.attention_bias, generator.attend]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for name, value in sorted(generator.state_dict().items()):
        digest.update(name.encode() + value.detach().float().cpu().contiguous().numpy().tobytes())
    digest.update(plan[list(PLAN_COLUMNS)].to_numpy(np.int64).tobytes())
    return digest.hexdigest()


def _progress_of(partial: Path, origin: str, shape: tuple[int, ...]) -> int:
    """Images that are done; 0 where another set was begun or what is there is damaged."""
    state = _note_of(partial / "progress.json")
    if state.get("origin") != origin or not isinstance(state.get("done"), int):
        return 0
    try:
        map_array(partial / "images.npy", np.uint8, shape)
    except ValueError:
        return 0
    return int(state["done"])


def _note_of(path: Path) -> dict[str, Any]:
    """What a note says; nothing where it is missing or damaged."""
    try:
        return read_manifest(path)
    except ValueError:
        return {}


def _note(
    images: np.memmap[tuple[int, ...], np.dtype[np.uint8]], partial: Path, origin: str, done: int
) -> None:
    images.flush()
    write_atomic(partial / "progress.json", json.dumps({"origin": origin, "done": done}).encode())


def _batches(images: npt.NDArray[np.uint8], size: int = 1024) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(images), size):
        yield np.asarray(images[start : start + size])
