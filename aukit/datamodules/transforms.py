"""Flips that know left from right, and training augmentation as a function of (seed, epoch, step, row)."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aukit.datamodules.samplers import BatchSpec

Images = npt.NDArray[np.uint8]
Landmarks = npt.NDArray[np.float32]

#: `FLIP_68[i]` is the point that takes the place of point i of the 68-point markup in a mirrored face.
FLIP_68: tuple[int, ...] = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *range(27, 31),  # nose bridge, on the axis
    *range(35, 30, -1),  # nostrils
    *(45, 44, 43, 42, 47, 46),  # one eye ...
    *(39, 38, 37, 36, 41, 40),  # ... and the other
    *range(54, 47, -1),  # outer lip, upper
    *range(59, 54, -1),  # outer lip, lower
    *range(64, 59, -1),  # inner lip, upper
    *range(67, 64, -1),  # inner lip, lower
)


def flip_landmarks(landmarks: npt.NDArray[np.floating[Any]], width: int) -> npt.NDArray[np.floating[Any]]:
    """Mirror landmarks together with an image of `width` pixels and rename left to right.

    Args:
        landmarks: [...,68,2|3] pixels, pixel centres at integers; a z coordinate stays as it is.
        width: width of the image.

    Returns:
        A new array; point 36 is again the outer corner of the person's right eye.
    """
    flipped = landmarks[..., FLIP_68, :].copy()
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped


def flip_images(images: Images) -> Images:
    """Mirror images [...,H,W,C] left to right (a view)."""
    return images[..., ::-1, :]


class Augmentation:
    """Training augmentation of uint8 crops; what happens to a frame depends on (seed, epoch, step, row) only.

    `flip` mirrors every second frame with its landmarks. `photometric` also changes brightness, contrast,
    hue, noise, blur and JPEG quality (albumentations). Black pixels of a frontalised crop mean "not seen" and
    stay black; pixels that are seen stay at 1 or above.

    Args:
        photometric: whether colours are changed too.
        flip: probability of mirroring.

    Example:
        >>> images, landmarks = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 68, 3), np.float32)
        >>> spec = BatchSpec(np.array([5]))
        >>> images, landmarks = Augmentation(flip=1.0)(images, landmarks, spec)
        >>> float(landmarks[0, 0, 0])
        7.0
    """

    def __init__(self, photometric: bool = False, flip: float = 0.5) -> None:
        self.photometric = photometric
        self.flip = flip
        self._pipeline: Any = None

    @staticmethod
    def build(name: Literal["none", "flip", "photometric"]) -> Augmentation | None:
        """Augmentation of that name; None for "none"."""
        return None if name == "none" else Augmentation(photometric=name == "photometric")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pipeline": None}  # a loader process builds its own

    def __call__(self, images: Images, landmarks: Landmarks, spec: BatchSpec) -> tuple[Images, Landmarks]:
        """Augment a batch.

        Args:
            images: uint8 [B,S,S,3].
            landmarks: float32 [B,68,3] pixels.
            spec: the batch's specification.

        Returns:
            New images and landmarks of the same shapes.
        """
        images, landmarks = images.copy(), landmarks.copy()
        for index, row in enumerate(spec.rows):
            rng = np.random.default_rng([spec.seed, spec.epoch, spec.step, int(row), 1])
            if rng.random() < self.flip:
                images[index] = flip_images(images[index]).copy()
                landmarks[index] = flip_landmarks(landmarks[index], images.shape[2])
            if self.photometric:
                images[index] = self._change_colours(images[index], int(rng.integers(2**31)))
        return images, landmarks

    def _change_colours(self, image: Images, seed: int) -> Images:
        if self._pipeline is None:
            self._pipeline = _photometric_pipeline()
        self._pipeline.set_random_seed(seed)
        changed: Images = np.maximum(self._pipeline(image=image)["image"], 1)
        # A reduction along three values costs fifteen times as much.
        changed[(image[..., 0] | image[..., 1] | image[..., 2]) == 0] = 0
        return changed


def _photometric_pipeline() -> Any:
    # albumentations looks for a newer release on import unless told not to.
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    return albumentations.Compose(
        [
            albumentations.RandomBrightnessContrast(0.2, 0.2, p=0.8),
            albumentations.HueSaturationValue(8, 20, 0, p=0.5),
            albumentations.GaussNoise(std_range=(0.01, 0.04), p=0.3),
            albumentations.GaussianBlur(blur_limit=(3, 5), p=0.2),
            albumentations.ImageCompression(quality_range=(50, 95), p=0.3),
        ]
    )
