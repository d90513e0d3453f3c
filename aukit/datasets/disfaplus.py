"""DISFA+: layout, label files, published counts and reader of the release, which its stand-in shares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aukit.datasets import disfa
from aukit.datasets.check_report import Counts, Published
from aukit.datasets.files import join
from aukit.datasets.image_folders import ImageFolderRelease, has_images
from aukit.datasets.images import ENDINGS, image_number
from aukit.datasets.label_files import (
    LEVELS,
    LabelFile,
    Labels,
    parse,
    require_threshold,
    spaced_lines,
    with_occurrences,
)
from aukit.datasets.recordings import Index, SubjectRecording
from aukit.datasets.recordings import Recording as AnyRecording
from aukit.errors import CorpusError, shown
from aukit.facs import CORPUS_AUS

PARTITION = "DISFAPlus"
AUS = CORPUS_AUS["disfaplus"]
SUBJECTS = ("SN001", "SN003", "SN004", "SN007", "SN009", "SN010", "SN013", "SN025", "SN027")
"""The people, all of them DISFA's, under its numbers."""

PUBLISHED = Published({PARTITION: Counts(len(SUBJECTS))}, {})
"""People alone: of frames and rates no published number could be confirmed."""

_MAX_BYTES = 2**20
# A system that unpacks an archive twice writes "SN001 2", a browser "SN001 (1)".
_SUBJECT = re.compile(r"(SN\d{3})(?: \(?\d+\)?)?", re.IGNORECASE | re.ASCII)
_LABELS = re.compile(r"AU0?(\d{1,2})\.txt", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, order=True)
class Recording(SubjectRecording):
    """One trial: a person poses something, once."""

    namespace = disfa.NAMESPACE
    partitions = MappingProxyType(dict.fromkeys(SUBJECTS, PARTITION))


class DISFAPlus(ImageFolderRelease):
    """DISFA+, the Extended DISFA: nine of DISFA's people pose action units, combinations and emotions.

    All is posed, on request and by description or text; the spontaneous counterpart of the same people is
    DISFA itself (`DISFA`).

    *Format.* ``Images/SN001/A1_AU1_TrailNo_1/000.jpg``, one image per frame, about 65 trials per person, and
    ``Labels/SN001/A1_AU1_TrailNo_1/AU1.txt``, one text file per AU 1 2 4 5 6 9 12 15 17 20 25 26: lines of
    header, then a line ``000.jpg     0`` per image, its name and its intensity (0..5). A folder in that of a
    person, which may lie anywhere below the root, is a trial: of images if it holds numbered ones, else of
    label files. A line belongs to the image of its number, wherever it stands; in the table ``position`` is
    that number and ``task`` the trial, in whose name ``TrailNo`` is the release's own spelling. Images
    without line and lines without image are counted; a missing file, or a line that only some files have, is
    NaN, with a note. ``TimeStamp.txt`` and the landmarks in ``FaceLandmarks`` are not read.

    *Occurrence.* The release has none: an AU is present from intensity `threshold` on.

    *Splits.* None is official; ``partition`` is ``DISFAPlus``. People are ``DISFA/SN001`` and so on, as in
    DISFA, so that nobody counts as unseen whom DISFA has shown. Genders are not public: give a table
    (`aukit.datasets.genders`); DISFA's counts where ``AUKIT_DISFAPLUS_GENDERS`` names none.

    *Citation.* Mavadati, Sanger and Mahoor, "Extended DISFA Dataset: Investigating Posed and Spontaneous
    Facial Expressions", CVPR Workshops 2016. The corpus needs a signed agreement and is not part of aukit.

    Building `table` reads every label file: about 1 ms each.

    Args:
        root: Folder of the release.
        threshold: Least intensity that counts as present, 1 to 5. 2 is the field's convention for DISFA.
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged, has an unknown code or an image twice.

    Example:
        >>> corpus = DISFAPlus("DISFAPlus", threshold=2)  # doctest: +SKIP
        >>> corpus.table.frame["task"][0]  # doctest: +SKIP
        'A1_AU1_TrailNo_1'
    """

    name = "disfaplus"
    namespace = disfa.NAMESPACE
    same_people = ("disfa",)
    corpus_title = "DISFA+"
    example = "Images/SN001/A1_AU1_TrailNo_1/000.jpg"
    label_columns: Mapping[str, tuple[str, ...]] = disfa.DISFA.label_columns
    intensity_files = "label"
    labels_without_video = "labels without images"

    def __init__(
        self,
        root: str | Path,
        threshold: int = 2,
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        require_threshold(threshold)
        self.threshold = threshold
        self.options = f"threshold={threshold}"
        super().__init__(root, persons, **locations)

    @property
    def settings(self) -> list[str]:
        """The threshold."""
        return [f"an AU counts as present from intensity {self.threshold} on"]

    def title(self, video: str) -> str:
        """Name of files about a trial: person and trial, since people's trials are called alike."""
        recording, _ = self._recording(video)
        return f"{recording.subject}_{recording.task}"

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        above = Path(folder).parent
        if subject := _SUBJECT.fullmatch(Path(folder).name):
            for name in [each for each in folders if not _SUBJECT.fullmatch(each)]:
                relative = join(folder, name)
                # Where labels have a root of their own, a folder of this name may hold images in the other.
                if "videos" in index.kinds and has_images(self.video_path(relative)):
                    folders.remove(name)  # not entered: it holds a file per frame
                    recording = _recording(subject[1], name, relative)
                    index.add_video(recording, 0, relative, f"folders of images in {above.as_posix()}")
        elif subject := _SUBJECT.fullmatch(above.name):
            for name in files:
                if m := _LABELS.fullmatch(name):
                    relative = join(folder, name)
                    recording = _recording(subject[1], Path(folder).name, relative)
                    style = f"label files in {above.parent.as_posix()}"
                    index.add_labels(recording, f"AU{int(m[1]):02d}", relative, style)

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        return read_levels(path)

    def _labels(self, recording: AnyRecording, files: Mapping[str, LabelFile]) -> Labels:
        """Labels by number of the image, with occurrences."""
        labels = super()._labels(recording, files)
        return with_occurrences(labels, dict.fromkeys(AUS.intensity, self.threshold))

    def _order(self, recording: AnyRecording, view: int) -> tuple[int | str, ...]:
        return recording.subject, recording.task, view


def read_levels(path: Path) -> LabelFile:
    """Intensities of one AU by the number in the name of the image, ascending: labels [T, 1].

    What stands before the first image is a header, of any number of lines.

    Raises:
        CorpusError: An unknown intensity, an image twice, a line without image or a ragged one; with file and
            line.
    """
    lines = spaced_lines(path, _MAX_BYTES)
    heads = next((place for place, (_, cells) in enumerate(lines) if not _is_header(cells)), len(lines))
    rows: dict[int, tuple[int, list[str]]] = {}
    for line, (name, *codes) in lines[heads:]:
        if (number := image_number(name)) is None:
            raise CorpusError(
                f"{path}, line {line}: {shown(name)!r} is no name of an image such as 000.jpg; correct the "
                "line or copy the file again"
            )
        if number in rows:
            raise CorpusError(
                f"{path}, line {line}: {shown(name)} has a line already, line {rows[number][0]}; copy the "
                "file again"
            )
        rows[number] = line, [str(number), *codes]
    by_number = [rows[number] for number in sorted(rows)]
    return parse(path, by_number, 2, [1], LEVELS, f"label files with {heads} lines of header")


def _is_header(cells: list[str]) -> bool:
    """Whether a line names no image: one with a bad code or a damaged name does not count as a header."""
    name = cells[0].lower()
    return name.startswith("#") or not (name[0].isdigit() or name.endswith(ENDINGS))


def _recording(subject: str, task: str, relative: str) -> Recording:
    recording = Recording(subject.upper(), task)
    if recording.subject not in SUBJECTS:
        raise CorpusError(
            f"{relative}: DISFA+ has the nine people {', '.join(SUBJECTS)}, not {recording.subject}; keep "
            "other corpora in folders of their own"
        )
    return recording
