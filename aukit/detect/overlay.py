"""What was found, drawn into a copy of an image: boxes, landmarks, bars of action units."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from aukit.detect.face import INTENSITY, Face, Image, Measure
from aukit.facs import ACTION_UNITS

_LINES = (
    (range(17), False), (range(17, 22), False), (range(22, 27), False), (range(27, 31), False),
    (range(31, 36), False), (range(36, 42), True), (range(42, 48), True), (range(48, 60), True),
    (range(60, 68), True),
)  # fmt: skip
"""Jaw, brows, nose, eyes and lips of the 68 points, and whether each ends where it begins."""
_COLOURS = ((80, 220, 100), (90, 170, 255), (255, 170, 60), (235, 110, 220), (250, 230, 70), (70, 225, 225))
_PAPER, _INK, _REST = (24, 26, 30), (235, 235, 235), (62, 66, 74)
_ROW = (13, 30)  # least and most pixels of a bar and its name
_WIDE = 13  # a panel's width in rows


def draw_faces(
    image: Image, faces: Sequence[Face], aus: Sequence[int], measure: Measure = INTENSITY
) -> Image:
    """A copy of an image with boxes and landmarks; on its right, bars of the largest face's action units.

    Args:
        image: RGB uint8 [H, W, 3].
        faces: Largest first.
        aus: Action units of their levels; without any there are no bars.
        measure: What the levels are: a full bar is its greatest value.

    Returns:
        RGB uint8 [H', W', 3], both even: the image at its size, with room for the bars.

    Example:
        >>> draw_faces(np.zeros((400, 300, 3), np.uint8), [], (1, 2)).shape
        (400, 690, 3)
    """
    height, width = image.shape[:2]
    row = int(np.clip(height / (len(aus) + 2), *_ROW)) if len(aus) else 0
    tall, wide = max(height, row * (len(aus) + 2)), width + _WIDE * row
    canvas = np.full((tall + tall % 2, wide + wide % 2, 3), _PAPER, np.uint8)
    picture = image.copy()
    for face in reversed(faces):
        _draw_face(picture, face)
    canvas[:height, :width] = picture
    if row:
        _draw_bars(canvas[:, width:], faces[0] if faces else None, aus, measure, row)
    return canvas


def _draw_face(picture: Image, face: Face) -> None:
    size = max(float(face.box[2:].max()), 1.0)
    thick = max(1, round(size / 220))
    colour = _COLOURS[face.identity % len(_COLOURS)]
    left, top, width, height = face.box.tolist()
    corners = [(round(left), round(top)), (round(left + width), round(top + height))]
    cv2.rectangle(picture, corners[0], corners[1], colour, thick, cv2.LINE_AA)
    points = np.round(face.landmarks[:, :2] * 16).astype(np.int32)  # sixteenths of a pixel
    for line, closed in _LINES:
        cv2.polylines(picture, [points[list(line)]], closed, colour, thick, cv2.LINE_AA, 4)
    for x, y in points.tolist():
        cv2.circle(picture, (x, y), round(16 * max(1.0, size / 150)), _INK, -1, cv2.LINE_AA, 4)
    text = f"{face.identity}  {face.confidence:.2f}"
    _write(picture, text, (corners[0][0], corners[0][1] - 3 * thick), max(9.0, min(size / 12, 22.0)), colour)


def _draw_bars(panel: Image, face: Face | None, aus: Sequence[int], measure: Measure, row: int) -> None:
    """Bars of all action units, one below the other; `panel` is drawn into."""
    wide = panel.shape[1]
    begin, end = int(7.6 * row), wide - int(1.9 * row)
    title = "no face" if face is None else f"face {face.identity}"
    _write(panel, title, (row // 2, row), 0.62 * row, _INK)
    for place, au in enumerate(aus):
        top = int((place + 1.5) * row)
        name = ACTION_UNITS[au].name if au in ACTION_UNITS else ""
        _write(panel, f"{au:>2} {name}", (row // 2, top + int(0.72 * row)), 0.5 * row, _INK, begin - row)
        cv2.rectangle(panel, (begin, top + row // 4), (end, top + int(0.75 * row)), _REST, -1)
        if face is None:
            continue
        level = float(np.clip(face.levels[place] / measure.most, 0, 1))
        colour = _COLOURS[face.identity % len(_COLOURS)]
        if (reach := begin + round(level * (end - begin))) > begin:
            cv2.rectangle(panel, (begin, top + row // 4), (reach, top + int(0.75 * row)), colour, -1)
        text = f"{face.levels[place]:.{1 if measure is INTENSITY else 2}f}"
        _write(panel, text, (end + row // 3, top + int(0.72 * row)), 0.5 * row, _INK)


def _write(
    picture: Image,
    text: str,
    where: tuple[int, int],
    height: float,
    colour: Sequence[int],
    room: float = np.inf,
) -> None:
    """Text with capital letters of about a height in pixels, smaller where it has less room."""
    scale = height / 22
    scale *= min(1.0, room / cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0])
    cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale, tuple(colour), 1, cv2.LINE_AA)
