"""The prepared store: fixed-size crops with random access, their landmarks and their labels."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.frame_table import FrameTable
from aukit.errors import StoreError

#: Raised whenever the content or the layout of a store changes; part of every fingerprint.
SCHEMA = 2

MANIFEST = "store.json"
IMAGES = "images.npy"
LANDMARKS = "landmarks.npy"
TABLE = "table.parquet"
EXCLUSIONS = "exclusions.parquet"


class PreparedStore:
    """Registered crops of a corpus, opened read-only; made by `aukit.store.prepare`.

    Opening costs milliseconds; crops are mapped, not read. Row i of `images`, `landmarks` and `table` belong
    together.

    Attributes:
        path: the store's folder.
        images: uint8 [N,S,S,3] RGB memory map.
        landmarks: float32 [N,68,3], pixels of the crop.
        table: labels and ids of the N frames.
        exclusions: frames that could not be used: columns video, position (missing: the whole video),
            reason.
        manifest: what the store was made from.

    Example:
        >>> store = PreparedStore.open("stores/bp4d-ffhq-64-0123456789ab")  # doctest: +SKIP
        >>> store.images[[0, 7]].shape, store.landmarks[0].shape  # doctest: +SKIP
        ((2, 64, 64, 3), (68, 3))
        >>> store.table.occurrences((6, 12))[0]  # doctest: +SKIP
        array([1., 0.], dtype=float32)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / MANIFEST).is_file():
            raise StoreError(
                f"{self.path}: no complete prepared store here ({MANIFEST} is missing); run aukit prepare"
            )
        self.manifest: dict[str, Any] = json.loads((self.path / MANIFEST).read_text())
        if self.manifest["schema"] != SCHEMA:
            raise StoreError(
                f"{self.path}: schema {self.manifest['schema']}, this version reads {SCHEMA};"
                " run aukit prepare again"
            )
        try:
            self.images: npt.NDArray[np.uint8] = np.load(
                self.path / IMAGES, mmap_mode="r", allow_pickle=False
            )
            self.landmarks: npt.NDArray[np.float32] = np.load(self.path / LANDMARKS, allow_pickle=False)
            self.table = FrameTable.read_parquet(self.path / TABLE)
            self.exclusions = pd.read_parquet(self.path / EXCLUSIONS)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self.path}: damaged store ({error}); delete the folder and run aukit prepare"
            ) from error
        lengths = {len(self.images), len(self.landmarks), len(self.table), self.manifest["frames"]}
        if len(lengths) != 1:
            raise StoreError(
                f"{self.path}: images, landmarks and table differ in length ({sorted(lengths)});"
                " delete the folder and run aukit prepare"
            )

    @classmethod
    def open(cls, path: str | Path) -> PreparedStore:
        """Open the store in the folder `path`.

        Raises:
            StoreError: it is missing, incomplete, damaged or of another schema.
        """
        return cls(path)

    def __len__(self) -> int:
        return len(self.images)

    def __getstate__(self) -> Path:
        return self.path  # a memory map would be pickled with all its pixels

    def __setstate__(self, path: Path) -> None:
        PreparedStore.__init__(self, path)

    @property
    def fingerprint(self) -> str:
        """Hash of the corpus, the selection, the landmark source, the registration and the schema."""
        return str(self.manifest["fingerprint"])

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return int(self.images.shape[1])

    @property
    def standin(self) -> dict[str, Any] | None:
        """Recipe of the stand-in corpus that it was made from; None for a licensed release."""
        standin: dict[str, Any] | None = self.manifest["standin"]
        return standin

    def summary(self) -> str:
        """What is in the store and what was left out, in a few lines."""
        frame = self.table.frame
        lines = [
            f"{self.path}",
            f"{len(self):,} crops of {self.size} x {self.size} ({self.manifest['registration']['name']}),"
            f" {frame['person'].nunique()} people, {frame['video'].nunique()} videos",
        ]
        for partition, rows in frame.groupby("partition", sort=False):
            lines.append(f"  {partition}: {len(rows):,} frames, {rows['person'].nunique()} people")
        lines.append(f"{len(self.exclusions):,} left out")
        lines += [
            f"  {count:,} x {reason}" for reason, count in Counter(self.exclusions["reason"]).most_common()
        ]
        return "\n".join(lines)
