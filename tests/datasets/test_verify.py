"""The reader's base class and the check, on a corpus that the package does not know."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aukit.datasets import Counts, Published, Release, SubjectRecording, verify_release
from aukit.datasets.files import join
from aukit.datasets.label_files import read_intensity
from aukit.datasets.video import encode_video
from aukit.errors import CorpusError
from tests.datasets import numbered
from tests.releases import picture, write_lines

# The reader is the example that documents the base class.
NAMES: dict[str, Any] = {
    "Release": Release, "SubjectRecording": SubjectRecording, "join": join, "read_intensity": read_intensity,
}  # fmt: skip
exec(textwrap.dedent((Release.__doc__ or "").partition("::\n")[2]), NAMES)
MyCorpus = NAMES["MyCorpus"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for person in ("p01", "p02"):
        encode_video(tmp_path / "videos" / f"{person}.mp4", [picture(20 * i) for i in range(4)], fps=5)
        write_lines(tmp_path / "labels" / f"{person}.csv", [f"{i},{i}" for i in (1, 2, 3)])
    return tmp_path


def test_a_reader_needs_names_columns_and_a_label_file(root: Path) -> None:
    corpus = MyCorpus(root)
    assert corpus.videos == ["videos/p01.mp4", "videos/p02.mp4"]
    assert corpus.people == {"MINE/p01": ["videos/p01.mp4"], "MINE/p02": ["videos/p02.mp4"]}
    assert corpus.table.frame["position"].tolist() == [1, 2, 3] * 2
    assert corpus.table.frame["partition"].eq("MINE").all()
    np.testing.assert_array_equal(corpus.table.intensities((12,))[:3, 0], [1, 2, 3])
    assert [(e.position, e.reason) for e in corpus.exclusions] == [(0, "frame without label row")] * 2
    assert corpus.notes == ["2 people without known gender: MINE/p01, MINE/p02"]
    assert MyCorpus(root, ["MINE/p02"]).fingerprint() != corpus.fingerprint()
    with pytest.raises(CorpusError, match=r"no video of persons \['MINE/p03'\]"):
        MyCorpus(root, ["MINE/p03"])


def test_a_corpus_without_published_counts_is_checked(root: Path) -> None:
    report = verify_release(MyCorpus(root))
    assert report.ok
    assert report.published is None
    found = report.partitions["MINE"]
    assert (found.people, found.gender_unknown, found.label_rows, found.rows) == (2, 2, 6, 6)
    assert found.intensity_codes == {"AU12": {1: 2, 2: 2, 3: 2}}
    assert report.variants == {
        "video files in videos": 2,
        "label files in labels": 2,
        "intensity without header": 2,
    }
    assert "people (published)                         2 (?)" in report.text()


def test_counts_are_compared_and_what_is_odd_is_noted(root: Path) -> None:
    (root / "videos" / "p02.mp4").write_bytes(b"no video")
    write_lines(root / "labels" / "p03.csv", ["0,1"])
    report = verify_release(MyCorpus(root), Published({"MINE": Counts(3, label_rows=9)}, {"list": {12: 0.5}}))
    assert "2 (3)" in report.text()
    assert "6 (9)" in report.text()
    assert report.partitions["MINE"].exclusions == {
        "frame without label row": 1,
        "labels without a video": 1,
        "the video cannot be opened": 1,
    }
    assert report.notes[-1] == "1 recordings have labels and no video, the first: p03 talk"
    (root / "labels" / "p01.csv").unlink()
    assert verify_release(MyCorpus(root)).partitions["MINE"].unlabelled_recordings == 1


def test_only_what_was_decoded_is_called_usable(root: Path) -> None:
    path = numbered.write(root / "videos" / "p01.mp4", frames=36)
    write_lines(root / "labels" / "p01.csv", [f"{i},{i % 6}" for i in range(36)])
    start, size = numbered.packet_places(path)[17]
    numbered.overwrite(path, start + 10, bytes(size - 10))
    shallow, deep = verify_release(MyCorpus(root)), verify_release(MyCorpus(root), deep=True)
    assert (shallow.partitions["MINE"].rows, deep.partitions["MINE"].rows) == (39, 32)
    assert deep.partitions["MINE"].exclusions["the frame cannot be decoded"] == 7
    assert "usable" not in shallow.text()
    assert "no frame was decoded: --deep" in shallow.text()
    assert "usable frames, view 0" in deep.text()


def test_a_gap_in_a_video_shifts_no_label(root: Path) -> None:
    times = [*range(5), *range(7, 20)]
    numbered.write(root / "videos" / "p01.avi", frames=18, codec="mpeg4", times=times)
    (root / "videos" / "p01.avi").rename(root / "videos" / "p01.mp4")
    write_lines(root / "labels" / "p01.csv", [f"{i},{i % 6}" for i in range(22)])
    corpus = MyCorpus(root, ["MINE/p01"])
    assert corpus.table.frame["position"].tolist() == times
    pictures = {p: numbered.number(f) for p, f in corpus.decode("videos/p01.mp4") if f is not None}
    assert pictures == dict(zip(times, range(18), strict=True))
    assert [(e.position, e.reason) for e in corpus.exclusions] == [
        (5, "label row without frame (the video has none there)"),
        (6, "label row without frame (the video has none there)"),
        (20, "label row without frame (the video ends early)"),
        (21, "label row without frame (the video ends early)"),
    ]
