"""Where row i belongs to frame i, a lost row is an error or a counted exclusion: no label moves."""

from pathlib import Path

import numpy as np
import pytest

from aukit.datasets import DISFA, FERA2017
from aukit.errors import CorpusError
from tests.releases import disfa_person, edit, fera2017, fera2017_recording

Lines = list[str]


def lose(root: Path, pattern: str, row: int) -> None:
    """Delete a row, counted from 0, from all label files of a name; headers stay."""

    def change(lines: Lines) -> Lines:
        header = not lines[0][0].isdigit()
        return [line for i, line in enumerate(lines) if i != row + header]

    paths = list(root.rglob(pattern))
    assert paths
    for path in paths:
        edit(path, change)


@pytest.mark.parametrize("first", [0, 1])
def test_fera_2017_counts_from_0_or_1(tmp_path: Path, first: int) -> None:
    corpus = FERA2017(fera2017(tmp_path, first))
    assert corpus.first_frame == first
    assert corpus.exclusions == []
    assert corpus.table.frame["position"].tolist() == 3 * list(range(6))
    expected = [[(i + au) % 6 for au in (1, 12)] for i in range(6)]
    np.testing.assert_array_equal(corpus.table.intensities((1, 12)), 3 * expected)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("pattern", "row", "message"),
    [
        ("FERA17_TR_F001_T1*.csv", 0, r"F001.*row 1 is frame {next}, but most label files .* from {first}"),
        ("FERA17_TR_F001_T1_AU12_Int.csv", 0, r"AU12_Int.csv: counts frames from {next}, other files"),
        ("FERA17_TR_F001_T1.csv", 0, r"F001_T1.csv: counts frames from {next}, other files"),
        ("FERA17_TR_F001_T1*.csv", 2, r"F001.*row 3 is frame {gap}.*without gaps"),
        ("FERA17_TR_F001_T1_AU12_Int.csv", 2, r"AU12_Int.csv: row 3 is frame {gap}.*without gaps"),
    ],
)
def test_a_lost_row_of_fera_2017_is_an_error(
    tmp_path: Path, first: int, pattern: str, row: int, message: str
) -> None:
    lose(fera2017(tmp_path, first), pattern, row)
    expected = message.format(first=first, next=first + 1, gap=first + 3)
    with pytest.raises(CorpusError, match=expected):
        _ = FERA2017(tmp_path).table
    others = FERA2017(tmp_path, persons=["BP4D/F002", "BP4D/M001"])
    assert len(others.table) == 12


def test_of_two_beginnings_that_are_as_frequent_the_later_one_has_lost_a_row(tmp_path: Path) -> None:
    for person in ("F001", "F002"):
        fera2017_recording(tmp_path, person, first=0)
    lose(tmp_path, "FERA17_TR_F002_T1*.csv", 0)
    with pytest.raises(CorpusError, match=r"F002_T1.*row 1 is frame 1, but most .* count frames from 0"):
        _ = FERA2017(tmp_path).table


def test_numbers_of_its_own_need_as_many_rows_as_frames(tmp_path: Path) -> None:
    for person, first in (("F001", 2440), ("F002", 7), ("M001", 1)):
        fera2017_recording(tmp_path, person, first=first)
    corpus = FERA2017(tmp_path)
    assert corpus.first_frame is None
    assert corpus.exclusions == []
    assert corpus.table.frame["frame"].tolist()[:6] == list(range(2440, 2446))
    lose(tmp_path, "FERA17_TR_F001_T1*.csv", 0)
    corpus = FERA2017(tmp_path)
    assert sorted(corpus.table.persons) == ["BP4D/F002", "BP4D/M001"]
    (exclusion,) = corpus.exclusions
    assert exclusion.position is None
    assert "not as many label rows as frames" in exclusion.reason
    lose(tmp_path, "FERA17_TR_F002_T1_AU12_Int.csv", 2)
    with pytest.raises(CorpusError, match=r"F002_T1_AU12_Int.csv: row 3 is frame 10"):
        _ = FERA2017(tmp_path).table


def disfa_of(root: Path, first: int) -> Path:
    for subject in ("SN001", "SN002", "SN003"):
        disfa_person(root, subject, first=first)
    return root


@pytest.mark.parametrize(
    ("first", "message"),
    [(0, r"row 1 is frame 1, but most label files .* from 0"), (1, r"row 1 is frame 2.*counted from 0 or 1")],
)
def test_a_first_row_lost_in_all_files_of_a_person_of_disfa_is_an_error(
    tmp_path: Path, first: int, message: str
) -> None:
    lose(disfa_of(tmp_path, first), "SN001_au*.txt", 0)
    with pytest.raises(CorpusError, match=rf"SN001_au\d+.txt: {message}"):
        _ = DISFA(tmp_path).table
    assert DISFA(tmp_path, persons=["DISFA/SN002"]).first_frame == first


def test_the_fingerprint_follows_what_the_release_counts_from(tmp_path: Path) -> None:
    disfa_of(tmp_path, 0)
    before = DISFA(tmp_path, persons=["DISFA/SN001"])
    assert before.first_frame == 0
    fingerprint = before.fingerprint()
    lose(tmp_path, "SN002_au*.txt", 0)
    lose(tmp_path, "SN003_au*.txt", 0)
    after = DISFA(tmp_path, persons=["DISFA/SN001"])
    assert after.first_frame == 1
    assert after.fingerprint() != fingerprint
