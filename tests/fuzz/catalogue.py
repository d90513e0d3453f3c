"""What a corruption is; the modules beside this one hold them, one function each."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fuzz import healthy

ALL = healthy.CORPORA
TABLES = ("fera2017", "bp4d", "disfa", "gft", "bp4dplus")
"""Whose files of codes are CSV, a row per frame; UNBC-McMaster has a file per frame, DISFA+ rows by name."""
VIDEOS = ("fera2017", "disfa", "gft")
IMAGES = ("bp4d", "bp4dplus", "disfaplus")
"""Whose images are called by a number alone."""


@dataclass
class Release:
    """A copy of a healthy release, to be damaged in one place.

    Attributes:
        root: Its folder; the files are hard links to the healthy ones until they are written.
        corpus: Name of the corpus.
        rng: All chance of the case.
    """

    root: Path
    corpus: str
    rng: np.random.Generator

    def pick(self, pattern: str, without: str = "\0") -> Path:
        """One of the files of that name, below whatever folders."""
        found = sorted(
            p for p in self.root.rglob(pattern) if without not in p.name and "Landmarks" not in p.parts
        )
        return found[self.rng.integers(len(found))]

    def video(self) -> Path:
        """One of the videos."""
        return self.pick("*.mp4") if self.corpus != "disfa" else self.pick("*_comp.[am][vp][i4]")

    def image(self) -> Path:
        """One of the images."""
        return self.pick("*.jpg" if self.corpus in IMAGES else "*.png")

    def label_file(self) -> Path:
        """One of the files of codes; of Multi-PIE, which has none, the list of people."""
        names = {"disfa": "SN*_au*.txt", "disfaplus": "AU*.txt", "unbc": "*_facs.txt"}
        names |= dict.fromkeys(healthy.OPTIONS, "*.txt")
        return self.pick(names.get(self.corpus, "*.csv"))

    def label_files(self) -> list[Path]:
        """All files of codes of one of the recordings."""
        recording = self.recording(self.label_file())
        stem = recording.title.removeprefix("LeftVideo").removesuffix("_comp").removesuffix("_6")
        return [path for path in sorted(self.root.rglob(f"{stem}*")) if path.suffix in (".csv", ".txt")]

    def levels(self) -> Path:
        """One of the files of intensities; of codes where the corpus has no other."""
        names = {"disfa": "SN*_au*.txt", "gft": "*_int.csv", "bp4dplus": "*.csv"}
        return self.pick(names.get(self.corpus, "*_AU*.csv"))

    def sidecar(self) -> Path:
        """One of the files of tracked landmarks."""
        found = sorted((self.root / "Landmarks").rglob("*.npy"))
        return found[self.rng.integers(len(found))]

    def recording(self, path: Path) -> healthy.Recording:
        """The recording that a file belongs to."""
        for recording in healthy.recordings(self.corpus):
            stem = recording.title.removeprefix("LeftVideo").removesuffix("_comp").removesuffix("_6")
            if path.name.startswith((recording.title, f"{stem}.", f"{stem}_")):
                return recording
            if path.parent.parts[-2:] == (recording.subject, recording.task):
                return recording
        raise LookupError(path)

    def beside(self, path: Path, name: str) -> Path:
        """A path in the same folder."""
        return path.with_name(name)

    def write(self, path: Path, content: bytes | str) -> None:
        """Replace a file: the healthy one, of which it is a link, stays."""
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def lines(self, path: Path) -> tuple[list[str], list[str]]:
        """Header (no line or one) and rows of a file of codes."""
        lines = path.read_text().splitlines()
        headed = "frame" in lines[0] or "AU_OCC" in path.parts
        return (lines[:1], lines[1:]) if headed else ([], lines)

    def write_lines(self, path: Path, header: list[str], rows: list[str]) -> None:
        """Replace a file of codes."""
        self.write(path, "".join(f"{line}\n" for line in (*header, *rows)))


@dataclass(frozen=True)
class Corruption:
    """One kind of damage.

    Attributes:
        name: Of the function.
        group: Of the module: labels, frame_labels, image_rows, names, videos, images, places, sidecars,
            weights.
        text: What it is, and what is right.
        corpora: To which releases, or kinds of weights, it can happen.
        change: Does it.
        undetectable: Why nobody can see it, where nobody can: then it may go by in silence.
    """

    name: str
    group: str
    text: str
    corpora: tuple[str, ...]
    change: Callable[..., None]
    undetectable: str = ""


CATALOGUE: list[Corruption] = []


def corruption(*corpora: str, undetectable: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function into the catalogue."""

    def enter(change: Callable[..., None]) -> Callable[..., None]:
        group = change.__module__.rpartition(".")[2]
        assert change.__doc__, f"{change.__name__}: say what it is and what is right"
        CATALOGUE.append(Corruption(change.__name__, group, change.__doc__, corpora, change, undetectable))
        return change

    return enter


def copy(source: Path, target: Path) -> None:
    """A copy of a folder by hard links."""
    for folder, _, files in os.walk(source):
        here = target / Path(folder).relative_to(source)
        here.mkdir(parents=True, exist_ok=True)
        for name in files:
            os.link(Path(folder) / name, here / name)
