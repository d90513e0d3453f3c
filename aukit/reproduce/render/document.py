"""What is written in every format: text, Markdown, LaTeX, CSV, JSON and a picture."""

from __future__ import annotations

import csv
import io
import json
import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aukit.utils.files import write_atomic


@dataclass(frozen=True)
class Document(ABC):
    """Base of tables and reports."""

    @abstractmethod
    def to_text(self) -> str:
        """Fixed-width text for a terminal, with legend and caption."""

    @abstractmethod
    def to_markdown(self) -> str:
        """Markdown with legend and caption."""

    @abstractmethod
    def to_latex(self) -> str:
        """LaTeX, with the caption."""

    @abstractmethod
    def to_csv(self) -> str:
        """One row per column and row of the table."""

    @abstractmethod
    def to_png(self) -> bytes:
        """A picture."""

    def to_json(self) -> str:
        """Everything, for programs; what is not finite becomes null."""
        return json.dumps(plain(asdict(self)), indent=1) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``table.{txt,md,tex,csv,png,json}`` into `folder`, each atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, text in (
            ("txt", self.to_text()),
            ("md", self.to_markdown()),
            ("tex", self.to_latex()),
            ("csv", self.to_csv()),
        ):
            write_atomic(folder / f"table.{suffix}", text.encode())
        write_atomic(folder / "table.png", self.to_png())
        write_atomic(folder / "table.json", self.to_json().encode())  # says that the table is complete


def csv_text(rows: list[list[Any]]) -> str:
    """Rows as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def plain(value: Any) -> Any:
    """A value as JSON has it; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
