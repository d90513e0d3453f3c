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
    """Batches of a prepared store.

    `dataset[spec]` has `image` uint8 [B,3,S,S], `landmarks` float32 [B,68,3] in crop pixels, `intensities`
    (0..5) and `occurrences` (0/1) float32 [B,A] with NaN where not coded, `gender` int64 [B] (0 female, 1
    male, -1 unknown) and `rows` int64 [B]. One call reads the whole batch from the memory map.

    Args:
        store: the prepared store.
        aus: action units, in the order of the label columns.
        augmentation: applied to images and landmarks as a function of (seed, epoch, row); None for none.

    Example:
        >>> dataset = StoreDataset(store, aus=(6, 12))  # doctest: +SKIP
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

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
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
