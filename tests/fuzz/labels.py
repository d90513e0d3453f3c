"""Damage to files of codes: copied badly, opened in a spreadsheet, cut off, mixed up."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fuzz.catalogue import TABLES, Release, corruption

BY_ROW = ("fera2017", "disfa")
BY_NUMBER = ("bp4d", "bp4dplus", "gft")


def _cell(release: Release, text: str) -> None:
    """Put a text in place of one code."""
    path = release.label_file()
    header, rows = release.lines(path)
    row = int(release.rng.integers(len(rows)))
    cells = rows[row].split(",")
    names = header[0].split(",") if header else ["", "AU06"]
    coded = [
        place
        for place, name in enumerate(names)
        if place and name.removeprefix("AU").lstrip("0") in ("6", "12")
    ]
    cells[int(release.rng.choice(coded))] = text
    rows[row] = ",".join(cells)
    release.write_lines(path, header, rows)


@corruption(*TABLES)
def first_row_deleted(release: Release) -> None:
    """The first row of one file is lost: no later row may move up."""
    path = release.label_file()
    header, rows = release.lines(path)
    release.write_lines(path, header, rows[1:])


@corruption(*BY_ROW)
def first_row_deleted_everywhere(release: Release) -> None:
    """The first row of all files of a recording is lost: no later row may move up."""
    for path in release.label_files():
        header, rows = release.lines(path)
        release.write_lines(path, header, rows[1:])


@corruption(*TABLES)
def middle_row_deleted(release: Release) -> None:
    """A row in the middle of one file is lost: no later row may move up."""
    path = release.label_file()
    header, rows = release.lines(path)
    del rows[int(release.rng.integers(1, len(rows) - 1))]
    release.write_lines(path, header, rows)


@corruption(*TABLES)
def last_rows_deleted(release: Release) -> None:
    """One file ends one to three rows early: these frames are counted."""
    path = release.label_file()
    header, rows = release.lines(path)
    release.write_lines(path, header, rows[: -int(release.rng.integers(1, 4))])


@corruption(*TABLES)
def row_duplicated(release: Release) -> None:
    """A row comes twice: an error, or the later rows stay where they belong."""
    path = release.label_file()
    header, rows = release.lines(path)
    row = int(release.rng.integers(len(rows)))
    release.write_lines(path, header, [*rows[: row + 1], *rows[row:]])


@corruption(*TABLES)
def rows_swapped(release: Release) -> None:
    """Two rows have changed places: an error, or each goes to the frame whose number it has."""
    path = release.label_file()
    header, rows = release.lines(path)
    first, second = release.rng.choice(len(rows), 2, replace=False)
    rows[first], rows[second] = rows[second], rows[first]
    release.write_lines(path, header, rows)


@corruption(*TABLES)
def rows_reversed(release: Release) -> None:
    """The file is sorted downwards: an error, or each row goes to the frame whose number it has."""
    path = release.label_file()
    header, rows = release.lines(path)
    release.write_lines(path, header, rows[::-1])


@corruption(*TABLES)
def unknown_code(release: Release) -> None:
    """A code that no annotator gives (7): an error that names file and line."""
    _cell(release, "7")


@corruption("bp4d", "bp4dplus")
def unknown_code_in_the_first_row(release: Release) -> None:
    """A code 7 in the first row of a file without header: it may not be taken for a header."""
    path = release.levels()
    header, rows = release.lines(path)
    rows[0] = rows[0].split(",")[0] + ",7"
    release.write_lines(path, header, rows)


@corruption(*TABLES)
def negative_code(release: Release) -> None:
    """A code is -1: an error that names file and line."""
    _cell(release, "-1")


@corruption(*TABLES)
def fractional_code(release: Release) -> None:
    """A code is 0.5: an error that names file and line."""
    _cell(release, "0.5")


@corruption(*TABLES)
def code_is_no_number(release: Release) -> None:
    """A cell holds a word: an error that names file and line."""
    _cell(release, str(release.rng.choice(["NaN", "x", "#REF!", "1e0", "½", "٣"])))


@corruption(*TABLES)
def empty_cell(release: Release) -> None:
    """A cell is empty: an error that names file and line."""
    _cell(release, "")


@corruption(*TABLES)
def frame_number_is_negative(release: Release) -> None:
    """A frame number is -1: an error that names file and line."""
    path = release.label_file()
    header, rows = release.lines(path)
    row = int(release.rng.integers(len(rows)))
    rows[row] = ",".join(["-1", *rows[row].split(",")[1:]])
    release.write_lines(path, header, rows)


@corruption(*TABLES)
def frame_number_is_huge(release: Release) -> None:
    """A frame number is 999999999: an error, or one row without frame; not a table of that length."""
    path = release.label_file()
    header, rows = release.lines(path)
    row = int(release.rng.integers(len(rows)))
    rows[row] = ",".join(["999999999", *rows[row].split(",")[1:]])
    release.write_lines(path, header, rows)


@corruption(*BY_ROW, "bp4d")
def numbers_offset_in_one_file(release: Release) -> None:
    """All frame numbers of one file are one too large: it contradicts the other files of the recording."""
    path = release.label_file()
    header, rows = release.lines(path)
    moved = [",".join([str(int(row.split(",")[0]) + 1), *row.split(",")[1:]]) for row in rows]
    release.write_lines(path, header, moved)


@corruption(*BY_ROW)
def numbers_offset_by_five(release: Release) -> None:
    """All frame numbers of all files of a recording are five too large: the video does not start there."""
    for path in release.label_files():
        header, rows = release.lines(path)
        moved = [",".join([str(int(row.split(",")[0]) + 5), *row.split(",")[1:]]) for row in rows]
        release.write_lines(path, header, moved)


@corruption(*TABLES)
def ragged_line(release: Release) -> None:
    """A line has lost its last cell: an error that names file and line."""
    path = release.label_file()
    header, rows = release.lines(path)
    row = int(release.rng.integers(len(rows)))
    rows[row] = rows[row].rpartition(",")[0]
    release.write_lines(path, header, rows)


@corruption(*TABLES)
def trailing_commas(release: Release) -> None:
    """Each line ends with a comma, as some spreadsheets write: read, or named as such."""
    path = release.label_file()
    header, rows = release.lines(path)
    release.write_lines(path, [line + "," for line in header], [line + "," for line in rows])


@corruption(*TABLES)
def semicolons(release: Release) -> None:
    """Semicolons separate the cells, as German spreadsheets write: read, or named as such."""
    path = release.label_file()
    release.write(path, path.read_text().replace(",", ";"))


@corruption(*TABLES)
def tabs(release: Release) -> None:
    """Tabs separate the cells: read, or named as such."""
    path = release.label_file()
    release.write(path, path.read_text().replace(",", "\t"))


@corruption(*TABLES)
def quoted_cells(release: Release) -> None:
    """Every cell is in quotes: read, or named as such."""
    path = release.label_file()
    lines = [",".join(f'"{cell}"' for cell in line.split(",")) for line in path.read_text().splitlines()]
    release.write_lines(path, [], lines)


@corruption(*TABLES)
def open_quote(release: Release) -> None:
    """A quote is never closed, so that the rest of the file would be one cell: an error."""
    path = release.label_file()
    header, rows = release.lines(path)
    row = int(release.rng.integers(len(rows)))
    rows[row] = rows[row].replace(",", ',"', 1)
    release.write_lines(path, header, rows)


@corruption(*TABLES)
def byte_order_mark(release: Release) -> None:
    """The file begins with a byte order mark, as Windows writes: read."""
    path = release.label_file()
    release.write(path, b"\xef\xbb\xbf" + path.read_bytes())


@corruption(*TABLES)
def windows_line_ends(release: Release) -> None:
    """Lines end with CR LF: read."""
    path = release.label_file()
    release.write(path, path.read_bytes().replace(b"\n", b"\r\n"))


@corruption(*TABLES)
def blank_lines(release: Release) -> None:
    """Blank lines in between: read, without counting them as rows."""
    path = release.label_file()
    release.write(path, path.read_bytes().replace(b"\n", b"\n\n"))


@corruption(*TABLES)
def utf16(release: Release) -> None:
    """The file is UTF-16, as spreadsheets export "Unicode text": read, or named as such."""
    path = release.label_file()
    release.write(path, path.read_text().encode("utf-16"))


@corruption(*TABLES)
def cut_within_a_cell(release: Release) -> None:
    """The file ends in the middle of a line, as after a broken copy: an error, or the rest is counted."""
    path = release.label_file()
    content = path.read_bytes()
    cut = int(release.rng.integers(len(content) // 4, len(content) - 2))
    while content[cut - 1 : cut] in (b"\n", b",") or content[cut : cut + 1] == b"\n":
        cut -= 1
    release.write(path, content[:cut])


@corruption(*TABLES)
def empty(release: Release) -> None:
    """The file has no byte."""
    release.write(release.label_file(), b"")


@corruption(*TABLES)
def header_alone(release: Release) -> None:
    """The file has no row but perhaps its header."""
    path = release.label_file()
    release.write_lines(path, release.lines(path)[0], [])


@corruption(*TABLES)
def binary(release: Release) -> None:
    """Random bytes stand in the file."""
    release.write(release.label_file(), release.rng.bytes(4096))


@corruption(*TABLES)
def zero_bytes(release: Release) -> None:
    """A stretch of zeros, as a crash of a file system leaves: an error."""
    path = release.label_file()
    content = bytearray(path.read_bytes())
    at = int(release.rng.integers(len(content) // 2))
    content[at : at + len(content) // 3] = bytes(len(content[at : at + len(content) // 3]))
    release.write(path, bytes(content))


@corruption(*TABLES)
def line_of_ten_megabytes(release: Release) -> None:
    """One line has ten million characters: an error, in bounded time and memory."""
    path = release.label_file()
    header, rows = release.lines(path)
    rows[len(rows) // 2] += str(release.rng.choice([",", "0"])) * 10_000_000
    release.write_lines(path, header, rows)


@corruption("fera2017", "gft", "bp4d", "bp4dplus")
def header_missing(release: Release) -> None:
    """The header is lost: an error, or columns by position where that is certain."""
    path = release.pick("*.csv", without="_AU")
    release.write_lines(path, [], release.lines(path)[1])


@corruption("fera2017", "gft", "bp4d", "bp4dplus")
def header_doubled(release: Release) -> None:
    """The header comes twice, as after joining files: an error."""
    path = release.pick("*.csv", without="_AU")
    header, rows = release.lines(path)
    release.write_lines(path, header * 2, rows)


@corruption("fera2017", "gft", "bp4d", "bp4dplus")
def header_in_the_middle(release: Release) -> None:
    """The header comes again in the middle: an error."""
    path = release.pick("*.csv", without="_AU")
    header, rows = release.lines(path)
    release.write_lines(path, header, [*rows[:7], *header, *rows[7:]])


@corruption("gft", "bp4d", "bp4dplus")
def column_renamed(release: Release) -> None:
    """An action unit's name is lost from the header: an error, or noted as a missing column."""
    path = release.pick("*.csv", without="_AU")
    header, rows = release.lines(path)
    cells = header[0].split(",")
    cells[1 + int(release.rng.integers(1, min(len(cells) - 1, 12)))] = "x"
    release.write_lines(path, [",".join(cells)], rows)


@corruption("fera2017", "bp4d", "bp4dplus", "gft")
def columns_swapped_with_their_names(release: Release) -> None:
    """Two columns have changed places, names and all: the names are followed."""
    path = release.pick("*.csv", without="_AU")
    header, rows = release.lines(path)
    table = [line.split(",") for line in (*header, *rows)]
    for line in table:
        line[1], line[3] = line[3], line[1]
    release.write_lines(path, [], [",".join(line) for line in table])


@corruption(*TABLES)
def file_missing(release: Release) -> None:
    """One file of codes is gone: its action unit or recording is noted."""
    release.label_file().unlink()


@corruption(*TABLES)
def all_files_of_a_recording_missing(release: Release) -> None:
    """No file of codes of a recording is there: its video is a counted exclusion."""
    for path in release.label_files():
        path.unlink()


@corruption(*TABLES)
def second_copy(release: Release) -> None:
    """A browser's second copy, `name (1)`, with other content, beside the file: it is not read."""
    path = release.label_file()
    release.write(release.beside(path, f"{path.stem} (1){path.suffix}"), path.read_text().replace("1", "0"))


@corruption(*TABLES)
def copy_in_another_folder(release: Release) -> None:
    """The same file again in another folder, with other content: which is meant is not guessed."""
    path = release.label_file()
    other = release.root / "old" / path.parent.name / path.name
    other.parent.mkdir(parents=True)
    release.write(other, path.read_text().replace(",1", ",0"))


@corruption("bp4d", "bp4dplus", "disfa", "gft")
def person_that_nobody_is(release: Release) -> None:
    """The name of the file has a person whom the corpus does not have: an error, or the file is counted."""
    path = release.label_file()
    subject = {"bp4d": "F099", "bp4dplus": "F099", "disfa": "SN099", "gft": "099A"}[release.corpus]
    old = release.recording(path).subject
    path.rename(release.beside(path, path.name.replace(old, subject)))


@corruption(*TABLES)
def named_after_another_person(release: Release) -> None:
    """One file is named after a person without video: the codes are missing where they belong."""
    path = release.label_file()
    subjects = {"fera2017": "M003", "bp4d": "M003", "bp4dplus": "M004", "disfa": "SN003", "gft": "003C"}
    subject = subjects[release.corpus]
    path.rename(release.beside(path, path.name.replace(release.recording(path).subject, subject)))


@corruption(*TABLES, undetectable="nothing in a file of codes but its name says whom it is about")
def two_people_swapped(release: Release) -> None:
    """The files of two people have each other's names."""
    path = release.levels()
    own = release.recording(path)
    found = (release.levels() for _ in range(1000))
    other = next(p for p in found if release.recording(p) is not own and _au(p) == _au(path))
    mine, theirs = path.read_bytes(), other.read_bytes()
    release.write(path, theirs)
    release.write(other, mine)


def _au(path: Path) -> str:
    """What of a name says which action unit it is."""
    match = re.search(r"_(?:au|AU)\d+|_int", path.name)
    return match[0] if match else ""


@corruption(*TABLES, undetectable="another code is as good a code as the right one")
def other_code(release: Release) -> None:
    """A code is 0 in place of 1, or 1 in place of 0."""
    path = release.label_file()
    header, rows = release.lines(path)
    row = int(release.rng.integers(len(rows)))
    number, code, *rest = rows[row].split(",")
    rows[row] = ",".join([number, "0" if code == "1" else "1", *rest])
    release.write_lines(path, header, rows)


@corruption(
    "fera2017", "bp4d", "bp4dplus", "gft", undetectable="9 is what annotators write where they do not code"
)
def coded_nine(release: Release) -> None:
    """A code is 9: not coded."""
    _cell(release, "9")


@corruption("disfa")
def coded_nine_where_all_is_coded(release: Release) -> None:
    """A code is 9 in a corpus whose every frame is coded: an error."""
    _cell(release, "9")


@corruption(*BY_NUMBER, undetectable="frame numbers are all that ties a row to its frame")
def numbers_offset_everywhere(release: Release) -> None:
    """All frame numbers of a recording's files are one too large; what falls off at the ends is counted."""
    for path in release.label_files():
        header, rows = release.lines(path)
        moved = [",".join([str(int(row.split(",")[0]) + 1), *row.split(",")[1:]]) for row in rows]
        release.write_lines(path, header, moved)
