"""A table of results: scores per action unit as text, CSV, Markdown, LaTeX, JSON and a picture."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aukit.reproduce.basis import Basis
from aukit.reproduce.render.document import Document, csv_text
from aukit.utils.figure import finish_rows, new_figure, png
from aukit.utils.text import aligned, number

CSV_HEADING = ["id", "kind", "row", "value", "low", "high", "frames"]

MARGIN_ROW = "over all pos."

UPPER_BOUND, BEYOND = "upper_bound", "beyond"

_STYLES = {"ours": "o", "comparison": "s", "control": "x", UPPER_BOUND: "^", BEYOND: "D"}  # of what we train


class Heading(NamedTuple):
    """What a column is called.

    Attributes:
        id: Stable name, used by programs.
        short: Heading of the text table, at most 8 characters.
        label: Full name, printed in the legend.
        kind: ``published``, ``ours``, ``comparison``, ``control``, ``upper_bound`` (trained on what methods
            must do without), ``beyond`` (what the paper does not have), ``all_positive`` (the baseline that
            calls every frame positive and sees no image) or ``missing`` (not run; named below the grid, with
            the reason as its note).

    Example:
        >>> Heading.of({"id": "pm2", "short": "PM2", "label": "PM2", "kind": "ours"}).kind
        'ours'
    """

    id: str
    short: str
    label: str
    kind: str

    @classmethod
    def of(cls, entry: Mapping[str, Any], kind: str = "comparison") -> Heading:
        """Heading of an entry of a table's YAML file; `kind` where the entry has none."""
        return cls(entry["id"], entry["short"], entry["label"], entry.get("kind", kind))


ALL_POSITIVE = Heading("all_positive", "all pos.", "every frame called positive", "all_positive")


@dataclass(frozen=True)
class Column:
    """One column: a published method, one of ours, a comparison, a control or a baseline.

    Attributes:
        id: As of its `Heading`; so are `short`, `label` and `kind`.
        values: Score per action unit, ``"AU1"`` → value; None where not scored.
        mean: Mean over the action units that have a value; None without any.
        interval: 95 % interval of the mean over people; None for published columns.
        au_intervals: The same per action unit.
        support: Frames that each score rests on; empty for published columns.
        note: Why a column has no score, or what to know when reading it.
        extra: Figures that explain the column (final training loss, other decoding, seconds, run identities).
        margin: Mean minus that of the all-positive baseline, and its 95 % interval, on the same people; None
            without a baseline.
        basis: What it is computed from; None for published columns and those without a score.

    Example:
        >>> Column(*ALL_POSITIVE, values={"AU1": 0.4}, mean=0.4).short
        'all pos.'
    """

    id: str
    short: str
    label: str
    kind: str
    values: Mapping[str, float | None]
    mean: float | None
    interval: tuple[float, float] | None = None
    au_intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    support: dict[str, int] = field(default_factory=dict)
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    margin: tuple[float, float, float] | None = None
    basis: Basis | None = None

    def at(self, row: str) -> tuple[float | None, tuple[float, float] | None]:
        """Value and interval of an action unit, or of ``"mean"``."""
        if row == "mean":
            return self.mean, self.interval
        return self.values.get(row), self.au_intervals.get(row)

    @classmethod
    def missing(cls, heading: Heading, note: str, rows: Iterable[str] = ()) -> Column:
        """Column of what was not run, and why."""
        return cls(*heading._replace(kind="missing"), values=dict.fromkeys(rows), mean=None, note=note)


@dataclass(frozen=True)
class Table(Document):
    """A table and everything that must stand beside it.

    Attributes:
        title: Heading.
        rows: Action units in printing order, ``"AU1"`` …
        columns: In printing order.
        agreement: Inter-rater agreement of two simulated annotators per row and ``"mean"``; None on a
            licensed corpus.
        caption: Sentences below the table.
        provenance: Commit, configuration hashes, recipe, seeds, versions, seconds per stage.
        score: Name of the score, for the picture.
        support: What the scores of a row rest on, e.g. ``"312/1,720"`` frames; None to leave that to CSV and
            JSON.

    Example:
        >>> column = Column(*ALL_POSITIVE, values={"AU1": 0.4}, mean=0.4)
        >>> Table("Occurrence", ["AU1"], [column], None, []).cells()[:2]
        [['', 'all pos.'], ['AU1', '0.400']]
    """

    title: str
    rows: list[str]
    columns: list[Column]
    agreement: dict[str, float] | None
    caption: list[str]
    provenance: dict[str, Any] = field(default_factory=dict)
    score: str = "ICC(3,1)"
    support: dict[str, str] | None = None

    @property
    def shown(self) -> list[Column]:
        """Columns of the grid."""
        return [column for column in self.columns if column.kind != "missing"]

    def missing(self) -> list[str]:
        """A sentence per reason why columns are not there, naming them."""
        notes = dict.fromkeys(column.note for column in self.columns if column.kind == "missing")
        return [
            f"{note[0].upper()}{note[1:]}: {', '.join(c.label for c in self.columns if c.note == note)}."
            for note in notes
        ]

    def cells(self) -> list[list[str]]:
        """The table as strings: a heading, one row per action unit, then the rows of `footer`."""
        headings = ["", *(column.short for column in self.shown)]
        body = [[row, *(number(column.values.get(row)) for column in self.shown)] for row in self.rows]
        if self.agreement is not None:
            headings.append("raters")
            for row in body:
                row.append(number(self.agreement.get(row[0])))
        if self.support is not None:
            headings.append("present")
            for row in body:
                row.append(self.support[row[0]])
        return [headings, *body, *self.footer()]

    def footer(self) -> list[list[str]]:
        """Rows of the mean and its interval; beside an all-positive baseline, of the mean minus its mean."""
        rows = [
            ["mean", *(number(column.mean) for column in self.shown)],
            ["95 % from", *(_end(column.interval, 0) for column in self.shown)],
            ["to", *(_end(column.interval, 1) for column in self.shown)],
        ]
        if any(column.margin for column in self.shown):
            rows += [
                [name, *(_end(column.margin, i) for column in self.shown)]
                for i, name in enumerate((MARGIN_ROW, "95 % from", "to"))
            ]
        if self.agreement is not None:
            for row in rows:
                row.append(number(self.agreement.get("mean")) if row[0] == "mean" else "")
        return [[*row, ""] for row in rows] if self.support is not None else rows

    def to_text(self) -> str:
        """Fixed-width text for a terminal, with legend and caption."""
        cells = self.cells()
        kinds = [column.kind for column in self.shown]
        bars = {i + 1 for i in range(1, len(kinds)) if kinds[i] != kinds[i - 1]}
        grid = aligned(cells, bars | set(range(len(kinds) + 1, len(cells[0]))))
        rule = "-" * max(map(len, grid))
        foot = 1 + len(self.rows)
        lines = [self.title, rule, grid[0], rule, *grid[1:foot], rule]
        if foot < len(cells):
            lines += [*grid[foot:], rule]
        lines += [f"{c.short:>8}  {c.label}" + (f" [{c.note}]" if c.note else "") for c in self.shown]
        if self.agreement is not None:
            lines.append(f"{'raters':>8}  agreement of two simulated annotators of the same frames")
        if self.support is not None:
            lines.append(f"{'present':>8}  frames in which it is present, of all that are coded")
        sentences = [*self.missing(), *self.caption]
        caption = [textwrap.fill(sentence, max(len(rule), 100)) for sentence in sentences]
        return "\n".join([*lines, "", *caption, ""])

    def to_markdown(self) -> str:
        """Markdown with legend and caption."""
        cells = self.cells()
        rows = ["| " + " | ".join(row) + " |" for row in cells]
        rows.insert(1, "|---|" + "---:|" * (len(cells[0]) - 1))
        legend = [f"- **{c.short}**: {c.label}" + (f" ({c.note})" if c.note else "") for c in self.shown]
        sentences = [*self.missing(), *self.caption]
        return "\n".join([f"## {self.title}", "", *rows, "", *legend, "", *sentences, ""])

    def to_latex(self) -> str:
        """A LaTeX ``tabular`` in a table environment, with the caption."""
        cells = [[_tex(cell) for cell in row] for row in self.cells()]
        body = [" & ".join(row) + r" \\" for row in cells]
        foot = 1 + len(self.rows)
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\begin{{tabular}}{{l{'r' * (len(cells[0]) - 1)}}}",
            r"\hline",
            body[0],
            r"\hline",
            *body[1:foot],
            r"\hline",
            *([*body[foot:], r"\hline"] if foot < len(body) else []),
            r"\end{tabular}",
            r"\caption{" + _tex(" ".join([f"{self.title}.", *self.missing(), *self.caption])) + "}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """One row per column and action unit: id, kind, row, value, low, high, frames."""
        return csv_text([CSV_HEADING, *self.csv_rows()])

    def csv_rows(self) -> list[list[Any]]:
        """Rows of `CSV_HEADING`, undefined values blank."""
        rows: list[list[Any]] = []
        for c in self.columns:
            for row in self.rows:
                span = c.au_intervals.get(row) or (None, None)
                rows.append([c.id, c.kind, row, _blank(c.values.get(row)), *map(_blank, span)])
                rows[-1].append(c.support.get(row, ""))
            rows.append([c.id, c.kind, "mean", _blank(c.mean), *map(_blank, c.interval or (None, None)), ""])
            if c.margin:
                rows.append([c.id, c.kind, MARGIN_ROW, *map(_blank, c.margin), ""])
        return rows

    def to_png(self) -> bytes:
        """The table as `draw` shows it."""
        return draw_below([self])

    def draw(self, axes: Any, colors: Mapping[str, str]) -> None:
        """Ours as points with intervals, published scores and the baseline as ticks, agreement as a line.

        Args:
            axes: Where to.
            colors: Column → colour.
        """
        rows = [*self.rows, "mean"]
        draw_points(axes, [c for c in self.columns if c.kind in _STYLES], rows, colors, "mean")
        for kind, shade in (("published", "0.55"), ("all_positive", "tab:red")):
            columns = [c for c in self.columns if c.kind == kind]
            for i, row in enumerate(rows):
                known = [v for v in (c.at(row)[0] for c in columns) if v is not None]
                name = columns[0].label if kind == "all_positive" and columns else kind
                label = name if columns and i == 0 else None
                axes.plot([i - 0.42] * len(known), known, "_", color=shade, ms=8, label=label)
        for i, row in enumerate(rows):
            if self.agreement and row in self.agreement:
                label = "inter-rater agreement" if i == 0 else None
                level = [self.agreement[row]] * 2
                axes.plot([i - 0.4, i + 0.4], level, color="k", lw=1, ls=":", label=label)
        axes.set_ylabel(self.score)
        finish_rows(axes, self.title, rows)


def draw_points(
    axes: Any, columns: Sequence[Column], rows: Sequence[str], colors: Mapping[str, str], labelled: str
) -> None:
    """Points with intervals side by side, a group per row; the legend names those of the row `labelled`."""
    step = 0.7 / max(len(columns), 6)
    for k, column in enumerate(columns):
        for i, row in enumerate(rows):
            x, (value, span) = i + (k - (len(columns) - 1) / 2) * step, column.at(row)
            if value is None or math.isnan(value):
                continue
            if span:
                axes.plot([x, x], list(span), color=colors[column.id], lw=1.2)
            label = column.label if row == labelled else None
            axes.plot(x, value, _STYLES[column.kind], color=colors[column.id], ms=5, label=label)


def draw_below(tables: Sequence[Table], title: str | None = None) -> bytes:
    """PNG of tables, one below the other, perhaps under a title."""
    figure = new_figure(11, 5.2 * len(tables), title)
    drawn = dict.fromkeys(column.id for table in tables for column in table.columns if column.kind in _STYLES)
    colors = {id: f"C{k}" for k, id in enumerate(drawn)}
    for place, table in enumerate(tables, start=1):
        table.draw(figure.add_subplot(len(tables), 1, place), colors)
    return png(figure)


def _end(span: tuple[float, ...] | None, index: int) -> str:
    return number(span[index]) if span else ""


def _blank(value: float | None) -> float | str:
    return "" if value is None or math.isnan(value) else value


_TEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "β": r"$\beta$",
        "λ": r"$\lambda$",
        "µ": r"$\mu$",
        "ρ": r"$\rho$",
        "σ": r"$\sigma$",
        "Σ": r"$\Sigma$",
        "≤": r"$\leq$",
        "→": r"$\rightarrow$",
        "×": r"$\times$",
        "±": r"$\pm$",
        "·": r"$\cdot$",
        "°": r"$^\circ$",
        "−": "$-$",
        "–": "--",
    }
)
"""Signs that LaTeX takes for a command, or does not know without further packages."""


def _tex(text: str) -> str:
    return text.translate(_TEX)
