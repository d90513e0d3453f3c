"""Files in, tables out: what `aukit detect` does."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aukit.datasets.images import read_image
from aukit.datasets.timeline import Places
from aukit.datasets.video import decode_video, video_times
from aukit.detect.drawings import Drawing, Painted, Source
from aukit.detect.face import INTENSITY, Face, FaceDetector, HeatMapDetector, Image
from aukit.detect.inputs import HEAT_MAPS, OVERLAY, PHOTOGRAPHS, find_inputs, text_of
from aukit.detect.overlay import draw_faces
from aukit.detect.read_ahead import read_ahead
from aukit.detect.record import Record, forget, stamp_of
from aukit.detect.table import (
    NO_FACE,
    NOT_DECODED,
    Rows,
    TableFormat,
    is_table,
    open_table,
    read_detections,
)
from aukit.errors import ConfigError, CorpusError, shown

_FRAMES, _BYTES = 16, 2**26
"""Most frames of a batch, and most bytes of pixels."""
_SHOWN = 20
"""Most files that a summary names."""


@dataclass
class Summary:
    """What was read, and what came of it.

    Attributes:
        videos: Number of videos.
        images: Number of images, in folders and by name.
        reused: Number of those two whose rows were there already.
        counts: Numbers of ``images`` (frames of videos counted), of ``faces``, of images ``without`` a face
            and ``unread``, in all tables.
        failed: What is wrong with files of which nothing could be read, by their paths.
        gone: Photographs of earlier commands that are no longer there; their rows are gone too.
        left_out: Files in folders that are neither images nor videos of a known format.
        formats: How many of those are images of other formats, by their ends.
        tables: Their paths.
        read: Number of images and frames read this time, in `seconds`.
        seconds: Time that it took, without that of loading the model.
        crops: Number of faces that were cut out, by `register_files`.
        uncut: Number of those that could not be registered.

    Example:
        >>> summary = Summary(videos=1, read=300, seconds=10.0)
        >>> summary.status, summary.text().splitlines()[-1]
        (0, 'speed    30.0 frames/s: 300 in 10 s')
    """

    videos: int = 0
    images: int = 0
    reused: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    gone: int = 0
    left_out: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    tables: list[Path] = field(default_factory=list)
    read: int = 0
    seconds: float = 0.0
    crops: int = 0
    uncut: int = 0

    @property
    def status(self) -> int:
        """The exit status, 1 if something could not be read, else 0."""
        return int(bool(self.failed))

    def text(self) -> str:
        """A few lines for a terminal."""
        counts = self.counts
        lines = [f"inputs   {_many(self.videos, 'video')}, {_many(self.images, 'image')}"]
        lines += [f"         {self.reused:,} of them were done before"] if self.reused else []
        formats = ", ".join(f"{end} {number:,}" for end, number in sorted(self.formats.items()))
        also = f", with images that are not read: {formats}" if formats else ""
        left_out = f"         {_many(self.left_out, 'other file')} in folders left out{also}"
        lines += [left_out] if self.left_out else []
        lines += [f"         {_many(self.gone, 'photograph')} of before no longer there"] if self.gone else []
        lines += [f"frames   {counts['images']:,}: {counts['without']:,} without a face, "
                  f"{counts['unread']:,} could not be read"]  # fmt: skip
        lines += [f"faces    {counts['faces']:,}"]
        uncut = f"; {_many(self.uncut, 'face')} could not be registered" if self.uncut else ""
        lines += [f"crops    {self.crops:,}{uncut}"] if self.crops or self.uncut else []
        lines += [f"failed   {_many(len(self.failed), 'file')}"] if self.failed else []
        named = list(self.failed.items())
        lines += [f"         {shown(path, 300)}: {shown(why, 300)}" for path, why in named[:_SHOWN]]
        lines += [f"         and {len(named) - _SHOWN:,} more"] if len(named) > _SHOWN else []
        lines += [f"tables   {shown(', '.join(map(str, self.tables[:_SHOWN])), 1000)}"] if self.tables else []
        lines += [f"         and {len(self.tables) - _SHOWN:,} more"] if len(self.tables) > _SHOWN else []
        if self.read:
            speed = self.read / max(self.seconds, 1e-9)
            lines += [f"speed    {speed:,.1f} frames/s: {self.read:,} in {self.seconds:,.0f} s"]
        return "\n".join(lines)


def detect_files(
    inputs: Iterable[str | Path],
    out: str | Path,
    detector: FaceDetector,
    *,
    table_format: TableFormat = "csv",
    overlay: bool = False,
    heatmaps: bool = False,
    largest: bool = False,
    calibrate: bool = False,
    progress: bool = False,
) -> Summary:
    """Find faces, landmarks and action units in photographs, folders of them and videos.

    Each video has a table of its own, as have the images of each folder; all photographs that are named one
    by one share ``photographs``. A file that cannot be read stops nothing: an image has a row that says why,
    and the summary names both. What is done is not read again while file, model and options are the same; an
    interruption costs the video that is being read, and no image.

    Args:
        inputs: Files, folders and patterns such as ``clips/*.mp4``.
        out: Folder of the tables, made where it is missing.
        detector: What finds faces.
        table_format: ``csv`` or ``parquet``.
        overlay: Whether to draw what was found, into copies beside the tables.
        heatmaps: Whether to draw the heat maps of action units over the faces' crops, beside the tables.
        largest: Whether only the largest face of each image counts.
        calibrate: Whether in a video the low intensities of each face are taken for zero, see
            `aukit.detect.table.BASELINE`.
        progress: Whether to show a bar on a terminal.

    Returns:
        Counts, and which files failed.

    Raises:
        ConfigError: An input is not there, the table of another one would be overwritten, or one that was
            made in another way and is to be drawn from; heat maps are asked of a model that has none, or
            calibration of one without intensities.
        OSError: A table cannot be written.

    Example:
        >>> model: FaceDetector  # doctest: +SKIP
        >>> summary = detect_files(["clip.mp4", "photographs/"], "results", model)  # doctest: +SKIP
        >>> read_detections(summary.tables[0])["AU12_r"].mean()  # doctest: +SKIP
        1.3
    """
    drawings: list[Drawing] = []
    if overlay:
        paint = partial(draw_faces, aus=detector.aus, measure=detector.measure)
        drawings.append(Painted(OVERLAY, detector, paint))
    if heatmaps:
        if not isinstance(detector, HeatMapDetector):
            raise ConfigError(f"the model {detector.name} has no heat maps; name one that has (fgnet:FILE)")
        drawings.append(Painted(HEAT_MAPS, detector, detector.heat_maps))
    if calibrate and detector.measure is not INTENSITY:
        raise ConfigError(f"the model {detector.name} reads no intensities to calibrate; leave it out")
    return read_files(inputs, out, detector, drawings, table_format, largest, progress, calibrate)


def read_files(
    inputs: Iterable[str | Path],
    out: str | Path,
    detector: FaceDetector,
    drawings: Sequence[Drawing],
    table_format: TableFormat,
    largest: bool,
    progress: bool,
    calibrate: bool = False,
) -> Summary:
    """As `detect_files`, with whatever is to be drawn from the tables."""
    found = find_inputs(inputs)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    summary = Summary(
        videos=len(found.videos),
        images=sum(map(len, found.folders.values())) + len(found.photographs),
        failed=found.refused,
        left_out=found.left_out,
        formats=found.formats,
    )
    run = _Run(detector, largest, calibrate, drawings, progress, summary)
    tables = {name: out / f"{name}.{table_format}" for name in (*found.videos, *found.folders, PHOTOGRAPHS)}
    videos = {tables[name]: path for name, path in found.videos.items()}
    images = {tables[name]: paths for name, paths in found.folders.items()}
    for table, path in videos.items():
        _check_place(table, {"": stamp_of(path)})
    for table, paths in images.items():
        _check_place(table, {name: stamp_of(path) for name, path in paths.items()})
    if found.photographs:
        table = tables[PHOTOGRAPHS]
        _check_place(table, {})
        images[table] = run.earlier(table, found.photographs)
    sources: dict[Path, Source] = {**videos, **images}
    for table, source in sources.items():
        run.check(table, source)
    run.all(videos, images)
    return summary


def _check_place(table: Path, files: dict[str, list[Any]]) -> None:
    """See that no other table is overwritten; without files, any that is ours may be."""
    if not table.exists():
        return
    record = Record.read(table)
    if record is None and not is_table(table):
        raise ConfigError(f"{table}: is there already, and is no table of aukit detect; name another --out")
    if record is not None and files and not record.is_about(files):
        other = next(iter(record.files.values()))[0]
        raise ConfigError(f"{table}: is there already, of another input ({other}); name another --out")


@dataclass
class _Video:
    """A video that is to be read."""

    path: Path
    table: Path
    record: Record
    positions: Places
    seconds: npt.NDArray[np.float64]


class _Run:
    """One command's work."""

    def __init__(
        self,
        detector: FaceDetector,
        largest: bool,
        calibrate: bool,
        drawings: Sequence[Drawing],
        progress: bool,
        summary: Summary,
    ) -> None:
        self.detector, self.drawings = detector, drawings
        self.largest, self.calibrate = largest, calibrate
        self.hidden = None if progress else True
        self.summary = summary

    def check(self, table: Path, source: Source) -> None:
        """See that a table made in another way is not replaced because something is to be drawn from it."""
        before, wanted = Record.read(table), self._record(source)
        if not self.drawings or before is None or before.fits(wanted) or self._serves(before, wanted):
            return
        new = [stamp[0] for name, stamp in wanted.files.items() if not before.is_whole({name: stamp})]
        also = f", and not from {new[0]} as it is now" if new else ""
        raise ConfigError(
            f"{table}: was made by {before.way()}{also}; this command would replace it by one of"
            f" {wanted.way()} to draw from that; run aukit detect alone first, or name another --out"
        )

    def all(self, videos: dict[Path, Path], images: dict[Path, dict[str, Path]]) -> None:
        """Read everything that is not done, and draw what is not drawn."""
        todo = [video for table, path in videos.items() if (video := self._begin(table, path)) is not None]
        done = {
            table: self._done(table, paths)
            for table, paths in images.items()
            if not self._are_done(table, paths)
        }
        total = sum(len(video.positions) for video in todo)
        total += sum(len(images[table]) - len(rows) for table, rows in done.items())
        began = time.perf_counter()
        with tqdm(total=total, unit=" frames", disable=self.hidden) as self.bar:
            for video in todo:
                try:
                    self._read_video(video)
                except CorpusError as error:
                    self._fail(video.path, error)
            for table, rows in done.items():
                self._read_images(table, images[table], rows)
        self.summary.seconds = time.perf_counter() - began
        for drawing in self.drawings:
            for table, path in videos.items():
                try:
                    self._draw(drawing, table, path)
                except CorpusError as error:
                    self._fail(path, error)
            for table, paths in images.items():
                self._draw(drawing, table, paths)

    def earlier(self, table: Path, named: dict[str, Path]) -> dict[str, Path]:
        """Photographs of the table that is there, and those named now, by their names in the table."""
        record = Record.read(table)
        known = {} if record is None else {name: Path(stamp[0]) for name, stamp in record.files.items()}
        names = {os.path.abspath(path): name for name, path in known.items()}
        photographs = {name: path for name, path in known.items() if path.is_file()}
        for name, path in named.items():
            name = names.get(os.path.abspath(path), name)
            if name in photographs and os.path.abspath(photographs[name]) != os.path.abspath(path):
                name = text_of(Path(os.path.abspath(path)))  # named alike from another folder
            photographs[name] = path
        self.summary.gone = len(set(known) - set(photographs))
        return photographs

    # ------------------------------------------------------------------------------------- videos

    def _begin(self, table: Path, path: Path) -> _Video | None:
        """What is needed to read a video; None where that is done or cannot be done."""
        record, before = self._record(path), Record.read(table)
        if before is not None and self._serves(before, record):
            self.summary.reused += 1
            self._count(table, before.counts)
            return None
        try:
            return _Video(path, table, record, *video_times(path))
        except CorpusError as error:
            self._fail(path, error)
            return None

    def _read_video(self, video: _Video) -> None:
        self.bar.set_description(shown(video.path.name, 40))
        seconds = dict(zip(video.positions.tolist(), video.seconds.tolist(), strict=True))
        track = self.detector.video()
        with open_table(
            video.table, self.detector.aus, self.detector.measure, False, self.calibrate
        ) as table:
            for batch in read_ahead(_batches(decode_video(video.path)), 1):
                found = track([image for _, image in batch])
                for (position, image), faces in zip(batch, found, strict=True):
                    reason = NOT_DECODED if image is None else NO_FACE
                    table.add(position + 1, seconds[position], self._wanted(faces), reason)
                self._read(len(batch))
            forget(video.table)
        if table.unread == table.images:  # so that the next command tries again
            self.summary.failed[text_of(video.path)] = "none of its frames can be decoded"
        else:
            video.record.counts = table.counts()
            video.record.write(video.table)
        self._count(video.table, table.counts())

    # ------------------------------------------------------------------------------------- images

    def _are_done(self, table: Path, images: dict[str, Path]) -> bool:
        """Whether a table is of just these images, as its record alone says."""
        record, before = self._record(images), Record.read(table)
        if before is None or not self._serves(before, record):
            return False
        if before.fits(record) and before.counts.get("images") != len(images):  # some are no longer there
            return False
        self.summary.reused += len(images)
        self._count(table, before.counts)
        return True

    def _done(self, table: Path, images: dict[str, Path]) -> Rows:
        """Rows of the images that could be read before."""
        record, before = self._record(images), Record.read(table)
        rows, same = pd.DataFrame(columns=["input", "reason"]), []
        if before is not None and before.fits(record):
            same = [name for name, stamp in record.files.items() if before.is_whole({name: stamp})]
            with suppress(CorpusError):  # somebody changed it
                rows = read_detections(table)
        return Rows(rows[rows["input"].isin(same) & rows["reason"].isin(["", NO_FACE])], "input")

    def _read_images(self, path: Path, images: dict[str, Path], done: Rows) -> None:
        self.bar.set_description(shown(path.stem, 40))
        record = self._record(images)
        self.summary.reused += len(done)
        interruption: KeyboardInterrupt | None = None
        read = read_ahead(((name, _read(images[name])) for name in images if name not in done), 1)
        with open_table(path, self.detector.aus, self.detector.measure, of_images=True) as table:
            for number, name in enumerate(images, 1):
                if name in done:
                    table.add_again(number, done, name)
                    continue
                if interruption is None:
                    try:
                        _, image = next(read)
                        faces = [] if isinstance(image, str) else self.detector.photograph(image)
                    except KeyboardInterrupt as error:  # what is done stays done
                        interruption = error
                if interruption is not None:
                    del record.files[name]
                    continue
                if isinstance(image, str):
                    self.summary.failed[text_of(images[name])] = image
                    del record.files[name]
                table.add(
                    number,
                    np.nan,
                    self._wanted(faces),
                    image if isinstance(image, str) else NO_FACE,
                    name,
                )
                self._read(1)
            read.close()
            forget(path)
        record.counts = table.counts()
        record.write(path)
        if interruption is not None:
            raise interruption
        self._count(path, table.counts())

    # ----------------------------------------------------------------------------------- drawings

    def _draw(self, drawing: Drawing, table: Path, source: Source) -> None:
        """Draw what a table says, unless that is done and still there."""
        record, wanted = Record.read(table), self._record(source)
        if record is None or not (record.fits(wanted) or self._serves(record, wanted)):
            return
        if record.drawn.get(drawing.kind) == drawing.settings and drawing.place(source, table).exists():
            return
        drawing.draw(source, table, self.hidden)
        record.drawn[drawing.kind] = drawing.settings
        record.write(table)

    # --------------------------------------------------------------------------------- accounting

    def _record(self, source: Source) -> Record:
        files = {"": source} if isinstance(source, Path) else source
        stamps = {name: stamp_of(path) for name, path in files.items()}
        of_video = {"calibrate": True} if self.calibrate and "" in files else {}
        options = {"largest": self.largest, **of_video}
        return Record(self.detector.name, self.detector.version, options, stamps)

    def _serves(self, before: Record, wanted: Record) -> bool:
        """Whether a table is of these files as they are now, and made as is wanted.

        What is drawn from a table takes it as it stands: options that made it need not be repeated, and
        crops are the same whatever read the action units.
        """
        same = before.fits(wanted)
        if self.drawings and not same:
            model = (before.model, before.version) == (wanted.model, wanted.version)
            model = model or all(drawing.of_any_model for drawing in self.drawings)
            same = model and all(before.options.get(name) for name, value in wanted.options.items() if value)
        return same and before.is_whole(wanted.files)

    def _wanted(self, faces: list[Face]) -> list[Face]:
        return faces[:1] if self.largest else faces

    def _read(self, number: int) -> None:
        self.summary.read += number
        self.bar.update(number)

    def _count(self, table: Path, counts: dict[str, int]) -> None:
        self.summary.tables.append(table)
        self.summary.counts.update(counts)

    def _fail(self, path: Path, error: CorpusError) -> None:
        self.summary.failed[text_of(path)] = _without_path(error, path)


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _batches(frames: Iterable[tuple[int, Image | None]]) -> Iterator[list[tuple[int, Image | None]]]:
    """Frames in lists that stay small in memory."""
    batch: list[tuple[int, Image | None]] = []
    size = 0
    for position, image in frames:
        batch.append((position, image))
        size += 0 if image is None else image.nbytes
        if len(batch) == _FRAMES or size >= _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read(path: Path) -> Image | str:
    """An image, or what is wrong with it."""
    try:
        return read_image(path)
    except CorpusError as error:
        return _without_path(error, path)


def _without_path(error: CorpusError, path: Path) -> str:
    return shown(str(error).removeprefix(f"{path}: "), 300)
