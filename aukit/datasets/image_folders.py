"""Recordings as folders of numbered images in place of video files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from aukit.datasets.files import file_names
from aukit.datasets.images import NUMBERED, image_number, list_images, read_image_if_whole
from aukit.datasets.release import Release
from aukit.datasets.tracker_rows import TrackerRows, image_rows
from aukit.datasets.tracker_timeline import NAME_COLUMNS
from aukit.datasets.video import Image
from aukit.errors import CorpusError


def has_images(folder: Path, numbered: re.Pattern[str] = NUMBERED) -> bool:
    """Whether a folder holds a numbered image; False where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return any(image_number(entry.name, numbered) is not None for entry in entries)
    except OSError:
        return False


class ImageFolderRelease(Release):
    """A release whose videos are folders of images; a frame is found by the number in its image's name.

    Example:
        >>> from aukit.datasets.bp4d import BP4D
        >>> corpus: ImageFolderRelease = BP4D("BP4D")  # doctest: +SKIP
        >>> list(corpus.images("Sequences(2D+3D)/F001/T1"))[:2]  # doctest: +SKIP
        [2440, 2441]
    """

    numbered: ClassVar[re.Pattern[str]] = NUMBERED
    """Names of images; the first group is the number."""

    def is_folder(self, video: str) -> bool:
        """Whether a video is a folder of images, not a file."""
        return True

    def first_number(self, video: str, numbers: Sequence[int]) -> int:
        """Number of the image at position 0, given the numbers that are there, ascending."""
        return 0

    def images(self, video: str) -> dict[int, str]:
        """Position → name of the image, ascending.

        Raises:
            CorpusError: Two images have the same number, or it is open which number the first frame has.
        """
        names = list_images(self.images_root, video, self.follow_links, self.numbered)
        first = self.first_number(video, list(names))
        return {number - first: name for number, name in names.items()}

    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (position, RGB uint8 [H, W, 3]) of the labelled images; None for a damaged one."""
        if not self.is_folder(video):
            yield from super().decode(video)
            return
        rows = self._rows(video, [])
        images = self.images(video)
        for position in [] if rows is None else rows["position"].tolist():
            yield position, read_image_if_whole(self.video_path(f"{video}/{images[position]}"))

    def _by_position(self, video: str, tracked: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """As of `Release`, but an array has a row per image, not per position."""
        self._require_one_order(video)
        positions = list(self.images(video))
        if len(tracked) != len(positions):
            raise CorpusError(
                f"{self._sidecar(video)}: {len(tracked)} rows for {len(positions)} images in {video}; "
                "write it again"
            )
        result = np.full((max(positions, default=-1) + 1, 68, 3), np.nan, np.float32)
        result[positions] = tracked
        return result

    def tracker_rows(self, video: str, positions: npt.NDArray[np.int64]) -> TrackerRows:
        """What the rows of a tracker's file about a folder of images stand for."""
        if not self.is_folder(video):
            return super().tracker_rows(video, positions)
        names = file_names(self.images_root, video, self.follow_links)
        return image_rows(self.images(video), names, positions, self.numbered)

    def _require_one_order(self, video: str) -> None:
        """Check that the rows of an array are those of the images, by name as by number.

        Programs list ``1000.jpg`` before ``999.jpg``, and nothing in an array says whether one did.
        """
        names = list(self.images(video).values())
        if (by_name := sorted(names)) != names:
            place = next(place for place, name in enumerate(names) if name != by_name[place])
            raise CorpusError(
                f"{self._sidecar(video)}: has no names of images, and those of {video} come in another order "
                f"by name ({by_name[place]} before {names[place]}) than by number; write a table (.csv) with "
                f"them in a column {NAME_COLUMNS[0]}, or give all as many digits and make the array again"
            )

    def _positions(self, video: str) -> npt.NDArray[np.int64]:
        if not self.is_folder(video):
            return super()._positions(video)
        images = self.images(video)
        names = map(self.numbered.fullmatch, images.values())
        digits = sorted({len(match[1]) for match in names if match is not None})
        self.spellings[video] = f"sequences with image names of {' and '.join(map(str, digits))} digits"
        return np.array(list(images), dtype=np.int64)

    def _reasons(self, video: str) -> tuple[str, str, str]:
        if not self.is_folder(video):
            return super()._reasons(video)
        return "image without label row", "label row without image", "label row without image"
