"""What stands beside a table: of which files it is, by which model and how; which tables may be replaced."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from aukit.detect.table import TableFormat, is_table
from aukit.errors import ConfigError
from aukit.utils.files import file_sha256, write_atomic
from aukit.utils.outside import read_json

_MOST_BYTES = 2**28


@dataclass
class Record:
    """How a table was made; it lies beside it as ``clip.csv.json``.

    Attributes:
        model: Name of the detector.
        version: Of its weights.
        options: Options that change rows.
        files: Path, size in bytes and time of change (ns) of what was read, by the image's name in the table;
            by an empty name for a video. Without size and time it is to be read again.
        counts: Numbers of images or frames, of faces, of those without face and of those that could not be
            read.
        drawn: Kinds of pictures that have been made from the table, with what else they depend on; null where
            they were begun, or made from an earlier table.
        table: SHA-256 of the table.
        replaced: That of the table whose place it takes; empty where there was none.
    """

    model: str
    version: str
    options: dict[str, Any]
    files: dict[str, list[Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    drawn: dict[str, Any] = field(default_factory=dict)
    table: str = ""
    replaced: str = ""

    def write(self, table: Path) -> None:
        """Write beside the table."""
        write_atomic(_path(table), f"{json.dumps(asdict(self), indent=1)}\n".encode())

    def place(self, table: Path, made: Path) -> None:
        """Write beside a table whose place a file is about to take.

        The record comes first, so that no table is ever without; what a kill in between leaves is told by
        its content.
        """
        before = Record.read(table)
        self.drawn = {} if before is None else dict.fromkeys(before.drawn)
        self.table = file_sha256(made)
        self.replaced = file_sha256(table) if table.is_file() else ""
        self.write(table)

    def is_of(self, table: Path) -> bool:
        """Whether this is the record of the table as it lies there."""
        return file_sha256(table) == self.table

    def is_changed(self, table: Path) -> bool:
        """Whether somebody else wrote the table that lies there."""
        return file_sha256(table) not in (self.table, self.replaced)

    def try_again(self, name: str) -> None:
        """Let the next command read a file anew."""
        self.files[name] = [self.files[name][0], None, None]

    def fits(self, other: Record) -> bool:
        """Whether rows made by the one are as those made by the other."""
        return (self.model, self.version, self.options) == (other.model, other.version, other.options)

    def way(self) -> str:
        """Model and options in a few words, for messages."""
        return " ".join(
            [self.model, self.version[:12], *(f"--{name}" for name, on in self.options.items() if on)]
        )

    def is_about(self, files: dict[str, list[Any]]) -> bool:
        """Whether the table is of at least one of these files, be it changed.

        A file elsewhere is another one, however alike: extracted frames of two people may have equal names,
        sizes and times.
        """
        return not self.files or any(
            stamp[0] == files[name][0] for name, stamp in self.files.items() if name in files
        )

    def is_whole(self, files: dict[str, list[Any]]) -> bool:
        """Whether the table is of all these files as they are now."""
        return all(self.files.get(name) == stamp for name, stamp in files.items())

    @classmethod
    def read(cls, table: Path) -> Record | None:
        """The record of a table; None where there is no table, or no record of it that can be read."""
        return cls._of(table) if table.is_file() else None

    @classmethod
    def free(cls, table: Path) -> bool:
        """Whether a record can be written beside a table and replaces nothing but a record."""
        return not os.path.lexists(_path(table)) or cls._of(table) is not None

    @classmethod
    def _of(cls, table: Path) -> Record | None:
        try:
            record = cls(**read_json(_path(table), _MOST_BYTES))
            stamps = all(len(stamp) == 3 and isinstance(stamp[0], str) for stamp in record.files.values())
            whole = stamps and all(isinstance(number, int) for number in record.counts.values())
            whole = whole and isinstance(record.drawn, dict)
            whole = whole and isinstance(record.table, str) and isinstance(record.replaced, str)
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return record if whole else None


def stamp_of(path: Path) -> list[Any]:
    """Absolute path, size in bytes and time of change; zeros where the file cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return [os.path.abspath(path), 0, 0]
    return [os.path.abspath(path), status.st_size, status.st_mtime_ns]


def check_place(table: Path, files: dict[str, list[Any]], kinds: Iterable[str] = ()) -> None:
    """See that no other table, record or picture is overwritten; without files, any that is ours may be."""
    for kind in kinds:
        _check_pictures(table, files, kind)
    if not table.exists():
        if not Record.free(table):
            raise ConfigError(
                f"{table}.json: is there already, and is no record of a table; name another --out"
            )
        return
    record = Record.read(table)
    if record is None:
        what = "has no record of its input" if is_table(table) else "is no table of aukit detect"
        raise ConfigError(f"{table}: is there already, and {what}; name another --out, or move it away")
    if files and not record.is_about(files):
        other = next(iter(record.files.values()))[0]
        raise ConfigError(f"{table}: is there already, of another input ({other}); name another --out")
    if record.is_changed(table):
        raise ConfigError(f"{table}: was changed since it was made; name another --out, or move it away")


def _check_pictures(table: Path, files: dict[str, list[Any]], kind: str) -> None:
    """See that pictures of a kind are made for the first time, or were made from a table of this input."""
    tables = [table.with_suffix(f".{ending}") for ending in get_args(TableFormat)]  # either draws the same
    records = [record for each in tables if (record := Record.read(each)) is not None]
    if any(kind in record.drawn and (not files or record.is_about(files)) for record in records):
        return
    for name in (f"{table.stem}{kind}", f"{table.stem}{kind}.mp4"):
        if os.path.lexists(path := table.with_name(name)):
            raise ConfigError(f"{path}: is there already, and was not made from {table}; name another --out")


def _path(table: Path) -> Path:
    return table.with_name(f"{table.name}.json")
