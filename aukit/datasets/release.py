"""What the readers of all releases share: one table of usable frames, and an account of everything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aukit.datasets.frame_table import FrameTable
from aukit.datasets.genders import gender_table
from aukit.datasets.images import is_picture
from aukit.datasets.label_files import LabelFile, Labels, differences, labels_by_frame, require_same_count
from aukit.datasets.libav import VideoError
from aukit.datasets.reader import Exclusion
from aukit.datasets.recordings import Recording
from aukit.datasets.release_files import ReleaseFiles
from aukit.datasets.sidecars import read_table
from aukit.datasets.stamps import file_stamp, folder_stamp
from aukit.datasets.tracker_rows import TrackerRows, video_rows
from aukit.datasets.video import Image, video_positions, viewed_scale
from aukit.errors import CorpusError

_FEWEST_ROWS = 100
"""Rows from which on no two recordings have the same codes by chance."""


class Release(ReleaseFiles):
    """A release on disk, read video by video; a video is a file or a folder of images.

    A subclass says what the files are called (`_enter`), which columns of the table each kind of label file
    holds (`label_columns`) and how one is read (`_read_file`). Unless it says otherwise, videos are files and
    the frame number of a label row is the position of its frame. It sets its options before it calls this
    constructor.

    Args:
        root: Folder of the release; what describes it and landmark sidecars lie here.
        persons: Global person ids to keep; None for all.
        images_root: Folder with the videos or images; None for the root.
        labels_root: Folder with the label files; None for the root.
        follow_links: Whether links to files and folders are followed wherever they lead.

    Attributes:
        genders: Genders of the user's table by global person id (`aukit.datasets.genders`).
        index: What lies where.
        recordings: Recording and view of each video that is read, in the order of the table.
        tolerated: What was tolerated in all that has been read so far.
        spellings: Variant of the format of each file read so far, by name of the file.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for.

    Example:
        A corpus of one video and one intensity file per person, ``p07.mp4`` and ``p07.csv``::

            class Recording(SubjectRecording):
                namespace = "MINE"

            class MyCorpus(Release):
                name, namespace, corpus_title, example = "mycorpus", "MINE", "My corpus", "p07.mp4"
                label_columns = {"AU12": ("AU12_r",)}

                def _enter(self, index, folder, folders, files):
                    for name in files:
                        person, _, ending = name.partition(".")
                        recording, path = Recording(person, "talk"), join(folder, name)
                        if ending == "mp4":
                            index.add_video(recording, 0, path, f"video files in {folder}")
                        elif ending == "csv":
                            index.add_labels(recording, "AU12", path, f"label files in {folder}")

                def _read_file(self, kind, path):
                    return read_intensity(path)
    """

    label_columns: Mapping[str, tuple[str, ...]]
    """Columns of the table that come from each kind of label file."""
    intensity_files: ClassVar[str] = "intensity"
    """What the files of one AU each are called in notes."""
    same_people: ClassVar[tuple[str, ...]] = ()
    """Names of other corpora of the same people, whose table of genders counts here, too."""
    partitions: tuple[str, ...] | None = None
    """Partitions that the options ask for; None for all."""
    asked: str = ""
    """Which videos the options ask for, for messages, e.g. ``the left camera``."""
    options: str = ""
    """Options that change rows or labels, for the fingerprint."""
    driving_partitions: ClassVar[tuple[str, ...]] = ()
    """Partitions whose frames drive avatars unless others are named; empty for all."""
    views_share_labels: ClassVar[bool] = False
    """Whether views that are read together share label files, whose rows a check then counts once."""
    frame_without_row: ClassVar[str] = "frame without label row"
    row_without_frame: ClassVar[str] = "label row without frame (the video has none there)"
    row_beyond_end: ClassVar[str] = "label row without frame (the video ends early)"
    labels_without_video: ClassVar[str] = "labels without a video"

    def __init__(
        self,
        root: str | Path,
        persons: Sequence[str] | None = None,
        images_root: str | Path | None = None,
        labels_root: str | Path | None = None,
        follow_links: bool = False,
    ) -> None:
        super().__init__(root, images_root, labels_root, follow_links)
        self.persons = None if persons is None else tuple(persons)
        self.genders = gender_table(self.root, (self.name, *self.same_people), self.namespace, follow_links)
        self.tolerated: list[str] = []
        self.spellings: dict[str, str] = {}
        self._excluded: list[Exclusion] = []
        self._genders_read: dict[str, str | None] = {}
        self._contents: dict[str, tuple[Recording, str]] = {}  # of label files, by what is in them
        self._latest: tuple[Recording, Labels | None] | None = None
        self.index = self._scan()
        self.recordings = self._select(self._wanted)
        if not self.recordings:
            persons = [] if self.persons is None else [f"persons {list(self.persons)}"]
            there = sorted({choice for key in self.index.videos if (choice := self._choice(*key))})
            found = f"; there are videos of: {', '.join(there)}" if there else ""
            asked = ", ".join([*filter(None, [self.asked]), *persons])
            raise CorpusError(f"{self.images_root}: no video of {asked}{found}")

    @property
    def videos(self) -> list[str]:
        """Videos or folders to read, relative to `images_root`, in the order of the table."""
        return list(self.recordings)

    @property
    def people(self) -> dict[str, list[str]]:
        """Videos of each global person id; no label is read for it."""
        videos: dict[str, list[str]] = {}
        for video, (recording, _) in self.recordings.items():
            videos.setdefault(recording.person, []).append(video)
        return videos

    @property
    def counted(self) -> dict[str, tuple[Recording, int]]:
        """Recording and view of each video that a check counts; it reads those of `recordings`."""
        return self.recordings

    @property
    def occurs_as_published(self) -> bool:
        """Whether occurrence is defined as in the published rates."""
        return True

    def gender(self, recording: Recording) -> str | None:
        """Gender of a person: the user's table goes before what the release says."""
        return self.genders.get(recording.person, recording.gender)

    @cached_property
    def table(self) -> FrameTable:
        """All usable frames with their labels, in the order of `videos` and position.

        Raises:
            CorpusError: A label file is damaged, or there is not a single usable frame.
        """
        _ = self._first_stamps  # before anything is read: what changes from here on is noticed
        self._excluded.clear()
        self.tolerated.clear()
        self.spellings.clear()
        self._genders_read.clear()
        self._contents.clear()
        self._latest = None
        tables = []
        for video in tqdm(
            self.videos, desc=f"reading {self.name}", unit="video", disable=None, delay=3, leave=False
        ):
            rows = self._rows(video, self._excluded)
            if rows is not None:
                tables.append(rows)
        if not tables:
            reasons = sorted({e.reason for e in self._excluded})
            raise CorpusError(f"{self.root}: not a single usable frame; reasons: {reasons}")
        return FrameTable(pd.concat(tables, ignore_index=True))

    def read(self, video: str) -> tuple[FrameTable | None, list[Exclusion]]:
        """Usable frames of one of `videos` (None if it has none) and what was left out, and why.

        Nothing else is read, so that a whole release can be gone through video by video.

        Raises:
            CorpusError: `video` is none of `videos`, or its label files are damaged.
        """
        excluded: list[Exclusion] = []
        rows = self._rows(video, excluded)
        return (None if rows is None else FrameTable(rows)), excluded

    def labels(self, recording: Recording) -> Labels | None:
        """All rows of the label files of a recording; None if it has no label file.

        Raises:
            CorpusError: A label file is damaged, has an unknown code or contradicts another one.
        """
        # Views that share label files come one after the other.
        if self._latest is None or self._latest[0] != recording:
            files = self._read_files(recording)
            self._latest = recording, self._labels(recording, files) if files else None
        return self._latest[1]

    @property
    def exclusions(self) -> list[Exclusion]:
        """Frames, videos and labels that are not in `table`, each with its reason."""
        _ = self.table
        return [*self._excluded, *self.orphans.values()]

    @property
    def orphans(self) -> dict[Recording, Exclusion]:
        """Recordings that the options ask for and that have labels, but no video to read.

        The exclusion names the first of the label files in the place of a video.
        """
        filmed = {recording for recording, _ in self.index.videos}
        read = {recording for recording, _ in self.recordings.values()}
        return {
            recording: Exclusion(
                min(files.values()),
                None,
                f"{self.labels_without_video} of {self.asked or 'the view that is read'}"
                if recording in filmed
                else self.labels_without_video,
            )
            for recording, files in self.index.labels.items()
            if recording not in read and self._asks_for(recording)
        }

    @property
    def notes(self) -> list[str]:
        """What was chosen, and what was tolerated while reading, as absent files or people without gender."""
        _ = self.table
        return self.notes_so_far

    @property
    def notes_so_far(self) -> list[str]:
        """`notes` of all that has been read so far."""
        unknown = sorted(person for person, gender in self._genders_read.items() if gender is None)
        return [
            *self.settings,
            *self._layout_notes,
            *self.tolerated,
            *self._closing_notes(),
            *(self._strange_genders() if unknown and self.persons is None else []),
            *([f"{len(unknown)} people without known gender: {', '.join(unknown)}"] if unknown else []),
        ]

    def _strange_genders(self) -> list[str]:
        """A note where the table of genders names people of whom there is nothing: perhaps those without."""
        there = {recording.person for recording, _ in self.index.videos}
        there |= {recording.person for recording in self.index.labels}
        if not (strange := sorted(set(self.genders) - there)):
            return []
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        return [f"the table of genders has {', '.join(strange[:3])}{more}, of whom the release has nothing"]

    def sidecar_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Tracked landmarks [T, 68, 3] by position, pixels of the full frame; NaN rows = no face found.

        Raises:
            CorpusError: There is none for this video, it is damaged, its rows are too many or too few, or, of
                a table, about other frames.
        """
        if (relative := self._sidecar(video)) is not None and relative.endswith(".csv"):
            positions = self._positions(video)
            path = self.video_path(video)
            viewed = (1.0, 1.0) if path.is_dir() else viewed_scale(path)
            return read_table(self.path(relative), self.tracker_rows(video, positions), positions, viewed)
        return self._by_position(video, super().sidecar_landmarks(video))

    def _by_position(self, video: str, tracked: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Rows of an array of tracked landmarks, put to the positions that they are about."""
        labels = self.labels(self._recording(video)[0])
        known = [self._positions(video), *([] if labels is None else [labels.positions])]
        lengths = sorted({int(positions.max(initial=-1)) + 1 for positions in known})
        if len(tracked) not in lengths:
            frames = f"{video} has {' or '.join(map(str, lengths))} frames"
            raise CorpusError(f"{self._sidecar(video)}: {len(tracked)} rows, but {frames}; write it again")
        return tracked

    def tracker_rows(self, video: str, positions: npt.NDArray[np.int64]) -> TrackerRows:
        """What the rows of a tracker's file about a video stand for.

        Args:
            video: One of `videos`.
            positions: Positions in it that are asked for, all of them usable.
        """
        places = video_positions(self.video_path(video))
        asked = places[positions] if self._counts_pictures(video, places) else positions
        return video_rows(places, asked)

    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (position, RGB uint8 [H, W, 3]) of a video; None for a frame that cannot be decoded.

        Raises:
            CorpusError: The video is not of this corpus, or cannot be opened.
        """
        decoded = super().decode(video)
        if self._counts_pictures(video, video_positions(self.video_path(video))):
            yield from enumerate(image for _, image in decoded)
        else:
            yield from decoded

    def _read_file(self, kind: str, path: Path) -> LabelFile:
        """Read a label file."""
        raise NotImplementedError

    def _labels(self, recording: Recording, files: Mapping[str, LabelFile]) -> Labels:
        """All rows of the label files that a recording has."""
        require_same_count(self._label_paths(recording, files), files)
        return labels_by_frame(files, self.label_columns)

    def _label_paths(self, recording: Recording, kinds: Iterable[str]) -> dict[str, Path]:
        """Where the label files of a recording lie, for messages."""
        return {kind: self.label_path(self.index.labels[recording][kind]) for kind in kinds}

    def _doubt(self, labels: Labels, frames: npt.NDArray[np.int64]) -> str | None:
        """Why it is not certain which frames the label rows belong to; None where it is.

        Args:
            labels: Of the label files.
            frames: Positions of the frames that can be decoded, ascending.
        """
        return None

    def _without_labels(self, recording: Recording, frames: npt.NDArray[np.int64]) -> Labels | None:
        """Labels of a recording that has no label file; None to leave its videos out."""
        return None

    def _positions(self, video: str) -> npt.NDArray[np.int64]:
        """Positions of the frames that a video holds, ascending; they are not decoded.

        Raises:
            VideoError: None can be used.
        """
        places = video_positions(self.video_path(video))
        pictures, length = len(places), int(places[-1]) + 1
        if pictures == length or (rows := self._numbered(video)) is None or not len(rows):
            return places
        gaps = f"{video}: {pictures} pictures on a timeline of {length} places"
        if self._counts_pictures(video, places):
            self._note(f"{gaps}, and as many label rows as pictures: row i belongs to picture i")
            return np.arange(pictures)
        if (last := int(rows[-1]) + 1) < length:
            self._note(
                f"{gaps}, and label rows up to {last}: taken for places; see whether they count pictures"
            )
        return places

    def _numbered(self, video: str) -> npt.NDArray[np.int64] | None:
        """Positions that label rows of a video give, usable or not, ascending; None where it has none."""
        labels = self.labels(self._recording(video)[0])
        return None if labels is None else labels.positions

    def _counts_pictures(self, video: str, places: npt.NDArray[np.int64]) -> bool:
        """Whether label rows count the pictures of a video file instead of the places of its timeline.

        The two differ where the timeline begins late, because its sound came first, or where a camera left a
        moment out; who counts pictures does not notice. As many rows as pictures tell: where a picture was
        lost after it was labelled there is a row more.

        Args:
            video: One of `videos`.
            places: Places of its pictures on the timeline, ascending.
        """
        if places[-1] + 1 == len(places):
            return False
        rows = self._numbered(video)
        return rows is not None and np.array_equal(rows, np.arange(len(places)))

    def _reasons(self, video: str) -> tuple[str, str, str]:
        """Reasons that are counted: frames without row, rows without frame, rows beyond the video's end."""
        return self.frame_without_row, self.row_without_frame, self.row_beyond_end

    def _stamps(self) -> dict[str, str]:
        """Stamps of each video with its landmarks, each label file, the options, genders and the recipe.

        Label files and landmarks count with their content too. Cost: one look at each file; see
        `folder_stamp`.
        """
        labels = {relative: self._label_stamp(self.label_path(relative)) for relative in self._label_files()}
        return {
            "reader": f"aukit.{self.name}/4 {self.options}",
            "genders": json.dumps(self.genders, sort_keys=True),
            "recipe": json.dumps(self.standin, sort_keys=True),
            **{video: self._stamp(video) for video in self.recordings},
            **labels,
        }

    def _label_stamp(self, path: Path) -> str:
        """What changes with a label file."""
        return file_stamp(path, content=True)

    def _stamp(self, video: str) -> str:
        """What changes with the frames of a video or with its landmarks, without decoding it."""
        path = self.video_path(video)
        frames = folder_stamp(path, is_picture) if path.is_dir() else file_stamp(path)
        sidecar = self._sidecar(video)
        if sidecar is None or not self.has_sidecar:
            return frames
        return f"{frames} {file_stamp(self.path(sidecar), content=True)}"

    def _asks_for(self, recording: Recording) -> bool:
        """Whether `persons` and `partitions` ask for a recording."""
        return (self.persons is None or recording.person in self.persons) and (
            self.partitions is None or recording.partition in self.partitions
        )

    def _wanted(self, recording: Recording, view: int) -> bool:
        """Whether options other than `persons` and `partitions` ask for a video."""
        return True

    def _choice(self, recording: Recording, view: int) -> str:
        """Value of the options that asks for a video, for messages; empty where there are none."""
        return ""

    def _order(self, recording: Recording, view: int) -> tuple[int | str, ...]:
        """Place of a video in the table."""
        number = "".join(filter(str.isdigit, recording.task))
        return recording.subject, int(number or 0), view

    def _closing_notes(self) -> list[str]:
        """Notes that sum up what has been read so far."""
        return []

    def _select(self, wanted: Callable[[Recording, int], bool]) -> dict[str, tuple[Recording, int]]:
        videos = sorted(self.index.videos.items(), key=lambda item: self._order(*item[0]))
        return {
            video: (recording, view)
            for (recording, view), video in videos
            if self._asks_for(recording) and wanted(recording, view)
        }

    def _recording(self, video: str) -> tuple[Recording, int]:
        if video not in self.recordings:
            raise CorpusError(f"{self.root}: has no video {video}{self.asked and f' of {self.asked}'}")
        return self.recordings[video]

    def _label_files(self) -> set[str]:
        """Label files that are read."""
        return {
            relative
            for recording, _ in self.recordings.values()
            for kind, relative in self.index.labels.get(recording, {}).items()
            if kind in self.label_columns
        }

    def _read_files(self, recording: Recording) -> dict[str, LabelFile]:
        """Label files of a recording by kind; missing ones are noted."""
        files: dict[str, LabelFile] = {}
        there = self.index.labels.get(recording, {})
        for kind in sorted(set(there) - set(self.label_columns)):
            self._note(f"{kind} is not among the labels that are read; its files are left out")
        for kind in self.label_columns:
            if kind in there:
                files[kind] = self._read_file(kind, self.label_path(there[kind]))
                self._note_copy(recording, there[kind], files[kind])
                if files[kind].variant:
                    self.spellings[there[kind]] = files[kind].variant
        if files and (missing := [kind for kind in self.label_columns if kind not in files]):
            aus = [str(int(kind[2:])) for kind in missing if kind.startswith("AU")]
            if aus:
                self._note(f"{recording}: no {self.intensity_files} file of AU {' '.join(aus)}")
            for kind in missing:
                if not kind.startswith("AU"):
                    self._note(f"{recording}: no {kind} file")
        if files and (unequal := differences(files)):
            which = "; ".join(unequal)
            self._note(f"{recording}: label files of unequal length or with other frames ({which})")
        return files

    def _note_copy(self, recording: Recording, relative: str, file: LabelFile) -> None:
        """Note a label file that says what that of another recording says, row by row."""
        if len(file.frames) < _FEWEST_ROWS or len(np.unique(np.nan_to_num(file.labels, nan=-1), axis=0)) == 1:
            return  # nothing but neutral faces: many files are alike
        key = hashlib.sha256(file.frames.tobytes() + file.labels.tobytes()).hexdigest()
        of, other = self._contents.setdefault(key, (recording, relative))
        if of != recording:
            self._note(
                f"{other} and {relative} have the same rows: one is a copy of the other under its name"
            )

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        """Rows of a video, None if there are none; what is left out is added to the list."""
        recording, view = self._recording(video)
        try:
            available = self._positions(video)
        except VideoError as error:
            excluded.append(Exclusion(video, None, f"the video {error.reason}"))
            return None
        labels = self.labels(recording)
        doubt = None if labels is None else self._doubt(labels, available)
        if labels is None:
            labels = self._without_labels(recording, available)
        if labels is None or doubt is not None:
            excluded.append(Exclusion(video, None, doubt or "no label file"))
            return None
        rows = labels.positions[labels.complete]
        unlabelled, unseen = np.setdiff1d(available, rows), np.setdiff1d(labels.positions, available)
        beyond = unseen > available.max(initial=-1)
        excluded_positions = (unlabelled, unseen[~beyond], unseen[beyond])
        for reason, positions in zip(self._reasons(video), excluded_positions, strict=True):
            excluded += [Exclusion(video, int(position), reason) for position in positions]
        usable = labels.complete & np.isin(labels.positions, available)
        if not usable.any():
            return None
        gender = self._genders_read[recording.person] = self.gender(recording)
        return pd.DataFrame(
            {
                "corpus": self.name,
                "partition": recording.partition,
                "person": recording.person,
                "subject": recording.subject,
                "gender": gender,
                "task": recording.task,
                "view": view,
                "frame": labels.frames[usable],
                "video": video,
                "position": labels.positions[usable],
                "pair_id": None,
                **{name: values[usable] for name, values in labels.columns.items()},
            }
        )

    def _leave_out(
        self, rows: pd.DataFrame, which: npt.NDArray[np.bool_], reason: str, excluded: list[Exclusion]
    ) -> pd.DataFrame | None:
        """Turn rows of one video into exclusions; what is left, None if nothing is."""
        video = str(rows["video"].iloc[0])
        excluded += [Exclusion(video, int(position), reason) for position in rows["position"][which]]
        return None if which.all() else rows[~which]

    def _note(self, text: str) -> None:
        if text not in self.tolerated:
            self.tolerated.append(text)
