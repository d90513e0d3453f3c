"""Views of rendered faces as a camera might show them: other places behind, things before, worse lenses.

What carries over from rendered faces to photographs is what these changes leave in common. Arrays in, arrays
out; a view takes about 2 ms of a core.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from aukit.registration.landmarks.crops import Square

Image = npt.NDArray[np.uint8]
Rng = np.random.Generator

BACKGROUND, COVER, CLOSE = 0.45, 0.3, 0.85
"""Shares of views with another place behind, with something before, and cropped closely."""


def jittered(rng: Rng, square: Square) -> Square:
    """The square of a face as a detector or the frame before might give it."""
    close = rng.random() < CLOSE
    scale, shift = (0.12, 0.06) if close else (0.25, 0.15)
    x, y = rng.uniform(-shift, shift, 2) * square.side
    roll = float(np.clip(rng.normal(0, 12 if close else 25), -60, 60))
    return Square(
        square.x + float(x),
        square.y + float(y),
        square.side * float(np.exp(rng.uniform(-scale, scale))),
        np.deg2rad(roll),
    )


def texture(rng: Rng, other: Image, size: int) -> Image:
    """A surface uint8 [size, size, 3] to stand behind or before a face, out of a part of another image."""
    kind = rng.random()
    if kind < 0.6:
        side = int(rng.integers(6, max(7, len(other) // 2)))
        y, x = rng.integers(0, len(other) - side, 2)
        part = other[y : y + side, x : x + side, :3]
        if rng.random() < 0.5:
            part = np.rot90(part, int(rng.integers(1, 4)))
        return np.asarray(cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=cv2.INTER_CUBIC))
    if kind < 0.75:
        return np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), (size, size, 3)).copy()
    cells = int(2 ** rng.integers(1, 6))
    grid = rng.uniform(0, 255, 3) + rng.normal(0, rng.uniform(10, 70), (cells, cells, 3 if kind < 0.9 else 1))
    small = np.clip(grid, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, (size, size), interpolation=int(rng.choice([0, 2]))), np.uint8)


def behind(face: Image, other: Image, rng: Rng) -> Image:
    """A face [S, S, 4] before another place, as [S, S, 3]."""
    share = face[..., 3:].astype(np.float32) / 255
    return (share * face[..., :3] + (1 - share) * texture(rng, other, len(face))).astype(np.uint8)


def covered(crop: Image, other: Image, rng: Rng) -> Image:
    """A crop with one or two things before it: bars, discs, corners; a third of them of a skin's colour."""
    size = len(crop)
    for _ in range(int(rng.integers(1, 3))):
        mask = np.zeros((size, size), np.uint8)
        middle = rng.uniform(0.0, 1.0, 2) * size
        extent = size * rng.uniform(0.06, 0.3, 2) * (1.0, rng.uniform(0.5, 3.0))
        box = (tuple(middle), tuple(extent * 1.5), float(rng.uniform(0, 180)))
        if rng.random() < 0.5:
            cv2.fillPoly(mask, [np.round(cv2.boxPoints(box)).astype(np.int32)], 255, cv2.LINE_AA)
        else:
            cv2.ellipse(mask, box, 255, -1, cv2.LINE_AA)
        if rng.random() < 1 / 3:
            skin = np.array([225, 180, 150]) * rng.uniform(0.3, 1.05) + rng.normal(0, 12, 3)
            ramp = np.linspace(0.8, 1.15, size)[:, None, None] * np.ones((1, size, 1))
            surface = np.clip(skin * ramp, 0, 255).astype(np.uint8)
        else:
            surface = texture(rng, other, size)
        share = mask[..., None].astype(np.float32) / 255
        crop = (share * surface + (1 - share) * crop).astype(np.uint8)
    return crop


def filmed(crop: Image, rng: Rng) -> Image:
    """A crop as some camera shows it: tone, colour, focus, resolution, noise, compression."""
    image = crop
    if rng.random() < 0.15:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    curve = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.3))
    gain = np.exp(rng.normal(0, 0.18) + rng.normal(0, 0.08, 3))
    curve = (curve - 0.5) * gain * np.exp(rng.normal(0, 0.15)) + 0.5 + rng.normal(0, 0.06)
    table = np.clip(255 * curve, 0, 255).astype(np.uint8)
    image = np.asarray(cv2.LUT(np.ascontiguousarray(image), table[None]), np.uint8)
    if rng.random() < 0.1:
        image = _remixed(image, rng)
    if rng.random() < 0.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.7))), np.uint8)
    if rng.random() < 0.4:
        own = max(16, int(len(image) * rng.uniform(0.25, 0.9)))
        small = cv2.resize(image, (own, own), interpolation=cv2.INTER_AREA)
        way = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
        image = np.asarray(cv2.resize(small, image.shape[:2], interpolation=way), np.uint8)
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(1, 14))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])[1]
        image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return image


def _remixed(image: Image, rng: Rng) -> Image:
    """Through a random 3 x 3 filter of all colours: other textures, the same shapes."""
    weights = rng.normal(0, 0.25, (3, 3))
    kernel = rng.normal(0, 0.15, (3, 3))
    kernel[1, 1] += 1.0
    mixed = np.asarray(cv2.filter2D(image.astype(np.float32), -1, kernel)) @ (np.eye(3) + weights)
    return np.asarray(np.clip(mixed + 128 - mixed.mean(), 0, 255), np.uint8)


def scene(
    rng: Rng, faces: list[tuple[Image, Square]], other: Image, size: int
) -> tuple[Image, npt.NDArray[np.float64]]:
    """A picture uint8 [size, size, 3] with some faces at random sizes and places, or none.

    Args:
        rng: Source of randomness.
        faces: Images [S, S, 4], and where their face is; later ones stand before earlier ones.
        other: Image whose parts stand behind all of them.
        size: Side of the picture.

    Returns:
        The picture; and of each face x and y of its middle and its side in pixels, 0 for one that a later one
        hides.
    """
    picture = texture(rng, other, size)
    for _ in range(int(rng.integers(0, 3))):
        picture = covered(picture, other, rng)
    places = np.zeros((len(faces), 3))
    for index, (face, square) in enumerate(faces):
        side = float(np.exp(rng.uniform(np.log(12), np.log(0.95 * size))))
        scale = side / square.side
        x, y = rng.uniform(0.0, 1.0, 2) * (size - 1)
        angle = float(np.clip(rng.normal(0, 15), -60, 60))
        matrix = cv2.getRotationMatrix2D((square.x, square.y), angle, scale)
        matrix[:, 2] += [x - square.x, y - square.y]
        shrunk = face
        if scale < 0.5:  # so that no pixels are skipped
            factor = 1 / int(1 / scale)
            shrunk = np.asarray(cv2.resize(face, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
            matrix[:, :2] *= len(face) / len(shrunk)
        layer = cv2.warpAffine(shrunk, matrix, (size, size), flags=cv2.INTER_LINEAR)
        whole = cv2.warpAffine(
            np.full(shrunk.shape[:2], 255, np.uint8), matrix, (size, size), flags=cv2.INTER_LINEAR
        )
        share = layer[..., 3] if rng.random() < 0.7 else whole
        share = share[..., None].astype(np.float32) / 255
        if mirrored := rng.random() < 0.5:
            share, layer = share[:, ::-1], layer[:, ::-1]
        picture = (share * layer[..., :3] + (1 - share) * picture).astype(np.uint8)
        places[index] = [size - 1 - x if mirrored else x, y, side]
        for earlier in range(index):
            ex, ey, es = places[earlier]
            if es and share[int(ey), int(ex), 0] > 0.5 and np.hypot(ex - places[index][0], ey - y) < side:
                places[earlier, 2] = 0.0
    return picture, places


def warped(image: Image, matrix: npt.NDArray[np.float64], size: int, rng: Rng) -> Image:
    """The crop of an affine matrix; beyond the image there is its border, its mirror image, or one colour."""
    border = int(rng.choice([cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101]))
    grey = int(rng.integers(0, 256)) if rng.random() < 0.5 else 0
    return np.asarray(
        cv2.warpAffine(
            image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=(grey,) * 3
        ),
        np.uint8,
    )
