"""Damage to DISFA+'s files of codes, whose rows name images, and to the folders of people and trials."""

from __future__ import annotations

from tests.fuzz.catalogue import Release, corruption

_HEADER = 2


def _row(release: Release, *texts: str, place: int | None = None) -> None:
    """Put one of the texts in place of a row, in which {} stands for the image's number of three digits."""
    path = release.label_file()
    lines = path.read_text().splitlines()
    if place is None:
        place = int(release.rng.integers(len(lines) - _HEADER))
    lines[_HEADER + place] = str(release.rng.choice(list(texts))).replace("{}", f"{place:03d}")
    release.write_lines(path, [], lines)


@corruption("disfaplus")
def level_unknown(release: Release) -> None:
    """A code is 6, 9, -1, 0.5 or a word: an error that names file and line."""
    _row(release, *(f"{{}}.jpg     {code}" for code in ("6", "9", "-1", "0.5", "NaN", "x", "#REF!", "1e1")))


@corruption("disfaplus")
def row_ragged(release: Release) -> None:
    """A row has lost its code, gained one, or has another separator: an error that names file and line."""
    _row(release, "{}.jpg", "{}.jpg 1 2", "{}.jpg,1", "{}.jpg;1", "1 {}.jpg", "{}.jpg1")


@corruption("disfaplus")
def row_names_no_image(release: Release) -> None:
    """The name in a row is damaged: an error, or the frame is told to lack the code."""
    _row(release, "{}.jp 1", "{} 1", "O{}.jpg 1", "{}.txt 1", "99999999.jpg 1", ".jpg 1", "x{} 1")


@corruption("disfaplus")
def first_row_names_no_image(release: Release) -> None:
    """Likewise the first row, which must not pass for a header in silence."""
    _row(release, "OOO.jpg 1", "# 000.jpg 1", "0 1", "000 jpg 1", "jpg 1", "x 1", "000.jpg x", place=0)


@corruption("disfaplus")
def row_gone(release: Release) -> None:
    """A row of one file is gone: its frame is told to lack the code, no other moves up."""
    path = release.label_file()
    lines = path.read_text().splitlines()
    del lines[int(release.rng.integers(_HEADER, len(lines)))]
    release.write_lines(path, [], lines)


@corruption("disfaplus")
def row_twice(release: Release) -> None:
    """An image has two rows, also with other padding: which is meant is not guessed."""
    path = release.label_file()
    row = str(release.rng.choice(["000.jpg 1", "0.jpg 1", "00000.JPG 1", "000.png 1"]))
    release.write(path, f"{path.read_text()}{row}\n")


@corruption("disfaplus")
def rows_in_another_order(release: Release) -> None:
    """The rows are in the order of a folder that nobody has sorted, with Windows' ends: read."""
    path = release.label_file()
    lines = path.read_text().splitlines()
    rows = release.rng.permutation(lines[_HEADER:]).tolist()
    release.write(path, "\r\n\r\n".join([*lines[:_HEADER], *rows]))


@corruption("disfaplus")
def header_of_other_length(release: Release) -> None:
    """There is no header, a longer one, or one of other words: read."""
    path = release.label_file()
    rows = path.read_text().splitlines()[_HEADER:]
    headers = [[], ["AU 12"], ["#"] * 9, ["Frame  Code", "-----  ----"], ["# 3", "name code"]]
    release.write_lines(path, headers[int(release.rng.integers(len(headers)))], rows)


@corruption("disfaplus")
def rows_name_other_formats(release: Release) -> None:
    """The rows name PNG files, or numbers without padding: read, since the number counts."""
    path = release.label_file()
    lines = path.read_text().splitlines()
    rows = [f"{int(row[:3])}.{release.rng.choice(['png', 'JPG'])}{row[7:]}" for row in lines[_HEADER:]]
    release.write_lines(path, lines[:_HEADER], rows)


@corruption("disfaplus")
def rows_in_another_encoding(release: Release) -> None:
    """UTF-16, zeros, random bytes or ten megabytes in one line: an error, in bounded time and memory."""
    path = release.label_file()
    contents = [
        path.read_text().encode("utf-16"),
        bytes(200),
        release.rng.bytes(4096),
        b"000.jpg " + b"0" * 10_000_000,
    ]
    release.write(path, contents[int(release.rng.integers(len(contents)))])


@corruption("disfaplus")
def rows_with_a_byte_order_mark(release: Release) -> None:
    """The file begins with a byte order mark: read."""
    path = release.label_file()
    release.write(path, b"\xef\xbb\xbf" + path.read_bytes())


@corruption("disfaplus")
def rows_cut_off(release: Release) -> None:
    """A file ends early: an error, or the frames behind are told to lack the code."""
    path = release.label_file()
    content = path.read_bytes()
    release.write(path, content[: int(release.rng.integers(len(content) - 1))])


@corruption("disfaplus")
def rows_of_one_file_shifted(release: Release) -> None:
    """One file numbers the images from 1 on: an error, since the others do not."""
    path = release.label_file()
    lines = path.read_text().splitlines()
    rows = [f"{int(row[:3]) + 1:03d}{row[3:]}" for row in lines[_HEADER:]]
    release.write_lines(path, lines[:_HEADER], rows)


@corruption("disfaplus", undetectable="the number is all that ties a row to its image; the ends are counted")
def rows_of_a_trial_shifted(release: Release) -> None:
    """All files of a trial number the images from 1 on."""
    for path in sorted(release.label_file().parent.iterdir()):
        lines = path.read_text().splitlines()
        rows = [f"{int(row[:3]) + 1:03d}{row[3:]}" for row in lines[_HEADER:]]
        release.write_lines(path, lines[:_HEADER], rows)


@corruption("disfaplus")
def rows_of_an_au_missing(release: Release) -> None:
    """A file is gone, or all of a trial: told, and not absent."""
    path = release.label_file()
    for each in sorted(path.parent.iterdir()) if release.rng.integers(2) else [path]:
        each.unlink()


@corruption("disfaplus")
def rows_in_two_folders(release: Release) -> None:
    """An archive was unpacked twice: which files are meant is not guessed."""
    path = release.label_file()
    person = path.parent.parent
    name = str(release.rng.choice([f"{person.name} 2", f"{person.name} (1)", f"{person.name}/{person.name}"]))
    other = person.parent / name / path.parent.name / path.name
    other.parent.mkdir(parents=True)
    other.write_bytes(path.read_bytes())


@corruption("disfaplus")
def folders_nested_once_more(release: Release) -> None:
    """The folder of a person lies in one of the same name, or has a number: read."""
    person = release.label_file().parent.parent if release.rng.integers(2) else release.image().parent.parent
    moved = person.rename(person.with_name("moved"))
    target = person / person.name if release.rng.integers(2) else person.with_name(f"{person.name} 2")
    target.parent.mkdir(exist_ok=True)
    moved.rename(target)


@corruption("disfaplus")
def second_copies_of_rows(release: Release) -> None:
    """A browser's second copies and a system's files beside the codes: not read."""
    path = release.label_file()
    for name in (f"{path.stem} (1).txt", f"._{path.name}", f"{path.name}~", ".DS_Store"):
        release.beside(path, name).write_bytes(b"000.jpg 9\n")


@corruption("disfaplus")
def somebody_else_s_rows(release: Release) -> None:
    """The folder of a person has the number of nobody of the corpus: an error."""
    folder = release.label_file().parent.parent
    folder.rename(folder.with_name("SN002"))


@corruption("disfaplus")
def trial_of_another_name(release: Release) -> None:
    """The codes of a trial lie in a folder of another name: they and the images are counted."""
    folder = release.label_file().parent
    folder.rename(folder.with_name(folder.name.replace("Trail", "Trial")))


@corruption("disfaplus")
def times_and_points_damaged(release: Release) -> None:
    """The times beside the images and the release's own landmarks are random bytes: they are not used."""
    release.write(release.pick("TimeStamp.txt"), release.rng.bytes(100))
    path = release.root / "FaceLandmarks/SN001/A1_AU1_TrailNo_1_FaceCropped.mat"
    path.parent.mkdir(parents=True)
    release.write(path, release.rng.bytes(100))
