"""Unlabelled faces: the set of avatar faces on which backbones are pre-trained."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from aukit.datamodules.dataset import images_to_tensor
from aukit.datamodules.rendered_faces import RenderedFacesDataModule
from aukit.datamodules.samplers import BatchSpec, EvaluationBatches, RowDraws, ShuffledBatches
from aukit.simulation import PretrainingFacesConfig, open_avatar_faces, write_avatar_faces
from aukit.utils.bounds import Fraction, NonNegativeInt, PositiveInt

_SHIFT = 2  # pixels of a crop of 64
_COLOUR, _OFFSET = 0.15, 0.08
_NOISE = 0.03

Images = npt.NDArray[np.uint8]


class FacesDataset(Dataset[dict[str, Any]]):
    """Faces as a map from batch specifications to ``image`` and ``target`` uint8 [B,3,S,S].

    Augmentation mirrors both at random, moves them by up to 2 of 64 pixels and changes their colours alike;
    ``image`` alone is also blurred and noisy, so that a network cannot rely on how sharp renderings are.
    All of it is a function of the batch's specification.

    Args:
        images: uint8 [N,S,S,3].
        augment: Whether to augment.
    """

    def __init__(self, images: Images, augment: bool) -> None:
        self.images = images
        self.augment = augment

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, spec: BatchSpec) -> dict[str, Any]:
        images = np.asarray(self.images[spec.rows])
        target = images_to_tensor(images)
        if not self.augment:
            return {"image": target, "target": target}
        rng = spec.draws(2)
        target = _change(target, rng)
        return {"image": _blur(target, rng), "target": target}


def _change(images: Tensor, rng: RowDraws) -> Tensor:
    """Mirror, move and tint uint8 [B,3,S,S]."""
    count, _, size, _ = images.shape
    reach = max(1, round(_SHIFT * size / 64))
    padded = torch.nn.functional.pad(images.float(), (reach,) * 4, mode="replicate")
    moved = torch.empty(images.shape)
    for index, (x, y, mirror) in enumerate(
        zip(
            rng.integers(0, 2 * reach + 1, count),
            rng.integers(0, 2 * reach + 1, count),
            rng.random(count) < 0.5,
            strict=True,
        )
    ):
        face = padded[index, :, y : y + size, x : x + size]
        moved[index] = face.flip(-1) if mirror else face
    gain = np.exp(rng.normal(0, _COLOUR, (count, 1, 1, 1)) + rng.normal(0, _COLOUR / 3, (count, 3, 1, 1)))
    offset = 255 * rng.normal(0, _OFFSET, (count, 1, 1, 1))
    changed = (moved - 128) * torch.from_numpy(gain).float() + 128 + torch.from_numpy(offset).float()
    return changed.round().clamp(0, 255).byte()


def _blur(images: Tensor, rng: RowDraws) -> Tensor:
    """Blur every face a little or not at all and add noise: uint8 [B,3,S,S]."""
    count, channels, size, _ = images.shape
    x = images.float()
    # Three taps along each axis, mixed with the picture itself.
    taps = torch.tensor([0.25, 0.5, 0.25]).expand(channels, 1, 1, 3)
    soft = torch.nn.functional.conv2d(x, taps, padding=(0, 1), groups=channels)
    soft = torch.nn.functional.conv2d(soft, taps.transpose(2, 3), padding=(1, 0), groups=channels)
    share = torch.from_numpy(rng.uniform(-0.5, 1, (count, 1, 1, 1)).clip(0)).float()
    strength = 255 * rng.uniform(0, _NOISE, (count, 1, 1, 1))
    noise = torch.from_numpy(rng.standard_normal((count, channels, size, size)) * strength).float()
    return (x + share * (soft - x) + noise).round().clamp(0, 255).byte()


class AvatarFacesDataModule(RenderedFacesDataModule):
    """Unlabelled avatar faces (`aukit.simulation.write_avatar_faces`); renders what is missing.

    Batches: ``image``, what a network sees, and ``target``, the same face without blur and noise, float32
    [B,3,S,S] in [0,1] on the device. No label is read. Validation faces are of held-out avatars.

    Args:
        root: Folder of the faces; they are rendered there when they are missing or incomplete.
        identities: Avatars in the set.
        frames: Images of each.
        size: Side of the crops in pixels.
        basis: Face basis of the avatars.
        registration: How they are cropped: "ffhq" or "similarity".
        holdout_fraction: Share of the avatars held out.
        augment: Whether training faces are changed at random.
        prepare_workers: Processes that render.
        options: Further options: see `StepDataModule`; the faces do not depend on the seed.

    Example:
        >>> data = AvatarFacesDataModule("faces", identities=8, frames=4, size=32)
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.train_dataloader()))["image"].shape  # doctest: +SKIP
        torch.Size([16, 3, 32, 32])
    """

    images: Images
    identities_of: npt.NDArray[np.str_]

    def __init__(
        self,
        root: str = "lightning_logs/faces",
        identities: PositiveInt = 600,
        frames: PositiveInt = 16,
        size: PositiveInt = 64,
        basis: Literal["procedural", "ict"] = "procedural",
        registration: Literal["ffhq", "similarity"] = "ffhq",
        holdout_fraction: Fraction = 0.1,
        augment: bool = True,
        prepare_workers: NonNegativeInt = 2,
        **options: Any,
    ) -> None:
        super().__init__(root, holdout_fraction, augment, prepare_workers, **options)
        self.identities = identities
        self.frames = frames
        self.size = size
        self.basis = basis
        self.registration: Literal["ffhq", "similarity"] = registration

    def _render(self) -> str:
        config = PretrainingFacesConfig(
            self.identities, self.frames, self.size, basis=self.basis, registration=self.registration
        )
        return write_avatar_faces(self.root, config, workers=self.prepare_workers)

    def setup(self, stage: str | None = None) -> None:
        """Open the set and hold out avatars."""
        if hasattr(self, "images"):
            return
        self.images, self.identities_of, description = open_avatar_faces(self.root)
        self._hold_out(self.identities_of.tolist(), description)

    @property
    def input_kind(self) -> dict[str, Any]:
        """Registration and size of the faces."""
        return {"registration": self.registration, "size": self.size}

    def train_batches(self) -> tuple[FacesDataset, ShuffledBatches]:
        """Faces of the training avatars, in a new order each pass."""
        return FacesDataset(self.images, self.augment), self.shuffled_batches(self.train_rows)

    def val_batches(self) -> tuple[FacesDataset, EvaluationBatches] | None:
        """Faces of the held-out avatars as they are."""
        if len(self.val_rows) == 0:
            return None
        return FacesDataset(self.images, False), self.evaluation_batches(self.val_rows)
