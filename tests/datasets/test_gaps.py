"""Timelines with gaps: as many label rows as pictures count these, more rows count the places."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.datasets import DISFA, FERA2017, Table
from aukit.datasets.release import Release
from aukit.errors import CorpusError
from tests.datasets.numbered import number, remux, write
from tests.releases import disfa_person, fera2017_recording

FRAMES = 36
JITTER = np.random.default_rng(0).integers(-150, 150, FRAMES)
COUNT = np.arange(FRAMES)
TIMES = {  # in ticks of the time base
    "begins_late": (COUNT + 5, Fraction(1, 25)),
    "moments_left_out": (3000 * (COUNT + (COUNT > 9)) + JITTER + 150, Fraction(1, 90_000)),
    "empty_chunk": (COUNT + (COUNT > 0), Fraction(1, 25)),
}


def fera2017(root: Path, video: Path, rows: int) -> Release:
    fera2017_recording(root, "F001", frames=1, rows=rows)
    video.rename(root / "videos/FERA17_TR_F001_T1_6.mp4")
    return FERA2017(root)


def disfa(root: Path, video: Path, rows: int) -> Release:
    disfa_person(root, "SN001", frames=rows)
    for side in ("Left", "Right"):
        (root / f"Videos_{side}Camera/{side}VideoSN001_comp.avi").write_bytes(video.read_bytes())
    return DISFA(root)


def table(root: Path, video: Path, rows: int) -> Release:
    listed = {
        "video": video.name,
        "frame": range(rows),
        "person": "a",
        "AU12_r": [i % 6 for i in range(rows)],
    }
    pd.DataFrame(listed).to_csv(root / "frames.csv", index=False)
    return Table(root)


def pictures(corpus: Release) -> list[int]:
    """Numbers in the pictures that the rows of the first video have, in the order of the rows."""
    (video, *_) = corpus.videos
    decoded = {position: image for position, image in corpus.decode(video) if image is not None}
    positions = corpus.table.select(video=video).frame["position"]
    return [number(decoded[position]) for position in positions]


def gappy(root: Path, kind: str) -> Path:
    times, base = TIMES[kind]
    suffix, codec = (".avi", "mpeg4") if kind == "empty_chunk" else (".mp4", "libx264")
    return write(root / f"clip{suffix}", FRAMES, codec, times=times.tolist(), time_base=base)


@pytest.mark.parametrize(
    ("release", "kind"),
    [
        (fera2017, "begins_late"),
        (fera2017, "moments_left_out"),
        (disfa, "empty_chunk"),
        *((table, kind) for kind in TIMES),
    ],
)
def test_as_many_rows_as_pictures_are_about_the_pictures(tmp_path: Path, release, kind: str) -> None:
    corpus = release(tmp_path, gappy(tmp_path, kind), FRAMES)
    assert pictures(corpus) == list(range(FRAMES))
    assert corpus.exclusions == []
    assert any("36 pictures on a timeline of" in note and "picture i" in note for note in corpus.notes)


@pytest.mark.parametrize("release", [fera2017, table])
def test_a_row_more_for_each_lost_picture_counts_places(tmp_path: Path, release) -> None:
    whole = write(tmp_path / "whole.mp4", FRAMES, key_every=1)
    cut = remux(whole, tmp_path / "clip.mp4", lambda index: index not in (7, 8))
    whole.unlink()
    corpus = release(tmp_path, cut, FRAMES)
    assert pictures(corpus) == [i for i in range(FRAMES) if i not in (7, 8)]
    assert sorted(e.position for e in corpus.exclusions) == [7, 8]
    assert not any("timeline" in note for note in corpus.notes)


def test_where_the_number_of_rows_decides_nothing_a_note_says_so(tmp_path: Path) -> None:
    corpus = table(tmp_path, gappy(tmp_path, "moments_left_out"), 20)
    assert pictures(corpus) == [i for i in range(20) if i != 19]
    assert any("label rows up to 20: taken for places" in note for note in corpus.notes)


def test_whoever_is_asked_for_the_whole_list_decides(tmp_path: Path) -> None:
    table(tmp_path, gappy(tmp_path, "begins_late"), FRAMES)
    listed = pd.read_csv(tmp_path / "frames.csv")
    listed.loc[20:, "person"] = "b"
    listed.to_csv(tmp_path / "frames.csv", index=False)
    corpus = Table(tmp_path, persons=["frames/b"])
    assert pictures(corpus) == list(range(20, FRAMES))


def test_landmarks_of_the_pictures_come_with_them(tmp_path: Path) -> None:
    corpus = fera2017(tmp_path, gappy(tmp_path, "begins_late"), FRAMES)
    (video,) = corpus.videos
    folder = tmp_path / "Landmarks"
    folder.mkdir()
    points = np.broadcast_to(np.arange(FRAMES, dtype=np.float32)[:, None, None], (FRAMES, 68, 3))
    path = folder / f"{corpus.title(video)}.npy"
    np.save(path, points)
    np.testing.assert_array_equal(FERA2017(tmp_path).sidecar_landmarks(video)[:, 0, 0], np.arange(FRAMES))
    np.save(path, np.concatenate([points, points[:5]]))
    with pytest.raises(CorpusError, match="41 rows, but"):
        FERA2017(tmp_path).sidecar_landmarks(video)


@pytest.mark.parametrize("counts", ["pictures", "places"])
def test_programs_that_count_pictures_and_places_are_both_understood(tmp_path: Path, counts: str) -> None:
    corpus = fera2017(tmp_path, gappy(tmp_path, "begins_late"), FRAMES)
    rows = corpus.tracker_rows(corpus.videos[0], corpus.table.frame["position"].to_numpy())
    by_pictures, by_places = rows.orders
    order = {"pictures": by_pictures, "places": by_places[5:]}[counts]
    np.testing.assert_array_equal(order, rows.places)
