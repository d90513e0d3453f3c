"""Tables of faces: columns called as OpenFace calls them, written as rows come, read back and checked.

=============== ==========================================================================================
input           of images alone: the image, as it was named or by its place in the folder
frame           of a video: place of the frame on the timeline, from 1; of images: their number, from 1
face_id         number of a face in a video, see `aukit.detect.Face`; of images by size, from 0; empty without
timestamp       second at which the frame is shown; empty for images
confidence      that there is a face, 0 to 1; 0 without one
success         1 where a face was found, else 0
box_x … height  left, top, width and height of the box around the landmarks in pixels
pose_Rx, Ry, Rz rotation of the head in radians, see `aukit.detect.Face`
x_0 … z_67      landmarks in pixels, pixel centres at integers; z towards the viewer
AUxx_r          intensity, 0 to 5; of models that tell no intensity in its place
AUxx_p          probability, 0 to 1
AUxx_c          1 where the intensity is at least 1 or the probability at least 0.5, else 0
reason          why there is no face: `NO_FACE`, `NOT_DECODED` or what is wrong with the file; else empty
=============== ==========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aukit.detect.face import INTENSITY, PROBABILITY, Face, Measure
from aukit.errors import CorpusError, shown
from aukit.facs import occurrence_column
from aukit.utils.files import atomic_path
from aukit.utils.outside import require_regular

TableFormat = Literal["csv", "parquet"]
Row = npt.NDArray[np.float64]

BASELINE, LEAST_FRAMES = 5, 50
"""Percentile of each action unit's level over the frames of a face that calibration takes off, and fewest
frames of a face of which it does."""
NO_FACE, NOT_DECODED = "no face", "not decoded"

_BOX = ("box_x", "box_y", "box_width", "box_height")
_POSE = ("pose_Rx", "pose_Ry", "pose_Rz")
_LANDMARKS = tuple(f"{axis}_{point}" for axis in "xyz" for point in range(68))
_OF_FRAME = ("frame", "face_id", "timestamp", "confidence", "success")
_OF_FACE = (*_BOX, *_POSE, *_LANDMARKS)
_WHOLE = ("frame", "face_id", "success")
_LEVEL, _PRESENCE = re.compile(r"AU(\d\d)_([rp])"), re.compile(r"AU(\d\d)_c")
_MEASURES = {measure.letter: measure for measure in (INTENSITY, PROBABILITY)}
_FORMAT = {b"aukit.format": b"aukit.detections/1"}
_MOST_BYTES = 2**34
_TOGETHER = 256  # rows that are written at once


class TableWriter:
    """Takes the faces of one image after the other; see `open_table`.

    Attributes:
        images: Number of images or frames so far.
        faces: Number of faces in them.
        without: Images in which no face was found, those that could not be read not counted.
        unread: Images that could not be read.
    """

    def __init__(
        self, sink: Any, aus: Sequence[int], measure: Measure, of_images: bool, calibrate: bool
    ) -> None:
        # OpenFace has closed eyes under the number of the blink.
        closed = {45: aus.index(43)} if 43 in aus and 45 not in aus else {}
        places = dict(sorted(({au: place for place, au in enumerate(aus)} | closed).items()))
        self._places = list(places.values())
        self._measure = measure
        levels = [level_column(au, measure) for au in places]
        self.numbers = [*_OF_FRAME, *_OF_FACE, *levels, *(occurrence_column(au) for au in places)]
        self._of_images = of_images
        self._calibrate = calibrate
        self._levels = slice(len(_OF_FRAME) + len(_OF_FACE), len(_OF_FRAME) + len(_OF_FACE) + len(places))
        self._sink = sink
        self._rows: list[Row] = []
        self._texts: list[tuple[str, str]] = []
        self.images = self.faces = self.without = self.unread = 0

    def add(
        self, frame: int, seconds: float, faces: Sequence[Face], reason: str = NO_FACE, name: str = ""
    ) -> None:
        """Write the faces of an image, or one row with the reason why there is none.

        Args:
            frame: Its number, from 1.
            seconds: When it is shown; NaN for images.
            faces: What was found.
            reason: Why nothing was.
            name: Of an image.
        """
        rows = [self._row(frame, seconds, face) for face in faces]
        if not rows:
            rows = [np.full(len(self.numbers), np.nan)]
            rows[0][: len(_OF_FRAME)] = (frame, np.nan, seconds, 0, 0)
        self._write(rows, "" if faces else reason, name)

    def add_again(self, frame: int, rows: Rows, name: str, theirs: str = "") -> None:
        """Write the rows of another table about one image, under a number and a name of this one."""
        theirs = theirs or name
        values = rows.values(theirs, self.numbers)
        values[:, 0] = frame
        self._write(list(values), rows.reason(theirs), name)

    def counts(self) -> dict[str, int]:
        """Numbers of images, of faces, of images without face and of those that could not be read."""
        return {"images": self.images, "faces": self.faces, "without": self.without, "unread": self.unread}

    def _write(self, rows: Sequence[Row], reason: str, name: str) -> None:
        self.images += 1
        self.faces += 0 if reason else len(rows)
        self.without += reason == NO_FACE
        self.unread += reason not in ("", NO_FACE)
        self._rows += rows
        self._texts += [(name, reason)] * len(rows)
        if len(self._rows) >= _TOGETHER and not self._calibrate:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        values = np.array(self._rows).reshape(-1, len(self.numbers))
        if self._calibrate:
            self._take_off_baselines(values)
        columns: dict[str, Any] = {"input": [name for name, _ in self._texts]} if self._of_images else {}
        for name, column in zip(self.numbers, values.T, strict=True):
            columns[name] = np.round(column, _decimals(name))
            if _is_whole(name):
                columns[name] = pd.Series(column).astype("Int64").array
        columns["reason"] = [reason for _, reason in self._texts]
        self._sink(pd.DataFrame(columns))
        self._rows.clear()
        self._texts.clear()

    def _take_off_baselines(self, values: npt.NDArray[np.float64]) -> None:
        """Make each face's low levels zero, in place; see `BASELINE`."""
        numbers = values[:, _OF_FRAME.index("face_id")]
        for number in np.unique(numbers[np.isfinite(numbers)]):
            rows = np.flatnonzero(numbers == number)
            if len(rows) >= LEAST_FRAMES:
                levels = values[rows, self._levels]
                levels = np.maximum(levels - np.percentile(levels, BASELINE, axis=0), 0)
                values[rows, self._levels] = levels
                values[rows, self._levels.stop :] = np.round(levels, 3) >= self._measure.present

    def _row(self, frame: int, seconds: float, face: Face) -> Row:
        levels = np.clip(np.asarray(face.levels, np.float64)[self._places], 0, self._measure.most)
        first = (frame, face.identity, seconds, face.confidence, 1)
        # As it is written, so that a table agrees with itself.
        present = np.round(levels, 3) >= self._measure.present
        return np.concatenate([first, face.box, face.pose, face.landmarks.T.ravel(), levels, present])


@contextmanager
def open_table(
    path: Path,
    aus: Sequence[int],
    measure: Measure,
    of_images: bool,
    placing: Callable[[Path, Path], None],
    calibrate: bool = False,
) -> Iterator[TableWriter]:
    """A writer of a table, CSV or Parquet by the path's suffix; the file appears whole or not at all.

    CSV has two decimals of pixels, three of levels and confidence, four of radians and six of seconds;
    Parquet the same values.

    Args:
        path: Of the table.
        aus: Action units that the detector reads.
        measure: In what.
        of_images: Whether it is about images, which have names, and not about the frames of a video.
        placing: Is told the table's path and the file, then whole, that takes its place next.
        calibrate: Whether each face's low levels are taken for zero, see `BASELINE`; rows then stay in memory
            until the end, 2 kB each.
    """
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            with temporary.open("w", encoding="utf-8", newline="") as file:
                begun = False

                def write_csv(table: pd.DataFrame) -> None:
                    nonlocal begun
                    table.to_csv(file, index=False, header=not begun)
                    begun = True

                writer = TableWriter(write_csv, aus, measure, of_images, calibrate)
                yield writer
                writer.flush()
        else:
            parquet: Any = None

            def write_parquet(table: pd.DataFrame) -> None:
                nonlocal parquet
                arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(_FORMAT)
                parquet = parquet or pq.ParquetWriter(temporary, arrow.schema, compression="zstd")
                parquet.write_table(arrow.cast(parquet.schema))

            writer = TableWriter(write_parquet, aus, measure, of_images, calibrate)
            try:
                yield writer
                writer.flush()
            finally:
                if parquet is not None:
                    parquet.close()
        placing(path, temporary)


def is_table(path: Path) -> bool:
    """Whether a file begins as a table of ours does."""
    try:
        if path.suffix == ".parquet":
            metadata = pq.read_schema(path).metadata or {}
            return bool(metadata.items() >= _FORMAT.items())
        with path.open("rb") as file:
            begin = file.readline(200).decode("utf-8", "replace")
    except (OSError, pa.ArrowException):
        return False
    return begin.removeprefix("input,").startswith(",".join((*_OF_FRAME, *_BOX)))


def read_detections(path: str | Path) -> pd.DataFrame:
    """Read a table of `aukit detect`, CSV or Parquet.

    Args:
        path: Of the table.

    Returns:
        A row per face, and one per image without a face; columns as the module's text says. ``frame`` and
        ``success`` are int64, ``face_id`` and ``AUxx_c`` Int64 with missing values, ``input`` and ``reason``
        text, all else float64 with NaN.

    Raises:
        CorpusError: The file is missing, damaged or no such table; with file, row and column.

    Example:
        >>> faces = read_detections("results/clip.csv")  # doctest: +SKIP
        >>> faces.loc[faces["success"] == 1, "AU12_r"].max()  # doctest: +SKIP
        4.2
    """
    path = Path(path)
    try:
        require_regular(path, _MOST_BYTES)
        if path.suffix == ".parquet":
            table: pd.DataFrame = pq.read_table(path).to_pandas()
        else:
            texts = {"input": str, "reason": str}
            table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""], low_memory=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise CorpusError(
            f"{path}: cannot be read as a table of faces ({shown(error)}); run aukit detect again"
        ) from error
    lacking = [name for name in (*_OF_FRAME, *_OF_FACE, "reason") if name not in table.columns]
    if lacking:
        raise CorpusError(
            f"{path}: is no table of aukit detect: the columns {', '.join(lacking[:4])} are missing"
        )
    _check_types(path, table)
    _check_values(path, table)
    return table


def level_column(au: int, measure: Measure) -> str:
    """The column of an action unit's level, such as ``AU12_r``."""
    return f"AU{au:02d}_{measure.letter}"


def detected_aus(columns: Iterable[str], measure: Measure) -> tuple[int, ...]:
    """Action units of which a table has levels in a measure."""
    found = (match for name in columns if (match := _LEVEL.fullmatch(name)))
    return tuple(int(match[1]) for match in found if match[2] == measure.letter)


class Rows:
    """Rows of a table by the image or frame that they are about, found in microseconds.

    They are kept in one array: to take the rows of one image out of a table of hundreds of columns costs
    milliseconds, and as objects of their own 100 kB.

    Args:
        table: Of `read_detections`.
        by: ``frame`` or ``input``.
    """

    def __init__(self, table: pd.DataFrame, by: str) -> None:
        columns = [name for name in table.columns if _is_number(name)]
        self._columns = {name: place for place, name in enumerate(columns)}
        self._values = table[columns].to_numpy(np.float64, na_value=np.nan)
        self._reasons = table["reason"].to_numpy()
        self._places = {key: np.asarray(rows) for key, rows in table.groupby(by).indices.items()}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: int | str) -> bool:
        return key in self._places

    def values(self, key: int | str, columns: Sequence[str]) -> npt.NDArray[np.float64]:
        """Some columns of the rows about an image, float64 [R, C]; no row where the table leaves it out."""
        rows = self._places.get(key, np.array([], int))
        return self._values[rows[:, None], [self._columns[name] for name in columns]]

    def reason(self, key: int | str) -> str:
        """Why there is no face in an image of the table; empty if there is one."""
        return str(self._reasons[self._places[key][0]])

    def faces(self, key: int | str, aus: Sequence[int], measure: Measure) -> list[Face]:
        """The faces of an image, with levels of these action units."""
        levels = [level_column(au, measure) for au in aus]
        found = self.values(key, ["success"])[:, 0] == 1
        numbers = self.values(key, ["confidence", "face_id"])[found]
        parts = (
            self.values(key, columns)[found].astype(np.float32)
            for columns in (_BOX, _LANDMARKS, _POSE, levels)
        )
        return [
            Face(
                box=box,
                confidence=float(confidence),
                landmarks=points.reshape(3, 68).T,
                uncertainty=np.full(68, np.nan, np.float32),
                pose=pose,
                levels=each,
                identity=int(number),
            )
            for (confidence, number), box, points, pose, each in zip(numbers, *parts, strict=True)
        ]


def _is_number(name: str) -> bool:
    return bool(name in (*_OF_FRAME, *_OF_FACE) or _LEVEL.fullmatch(name) or _PRESENCE.fullmatch(name))


def _is_whole(name: str) -> bool:
    return name in _WHOLE or _PRESENCE.fullmatch(name) is not None


def _decimals(name: str) -> int:
    if name == "timestamp":
        return 6
    if name in _POSE:
        return 4
    return 3 if name == "confidence" or _LEVEL.fullmatch(name) else 2


def _check_types(path: Path, table: pd.DataFrame) -> None:
    """Turn every column of numbers into its type, in place."""
    for name in table.columns:
        if name in ("input", "reason"):
            table[name] = table[name].fillna("").astype(str)
            continue
        if not _is_number(name):
            continue  # somebody's own column
        numbers = pd.to_numeric(table[name], errors="coerce")
        _refuse(path, table, name, (numbers.isna() & table[name].notna()).to_numpy(bool), "a number")
        values = numbers.to_numpy(np.float64, na_value=np.nan)
        if _is_whole(name):
            _refuse(path, table, name, np.isfinite(values) & (values != np.floor(values)), "a whole number")
            always = name in ("frame", "success")
            if always:
                _refuse(path, table, name, ~np.isfinite(values), "a whole number")
            table[name] = pd.Series(values, index=table.index).astype("int64" if always else "Int64")
        else:
            table[name] = values


def _check_values(path: Path, table: pd.DataFrame) -> None:
    found = (table["success"] == 1).to_numpy()
    _refuse(path, table, "success", ~table["success"].isin([0, 1]).to_numpy(), "0 or 1")
    _refuse(path, table, "frame", (table["frame"] < 1).to_numpy(), "a number from 1")
    _refuse(path, table, "face_id", found & table["face_id"].isna().to_numpy(bool), "a number")
    for name in table.columns:
        if name in (*_OF_FACE, "confidence") or _LEVEL.fullmatch(name):
            values = table[name].to_numpy()
            _refuse(path, table, name, found & ~np.isfinite(values), "a number where success is 1")
        if match := _LEVEL.fullmatch(name):
            measure = _MEASURES[match[2]]
            outside = (values < 0) | (values > measure.most)
            _refuse(path, table, name, outside, f"{measure.name}, 0 to {measure.most:g}")
        elif _PRESENCE.fullmatch(name):
            allowed = table[name].isna() | table[name].isin([0, 1])
            _refuse(path, table, name, ~allowed.to_numpy(bool), "0 or 1")


def _refuse(path: Path, table: pd.DataFrame, name: str, wrong: npt.NDArray[np.bool_], wanted: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise CorpusError(
            f"{path}, row {row + 1}, column {name}: {shown(table[name].iloc[row])} is not {wanted}; "
            "run aukit detect again"
        )
