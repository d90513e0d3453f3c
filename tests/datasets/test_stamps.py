"""The fingerprint of a reader follows every file that decides its frames, by size, time and small content."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aukit.datasets import BP4D, DISFA, FERA2017, FGNetLists, Release
from aukit.datasets.stamps import file_stamp, folder_stamp
from tests.releases import bp4d, disfa, fgnet_lists

LATER = 10**9  # ns
READERS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Release], tuple[str, ...]]] = {
    "bp4d": (bp4d, BP4D, ("Sequences(2D+3D)/*/*/*.jpg", "AUCoding/**/*.csv")),
    "disfa": (disfa, DISFA, ("Videos_LeftCamera/*", "ActionUnit_Labels/*/*.txt")),
    "fgnet": (
        fgnet_lists,
        lambda root: FGNetLists(root, "bp4d"),
        ("BP4D/aligned_*/**/*.*", "BP4D/labels/*/train.csv"),
    ),
}


def touch(path: Path) -> None:
    """As if the file had been written again with the same size."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + LATER))


def files(root: Path, patterns: tuple[str, ...]) -> list[Path]:
    found = [sorted(root.glob(pattern)) for pattern in patterns]
    assert all(found)
    return [path for each in found for path in each if path.is_file()]


@pytest.mark.parametrize("name", READERS)
def test_every_file_counts_with_its_time(name: str, tmp_path: Path) -> None:
    write, reader, patterns = READERS[name]
    root = write(tmp_path / name)
    seen = {reader(root).fingerprint()}
    assert reader(root).fingerprint() in seen
    for number, path in enumerate(files(root, patterns), start=2):
        touch(path)
        seen.add(reader(root).fingerprint())
        assert len(seen) == number, path


def test_every_video_label_and_sidecar_of_a_standin_counts(copied: Path) -> None:
    seen = {FERA2017(copied, views=(6,)).fingerprint()}
    corpus = FERA2017(copied, views=(6,))
    sidecars = [copied / "Landmarks" / f"{corpus.title(video)}.npy" for video in corpus.videos]
    decisive = [*(copied / video for video in corpus.videos), *sidecars]
    for number, path in enumerate(decisive, start=2):
        touch(path)
        seen.add(FERA2017(copied, views=(6,)).fingerprint())
        assert len(seen) == number, path
    sidecars[0].unlink()
    assert FERA2017(copied, views=(6,)).fingerprint() not in seen


def test_what_small_files_hold_counts_beside_their_time(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("1,0\n")
    before, status = file_stamp(path, content=True), path.stat()
    path.write_text("1,1\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_stamp(path, content=True) != before
    assert file_stamp(path) == before.rpartition(" ")[0]


def test_files_that_are_no_frames_do_not_count(tmp_path: Path) -> None:
    root = bp4d(tmp_path)
    before = BP4D(root).fingerprint()
    (root / "Sequences(2D+3D)/F001/T1/.DS_Store").write_bytes(b"opened in a window")
    (root / "notes.txt").write_text("mine")
    assert BP4D(root).fingerprint() == before


def test_what_is_not_there_has_a_stamp_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").symlink_to(tmp_path / "gone.jpg")
    assert file_stamp(tmp_path / "gone.jpg") == "No such file or directory"
    assert folder_stamp(tmp_path / "gone", bool) == "No such file or directory"
    dangling = folder_stamp(tmp_path, bool)
    (tmp_path / "gone.jpg").write_bytes(b"back")
    assert folder_stamp(tmp_path, lambda name: name == "1.jpg") != dangling


def test_a_reader_says_what_changed_since_it_first_looked(tmp_path: Path) -> None:
    root = bp4d(tmp_path)
    corpus = BP4D(root)
    _ = corpus.table
    assert corpus.changed() == []
    before = corpus.fingerprint()
    touch(root / "Sequences(2D+3D)/F001/T1/2441.jpg")
    touch(root / "AUCoding/AU_OCC/F003_T1.csv")
    assert corpus.changed() == ["AUCoding/AU_OCC/F003_T1.csv", "Sequences(2D+3D)/F001/T1"]
    # Its table is of the files as they were, and so is its fingerprint.
    assert corpus.fingerprint() == before != BP4D(root).fingerprint()
