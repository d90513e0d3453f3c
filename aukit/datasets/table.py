"""A corpus of your own: one table with a row per labelled frame, and images or videos below a folder.

========================= ==============================================================================
``path``                  image below the root, e.g. ``faces/p1/0001.jpg``; or instead of it
``video``, ``frame``      video below the root and the number of the frame in it, from 0 or from 1
``person``                id of the human being; ``BP4D/F001`` for someone whom another corpus shows too
``AU12_c``                occurrence, 0 or 1; empty where not coded
``AU12_r``                intensity, 0 to 5; empty where not coded
``gender``                ``female`` or ``male``; empty where not known (optional, like all below)
``task``, ``view``        task or session; number of the camera
``partition``             ``train``, ``valid`` or ``test``, the same in all rows of a person
any other word            an attribute: a column of the predictions, by which scores can be grouped
========================= ==============================================================================

CSV (commas, semicolons or tabs) or Parquet; capitals in the names of columns do not count, and ``AU4_r`` is
``AU04_r``. Rows are counted from 1, below the header.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from aukit.datasets.listed_frames import ListedFrames
from aukit.datasets.person_ids import composed
from aukit.datasets.stamps import file_stamp
from aukit.datasets.table_columns import Meaning, understand
from aukit.datasets.table_file import read_columns
from aukit.datasets.table_folds import Deal, deal
from aukit.datasets.table_rows import read_rows
from aukit.errors import CorpusError
from aukit.facs import occurrence_column

TABLES = ("frames.csv", "frames.parquet")
"""Names that a table in the root may have, so that it need not be named."""

SPREADSHEET_ROWS = 2**20
"""Rows of a spreadsheet, the header's among them; of a longer table it keeps the beginning."""


class Table(ListedFrames):
    """The frames of a user's table (see the module's text for its columns).

    *Splits.* By person alone: by the column `partition`, by folds that a column names, or by folds that
    people are dealt into (`aukit.datasets.table_folds`).

    Cost: 2 million rows with 17 columns of labels, images in 200 folders, take 20 s of a core and 2.4 GB.

    Args:
        root: Folder below which images and videos lie.
        table: The table, CSV or Parquet; None for frames.csv or frames.parquet in the root.
        landmarks: Landmarks of the frames, 68 points in pixels: a table with path, or video and frame, and x0
            to x67, y0 to y67, perhaps z0 to z67; or a folder with a .npy file per image ([68, 2] or [68, 3])
            or video ([frames, 68, 3]), called like it; None for the folder Landmarks in the root, if it is
            there.
        folds: How people are split: a column that names the folds, or a number of folds; all folds share one
            store.
        first_frame: Number of a video's first frame, 0 or 1, in the tables of frames and of landmarks; may be
            left out where a row of each has frame 0.
        threshold: Least intensity that counts as present, for action units with AU12_r and no AU12_c.
        persons: Global person ids to keep; None for all.
        follow_links: Whether links to files and folders are followed wherever they lead.

    Attributes:
        dealt: Everybody in the table by folds; None without `folds`.

    Raises:
        CorpusError: The root or the table is missing, or a row is wrong; with its number and what to do.
        ConfigError: The table cannot be split by `folds`.

    Example:
        >>> corpus = Table("faces", "frames.csv", landmarks="landmarks.csv")  # doctest: +SKIP
        >>> corpus.table.attributes  # doctest: +SKIP
        ('light', 'path')
    """

    name, corpus_title, example = "table", "Table", "frames.csv"

    def __init__(
        self,
        root: str | Path,
        table: str | Path | None = None,
        landmarks: str | Path | None = None,
        folds: str | int | None = None,
        first_frame: Literal[0, 1] | None = None,
        threshold: int = 2,
        persons: Sequence[str] | None = None,
        follow_links: bool = False,
    ) -> None:
        self.table_path = _table_path(Path(root), table)
        self.namespace = self.table_path.stem.replace("/", "-")
        self.folds = folds
        self.dealt: Deal | None = None
        self._first_frame, self.first_frame_is_said = first_frame, first_frame is not None
        self.threshold = threshold
        self.options = f"threshold={threshold} first_frame={first_frame} people={self.namespace}"
        super().__init__(root, landmarks, persons, follow_links)

    @property
    def notes_so_far(self) -> list[str]:
        """What was tolerated and derived, and the folds."""
        return [*super().notes_so_far, *([] if self.dealt is None else self.dealt.words())]

    @property
    def notes(self) -> list[str]:
        """What was tolerated and derived."""
        _ = self.table
        return super().notes_so_far

    def _read_list(self) -> pd.DataFrame:
        columns = read_columns(self.table_path)
        meaning = understand(self.table_path, columns)
        rows_read = len(next(iter(columns.values())).codes)
        if rows_read == SPREADSHEET_ROWS - 1 and self.table_path.suffix == ".csv":
            meaning.notes.append(
                f"the table has {rows_read:,} rows, as many as spreadsheets hold: what was behind them is "
                "lost where one wrote it"
            )
        rows = read_rows(self.table_path, meaning, str(self.namespace), self.genders)
        if not all(composed(text) == text for text in meaning.known["person"].texts):
            self.options += " ids=NFC"  # a store of an earlier version has them as they were written
        self.first_frame = self._count_from(rows)
        self._derive(rows, meaning)
        self.label_columns = {"table": tuple(meaning.labels)} if meaning.labels else {}
        if not meaning.labels:
            meaning.notes.append("no labels: neither AU12_c nor AU12_r nor of any other action unit")
        self._layout_notes += meaning.notes
        if self.folds is not None:
            self.dealt = deal(rows, self.folds, self.table_path)
        return rows

    def _count_from(self, rows: pd.DataFrame) -> int:
        """Number of a video's first frame."""
        frames = rows["frame"][rows["is_video"]]
        if frames.empty:
            return 0
        if self._first_frame is None and frames.min() > 0:
            raise CorpusError(
                f"{self.table_path}: no row has frame 0 of a video, so that frames may be counted from 0 or "
                "from 1; say which: --first-frame 0 or 1, or data.first_frame in an experiment"
            )
        first = self._first_frame or 0
        if frames.min() < first:
            video = rows["path"].to_numpy()[rows["is_video"]][frames.argmin()]
            raise CorpusError(
                f"{self.table_path}: {video} has a frame {int(frames.min())}, but frames are to be counted "
                f"from {first}; correct first_frame"
            )
        return first

    def _derive(self, rows: pd.DataFrame, meaning: Meaning) -> None:
        """Add the occurrence of action units that have an intensity alone."""
        derived = []
        for name in [name for name in meaning.labels if name.endswith("_r")]:
            au = int(name[2:4])
            if (occurrence := occurrence_column(au)) not in meaning.labels:
                levels = rows[name]
                rows[occurrence] = (levels >= self.threshold).astype(np.float32).where(levels.notna())
                meaning.labels[occurrence] = meaning.labels[name]
                derived.append(str(au))
        if derived:
            meaning.notes.append(
                f"AU {' '.join(derived)}: present from intensity {self.threshold} on, since the table has no "
                "occurrence of it"
            )

    def _stamps(self) -> dict[str, str]:
        return {**super()._stamps(), "table": file_stamp(self.table_path, content=True)}


def _table_path(root: Path, named: str | Path | None) -> Path:
    if named is not None:
        path = Path(named)
        if path.is_file():
            return path
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise CorpusError(f"{path}: no such table{where}; give the file's path (--table, or data.table)")
    there = [root / name for name in TABLES if (root / name).is_file()]
    if len(there) != 1:
        what = f"both {' and '.join(TABLES)}" if there else f"no {' or '.join(TABLES)}"
        raise CorpusError(f"{root}: holds {what}; name the table (--table FILE, or data.table=FILE)")
    return there[0]
