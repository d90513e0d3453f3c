"""What is no file where a file should be, links that lead astray, and descriptions that claim too much."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aukit.datasets.files import AGREEMENT_FILE
from tests.fuzz.catalogue import ALL, TABLES, VIDEOS, Release, corruption

_PEOPLE = {
    "fera2017": "BP4D/F001",
    "bp4d": "F001",
    "bp4dplus": "F004",
    "disfa": "SN001",
    "disfaplus": "SN001",
    "gft": "001A",
    "unbc": "042-ll042",
    "multipie": "041",
    "multiview": "041",
}


def _some_file(release: Release) -> Path:
    """A video or image, a file of codes or a sidecar."""
    media = release.video if release.corpus in VIDEOS else release.image
    kinds: list[Callable[[], Path]] = [media, release.label_file, release.sidecar]
    return kinds[int(release.rng.integers(3))]()


@corruption(*ALL)
def pipe(release: Release) -> None:
    """A pipe that nobody writes to is called like a file: reading it would wait for ever."""
    path = _some_file(release)
    path.unlink()
    os.mkfifo(path)


@corruption(*ALL)
def pipe_called_like_a_description(release: Release) -> None:
    """A pipe is called like the table of genders or the description of a stand-in."""
    os.mkfifo(release.root / str(release.rng.choice(["genders.csv", "STANDIN.json"])))


@corruption(*ALL)
def unix_socket(release: Release) -> None:
    """A socket is called like a file."""
    path = _some_file(release)
    path.unlink()
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:  # by a short name: the kernel takes 108 bytes
        server.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


@corruption(*ALL)
def folder(release: Release) -> None:
    """A folder is called like a file."""
    path = _some_file(release)
    path.unlink()
    path.mkdir()


@corruption(*ALL)
def link_to_itself(release: Release) -> None:
    """A link leads to itself."""
    path = _some_file(release)
    path.unlink()
    path.symlink_to(path.name)


@corruption(*ALL)
def links_in_a_circle(release: Release) -> None:
    """Two links lead to each other."""
    path = _some_file(release)
    path.unlink()
    path.symlink_to("other")
    release.beside(path, "other").symlink_to(path.name)


@corruption(*ALL)
def link_to_nothing(release: Release) -> None:
    """A link leads to a file that is not there."""
    path = _some_file(release)
    path.unlink()
    path.symlink_to("not-there")


@corruption(*ALL)
def link_out_of_the_root(release: Release) -> None:
    """A file was moved to another disk, a link is left: followed where asked, otherwise an error."""
    path = _some_file(release)
    elsewhere = release.root.with_name(f"{release.root.name}-elsewhere") / path.name
    elsewhere.parent.mkdir()
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@corruption(*ALL)
def link_to_a_device(release: Release) -> None:
    """A link leads to /dev/zero, which never ends."""
    path = _some_file(release)
    path.unlink()
    path.symlink_to("/dev/zero")


@corruption(*ALL)
def folder_that_contains_itself(release: Release) -> None:
    """A link to the root lies in the root."""
    (release.root / "again").symlink_to(".")


@corruption(*ALL)
def odd_names(release: Release) -> None:
    """Files with line ends, other encodings and 200 characters in their names lie about: not read."""
    for name in (b"a\nb.csv", b"\xff\xfe.mp4", b"x" * 200, b"-rf", b"F001_T1.csv~"):
        (release.root / os.fsdecode(name)).write_bytes(b"0")


@corruption(*ALL)
def deep_folders(release: Release) -> None:
    """Two hundred folders inside each other: walked, or an error."""
    path = release.root
    for _ in range(200):
        path = path / "d"
        path.mkdir()


@corruption(*ALL)
def huge_file_of_codes(release: Release) -> None:
    """A file of codes has a tebibyte (a hole): refused before it is read."""
    path = release.label_file()
    release.write(path, path.read_bytes())
    os.truncate(path, 2**40)


@corruption(*(corpus for corpus in TABLES if corpus != "bp4dplus"))  # there nothing else has the codes
def too_many_rows(release: Release) -> None:
    """A file of codes goes on for two million rows: refused, in bounded time and memory."""
    path = release.label_file()
    header, rows = release.lines(path)
    tail = rows[-1].partition(",")[2]
    count = 2_000_000 if len(tail) < 9 else 100_000
    release.write_lines(path, header, [f"{number},{tail}" for number in range(1, count)])


@corruption(*ALL)
def description_damaged(release: Release) -> None:
    """The description of a stand-in is damaged: an error that names it."""
    texts = ["", "{", "[1]", '{"version": ', "[" * 100_000, "null", '{"recipe": {}}', "\ufeff{}", "NaN"]
    release.write(release.root / "STANDIN.json", str(release.rng.choice(texts)))
    release.write(release.root / AGREEMENT_FILE, "{}")


@corruption(*ALL)
def description_huge(release: Release) -> None:
    """The description of a stand-in has 50 MB: refused."""
    release.write(release.root / "STANDIN.json", '{"version": 1, "x": "' + "a" * 50_000_000 + '"}')
    release.write(release.root / AGREEMENT_FILE, "{}")


@corruption("gft")
def alias_bomb(release: Release) -> None:
    """The column map has aliases of aliases of aliases, 10^18 nodes written out: refused."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 18)]
    path = release.root / "gft_columns.yaml"
    release.write(path, path.read_text() + "\n".join(lines) + "\n")


@corruption("gft")
def map_damaged(release: Release) -> None:
    """The column map is no YAML, runs code, repeats a key or is nested without end: an error."""
    path = release.root / "gft_columns.yaml"
    text = path.read_text()
    texts = [
        "[" * 3000,
        "!!python/object/apply:os.system ['true']",
        text + "occurrence: {1: AU06}\n",
        text.replace("1: AU01", "1: AU01\n  1: AU12"),
        text[: len(text) // 2],
        text.encode("utf-16"),
        "a: &a [*a]\n" + text,
        text.replace("first_frame: 1", "first_frame: 1.5"),
        text.replace("frame: frame", "frame: [frame]"),
    ]
    release.write(path, texts[int(release.rng.integers(len(texts)))])


@corruption("gft")
def map_names_a_column_that_is_not_there(release: Release) -> None:
    """The column map names a column that no file has: an error that names it."""
    path = release.root / "gft_columns.yaml"
    release.write(path, path.read_text().replace("AU01", "AU_01"))


@corruption("gft")
def map_missing(release: Release) -> None:
    """The column map is gone: an error that says what it is."""
    (release.root / "gft_columns.yaml").unlink()


@corruption(*ALL)
def genders_damaged(release: Release) -> None:
    """The table of genders has an unknown word, two words for a person, no header, or no text: an error."""
    person = _PEOPLE[release.corpus]
    head = "person,gender\n"
    texts = [
        f"{head}{person},x\n",
        f"{head}{person},f\n{person},m\n",
        f"{person},f\n",
        f"{head}{person}\n",
        f"{head}{person},f,\n",
        "",
        f"person;gender\n{person};f\n",
        b"\x00" * 100,
        f"{head}{person},f\n".encode("utf-16"),
        head + "a," * 5_000_000,
    ]
    release.write(release.root / "genders.csv", texts[int(release.rng.integers(len(texts)))])


@corruption(*ALL)
def genders_of_others(release: Release) -> None:
    """The table of genders has people whom the corpus does not have, blank cells and spaces: read."""
    person = _PEOPLE[release.corpus]
    release.write(release.root / "genders.csv", f"gender , person\nFemale, {person}\n,X/9\nm,Y/1\n\n")


@corruption(*ALL)
def landmarks_are_a_file(release: Release) -> None:
    """A file is called like the folder of landmarks."""
    shutil.rmtree(release.root / "Landmarks")
    (release.root / "Landmarks").write_bytes(np.zeros(3).tobytes())
