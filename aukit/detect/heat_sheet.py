"""A face's crop under the heat map of each action unit, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aukit.detect.face import Image
from aukit.models.fgnet.overlay import heatmap_overlay

_CELL = (160, 256)  # least and most pixels of a crop in the picture
_TITLE = 24
_PAPER, _INK = 24, (235, 235, 235)


def empty_sheet(size: int, count: int) -> Image:
    """The picture where there is no face: as large as that of a crop of `size` with `count` action units."""
    side, rows, columns = _layout(size, count)
    sheet = np.full((rows * (side + _TITLE), columns * side, 3), _PAPER, np.uint8)
    _write(sheet, "no face", 0, 0)
    return sheet


def heat_sheet(crop: Image, heatmaps: Tensor, aus: Sequence[int], levels: npt.NDArray[np.floating]) -> Image:
    """The crop, then the crop under each heat map: red where the action unit is seen, blue where it is not.

    Args:
        crop: RGB uint8 [S, S, 3].
        heatmaps: [A, s, s], clamped to [-1, 1] here.
        aus: The A action units.
        levels: [A], written beside their names.

    Returns:
        RGB uint8 [H, W, 3], both even; the size depends on S and A alone.
    """
    side, rows, columns = _layout(len(crop), len(aus))
    sheet = np.full((rows * (side + _TITLE), columns * side, 3), _PAPER, np.uint8)
    image = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)[None].float() / 255
    strip = heatmap_overlay(image, heatmaps[None])
    names = ["face", *(f"AU{au:02d}  {level:.2f}" for au, level in zip(aus, levels, strict=True))]
    for place, name in enumerate(names):
        cell = strip[:, place * len(crop) : (place + 1) * len(crop)]
        top, left = place // columns * (side + _TITLE), place % columns * side
        smooth = cv2.INTER_AREA if len(crop) > side else cv2.INTER_LINEAR
        shown = cv2.resize(cell, (side, side), interpolation=smooth)
        sheet[top + _TITLE : top + _TITLE + side, left : left + side] = shown
        _write(sheet, name, top, left)
    return sheet


def _layout(size: int, count: int) -> tuple[int, int, int]:
    """Side of a crop in the picture, rows and columns: about twice as wide as high."""
    rows = max(1, round(math.sqrt((count + 1) / 2)))
    return int(np.clip(size, *_CELL)) // 2 * 2, rows, math.ceil((count + 1) / rows)


def _write(sheet: Image, text: str, top: int, left: int) -> None:
    cv2.putText(sheet, text, (left + 6, top + 17), cv2.FONT_HERSHEY_SIMPLEX, 0.48, _INK, 1, cv2.LINE_AA)
