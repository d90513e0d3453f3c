"""A table of results: scores per action unit as text, CSV, Markdown, LaTeX, JSON and a picture."""

import csv
import io
import json
import math
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aukit.files import write_atomic


@dataclass(frozen=True)
class Column:
    """One column: a published method, one of ours, a comparison or a control.

    Attributes:
        id: Stable name, used by programs.
        short: Heading of the text table, at most 8 characters.
        label: Full name, printed in the legend.
        kind: ``published``, ``ours``, ``comparison`` or ``control``.
        values: Score per action unit, ``"AU1"`` → value; None where not scored.
        mean: Mean over the action units that have a value; None without any.
        interval: 95 % interval of the mean over people; None for published columns.
        au_intervals: The same per action unit.
        support: Frames that each score rests on; empty for published columns.
        note: Why a column has no score, or what to know when reading it.
        extra: Figures that explain the column (final training loss, other decoding, seconds, run identities).
    """

    id: str
    short: str
    label: str
    kind: str
    values: dict[str, float | None]
    mean: float | None
    interval: tuple[float, float] | None = None
    au_intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    support: dict[str, int] = field(default_factory=dict)
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table and everything that must stand beside it.

    Attributes:
        title: Heading.
        rows: Action units in printing order, ``"AU1"`` …
        columns: In printing order.
        ceiling: Agreement of two simulated coders per row and ``"mean"``; None on a licensed corpus.
        caption: Sentences below the table.
        provenance: Commit, configuration hashes, recipe, seeds, versions, seconds per stage.
    """

    title: str
    rows: list[str]
    columns: list[Column]
    ceiling: dict[str, float] | None
    caption: list[str]
    provenance: dict[str, Any]

    def cells(self) -> list[list[str]]:
        """The table as strings: a heading, one row per action unit, the mean and its interval."""
        headings = ["", *(column.short for column in self.columns)]
        body = [[row, *(_number(column.values.get(row)) for column in self.columns)] for row in self.rows]
        mean = ["mean", *(_number(column.mean) for column in self.columns)]
        low = [
            "95 % from",
            *(_number(column.interval[0]) if column.interval else "" for column in self.columns),
        ]
        high = ["to", *(_number(column.interval[1]) if column.interval else "" for column in self.columns)]
        if self.ceiling is not None:
            headings.append("ceiling")
            for row in body:
                row.append(_number(self.ceiling.get(row[0])))
            mean.append(_number(self.ceiling.get("mean")))
            low.append("")
            high.append("")
        return [headings, *body, mean, low, high]

    def to_text(self) -> str:
        """Fixed-width text for a terminal, with legend and caption."""
        cells = self.cells()
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        breaks = {i for i in range(1, len(self.columns)) if self.columns[i].kind != self.columns[i - 1].kind}

        def line(row: list[str]) -> str:
            parts = [row[0].ljust(widths[0])]
            for i, cell in enumerate(row[1:], start=1):
                parts.append(
                    ("| " if i - 1 in breaks or i > len(self.columns) else "") + cell.rjust(widths[i])
                )
            return "  ".join(parts).rstrip()

        rule = "-" * len(line(["x" * w for w in widths]))
        lines = [self.title, rule, line(cells[0]), rule, *(line(row) for row in cells[1:-3]), rule]
        lines += [line(row) for row in cells[-3:]] + [rule]
        lines += [f"{c.short:>8}  {c.label}" + (f" [{c.note}]" if c.note else "") for c in self.columns]
        if self.ceiling is not None:
            lines.append(f"{'ceiling':>8}  agreement of two simulated coders of the same frames")
        caption = [textwrap.fill(sentence, len(rule)) for sentence in self.caption]
        return "\n".join([*lines, "", *caption, ""])

    def to_markdown(self) -> str:
        """Markdown with legend and caption."""
        cells = self.cells()
        rows = ["| " + " | ".join(row) + " |" for row in cells]
        rows.insert(1, "|---|" + "---:|" * (len(cells[0]) - 1))
        legend = [f"- **{c.short}**: {c.label}" + (f" ({c.note})" if c.note else "") for c in self.columns]
        return "\n".join([f"## {self.title}", "", *rows, "", *legend, "", *self.caption, ""])

    def to_latex(self) -> str:
        """A LaTeX ``tabular`` in a table environment, with the caption."""
        cells = [[_tex(cell) for cell in row] for row in self.cells()]
        body = [" & ".join(row) + r" \\" for row in cells]
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\begin{{tabular}}{{l{'r' * (len(cells[0]) - 1)}}}",
            r"\hline",
            body[0],
            r"\hline",
            *body[1:-3],
            r"\hline",
            *body[-3:],
            r"\hline",
            r"\end{tabular}",
            r"\caption{" + _tex(" ".join([self.title + ".", *self.caption])) + "}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """One row per column and action unit: id, kind, row, value, low, high, frames."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", "kind", "row", "value", "low", "high", "frames"])
        for c in self.columns:
            for row in self.rows:
                low, high = c.au_intervals.get(row, ("", ""))
                writer.writerow(
                    [c.id, c.kind, row, _blank(c.values.get(row)), low, high, c.support.get(row, "")]
                )
            low, high = c.interval or ("", "")
            writer.writerow([c.id, c.kind, "mean", _blank(c.mean), low, high, ""])
        return out.getvalue()

    def to_json(self) -> str:
        """Everything, for programs; no NaN inside."""
        return json.dumps(_plain(asdict(self)), indent=1) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``table.{txt,md,tex,csv,json,png}`` into `folder`, each atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        writers: dict[str, Callable[[], str]] = {
            "txt": self.to_text,
            "md": self.to_markdown,
            "tex": self.to_latex,
            "csv": self.to_csv,
            "json": self.to_json,
        }
        for suffix, make in writers.items():
            write_atomic(folder / f"table.{suffix}", make().encode())
        write_atomic(folder / "table.png", self.to_png())

    def to_png(self) -> bytes:
        """Our scores as points with intervals, published ones as ticks, the ceiling as a line."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rows = [*self.rows, "mean"]
        figure = Figure(figsize=(11, 5.2), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        trained = [c for c in self.columns if c.kind != "published"]
        styles = {"ours": "o", "comparison": "s", "control": "x"}
        for k, column in enumerate(trained):
            shift = (k - (len(trained) - 1) / 2) * 0.11
            for i, row in enumerate(rows):
                value = column.mean if row == "mean" else column.values.get(row)
                if value is None:
                    continue
                span = column.interval if row == "mean" else column.au_intervals.get(row)
                if span:
                    axes.plot([i + shift] * 2, list(span), color=f"C{k}", lw=1.2)
                axes.plot(
                    i + shift,
                    value,
                    styles[column.kind],
                    color=f"C{k}",
                    ms=5,
                    label=column.label if row == "mean" else None,
                )
        published = [c for c in self.columns if c.kind == "published"]
        for i, row in enumerate(rows):
            values = [c.mean if row == "mean" else c.values.get(row) for c in published]
            axes.plot(
                [i - 0.42] * len(values),
                [v for v in values if v is not None],
                "_",
                color="0.55",
                ms=8,
                label="published (FERA 2017 Test)" if i == 0 else None,
            )
            if self.ceiling and row in self.ceiling:
                axes.plot(
                    [i - 0.4, i + 0.4],
                    [self.ceiling[row]] * 2,
                    color="k",
                    lw=1,
                    ls=":",
                    label="coder ceiling" if i == 0 else None,
                )
        axes.axhline(0, color="0.8", lw=0.8, zorder=0)
        axes.set_xticks(range(len(rows)), rows)
        axes.set_ylabel("ICC(3,1)")
        axes.set_title(self.title, fontsize=11)
        axes.legend(fontsize=7.5, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        out = io.BytesIO()
        figure.savefig(out, format="png")
        return out.getvalue()


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def _blank(value: float | None) -> float | str:
    return "" if value is None or math.isnan(value) else value


def _tex(text: str) -> str:
    for sign, tex in (
        ("\\", r"\textbackslash{}"),
        ("&", r"\&"),
        ("%", r"\%"),
        ("_", r"\_"),
        ("#", r"\#"),
        ("λ", r"$\lambda$"),
        ("≤", r"$\leq$"),
        ("→", r"$\rightarrow$"),
        ("×", r"$\times$"),
        ("±", r"$\pm$"),
        ("–", "--"),
    ):
        text = text.replace(sign, tex)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
