"""The work of one command: read what is not done, write tables and records, draw from them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock
from tqdm import tqdm

from aukit.datasets.images import read_image
from aukit.datasets.timeline import Places
from aukit.datasets.video import decode_video, video_times
from aukit.detect.drawings import Drawing, Source
from aukit.detect.face import Face, FaceDetector, Image
from aukit.detect.inputs import PHOTOGRAPHS, text_of
from aukit.detect.read_ahead import read_ahead
from aukit.detect.record import Record, check_place, stamp_of
from aukit.detect.summary import Summary, many
from aukit.detect.table import NO_FACE, NOT_DECODED, Rows, TableWriter, open_table, read_detections
from aukit.errors import ConfigError, CorpusError, shown

_FRAMES, _BYTES = 16, 2**26
"""Most frames of a batch, and most bytes of pixels."""


@dataclass
class _Video:
    """A video that is to be read."""

    path: Path
    table: Path
    record: Record
    positions: Places
    seconds: npt.NDArray[np.float64]


class Reading:
    """One command's work; its lock is held to compare and replace tables, not while files are read."""

    def __init__(
        self,
        out: Path,
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
        self.gone: dict[Path, set[str]] = {}
        self.before: dict[Path, Record | None] = {}
        self.lock = FileLock(out / ".lock")

    def check(self, table: Path, source: Source) -> None:
        """See that a command which asks for no model replaces no table that was made in another way."""
        before, wanted = Record.read(table), self._record(source)
        if not any(drawing.of_any_model for drawing in self.drawings) or before is None:
            return
        if before.fits(wanted) or self._serves(before, wanted):
            return
        new = [stamp[0] for name, stamp in wanted.files.items() if not before.is_whole({name: stamp})]
        also = f", and not from {new[0]} as it is now" if new else ""
        raise ConfigError(
            f"{table}: was made by {before.way()}{also}; this command would replace it by one of"
            f" {wanted.way()} to draw from that; run aukit detect alone first, or name another --out"
        )

    def all(
        self, videos: dict[Path, Path], images: dict[Path, dict[str, Path]], done: dict[Path, Rows]
    ) -> None:
        """Read everything that is not done, and draw what is not drawn.

        Args:
            videos: Those of the tables.
            images: Those of the tables, by their names in them.
            done: Rows that are there already, of each table of images that is not whole.
        """
        looked = tqdm(videos.items(), "indexing", unit=" videos", disable=self.hidden, leave=False)
        todo = [video for table, path in looked if (video := self._begin(table, path)) is not None]
        total = sum(len(video.positions) for video in todo)
        total += sum(len(images[table]) - len(rows) for table, rows in done.items())
        began = time.perf_counter()
        with tqdm(total=total, unit=" frames", disable=self.hidden) as self.bar:
            for video in todo:
                try:
                    self._read_video(video)
                except (ConfigError, CorpusError) as error:  # its place may be taken meanwhile
                    self._fail(video.path, error)
            for table, rows in done.items():
                try:
                    self._read_images(table, images[table], rows)
                except ConfigError as error:
                    self._fail(table, error)
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
        """Photographs of the table that is there, and those named now, by their names in the table.

        Raises:
            ConfigError: Some are not there now, and their rows cannot be kept.
        """
        record = Record.read(table)
        known = {} if record is None else {name: Path(stamp[0]) for name, stamp in record.files.items()}
        names = {os.path.abspath(path): name for name, path in known.items()}
        photographs = dict(known)
        gone = {name for name, path in known.items() if not os.path.isfile(path)}
        for name, path in named.items():
            name = names.get(os.path.abspath(path), name)
            if name in photographs and os.path.abspath(photographs[name]) != os.path.abspath(path):
                name = text_of(Path(os.path.abspath(path)))  # named alike from another folder
            photographs[name] = path
            gone.discard(name)
        if gone and record is not None and not (record.fits(self._record({})) and record.is_of(table)):
            raise ConfigError(
                f"{table}: {many(len(gone), 'photograph')} of it cannot be read anew, since not there "
                f"({known[min(gone)]}); bring back what is missing or name another --out"
            )
        self.gone[table] = gone
        self.summary.gone = len(gone)
        return photographs

    # ------------------------------------------------------------------------------------- videos

    def _begin(self, table: Path, path: Path) -> _Video | None:
        """What is needed to read a video; None where that is done or cannot be done."""
        record, before = self._record(path), Record.read(table)
        if before is not None and self._serves(before, record) and before.is_of(table):
            self.summary.reused += 1
            self._count(table, before.counts)
            self._lacks(path, before.counts)
            return None
        try:
            return _Video(path, table, record, *video_times(path, viewed=True))
        except CorpusError as error:
            self._fail(path, error)
            return None

    def _read_video(self, video: _Video) -> None:
        self.bar.set_description(shown(video.path.name, 40))
        seconds = dict(zip(video.positions.tolist(), video.seconds.tolist(), strict=True))
        track = self.detector.video()
        placing = video.record.place
        with (
            ExitStack() as alone,
            open_table(
                video.table, self.detector.aus, self.detector.measure, False, placing, self.calibrate
            ) as table,
        ):
            for batch in read_ahead(_batches(decode_video(video.path, viewed=True)), 1):
                found = track([image for _, image in batch])
                for (position, image), faces in zip(batch, found, strict=True):
                    reason = NOT_DECODED if image is None else NO_FACE
                    table.add(position + 1, seconds[position], self._wanted(faces), reason)
                self._read(len(batch))
            if table.unread == table.images:
                video.record.try_again("")
            video.record.counts = table.counts()
            alone.enter_context(self.lock)
            check_place(video.table, video.record.files)
        self._count(video.table, table.counts())
        self._lacks(video.path, table.counts())

    # ------------------------------------------------------------------------------------- images

    def are_done(self, table: Path, images: dict[str, Path]) -> bool:
        """Whether a table is of just these images, as its record alone says."""
        record, before = self._record(images), Record.read(table)
        self.before[table] = before
        if before is None or not before.is_of(table) or self.gone.get(table):
            return False
        if not self._serves(before, record):
            return False
        if before.fits(record) and before.counts.get("images") != len(images):  # some are no longer there
            return False
        self.summary.reused += len(images)
        self._count(table, before.counts)
        return True

    def done(self, table: Path, images: dict[str, Path]) -> Rows:
        """Rows of the images that could be read before, or are not there now."""
        record, before = self._record(images), self.before[table]
        gone = self.gone.get(table, set())
        rows, same = pd.DataFrame(columns=["input", "reason"]), []
        if before is not None and before.fits(record) and before.is_of(table):
            same = [name for name, stamp in record.files.items() if before.is_whole({name: stamp})]
            with suppress(CorpusError):  # somebody changed it
                rows = read_detections(table)
        kept = rows["input"].isin(gone) | rows["input"].isin(same) & rows["reason"].isin(["", NO_FACE])
        return Rows(rows[kept], "input")

    def _read_images(self, path: Path, images: dict[str, Path], done: Rows) -> None:
        self.bar.set_description(shown(path.stem, 40))
        record, before = self._record(images), self.before[path]
        left: set[str] = set()
        self.summary.reused += len(done)
        interruption: KeyboardInterrupt | None = None
        read = read_ahead(((name, _read(images[name])) for name in images if name not in done), 1)
        with (
            ExitStack() as alone,
            open_table(path, self.detector.aus, self.detector.measure, True, record.place) as table,
        ):
            for number, name in enumerate(images, 1):
                if name in done and before is not None:
                    table.add_again(number, done, name)
                    record.files[name] = before.files[name]
                    continue
                if interruption is None:
                    try:
                        _, image = next(read)
                        faces = [] if isinstance(image, str) else self.detector.photograph(image)
                    except KeyboardInterrupt as error:  # what is done stays done
                        interruption = error
                if interruption is not None:
                    record.try_again(name)
                    left.add(name)
                    continue
                if isinstance(image, str):
                    self.summary.failed[text_of(images[name])] = image
                    record.try_again(name)
                table.add(
                    number,
                    np.nan,
                    self._wanted(faces),
                    image if isinstance(image, str) else NO_FACE,
                    name,
                )
                self._read(1)
            read.close()
            alone.enter_context(self.lock)
            try:
                self._join(path, record, left, table)
            except ConfigError:
                if interruption is not None:
                    raise interruption from None
                raise
            record.counts = table.counts()
        if interruption is not None:
            raise interruption
        self._count(path, table.counts())

    def _join(self, path: Path, record: Record, left: set[str], table: TableWriter) -> None:
        """Add what another command has written of these images, or of more photographs, since this one began.

        Raises:
            ConfigError: It is of another input, or made by another model or with other options.
        """
        photographs = path.stem == PHOTOGRAPHS
        check_place(path, {} if photographs else record.files)
        before, now = self.before[path], Record.read(path)
        if now is None or (before is not None and now.table == before.table) or not now.is_of(path):
            return
        if not now.fits(record):
            raise ConfigError(
                f"{path}: was made by another model or with other options meanwhile; name another --out"
            )
        rows = Rows(read_detections(path), "input")
        for theirs, stamp in now.files.items():
            name = theirs
            if photographs and record.files.get(name, stamp)[0] != stamp[0]:
                name = text_of(Path(stamp[0]))
            if name in left if name in record.files else photographs:
                record.files[name] = stamp
                if theirs in rows:
                    table.add_again(table.images + 1, rows, name, theirs)

    # ----------------------------------------------------------------------------------- drawings

    def _draw(self, drawing: Drawing, table: Path, source: Source) -> None:
        """Draw what a table says, unless that is done and still there."""
        record, wanted = Record.read(table), self._record(source)
        if record is None or not (record.fits(wanted) or self._serves(record, wanted)):
            return
        if isinstance(source, Path):
            if not record.is_whole(wanted.files):
                return
        else:  # also those of other commands
            source = {name: Path(stamp[0]) for name, stamp in record.files.items()}
        if record.drawn.get(drawing.kind) == drawing.settings and drawing.place(source, table).exists():
            return
        self._note(record, table, drawing.kind, None)  # so that pictures are known for ours after a kill
        drawing.draw(source, table, self.hidden)
        self._note(record, table, drawing.kind, drawing.settings)

    def _note(self, record: Record, table: Path, kind: str, settings: object) -> None:
        """Keep what pictures depend on, unless another command has replaced the table meanwhile."""
        with self.lock:
            now = Record.read(table)
            if now is not None and now.table == record.table:
                now.drawn[kind] = settings
                now.write(table)

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

    def _lacks(self, video: Path, counts: dict[str, int]) -> None:
        """Say how many frames of a video could not be read."""
        unread, frames = counts.get("unread", 0), counts.get("images", 0)
        if unread == frames:
            self.summary.failed[text_of(video)] = "none of its frames can be decoded"
        elif unread:
            self.summary.failed[text_of(video)] = f"{unread:,} of {frames:,} frames could not be read"

    def _fail(self, path: Path, error: ConfigError | CorpusError) -> None:
        self.summary.failed[text_of(path)] = _without_path(error, path)


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


def _without_path(error: ConfigError | CorpusError, path: Path) -> str:
    return shown(str(error).removeprefix(f"{path}: "), 300)
