"""Landmarks that a user brings for listed frames: in a table, or in a folder of arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aukit.datasets.files import inside, join, walk, without_ending
from aukit.datasets.sidecars import pixel_depth
from aukit.datasets.stamps import file_stamp, folder_stamp
from aukit.datasets.table_file import read_arrow
from aukit.datasets.table_rows import normal_path
from aukit.errors import CorpusError, shown
from aukit.utils.outside import load_npy

_POINT = re.compile(r"([xyz])_?(\d{1,2})", re.IGNORECASE | re.ASCII)
_MAX_NPY_BYTES = 2**30
_FAILED = frozenset({"0", "0.0", "false"})
"""What a table says in its column ``success`` where a tracker found no face."""


class _Table(NamedTuple):
    """A table of landmarks.

    Attributes:
        rows: Image, or video and frame → row.
        points: float32 [N, 68, 2 or 3].
        spans: Video → its first and last frame.
    """

    rows: dict[str, int]
    points: npt.NDArray[np.float32]
    spans: dict[str, tuple[int, int]]


class ListedLandmarks:
    """68 points of frames, in pixels of the frame.

    A table is held in memory once it is asked for a frame: 0.55 GB for a million frames and process.

    Args:
        path: A table (``path``, or ``video`` and ``frame``; ``x0`` … ``x67``, ``y0`` … ``y67``, perhaps
            ``z0`` …; or as OpenFace has it, ``x_0`` … with ``X_0`` … and ``success``) or a folder
            (``faces/p1/0001.npy`` for the image ``faces/p1/0001.jpg``, ``clip.npy`` for the video
            ``clip.mp4``).
        namesakes: Another listed image or video for each that differs from one in its ending alone: their
            files in a folder would be the same.
        first_frame: Number of a video's first frame in the table.
        is_said: Whether the user says so; otherwise a row of the table must have frame 0.
        follow_links: Whether links in the folder are followed wherever they lead.

    Raises:
        CorpusError: There is no such file or folder.
    """

    def __init__(
        self, path: Path, namesakes: Mapping[str, str], first_frame: int, is_said: bool, follow_links: bool
    ) -> None:
        self.path, self.namesakes, self.follow_links = path, namesakes, follow_links
        self.first_frame, self.is_said = first_frame, is_said
        if not path.exists():
            raise CorpusError(f"{path}: no such file or folder of landmarks; correct landmarks")

    def of_images(
        self, folder: str, files: npt.NDArray[np.object_], positions: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Landmarks [last position + 1, 68, 3]; NaN where there are none.

        Args:
            folder: That of the images.
            files: Their names.
            positions: Position of each.

        Raises:
            CorpusError: They are damaged.
        """
        names = [join(folder, name) for name in files]
        if not self.path.is_dir():
            return self._of_rows(names, positions)
        result = _no_points(positions)
        for position, name in zip(positions, names, strict=True):
            if (points := self._read(name)) is None:
                continue
            if len(points) != 1:
                raise CorpusError(f"{self._file(name)}: {len(points)} rows for one image; make it again")
            result[position, :, : points.shape[-1]] = points[0]
        return result

    def of_video(self, video: str, positions: npt.NDArray[np.int64], frames: int) -> npt.NDArray[np.float32]:
        """Landmarks [last position + 1, 68, 3]; NaN where there are none.

        Args:
            video: The video.
            positions: Position of each listed frame.
            frames: How many frames the video has, listed or not.

        Raises:
            CorpusError: They are damaged, or of more or fewer frames than the video has: then whose they are
                is not known.
        """
        listed = int(positions.max(initial=-1)) + 1
        if not self.path.is_dir():
            first, last = self._table.spans.get(video, (self.first_frame, self.first_frame))
            end = self.first_frame + max(frames, listed) - 1
            if last > end:
                raise CorpusError(
                    f"{self.path}: has frames {first} to {last} of {video}, whose frames are"
                    f" {self.first_frame} to {end}; number them as the list does"
                )
            names = [f"{video}\n{position + self.first_frame}" for position in positions]
            return self._of_rows(names, positions)
        result = _no_points(positions)
        if (points := self._read(video)) is not None:
            lengths = sorted({frames, listed})  # all of the video's, or up to the last one that is listed
            if len(points) not in lengths:
                has = f"{video} has {' or '.join(map(str, lengths))} frames"
                raise CorpusError(f"{self._file(video)}: {len(points)} rows, but {has}; make it again")
            known = positions < len(points)
            result[positions[known], :, : points.shape[-1]] = points[positions[known]]
        return result

    def _of_rows(self, names: list[str], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Landmarks of frames by their names in the table."""
        result = _no_points(positions)
        rows = np.array([self._table.rows.get(name, -1) for name in names])
        found = rows >= 0
        points = self._table.points[rows[found]]
        result[positions[found], :, : points.shape[-1]] = points
        return result

    def stamps(self) -> dict[str, str]:
        """What changes with them."""
        if not self.path.is_dir():
            return {"table": file_stamp(self.path, content=True)}
        folders = (folder.path for folder in walk(self.path, self.follow_links))
        return {folder: folder_stamp(self.path / folder, _is_array) for folder in folders}

    def _file(self, frame: str) -> Path:
        """The array of an image or a video."""
        return inside(self.path, f"{without_ending(frame)}.npy", self.follow_links)

    def _read(self, frame: str) -> npt.NDArray[np.float32] | None:
        """Points [T, 68, 2 or 3] of an image (one row) or a video; None where there is no file."""
        path = self._file(frame)
        if not path.exists():
            if not self._has_arrays:
                raise CorpusError(
                    f"{self.path}: holds no .npy; landmarks of listed frames are such arrays, called like "
                    "their image or video, or one table of all (--landmarks FILE, or data.landmarks)"
                )
            return None
        if other := self.namesakes.get(frame):
            raise CorpusError(
                f"{path}: may be about {frame} or about {other}, which are both listed; rename one of them "
                "and its landmarks, or give the landmarks in a table"
            )
        try:
            points = load_npy(path, _MAX_NPY_BYTES)
        except (OSError, ValueError) as error:
            raise CorpusError(f"{path}: cannot be read as landmarks ({error}); make it again") from error
        points = points[None] if points.ndim == 2 else points
        if points.ndim != 3 or points.shape[1] != 68 or points.shape[2] not in (2, 3):
            raise CorpusError(f"{path}: {list(points.shape)}, expected [68, 2] or [68, 3] a frame")
        if points.dtype.kind not in "fiu":
            raise CorpusError(f"{path}: holds {points.dtype}, expected numbers; make it again")
        return points.astype(np.float32)

    @cached_property
    def _has_arrays(self) -> bool:
        return any(
            map(_is_array, (name for each in walk(self.path, self.follow_links) for name in each.files))
        )

    @cached_property
    def _table(self) -> _Table:
        table = read_arrow(self.path, lambda name: _POINT.fullmatch(name) is not None)
        columns = {name.lower(): table.column(name) for name in table.column_names}
        points = self._points_of(table)
        if "success" in columns:  # a tracker's points where it failed are anywhere
            failed = [_text(value).lower() in _FAILED for value in columns["success"].to_pylist()]
            points[np.array(failed, dtype=bool)] = np.nan
        if "path" not in columns and not {"video", "frame"} <= set(columns):
            raise CorpusError(
                f"{self.path}: does not say which frames the points belong to; add path, or video and frame"
            )
        names = [""] * table.num_rows
        if "path" in columns:
            names = [normal_path(_text(value)) for value in columns["path"].to_pylist()]
        spans: dict[str, tuple[int, int]] = {}
        if {"video", "frame"} <= set(columns):
            pairs = zip(columns["video"].to_pylist(), columns["frame"].to_pylist(), strict=True)
            for row, (video, text) in enumerate(pairs):
                if names[row]:
                    continue
                if not (video := normal_path(_text(video))):
                    continue
                text = _text(text).removesuffix(".0")
                if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
                    raise CorpusError(f"{self.path}, row {row + 1}: {shown(text)} is no number of a frame")
                frame = int(text)
                first, last = spans.get(video, (frame, frame))
                spans[video] = min(first, frame), max(last, frame)
                names[row] = f"{video}\n{frame}"
        if "" in names:
            raise CorpusError(
                f"{self.path}, row {names.index('') + 1}: has neither a path nor a video; say which frame it "
                "is about, or remove it"
            )
        if spans:
            self._require_count(spans)
        rows = {name: row for row, name in enumerate(names)}
        if len(rows) < len(names):
            row = next(row for row, name in enumerate(names) if rows[name] != row)
            name = shown(names[row].replace("\n", ", frame "))
            raise CorpusError(
                f"{self.path}, row {row + 1}: {name} has row {rows[names[row]] + 1} too; remove one"
            )
        return _Table(rows, points, spans)

    def _points_of(self, table: pa.Table) -> npt.NDArray[np.float32]:
        """Points [N, 68, 2 or 3] of a table, whose columns may be called as OpenFace's are."""
        spelt: dict[str, str] = {}
        for name in table.column_names:
            match = _POINT.fullmatch(name)
            if match and (other := spelt.setdefault(match[1] + str(int(match[2])), name)) != name:
                raise CorpusError(f"{self.path}: the columns {other} and {name} are the same; remove one")
        # OpenFace has pixels in small letters, millimetres in capitals; elsewhere capitals do not count.
        if not {"x0", "X0"} <= spelt.keys():
            spelt = {key.lower(): name for key, name in spelt.items()}
        pixels = "xyz" if "z0" in spelt else "xy"
        space = "XYZ" if pixels == "xy" and "X0" in spelt else ""
        wanted = [f"{axis}{n}" for axis in pixels + space for n in range(68)]
        if lacking := [key for key in wanted if key not in spelt]:
            raise CorpusError(
                f"{self.path}: has no column {lacking[0]} ({len(lacking)} are missing); needed are x0 to x67 "
                "and y0 to y67, perhaps z0 to z67"
            )
        points = np.empty((table.num_rows, 68, len(pixels + space)), np.float32)
        for place, axis in enumerate(pixels + space):
            for n in range(68):
                points[:, n, place] = table.column(spelt[f"{axis}{n}"]).to_numpy()
        if space:
            points[:, :, 2] = pixel_depth(points[:, :, :2], points[:, :, 2:])
        return points[:, :, :3]

    def _require_count(self, spans: dict[str, tuple[int, int]]) -> None:
        """Check how videos are counted by all of them: in the first and last frame of one may be no face."""
        video = min(spans, key=lambda video: spans[video][0])
        first, _ = spans[video]
        if not self.is_said and first > 0:
            raise CorpusError(
                f"{self.path}: no row has frame 0 of a video, so that frames may be counted from 0 or from "
                "1; number them as the list does, with a row for frame 0 (without points if it has no face), "
                "or say how both are counted: --first-frame 0 or 1, or data.first_frame in an experiment"
            )
        if first < self.first_frame:
            raise CorpusError(
                f"{self.path}: has a frame {first} of {video}, but frames are counted from "
                f"{self.first_frame}; number them as the list does"
            )


def _no_points(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    return np.full((int(positions.max(initial=-1)) + 1, 68, 3), np.nan, np.float32)


def _text(value: str | None) -> str:
    """A cell without spaces around it; Parquet has None where it is empty."""
    return (value or "").strip()


def _is_array(name: str) -> bool:
    return name.endswith(".npy")
