"""Synthetic faces turned to several views and aligned in 2D: the training set of Figure 5's scenario (c)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.errors import StoreError
from aukit.registration import FaceTurner
from aukit.store.balanced_set import BalancedSet
from aukit.store.growing_set import grow_set
from aukit.store.store import PreparedStore

_STEP = 128
_FRAME = ["video", "position"]
"""Columns that name a frame however it was registered."""

Pose = tuple[float, float]
"""Pitch (positive looks up) and yaw (positive turns to the picture's right), in degrees."""


def rotate(
    frontal: BalancedSet,
    faces: PreparedStore,
    flat: PreparedStore,
    poses: Sequence[Pose],
    per_pose: int,
    out: str | Path,
    seed: int,
) -> BalancedSet:
    """Turn images of a frontal set to each of some poses, as `FaceTurner` does; the labels stay.

    The mesh that is turned is the one that 3D registration fitted to the input frame; an expression that was
    synthesised is in its texture alone.

    Args:
        frontal: Set of 3D-registered images.
        faces: Store of its input frames, which has their landmarks.
        flat: Store of the same frames in 2D registration, whose crops those of the set shall fit; frames that
            are not in it are not drawn.
        poses: The poses.
        per_pose: Images of each pose per level and action unit, drawn without repetition; all that there are
            where there are fewer.
        out: Folder to make; see `grow_set` for what is there already.
        seed: Seed of the draws.

    Raises:
        StoreError: The crops of the two stores differ in size, or no input frame is in both.
    """
    if faces.size != flat.size:
        raise StoreError(
            f"{out}: {faces.path} has crops of {faces.size} px, {flat.path} of {flat.size}; prepare both"
            " alike"
        )
    inputs = frontal.plan["input_frame"].to_numpy()
    index = pd.MultiIndex.from_frame(flat.table.frame[_FRAME])
    in_flat = index.get_indexer(pd.MultiIndex.from_frame(faces.table.frame.loc[inputs, _FRAME]))
    known = frontal.plan[in_flat >= 0]
    if not len(known):
        raise StoreError(
            f"{out}: no input frame of {frontal.path} is in {flat.path}; prepare both of one corpus"
        )
    chosen = [_draw(known, per_pose, [seed, 31, number]) for number in range(len(poses))]
    rows = np.concatenate(chosen)
    pose = np.repeat(np.arange(len(poses)), [len(each) for each in chosen])
    plan = frontal.plan.iloc[rows].assign(input_frame=in_flat[rows]).reset_index(drop=True)
    turner = FaceTurner(flat.size)

    def make(at: slice) -> npt.NDArray[np.uint8]:
        images = np.empty((at.stop - at.start, flat.size, flat.size, 3), np.uint8)
        for number in np.unique(pose[at]):
            mine = pose[at] == number
            some = rows[at][mine]
            landmarks = np.asarray(faces.landmarks[inputs[some]])
            images[mine] = turner(frontal.images_at(some), landmarks, *poses[number])
        return images

    settings = [frontal.fingerprint, flat.fingerprint, [list(map(float, each)) for each in poses], per_pose]
    origin = hashlib.sha256(json.dumps([*settings, seed]).encode()).hexdigest()
    return grow_set(out, plan, flat, origin, make, _STEP, "turn")


def _draw(plan: pd.DataFrame, count: int, seed: Sequence[int]) -> npt.NDArray[np.int64]:
    """Rows of a plan, so many per action unit and level, ascending."""
    rng = np.random.default_rng(list(seed))
    groups = plan.groupby(["au", "level"]).indices
    drawn = [rng.choice(at, min(count, len(at)), replace=False) for _, at in sorted(groups.items())]
    return np.sort(plan.index.to_numpy(dtype=np.int64)[np.concatenate(drawn)])
