"""FrameTable: one row per frame of a corpus, typed and validated, Parquet on disk.

Columns, in this order:

========== ======= =========================================================================
corpus     string  name of the release, e.g. ``fera2017``
partition  string  ``train``, ``valid``, ``test`` or the corpus's own name
person     string  global id ``<namespace>/<subject>``: equal only if it is the same human
subject    string  id within the release and partition, e.g. ``F001``
gender     string  ``female``, ``male`` or missing
task       string  task or session, e.g. ``T1``
view       int     camera view of the corpus, 0 where the corpus has none
frame      int     frame number as the release writes it
video     string  video or image, relative to the corpus root, ``/`` as separator
position   int     0-based index of the decoded frame in ``video``
pair_id    string  id that pairs frames across corpora (avatars); missing where there are none
AUxx_c     float32 occurrence 0 or 1, NaN = not coded
AUxx_r     float32 intensity 0 to 5, NaN = not coded
any other  string  attribute of the frame, e.g. ``light``; missing where it is not known
========== ======= =========================================================================

Attributes reach every table of predictions, whose scores can be grouped by them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aukit.errors import CorpusError
from aukit.facs import intensity_column, occurrence_column
from aukit.utils.files import atomic_path
from aukit.utils.outside import require_regular

STRING_COLUMNS = ("corpus", "partition", "person", "subject", "gender", "task", "video", "pair_id")
INTEGER_COLUMNS = ("view", "frame", "position")
ID_COLUMNS = (
    "corpus", "partition", "person", "subject", "gender", "task", "view", "frame", "video", "position",
    "pair_id",
)  # fmt: skip
NULLABLE = ("gender", "pair_id")
GENDERS = ("female", "male")
_AU_COLUMN = re.compile(r"AU(\d\d)_([cr])")
_ATTRIBUTE = re.compile(r"(?!AU_?\d)[a-z]\w{0,63}", re.IGNORECASE | re.ASCII)
PREDICTION_COLUMNS = ("row", "label", "score")
"""Words that tables of predictions use themselves."""
_MAX_BYTES = 2**30
_FORMAT = b"aukit.frame_table/2"


class FrameTable:
    """Validated table of frames; see the module's text for its columns.

    Args:
        frame: Table with all identifying columns, any number of ``AUxx_c`` / ``AUxx_r`` columns and any
            attributes (see `is_attribute`). It is copied, cast to the documented types and sorted into the
            documented column order.

    Raises:
        CorpusError: A column is missing, unknown or holds a value out of its range; the message names
            the column and the first offending row.

    Example:
        >>> row = {"corpus": "bp4d", "partition": "P1", "person": "BP4D/F001", "subject": "F001"}
        >>> row |= {"gender": "female", "task": "T1", "view": 0, "frame": 17, "video": "F001/T1"}
        >>> table = FrameTable(pd.DataFrame([row | {"position": 17, "pair_id": None, "AU12_r": 3}]))
        >>> table.intensities((12,)).item()
        3.0
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame: pd.DataFrame = _validated(frame)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"FrameTable({len(self)} frames, {len(self.persons)} persons, AUs {self.intensity_aus})"

    @property
    def persons(self) -> list[str]:
        """Global person ids in the table, sorted."""
        return sorted(str(p) for p in self.frame["person"].unique())

    @property
    def videos(self) -> list[str]:
        """Videos or images that the rows come from, in order of first appearance."""
        return [str(s) for s in self.frame["video"].unique()]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the columns that are neither ids nor labels."""
        return tuple(c for c in self.frame.columns if c not in ID_COLUMNS and not _AU_COLUMN.fullmatch(c))

    @property
    def occurrence_aus(self) -> tuple[int, ...]:
        """AUs with an occurrence column."""
        return _aus(self.frame, "c")

    @property
    def intensity_aus(self) -> tuple[int, ...]:
        """AUs with an intensity column."""
        return _aus(self.frame, "r")

    def intensities(self, aus: Sequence[int]) -> npt.NDArray[np.float32]:
        """Intensities [N, A] in 0..5, NaN where not coded.

        Raises:
            CorpusError: The table has no intensity column for one of the AUs.
        """
        return self._labels([intensity_column(au) for au in aus])

    def occurrences(self, aus: Sequence[int]) -> npt.NDArray[np.float32]:
        """Occurrences [N, A], 0 or 1, NaN where not coded.

        Raises:
            CorpusError: The table has no occurrence column for one of the AUs.
        """
        return self._labels([occurrence_column(au) for au in aus])

    def gender_codes(self) -> npt.NDArray[np.int64]:
        """Index of each row's gender [N] in `GENDERS`: 0 female, 1 male, -1 unknown."""
        codes: npt.NDArray[np.int64] = np.full(len(self), -1, dtype=np.int64)
        for code, gender in enumerate(GENDERS):
            codes[(self.frame["gender"] == gender).fillna(False).to_numpy(dtype=bool)] = code
        return codes

    def rows(self, **criteria: Any) -> npt.NDArray[np.int64]:
        """Numbers of the rows that meet all criteria; each is a column name with one value or several.

        Example:
            ``table.rows(partition="train", view=(5, 6))``
        """
        keep = np.ones(len(self), dtype=bool)
        for column, wanted in criteria.items():
            if column not in self.frame.columns:
                raise CorpusError(f"FrameTable has no column {column!r}; columns: {list(self.frame.columns)}")
            values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
            keep &= self.frame[column].isin(values).to_numpy(dtype=bool)
        return np.flatnonzero(keep).astype(np.int64)

    def take(self, rows: npt.ArrayLike) -> FrameTable:
        """A new table of the given row numbers, in the given order."""
        return FrameTable(self.frame.iloc[np.asarray(rows)])

    def select(self, **criteria: Any) -> FrameTable:
        """A new table of the rows that meet all criteria (see `rows`)."""
        return self.take(self.rows(**criteria))

    def fingerprint(self) -> str:
        """SHA-256 (hex) of column names and values; equal tables give equal fingerprints on any machine."""
        digest = hashlib.sha256(_FORMAT)
        for name in self.frame.columns:
            digest.update(f"|{name}|".encode())
            column = self.frame[name]
            if name not in INTEGER_COLUMNS and not _AU_COLUMN.fullmatch(name):
                digest.update("\x1f".join(column.fillna("\x00").to_numpy(dtype=object)).encode())
            else:
                digest.update(np.ascontiguousarray(column.to_numpy()).tobytes())
        return digest.hexdigest()

    def write_parquet(self, path: str | Path) -> None:
        """Write to Parquet; the file appears whole or not at all."""
        arrow = pa.Table.from_pandas(self.frame, preserve_index=False)
        arrow = arrow.replace_schema_metadata({b"aukit.format": _FORMAT})
        with atomic_path(Path(path)) as temporary:
            pq.write_table(arrow, temporary, compression="zstd")

    @classmethod
    def read_parquet(cls, path: str | Path) -> FrameTable:
        """Read and validate a table written by `write_parquet`.

        Raises:
            CorpusError: The file is missing, is no Parquet or no FrameTable.
        """
        try:
            require_regular(Path(path), _MAX_BYTES)
            arrow = pq.read_table(Path(path))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise CorpusError(f"{path}: cannot be read as Parquet ({error}); make the table again") from error
        if (arrow.schema.metadata or {}).get(b"aukit.format") != _FORMAT:
            raise CorpusError(f"{path}: is not a FrameTable of this version; make the table again")
        return cls(arrow.to_pandas())

    def _labels(self, columns: list[str]) -> npt.NDArray[np.float32]:
        for column in columns:
            if column not in self.frame.columns:
                raise CorpusError(f"FrameTable has no column {column}; it has {self._label_columns()}")
        return np.ascontiguousarray(self.frame[columns].to_numpy(dtype=np.float32))

    def _label_columns(self) -> list[str]:
        return [c for c in self.frame.columns if _AU_COLUMN.fullmatch(c)]


def is_attribute(name: str) -> bool:
    """Whether a column may be called so: a word that is no id and does not look like an action unit's."""
    taken = (*ID_COLUMNS, *PREDICTION_COLUMNS)
    return _ATTRIBUTE.fullmatch(name) is not None and name.lower() not in taken


def _aus(frame: pd.DataFrame, kind: str) -> tuple[int, ...]:
    matches = (_AU_COLUMN.fullmatch(str(c)) for c in frame.columns)
    return tuple(int(m[1]) for m in matches if m and m[2] == kind)


def _fail(column: str, row: int, value: Any, expected: str) -> CorpusError:
    return CorpusError(f"FrameTable column {column!r}, row {row}: {value!r}, expected {expected}")


def _validated(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [c for c in ID_COLUMNS if c not in frame.columns]
    if missing:
        raise CorpusError(f"FrameTable lacks the columns {missing}")
    others = [c for c in frame.columns if c not in ID_COLUMNS and not _AU_COLUMN.fullmatch(str(c))]
    if unknown := [c for c in others if not is_attribute(str(c))]:
        raise CorpusError(
            f"FrameTable has unknown columns {unknown}; labels are named AU01_c or AU01_r, attributes are"
            " words of letters, digits and _"
        )
    if frame.columns.has_duplicates:
        raise CorpusError(f"FrameTable has a column twice: {list(frame.columns)}")
    labels = [
        *(occurrence_column(au) for au in sorted(_aus(frame, "c"))),
        *(intensity_column(au) for au in sorted(_aus(frame, "r"))),
    ]
    data = {
        **{c: _strings(frame[c], c) if c in STRING_COLUMNS else _integers(frame[c], c) for c in ID_COLUMNS},
        **{c: _codes(frame[c], c, 1 if c.endswith("_c") else 5) for c in labels},
        **{c: _attribute(frame[c]) for c in sorted(others)},
    }
    table = pd.DataFrame(data)
    _check_ids(table)
    return table


def _attribute(column: pd.Series[Any]) -> pd.Series[Any]:
    values = column.reset_index(drop=True).astype("string")
    return values.mask(values == "", pd.NA)


def _strings(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    values = column.reset_index(drop=True).astype("string")
    empty = (values.fillna("") == "").to_numpy(dtype=bool)
    if name in NULLABLE:
        return _attribute(column)
    if empty.any():
        raise _fail(name, int(np.argmax(empty)), None, "a name")
    return values


def _integers(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    numbers = pd.to_numeric(column.reset_index(drop=True), errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    bad = ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))
    if bad.any():
        row = int(np.argmax(bad))
        raise _fail(name, row, column.iloc[row], "a whole number ≥ 0")
    return pd.Series(numbers.astype(np.int64))


def _codes(column: pd.Series[Any], name: str, top: int) -> pd.Series[Any]:
    values = column.reset_index(drop=True)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float32, na_value=np.nan)
    absent = values.isna().to_numpy(dtype=bool)
    with np.errstate(invalid="ignore"):
        fits = (numbers >= 0) & (numbers <= top) & (numbers == np.floor(numbers))
    bad = ~(absent | fits)
    if bad.any():
        row = int(np.argmax(bad))
        raise _fail(name, row, values.iloc[row], f"a code 0..{top} or NaN (not coded)")
    return pd.Series(np.ascontiguousarray(numbers))


def _check_ids(table: pd.DataFrame) -> None:
    gender = table["gender"]
    bad = (gender.notna() & ~gender.isin(GENDERS)).to_numpy(dtype=bool)
    if bad.any():
        row = int(np.argmax(bad))
        raise _fail("gender", row, gender.iloc[row], "female, male or missing")
    bad = ~table["person"].str.fullmatch(r"[^/]+/[^/]+").to_numpy(dtype=bool)
    if bad.any():
        row = int(np.argmax(bad))
        raise _fail("person", row, table["person"].iloc[row], "<namespace>/<subject>")
    bad = table.duplicated(["corpus", "video", "position"]).to_numpy(dtype=bool)
    if bad.any():
        row = int(np.argmax(bad))
        raise _fail("position", row, int(table["position"].iloc[row]), "each frame of a video once")
