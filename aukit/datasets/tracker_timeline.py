"""Which frame each row of a tracker's file is about: from its columns, not from the number of the row alone.

In this order: the image's file name; the column ``frame``; ``Timecode`` or a timestamp; and for files without
any of them the order of the rows, if there are as many as frames. What is not certain is refused. A row that
is missing leaves its frame without a row and moves no other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath

import numpy as np
import numpy.typing as npt

from aukit.datasets.tracker_rows import Places, TrackerRows
from aukit.datasets.tracker_tables import Columns
from aukit.errors import CorpusError

NAME_COLUMNS = ("input", "filename", "file_name", "image_name")
TIME_COLUMNS = ("timestamp", "timestamp_ms", "time", "time_ms", "frame_time_in_ms")
FRAME_COLUMNS = ("frame", "frame_number", "frame_index", "frame_idx", "frame_id")
TIMECODE = "timecode"

TIMECODE_RATES = (24, 25, 30, 48, 50, 60)
"""Frames per second that a ``Timecode`` may count; ARKit has at most 60."""
MOST_JITTER = 0.25
"""Of the distance of two frames: a time further from a whole number of frames has no certain place."""
GAP = 1.5
"""Of the usual distance of two rows: from here on a row may be missing between them."""

_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})[:;](\d{1,3}(?:[.,]\d+)?)")

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Numbering:
    """How a tracker numbers its rows.

    Attributes:
        first_frame: Number of the first frame in the column ``frame``; None where that is up to the user.
        by_name: Whether the tracker itself goes through folders of images, and then by name.
        complete: Whether the tracker writes a row for each frame, be there a face or not.
    """

    first_frame: int | None
    by_name: bool
    complete: bool


class OtherFramesError(CorpusError):
    """A file that is whole, but not about the frames of this recording.

    Attributes:
        reason: What differs, with both numbers and without the file's name.
    """

    def __init__(self, columns: Columns, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{columns.header.path}: {reason}; run the tracker again on this recording")


def place_rows(columns: Columns, rows: TrackerRows, layout: Numbering) -> Places:
    """Place in time of the frame of each row; −1 for a row about an image that is no frame.

    Args:
        columns: The file, with those of the columns named above that it has.
        rows: Frames of the recording.
        layout: How its tracker numbers rows.

    Raises:
        OtherFramesError: The file has more rows than the recording frames, or fewer and does not say which.
        CorpusError: Two rows are about one frame, a gap cannot be placed, columns contradict each other, or
            several readings of the file are possible.
    """
    if rows.images and (named := _by_name(columns, rows)) is not None:
        return named
    orders = rows.orders[:1] if rows.images and layout.by_name else rows.orders
    n_rows, n_frames = len(columns.lines), max(map(len, orders))
    if n_rows > n_frames:
        raise OtherFramesError(columns, f"the tracker's file has {n_rows} rows for {n_frames} frames")
    if (key := _frame_column(columns)) is not None:
        readings = _by_number(columns, key, rows, orders, layout)
    elif (times := _times(columns)) is not None:
        readings = _by_time(columns, times, orders)
    else:
        readings = [order for order in orders if len(order) == n_rows]
    if not readings:
        raise OtherFramesError(
            columns,
            f"the tracker's file has {n_rows} rows for {n_frames} frames, and no column that says which",
        )
    return _the_one(columns, readings, orders, bool(rows.images))


def _frame_column(columns: Columns) -> str | None:
    return next((key for key in FRAME_COLUMNS if key in columns.numbers), None)


def _the_one(columns: Columns, readings: Sequence[Places], orders: Sequence[Places], images: bool) -> Places:
    """The reading, if there is one; one that has a row for each frame goes before those that have not."""
    different = {reading.tobytes(): reading for reading in readings}
    if len(different) > 1:
        whole = {key: r for key, r in different.items() if any(np.array_equal(r, order) for order in orders)}
        different = whole or different
    if len(different) == 1:
        return different.popitem()[1]
    path, n_rows = columns.header.path, len(columns.lines)
    if len(orders) == 1:
        raise CorpusError(
            f"{path}: its frame numbers may count from 0 or from 1, or be those of the images; add a row "
            "for the first frame, or a column timestamp that is 0 there"
        )
    if images:
        raise CorpusError(
            f"{path}: the images of the folder have another order by name than by number, and the file does "
            f"not say which is meant; add a column {NAME_COLUMNS[0]} with their names"
        )
    raise OtherFramesError(
        columns,
        f"the tracker's file has {n_rows} rows; of {len(orders[1])} frames {len(orders[0])} can be decoded",
    )


def _by_name(columns: Columns, rows: TrackerRows) -> Places | None:
    """Places by file name; None where the file has no names, or those of no image of the folder."""
    key = next((key for key in NAME_COLUMNS if key in columns.texts), None)
    if key is None:
        return None
    names = [PureWindowsPath(text).name for text in columns.texts[key]]  # both kinds of slashes
    if not any(name in rows.images for name in names):
        return None
    met: dict[str, int] = {}
    for row, name in enumerate(names):
        if name not in rows.images:
            raise CorpusError(
                f"{columns.at(row, key)}: no image of the folder is called {name!r}; run the tracker again"
            )
        if (before := met.setdefault(name, row)) != row:
            raise CorpusError(
                f"{columns.at(row, key)}: {name} again, after line {columns.lines[before]}; one face per "
                "image is needed: keep the rows of one person"
            )
    return np.array([rows.images[name] for name in names], dtype=np.int64)


def _by_number(
    columns: Columns, key: str, rows: TrackerRows, orders: Sequence[Places], layout: Numbering
) -> list[Places]:
    """Readings of the column ``frame``: counted from 0 or 1, or the numbers of images."""
    numbers = _frame_numbers(columns, key, layout)
    n_frames = max(map(len, orders))
    if layout.first_frame is not None:
        starts = [layout.first_frame]
    elif numbers[0] == 0:
        starts = [0]
    else:
        starts = _start_by_time(columns, numbers) or [0, 1]
    if layout.complete and _unbroken(numbers, starts[0]):
        # All frames that the tracker met. If they were fewer, any may be the one that it did not meet.
        step = int(np.diff(numbers[:2]).sum()) or 1
        orders = [order for order in orders if len(order) + starts[0] - numbers[-1] <= step]
    elif not layout.by_name and len(numbers) < n_frames:
        _check_agreement(columns, numbers)
    readings = [
        order[numbers - start] for start in starts for order in orders if numbers[-1] - start < len(order)
    ]
    if rows.images and layout.first_frame is None and np.isin(numbers, rows.numbers).all():
        readings.append(np.searchsorted(rows.numbers, numbers).astype(np.int64))
    if not readings:
        raise OtherFramesError(
            columns,
            f"the tracker's file has {len(numbers)} rows, to frame {numbers[-1]}, for {n_frames} frames",
        )
    return readings


def _unbroken(numbers: Places, start: int) -> bool:
    """Whether numbers begin with the first frame and go on in equal steps."""
    return bool(numbers[0] == start and len(set(np.diff(numbers).tolist())) <= 1)


def _frame_numbers(columns: Columns, key: str, layout: Numbering) -> Places:
    """The column ``frame``: whole numbers that ascend."""
    numbers = columns.numbers[key]
    first = 0 if layout.first_frame is None else layout.first_frame
    for row, number in enumerate(numbers):
        if not (number >= first and number == np.floor(number) and number < 2**31):
            raise CorpusError(f"{columns.at(row, key)}: {number:g} is no frame number from {first}")
        if row and number <= numbers[row - 1]:
            what = "one face per video is needed: keep the rows of one person"
            if layout.by_name:
                what += ", as FeatureExtraction writes them and FaceLandmarkVidMulti does not"
            raise CorpusError(f"{columns.at(row)}: frame {number:g} after frame {numbers[row - 1]:g}; {what}")
    return numbers.astype(np.int64)


def _start_by_time(columns: Columns, numbers: Places) -> list[int] | None:
    """Number of the frame at time 0, if it is 0 or 1 beyond doubt."""
    times = _timestamps(columns)
    if times is None or len(times) < 2 or (np.diff(times) <= 0).any():
        return None
    before = times[0] / ((times[-1] - times[0]) / (numbers[-1] - numbers[0]))
    start = int(numbers[0] - np.rint(before))
    return [start] if abs(before - np.rint(before)) <= MOST_JITTER and start in (0, 1) else None


def _check_agreement(columns: Columns, numbers: Places) -> None:
    """Frames that are counted on where the clock shows a gap were counted by rows."""
    times = _times(columns)
    grid = None if times is None else _grid(times)
    if grid is None or len(grid) < 2:
        return
    apart = np.diff(numbers) / np.diff(grid)
    usual = np.median(apart)
    if (wrong := np.flatnonzero(abs(apart - usual) > MOST_JITTER * usual)).size:
        row = int(wrong[0]) + 1
        raise CorpusError(
            f"{columns.at(row)}: frame {numbers[row]} follows frame {numbers[row - 1]}, but by the time "
            f"{np.diff(grid)[row - 1] * usual:g} frames went by; number the rows by the frames of the video"
        )


def _times(columns: Columns) -> Times | None:
    """Time of each row in frames of a Timecode or in any unit; None where no column tells it."""
    if TIMECODE in columns.texts and len(set(columns.texts[TIMECODE])) > 1:
        return _timecodes(columns)
    return _timestamps(columns)


def _timestamps(columns: Columns) -> Times | None:
    """The first column of timestamps that are finite and not all the same."""
    for key in TIME_COLUMNS:
        if key in columns.texts:
            try:
                times = np.array([float(text.replace(",", ".")) for text in columns.texts[key]])
            except ValueError:
                continue  # dates and the like
            if np.isfinite(times).all() and np.ptp(times) > 0:
                return times
    return None


def _timecodes(columns: Columns) -> Times:
    """``HH:MM:SS:FF.fff`` in frames, from whatever hour on and past midnight.

    How many frames a second has is found: of the usual rates that are beyond all FF it is the one by which
    the rows are most evenly apart.
    """
    parts = np.zeros((len(columns.lines), 2))
    for row, text in enumerate(columns.texts[TIMECODE]):
        if (match := _TIMECODE.fullmatch(text)) is None:
            raise CorpusError(
                f"{columns.at(row, TIMECODE)}: {text!r} is no Timecode HH:MM:SS:FF.fff; correct the line or "
                "export it again"
            )
        hours, minutes, seconds = map(int, match.groups()[:3])
        parts[row] = (hours * 60 + minutes) * 60 + seconds, float(match[4].replace(",", "."))
    # A step back by more than half a day is midnight.
    day = 24 * 60 * 60
    parts[1:, 0] += day * np.cumsum(np.diff(parts[:, 0]) < -day / 2)
    rates = [rate for rate in TIMECODE_RATES if parts[:, 1].max() < rate]
    if not rates:
        raise CorpusError(
            f"{columns.header.path}: a Timecode counts to {parts[:, 1].max():g} frames in a second, beyond "
            f"{TIMECODE_RATES[-1]}; export it again"
        )
    by_rate = [parts[:, 0] * rate + parts[:, 1] for rate in rates]
    return min(by_rate, key=_unevenness)


def _unevenness(times: Times) -> float:
    """Mean distance of neighbours in usual distances, far more where one goes back."""
    steps = np.diff(times)
    usual = np.median(steps)
    return float("inf") if usual <= 0 else float(abs(steps / usual - 1).mean() + (steps < 0).sum() * 1e6)


def _by_time(columns: Columns, times: Times, orders: Sequence[Places]) -> list[Places]:
    """Readings of a clock: rows on one grid that spans the recording, or one row for each frame."""
    steps = np.diff(times)
    if (back := np.flatnonzero(steps < 0)).size:
        raise CorpusError(
            f"{columns.at(int(back[0]) + 1)}: the time runs backwards; one face and one take are needed"
        )
    grid = _grid(times)
    if grid is None:
        usual = np.median(steps)
        if (gaps := np.flatnonzero(steps >= GAP * usual)).size:
            row = int(gaps[0]) + 1
            raise CorpusError(
                f"{columns.at(row)}: {steps[row - 1] / usual:.2f} times the usual time since the row before: "
                "frames are missing, and it is not certain how many; add a column frame"
            )
        return [order for order in orders if len(order) == len(times)]
    step = (times[-1] - times[0]) / grid[-1] if grid[-1] else 1.0
    before = times[0] / step
    late = int(np.rint(before)) if abs(before - np.rint(before)) <= MOST_JITTER else 0
    starts = {0} if TIMECODE in columns.texts else {0, late}
    readings = [order[grid + s] for order in orders for s in starts if grid[-1] + s == len(order) - 1]
    if not readings:
        raise OtherFramesError(
            columns,
            f"the tracker's file has {len(times)} rows that span {grid[-1] + 1} frames, the recording has "
            f"{max(map(len, orders))}",
        )
    return readings


def _grid(times: Times) -> Places | None:
    """Frames since the first row, if all times are a whole number of frames apart; None if they are not."""
    steps = np.diff(times)
    if not len(steps):
        return np.zeros(1, dtype=np.int64)
    usual = float(np.median(steps))
    for _ in range(3):  # the mean of the single steps is exact where times are rounded
        if usual <= 0:
            return None
        counts = np.rint(steps / usual)
        if (counts < 1).any():
            return None
        if (single := counts == 1).any():
            usual = float(steps[single].mean())
    if (abs(steps / usual - counts) > MOST_JITTER).any():
        return None
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
