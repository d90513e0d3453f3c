"""The face crop of the FFHQ data set (Karras et al., CVPR 2019, appendix C), as FG-Net uses it."""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

PadMode = Literal["reflect", "constant"]


class FFHQQuad(NamedTuple):
    """An oriented square in an image.

    Attributes:
        corners: float64 [4,2], top-left, bottom-left, bottom-right, top-right, in pixels.
        centre: float64 [2].
        x: float64 [2], from the centre to the middle of the right side.
        size: length of a side in pixels.

    Example:
        >>> marks = np.zeros((68, 2))
        >>> marks[36:42], marks[42:48], marks[48:68] = (40, 50), (80, 50), (60, 90)
        >>> quad = ffhq_quad(marks)
        >>> quad.centre.tolist(), quad.size
        ([60.0, 54.0], 160.0)
    """

    corners: NDArray[np.float64]
    centre: NDArray[np.float64]
    x: NDArray[np.float64]
    size: float


def ffhq_quad(landmarks: ArrayLike) -> FFHQQuad:
    """The square that FFHQ cuts out around 68 landmarks.

    Args:
        landmarks: [68,2] or [68,3], pixels; a third coordinate is not used.

    Raises:
        ValueError: another shape, values that are not finite, or points that span no face.
    """
    marks = np.asarray(landmarks, np.float64)
    if marks.ndim != 2 or marks.shape[0] != 68 or marks.shape[1] not in (2, 3):
        raise ValueError(f"landmarks must be [68,2] or [68,3], got {marks.shape}")
    marks = marks[:, :2]
    if not np.isfinite(marks).all():
        raise ValueError("landmarks hold values that are not finite")
    left, right = marks[36:42].mean(0), marks[42:48].mean(0)
    eyes = (left + right) * 0.5
    across = right - left
    down = (marks[48] + marks[54]) * 0.5 - eyes
    x = across - np.array([-down[1], down[0]])
    length = float(np.hypot(*x))
    if not length > 0.0:
        raise ValueError("landmarks span no face: eyes and mouth coincide")
    x *= max(float(np.hypot(*across)) * 2.0, float(np.hypot(*down)) * 1.8) / length
    y = np.array([-x[1], x[0]])
    centre = eyes + down * 0.1
    corners = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
    return FFHQQuad(corners, centre, x, float(np.hypot(*x)) * 2.0)


class FFHQPlan(NamedTuple):
    """The steps between a whole image and the quad that is cut out of it.

    Attributes:
        shrink: the image is first made this many times smaller (0 and 1: it is not).
        border: margin in pixels kept around the quad.
        crop: left, top, right, bottom of the part that is cut out after shrinking.
        pad: left, top, right, bottom margins added to it; None when nothing is padded.
        quad: float64 [4,2], the corners in the shrunk, cut and padded image.
        size: length of the quad's side there.

    Example:
        >>> marks = np.zeros((68, 2))
        >>> marks[36:42], marks[42:48], marks[48:68] = (40, 50), (80, 50), (60, 90)
        >>> plan = ffhq_plan(ffhq_quad(marks), height=240, width=320, size=64)
        >>> plan.shrink, plan.crop, plan.pad
        (1, (0, 0, 156, 150), (48, 48, 48, 48))
    """

    shrink: int
    border: int
    crop: tuple[int, int, int, int]
    pad: tuple[int, int, int, int] | None
    quad: NDArray[np.float64]
    size: float


def ffhq_plan(quad: FFHQQuad, height: int, width: int, size: int, padding: bool = True) -> FFHQPlan:
    """Works out shrinking, cutting and padding for an image of ``height`` x ``width``, a crop of ``size``."""
    corners, side = quad.corners.copy(), quad.size
    shrink = int(np.floor(side / size * 0.5))
    if shrink > 1:
        width, height = int(np.rint(width / shrink)), int(np.rint(height / shrink))
        corners /= shrink
        side /= shrink
    border = max(int(np.rint(side * 0.1)), 3)
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    crop = (
        max(int(low[0]) - border, 0),
        max(int(low[1]) - border, 0),
        min(int(high[0]) + border, width),
        min(int(high[1]) + border, height),
    )
    if crop[2] <= crop[0] or crop[3] <= crop[1]:
        raise ValueError("the face lies outside the image")
    if crop[2] - crop[0] == width and crop[3] - crop[1] == height:
        crop = (0, 0, width, height)
    corners -= crop[:2]
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    missing = (
        max(-int(low[0]) + border, 0),
        max(-int(low[1]) + border, 0),
        max(int(high[0]) - width + border, 0),
        max(int(high[1]) - height + border, 0),
    )
    pad = None
    if padding and max(missing) > border - 4:
        least = int(np.rint(side * 0.3))
        left, top, right, bottom = (max(margin, least) for margin in missing)
        pad = (left, top, right, bottom)
        corners += pad[:2]
    return FFHQPlan(shrink, border, crop, pad, corners, side)


def ffhq_crop(
    image: NDArray[np.uint8],
    landmarks: ArrayLike,
    size: int = 256,
    transform_size: int = 1024,
    padding: bool = True,
    pad_mode: PadMode = "reflect",
) -> NDArray[np.uint8]:
    """Cuts out the FFHQ square: Pillow's QUAD transform at ``transform_size``, then Lanczos to ``size``.

    With ``padding`` what lies outside the image is its mirrored border or zeros, blurred and fading to the
    median colour; without it is black. Cost: about 50 ms at the defaults, several times that where padding is
    needed.

    Args:
        image: uint8 [H,W,3].
        landmarks: [68,2] or [68,3], pixels.
        size: side of the crop in pixels.
        transform_size: side at which the square is resampled first (1024 in the cropper that FG-Net's README
            names, 4096 in its authors' own).
        padding: whether to fill in beyond the image.
        pad_mode: with what, before it is blurred and faded: "reflect", the mirrored border, as in the cropper
            that FG-Net's README names; "constant", zeros, as in its authors' own.

    Returns:
        uint8 [size,size,3].

    Raises:
        ValueError: landmarks of another shape or not finite, or a face wholly outside the image.
    """
    height, width = image.shape[:2]
    quad = ffhq_quad(landmarks)
    plan = ffhq_plan(quad, height, width, size, padding)
    picture = Image.fromarray(image)
    if plan.shrink > 1:
        shrunk = (int(np.rint(width / plan.shrink)), int(np.rint(height / plan.shrink)))
        picture = picture.resize(shrunk, Image.Resampling.LANCZOS)
    if plan.crop != (0, 0, *picture.size):
        picture = picture.crop(plan.crop)
    if plan.pad is not None:
        picture = Image.fromarray(_pad(np.asarray(picture), plan.pad, plan.size, pad_mode))
    cut = picture.transform(
        (transform_size, transform_size),
        Image.Transform.QUAD,
        tuple((plan.quad + 0.5).ravel().tolist()),
        Image.Resampling.BILINEAR,
    )
    if size != transform_size:
        cut = cut.resize((size, size), Image.Resampling.LANCZOS)
    return np.array(cut)


def ffhq_matrix(quad: FFHQQuad, size: int) -> NDArray[np.float64]:
    """Matrix [2,3] from image pixels to crop pixels; shrinking shifts the crop by up to half its factor."""
    per_pixel = size / quad.size
    right = quad.x / np.hypot(*quad.x)
    rotation = np.stack([right, [-right[1], right[0]]]) * per_pixel
    return np.concatenate([rotation, ((size - 1) / 2 - rotation @ quad.centre)[:, None]], 1)


def _pad(
    image: NDArray[np.uint8], pad: tuple[int, int, int, int], side: float, mode: PadMode
) -> NDArray[np.uint8]:
    """Fills in beyond the border, blurs it the more the farther out, and fades it to the median colour."""
    left, top, right, bottom = pad
    picture = np.pad(image.astype(np.float32), ((top, bottom), (left, right), (0, 0)), mode)
    height, width = picture.shape[:2]
    y, x = np.ogrid[:height, :width]
    across = np.minimum(np.float32(x) / left, np.float32(width - 1 - x) / right)
    down = np.minimum(np.float32(y) / top, np.float32(height - 1 - y) / bottom)
    outside = np.maximum(1.0 - across, 1.0 - down)[..., None]
    blur = side * 0.02
    taps = 2 * int(4 * blur + 0.5) + 1
    blurred = cv2.GaussianBlur(picture, (taps, taps), blur, borderType=cv2.BORDER_REFLECT)
    picture += (blurred - picture) * np.clip(outside * 3.0 + 1.0, 0.0, 1.0)
    picture += (np.median(picture, axis=(0, 1)) - picture) * np.clip(outside, 0.0, 1.0)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
