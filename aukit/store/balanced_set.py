"""Training sets balanced over intensity levels: a plan (which face, whose labels), and where images lie."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.errors import StoreError, shown
from aukit.facs import intensity_column
from aukit.store.files import create_array, map_array, read_manifest, read_table, require
from aukit.store.store import PreparedStore
from aukit.utils.files import atomic_folder, file_sha256

IMAGES = "images.npy"
_PLAN = "set.parquet"
_MANIFEST = "set.json"
PROGRESS = "progress.json"
"""Of a set whose images were made one after the other; see `aukit.store.growing_set`."""
_KEYS: dict[str, type | tuple[type, ...]] = {
    "fingerprint": str,
    "plan": str,
    "registration": dict,
    "images": str,
    "of": list,
}

#: Raised whenever the content or the layout of a balanced set changes.
SCHEMA = 4

_NUMBERS = ("au", "level", "input_frame", "target")
_PEOPLE = ("person", "target_person")
PLAN_COLUMNS = (*_NUMBERS, *_PEOPLE)
"""Columns of every plan, beside labels; in the order in which they are hashed."""

Rows = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


class BalancedSet:
    """A balanced training set in a folder, which says all that a training needs.

    `set.parquet` has one row per training image: `au` (the action unit it was drawn for), `level` (0..5),
    `input_frame` (row of the prepared store that gives the face) and `target` (row, of that store or of
    another one, that gives the labels), the global ids `person` and `target_person` of both, and the labels
    `AUxx_r`, NaN where not coded.

    The images are the set's own (`images.npy`, uint8 [M,S,S,3]), or stay where they are: in the store, or in
    the sets that it was put together from.

    Attributes:
        path: the folder.
        plan: the table described above, index 0..M-1.
        registration: `name`, `size` and `settings` of the crops.
        fingerprint: hash of plan and images.

    Example:
        >>> balanced = BalancedSet.open("lightning_logs/sets/real")  # doctest: +SKIP
        >>> balanced.images_at(np.arange(4)).shape, balanced.levels((6, 12)).shape  # doctest: +SKIP
        ((4, 64, 64, 3), (8400, 2))
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / _MANIFEST).is_file():
            raise StoreError(
                f"{self.path}: no complete balanced set here ({_MANIFEST} is missing); make it again"
            )
        try:
            manifest = read_manifest(self.path / _MANIFEST)
            if (schema := manifest.get("schema", 1)) != SCHEMA:
                raise StoreError(
                    f"{self.path}: made by another version (schema {schema}, this version reads {SCHEMA});"
                    " delete the folder and make it again"
                )
            require(manifest, _MANIFEST, _KEYS)
            self.registration: dict[str, Any] = manifest["registration"]
            require(self.registration, f"the registration in {_MANIFEST}", {"name": str, "size": int})
            self.plan = read_table(self.path / _PLAN, PLAN_COLUMNS)
            if _hash_of(self.plan) != manifest["plan"]:
                raise ValueError(f"{_PLAN} holds another plan")
            self.fingerprint: str = manifest["fingerprint"]
            self._read = self._reader(manifest["images"], manifest["of"])
        except ValueError as error:
            raise StoreError(
                f"{self.path}: damaged balanced set ({error}); delete the folder and make it again"
            ) from error

    @classmethod
    def open(cls, path: str | Path) -> BalancedSet:
        """Open the set in the folder `path`; milliseconds, images are mapped.

        Raises:
            StoreError: the folder is incomplete, damaged or of an earlier version, or the images that it
                refers to are not there.
        """
        return cls(path)

    @classmethod
    def write(
        cls,
        path: str | Path,
        plan: pd.DataFrame,
        store: PreparedStore,
        images: Iterable[Pixels] | None = None,
    ) -> BalancedSet:
        """Write a set: the folder appears only when it is complete.

        Args:
            path: the folder to make; an existing set there is replaced.
            plan: `PLAN_COLUMNS` and labels.
            store: the store of the input frames.
            images: batches uint8 [b,S,S,3] in plan order, written as they come; None for the input frames
                themselves, which stay in the store.

        Returns:
            The opened set.

        Raises:
            StoreError: columns are missing, labels contradict the levels, rows lie outside the store, the
                images do not fit the plan, or something else than a set is there.
        """
        with atomic_folder(replaceable(path)) as folder:
            if images is not None:
                _write_images(folder / IMAGES, images, len(plan), store.size)
            cls.seal(folder, path, plan, store)
        return cls.open(path)

    @classmethod
    def seal(cls, folder: Path, path: str | Path, plan: pd.DataFrame, store: PreparedStore) -> None:
        """Make a folder a set by adding plan and manifest; its images, if it has own ones, are there.

        Args:
            folder: the folder.
            path: what it will be called.
            plan: as for `write`.
            store: as for `write`.
        """
        check_inputs(plan, store, path)
        registration = store.manifest["registration"]
        if (folder / IMAGES).exists():
            _seal(folder, path, plan, registration, "own", [], file_sha256(folder / IMAGES))
        else:
            _seal(folder, path, plan, registration, "store", [(store.path, store.fingerprint)])

    @classmethod
    def concatenate(cls, path: str | Path, parts: Sequence[BalancedSet]) -> BalancedSet:
        """Put sets together, of whatever corpora; their images stay where they are.

        Args:
            path: the folder to make; an existing set there is replaced.
            parts: the sets, in the order of their images.

        Raises:
            StoreError: their crops are of several kinds, one of them would be replaced, or something else
                than a set is there.
        """
        place = replaceable(path)
        if any(part.path.resolve() == place.resolve() for part in parts):
            raise StoreError(f"{path}: is one of the sets to be put together; name another folder")
        first = parts[0].registration
        if others := [part for part in parts if part.registration != first]:
            raise StoreError(
                f"{path}: {parts[0].path} and {others[0].path} have crops of two kinds, {first} and"
                f" {others[0].registration}; make them of stores that are registered alike"
            )
        plan = pd.concat([part.plan for part in parts], ignore_index=True)
        with atomic_folder(place) as folder:
            _seal(folder, path, plan, first, "sets", [(part.path, part.fingerprint) for part in parts])
        return cls.open(path)

    def __len__(self) -> int:
        return len(self.plan)

    def __getstate__(self) -> Path:
        return self.path  # never the pixels: a loader process maps them itself

    def __setstate__(self, path: Path) -> None:
        BalancedSet.__init__(self, path)

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return int(self.registration["size"])

    def is_of(self, plan: pd.DataFrame) -> bool:
        """Whether the set is of this very plan: faces, labels and the people of both.

        Raises:
            StoreError: columns are missing, or labels contradict the levels.
        """
        return _hash_of(_ordered(plan, self.path)) == _hash_of(self.plan)

    def levels(self, aus: Sequence[int]) -> npt.NDArray[np.float32]:
        """Labels [M,A] in 0..5 of every image, NaN where not coded."""
        return self.plan.reindex(columns=[intensity_column(au) for au in aus]).to_numpy(np.float32)

    def images_at(self, rows: Rows) -> Pixels:
        """Images uint8 [B,S,S,3] of the set's rows."""
        return self._read(rows)

    def _reader(self, images: str, of: list[Any]) -> Callable[[Rows], Pixels]:
        """Where the images are read, by what the manifest says of them."""
        if images == "own":
            own = map_array(self.path / IMAGES, np.uint8, (len(self), self.size, self.size, 3))
            return lambda rows: np.asarray(own[rows])
        if images not in ("store", "sets") or not all(_is_reference(each) for each in of):
            raise ValueError(f"{_MANIFEST} does not say where the images are")
        kind: Any = PreparedStore if images == "store" else BalancedSet
        opened = []
        for name, fingerprint in of:
            try:
                found = kind.open(Path(os.path.normpath(self.path / name)))
            except StoreError as error:
                raise StoreError(f"{self.path}: its images are not there: {error}") from error
            if found.fingerprint != fingerprint:
                raise StoreError(
                    f"{self.path}: made of other images than {found.path} has now"
                    f" ({fingerprint[:12]}, not {found.fingerprint[:12]}); make it again"
                )
            opened.append(found)
        if images == "store":
            (store,) = opened
            inputs = self.plan["input_frame"].to_numpy()
            return lambda rows: np.asarray(store.images[inputs[rows]])
        if sum(map(len, opened)) != len(self):
            raise ValueError(f"{_PLAN} has {len(self)} rows for {sum(map(len, opened))} images")
        return lambda rows: _images_of(opened, rows, self.size)


def replaceable(path: str | Path) -> Path:
    """The folder that a set shall take the place of, if nothing but a set is lost, be it damaged.

    Raises:
        StoreError: Something else is there.
    """
    place = Path(path)
    there = sorted(each.name for each in place.iterdir()) if place.is_dir() else []
    if others := [name for name in there if name not in (IMAGES, _PLAN, _MANIFEST, PROGRESS)]:
        raise StoreError(
            f"{place}: holds {shown(others[0])}, which is of no balanced set; name another folder"
        )
    return place


def check_inputs(plan: pd.DataFrame, store: PreparedStore, path: str | Path) -> None:
    """See that the input frames of a plan are rows of a store.

    Raises:
        StoreError: one is not.
    """
    if outside := plan.index[~plan["input_frame"].between(0, len(store) - 1)].tolist():
        raise StoreError(
            f"{path}: column 'input_frame' points outside the store's {len(store)} rows, first in row"
            f" {outside[0]} of the plan"
        )


def _images_of(parts: list[BalancedSet], rows: Rows, size: int) -> Pixels:
    """Rows of sets put together."""
    starts = np.cumsum([0, *map(len, parts)])
    which = np.searchsorted(starts, rows, "right") - 1
    images = np.empty((len(rows), size, size, 3), np.uint8)
    for number in np.unique(which):
        mine = which == number
        images[mine] = parts[number].images_at(rows[mine] - starts[number])
    return images


def _seal(
    folder: Path,
    path: str | Path,
    plan: pd.DataFrame,
    registration: dict[str, Any],
    images: str,
    of: Sequence[tuple[Path, str]],
    pixels: str = "",
) -> None:
    plan = _ordered(plan, path)
    digest = hashlib.sha256(json.dumps(registration, sort_keys=True).encode())
    for part in (_hash_of(plan), pixels, *(fingerprint for _, fingerprint in of)):
        digest.update(part.encode())
    manifest = {
        "schema": SCHEMA,
        "fingerprint": digest.hexdigest(),
        "plan": _hash_of(plan),
        "registration": registration,
        "images": images,
        "of": [(os.path.relpath(each, path), fingerprint) for each, fingerprint in of],
    }
    plan.to_parquet(folder / _PLAN)
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1))


def _ordered(plan: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """The columns of a plan in their order, each of its type, after a look at what they say."""
    aus = [int(au) for au in np.unique(plan["au"])] if "au" in plan else []
    wanted = [*PLAN_COLUMNS, *map(intensity_column, aus)]
    if missing := [column for column in wanted if column not in plan]:
        raise StoreError(f"{path}: the plan lacks the columns {', '.join(missing)}")
    for au in aus:
        mine = plan[plan["au"] == au]
        if wrong := mine.index[mine["level"] != mine[intensity_column(au)]].tolist():
            raise StoreError(f"{path}: row {wrong[0]} of the plan is labelled with another level of AU{au}")
    labels = sorted(str(column) for column in plan if column not in PLAN_COLUMNS)
    types: dict[Any, Any] = {**dict.fromkeys(_NUMBERS, "int64"), **dict.fromkeys(_PEOPLE, str)}
    ordered = plan[[*PLAN_COLUMNS, *labels]].reset_index(drop=True)
    return ordered.astype({**types, **dict.fromkeys(labels, "float32")})


def _hash_of(plan: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for column in plan:
        digest.update(str(column).encode())
        if column in _PEOPLE:
            digest.update("\n".join(map(str, plan[column])).encode())
        else:
            kind = np.int64 if column in _NUMBERS else np.float32
            digest.update(np.ascontiguousarray(plan[column].to_numpy(dtype=kind)).tobytes())
    return digest.hexdigest()


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _write_images(path: Path, batches: Iterable[Pixels], count: int, size: int) -> None:
    images = create_array(path, (count, size, size, 3))
    at = 0
    for batch in batches:
        if batch.dtype != np.uint8 or batch.shape[1:] != (size, size, 3) or at + len(batch) > count:
            raise StoreError(
                f"{path}: a batch {batch.dtype} {batch.shape} at image {at} does not fit {count} images"
                f" uint8 [{size},{size},3]"
            )
        images[at : at + len(batch)] = batch
        at += len(batch)
    if at != count:
        raise StoreError(f"{path}: {at} images for {count} rows of the plan")
    images.flush()
