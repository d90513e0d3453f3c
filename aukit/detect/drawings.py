"""Pictures made from a table and what it is about: copies of images and videos with something painted in."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from aukit.datasets.images import read_image_if_whole, write_jpeg
from aukit.datasets.video import decode_video, encode_video, video_times
from aukit.detect.face import Face, FaceDetector, Image, Measure
from aukit.detect.inputs import PHOTOGRAPHS, distinct_names
from aukit.detect.table import Rows, read_detections

Source = Path | dict[str, Path]
"""A video, or images by their names in the table."""

_NOMINAL = 25  # frames per second, where a video's times do not say


class Drawing(Protocol):
    """Pictures that are made from a table.

    Attributes:
        kind: End of their names, from the list `aukit.detect.inputs.DRAWN`.
        settings: What else they depend on, as plain values that a table's record keeps.
        of_any_model: Whether tables of other models than the command's serve too.
    """

    @property
    def kind(self) -> str:
        """See above."""
        ...

    @property
    def settings(self) -> object:
        """See above."""
        ...

    @property
    def of_any_model(self) -> bool:
        """See above."""
        ...

    def place(self, source: Source, table: Path) -> Path:
        """The file or folder that `draw` makes."""
        ...

    def draw(self, source: Source, table: Path, hidden: bool | None) -> None:
        """Make them.

        Args:
            source: What the table is about.
            table: The table; pictures lie beside it.
            hidden: Whether to show no bar; None to show one on a terminal.

        Raises:
            CorpusError: The video or the table cannot be read.
        """
        ...


@dataclass(frozen=True)
class Painted:
    """Copies into which something is painted: ``clip.overlay.mp4``, ``holiday.overlay/…jpg``.

    Frames of a video keep their times; those that cannot be decoded are left out, and there is no sound.
    Images that cannot be read are left out.

    Attributes:
        kind: As of `Drawing`.
        detector: What the table was made by.
        paint: A picture from an image and its faces; of the frames of a video all of one even size.
    """

    kind: str
    detector: FaceDetector
    paint: Callable[[Image, Sequence[Face]], Image]
    settings: object = True
    of_any_model = False

    def place(self, source: Source, table: Path) -> Path:
        """See `Drawing.place`."""
        return table.with_name(f"{table.stem}{self.kind}{'.mp4' if isinstance(source, Path) else ''}")

    def draw(self, source: Source, table: Path, hidden: bool | None) -> None:
        """See `Drawing.draw`."""
        if isinstance(source, Path):
            self._draw_video(source, table, hidden)
            return
        folder = self.place(source, table)
        names = picture_names(source, table)
        for seen in self._seen(source, table, hidden):
            write_jpeg(folder / f"{names[seen.name]}.jpg", self.paint(seen.image, seen.faces))

    def _draw_video(self, source: Path, table: Path, hidden: bool | None) -> None:
        positions, seconds = video_times(source, viewed=True)
        if not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any():
            seconds = positions / _NOMINAL
        times = dict(zip((positions + 1).tolist(), (seconds - seconds[0]).tolist(), strict=True))
        rate = round(len(seconds) / max(seconds[-1] - seconds[0], 1 / _NOMINAL)) or 1
        shown_at: deque[float] = deque()

        def pictures() -> Iterator[Image]:
            for seen in self._seen(source, table, hidden):
                shown_at.append(times[seen.frame])
                yield self.paint(seen.image, seen.faces)

        encode_video(self.place(source, table), pictures(), rate, seconds=iter(shown_at.popleft, None))

    def _seen(self, source: Source, table: Path, hidden: bool | None) -> Iterator[Seen]:
        detector = self.detector
        return frames_with_faces(source, table, detector.aus, detector.measure, self.kind, hidden)


class Seen(NamedTuple):
    """An image and what a table says of it.

    Attributes:
        image: RGB uint8 [H, W, 3].
        frame: Its number in the table.
        seconds: When it is shown; NaN for images, and where the table leaves it out.
        name: Its name in the table; empty for a frame of a video.
        faces: Of the table; none where the table leaves it out.
    """

    image: Image
    frame: int
    seconds: float
    name: str
    faces: list[Face]


def frames_with_faces(
    source: Source, table: Path, aus: Sequence[int], measure: Measure, what: str, hidden: bool | None
) -> Iterator[Seen]:
    """Every image or frame that can be read, with its faces from a table.

    Args:
        source: What the table is about.
        table: The table.
        aus: Action units whose levels the faces have.
        measure: In what.
        what: Text of the bar.
        hidden: Whether to show no bar; None to show one on a terminal.

    Raises:
        CorpusError: The video or the table cannot be read.
    """
    what = what.lstrip(".")
    if isinstance(source, Path):
        rows = Rows(read_detections(table), "frame")
        total = len(video_times(source, viewed=True)[0])
        frames = decode_video(source, viewed=True)
        for position, image in tqdm(frames, what, total, unit=" frames", disable=hidden):
            if image is not None:
                frame = position + 1
                seconds = rows.values(frame, ["timestamp"])[0, 0] if frame in rows else np.nan
                yield Seen(image, frame, seconds, "", rows.faces(frame, aus, measure))
        return
    rows = Rows(read_detections(table), "input")
    for name, path in tqdm(source.items(), what, unit=" images", disable=hidden):
        image = read_image_if_whole(path)
        if image is not None and name in rows:
            frame, seconds = rows.values(name, ["frame", "timestamp"])[0]
            yield Seen(image, int(frame), seconds, name, rows.faces(name, aus, measure))


def picture_names(images: dict[str, Path], table: Path) -> dict[str, str]:
    """What a picture about each image of a table is called, without ending and relative to a folder."""
    if table.stem == PHOTOGRAPHS:  # from anywhere
        return dict(zip(images, distinct_names([Path(name) for name in images]), strict=True))
    stems = [str(Path(name).with_suffix("")) for name in images]
    # A file system may take A.png for a.png.
    alike, whole = Counter(map(str.casefold, stems)), set(map(str.casefold, images))
    # Of a.jpg, a.png and a.jpg.webp the first is called a.jpg, and no other.
    alone = (alike[stem.casefold()] == 1 and stem.casefold() not in whole for stem in stems)
    return {name: stem if own else name for name, stem, own in zip(images, stems, alone, strict=True)}
