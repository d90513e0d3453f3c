"""A table whose rows are statistics and whose cells show intervals; for fairness and for differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aukit.reproduce.render.table import Column, Table, draw_points
from aukit.utils.figure import finish_rows

NOT_SIGNIFICANT = "n.s."


@dataclass(frozen=True)
class StatisticsTable(Table):
    """Rows are statistics of different kinds, so there is no mean over them.

    Attributes:
        signed: The values are differences, printed with their sign.
        judged: Those whose interval holds 0 are called not significant (n.s.).

    Example:
        >>> column = Column("mcd", "MCD", "MCD minus source only", "comparison", {"F1": 0.1}, None)
        >>> column.au_intervals["F1"] = (-0.1, 0.2)
        >>> StatisticsTable("Differences", ["F1"], [column], None, [], signed=True, judged=True).cells()[1]
        ['F1', '+0.100 [-0.100, +0.200] n.s.']
    """

    signed: bool = False
    judged: bool = False

    @property
    def shown(self) -> list[Column]:
        """All columns: what was not run says so in its cells."""
        return self.columns

    def missing(self) -> list[str]:
        """Nothing: the cells say it."""
        return []

    def cells(self) -> list[list[str]]:
        """A heading, then one row per statistic with value and interval in each cell."""
        headings = ["", *(column.short for column in self.columns)]
        return [
            headings,
            *([row, *(self._cell(column, row) for column in self.columns)] for row in self.rows),
        ]

    def footer(self) -> list[list[str]]:
        """Nothing: the rows have no common mean."""
        return []

    def csv_rows(self) -> list[list[Any]]:
        """As of any table, without the rows of a mean."""
        return [row for row in super().csv_rows() if row[2] in self.rows]

    def draw(self, axes: Any, colors: Mapping[str, str]) -> None:
        """Points with intervals, a group per statistic; what others printed stands in the table alone."""
        shown = [column for column in self.columns if column.kind not in ("missing", "published")]
        rows = [row for row in self.rows if any(column.at(row)[0] is not None for column in shown)]
        draw_points(axes, shown, rows, colors, rows[0] if rows else "")
        finish_rows(axes, self.title, rows, rotation=25, ha="right", fontsize=8)

    def _cell(self, column: Column, row: str) -> str:
        if column.kind == "missing":
            return column.note
        value, span = column.at(row)
        if value is None or value != value:
            return "–"
        form = "{:+.3f}" if self.signed else "{:.3f}"
        text = form.format(value)
        if span is not None and span[0] == span[0]:
            text += f" [{form.format(span[0])}, {form.format(span[1])}]"
            if self.judged and not is_significant(span):
                text += f" {NOT_SIGNIFICANT}"
        return text


def is_significant(span: tuple[float, float]) -> bool:
    """Whether an interval of a difference leaves out 0."""
    return span[0] > 0 or span[1] < 0
