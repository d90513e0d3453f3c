"""Where the frames of a video belong, from its packets alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from aukit.datasets.avi import chunk_numbers
from aukit.datasets.libav import VideoError, open_video, packets, video_stream
from aukit.datasets.timeline import Places, places

_NO_ORIGIN = ("mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "dv", "mxf")
"""Containers whose timestamps start anywhere."""
_TELLS_GAPS = ("h264", "hevc")
"""Codecs whose decoder misses a lost picture; of others the gap on the timeline must tell."""
_NONE = np.iinfo(np.int64).min


@dataclass(frozen=True)
class VideoIndex:
    """What the packets [N] of a video say, in the order of decoding.

    Attributes:
        positions: Place of each; -1 where the edit list leaves it out.
        seconds: float64, when its frame is shown, from the beginning of the timeline; NaN where nothing says.
        times: Timestamp that its frame will have.
        keys: Whether it is a key frame.
        after_gap: Whether it comes after a gap on the timeline that its decoder would not notice.
        ordered: Whether timestamps of frames mean nothing, so that frames are known by their order alone.
    """

    positions: Places
    seconds: npt.NDArray[np.float64]
    times: npt.NDArray[np.int64]
    keys: npt.NDArray[np.bool_]
    after_gap: npt.NDArray[np.bool_]
    ordered: bool


def index_video(path: Path, viewed: bool = False) -> VideoIndex:
    """Read the packets of a video.

    Args:
        path: The file.
        viewed: Whether no label row depends on it: where nothing says where frames belong, they are counted.

    Raises:
        VideoError: The file is missing, cannot be opened, holds not exactly one video, or nothing says where
            its frames belong.
    """
    with open_video(path) as container:
        return _index(path, container, viewed)


def _index(path: Path, container: av.container.InputContainer, viewed: bool) -> VideoIndex:
    stream = video_stream(path, container)
    rows = [
        (
            _NONE if packet.pts is None else packet.pts,
            _NONE if packet.dts is None else packet.dts,
            packet.is_keyframe,
            packet.is_discard,
            -1 if packet.pos is None else packet.pos,
        )
        for packet, _ in packets(container, stream)
    ]
    pts, dts, keys, discard, offsets = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    shown = discard == 0
    if not shown.any():
        raise VideoError(path, "holds no frame", "copy it again")
    delay, avi = int(stream.codec_context.reorder_depth), container.format.name == "avi"
    # AVI has no timestamps of presentation: those that rise where the order changes are made up.
    made_up = avi and delay > 0 and bool((np.diff(pts[shown]) > 0).all())
    ordered = made_up or bool((pts[shown] == _NONE).any())
    origin = None if ordered else _origin(container, delay, pts, dts, keys)
    try:
        if not ordered and len(np.unique(pts[shown])) < shown.sum():
            raise ValueError("two frames have the same timestamp")
        if avi:
            at = _avi_places(path, stream, None if ordered else pts[shown], offsets[shown])
        elif ordered:
            at = _ordered_places(dts[shown])
        else:
            at = places(pts[shown], _frame_durations(stream), origin)
        if ordered and delay and len(at) <= at.max():
            raise ValueError("frames are missing, and none says when it is shown")
        begins_whole = keys[0] or any(entry.is_keyframe for entry in stream.index_entries[:1])
        if not begins_whole and at.min() == 0:
            raise ValueError("its beginning was cut off: it starts before a key frame")
    except ValueError as error:
        if not viewed:
            raise VideoError(
                path,
                f"does not say to which label row a frame belongs: {error}",
                "copy the video again, or write it anew with one frame per label row",
            ) from error
        at = _ranks(dts[shown] if ordered else pts[shown])
    positions = np.full(len(pts), -1, dtype=np.int64)
    positions[shown] = at
    after_gap = np.zeros(len(pts), dtype=bool)
    if not avi and stream.codec_context.name not in _TELLS_GAPS:  # an empty chunk of AVI means "as before"
        after_gap = _after_gaps(positions, delay)
    if avi or ordered:  # the places are all that is known, one per tick of the frame rate
        seconds = positions * float(1 / (stream.average_rate or stream.guessed_rate or np.nan))
    else:
        seconds = (pts - (pts[shown].min() if origin is None else origin)) * float(stream.time_base)
    return VideoIndex(positions, np.asarray(seconds, np.float64), pts, keys.astype(bool), after_gap, ordered)


def _avi_places(
    path: Path, stream: Any, pts: npt.NDArray[np.int64] | None, offsets: npt.NDArray[np.int64]
) -> Places:
    """Places of an AVI's packets: the numbers of their chunks, in the order of presentation."""
    counted = chunk_numbers(path, stream.index)
    numbers = np.array([counted.get(int(offset), -1) for offset in offsets], dtype=np.int64)
    if (numbers < 0).any():
        raise ValueError("its chunks cannot be counted, since a header is damaged")
    numbers = places(numbers)  # some writers put a chunk for every tick of a clock
    delay = int(stream.codec_context.reorder_depth)
    if not delay:
        return numbers
    if len(numbers) <= numbers.max():
        raise ValueError("chunks are empty in a video whose frames are not in the order of its chunks")
    if pts is None:
        return numbers
    if pts.min() < delay:
        raise ValueError("its chunks are out of order")
    at = pts - delay
    if stream.frames > at.max() + 1:  # cut off: where the last one is shown, those after it would have told
        at[np.argmax(at)] = -1
    return np.asarray(at)


def _ranks(times: npt.NDArray[np.int64]) -> Places:
    """Rank of each timestamp; of equal ones, the order of the packets."""
    ranks = np.empty(len(times), dtype=np.int64)
    ranks[np.argsort(times, kind="stable")] = np.arange(len(times))
    return ranks


def _ordered_places(dts: npt.NDArray[np.int64]) -> Places:
    known = (dts != _NONE).all() and (np.diff(dts) > 0).all()
    return places(dts, origin=None) if known else np.arange(len(dts))


def _origin(
    container: av.container.InputContainer,
    delay: int,
    pts: npt.NDArray[np.int64],
    dts: npt.NDArray[np.int64],
    keys: npt.NDArray[np.int64],
) -> int | None:
    """Timestamp of place 0: the timeline's beginning, unless the container has none.

    Without an edit list, timestamps of a video that reorders its frames begin late by as many.
    """
    if any(name in _NO_ORIGIN for name in container.format.name.split(",")):
        return None
    return None if delay and keys[0] and dts[0] == 0 and pts[pts != _NONE].min() > 0 else 0


def _frame_durations(stream: Any) -> tuple[Fraction, ...]:
    rates = (stream.base_rate, stream.guessed_rate)
    return tuple(1 / (rate * stream.time_base) for rate in rates if rate)


def _after_gaps(positions: Places, delay: int) -> npt.NDArray[np.bool_]:
    """Packets that may be built on one that is missing in between.

    A lost frame may have been decoded earlier than its place says, by as many frames as the codec delays.
    """
    result = np.zeros(len(positions), dtype=bool)
    shown = np.sort(positions[positions >= 0])
    before = shown[:-1][np.diff(shown) > 1]
    first_beyond = np.searchsorted(np.maximum.accumulate(positions), before, side="right")
    result[np.maximum(0, first_beyond - delay)] = True
    return result
