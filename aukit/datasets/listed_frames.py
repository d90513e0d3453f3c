"""Frames that a list names wherever they lie: the base of corpora without a layout of their own."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.files import SIDECAR_FOLDER, file_names, join, without_ending
from aukit.datasets.frame_table import FrameTable
from aukit.datasets.images import is_picture, read_image_if_whole
from aukit.datasets.label_files import Labels
from aukit.datasets.libav import VideoError
from aukit.datasets.listed_landmarks import ListedLandmarks
from aukit.datasets.reader import Exclusion
from aukit.datasets.recordings import Index
from aukit.datasets.release import Release
from aukit.datasets.stamps import file_stamp, folder_stamp
from aukit.datasets.tracker_rows import TrackerRows
from aukit.datasets.video import Image
from aukit.errors import CorpusError

NO_IMAGE = "listed, but there is no such image"


@dataclass(frozen=True)
class ListedRecording:
    """One person doing one task, in one video or folder of images, seen by one camera: its rows are its own.

    Attributes:
        source: The video or folder.
        person: Global id.
        subject: Id within the corpus.
        gender: What the list says.
        task: Task or session.
        partition: Partition of the corpus.
        view: Number of the camera.
    """

    source: str
    person: str
    subject: str
    gender: str | None
    task: str
    partition: str
    view: int

    def __str__(self) -> str:
        return f"{self.subject} {self.task}"


class ListedFrames(Release):
    """Frames by a list. A *video* is a video file, or the images of one person, task and view in one folder.

    Where a folder or a video shows several, the names of its parts have the person, task and view behind a
    ``#``. The position of an image is its place among those of its part, by frame number where the list has
    one, else by name. The attribute `path` of each frame is its image or video. A subclass says what is
    listed (`_read_list`), and sets its options before it calls this constructor.

    Args:
        root: Folder below which images and videos lie.
        landmarks: Table or folder of landmarks (`ListedLandmarks`); None for the folder Landmarks in the
            root, if it is there.
        persons: Global person ids to keep; None for all.
        follow_links: Whether links to files and folders are followed wherever they lead.

    Attributes:
        rows: What is listed and asked for, in the columns of a `FrameTable`, video by video.

    Raises:
        CorpusError: The root is missing, or nothing is listed.

    Example:
        >>> class Mine(ListedFrames):
        ...     name, corpus_title, label_columns = "mine", "Mine", {}
        ...
        ...     def _read_list(self):
        ...         return pd.DataFrame({"path": ["p1/1.png"], "is_video": False, "frame": np.nan, ...})
    """

    first_frame: int = 0
    """Number that the list gives to the first frame of a video."""
    first_frame_is_said: bool = False
    """Whether the user says so, of a table of landmarks too."""
    row_without_frame = "listed, but the video has no such frame"
    row_beyond_end = "listed, but the video ends before this frame"

    def __init__(
        self,
        root: str | Path,
        landmarks: str | Path | None = None,
        persons: Sequence[str] | None = None,
        follow_links: bool = False,
    ) -> None:
        self._landmarks_path = Path(landmarks) if landmarks else Path(root) / SIDECAR_FOLDER
        self._landmarks_named = landmarks is not None
        super().__init__(root, persons, follow_links=follow_links)

    @property
    def has_sidecar(self) -> bool:
        """Whether there are landmarks."""
        return self._landmarks_named or self._landmarks_path.is_dir()

    def sidecar_landmarks(self, video: str) -> npt.NDArray[np.float32]:
        """Landmarks [T, 68, 3] by position, pixels; NaN where there are none, or no depth.

        Raises:
            CorpusError: They are damaged, or not as many as a video has frames.
            VideoError: The video cannot be read.
        """
        rows, source = self._slices[video], self._sources[video]
        positions = self.rows["position"].to_numpy()[rows]
        if not self._is_video[rows.start]:
            return self._points.of_images(source, self._files[rows], positions)
        frames = int(super()._positions(video).max(initial=-1)) + 1
        return self._points.of_video(source, positions, frames)

    @cached_property
    def _points(self) -> ListedLandmarks:
        return ListedLandmarks(
            self._landmarks_path,
            self._namesakes,
            self.first_frame,
            self.first_frame_is_said,
            self.follow_links,
        )

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "_points"}  # each process maps them itself

    @abstractmethod
    def _read_list(self) -> pd.DataFrame:
        """What is listed: the columns of `aukit.datasets.table_rows.read_rows`, one row per frame."""

    def _scan(self) -> Index:
        self._require_roots()
        listed = self._read_list()
        # Whoever is asked for, the whole list tells these.
        of_videos = listed[listed["is_video"].to_numpy(dtype=bool)]
        self._numbered_frames = {
            str(path): np.unique(frames.to_numpy(np.int64)) - self.first_frame
            for path, frames in of_videos.groupby("path")["frame"]
        }
        self._namesakes = _namesakes(listed["path"].unique())
        if self.persons is not None:
            listed = listed[listed["person"].isin(self.persons)].reset_index(drop=True)
        if listed.empty:
            raise CorpusError(f"{self.root}: nothing is listed of persons {list(self.persons or ())}")
        rows, bounds, names = _grouped(listed, self.first_frame)
        self._files = rows.pop("file").to_numpy(dtype=object)
        self._sources = dict(zip(names, rows["source"].to_numpy()[bounds[:-1]], strict=True))
        self._is_video = rows.pop("is_video").to_numpy(dtype=bool)
        self._slices = {name: slice(bounds[i], bounds[i + 1]) for i, name in enumerate(names)}
        self._folders: dict[str, set[str]] = {}
        index = Index()
        columns = ("source", "person", "subject", "gender", "task", "partition")
        firsts = rows.iloc[bounds[:-1]]
        self._of: dict[ListedRecording, str] = {}
        views = firsts["view"].to_numpy(np.int64).tolist()
        for name, *about in zip(names, *(firsts[c] for c in columns), views, strict=True):
            recording = ListedRecording(*about)
            style = "video files" if self._is_video[self._slices[name].start] else "folders of images"
            index.add_video(recording, recording.view, name, style)
            if self.label_columns:
                index.labels[recording] = {"table": self.name}
            self._of[recording] = name
        self.rows = rows.drop(columns="source").assign(corpus=self.name, pair_id=None)
        self._order_of = {name: number for number, name in enumerate(names)}
        return index

    @cached_property
    def table(self) -> FrameTable:
        """All usable frames with their labels, in the order of `videos` and position.

        Raises:
            CorpusError: There is not a single usable frame.
        """
        _ = self._first_stamps  # before anything is looked at: what changes from here on is noticed
        self._excluded.clear()
        self._genders_read.clear()
        usable = np.zeros(len(self.rows), dtype=bool)
        for video, rows in self._slices.items():
            usable[rows] = self._usable(video, self._excluded)
        if not usable.any():
            reasons = sorted({e.reason for e in self._excluded})
            first = f", the first: {self._excluded[0].video}" if self._excluded else ""
            raise CorpusError(f"{self.root}: not a single usable frame; reasons: {reasons}{first}")
        table = FrameTable(self.rows[usable])
        people = table.frame.drop_duplicates("person")
        self._genders_read |= dict(
            zip(people["person"], [None if pd.isna(g) else str(g) for g in people["gender"]], strict=True)
        )
        return table

    def labels(self, recording: ListedRecording) -> Labels | None:  # type: ignore[override]
        """All listed rows of a recording; None where the list has no labels."""
        if not self.label_columns:
            return None
        rows = self.rows.iloc[self._slices[self._of[recording]]]
        columns = {name: rows[name].to_numpy() for names in self.label_columns.values() for name in names}
        positions, frames = rows["position"].to_numpy(), rows["frame"].to_numpy()
        return Labels(positions, frames, columns, np.ones(len(rows), dtype=bool))

    def video_path(self, video: str) -> Path:
        """Path of a video file or of the folder of its images."""
        return super().video_path(self._sources.get(video, video))

    def decode(self, video: str) -> Iterator[tuple[int, Image | None]]:
        """Stream (position, RGB uint8 [H, W, 3]) of the listed frames; None for a damaged one."""
        rows = self._slices[video]
        if self._is_video[rows.start]:
            yield from super().decode(video)
            return
        folder, positions = self._sources[video], self.rows["position"].to_numpy()[rows]
        for usable, position, name in zip(self._usable(video, []), positions, self._files[rows], strict=True):
            if usable:
                yield int(position), read_image_if_whole(super().video_path(join(folder, name)))

    def tracker_rows(self, video: str, positions: npt.NDArray[np.int64]) -> TrackerRows:
        """What the rows of a tracker's file stand for; of images, those that are listed and there."""
        rows = self._slices[video]
        if self._is_video[rows.start]:
            return super().tracker_rows(video, positions)
        numbers = self._positions(video)
        names = self._files[rows][self._usable(video, [])]
        images = {str(name): place for place, name in enumerate(names)}
        return TrackerRows(numbers, np.searchsorted(numbers, positions), (np.arange(len(numbers)),), images)

    def title(self, video: str) -> str:
        """Unique name of files about a video, without their ending."""
        return self._titles[video]

    @cached_property
    def _titles(self) -> dict[str, str]:
        titles: dict[str, str] = {}
        taken: set[str] = set()
        for video, source in self._sources.items():
            whole = without_ending(source) if self._is_video[self._slices[video].start] else source
            title = stem = re.sub(r"[^\w.-]+", "_", whole + video[len(source) :]).strip("_.") or "images"
            number = 1
            while title in taken:
                title, number = f"{stem}-{number}", number + 1
            taken.add(title)
            titles[video] = title
        return titles

    def _usable(self, video: str, excluded: list[Exclusion]) -> npt.NDArray[np.bool_]:
        """Which listed rows of a video have a frame; what has none is added to the list."""
        rows = self._slices[video]
        positions, source = self.rows["position"].to_numpy()[rows], self._sources[video]
        if not self._is_video[rows.start]:
            if source not in self._folders:
                self._folders[source] = set(file_names(self.images_root, source, self.follow_links))
            there, files = self._folders[source], self._files[rows]
            usable = np.array([name in there for name in files], dtype=bool)
            excluded += [Exclusion(join(source, name), None, NO_IMAGE) for name in files[~usable]]
            return usable
        try:
            available = super()._positions(video)
        except VideoError as error:
            excluded.append(Exclusion(source, None, f"the video {error.reason}"))
            return np.zeros(len(positions), dtype=bool)
        self._require_one_count(source, available)
        usable = np.isin(positions, available)
        for position in positions[~usable]:
            beyond = position > available.max(initial=-1)
            reason = self.row_beyond_end if beyond else self.row_without_frame
            excluded.append(Exclusion(source, int(position), reason))
        return usable

    def _require_one_count(self, source: str, available: npt.NDArray[np.int64]) -> None:
        """Check that rows do not count a video's frames from 1 where the list is taken to count from 0.

        Another video's frame 0 says that for all; in a list that was put together of two it is not true.

        Raises:
            CorpusError: They go from 1 to as many as there are frames, and the user does not say what is so.
        """
        rows, frames = self._numbered_frames[source], int(available.max(initial=-1)) + 1
        if not self.first_frame_is_said and (rows[0], rows[-1]) == (1, frames):
            raise CorpusError(
                f"{self.root}: {source} has {frames} frames and is listed with frames 1 to {frames}, another "
                "video with a frame 0: they are counted from 1 and from 0; count all of them alike, or, if "
                "all are counted from 0, say so: --first-frame 0, or data.first_frame in an experiment"
            )

    def _rows(self, video: str, excluded: list[Exclusion]) -> pd.DataFrame | None:
        self._recording(video)
        usable = self._usable(video, excluded)
        return self.rows.iloc[self._slices[video]][usable] if usable.any() else None

    def _positions(self, video: str) -> npt.NDArray[np.int64]:
        return np.asarray(self.rows["position"].to_numpy()[self._slices[video]][self._usable(video, [])])

    def _numbered(self, video: str) -> npt.NDArray[np.int64] | None:
        return self._numbered_frames.get(self._sources[video])

    def _order(self, recording: object, view: int) -> tuple[int | str, ...]:
        assert isinstance(recording, ListedRecording)
        return (self._order_of[self._of[recording]],)

    def _stamps(self) -> dict[str, str]:
        sources = {
            source: self._is_video[self._slices[video].start] for video, source in self._sources.items()
        }
        landmarks = self._points.stamps() if self.has_sidecar else {}
        return {
            "reader": f"aukit.{self.name}/2 {self.options}",
            "genders": str(sorted(self.genders.items())),
            "recipe": str(self.standin),
            # A source may show several people, of whom only some are read.
            **({} if self.persons is None else {"persons": str(sorted(set(self.persons)))}),
            **{f"landmarks {name}": stamp for name, stamp in landmarks.items()},
            **{
                source: file_stamp(super(ListedFrames, self).video_path(source))
                if is_video
                else folder_stamp(super(ListedFrames, self).video_path(source), is_picture)
                for source, is_video in sources.items()
            },
        }


def _namesakes(paths: npt.NDArray[np.object_]) -> dict[str, str]:
    """Another of these images and videos for each that differs from one in its ending alone."""
    stems = pd.Series([without_ending(path) for path in paths], dtype=object)
    shared = stems.duplicated(keep=False).to_numpy()
    first: dict[str, str] = {}
    others: dict[str, str] = {}
    for stem, path in zip(stems[shared], paths[shared], strict=True):
        if (other := first.setdefault(stem, path)) != path:
            others[path] = other
            others.setdefault(other, path)
    return others


def _grouped(listed: pd.DataFrame, first_frame: int) -> tuple[pd.DataFrame, list[int], list[str]]:
    """Rows video by video with `source`, `file`, `video` and `position`; where each begins; their names."""
    is_video = listed["is_video"].to_numpy(dtype=bool)
    paths = listed["path"].to_numpy(dtype=object)
    split = [path.rpartition("/") for path in paths]
    folders = np.array([folder or "." for folder, _, _ in split], dtype=object)
    source = np.where(is_video, paths, folders)
    task = listed["task"].to_numpy(dtype=object)
    own = {
        each: without_ending(each) if video else each for each, video in zip(source, is_video, strict=True)
    }
    own = {each: name.replace(".", "images") if name == "." else name for each, name in own.items()}
    task = np.where(pd.isna(task), np.array([own[each] for each in source], dtype=object), task)
    rows = listed.assign(source=source, file=[name for _, _, name in split], task=task)
    keys = ["person", "task", "view", "source"]
    codes = [np.unique(rows[key].to_numpy(dtype=object), return_inverse=True)[1] for key in keys]
    frame = rows["frame"].to_numpy(dtype=np.float64)
    names = rows["file"].to_numpy(dtype=object)
    _, by_name = np.unique(names.astype(str), return_inverse=True)
    lengths = np.array([len(name) for name in names])
    order = np.lexsort((by_name, lengths, np.nan_to_num(frame, nan=np.inf), *codes[::-1]))
    rows = rows.iloc[order].reset_index(drop=True)
    sorted_codes = np.stack(codes)[:, order]
    begins = np.flatnonzero(np.r_[True, (np.diff(sorted_codes, axis=1) != 0).any(axis=0)])
    bounds = [*begins.tolist(), len(rows)]
    rank = np.arange(len(rows)) - np.repeat(begins, np.diff(bounds))
    is_video, frame = rows["is_video"].to_numpy(dtype=bool), rows["frame"].to_numpy(dtype=np.float64)
    position = np.where(is_video, frame - first_frame, rank).astype(np.int64)
    firsts = rows.iloc[begins]
    shared = firsts["source"].duplicated(keep=False).to_numpy()
    videos = [
        f"{source}#{subject} {task} {view}" if several else source
        for source, subject, task, view, several in zip(
            *(firsts[c] for c in ("source", "subject", "task", "view")), shared, strict=True
        )
    ]
    rows = rows.assign(
        position=position,
        frame=np.where(np.isnan(frame), rank, frame).astype(np.int64),
        video=np.repeat(np.array(videos, dtype=object), np.diff(bounds)),
    )
    return rows, bounds, videos
