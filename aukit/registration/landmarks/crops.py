"""The square of an image in which a face is read: where it lies, how it is cut out, and the way back."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from aukit.registration.landmarks.points import LANDMARKS

MARGIN = 1.25
"""Side of the square over the longer side of the upright box around the landmarks."""

Float = npt.NDArray[np.floating]


class Square(NamedTuple):
    """A square of an image, turned.

    Attributes:
        x, y: Its middle in pixels of the image, pixel centres at integers.
        side: Pixels.
        roll: Radians that the face is turned clockwise; the square turns with it.
    """

    x: float
    y: float
    side: float
    roll: float = 0.0


def face_square(landmarks: Float, roll: float = 0.0) -> Square:
    """The square around a face's landmarks [68, 2|3] as it is turned by `roll` radians."""
    cosine, sine = np.cos(roll), np.sin(roll)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    upright = np.asarray(landmarks, np.float64)[:LANDMARKS, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    middle = turn.T @ ((low + high) / 2)
    return Square(float(middle[0]), float(middle[1]), MARGIN * float((high - low).max()), roll)


def to_crop(square: Square, size: int, mirrored: bool = False) -> npt.NDArray[np.float64]:
    """Affine matrix [2, 3] from pixels of the image to those of a crop of `size` pixels."""
    scale = size / max(square.side, 1e-6)
    cosine, sine = scale * np.cos(square.roll), scale * np.sin(square.roll)
    linear = np.array([[cosine, sine], [-sine, cosine]])
    if mirrored:
        linear[0] *= -1
    middle = (size - 1) / 2
    return np.concatenate([linear, (middle - linear @ [square.x, square.y])[:, None]], 1)


def cut(image: npt.NDArray[np.uint8], square: Square, size: int) -> npt.NDArray[np.uint8]:
    """The crop uint8 [size, size, 3] of a square; black where it leaves the image.

    A face of more than two pixels to one of the crop is shrunk by whole pixels first, so that none of it is
    skipped.
    """
    matrix = to_crop(square, size)
    shrink = int(square.side // (2 * size)) if square.side > 2 * size else 1
    if shrink > 1:
        reach = square.side * 0.75
        left, top = (max(0, int(v - reach)) for v in (square.x, square.y))
        right, bottom = (max(0, int(v + reach) + 1) for v in (square.x, square.y))
        part = image[top:bottom, left:right]
        height, width = part.shape[0] // shrink, part.shape[1] // shrink
        if min(height, width) > 0:
            part = part[: height * shrink, : width * shrink]
            image = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            offset = (shrink - 1) / 2
            matrix = np.concatenate(
                [matrix[:, :2] * shrink, matrix[:, 2:] + matrix[:, :2] @ [[left + offset], [top + offset]]], 1
            )
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def from_crop(points: Float, square: Square, size: int) -> npt.NDArray[np.float32]:
    """Points [N, 3] of a crop, from -1 to 1 across it, in pixels of the image."""
    matrix = to_crop(square, size)
    inverse = np.linalg.inv(matrix[:, :2])
    pixels = (np.asarray(points, np.float64)[:, :2] + 1) * (size / 2) - 0.5
    plane = (pixels - matrix[:, 2]) @ inverse.T
    depth = np.asarray(points, np.float64)[:, 2:] * (square.side / 2)
    return np.concatenate([plane, depth], 1).astype(np.float32)
