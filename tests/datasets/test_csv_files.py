"""Label files as spreadsheets, editors and broken copies leave them: read rightly, or named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aukit.datasets import BP4D, DISFA, FERA2017, Release, verify_release
from aukit.errors import CorpusError
from tests.releases import (
    BP4D_AUS,
    bp4d,
    disfa_person,
    edit,
    fera2017,
    legacy_occurrence,
    write_lines,
)

Lines = list[str]


def rewrite(path: Path, change: Callable[[str], str | bytes]) -> None:
    """Change a whole text, line ends included."""
    text = change(path.read_text())
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.fixture
def fera(tmp_path: Path) -> Path:
    return fera2017(tmp_path / "fera2017")


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    return bp4d(tmp_path / "bp4d")


def quoted(text: str) -> str:
    return "".join(
        ", ".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines() if line
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(",", " , "),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", ",\n"),
        lambda text: text.replace("\n", ",,\n"),
        lambda text: text.partition("\n")[0] + "\n" + text.partition("\n")[2].replace("\n", ",\n"),
        quoted,
    ],
    ids=["bom-crlf", "cr", "blank", "spaces", "no-end", "comma", "commas", "comma-below-header", "quotes"],
)
@pytest.mark.parametrize(("reader", "make"), [(FERA2017, fera2017), (BP4D, bp4d)], ids=["fera2017", "bp4d"])
def test_harmless_spellings_are_read_alike(
    tmp_path: Path, reader: type[Release], make: Callable[[Path], Path], change: Callable[[str], str]
) -> None:
    root = make(tmp_path / "release")
    before = reader(root).table
    for path in root.rglob("*.csv"):
        rewrite(path, change)
    after = reader(root)
    assert after.table.fingerprint() == before.fingerprint()
    assert after.exclusions == []


def test_commas_at_the_ends_of_lines_are_told(fera: Path) -> None:
    for path in fera.rglob("*.csv"):
        edit(path, lambda lines: [f"{line}," for line in lines])
    report = verify_release(FERA2017(fera))
    assert report.variants["intensity without header, commas at the ends of lines"] == 21
    assert report.variants["occurrence, header names AUs, commas at the ends of lines"] == 3


HEADER = "frame,AU1,AU2,AU6,AU7,AU10,AU12,AU14,AU15,AU17,AU23"
LEVELS, CODES = "int/FERA17_TR_F001_T1_AU12_Int.csv", "occ/FERA17_TR_F001_T1.csv"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (LEVELS, lambda text: text.replace(",", ";"), "line 1: the separator is a semicolon"),
        (LEVELS, lambda text: text.replace(",", ",0;").replace("\n", ",0\n"), "the separator is a semicolon"),
        (CODES, lambda text: text.replace(",", "\t"), "line 1: the separator is a tab"),
        (LEVELS, lambda text: text.replace(",", "  "), "line 1: the separator is a space"),
        (LEVELS, lambda text: text.replace("4,", "4;"), "line 4: 1 columns, .* separator is a semicolon"),
        (CODES, lambda text: text.encode("utf-16"), "UTF-16"),
        (CODES, lambda text: text.replace("frame", "Büd").encode("latin-1"), "line 1 is no UTF-8 text"),
        (LEVELS, lambda text: text[:12] + 8 * "\0", "line 4 has a zero byte"),
        (LEVELS, lambda text: text.replace("3,", '3,"'), "line 3: cannot be read as CSV"),
        (CODES, lambda text: text[:-5], "line 7: 9 columns, expected 11: the file was cut short"),
        (CODES, lambda text: text[:-2], "line 7: a cell is empty"),
        (LEVELS, lambda text: text[:-2], "line 6: a cell is empty"),
        (LEVELS, lambda text: "1,x" + text[3:], "line 1: 'x' is not a whole number"),
        (LEVELS, lambda text: "x,1" + text[3:], "line 1: 'x' is not a whole number"),
        (CODES, lambda text: text.partition("\n")[2].replace("1,0", "1,x", 1), "line 1: 'x' is not a whole"),
        (CODES, lambda text: text.partition("\n")[2].replace("1,0", "1,7", 1), "line 1: unknown code '7'"),
        (CODES, lambda text: text.replace("frame,1,4,6", "a,b,c,d", 1), "line 1: 'a' is not a whole number"),
        (CODES, lambda text: HEADER + text[text.index("\n") :], "line 1: 11 columns that cannot be"),
    ],
)
def test_damage_is_named_with_file_and_line(
    fera: Path, name: str, change: Callable[[str], str | bytes], message: str
) -> None:
    rewrite(fera / name, change)
    with pytest.raises(CorpusError, match=rf"{Path(name).name}.*{message}"):
        _ = FERA2017(fera).table


@pytest.mark.parametrize("task", ["T1", "T2"], ids=["by-number", "named"])
def test_occurrences_without_header_are_named_as_such(sequences: Path, task: str) -> None:
    edit(sequences / f"AUCoding/AU_OCC/F001_{task}.csv", lambda lines: lines[1:])
    with pytest.raises(CorpusError, match=rf"F001_{task}.csv, line 1: has no header line"):
        _ = BP4D(sequences).table


def test_a_bad_code_in_the_first_row_makes_no_header(sequences: Path) -> None:
    path = sequences / "AUCoding/AU_INT/AU12/F001_T1_AU12.csv"
    edit(path, lambda lines: ["2440,x", *lines[1:]])
    with pytest.raises(CorpusError, match=r"F001_T1_AU12.csv, line 1: 'x' is not a whole number"):
        _ = BP4D(sequences).table
    edit(path, lambda lines: ["frame,level", "2440,0", *lines[1:]])
    table = BP4D(sequences).table
    assert table.select(video="Sequences(2D+3D)/F001/T1").intensities((12,))[:, 0].tolist() == [0, 1, 2, 3]


def test_label_files_of_unequal_length_are_noted_and_counted(sequences: Path) -> None:
    edit(sequences / "AUCoding/AU_INT/AU12/F001_T1_AU12.csv", lambda lines: [*lines[:2], "2500,1"])
    legacy_occurrence(
        sequences / "AUCoding/AU_OCC/F003_T1.csv", (1, 2, 3), {au: [0, 1, 0] for au in BP4D_AUS}
    )
    corpus = BP4D(sequences)
    levels = corpus.table.select(video="Sequences(2D+3D)/F001/T1").intensities((12, 14))
    np.testing.assert_array_equal(levels, [[0, 0], [1, 1], [np.nan, 2], [np.nan, 3]])
    unequal = [note for note in corpus.notes if "unequal length" in note]
    assert [note.split(":")[0] for note in unequal] == ["F001 T1", "F003 T1"]
    assert "AU12: 2 rows missing, 1 beyond" in unequal[0]
    assert "occurrence: 1 rows missing, 0 beyond" in unequal[1]
    assert [(e.position, e.reason) for e in corpus.exclusions] == [(2500, "label row without image")]


def test_files_that_number_the_same_rows_differently_contradict_each_other(sequences: Path) -> None:
    edit(
        sequences / "AUCoding/AU_INT/AU12/F001_T1_AU12.csv",
        lambda lines: [f"{int(line.split(',')[0]) + 1},{line.split(',')[1]}" for line in lines],
    )
    with pytest.raises(CorpusError, match=r"F001_T1_AU12.csv.*they disagree on the frames"):
        _ = BP4D(sequences).table


def test_a_table_of_genders_with_semicolons_is_named_as_such(tmp_path: Path) -> None:
    disfa_person(tmp_path, "SN001")
    write_lines(tmp_path / "genders.csv", ["person;gender", "SN001;f"])
    with pytest.raises(CorpusError, match=r"genders.csv, line 1: the separator is a semicolon"):
        DISFA(tmp_path)
    write_lines(tmp_path / "genders.csv", ["person,gender,", "SN001,f,"])
    assert DISFA(tmp_path).genders == {"DISFA/SN001": "female"}
