"""DISFA: layout, label files, published counts and reader of the release, which its stand-in shares."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from aukit.datasets.check_report import Counts, Published
from aukit.datasets.files import file_names, join, numbered
from aukit.datasets.folds import FOLD_SPLIT_OF, FOLD_SPLITS, listed_rates
from aukit.datasets.image_folders import ImageFolderRelease, has_images
from aukit.datasets.images import image_number
from aukit.datasets.label_files import LEVELS, LabelFile, Labels, read_intensity, with_occurrences
from aukit.datasets.recordings import Index, SubjectRecording
from aukit.datasets.recordings import Recording as AnyRecording
from aukit.datasets.release import Release
from aukit.datasets.release_by_row import ReleaseByRow
from aukit.errors import CorpusError
from aukit.facs import CORPUS_AUS, intensity_column
from aukit.utils.outside import read_bytes

NAMESPACE = "DISFA"
CAMERAS = ("left", "right")
AUS = CORPUS_AUS["disfa"]
TASK = "S1"
"""Name of the one session of each person."""
POINTS = 66

PUBLISHED = Published(
    {
        split: Counts(len(people), videos=len(people), label_rows=rows)
        for (split, people), rows in zip(FOLD_SPLITS["disfa"].items(), (43_604, 43_605, 43_605), strict=True)
    },
    listed_rates("disfa"),
    Counts(27, 12, 15),
    {split: f"list {split}" for split in FOLD_SPLITS["disfa"]},
)
"""Label rows: ME-GraphAU's lists, which hold every labelled frame. Rates: FG-Net's lists."""

_THRESHOLD_OF_LISTS = 2
_MAX_MAT_BYTES = 64 * 2**10
_VIDEO = re.compile(r"(Left|Right)Video(SN\d{3})_comp\.(?:avi|mp4)", re.IGNORECASE)
_IMAGES = re.compile(r"(Left|Right)Video(SN\d{3})(?:_comp)?", re.IGNORECASE)
_SIDE = re.compile(r"left|right", re.IGNORECASE)
_LABELS = re.compile(r"(SN\d{3})_au(\d{1,2})\.txt", re.IGNORECASE)
_SUBJECT = re.compile(r"SN\d{3}", re.IGNORECASE)
_LANDMARK_FOLDER = re.compile(r"(?:tmp_)?frame_lm", re.IGNORECASE)
# Five digits at most: an array by frame number must not need all memory because of one odd name.
_LANDMARKS = {
    "SN001_0000_lm.mat": re.compile(r"SN\d{3}_(0*\d{1,5})_lm\.mat", re.IGNORECASE),
    "l00001_lm.mat": re.compile(r"l(0*\d{1,5})_lm\.mat", re.IGNORECASE),
}
"""Names of landmark files, each by its usual first one."""


@dataclass(frozen=True, order=True)
class Recording(SubjectRecording):
    """One person before the cameras; a video per camera, labels that they share."""

    namespace = NAMESPACE
    partitions = FOLD_SPLIT_OF["disfa"]

    task: str = TASK

    def __str__(self) -> str:
        return self.subject


class DISFA(ReleaseByRow, ImageFolderRelease):
    """DISFA: 27 adults watch one film, filmed by two cameras; twelve AUs with intensities in every frame.

    *Format.* ``LeftVideoSN001_comp.avi`` and ``RightVideoSN001_comp.avi``; per person one text file per AU,
    ``SN001_au1.txt``, with lines ``frame,intensity`` (0..5) for AUs 1 2 4 5 6 9 12 15 17 20 25 26; optional
    landmarks (`release_landmarks`). Files are found by name anywhere below the root. Line i belongs to
    decoded frame i, whether the file counts from 0 or from 1 (`notes` says which). Some copies lack single
    files: that AU of that person is NaN, with a note.

    *Extracted frames.* Folders of numbered images are read where there is no video:
    ``LeftVideoSN001_comp/``, ``SN001/left/``, or ``SN001/`` with the images in it, which then count as those
    of `camera`. Frame i is the image number ``first_image`` + i. Where it is not given, an image 0 says that
    it is 0; without image 0, a last image whose number is that of the label rows says that it is 1; all else
    is an error.

    *Occurrence.* The release has none: an AU is present from intensity `threshold` on.

    *Splits.* ``partition`` is P1, P2 or P3 of the usual three folds (`aukit.datasets.folds`). People are
    ``DISFA/SN001`` and so on; genders are not public: give a table (`aukit.datasets.genders`). In the frame
    table ``view`` is 1 for the left camera and 2 for the right one.

    *Citation.* Mavadati et al., "DISFA: A Spontaneous Facial Action Intensity Database", IEEE Transactions on
    Affective Computing 4(2), 2013. The corpus needs a signed agreement and is not part of aukit.

    Building `table` reads every label file and counts the frames of every video without decoding it.

    Args:
        root: Folder of the release.
        camera: Camera whose videos are read. The published frame lists do not say which they mean.
        threshold: Least intensity that counts as present, 1 to 5. 2 is the field's convention.
        first_image: Number of the first frame where frames are images; None to find it.
        persons: Global person ids to keep; None for all.
        locations: Where parts of the release lie: see `Release`.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; while reading: a label file is
            damaged, has an unknown code or contradicts another one.

    Example:
        >>> corpus = DISFA("DISFA", camera="left", threshold=2)  # doctest: +SKIP
        >>> corpus.settings  # doctest: +SKIP
        ['left camera; an AU counts as present from intensity 2 on']
    """

    name = "disfa"
    namespace = NAMESPACE
    corpus_title = "DISFA"
    example = "LeftVideoSN001_comp.avi"
    label_columns: Mapping[str, tuple[str, ...]] = {
        f"AU{au:02d}": (intensity_column(au),) for au in AUS.intensity
    }
    intensity_files = "label"

    def __init__(
        self,
        root: str | Path,
        camera: Literal["left", "right"] = "left",
        threshold: int = 2,
        first_image: Literal[0, 1] | None = None,
        persons: Sequence[str] | None = None,
        **locations: Any,
    ) -> None:
        if first_image not in (None, 0, 1):
            raise CorpusError(f"first_image {first_image!r}: extracted frames are numbered from 0 or from 1")
        if camera not in CAMERAS or threshold not in range(1, 6):
            raise CorpusError(
                f"camera {camera!r}, threshold {threshold!r}: DISFA has the cameras left and right and "
                "intensities from 1 to 5"
            )
        self.camera, self.threshold = camera, threshold
        self.asked = f"the {camera} camera"
        self.first_image = first_image
        self.options = f"camera={camera} threshold={threshold} first_image={first_image}"
        self._sideless: set[str] = set()
        super().__init__(root, persons, **locations)

    @property
    def settings(self) -> list[str]:
        """Camera and threshold."""
        return [f"{self.camera} camera; an AU counts as present from intensity {self.threshold} on"]

    @property
    def occurs_as_published(self) -> bool:
        """Whether the threshold is that of the published lists."""
        return self.threshold == _THRESHOLD_OF_LISTS

    def release_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """The landmarks of the release, by position: [T, 66, 2] in pixels; NaN where there is no file.

        The release does not say which camera they belong to, nor are they used by `aukit prepare`.

        The files are called ``SN001_0000_lm.mat``, counted from 0, or ``l00001_lm.mat``, counted from 1
        unless there is a number 0.

        Raises:
            CorpusError: There are none of this person, they have both kinds of names, or a file is damaged.
        """
        subject = self._recording(video)[0].subject
        if (folder := self.index.landmarks.get(subject)) is None:
            raise CorpusError(f"{self.root}: has no landmarks (frame_lm) of {subject}")
        files = _landmark_files(self.path(folder), file_names(self.root, folder, self.follow_links))
        points = np.full((max(files) + 1, POINTS, 2), np.nan, np.float32)
        for position, name in files.items():
            points[position] = _read_mat(self.path(f"{folder}/{name}"))
        return points

    def _wanted(self, recording: AnyRecording, view: int) -> bool:
        return CAMERAS[view - 1] == self.camera

    def _choice(self, recording: AnyRecording, view: int) -> str:
        return CAMERAS[view - 1]

    def is_folder(self, video: str) -> bool:
        """Whether the frames of a video lie there as images."""
        return video in self.index.images.values()

    def first_number(self, video: str, numbers: Sequence[int]) -> int:
        """Number of the first frame's image: what the option says, or what the numbers leave no doubt of.

        Raises:
            CorpusError: It is open whether the images are numbered from 0 or from 1, or the option is wrong.
        """
        if self.first_image == 1 and 0 in numbers:
            raise CorpusError(f"{video}: has an image 0, so that first_image cannot be 1; leave it out")
        if self.first_image is not None or 0 in numbers or not numbers:
            return self.first_image or 0
        labels = self.labels(self._recording(video)[0])
        if labels is None or numbers[-1] == len(labels.positions):
            return 1
        raise CorpusError(
            f"{video}: has images number {numbers[0]} to {numbers[-1]}, and its label files have "
            f"{len(labels.positions)} rows: the first frame may be number 0 or number 1. Say which: "
            "--first-image 0 or --first-image 1 (data.first_image in an experiment)"
        )

    def _by_position(self, video: str, tracked: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """A row per position, of a video as of its extracted frames."""
        if self.is_folder(video):
            self._require_one_order(video)  # rows may be those of the images by name
        return Release._by_position(self, video, tracked)

    def title(self, video: str) -> str:
        """Name of the video, which extracted frames bear too."""
        recording, view = self._recording(video)
        if not self.is_folder(video):
            return super().title(video)
        return f"{CAMERAS[view - 1].title()}Video{recording.subject}_comp"

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        above = str(Path(folder).parent)
        self._enter_images(index, folder, folders, files)
        if _SUBJECT.fullmatch(subject := Path(folder).name):
            for name in [f for f in folders if _LANDMARK_FOLDER.fullmatch(f)]:
                folders.remove(name)  # not entered: it holds a file per frame
                relative = join(folder, name)
                self._enter_landmarks(index, _recording(subject, relative).subject, relative, above)
        for name in files:
            relative = join(folder, name)
            if m := _VIDEO.fullmatch(name):
                view = 1 + CAMERAS.index(m[1].lower())
                index.add_video(_recording(m[2], relative), view, relative, f"video files in {folder}")
            elif m := _LABELS.fullmatch(name):
                kind = f"AU{int(m[2]):02d}"
                index.add_labels(_recording(m[1], relative), kind, relative, f"label files in {above}")

    def _enter_landmarks(self, index: Index, subject: str, relative: str, above: str) -> None:
        """Enter a folder of landmarks; its files are counted by the kind of their names."""
        if "landmarks" not in index.kinds:
            return
        index.add_landmarks(subject, relative, f"landmark folders in {above}")
        names = file_names(self.root, relative, self.follow_links)
        kinds = [kind for name in names for kind, each in _LANDMARKS.items() if each.fullmatch(name)]
        for kind in kinds:
            index.styles[f"landmark files like {kind} in {above}"] += 1
        if len(set(kinds)) != 1:
            what = "files of both names" if kinds else "no landmark files"
            index.styles[f"landmark folders in {above} that hold {what}"] += 1

    def _enter_images(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        """Enter folders of images: ``LeftVideoSN001_comp``, ``SN001/left`` and ``SN001``."""
        person = _SUBJECT.fullmatch(Path(folder).name)
        for name in list(folders):
            relative = join(folder, name)
            if (m := _IMAGES.fullmatch(name)) is not None:
                side, subject = m[1], m[2]
            elif person is not None and _SIDE.fullmatch(name):
                side, subject = name, person[0]
            else:
                continue
            if has_images(self.video_path(relative)):
                folders.remove(name)  # not entered: it holds a file per frame
                view = 1 + CAMERAS.index(side.lower())
                index.add_images(_recording(subject, relative), view, relative, f"image folders in {folder}")
        if person is not None and any(image_number(name) is not None for name in files):
            above = str(Path(folder).parent)
            view = 1 + CAMERAS.index(self.camera)
            index.add_images(_recording(person[0], folder), view, folder, f"image folders in {above}")
            self._sideless.add(folder)

    def _closing_notes(self) -> list[str]:
        sideless = len(self._sideless.intersection(self.recordings))
        return [
            *super()._closing_notes(),
            *(
                [f"{sideless} folders of images do not name their camera: read as the {self.camera} one's"]
                if sideless
                else []
            ),
        ]

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        file = read_intensity(path, LEVELS)
        if file.frames[0] not in (0, 1):
            raise CorpusError(
                f"{path}: row 1 is frame {file.frames[0]}; frames must be counted from 0 or 1, since row i "
                "belongs to frame i of the video. Copy the file again"
            )
        return file

    def _labels(self, recording: AnyRecording, files: Mapping[str, LabelFile]) -> Labels:
        """Labels by row, with occurrences."""
        labels = super()._labels(recording, files)
        self._note(f"label files count frames from {self.first_frame}")
        return with_occurrences(labels, dict.fromkeys(AUS.intensity, self.threshold))


def _recording(subject: str, relative: str) -> Recording:
    recording = Recording(subject.upper())
    if recording.subject not in Recording.partitions:
        raise CorpusError(
            f"{relative}: DISFA has the 27 people SN001 to SN032 without 014, 015, 019, 020 and 022, not "
            f"{recording.subject}; keep other corpora in folders of their own"
        )
    return recording


def _landmark_files(folder: Path, names: Sequence[str]) -> dict[int, str]:
    """Names of landmark files by position in the video."""
    found = {example: numbered(pattern, names) for example, pattern in _LANDMARKS.items()}
    if len(kinds := [example for example, files in found.items() if files]) != 1:
        raise CorpusError(
            f"{folder}: holds {'files of both names' if kinds else 'no landmark files'}; expected are files "
            f"like {' or like '.join(_LANDMARKS)}. Copy the folder again"
        )
    files = found[kinds[0]]
    first = 1 if kinds[0].startswith("l") and 0 not in files else 0
    return {number - first: name for number, name in files.items()}


def _read_mat(path: Path) -> npt.NDArray[np.float32]:
    try:
        content = io.BytesIO(read_bytes(path, _MAX_MAT_BYTES))
        points = np.asarray(loadmat(content, variable_names=["pts"])["pts"], dtype=np.float32)
    except Exception as error:  # scipy's reader raises whatever a damaged file makes it stumble over
        raise CorpusError(f"{path}: cannot be read as landmarks ({error}); copy it again") from error
    if points.shape != (POINTS, 2):
        raise CorpusError(f"{path}: pts is {points.shape}, expected ({POINTS}, 2); copy it again")
    return points
