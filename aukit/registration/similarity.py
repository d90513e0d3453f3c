"""2D registration: Procrustes on 68 landmarks to a frontal template."""

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aukit.registration.canonical import frontal_template
from aukit.registration.procrustes import umeyama


def similarity_align(
    image: NDArray[np.uint8],
    landmarks: ArrayLike,
    template: ArrayLike | None = None,
    size: int = 224,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Rotates, scales and moves an image so that its landmarks come closest to the template's.

    The 2D registration that Niinuma et al. (WACV 2021) compare with. Bilinear; images much larger than the
    crop are averaged down first. Outside the image is black.

    Args:
        image: uint8 [H,W,3].
        landmarks: [68,2] or [68,3], pixels; a third coordinate is not used.
        template: [68,2], goal of the landmarks in pixels of the crop; ``frontal_template(size)`` by
            default.
        size: side of the crop in pixels.

    Returns:
        The crop, uint8 [size,size,3], and the matrix [2,3] from image pixels to crop pixels.

    Raises:
        ValueError: landmarks of another shape, not finite, or all in one point.
    """
    marks = np.asarray(landmarks, np.float64)
    goal = frontal_template(size) if template is None else np.asarray(template, np.float64)
    if marks.ndim != 2 or marks.shape[1] not in (2, 3) or goal.shape != (len(marks), 2):
        raise ValueError(
            f"landmarks must be [68,2] or [68,3] and fit the template: {marks.shape}, {goal.shape}"
        )
    marks = marks[:, :2]
    if not np.isfinite(marks).all():
        raise ValueError("landmarks hold values that are not finite")
    matrix = umeyama(torch.from_numpy(marks), torch.from_numpy(goal)).numpy()
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if not scale > 0.0:
        raise ValueError("landmarks span no face: they coincide")
    reduced, warp = image, matrix
    reduction = int(np.rint(1.0 / scale))
    if reduction > 1:
        width, height = max(image.shape[1] // reduction, 1), max(image.shape[0] // reduction, 1)
        reduced = image[: height * reduction, : width * reduction]
        reduced = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_AREA)
        # Pixel centres at integers: the reduced pixel u covers the pixels around reduction * u + offset.
        offset = (reduction - 1) / 2
        warp = np.concatenate(
            [matrix[:, :2] * reduction, matrix[:, 2:] + matrix[:, :2].sum(1, keepdims=True) * offset], 1
        )
    crop = cv2.warpAffine(reduced, warp, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8), matrix
