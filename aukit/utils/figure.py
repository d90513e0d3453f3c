"""Figures of matplotlib, as PNG or SVG: no window, no global state."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from typing import Any


def new_figure(width: float, height: float, title: str | None = None, fontsize: float = 11) -> Any:
    """Empty figure, its size in inches; long titles are broken."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(literal(textwrap.fill(title, 100, break_on_hyphens=False)), fontsize=fontsize)
    return figure


def literal(text: str) -> str:
    r"""A user's text as figures show it letter by letter.

    Matplotlib takes what is between dollars for a formula, and leaves a name with ``_`` before it out of a
    legend.

    Example:
        >>> literal("$30k-$50k"), literal("_x")
        ('\\$30k-\\$50k', ' _x')
    """
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def png(figure: Any, description: str | None = None) -> bytes:
    """The figure as PNG, perhaps with a description in its metadata."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Description": description} if description else None)
    return out.getvalue()


def svg(figure: Any) -> str:
    """The figure as an SVG element: letters as outlines, no date, no random names."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "aukit"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def legend_beside(axes: Any, fontsize: float = 7.5) -> None:
    """Legend to the right of the axes; none where nothing was scored."""
    if not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(fontsize=fontsize, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def finish_rows(axes: Any, title: str, rows: Sequence[str], **tick_style: Any) -> None:
    """Title, broken where it is long, a line at 0, a tick per row of the table and the legend."""
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.set_xticks(range(len(rows)), rows, **tick_style)
    axes.set_title(literal(textwrap.fill(title, 95, break_on_hyphens=False)), fontsize=11)
    legend_beside(axes)
