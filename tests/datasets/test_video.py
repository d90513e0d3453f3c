"""Whatever is lost or damaged of a video, a picture bears the number of its position."""

import shutil
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from aukit.datasets.libav import VideoError
from aukit.datasets.video import decode_video, encode_video, video_positions, video_times
from tests.datasets.numbered import number, overwrite, packet_places, picture, remux, write

KINDS = {
    "mp4": ("mp4", "libx264", 0),
    "mp4, b-frames": ("mp4", "libx264", 3),
    "mkv, b-frames": ("mkv", "libx264", 3),
    "mp4, mpeg4": ("mp4", "mpeg4", 0),
    "avi": ("avi", "mpeg4", 0),
    "avi, h264": ("avi", "libx264", 0),
}
TELLING = [kind for kind in KINDS if kind != "avi"]
"""Where a lost packet is told from an empty chunk."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {
        kind: write(folder / f"{i}.{ending}", codec=codec, b_frames=b_frames)
        for i, (kind, (ending, codec, b_frames)) in enumerate(KINDS.items())
    }


@pytest.fixture
def video(videos: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = videos[request.param]
    return Path(shutil.copy(path, tmp_path / f"copy{path.suffix}"))


def frames(path: Path) -> dict[int, np.ndarray | None]:
    decoded = list(decode_video(path))
    assert [position for position, _ in decoded] == video_positions(path).tolist()
    return dict(decoded)


def unusable(path: Path, whole: Path) -> list[int]:
    """Positions that are told to be unusable; every other picture must be that of the whole video."""
    right, found = frames(whole), frames(path)
    for position, frame in found.items():
        assert frame is None or np.array_equal(frame, right[position]), position
    return [position for position, frame in found.items() if frame is None]


@pytest.mark.parametrize("video", KINDS, indirect=True)
def test_a_whole_video(video: Path) -> None:
    assert {p: number(f) for p, f in frames(video).items()} == {i: i for i in range(36)}


@pytest.mark.parametrize("video", KINDS, indirect=True)
def test_a_damaged_packet_costs_the_frames_up_to_the_next_key_frame(
    video: Path, videos: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    start, size = packet_places(video)[17]
    overwrite(video, start + 10, bytes(size - 10))
    whole = videos[request.node.callspec.params["video"]]
    assert {17, 18} <= set(lost := unusable(video, whole)) <= set(range(14, 24))
    assert max(lost) == 23


@pytest.mark.parametrize("video", TELLING, indirect=True)
def test_a_lost_packet_shifts_nothing(
    video: Path, videos: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole = videos[request.node.callspec.params["video"]]
    cut = remux(video, tmp_path / f"lost{video.suffix}", lambda index: index != 14)
    (gone,) = set(range(36)) - set(video_positions(cut).tolist())
    assert gone in range(12, 18)
    assert set(unusable(cut, whole)) <= set(range(12, 24))


@pytest.mark.parametrize("video", ["mp4", "mp4, b-frames", "mkv, b-frames", "mp4, mpeg4"], indirect=True)
def test_a_cut_before_the_first_key_frame_shifts_nothing(
    video: Path, videos: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole = videos[request.node.callspec.params["video"]]
    cut = remux(video, tmp_path / f"cut{video.suffix}", lambda index: index >= 5)
    assert video_positions(cut).tolist() == list(range(5, 36))
    assert unusable(cut, whole) == list(range(5, 12))


@pytest.mark.parametrize("video", ["avi", "avi, h264"], indirect=True)
def test_a_cut_whose_length_nothing_tells_is_an_error(video: Path, tmp_path: Path) -> None:
    cut = remux(video, tmp_path / f"cut{video.suffix}", lambda index: index >= 1)
    with pytest.raises(VideoError, match=r"its beginning was cut off.*write it anew"):
        video_positions(cut)


def test_empty_chunks_of_avi_keep_their_places(tmp_path: Path) -> None:
    times = [*range(5), *range(7, 20)]
    path = write(tmp_path / "a.avi", frames=18, codec="mpeg4", times=times)
    assert video_positions(path).tolist() == times
    assert {p: number(f) for p, f in frames(path).items()} == dict(zip(times, range(18), strict=True))


@pytest.mark.parametrize("video", ["avi", "avi, h264"], indirect=True)
def test_chunks_of_avi_that_cannot_be_counted_are_an_error(video: Path) -> None:
    start, _ = packet_places(video)[17]
    overwrite(video, start - 8, b"????")
    with pytest.raises(VideoError, match="cannot be counted"):
        list(decode_video(video))


@pytest.mark.parametrize("video", ["mp4", "mp4, b-frames"], indirect=True)
def test_the_edit_list_is_applied(video: Path) -> None:
    data = video.read_bytes()
    where = data.index(b"elst") + 16
    (begin,) = struct.unpack(">i", data[where : where + 4])
    overwrite(video, where, struct.pack(">i", begin + 5 * 512))
    assert {p: number(f) for p, f in frames(video).items()} == {i: i + 5 for i in range(31)}


@pytest.mark.parametrize("video", ["mp4, b-frames"], indirect=True)
def test_without_an_edit_list_the_first_frame_is_the_first(video: Path) -> None:
    for name in (b"edts", b"elst"):
        overwrite(video, video.read_bytes().index(name), b"free")
    assert {p: number(f) for p, f in frames(video).items()} == {i: i for i in range(36)}


@pytest.mark.parametrize(("ending", "b_frames"), [("mp4", 0), ("mkv", 2)])
def test_a_variable_rate_gives_ranks(tmp_path: Path, ending: str, b_frames: int) -> None:
    times = np.cumsum(np.random.default_rng(3).choice([17, 29, 41, 50], 30)) - 17
    times -= times[0]
    path = write(tmp_path / f"a.{ending}", 30, b_frames=b_frames, times=times, time_base=Fraction(1, 1000))
    assert {p: number(f) for p, f in frames(path).items()} == {i: i for i in range(30)}


@pytest.mark.parametrize("video", ["avi", "mkv, b-frames", "avi, h264"], indirect=True)
def test_a_video_that_ends_early(
    video: Path, videos: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    start, size = packet_places(video)[20]
    video.write_bytes(video.read_bytes()[: start + size // 2])
    lost = unusable(video, videos[request.node.callspec.params["video"]])
    assert video_positions(video).max() in (19, 20, 21)
    assert set(lost) <= {20, 21}


def test_a_hole_of_zeros_is_damage_where_the_decoder_finds_none(tmp_path: Path) -> None:
    if "libvpx-vp9" not in av.codecs_available:
        pytest.skip("this libav cannot encode VP9")
    whole = write(tmp_path / "a.webm", codec="libvpx-vp9")
    path = Path(shutil.copy(whole, tmp_path / "b.webm"))
    start, size = packet_places(path)[0]
    overwrite(path, start + 60, bytes(size - 60))
    assert unusable(path, whole) == list(range(12))


def with_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write a display matrix into the track's header."""
    where = path.read_bytes().index(b"tkhd") + 4 + 40
    one = 1 << 16
    return overwrite(path, where, struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30))


@pytest.mark.parametrize("video", ["mp4"], indirect=True)
@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((0, -1, 1, 0), lambda image: np.rot90(image)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, 1), lambda image: image),
    ],
)
def test_frames_are_turned_as_they_are_to_be_shown(video: Path, matrix, shown) -> None:
    expected = shown(next(f for _, f in decode_video(video)))
    _, frame = next(decode_video(with_matrix(video, *matrix)))
    assert np.array_equal(frame, expected)


@pytest.mark.parametrize("video", ["mp4"], indirect=True)
def test_an_odd_angle_is_an_error(video: Path) -> None:
    with pytest.raises(VideoError, match="no quarter turn"):
        list(decode_video(with_matrix(video, 1, 1, -1, 1)))


def two_streams(path: Path, cover: bool) -> Path:
    with av.open(str(path), "w") as container:
        first = container.add_stream("mjpeg" if cover else "libx264", rate=25)
        second = container.add_stream("libx264", rate=25)
        if cover:
            first.disposition = av.stream.Disposition.attached_pic.value
        for stream in (first, second):
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if stream.codec_context.name == "mjpeg" else "yuv420p"
        for index in range(8):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            for stream in (second,) if cover and index else (first, second):
                container.mux(stream.encode(frame))
        for stream in (first, second):
            container.mux(stream.encode())
    return path


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "a.mp4", cover=True)
    assert {p: number(f) for p, f in frames(path).items()} == {i: i for i in range(8)}


def test_two_videos_in_one_file_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="2 video streams; keep the one that was labelled"):
        video_positions(two_streams(tmp_path / "a.mkv", cover=False))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n" * 1000,
        b"#EXTM3U\n#EXTINF:1\nhttp://127.0.0.1:9/x.ts\n",
        bytes(5000),
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"a.mp4: (cannot be opened|holds no video).*copy it again"):
        video_positions(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("video", ["mp4"], indirect=True)
def test_a_folder_called_like_an_address_is_a_folder(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "http:" / "127.0.0.1:9"
    folder.mkdir(parents=True)
    video.rename(folder / "a.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(video_positions(Path("http://127.0.0.1:9/a.mp4"))) == 36


@pytest.mark.parametrize("video", ["mp4"], indirect=True)
def test_metadata_in_another_encoding_does_not_matter(tmp_path: Path, video: Path) -> None:
    with av.open(str(video)) as read, av.open(str(tmp_path / "b.mkv"), "w") as written:
        written.metadata["title"] = "Gesprach"
        copy = written.add_stream_from_template(read.streams.video[0])
        for packet in (p for p in read.demux(video=0) if p.size):
            packet.stream = copy
            written.mux(packet)
    path = tmp_path / "b.mkv"
    overwrite(path, path.read_bytes().index(b"Gesprach") + 4, b"\xe4")
    assert len(video_positions(path)) == 36


@pytest.mark.parametrize("video", ["mp4"], indirect=True)
def test_an_unknown_codec_is_named(video: Path) -> None:
    where = video.read_bytes().index(b"avc1", 200)
    overwrite(video, where, b"zzz9")
    with pytest.raises(VideoError, match="has an unknown codec"):
        video_positions(video)


def test_frames_of_another_size_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "video.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for size in (1, 2):
            coder = av.CodecContext.create("libx264", "w")
            coder.height, coder.width, coder.pix_fmt = 48 * size, 64 * size, "yuv420p"
            coder.time_base = Fraction(1, 25)
            for place in range(4):
                image = picture(place).repeat(size, 0).repeat(size, 1)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = 4 * (size - 1) + place, Fraction(1, 25)
                for packet in coder.encode(frame):
                    packet.stream = stream
                    container.mux(packet)
            for packet in coder.encode():
                packet.stream = stream
                container.mux(packet)
    frames = dict(decode_video(path))
    assert [number(frames[place]) for place in range(4)] == [0, 1, 2, 3]
    assert [frames[place] for place in range(4, 8)] == [None] * 4


def test_times_are_those_of_the_container(tmp_path: Path) -> None:
    ticks = [0, 40, 47, 120, 300, 310]
    write(tmp_path / "variable.mkv", 6, times=ticks, time_base=Fraction(1, 1000))
    positions, seconds = video_times(tmp_path / "variable.mkv")
    assert positions.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(seconds, np.array(ticks) / 1000, atol=1e-9)


@pytest.mark.parametrize("video", KINDS, indirect=True)
def test_times_at_a_constant_rate(video: Path) -> None:
    positions, seconds = video_times(video)
    assert positions.tolist() == list(range(36))
    np.testing.assert_allclose(seconds, np.arange(36) / 25, atol=1e-3)


def test_a_video_is_written_at_the_times_that_are_asked_for(tmp_path: Path) -> None:
    seconds = [0.0, 0.04, 0.05, 0.5, 0.51]
    encode_video(tmp_path / "a.mp4", (picture(i) for i in range(5)), 25, seconds=seconds)
    np.testing.assert_allclose(video_times(tmp_path / "a.mp4")[1], seconds, atol=1e-4)
    assert {p: number(f) for p, f in frames(tmp_path / "a.mp4").items()} == {i: i for i in range(5)}


@pytest.mark.parametrize(
    ("aspect", "shape"),
    [
        (Fraction(64, 45), (48, 91)),
        (Fraction(1, 2), (96, 64)),
        (Fraction(1), (48, 64)),
        (Fraction(9), (48, 64)),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_oblong_pixels_are_stretched_where_it_is_asked_for(
    tmp_path: Path, suffix: str, aspect, shape
) -> None:
    path = write(tmp_path / f"a{suffix}", 3, "mpeg4" if suffix == ".avi" else "libx264", aspect=aspect)
    assert next(frame for _, frame in decode_video(path)).shape[:2] == (48, 64)
    assert next(frame for _, frame in decode_video(path, viewed=True)).shape[:2] == shape


@pytest.mark.parametrize("video", ["avi", "avi, h264"], indirect=True)
def test_a_cut_video_can_be_viewed(video: Path, tmp_path: Path) -> None:
    cut = remux(video, tmp_path / f"cut{video.suffix}", lambda index: index >= 1)
    seen = {place: image for place, image in decode_video(cut, viewed=True) if image is not None}
    assert {place: number(image) for place, image in seen.items()} == {i: i + 1 for i in range(11, 35)}
    assert video_times(cut, viewed=True)[0].tolist() == list(range(35))


def test_two_frames_of_one_time_can_be_viewed(tmp_path: Path) -> None:
    ticks = [3600 * i - (3590 if i == 5 else 0) for i in range(12)]  # Matroska has milliseconds
    path = write(tmp_path / "a.mkv", 12, times=ticks, time_base=Fraction(1, 90_000))
    with pytest.raises(VideoError, match="two frames have the same timestamp"):
        video_positions(path)
    assert {place: number(image) for place, image in decode_video(path, viewed=True)} == {
        i: i for i in range(12)
    }
    _, seconds = video_times(path, viewed=True)
    encode_video(tmp_path / "b.mp4", (picture(i) for i in range(12)), 25, seconds=seconds)
    np.testing.assert_allclose(video_times(tmp_path / "b.mp4")[1], seconds, atol=1e-4)
