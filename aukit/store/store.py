"""The prepared store: fixed-size crops with random access, their landmarks and their labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.datasets.check_report import shortened
from aukit.datasets.frame_table import FrameTable
from aukit.errors import ConfigError, StoreError
from aukit.store.encoding import Crops, DamagedStoreError, EncodedImages, Encoding
from aukit.store.files import map_array, read_manifest, read_table, require

#: Raised whenever the content or the layout of a store changes; part of every fingerprint.
SCHEMA = 3

MANIFEST = "store.json"
IMAGES = "images.npy"
LANDMARKS = "landmarks.npy"
TABLE = "table.parquet"
EXCLUSIONS = "exclusions.parquet"

_KEYS: dict[str, type | tuple[type, ...]] = {
    "fingerprint": str,
    "frames": int,
    "corpus": str,
    "standin": (dict, type(None)),
    "registration": dict,
    "landmarks": str,
    "notes": list,
}
_REGISTRATION_KEYS = {"name": str, "size": int, "settings": dict}

REMEDY = "`aukit fit -c FILE`, `aukit prepare -c FILE` or `aukit prepare CORPUS --root DIR` builds it"


class PreparedStore:
    """Registered crops of a corpus, opened read-only; made by `aukit.store.prepare`.

    Opening costs milliseconds; crops are mapped, not read, and encoded ones are decoded at each access. Row i
    of `images`, `landmarks` and `table` belong together.

    Attributes:
        path: the store's folder.
        images: uint8 [N,S,S,3] RGB: a memory map, or encoded crops, which are indexed like one by rows.
        encoding: how the crops are kept.
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
                f"{self.path}: no complete prepared store here ({MANIFEST} is missing). {REMEDY}, and prints"
                " its folder"
            )
        try:
            self.manifest: dict[str, Any] = read_manifest(self.path / MANIFEST)
            require(self.manifest, MANIFEST, {"schema": int})
            if self.manifest["schema"] != SCHEMA:
                raise StoreError(
                    f"{self.path}: a store of another version (schema {self.manifest['schema']}, this version"
                    f" reads {SCHEMA}). {REMEDY} of this version; this folder can be deleted"
                )
            require(self.manifest, MANIFEST, _KEYS)
            require(self.manifest["registration"], f"the registration in {MANIFEST}", _REGISTRATION_KEYS)
            frames, size = self.manifest["frames"], self.manifest["registration"]["size"]
            self.encoding = _encoding(self.manifest)
            self.images: Crops = (
                map_array(self.path / IMAGES, np.uint8, (frames, size, size, 3))
                if self.encoding.format is None
                else EncodedImages(self.path, self.encoding, frames, size)
            )
            self.landmarks: npt.NDArray[np.float32] = np.array(
                map_array(self.path / LANDMARKS, np.float32, (frames, 68, 3))
            )
            self.table = _read_labels(self.path / TABLE, frames)
            self.exclusions = read_table(self.path / EXCLUSIONS, ("video", "position", "reason"))
        except ValueError as error:
            raise DamagedStoreError(
                f"{self.path}: damaged store ({error}); delete the folder. {REMEDY} again"
            ) from error
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be read ({error.strerror or error}); see to its rights and its disk"
            ) from error

    @classmethod
    def open(cls, path: str | Path) -> PreparedStore:
        """Open the store in the folder `path`.

        Raises:
            StoreError: it is missing, incomplete, of another schema or cannot be read.
            DamagedStoreError: its files are not as they were written.
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
        """Hash of corpus, selection, landmark source, registration, encoding and schema."""
        return str(self.manifest["fingerprint"])

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return self.images.shape[1]

    @property
    def standin(self) -> dict[str, Any] | None:
        """Recipe of the stand-in corpus that it was made from; None for a licensed release."""
        standin: dict[str, Any] | None = self.manifest["standin"]
        return standin

    def summary(self) -> str:
        """What is in the store, what was left out, and what the reader noted, in a few lines."""
        frame = self.table.frame
        lines = [
            f"{self.path}",
            f"{len(self):,} crops of {self.size} x {self.size} ({self.manifest['registration']['name']}),"
            f" {frame['person'].nunique()} people, {frame['video'].nunique()} videos"
            + ("" if self.encoding.format is None else f", kept as {self.encoding}"),
        ]
        for partition, rows in frame.groupby("partition", sort=False):
            lines.append(f"  {partition}: {len(rows):,} frames, {rows['person'].nunique()} people")
        return "\n".join([*lines, self.left_out()])

    def left_out(self) -> str:
        """What of the corpus is not in the store, by reason, and what the reader noted, in a few lines."""
        lines = [f"{len(self.exclusions):,} left out"]
        lines += [
            f"  {count:,} x {reason}" for reason, count in Counter(self.exclusions["reason"]).most_common()
        ]
        notes = shortened(self.manifest["notes"], f"see {self.path / MANIFEST}")
        return "\n".join([*lines, *(f"note: {text}" for text in notes)])


def _encoding(manifest: dict[str, Any]) -> Encoding:
    """The encoding that a manifest names; one of pixels without compression says nothing of it."""
    if (found := manifest.get("encoding")) is None:
        return Encoding()
    require({"encoding": found}, MANIFEST, {"encoding": dict})
    require(found, f"the encoding in {MANIFEST}", {"format": str, "quality": (int, type(None))})
    try:
        return Encoding(found["format"], found["quality"])
    except ConfigError as error:
        raise ValueError(f"{MANIFEST}: {error}") from error


def _read_labels(path: Path, frames: int) -> FrameTable:
    """The table of a store with that many rows."""
    path.open("rb").close()  # an error of the operating system is no damage
    try:
        table = FrameTable.read_parquet(path)
    except Exception as error:  # whatever the parser makes of a damaged file
        raise ValueError(str(error)) from error
    if len(table) != frames:
        raise ValueError(f"{path.name} has {len(table):,} rows, expected {frames:,}")
    return table
