"""Damage to video files, and video files that are whole but not what they seem."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.fuzz import healthy
from tests.fuzz.catalogue import VIDEOS, Release, corruption

MP4 = ("fera2017", "gft")


def _packets(path: Path) -> list[tuple[int, int, bool]]:
    """Place, size and whether it is a key frame of each packet, in file order."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        return [(p.pos, p.size, p.is_keyframe) for p in packets if p.size and p.pos is not None]


def _overwrite(path: Path, place: int, content: bytes, release: Release) -> None:
    whole = bytearray(path.read_bytes())
    whole[place : place + len(content)] = content
    release.write(path, bytes(whole))


def _remux(
    release: Release,
    path: Path,
    change: Callable[[int, av.Packet], bool],
    container_format: str | None = None,
) -> None:
    """Copy the packets that `change` keeps, as it leaves them, to a file of the same name."""
    target = path.with_name(f"new-{path.name}")
    with av.open(str(path)) as source, av.open(str(target), "w", format=container_format) as copy:
        stream = source.streams.video[0]
        own = copy.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.size and change(number, packet):
                packet.stream = own
                copy.mux(packet)
    release.write(path, target.read_bytes())
    target.unlink()


def _again(release: Release, path: Path, pictures: np.ndarray, **options: object) -> None:
    """Encode pictures in place of a video."""
    path.unlink()
    healthy.write_video(path, pictures, **options)  # type: ignore[arg-type]


def _pictures(release: Release, path: Path) -> np.ndarray:
    return release.recording(path).pictures


@corruption(*VIDEOS)
def video_missing(release: Release) -> None:
    """The video is gone: its codes are counted."""
    release.video().unlink()


@corruption(*VIDEOS)
def video_empty(release: Release) -> None:
    """The video has no byte."""
    release.write(release.video(), b"")


@corruption(*VIDEOS)
def video_cut_off(release: Release) -> None:
    """The file ends early, as after a broken download."""
    path = release.video()
    content = path.read_bytes()
    release.write(path, content[: int(len(content) * release.rng.uniform(0.1, 0.98))])


@corruption(*VIDEOS)
def video_cut_off_by_a_little(release: Release) -> None:
    """The last bytes are missing."""
    path = release.video()
    release.write(path, path.read_bytes()[: -int(release.rng.integers(1, 200))])


@corruption(*VIDEOS)
def bytes_flipped_in_one_packet(release: Release) -> None:
    """Some bytes of one frame are others: it and what follows up to the next key frame are left out."""
    path = release.video()
    packets = [p for p in _packets(path) if p[1] > 40] or _packets(path)
    place, size, _ = packets[int(release.rng.integers(len(packets)))]
    start = place + int(release.rng.integers(0, max(size // 2, 1)))
    _overwrite(path, start, release.rng.bytes(min(16, size // 2 + 1)), release)


@corruption(*VIDEOS)
def bytes_flipped_anywhere(release: Release) -> None:
    """A hundredth of all bytes are others, header and index included."""
    path = release.video()
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    where = release.rng.choice(len(content), len(content) // 100, replace=False)
    content[where] ^= release.rng.integers(1, 256, len(where), dtype=np.uint8)
    release.write(path, content.tobytes())


@corruption(*VIDEOS)
def packet_of_zeros(release: Release) -> None:
    """One frame's bytes are zeros: it and what follows up to the next key frame are left out."""
    path = release.video()
    packets = _packets(path)
    place, size, _ = packets[int(release.rng.integers(len(packets)))]
    _overwrite(path, place, bytes(size), release)


@corruption(*VIDEOS)
def key_frame_of_zeros(release: Release) -> None:
    """A key frame's bytes are zeros: what follows up to the next one is left out."""
    path = release.video()
    keys = [p for p in _packets(path) if p[2]]
    place, size, _ = keys[int(release.rng.integers(len(keys)))]
    _overwrite(path, place, bytes(size), release)


@corruption(*VIDEOS)
def packet_lost(release: Release) -> None:
    """A frame's packet is missing from the file, the times of the others are kept: none may move up."""
    path = release.video()
    lost = int(release.rng.integers(1, len(_packets(path)) - 1))
    _remux(release, path, lambda number, packet: number != lost)


@corruption(*VIDEOS)
def cut_before_the_first_key_frame(release: Release) -> None:
    """The first key frame is missing, the times are kept: the frames up to the next one are left out."""
    _remux(release, release.video(), lambda number, packet: number > 0)


@corruption(*VIDEOS)
def starts_late(release: Release) -> None:
    """The first eight frames are missing, the times of the others are kept: none may move up.

    Not in AVI: libav writes the first packet into the first chunk, whatever its time.
    """
    _remux(release, release.pick("*.mp4"), lambda number, packet: (packet.dts or 0) >= 8 * _step(packet))


def _step(packet: av.Packet) -> int:
    return round(Fraction(1, 25) / packet.time_base)


@corruption(*MP4)
def edit_list_hides_frames(release: Release) -> None:
    """An edit list hides frames before the coded ones: what is presented begins with the first coded one."""
    path = release.video()
    hidden = int(release.rng.integers(1, 6))
    pictures = _pictures(release, path)
    _again(release, path, np.concatenate([pictures[:hidden][::-1], pictures]))

    def earlier(number: int, packet: av.Packet) -> bool:
        packet.pts -= hidden * _step(packet)
        packet.dts -= hidden * _step(packet)
        return True

    target = path.with_name(f"new-{path.name}")
    with (
        av.open(str(path)) as source,
        av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as copy,
    ):
        stream = source.streams.video[0]
        own = copy.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.size and earlier(number, packet):
                packet.stream = own
                copy.mux(packet)
    release.write(path, target.read_bytes())
    target.unlink()


@corruption(*MP4)
def variable_rate(release: Release) -> None:
    """The frames are at irregular times, as a phone's are: each has its row by rank, or none is used."""
    path = release.video()
    pictures = _pictures(release, path)
    times = np.cumsum(release.rng.integers(90, 140, len(pictures)))
    target = path.with_name("new.mp4")
    with av.open(str(target), "w") as container:
        stream = healthy.encoder(container, "libx264", pictures.shape[1:3])
        stream.codec_context.time_base = stream.time_base = Fraction(1, 3000)
        for time, picture in zip(times, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(time - times[0]), Fraction(1, 3000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    release.write(path, target.read_bytes())
    target.unlink()


@corruption(*VIDEOS)
def frames_dropped_with_their_times(release: Release) -> None:
    """The camera dropped frames, the others have their times: none may move up."""
    path = release.video()
    pictures = _pictures(release, path)
    dropped = {int(n) for n in release.rng.choice(np.arange(3, len(pictures) - 2), 3, replace=False)}
    kept = [n for n in range(len(pictures)) if n not in dropped]
    _again(release, path, pictures[kept], times=kept)


@corruption("disfa")
def empty_chunks(release: Release) -> None:
    """Two chunks of an AVI are empty, "as before": later frames may not move up."""
    path = release.pick("*.avi")
    pictures = _pictures(release, path)
    first = int(release.rng.integers(2, len(pictures) - 4))
    kept = [n for n in range(len(pictures)) if n not in (first, first + 1)]
    _again(release, path, pictures[kept], times=kept)


@corruption(
    *VIDEOS,
    undetectable="the times were written anew: nothing tells which frame is missing, only that one is",
)
def frame_dropped_and_times_rewritten(release: Release) -> None:
    """A tool dropped a frame and counted the others anew: one row without frame is counted."""
    path = release.video()
    _again(release, path, np.delete(_pictures(release, path), 5, axis=0))


@corruption(*MP4)
def frames_at_the_same_time(release: Release) -> None:
    """Three frames have the time of the one before: none may be lost in silence or moved."""
    path = release.video()
    pictures = _pictures(release, path)
    first = int(release.rng.integers(2, len(pictures) - 5))
    _again(release, path, pictures, container_format="matroska", codec="mpeg4")

    def same(number: int, packet: av.Packet) -> bool:
        if first < number <= first + 3:
            packet.pts = packet.dts = first * _step(packet)
        return True

    _remux(release, path, same, "matroska")


@corruption(*MP4)
def matroska_inside(release: Release) -> None:
    """A Matroska file is called .mp4: read by its content, times in milliseconds and all."""
    path = release.video()
    _again(release, path, _pictures(release, path), container_format="matroska")


@corruption(*VIDEOS)
def more_frames_than_rows(release: Release) -> None:
    """The video goes on after the last row: counted."""
    path = release.video()
    pictures = _pictures(release, path)
    _again(release, path, np.concatenate([pictures, pictures[:4]]))


@corruption(*VIDEOS)
def fewer_frames_than_rows(release: Release) -> None:
    """The video ends before the last row: counted."""
    path = release.video()
    _again(release, path, _pictures(release, path)[:-3])


@corruption(*VIDEOS)
def text_in_a_video_file(release: Release) -> None:
    """A page of text is called like a video."""
    release.write(release.video(), "<html><body>Quota exceeded</body></html>\n" * 40)


@corruption(*VIDEOS)
def playlist_in_a_video_file(release: Release) -> None:
    """A playlist that names another file is called like a video: it may not be followed."""
    path = release.video()
    other = next(other for other in iter(release.video, None) if other != path)
    kind = int(release.rng.integers(2))
    release.write(
        path,
        [
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{other}'\n",
        ][kind],
    )


@corruption(*VIDEOS)
def picture_in_a_video_file(release: Release) -> None:
    """A JPEG is called like a video: libav would show it as a film of one frame."""
    path = release.video()
    stream = io.BytesIO()
    Image.fromarray(_pictures(release, path)[3]).save(stream, "JPEG", quality=95)
    release.write(path, stream.getvalue())


@corruption(*MP4)
def sound_alone(release: Release) -> None:
    """The file has sound and no picture."""
    path = release.video()
    target = path.with_name("new.mp4")
    with av.open(str(target), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for start in range(0, 16384, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    release.write(path, target.read_bytes())
    target.unlink()


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


@corruption(*MP4)
def cover_picture_first(release: Release) -> None:
    """A cover picture is the first video stream: the film is read."""
    path = release.video()
    picture = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(picture, "JPEG")
    data = _box(b"data", struct.pack(">II", 13, 0) + picture.getvalue())
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    udta = _box(b"udta", _box(b"meta", bytes(4) + handler + _box(b"ilst", _box(b"covr", data))))
    content = path.read_bytes()
    moov = content.index(b"moov") - 4
    header = moov + 8 + struct.unpack(">I", content[moov + 8 : moov + 12])[0]  # after mvhd
    size = struct.unpack(">I", content[moov : moov + 4])[0] + len(udta)
    assert content.index(b"mdat") < moov  # places of packets stay right
    release.write(
        path, content[:moov] + struct.pack(">I", size) + content[moov + 4 : header] + udta + content[header:]
    )


@corruption(*MP4)
def stored_turned(release: Release) -> None:
    """Frames are stored turned, with a display matrix that turns them back: shown upright, or an error."""
    path = release.video()
    turns = int(release.rng.integers(1, 4))
    pictures = np.rot90(_pictures(release, path), turns, axes=(1, 2))
    _again(release, path, np.ascontiguousarray(pictures))
    one = 1 << 16
    a, b, c, d = {1: (0, one, -one, 0), 2: (-one, 0, 0, -one), 3: (0, -one, one, 0)}[turns]
    content = path.read_bytes()
    place = content.index(b"tkhd") + 4 + 40
    _overwrite(path, place, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30), release)


@corruption(*MP4)
def stored_mirrored(release: Release) -> None:
    """Frames are stored mirrored, with a display matrix that mirrors them back: right, or an error."""
    path = release.video()
    _again(release, path, np.ascontiguousarray(_pictures(release, path)[:, :, ::-1]))
    content = path.read_bytes()
    place = content.index(b"tkhd") + 4 + 40
    _overwrite(path, place, struct.pack(">9i", -65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), release)


@corruption(*MP4)
def second_stream_first(release: Release) -> None:
    """A small preview is the first of two video streams: the film is read, or none of the two."""
    path = release.video()
    target = path.with_name("new.mp4")
    pictures = _pictures(release, path)
    with av.open(str(target), "w") as container:
        small = healthy.encoder(container, "libx264", (48, 64))
        large = healthy.encoder(container, "libx264", pictures.shape[1:3])
        for number, picture in enumerate(pictures):
            for stream, image in ((small, np.full((48, 64, 3), 90, np.uint8)), (large, picture)):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in (small, large):
            container.mux(stream.encode())
    release.write(path, target.read_bytes())
    target.unlink()


@corruption(*MP4)
def size_changes_midway(release: Release) -> None:
    """Halfway the frames are twice as large: landmarks and crops of the rest would be wrong."""
    path = release.video()
    pictures = _pictures(release, path)
    half = len(pictures) // 2
    target = path.with_name("new.ts")
    with av.open(str(target), "w", format="mpegts") as container:
        own = healthy.encoder(container, "libx264", pictures.shape[1:3])
        other = av.CodecContext.create("libx264", "w")
        other.height, other.width = 2 * pictures.shape[1], 2 * pictures.shape[2]
        other.pix_fmt, other.time_base, other.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
        other.options = {"preset": "veryfast"}
        larger = pictures[half:].repeat(2, axis=1).repeat(2, axis=2)
        for number, picture in enumerate([*pictures[:half], *larger]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            if number == half:
                container.mux(own.encode())
            for packet in (own if number < half else other).encode(frame):
                packet.stream = own
                container.mux(packet)
        for packet in other.encode():
            packet.stream = own
            container.mux(packet)
    release.write(path, target.read_bytes())
    target.unlink()


@corruption(*VIDEOS)
def unknown_codec(release: Release) -> None:
    """The codec's name is one that libav does not know."""
    path = release.video()
    content = path.read_bytes()
    name = b"avc1" if b"avc1" in content else b"FMP4"
    release.write(path, content.replace(name, b"ZZZZ"))


@corruption(*VIDEOS)
def text_of_another_encoding(release: Release) -> None:
    """The title in the file is no UTF-8."""
    path = release.video()
    content = path.read_bytes()
    release.write(path, content.replace(b"Lavf", b"\xe9\xff\xfe\x80"))


@corruption(*VIDEOS)
def other_person_s_video(release: Release) -> None:
    """The video has the name of a recording whose codes are not there: no code may go to it."""
    path = release.video()
    subject = {"fera2017": "M003", "disfa": "SN003", "gft": "003C"}[release.corpus]
    path.rename(release.beside(path, path.name.replace(release.recording(path).subject, subject)))


@corruption(*VIDEOS)
def video_in_two_folders(release: Release) -> None:
    """The same video lies in two folders: which is meant is not guessed."""
    path = release.video()
    other = release.root / "old" / path.name
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())


@corruption(*VIDEOS)
def second_copy_of_a_video(release: Release) -> None:
    """A browser's second copy, `name (1)`, beside the video: it is not read."""
    path = release.video()
    release.beside(path, f"{path.stem} (1){path.suffix}").write_bytes(path.read_bytes()[:1000])
