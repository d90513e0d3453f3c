"""The scored people in several views (Figure 5): their predictions, and what the columns are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from aukit.reproduce.niinuma2021.cells import FRONTAL_VIEW, ColumnOf
from aukit.reproduce.options import TableOptions
from aukit.reproduce.render.table import Heading
from aukit.utils.files import atomic_path


def of_view(predictions: Path, view: int) -> Path:
    """The predictions of one view in a file of its own, which is written where it is missing.

    Args:
        predictions: Parquet file of several views, with a column ``view``.
        view: Which one.
    """
    path = predictions.with_stem(f"{predictions.stem}-{view}")
    if not path.exists():
        frame = pd.read_parquet(predictions)
        with atomic_path(path) as temporary:
            frame[frame["view"].astype(int) == view].reset_index(drop=True).to_parquet(temporary)
    return path


def view_column(column: ColumnOf, view: int, options: TableOptions) -> ColumnOf:
    """The column of a view, with the head's pose in its label where we have rendered it."""
    label = f"view {view}" + (", the frontal one" if view == FRONTAL_VIEW else "")
    if options.data_origin == "standin":
        from aukit.simulation import FERA2017SimulationConfig

        pitch, yaw = FERA2017SimulationConfig.view_poses[view]
        label += f": pitch {pitch:g}°, yaw {yaw:g}°"
    heading = Heading(f"{column.heading.id}_view{view}", f"view {view}", label, column.heading.kind)
    return replace(column, heading=heading)
