"""Tables for a terminal, and numbers and lists in sentences."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], bars: Collection[int] = ()) -> list[str]:
    """Rows of a table as lines of equal columns: the first flush left, the others flush right.

    Args:
        rows: Cells of each row; equally many.
        bars: Columns with a bar before them.

    Example:
        >>> aligned([["", "F1"], ["AU12", "0.7"]])
        ['       F1', 'AU12  0.7']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0])]
        for index, cell in enumerate(row[1:], start=1):
            cells.append(("| " if index in bars else "") + cell.rjust(widths[index]))
        return "  ".join(cells).rstrip()

    return [line(row) for row in rows]


def listing(items: Collection[str]) -> str:
    """Items as a sentence names them; nothing of none.

    Example:
        >>> listing(["DISFA"]), listing(["BP4D", "DISFA"]), listing(["BP4D", "DISFA", "GFT"])
        ('DISFA', 'BP4D and DISFA', 'BP4D, DISFA and GFT')
    """
    *first, last = items or ("",)
    return f"{', '.join(first)} and {last}" if first else last


def number(value: float | None, form: str = ".3f") -> str:
    """A value as tables show it; a dash where there is none, or it is NaN."""
    return "–" if value is None or math.isnan(value) else format(value, form)
