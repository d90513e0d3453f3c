"""UNBC-McMaster: layout, label files, published counts and reader, which its stand-in shares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.check_report import Counts, Published
from aukit.datasets.files import file_names, join, numbered
from aukit.datasets.image_folders import ImageFolderRelease, has_images
from aukit.datasets.label_files import (
    LabelFile,
    Labels,
    labels_by_frame,
    require_threshold,
    spaced_lines,
    with_occurrences,
)
from aukit.datasets.recordings import Index, SubjectRecording
from aukit.datasets.recordings import Recording as AnyRecording
from aukit.datasets.stamps import folder_stamp
from aukit.errors import CorpusError, shown
from aukit.facs import ACTION_UNITS, CORPUS_AUS, MAX_INTENSITY, intensity_column

NAMESPACE = "UNBC"
AUS = CORPUS_AUS["unbc"]
EYES_CLOSED = 43
"""The AU that is present or absent: its code has no levels."""
POINTS = 66
MOST_PAIN = 16
"""Greatest PSPI: the sum of three AUs of up to 5 and one of up to 1."""

SUBJECTS = (
    "042-ll042", "043-jh043", "047-jl047", "048-aa048", "049-bm049", "052-dr052", "059-fn059", "064-ak064",
    "066-mg066", "080-bn080", "092-ch092", "095-tv095", "096-bg096", "097-gf097", "101-mg101", "103-jk103",
    "106-nm106", "107-hs107", "108-th108", "109-ib109", "115-jy115", "120-kz120", "121-vw121", "123-jh123",
    "124-dn124",
)  # fmt: skip

PUBLISHED = Published({NAMESPACE: Counts(len(SUBJECTS), videos=200, label_rows=48_398)}, {})

_MAX_BYTES = 64 * 2**10
_SUBJECT = re.compile(r"\d{3}-[a-z]{2}\d{3}", re.IGNORECASE)
# A name ends in its number, of five digits at most: an array by frame number must not need all memory.
_STEM = r"(?:(?=[a-z0-9])[\w-]*[a-z_-])?(0*\d{1,5})"
_IMAGE = re.compile(rf"{_STEM}\.(?:png|jpg|jpeg)", re.IGNORECASE)
_FILES = {
    "FACS": re.compile(rf"{_STEM}_facs\.txt", re.IGNORECASE),
    "PSPI": re.compile(rf"{_STEM}_(?:facs|pspi)\.txt", re.IGNORECASE),
    "AAM": re.compile(rf"{_STEM}_aam\.txt", re.IGNORECASE),
}
"""Names of files of one frame, by kind; those of FACS and PSPI differ in the folder above them."""
_NUMBERED = re.compile(r"([\w-]*[a-z_-])\d+(?:_[a-z]+)?\.", re.IGNORECASE)
"""Names that have something before the number: that of the sequence."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, order=True)
class Recording(SubjectRecording):
    """One sequence: a person whose aching or sound arm is moved."""

    namespace = NAMESPACE


class UNBC(ImageFolderRelease):
    """UNBC-McMaster Shoulder Pain Expression Archive: 25 people, 200 sequences of moved shoulders.

    *Format.* ``Images/042-ll042/ll042t1aaaff/ll042t1aaaff001.png``, one image per frame, and of each frame
    text files in folders of the same names: ``Frame_Labels/FACS/…/ll042t1aaaff001_facs.txt`` with a line
    ``AU intensity onset offset`` per AU that is shown (nothing in it: none is), and
    ``Frame_Labels/PSPI/…_facs.txt`` (or ``…_pspi.txt``) with one number, the pain. Folders of a person are
    found anywhere below the root; a folder called FACS, PSPI or AAM… above them says what they hold, all
    others hold images. A file belongs to the image of its number; in the table ``position`` is that number
    and ``task`` the sequence.

    *Labels.* Intensities 0 to 5 of AUs 4 6 7 9 10 12 20 25 26, and 43, which most releases code 0 or 1. An AU
    without line has 0; lines of other AUs are counted. An AU counts as present from `threshold` on, 43 from 1
    on. The attribute ``pspi`` is the pain of the frame, 0 to 16; it must be AU4 + max(AU6, AU7) +
    max(AU9, AU10) + AU43, and frames of which it is not are counted: one of the two files is damaged.

    *Splits.* None is official; ``partition`` is ``UNBC`` and the usual protocol leaves one person out. People
    are ``UNBC/042-ll042`` and so on; genders are not public: give a table (`aukit.datasets.genders`).

    *Citation.* Lucey et al., "Painful data: The UNBC-McMaster shoulder pain expression archive database",
    IEEE FG 2011. The corpus needs a signed agreement and is not part of aukit.

    Building `table` opens both files of every frame: about 0.1 ms each.

    Args:
        root: Folder of the release.
        threshold: Least intensity that counts as present, 1 to 5. 1 is our choice: a code of A or more.
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`. The folders FACS and PSPI lie below
            ``labels_root``.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged, has an unknown code or an AU twice.

    Example:
        >>> corpus = UNBC("UNBC")  # doctest: +SKIP
        >>> corpus.table.attributes  # doctest: +SKIP
        ('pspi',)
    """

    name = "unbc"
    namespace = NAMESPACE
    corpus_title = "UNBC-McMaster"
    example = "042-ll042/ll042t1aaaff/ll042t1aaaff001.png"
    numbered = _IMAGE
    label_columns: Mapping[str, tuple[str, ...]] = {
        "FACS": tuple(map(intensity_column, AUS.intensity)),
        "PSPI": ("pspi",),
    }
    labels_without_video = "labels without images"

    def __init__(
        self,
        root: str | Path,
        threshold: int = 1,
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        require_threshold(threshold)
        self.threshold = threshold
        self.options = f"threshold={threshold}"
        self._others: dict[AnyRecording, int] = {}
        self._contradictions: dict[AnyRecording, list[int]] = {}
        super().__init__(root, persons, **locations)
        if not any("PSPI" in kinds for kinds in self.index.labels.values()):
            self.label_columns = {"FACS": self.label_columns["FACS"]}

    @property
    def settings(self) -> list[str]:
        """The threshold."""
        return [f"an AU counts as present from intensity {self.threshold} on, AU {EYES_CLOSED} from 1 on"]

    def release_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Tracked landmarks of the release, by position: [T, 66, 2] in pixels; NaN where there is no file.

        They are not used by `aukit prepare`.

        Raises:
            CorpusError: There are none of this sequence, or a file is damaged.
        """
        recording, _ = self._recording(video)
        if (folder := self.index.landmarks.get(str(recording))) is None:
            raise CorpusError(f"{self.root}: has no landmarks (AAM) of {recording}")
        files = numbered(_FILES["AAM"], file_names(self.root, folder, self.follow_links))
        if not files:
            raise CorpusError(f"{self.path(folder)}: holds no landmarks; copy the folder again")
        points = np.full((max(files) + 1, POINTS, 2), np.nan, np.float32)
        for position, name in files.items():
            points[position] = read_points(self.path(join(folder, name)))
        return points

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        """Enter the folders of a person's sequences, which hold a file per frame and are not entered."""
        if not _SUBJECT.fullmatch(subject := Path(folder).name):
            return
        above = str(Path(folder).parent)
        kind = _kind(above)
        for name in list(folders):
            folders.remove(name)
            relative = join(folder, name)
            recording = _recording(subject, name, relative)
            if kind == "AAM":
                index.add_landmarks(str(recording), relative, f"folders of landmarks in {above}")
            elif kind is not None:
                index.add_labels(recording, kind, relative, f"folders of {kind} files in {above}")
            elif has_images(self.video_path(relative), _IMAGE):
                index.add_video(recording, 0, relative, f"folders of images in {above}")

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        """Read all files of a kind in the folder of a sequence."""
        relative = path.relative_to(self.labels_root).as_posix()
        files = numbered(_FILES[kind], file_names(self.labels_root, relative, self.follow_links))
        self._require_own(relative, files.values())
        paths = {number: self.label_path(join(relative, files[number])) for number in sorted(files)}
        frames = np.array(list(paths), dtype=np.int64)
        if kind == "PSPI":
            pain = [[read_pspi(each)] for each in paths.values()]
            return LabelFile(frames, np.array(pain, dtype=np.float32).reshape(len(frames), 1))
        read = [read_facs(each) for each in paths.values()]
        codes = [[levels.get(au, 0) for au in AUS.intensity] for levels in read]
        self._others[self._of_folder(relative)] = sum(len(set(levels) - {*AUS.intensity}) for levels in read)
        return LabelFile(frames, np.array(codes, dtype=np.float32).reshape(len(frames), len(AUS.intensity)))

    def _labels(self, recording: AnyRecording, files: Mapping[str, LabelFile]) -> Labels:
        """Labels by frame, with occurrences; a frame counts only if it has a FACS file."""
        labels = labels_by_frame(files, self.label_columns)
        coded = files["FACS"].frames if "FACS" in files else np.zeros(0, np.int64)
        if "PSPI" in files:
            differ = np.abs(labels.columns["pspi"] - pain_of(labels.columns)) > 0  # not where one is NaN
            self._contradictions[recording] = labels.positions[differ].tolist()
        least = dict.fromkeys(AUS.intensity, self.threshold) | {EYES_CLOSED: 1}
        return replace(with_occurrences(labels, least), complete=np.isin(labels.positions, coded))

    def _rows(self, video: str, excluded: list[Any]) -> pd.DataFrame | None:
        rows = super()._rows(video, excluded)
        if rows is not None and "pspi" in rows:  # an attribute is a text
            rows["pspi"] = [None if np.isnan(pain) else f"{pain:.0f}" for pain in rows["pspi"]]
        return rows

    def images(self, video: str) -> dict[int, str]:
        """Position → name of the image, ascending.

        Raises:
            CorpusError: Two images have the same number, or one is called like another sequence's.
        """
        names = super().images(video)
        self._require_own(video, names.values())
        return names

    @cached_property
    def _sequences(self) -> frozenset[str]:
        """Names of all sequences in small letters."""
        filmed = {recording for recording, _ in self.index.videos}
        return frozenset(recording.task.lower() for recording in filmed.union(self.index.labels))

    def _require_own(self, folder: str, names: Iterable[str]) -> None:
        """Check that no file in the folder of a sequence bears the name of another one.

        Raises:
            CorpusError: One does: numbers alone would put it to this sequence's frames.
        """
        own = Path(folder).name.lower()
        for name in names:
            match = _NUMBERED.match(name)
            if match and (other := match[1].lower()) != own and other in self._sequences:
                raise CorpusError(
                    f"{folder}/{name}: lies in the folder of one sequence and is called like one of "
                    f"{match[1]}; which is right is not guessed: copy the folders again"
                )

    def _label_stamp(self, path: Path) -> str:
        return folder_stamp(path, lambda name: name.lower().endswith(".txt"))

    def _of_folder(self, relative: str) -> AnyRecording:
        folder = Path(relative)
        return _recording(folder.parent.name, folder.name, relative)

    def _order(self, recording: AnyRecording, view: int) -> tuple[int | str, ...]:
        return recording.subject, recording.task, view

    def _closing_notes(self) -> list[str]:
        notes = []
        if others := sum(self._others.values()):
            notes.append(f"{others} codes of AUs that are not read, which the corpus codes only now and then")
        wrong = {recording: frames for recording, frames in self._contradictions.items() if frames}
        if wrong:
            recording, frames = next(iter(wrong.items()))
            notes.append(
                f"{sum(map(len, wrong.values()))} frames of {len(wrong)} sequences have another PSPI than "
                f"that of their AUs, the first: {recording}, frame {frames[0]}; one of its files is damaged"
            )
        return notes


def pain_of(columns: Mapping[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Prkachin and Solomon's pain intensity [T], 0 to 16, of intensities [T] by column."""

    def level(au: int) -> npt.NDArray[np.float32]:
        return columns[intensity_column(au)]

    eyes = np.where(np.isnan(level(EYES_CLOSED)), np.nan, level(EYES_CLOSED) >= 1)
    pain = level(4) + np.maximum(level(6), level(7)) + np.maximum(level(9), level(10)) + eyes
    return np.asarray(pain, np.float32)


def read_facs(path: Path) -> dict[int, int]:
    """AU → intensity 1 to 5 (0 where the file says so) of one frame; empty for an empty file.

    Raises:
        CorpusError: An unknown AU or intensity, an AU twice, a cell that is no number or a ragged line; with
            file and line.
    """
    levels: dict[int, int] = {}
    for line, cells in spaced_lines(path, _MAX_BYTES):
        if len(cells) != 4:
            raise CorpusError(
                f"{path}, line {line}: {len(cells)} numbers, expected AU, intensity, onset and offset; "
                "copy the file again"
            )
        numbers = [_number(path, line, cell) for cell in cells]
        if (au := numbers[0]) not in ACTION_UNITS:
            raise CorpusError(f"{path}, line {line}: no AU {au:g} is known; copy the file again")
        if numbers[1] not in range(MAX_INTENSITY + 1):
            raise CorpusError(
                f"{path}, line {line}: AU {au:g} has the unknown intensity {numbers[1]:g}; known are 0 to "
                f"{MAX_INTENSITY}. Copy the file again"
            )
        if au in levels:
            raise CorpusError(f"{path}, line {line}: AU {au:g} has two lines; copy the file again")
        levels[int(au)] = int(numbers[1])
    return levels


def read_pspi(path: Path) -> int:
    """The pain of one frame, 0 to 16.

    Raises:
        CorpusError: There is not exactly one whole number from 0 to 16 in the file.
    """
    cells = [(line, cell) for line, row in spaced_lines(path, _MAX_BYTES) for cell in row]
    if len(cells) != 1:
        raise CorpusError(f"{path}: holds {len(cells)} numbers, expected one; copy the file again")
    pain = _number(path, *cells[0])
    if pain not in range(MOST_PAIN + 1):
        raise CorpusError(
            f"{path}, line {cells[0][0]}: PSPI {pain:g}, expected a whole number from 0 to {MOST_PAIN}; "
            "copy the file again"
        )
    return int(pain)


def read_points(path: Path) -> npt.NDArray[np.float32]:
    """Landmarks [66, 2] in pixels of one frame.

    Raises:
        CorpusError: The file has not 66 lines of two numbers.
    """
    lines = spaced_lines(path, _MAX_BYTES)
    rows = [(line, [_number(path, line, cell) for cell in cells]) for line, cells in lines]
    if len(rows) != POINTS or (wrong := [line for line, row in rows if len(row) != 2]):
        where = f"line {wrong[0]} has not two numbers" if len(rows) == POINTS else f"{len(rows)} lines"
        raise CorpusError(f"{path}: {where}, expected {POINTS} lines of x and y; copy it again")
    return np.array([row for _, row in rows], dtype=np.float32)


def _number(path: Path, line: int, cell: str) -> float:
    if _NUMBER.fullmatch(cell) is None:
        raise CorpusError(f"{path}, line {line}: {shown(cell)!r} is no number; copy the file again")
    return float(cell)


def _kind(above: str) -> str | None:
    """Kind of the files below a folder, by its name and those above it; None for images."""
    for part in reversed(Path(above).parts):
        for kind in _FILES:
            if part.upper().startswith(kind):
                return kind
    return None


def _recording(subject: str, task: str, relative: str) -> Recording:
    if subject.lower() not in SUBJECTS:
        raise CorpusError(
            f"{relative}: UNBC-McMaster has the 25 people {SUBJECTS[0]}, {SUBJECTS[1]} … {SUBJECTS[-1]}, not "
            f"{subject}; keep other corpora in folders of their own"
        )
    return Recording(subject.lower(), task)
