"""Damage to UNBC-McMaster's files of codes, one for each frame, and to the names that tie them to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.fuzz.catalogue import Release, corruption


def _codes(release: Release, text: str) -> None:
    """Replace a file of codes that is not empty."""
    release.write(_coded(release), text)


def _coded(release: Release) -> Path:
    """A file of codes that is not empty."""
    found = [path for path in sorted(release.root.rglob("FACS/**/*_facs.txt")) if path.stat().st_size]
    return found[release.rng.integers(len(found))]


@corruption("unbc")
def codes_unknown(release: Release) -> None:
    """An AU has the intensity 7, -1 or 0.5, or its number is none: an error that names file and line."""
    _codes(
        release,
        str(release.rng.choice(["4 7 0 0\n", "4 -1 0 0\n", "6 0.5 0 0\n", "3 1 0 0\n", "1e300 1 0 0\n"])),
    )


@corruption("unbc")
def codes_are_words(release: Release) -> None:
    """A cell holds a word: an error that names file and line."""
    _codes(
        release,
        str(release.rng.choice(["4 NaN 0 0\n", "x 1 0 0\n", "4 1 #REF! 0\n", "4 ½ 0 0\n", "4 ٣ 0 0\n"])),
    )


@corruption("unbc")
def codes_ragged(release: Release) -> None:
    """A line has lost a cell or gained one: an error that names file and line."""
    _codes(release, str(release.rng.choice(["4 1 0\n", "4\n", "4 1 0 0 0\n", "4,1,0,0\n", "4;1;0;0\n"])))


@corruption("unbc")
def codes_twice(release: Release) -> None:
    """An AU has two lines: which is meant is not guessed."""
    path = _coded(release)
    release.write(path, path.read_text() * 2)


@corruption("unbc")
def codes_in_another_order(release: Release) -> None:
    """The lines are in another order, with blank ones and Windows' ends: read."""
    path = _coded(release)
    release.write(path, "\r\n\r\n".join(path.read_text().splitlines()[::-1]))


@corruption("unbc")
def codes_in_another_encoding(release: Release) -> None:
    """UTF-16, zeros, random bytes or ten megabytes in one line: an error, in bounded time and memory."""
    path = _coded(release)
    text = path.read_text()
    contents = [text.encode("utf-16"), bytes(200), release.rng.bytes(4096), b"4 1 0 " + b"0" * 10_000_000]
    release.write(path, contents[int(release.rng.integers(len(contents)))])


@corruption("unbc")
def codes_with_a_byte_order_mark(release: Release) -> None:
    """The file begins with a byte order mark: read."""
    path = _coded(release)
    release.write(path, b"\xef\xbb\xbf" + path.read_bytes())


@corruption("unbc")
def codes_of_a_frame_missing(release: Release) -> None:
    """A frame has no file of codes: it is counted, and not neutral."""
    _coded(release).unlink()


@corruption("unbc")
def codes_of_a_sequence_missing(release: Release) -> None:
    """The codes of a sequence are gone, its pain is there: its frames are counted, not neutral."""
    for path in _coded(release).parent.iterdir():
        path.unlink()


@corruption(
    "unbc", undetectable="an empty file means a neutral face; the pain beside it says more only of six AUs"
)
def codes_empty(release: Release) -> None:
    """A file of codes has no byte."""
    _codes(release, "")


@corruption("unbc", undetectable="a line that is not there means an AU that is not shown")
def codes_cut_off(release: Release) -> None:
    """A file of codes ends early."""
    path = _coded(release)
    content = path.read_bytes()
    release.write(path, content[: int(release.rng.integers(len(content)))])


@corruption("unbc")
def codes_with_a_huge_number(release: Release) -> None:
    """A file more, of frame 99999999: not an array of that length."""
    path = _coded(release)
    release.beside(path, "ll042t1aaaff99999999_facs.txt").write_bytes(path.read_bytes())


@corruption("unbc")
def codes_twice_with_other_padding(release: Release) -> None:
    """Frame 002 also is frame 2, with other codes: which is meant is not guessed."""
    path = _coded(release)
    stem = path.name.removesuffix("_facs.txt")
    release.beside(path, f"{stem[:-3]}{int(stem[-3:])}_facs.txt").write_bytes(b"")


@corruption("unbc")
def second_copies_of_codes(release: Release) -> None:
    """A browser's second copies and a system's files beside the codes: not read."""
    path = _coded(release)
    for name in (f"{path.stem} (1).txt", f"._{path.name}", f"{path.name}~", ".DS_Store"):
        release.beside(path, name).write_bytes(b"4 9 0 0\n")


@corruption("unbc")
def codes_in_two_folders(release: Release) -> None:
    """The codes of a sequence lie in two folders: which are meant is not guessed."""
    path = _coded(release)
    other = release.root / "old" / "FACS" / path.parent.parent.name / path.parent.name / path.name
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")


@corruption("unbc")
def somebody_else_s_codes(release: Release) -> None:
    """The folder of a person has the name of nobody of the corpus: an error."""
    folder = _coded(release).parent.parent
    folder.rename(folder.with_name("042-xx042"))


@corruption("unbc")
def pain_damaged(release: Release) -> None:
    """The pain of a frame is no number, two or too much: an error that names the file."""
    found = sorted(release.root.rglob("PSPI/**/*.txt"))
    texts = ["", "x", "1 2", "17", "-1", "0.5", "nan", "\0"]
    release.write(found[release.rng.integers(len(found))], str(release.rng.choice(texts)))


@corruption("unbc")
def pain_missing(release: Release) -> None:
    """There is no pain of a frame, or of none: its codes are read."""
    found = sorted(release.root.rglob("PSPI/**/*.txt"))
    for path in found if release.rng.integers(2) else found[: 1 + int(release.rng.integers(3))]:
        path.unlink()


@corruption("unbc")
def image_of_a_frame_missing(release: Release) -> None:
    """An image is gone: its codes are counted, the landmarks of the others stay theirs or are refused."""
    release.image().unlink()


@corruption("unbc")
def image_of_a_frame_cut_off(release: Release) -> None:
    """An image ends early: the frame is counted, not kept half black."""
    path = release.image()
    content = path.read_bytes()
    release.write(path, content[: int(len(content) * release.rng.uniform(0.05, 0.97))])


@corruption("unbc")
def images_twice_with_other_padding(release: Release) -> None:
    """Image 002 also is image 00002, another one: which is meant is not guessed."""
    path = release.image()
    release.beside(path, f"{path.stem[:-3]}{int(path.stem[-3:]):05d}.png").write_bytes(b"")


@corruption("unbc")
def points_damaged(release: Release) -> None:
    """The release's own landmarks are random bytes: they are not used."""
    path = release.root / "AAM_landmarks/042-ll042/ll042t1aaaff/ll042t1aaaff001_aam.txt"
    path.parent.mkdir(parents=True)
    release.write(path, np.random.default_rng(0).bytes(100))
