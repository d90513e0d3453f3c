"""A prepared store as a map from batch specifications to batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from aukit.datamodules.samplers import BatchSpec
from aukit.datamodules.transforms import Augmentation
from aukit.store.store import PreparedStore

if TYPE_CHECKING:
    from aukit.datasets.frame_table import FrameTable


def images_to_tensor(images: npt.NDArray[np.uint8]) -> Tensor:
    """Turn uint8 [B,H,W,3] arrays into uint8 [B,3,H,W] tensors (contiguous, a copy)."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


class StoreDataset(Dataset[dict[str, Any]]):
    """Samples and batches of a prepared store: the one place that says what a batch holds.

    ======================  ==============  =========================================================
    `image`                 [B,3,S,S]       RGB; float32 in [0,1] in a module's steps, uint8 before
    `landmarks`             [B,68,3]        float32, crop pixels, x to the right, y down
    `occurrences`           [B,A]           float32, 1 present, 0 absent, NaN not coded, as `aus` has them
    `intensities`           [B,A]           float32, 0 to 5, NaN not coded
    `gender`                [B]             int64, 0 female, 1 male, -1 unknown
    `rows`                  [B]             int64, rows of the store and its table
    ======================  ==============  =========================================================

    `dataset[spec]` is a batch, read from the memory map in one call. `dataset[7]` is row 7: the same without
    the first axis, its image float32 in [0,1], not augmented; so PyTorch's own loaders work too. Datamodules
    that make other batches say so.

    Args:
        store: the prepared store.
        aus: action units, in the order of the label columns.
        augmentation: applied to images and landmarks as a function of (seed, epoch, row); None for none.

    Example:
        >>> dataset = StoreDataset(store, aus=(6, 12))  # doctest: +SKIP
        >>> dataset[0]["image"].shape  # doctest: +SKIP
        torch.Size([3, 64, 64])
        >>> dataset[BatchSpec(np.array([4, 0]))]["intensities"].shape  # doctest: +SKIP
        torch.Size([2, 2])
    """

    def __init__(
        self, store: PreparedStore, aus: Sequence[int], augmentation: Augmentation | None = None
    ) -> None:
        self.store = store
        self.aus = tuple(aus)
        self.augmentation = augmentation
        self.intensities = label_columns(store.table, self.aus, "intensity")
        self.occurrences = label_columns(store.table, self.aus, "occurrence")
        self.gender = store.table.gender_codes()

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, spec: BatchSpec | int) -> dict[str, Any]:
        if not isinstance(spec, BatchSpec):
            return self._sample(spec)
        images = np.asarray(self.store.images[spec.rows])
        landmarks = np.asarray(self.store.landmarks[spec.rows])
        if self.augmentation is not None:
            images, landmarks = self.augmentation(images, landmarks, spec)
        return {
            "image": images_to_tensor(images),
            "landmarks": torch.from_numpy(landmarks),
            "intensities": torch.from_numpy(self.intensities[spec.rows]),
            "occurrences": torch.from_numpy(self.occurrences[spec.rows]),
            "gender": torch.from_numpy(self.gender[spec.rows]),
            "rows": torch.from_numpy(np.asarray(spec.rows, dtype=np.int64)),
        }

    def _sample(self, row: int) -> dict[str, Any]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        plain = StoreDataset(self.store, self.aus) if self.augmentation else self
        batch = plain[BatchSpec(np.array([row % len(self)]))]
        return {**{key: value[0] for key, value in batch.items()}, "image": batch["image"][0].float() / 255}


def label_columns(
    table: FrameTable, aus: Sequence[int], label: Literal["intensity", "occurrence"]
) -> npt.NDArray[np.float32]:
    """Labels [N,A] of a table; an action unit that the corpus does not code in this way stays NaN."""
    known = table.intensity_aus if label == "intensity" else table.occurrence_aus
    read = table.intensities if label == "intensity" else table.occurrences
    coded = [index for index, au in enumerate(aus) if au in known]
    columns = np.full((len(table), len(aus)), np.nan, dtype=np.float32)
    columns[:, coded] = read([aus[index] for index in coded])
    return columns
