"""Training sets balanced over intensity levels: a plan (which frame, which target), perhaps images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.errors import StoreError
from aukit.store.files import create_array, map_array, read_manifest, read_table, require
from aukit.store.store import PreparedStore
from aukit.utils.files import atomic_folder

_PLAN = "set.parquet"
_IMAGES = "images.npy"
_MANIFEST = "set.json"

#: Raised whenever the content or the layout of a balanced set changes.
SCHEMA = 3

PLAN_COLUMNS = ("au", "level", "input_frame", "target")
"""Columns of a plan, in the order in which they are hashed."""


class BalancedSet:
    """A balanced training set in a folder.

    `set.parquet` has one row per training image: `au` (the action unit it was drawn for), `level` (0..5),
    `input_frame` (row of the prepared store that gives the face) and `target` (row that gives the labels).
    With `images.npy` (uint8 [M,S,S,3]) the images are synthesised; without it they are the input frames.

    Args:
        path: the folder.
        plan: the table described above, index 0..M-1.
        images: memory map of the synthetic images, or None.
        store: the prepared store that `input_frame` and `target` index.
        fingerprint: hash of plan, store and images.

    Example:
        >>> rows = np.arange(4)
        >>> plan = pd.DataFrame({"au": 12, "level": rows, "input_frame": rows, "target": rows[::-1]})
        >>> balanced = BalancedSet.write("sets/real", plan, store)  # doctest: +SKIP
        >>> balanced.images_at(rows).shape  # doctest: +SKIP
        (4, 64, 64, 3)
    """

    def __init__(
        self,
        path: Path,
        plan: pd.DataFrame,
        images: npt.NDArray[np.uint8] | None,
        store: PreparedStore,
        fingerprint: str,
    ) -> None:
        self.path = path
        self.plan = plan
        self.images = images
        self.store = store
        self.fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self.plan)

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "store": self.store}  # never the pixels: a loader process maps them itself

    def __setstate__(self, state: dict[str, object]) -> None:
        path, store = state["path"], state["store"]
        assert isinstance(path, Path)
        assert isinstance(store, PreparedStore)
        self.__dict__.update(BalancedSet.open(path, store).__dict__)

    @classmethod
    def open(cls, path: str | Path, store: PreparedStore) -> BalancedSet:
        """Open a set that `write` made.

        Args:
            path: its folder.
            store: the store it was made from.

        Raises:
            StoreError: the folder is incomplete or damaged, or was made from another store or by an earlier
                version.
        """
        path = Path(path)
        if not (path / _MANIFEST).is_file():
            raise StoreError(f"{path}: no complete balanced set here ({_MANIFEST} is missing); make it again")
        try:
            manifest = read_manifest(path / _MANIFEST)
            if (schema := manifest.get("schema", 1)) != SCHEMA:
                raise StoreError(
                    f"{path}: made by another version (schema {schema}, this version reads {SCHEMA}); delete"
                    " the folder and make it again"
                )
            require(manifest, _MANIFEST, {"fingerprint": str, "store": str, "plan": str, "images": bool})
            if manifest["store"] != store.fingerprint:
                raise StoreError(
                    f"{path}: made from the prepared store {manifest['store'][:12]}, not from the open"
                    f" {store.fingerprint[:12]}; make it again or point to the store it came from"
                )
            plan = read_table(path / _PLAN, PLAN_COLUMNS)
            _check_plan(plan, store, path)
            if hashlib.sha256(_plan_bytes(plan)).hexdigest() != manifest["plan"]:
                raise ValueError(f"{_PLAN} holds another plan")
            shape = (len(plan), store.size, store.size, 3)
            images = map_array(path / _IMAGES, np.uint8, shape) if manifest["images"] else None
        except ValueError as error:
            raise StoreError(
                f"{path}: damaged balanced set ({error}); delete the folder and make it again"
            ) from error
        return cls(path, plan, images, store, manifest["fingerprint"])

    @classmethod
    def write(
        cls,
        path: str | Path,
        plan: pd.DataFrame,
        store: PreparedStore,
        images: Iterable[npt.NDArray[np.uint8]] | None = None,
    ) -> BalancedSet:
        """Write a set: the folder appears only when it is complete.

        Args:
            path: the folder to make; an existing complete set there is replaced.
            plan: columns au, level, input_frame, target.
            store: the store that `input_frame` and `target` index.
            images: batches uint8 [b,S,S,3] in plan order, written as they come; None for real frames.

        Returns:
            The opened set.

        Raises:
            StoreError: columns are missing, rows lie outside the store or the images do not fit the plan.
        """
        path = Path(path)
        _check_plan(plan, store, path)
        plan = plan.reset_index(drop=True)
        with atomic_folder(path) as temporary:
            plan.to_parquet(temporary / _PLAN)
            digest = hashlib.sha256(store.fingerprint.encode() + _plan_bytes(plan))
            if images is not None:
                _write_images(temporary / _IMAGES, images, len(plan), store.size, digest)
            fingerprint = digest.hexdigest()
            manifest = {
                "schema": SCHEMA,
                "fingerprint": fingerprint,
                "store": store.fingerprint,
                "plan": hashlib.sha256(_plan_bytes(plan)).hexdigest(),
                "images": images is not None,
            }
            (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=1))
        return cls.open(path, store)

    def images_at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Images uint8 [B,S,S,3] of the set's rows: synthetic ones, or the input frames."""
        if self.images is not None:
            return np.asarray(self.images[rows])
        return np.asarray(self.store.images[self.plan["input_frame"].to_numpy()[rows]])


def _plan_bytes(plan: pd.DataFrame) -> bytes:
    return np.ascontiguousarray(plan[list(PLAN_COLUMNS)].to_numpy(dtype=np.int64)).tobytes()


def _check_plan(plan: pd.DataFrame, store: PreparedStore, path: Path) -> None:
    missing = [column for column in PLAN_COLUMNS if column not in plan]
    if missing:
        raise StoreError(f"{path}: the plan lacks the columns {', '.join(missing)}")
    for column in ("input_frame", "target"):
        if len(plan) and not plan[column].between(0, len(store) - 1).all():
            raise StoreError(f"{path}: column {column!r} points outside the store's {len(store)} rows")


def _write_images(
    path: Path, batches: Iterable[npt.NDArray[np.uint8]], count: int, size: int, digest: hashlib._Hash
) -> None:
    images = create_array(path, (count, size, size, 3))
    at = 0
    for batch in batches:
        if batch.dtype != np.uint8 or batch.shape[1:] != (size, size, 3) or at + len(batch) > count:
            raise StoreError(
                f"{path}: a batch {batch.dtype} {batch.shape} at image {at} does not fit {count} images"
                f" uint8 [{size},{size},3]"
            )
        images[at : at + len(batch)] = batch
        digest.update(np.ascontiguousarray(batch).tobytes())
        at += len(batch)
    if at != count:
        raise StoreError(f"{path}: {at} images for {count} rows of the plan")
    images.flush()
