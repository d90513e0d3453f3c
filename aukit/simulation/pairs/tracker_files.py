"""CSV files of expression trackers → how a face moved, frame by frame.

How such a table is written is known to `aukit.datasets.tracker_tables`, what its columns mean to
`aukit.simulation.pairs.tracker_formats`, and which frame a row is about to
`aukit.datasets.tracker_timeline`. What is lost on the way is counted, never silent:

- A frame is *seen* if it has a row, the tracker had it (``success``, ``confidence``, ``FaceScore`` and
  ``BlendshapeCount``, each by a stated threshold) and all its numbers are finite.
- Gaps of at most `MAX_GAP` unseen frames between seen ones are interpolated linearly (faces hardly change
  in a fifth of a second) and counted in `AUTrack.interpolated`; frames of longer gaps, and those before the
  first and after the last seen frame, are unusable and counted by reason in `AUTrack.excluded`.
- Trackers overshoot: a small share of values outside their documented range is clipped and counted in
  `AUTrack.clipped`; a larger one is an error, since the file has other units.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.tracker_rows import TrackerRows
from aukit.datasets.tracker_tables import read_columns, read_header
from aukit.datasets.tracker_timeline import (
    FRAME_COLUMNS,
    NAME_COLUMNS,
    TIME_COLUMNS,
    TIMECODE,
    place_rows,
)
from aukit.simulation.pairs.tracker_formats import format_of

MAX_GAP = 5
"""Longest stretch of unseen frames that is interpolated: 0.2 s at 25 frames per second."""


@dataclass(frozen=True)
class AUTrack:
    """How a face moved in one video, as a tracker saw it.

    Attributes:
        activations: float32 [T, A, 2] (person's left, right) in [0, 1], columns as in `VISIBLE_AUS`, in the
            order of time (`TrackerRows.numbers`). 0 where not usable.
        reasons: T texts: why a frame is unusable, empty for usable ones.
        interpolated: Number of usable frames that were not seen.
        clipped: Number of values outside the tracker's range.
    """

    activations: npt.NDArray[np.float32]
    reasons: tuple[str, ...]
    interpolated: int
    clipped: int

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which frames were seen or interpolated; bool [T]."""
        return np.array([not reason for reason in self.reasons])

    @property
    def excluded(self) -> dict[str, int]:
        """Number of unusable frames by reason."""
        return dict(sorted(Counter(reason for reason in self.reasons if reason).items()))


def read_tracker(path: str | Path, rows: TrackerRows) -> AUTrack:
    """Read a tracker's CSV file about a recording, of whichever format its header says.

    Args:
        path: The file.
        rows: Frames of the recording (`Release.tracker_rows`).

    Raises:
        OtherFramesError: The file is not about the frames of this recording.
        CorpusError: The file is of another tool or in other units, lacks columns, has cells that are no
            numbers, several faces or gaps that cannot be placed; with file, line and column.
    """
    header = read_header(Path(path))
    layout = format_of(header)
    there = set(header.keys)
    columns = read_columns(
        header,
        values=[key for key in (*layout.needed, *layout.optional) if key in there],
        numbers=[key for key in (*layout.failures, *FRAME_COLUMNS) if key in there],
        texts=[key for key in (*NAME_COLUMNS, TIMECODE, *TIME_COLUMNS) if key in there],
    )
    moved, why, clipped = layout.activations(columns)
    places = place_rows(columns, rows, layout)
    kept = places >= 0
    activations = np.zeros((len(rows.numbers), *moved.shape[1:]), np.float32)
    lost = np.full(len(rows.numbers), "no row in the tracker's file", dtype=object)
    activations[places[kept]] = moved[kept]
    lost[places[kept]] = why[kept]
    return _bridged(activations, lost, clipped)


def _bridged(activations: npt.NDArray[np.float32], lost: npt.NDArray[np.object_], clipped: int) -> AUTrack:
    """Interpolate short gaps; `lost` holds the reason of each unseen frame, "" for the seen."""
    seen = np.flatnonzero(lost == "")
    interpolated = 0
    for before, after in pairwise(seen):
        gap = int(after - before) - 1
        if 0 < gap <= MAX_GAP:
            share = (np.arange(1, gap + 1, dtype=np.float32) / (gap + 1))[:, None, None]
            activations[before + 1 : after] = (1 - share) * activations[before] + share * activations[after]
            lost[before + 1 : after] = ""
            interpolated += gap
    activations[lost != ""] = 0.0
    return AUTrack(activations, tuple(map(str, lost)), interpolated, clipped)
