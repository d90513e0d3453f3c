"""Tables that a user wrote, CSV or Parquet, as columns of text: bounded, and each error names its row.

Rows are counted from 1, below the header. A column is kept as its different texts and, for each row, which of
them it has, so that millions of rows are checked by looking at each text once.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from aukit.datasets.csv_files import may_be_thousand, thousand
from aukit.errors import CorpusError, shown
from aukit.utils.outside import require_regular

MAX_ROWS = 10_000_000
MAX_CELLS = 1_000_000_000
"""More than any labelled corpus has: a damaged or hostile file must not ask for all memory."""

_MAX_BYTES = 8 * 2**30
_MAX_HEADER = 2**20
_CSV, _PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")
_SEPARATORS = ",;\t"
_SEPARATOR_LINE = re.compile(rb"(?:\xef\xbb\xbf)?sep=.\s*", re.IGNORECASE)
# Of decimal commas those of whole numbers, 1,0 and 1,00: 1,000 may be a thousand.
_NUMBER = re.compile(r"[+-]?\d+((\.\d*)?([eE][+-]?\d+)?|,00?)", re.ASCII)
_OTHER_TEXT = "is no UTF-8 text; save it as UTF-8, which spreadsheets call CSV UTF-8"
NOTHING = frozenset({"", "nan", "na"})
"""Cells that say nothing, in small letters."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        path: The table, for messages.
        name: The column's name, as written.
        codes: Per row [N], which of `texts`.
        texts: The different texts, without spaces around them.
    """

    path: Path
    name: str
    codes: npt.NDArray[np.int64]
    texts: list[str]

    def error(self, bad: npt.NDArray[np.bool_], expected: str) -> CorpusError:
        """The error about the first of `bad` texts that a row has.

        Args:
            bad: Per text, whether it may not be there; at least one row has such a text.
            expected: What should be there, or what to do.
        """
        row = int(np.argmax(bad[self.codes]))
        text = shown(self.texts[self.codes[row]], 40)
        said = f"{text!r}" if text else "an empty cell"
        return CorpusError(f"{self.path}, row {row + 1}, column {self.name}: {said}; {expected}")

    def require(self, fits: Callable[[str], bool], expected: str) -> None:
        """Check each text.

        Raises:
            CorpusError: One does not fit; with its row.
        """
        bad = np.array([not fits(text) for text in self.texts], dtype=bool)
        if bad.any() and bad[self.codes].any():
            raise self.error(bad, expected)

    def values(self) -> npt.NDArray[np.object_]:
        """Text of each row [N]."""
        return np.array(self.texts, dtype=object)[self.codes]

    def numbers(self, low: float, high: float, expected: str, gaps: bool) -> npt.NDArray[np.float64]:
        """Whole number of each row [N]; NaN for a cell that says nothing.

        Args:
            low: Least that may be there.
            high: Greatest.
            expected: What should be there, for the error.
            gaps: Whether a cell may say nothing.

        Raises:
            CorpusError: A cell holds something else; with its row.
        """
        numbers = np.array([_number(text) for text in self.texts], dtype=np.float64)
        silent = np.array([text.lower() in NOTHING for text in self.texts], dtype=bool)
        with np.errstate(invalid="ignore"):
            fits = (numbers >= low) & (numbers <= high) & (numbers == np.floor(numbers))
        bad = ~(fits | (silent & gaps))
        if bad.any() and bad[self.codes].any():
            raise self.error(bad, expected)
        return numbers[self.codes]

    def frames(self, most: float, expected: str, gaps: bool) -> npt.NDArray[np.float64]:
        """Number of the frame of each row [N]; NaN for a cell that says nothing.

        Args:
            most: Greatest that may be there.
            expected: What should be there, for the error.
            gaps: Whether a cell may say nothing.

        Raises:
            CorpusError: A cell holds something else, or what may be a thousand (``1.000`` beside ``999``);
                with its row.
        """
        numbers = self.numbers(0, most, expected, gaps)
        used = np.unique(self.codes).tolist()
        if (place := thousand([self.texts[code] for code in used])) is not None:
            row = int(np.argmax(self.codes == used[place]))
            what = may_be_thousand(self.texts[used[place]])
            raise CorpusError(f"{self.path}, row {row + 1}, column {self.name}: {what}")
        return numbers


def read_columns(path: Path) -> dict[str, Column]:
    """Columns of a table by name, in their order.

    CSV may have commas, semicolons or tabs between the cells, a byte order mark, a line ``sep=;`` above the
    header, quoted cells, every kind of line end, and below the last row others of which all cells are empty.

    Raises:
        CorpusError: The file is missing, damaged, too large, has no row, a name twice, or cells that are
            neither text nor numbers.
    """
    table = read_arrow(path)
    return {name: _column(path, name, table.column(name)) for name in table.column_names}


def read_words(path: Path) -> dict[str, Column]:
    """Columns of a table by name in small letters.

    Raises:
        CorpusError: See `read_columns`; also where two names differ in capitals alone.
    """
    found: dict[str, Column] = {}
    for name, column in read_columns(path).items():
        if (other := found.setdefault(name.lower(), column)) is not column:
            raise CorpusError(f"{path}: the columns {other.name} and {name} are the same; remove one of them")
    return found


def read_arrow(path: Path, is_number: Callable[[str], bool] = lambda name: False) -> pa.Table:
    """A table as Arrow has it, the names of its columns without spaces around them.

    Args:
        path: The file.
        is_number: Whether a column of that name is read as float32, with a decimal point or, where cells are
            not parted by commas, a decimal comma; all others are text.

    Raises:
        CorpusError: See `read_columns`.
    """
    kind = path.suffix.lower()
    if kind not in (*_CSV, *_PARQUET):
        raise CorpusError(
            f"{path}: is called neither {', '.join(_CSV)} nor {', '.join(_PARQUET)}; save it as CSV"
        )
    try:
        require_regular(path, _MAX_BYTES)
        table = _read_parquet(path) if kind in _PARQUET else _read_csv(path, is_number)
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        why = re.sub(r"Row #(\d+)", r"line \1", shown(error, 200))  # pyarrow counts the header too
        raise CorpusError(f"{path}: cannot be read as a table ({why}); mend it or write it again") from error
    table = _without_empty_end(table.rename_columns([name.strip() for name in table.column_names]))
    if twice := [name for name, count in Counter(table.column_names).items() if count > 1]:
        raise CorpusError(f"{path}: has the column {shown(twice[0])!r} twice; remove one of them")
    if not table.num_rows:
        raise CorpusError(f"{path}: has no row below its header; give one row per frame")
    return pa.table(
        {name: _as(path, name, table.column(name), is_number(name)) for name in table.column_names}
    )


def _number(text: str) -> float:
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else np.nan


def _without_empty_end(table: pa.Table) -> pa.Table:
    """A table without the rows of empty cells that spreadsheets write below the last one."""
    rows = table.num_rows
    while rows and all(_is_empty(column[rows - 1].as_py()) for column in table.columns):
        rows -= 1
    return table.slice(0, rows)


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())  # a zero says something


def _as(path: Path, name: str, values: pa.ChunkedArray, number: bool) -> pa.ChunkedArray:
    """A column as numbers or as text."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    try:
        return values.cast(pa.float32() if number else pa.string())
    except (ValueError, pa.ArrowException) as error:
        raise CorpusError(
            f"{path}: the column {shown(name)!r} holds {values.type}, not {'numbers' if number else 'text'}; "
            "write it otherwise, or leave it out"
        ) from error


def _column(path: Path, name: str, values: pa.ChunkedArray) -> Column:
    encoded = values.dictionary_encode("encode").combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    texts = ["" if text is None else text.strip() for text in encoded.dictionary.to_pylist()]
    column = Column(path, name, encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), texts)
    column.require(str.isprintable, "control characters are no part of a table: write it again")
    return column


def _read_parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        _require_size(file.metadata.num_rows, file.metadata.num_columns)
        return file.read()


def _read_csv(path: Path, is_number: Callable[[str], bool]) -> pa.Table:
    with path.open("rb") as file:
        header = file.readline(_MAX_HEADER)
        # Spreadsheets write their separator into a line of its own.
        if declares := _SEPARATOR_LINE.fullmatch(header) is not None:
            header = file.readline(_MAX_HEADER)
    if header.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("is UTF-16 text; save it as UTF-8")
    try:
        first = header.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(_OTHER_TEXT) from error
    if b"\0" in header or not first.strip():
        raise ValueError("its first line names no column")
    separator = max(_SEPARATORS, key=first.count)
    # A line end alone, as of old Macs, is one to pyarrow and none to `readline`: it splits the line here.
    (names, *_) = csv.reader(io.StringIO(first, newline=""), delimiter=separator, strict=True)
    _require_size(0, len(names))
    names = [name.strip() or f"column_{place}" for place, name in enumerate(names, 1)]
    read = pacsv.ReadOptions(use_threads=False, column_names=names, skip_rows=1 + declares, block_size=2**24)
    parse = pacsv.ParseOptions(delimiter=separator, newlines_in_values=True)
    types = {name: pa.float32() if is_number(name) else pa.string() for name in names}
    problems: list[str] = []
    for point in "." if separator == "," else ".,":
        convert = pacsv.ConvertOptions(column_types=types, strings_can_be_null=False, decimal_point=point)
        try:
            return _read_rows(path, read, parse, convert)
        except pa.ArrowInvalid as error:
            problems.append(str(error))
    if "invalid UTF8" in problems[0]:
        raise ValueError(_OTHER_TEXT)
    named = re.sub(r"In CSV column #(\d+)", lambda match: f"column {names[int(match[1])]}", problems[0])
    raise ValueError(named)


def _read_rows(
    path: Path, read: pacsv.ReadOptions, parse: pacsv.ParseOptions, convert: pacsv.ConvertOptions
) -> pa.Table:
    batches, rows = [], 0
    with path.open("rb") as file, pacsv.open_csv(file, read, parse, convert) as reader:
        for batch in reader:
            rows += batch.num_rows
            _require_size(rows, len(read.column_names))
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)


def _require_size(rows: int, columns: int) -> None:
    if rows > MAX_ROWS or rows * columns > MAX_CELLS or columns > 10_000:
        raise ValueError(f"{rows:,} rows of {columns:,} columns are more than any labelled corpus has")
