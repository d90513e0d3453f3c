"""Video files in and out: RGB uint8 frames, each at its place on the presented timeline.

Packets are read twice: first without decoding, for the place of each (`aukit.datasets.timeline`), then one by
one through the decoder. What libav's log says of a packet decides, since neither its exceptions nor its flags
tell of most damage: from a damaged packet up to the next key frame pictures are garbage or built on garbage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideData

from aukit.datasets.libav import (
    VideoError,
    check_size,
    listening,
    open_video,
    packets,
    tells_damage,
    video_stream,
)
from aukit.datasets.timeline import Places
from aukit.datasets.video_index import VideoIndex, index_video
from aukit.utils.files import atomic_path

Image = npt.NDArray[np.uint8]

_ARITHMETIC = ("h264", "hevc", "vp8", "vp9", "av1")
"""Codecs whose data look random: a run of zeros in them is a hole in the file."""
_HOLE = bytes(64)
_TICK = Fraction(1, 90_000)
_MOST_OBLONG = 4
"""Pixels further from square are no camera's, but an error of the file."""


def video_positions(path: Path) -> Places:
    """Positions of the frames that the file holds, ascending, from the packets alone.

    A position is a place on the presented timeline, edit list applied: where packets are lost or chunks are
    empty there are gaps. A file that ends early has as many as it still holds. Nothing is decoded (about 1 ms
    per 100 frames), so that damaged packets count too.

    Raises:
        VideoError: The file is missing, cannot be opened, holds not exactly one video, or its timestamps
            leave open where its frames belong.
    """
    at = index_video(path).positions
    return np.sort(at[at >= 0])


def video_times(path: Path, viewed: bool = False) -> tuple[Places, npt.NDArray[np.float64]]:
    """`video_positions`, and for each the second at which it is shown; real times at variable frame rates.

    Seconds count from the beginning of the timeline; they are NaN where the file says neither times nor a
    frame rate. `viewed` is that of `decode_video`.

    Raises:
        VideoError: As of `video_positions`.
    """
    index = index_video(path, viewed)
    shown = np.flatnonzero(index.positions >= 0)
    order = shown[np.argsort(index.positions[shown])]
    return index.positions[order], index.seconds[order]


def decode_video(path: Path, viewed: bool = False) -> Iterator[tuple[int, Image | None]]:
    """Stream (position, frame [H, W, 3] RGB uint8) for every one of `video_positions`, ascending.

    None stands for a frame that cannot be used: it is damaged, lies between damage and the next key frame, or
    has another size than the first one, so that no landmarks of the video fit it. Frames are turned as the
    file says that they are to be shown. One frame is in memory at a time.

    Args:
        path: The file.
        viewed: Whether frames are wanted as a player shows them, and no label row or landmark that a corpus
            brings depends on them: those whose pixels are to be shown oblong, as of tapes, are stretched, and
            where the file does not say to which row a frame belongs, they are counted.

    Raises:
        VideoError: As of `video_positions`; or frames are larger than `MAX_SIDE`, or to be shown at an odd
            angle.
    """
    index = index_video(path, viewed)
    left = deque(np.sort(index.positions[index.positions >= 0]).tolist())
    shape: tuple[int, ...] = ()
    with open_video(path) as container:
        aspect = video_stream(path, container).sample_aspect_ratio if viewed else None
        for position, frame in _frames(path, container, index):
            while left and left[0] < position:
                yield left.popleft(), None
            if left and left[0] == position:
                image = None if frame is None else _upright(path, frame, aspect)
                if image is not None:
                    shape = shape or image.shape
                yield left.popleft(), image if image is not None and image.shape == shape else None
    for position in left:
        yield position, None


def viewed_scale(path: Path) -> tuple[float, float]:
    """How much wider and higher than its own frames are those that `decode_video` gives of a viewed video.

    Raises:
        VideoError: As of `decode_video`.
    """
    with open_video(path) as container:
        if (video_stream(path, container).sample_aspect_ratio or 1) == 1:
            return 1.0, 1.0
    own, viewed = (
        next((image.shape for _, image in decode_video(path, each) if image is not None), (1, 1))
        for each in (False, True)
    )
    return viewed[1] / own[1], viewed[0] / own[0]


def encode_video(
    path: Path, frames: Iterable[Image], fps: int, crf: int = 20, seconds: Iterable[float] | None = None
) -> None:
    """Write RGB uint8 frames [H, W, 3] (even height and width) as mp4 or avi, by the path's suffix.

    The file appears whole or not at all.

    H.264 (x264) where PyAV brings it, MPEG-4 part 2 otherwise; one encoder thread and bit-exact flags, so
    that the same frames give the same bytes with the same library version. A smaller `crf` is a better
    picture (H.264 only). `seconds` are times, ascending, at which the frames are shown, for a variable rate
    (mp4 only); `fps` is then the nominal one.
    """
    times = None if seconds is None else iter(seconds)
    h264 = "libx264" in av.codecs_available
    options = {"fflags": "+bitexact"}
    if path.suffix == ".mp4":
        options["movflags"] = "+faststart"
    with atomic_path(path) as temporary:
        container = av.open(str(temporary), "w", options=options)
        with container:
            stream = container.add_stream("libx264" if h264 else "mpeg4", rate=Fraction(fps))
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = 1
            if times is not None:
                stream.codec_context.time_base = _TICK
            stream.codec_context.options = (
                {"crf": str(crf), "preset": "superfast", "flags": "+bitexact"}
                if h264
                else {"qscale": "3", "flags": "+bitexact"}
            )
            earliest = 0
            for position, image in enumerate(frames):
                if position == 0:
                    stream.height, stream.width = image.shape[:2]
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = max(round(next(times) / _TICK), earliest), _TICK
                    earliest = frame.pts + 1  # two frames of one time are shown one after the other
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def _frames(
    path: Path, container: av.container.InputContainer, index: VideoIndex
) -> Iterator[tuple[int, av.VideoFrame | None]]:
    """Frames in the order of the decoder, with their positions; None for those that damage makes unusable."""
    stream = video_stream(path, container)
    context = stream.codec_context
    context.thread_count = 1  # what is logged during a call is then about its packet
    level = av.logging.DEBUG if context.name == "h264" else av.logging.ERROR
    shown = np.flatnonzero(index.positions >= 0)
    by_time: dict[int, deque[int]] = {}
    for packet_number in shown.tolist():
        by_time.setdefault(int(index.times[packet_number]), deque()).append(packet_number)
    by_order = deque(shown[np.argsort(index.positions[shown])].tolist())
    damage = _Damage(index)
    number = 0
    for packet, hurt in chain(packets(container, stream), [(None, False)]):
        frames: list[av.VideoFrame] = []
        with listening(level) as log:
            try:
                frames = context.decode(packet)
            except av.error.FFmpegError:
                hurt = True
        if packet is not None:
            hurt = hurt or packet.is_corrupt or any(map(tells_damage, log))
            damage.look_at(number, hurt or (context.name in _ARITHMETIC and _has_hole(context, packet)))
            number += 1
        for frame in frames:
            waiting = by_order if index.ordered else by_time.get(frame.pts, deque())
            if waiting:
                of = waiting.popleft()
                yield int(index.positions[of]), frame if damage.spares(of) else None


class _Damage:
    """Which packets' frames can be used, as decoding goes on."""

    def __init__(self, index: VideoIndex) -> None:
        self._index = index
        self._usable = np.zeros(len(index.positions), dtype=bool)
        self._broken = True  # nothing can be decoded before the first key frame
        self._earliest = -1
        self._any = False

    def look_at(self, packet: int, hurt: bool) -> None:
        """Take the next packet in the order of decoding."""
        self._any |= hurt
        self._broken |= bool(self._index.after_gap[packet])
        if hurt:
            self._broken = True
        elif self._index.keys[packet]:
            # Frames that are decoded after a key frame and shown before it are built on what came before.
            self._earliest = int(self._index.positions[packet]) if self._broken else -1
            self._broken = False
        self._usable[packet] = not self._broken and self._index.positions[packet] >= self._earliest

    def spares(self, packet: int) -> bool:
        """Whether the frame of a packet can be used, and is known to be that packet's."""
        return bool(self._usable[packet]) and not (self._any and self._index.ordered)


def _has_hole(context: Any, packet: av.Packet) -> bool:
    data = bytes(packet)
    if context.name in ("h264", "hevc") and not (context.extradata or b"").startswith(b"\1"):
        data = data.rstrip(b"\0")  # with start codes, in place of lengths, it may be filled up
    return _HOLE in data


def _shown_size(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    if not aspect or not 1 / _MOST_OBLONG <= aspect <= _MOST_OBLONG:
        return frame.width, frame.height
    return round(frame.width * max(aspect, 1)), round(frame.height / min(aspect, 1))


def _upright(path: Path, frame: av.VideoFrame, aspect: Fraction | None) -> Image:
    """Pixels of a frame as it is to be shown: rotations and mirrors of its display matrix applied.

    Where pixels have an aspect, width over height, the side that is too short is stretched.
    """
    width, height = _shown_size(frame, aspect)
    check_size(path, width, height)
    with listening():
        image: Image = frame.to_ndarray(format="rgb24", width=width, height=height)
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype="<i4")[:5].tolist()
    if (b, c) == (0, 0) and a and d:
        across, down = a, d
    elif (a, d) == (0, 0) and b and c:
        image, across, down = image.swapaxes(0, 1), c, b
    else:
        raise VideoError(path, "is to be shown at an angle that is no quarter turn", "write it anew, upright")
    return np.ascontiguousarray(image[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])
