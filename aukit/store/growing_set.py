"""A balanced set whose own images are made in steps: what was interrupted goes on, what is there stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aukit.store.balanced_set import IMAGES, PROGRESS, BalancedSet, check_inputs, replaceable
from aukit.store.files import create_array, map_array, read_manifest
from aukit.store.store import PreparedStore
from aukit.utils.files import atomic_folder, write_atomic

_BLOCK = 64  # steps between two notes of progress

Pixels = npt.NDArray[np.uint8]
Mapped = np.memmap[Any, np.dtype[np.uint8]]


def grow_set(
    path: str | Path,
    plan: pd.DataFrame,
    store: PreparedStore,
    origin: str,
    make: Callable[[slice], Pixels],
    step: int,
    what: str,
    progress: bool = True,
) -> BalancedSet:
    """Make the images of a set, or find them made.

    Args:
        path: Folder of the set.
        plan: As for `BalancedSet.write`.
        store: As for `BalancedSet.write`; gives the size of the images.
        origin: Hash of all that the images depend on. A set of the same one and the same plan is returned as
            it is; one that was interrupted goes on at the last note.
        make: Rows of the plan → their images uint8 ``[b,S,S,3]``.
        step: Images that are made at once.
        what: What is done, for the progress bar.
        progress: Whether there is one, with the time left.

    Raises:
        StoreError: The plan names rows outside the store, or is none; or something else than a set is there.
    """
    path, count = Path(path), len(plan)
    # Equal images may be of another plan, whose labels are of other people.
    if _done(path, origin) == count and (there := BalancedSet.open(path)).is_of(plan):
        return there
    check_inputs(plan, store, path)
    with atomic_folder(replaceable(path), resume=True) as folder:
        images, done = _begun(folder, origin, (count, store.size, store.size, 3))
        with tqdm(
            total=count, initial=done, desc=f"{what} {path.name}", unit="image", disable=not progress
        ) as bar:
            for number, start in enumerate(range(done, count, step), start=1):
                at = slice(start, min(start + step, count))
                images[at] = make(at)
                bar.update(at.stop - at.start)
                if number % _BLOCK == 0:
                    _note(images, folder, origin, at.stop)
        _note(images, folder, origin, count)
        BalancedSet.seal(folder, path, plan, store)
    return BalancedSet.open(path)


def _done(folder: Path, origin: str) -> int:
    """Images of this origin that are in a folder; 0 where its note is missing, damaged or of others."""
    try:
        state = read_manifest(folder / PROGRESS)
    except ValueError:
        return 0
    return state["done"] if state.get("origin") == origin and type(state.get("done")) is int else 0


def _begun(folder: Path, origin: str, shape: tuple[int, ...]) -> tuple[Mapped, int]:
    """The images in a folder, to go on writing, and how many are done; none where they are damaged."""
    if done := _done(folder, origin):
        with suppress(ValueError):
            map_array(folder / IMAGES, np.uint8, shape)
            return np.load(folder / IMAGES, mmap_mode="r+", allow_pickle=False), done
    (folder / PROGRESS).unlink(missing_ok=True)
    return create_array(folder / IMAGES, shape), 0


def _note(images: Mapped, folder: Path, origin: str, done: int) -> None:
    images.flush()
    write_atomic(folder / PROGRESS, json.dumps({"origin": origin, "done": done}).encode())
