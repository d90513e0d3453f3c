"""libav without its surprises: files alone are opened, the one video is found, what the log says is heard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from aukit.errors import CorpusError
from aukit.utils.outside import require_regular

MAX_SIDE = 8192
"""Largest accepted width or height in pixels: a damaged or hostile file must not ask for all memory."""

_MOST_BYTES = 2**40
# PyAV 19 is lenient towards texts in other encodings by itself.
_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
# Demuxers of real containers alone: others take text for pictures, or open files and addresses that a
# playlist names.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,flv,asf,ogg,mxf,dv,nut"
)
FRAME_LOST = "Frame num gap"
"""What H.264's decoder says, among much else that is for its developers, where a picture is missing."""
_HARMLESS = ("unable to decode APP fields",)


class VideoError(CorpusError):
    """A video of which nothing can be used.

    Attributes:
        reason: Why, without the path, to be counted; what follows the words `the video`.
    """

    def __init__(self, path: Path, reason: str, remedy: str, detail: str = "") -> None:
        super().__init__(f"{path}: {reason}{detail and f' ({detail})'}; {remedy}")
        self.reason = reason


def video_stream(path: Path, container: av.container.InputContainer) -> Any:
    """The one video of a file; cover pictures and previews are none."""
    pictures = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if len(streams) > 1:
        preferred = [stream for stream in streams if stream.disposition & av.stream.Disposition.default]
        # One that is shown unless another is asked for, and no preview of it.
        if len(preferred) == 1 and _area(preferred[0]) == max(map(_area, streams)):
            streams = preferred
    if len(streams) != 1:
        found = f"{len(streams)} video streams" if streams else "no video stream"
        raise VideoError(
            path, f"holds {found}", "keep the one that was labelled" if streams else "copy it again"
        )
    context = streams[0].codec_context
    if context is None:
        raise VideoError(path, "has an unknown codec", "write it anew with another, such as H.264")
    check_size(path, context.width, context.height)
    return streams[0]


def _area(stream: Any) -> int:
    context = stream.codec_context
    return 0 if context is None else int(context.width * context.height)


def check_size(path: Path, width: int, height: int) -> None:
    """See that frames do not exceed `MAX_SIDE`.

    Raises:
        VideoError: They do.
    """
    if max(width, height) > MAX_SIDE:
        raise VideoError(
            path,
            f"has frames of {width} x {height}, more than {MAX_SIDE} pixels a side",
            "write it anew, smaller",
        )


@contextmanager
def open_video(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file, and nothing but this file, as a video.

    Raises:
        VideoError: It is missing, no regular file or no video.
    """
    try:
        require_regular(path, _MOST_BYTES)
        # Without a protocol in front, a folder called "http:" would be an address.
        with listening():
            container = av.open(
                f"file:{path}",
                container_options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
                **_METADATA,
            )
    except (OSError, ValueError, av.error.FFmpegError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise VideoError(path, "cannot be opened", "copy it again", detail) from error
    with container:
        yield container


@contextmanager
def listening(level: int = av.logging.ERROR) -> Iterator[list[tuple[int, str, str]]]:
    """Collect libav's messages up to a level, which would go to the terminal; every one, also if repeated."""
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(level)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=False) as log:
            yield log
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])


def packets(container: av.container.InputContainer, stream: Any) -> Iterator[tuple[av.Packet, bool]]:
    """Packets that hold something, in the order of decoding, and whether reading them went wrong."""
    demuxed = container.demux(stream)
    while True:
        with listening() as log:
            try:
                packet = next(demuxed)
            except (StopIteration, av.error.FFmpegError):
                return  # the end, or the file ends early: what came before counts
        if packet.size:  # others mean "as before", and would end the decoder's work
            yield packet, any(map(tells_damage, log))


def tells_damage(entry: tuple[int, str, str]) -> bool:
    """Whether a message of libav's log (level, origin, text) says that something is broken or missing."""
    level, _, message = entry
    return (level <= av.logging.ERROR and not message.startswith(_HARMLESS)) or FRAME_LOST in message
