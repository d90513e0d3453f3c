"""Several tables that belong together, written like one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aukit.reproduce.render.document import Document, csv_text
from aukit.reproduce.render.table import CSV_HEADING, Table, draw_below

_WIDTH = 120


@dataclass(frozen=True)
class Report(Document):
    """Tables with a title and a caption of all of them.

    Attributes:
        title: Heading.
        tables: Id → table, in printing order; the captions of the tables say what is special about each.
        caption: Sentences below the last table.
        provenance: As of a `Table`.

    Example:
        >>> Report("Two tables", {}, ["What they show."], {}).to_text().splitlines()
        ['Two tables', '', 'What they show.']
    """

    title: str
    tables: Mapping[str, Table]
    caption: list[str]
    provenance: dict[str, Any]

    def to_text(self) -> str:
        """Fixed-width text for a terminal."""
        caption = [textwrap.fill(sentence, _WIDTH) for sentence in self.caption]
        return "\n".join([self.title, "", *(t.to_text() for t in self.tables.values()), *caption, ""])

    def to_markdown(self) -> str:
        """Markdown, a heading per table."""
        tables = [table.to_markdown().replace("## ", "### ", 1) for table in self.tables.values()]
        return "\n".join([f"## {self.title}", "", *tables, *self.caption, ""])

    def to_latex(self) -> str:
        """A LaTeX table environment per table, with the caption of all as comments before them."""
        comment = [f"% {sentence}" for sentence in [self.title, *self.caption]]
        return "\n".join([*comment, *(table.to_latex() for table in self.tables.values())])

    def to_csv(self) -> str:
        """One row per table, column and action unit."""
        rows = [[name, *row] for name, table in self.tables.items() for row in table.csv_rows()]
        return csv_text([["table", *CSV_HEADING], *rows])

    def to_png(self) -> bytes:
        """The tables, one below the other."""
        return draw_below(list(self.tables.values()), self.title)
