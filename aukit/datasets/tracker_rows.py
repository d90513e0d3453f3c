"""What the rows of a tracker's file about a video stand for: the orders in which a program meets its frames.

A program that reads a folder of images takes them by name: of ``990.jpg … 1009.jpg`` the first is
``1000.jpg``. One that reads a video file meets the pictures that can be decoded; where some cannot, it may
count them or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aukit.datasets.images import NUMBERED, image_number

Places = npt.NDArray[np.int64]

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")
"""Of the files of a folder that programs take for images, in small or capital letters."""


@dataclass(frozen=True)
class TrackerRows:
    """Frames of a video in the order of time, and the orders in which a program may have met them.

    Attributes:
        numbers: int64 [T] ascending: of images, the numbers in their names; of a video file, 0 to T − 1. A
            frame's *place* is its index here.
        places: int64 [K] places of the frames that are asked for.
        orders: Each int64 [N]: place of the frame that a program met first, second …; −1 for an image that is
            no frame. Where there are two, files of both kinds are about; of images, the first is by name.
        images: Place of each image of a folder by its file name, −1 for one that is no frame; empty for a
            video file.
    """

    numbers: Places
    places: Places
    orders: tuple[Places, ...]
    images: Mapping[str, int] = field(default_factory=dict)


def video_rows(decodable: Places, asked: Places) -> TrackerRows:
    """Rows of a video file.

    Args:
        decodable: Positions of the frames that can be decoded, ascending.
        asked: Positions that are asked for.

    Example:
        >>> video_rows(np.array([0, 1, 4]), np.array([4])).orders
        (array([0, 1, 4]), array([0, 1, 2, 3, 4]))
    """
    timeline = np.arange(decodable[-1] + 1, dtype=np.int64)
    orders = (decodable,) if len(decodable) == len(timeline) else (decodable, timeline)
    return TrackerRows(timeline, asked, orders)


def image_rows(
    frames: Mapping[int, str],
    names: Iterable[str],
    asked: Places,
    numbered: re.Pattern[str] = NUMBERED,
) -> TrackerRows:
    """Rows of a folder of images.

    Args:
        frames: Names of the images that are frames by their positions, ascending.
        names: All files of the folder.
        asked: Positions that are asked for.
        numbered: Names of images; the first group is the number.

    Example:
        >>> rows = image_rows({999: "999.jpg", 1000: "1000.jpg"}, ["999.jpg", "1000.jpg"], np.array([999]))
        >>> rows.orders, rows.places
        ((array([1, 0]), array([0, 1])), array([0]))
    """
    places_of = {name: place for place, name in enumerate(frames.values())}
    numbers = np.array([image_number(name, numbered) for name in places_of], np.int64)
    # By code point, as C++ and Python sort.
    images = {name: places_of.get(name, -1) for name in sorted(names) if name.lower().endswith(IMAGE_ENDINGS)}
    by_name = np.array(list(images.values()), np.int64)
    by_number = np.arange(len(frames), dtype=np.int64)
    same = np.array_equal(by_name, by_number)
    places = np.searchsorted(list(frames), asked).astype(np.int64)
    return TrackerRows(numbers, places, (by_name,) if same else (by_name, by_number), images)
