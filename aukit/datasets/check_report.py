"""The report of `aukit corpora check`: what was found beside what is published, on one screen."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from aukit.datasets.label_files import NOT_CODED
from aukit.facs import letter_from_intensity


@dataclass(frozen=True)
class Counts:
    """Published counts of a partition; None for what is not published.

    Example:
        >>> Counts(people=27, female=12, male=15).videos is None
        True
    """

    people: int
    female: int | None = None
    male: int | None = None
    videos: int | None = None
    label_rows: int | None = None


@dataclass(frozen=True)
class Published:
    """What is published of a corpus, to see whether a release is read rightly (`verify_release`).

    Attributes:
        partitions: Counts by partition, in the order of the report.
        rates: Share of frames in which each AU is present, by name of the report's column.
        total: Counts of the whole corpus.
        rates_of: Column of `rates` that a partition should have; without one its rates are only shown.

    Example:
        >>> from aukit.datasets.bp4d import PUBLISHED
        >>> PUBLISHED.partitions["P1"].people, round(PUBLISHED.rates["list P1"][12], 3)
        (14, 0.559)
    """

    partitions: dict[str, Counts]
    rates: dict[str, dict[int, float]]
    total: Counts | None = None
    rates_of: dict[str, str] = field(default_factory=dict)


@dataclass
class PartitionReport:
    """What was found of one partition; where views share label files, rows and codes count once.

    The keys of the code counts are the codes; 9 also stands for an AU without file or column. Of
    `read_label_rows`, the label rows of each video that is read, `rows` have a usable frame.
    """

    people: int = 0
    female: int = 0
    male: int = 0
    gender_unknown: int = 0
    recordings: int = 0
    unlabelled_recordings: int = 0
    label_rows: int = 0
    videos_per_view: dict[int, int] = field(default_factory=dict)
    read_label_rows: int = 0
    rows: int = 0
    labelled_frames: int = 0
    occurrence_codes: dict[str, dict[int, int]] = field(default_factory=dict)
    intensity_codes: dict[str, dict[int, int]] = field(default_factory=dict)
    exclusions: dict[str, int] = field(default_factory=dict)


@dataclass
class CheckReport:
    """Outcome of checking a release.

    Attributes:
        corpus: Name of the corpus.
        standin: Contents of ``STANDIN.json``, None for a licensed release.
        views: Views whose frames were counted.
        decoded: Whether frames were decoded; else nothing is known of what their videos and images hold.
        partitions: One report per partition that is found, or published and asked for.
        variants: Tolerated spellings of folders and files, with the number of files of each.
        problems: Files that could not be read; the reader would stop at these.
        findings: What is far from the published counts, or otherwise not as it should be.
        notes: What the reader tolerates and says so.
        published: What is published, without rates that mean something else; None where nothing is.

    Example:
        >>> from aukit.datasets.bp4d import BP4D, PUBLISHED
        >>> report = verify_release(BP4D("BP4D"), PUBLISHED)  # doctest: +SKIP
        >>> print(report.text())  # doctest: +SKIP
        bp4d: read without errors (no stand-in)
    """

    corpus: str
    standin: dict[str, Any] | None
    views: tuple[int, ...]
    decoded: bool
    partitions: dict[str, PartitionReport]
    variants: dict[str, int]
    problems: list[str]
    findings: list[str]
    notes: list[str]
    published: Published | None

    @property
    def ok(self) -> bool:
        """True if every file could be read."""
        return not self.problems

    def to_json(self) -> str:
        """The whole report as JSON, beside the published counts."""
        return json.dumps({**asdict(self), "ok": self.ok}, indent=2)

    def text(self) -> str:
        """The report for a terminal, about 40 lines."""
        origin = f"stand-in, recipe version {self.standin['version']}" if self.standin else "no stand-in"
        outcome = "read without errors" if self.ok else "HAS PROBLEMS"
        if self.findings:
            outcome += f", {len(self.findings)} findings"
        lines = [f"{self.corpus}: {outcome} ({origin})", ""]
        lines += [*self._people_lines(), "", *self._rate_lines(), "", *self._level_lines()]
        lines += ["", "files and layout variants:"]
        lines += [f"  {count:6d}  {name}" for name, count in sorted(self.variants.items())]
        for name, report in self.partitions.items():
            lines += [f"excluded in {name}: {count}x {reason}" for reason, count in report.exclusions.items()]
        if not self.decoded:
            lines.append("no frame was decoded: --deep decodes all, and counts those that are damaged")
        for title, texts in (
            ("note", self.notes),
            ("FINDING", self.findings),
            ("PROBLEM", self.problems),
        ):
            lines += [f"{title}: {text}" for text in shortened(texts, "see --json")]
        return "\n".join(lines)

    def _people_lines(self) -> list[str]:
        reports = list(self.partitions.items())
        lines = [f"{'':28s}" + "".join(f"{name:>20s}" for name, _ in reports)]

        def row(title: str, found: list[int], key: str | None = None) -> None:
            counts = self.published.partitions if self.published else {}
            published = [getattr(counts.get(name), key or "", None) for name, _ in reports]
            cells = [
                str(n) if key is None else f"{n} ({'?' if p is None else p})"
                for n, p in zip(found, published, strict=True)
            ]
            lines.append(f"{title:28s}" + "".join(f"{cell:>20s}" for cell in cells))

        for key in ("people", "female", "male"):
            row(f"{key} (published)", [getattr(r, key) for _, r in reports], key)
        row("people, gender unknown", [r.gender_unknown for _, r in reports])
        row("videos (published)", [sum(r.videos_per_view.values()) for _, r in reports], "videos")
        row("recordings", [r.recordings for _, r in reports])
        row("recordings without labels", [r.unlabelled_recordings for _, r in reports])
        row("label rows (published)", [r.label_rows for _, r in reports], "label_rows")
        title = "usable frames" if self.decoded else "labelled frames"
        row(f"{title}, view {','.join(map(str, self.views))}", [r.rows for _, r in reports])
        row("  with a code", [r.labelled_frames for _, r in reports])
        return lines

    def _rate_lines(self) -> list[str]:
        tables = [report.occurrence_codes for report in self.partitions.values()]
        columns = self.published.rates if self.published else {}
        title = "occurrence: share of coded rows"
        lines = [f"{title:34s}" + "".join(f"{name:>20s}" for name in self.partitions)]
        lines[0] += "".join(f"{name:>12s}" for name in columns)
        for au in sorted({au for table in tables for au in table}):
            cells = []
            for table in tables:
                counts = table.get(au, {})
                coded = counts.get(0, 0) + counts.get(1, 0)
                share = f"{counts.get(1, 0) / coded:.3f}" if coded else "-"
                cells.append(f"{share} ({counts.get(NOT_CODED, 0)} x 9)")
            rates = [
                f"{rates[int(au[2:])]:.3f}" if int(au[2:]) in rates else "-" for rates in columns.values()
            ]
            lines.append(
                f"  {au:32s}" + "".join(f"{c:>20s}" for c in cells) + "".join(f"{r:>12s}" for r in rates)
            )
        return lines

    def _level_lines(self) -> list[str]:
        tables = [report.intensity_codes for report in self.partitions.values()]
        lines = ["intensity codes: per cent of coded rows 0, A to E; of all rows 9"]
        for au in sorted({au for table in tables for au in table}):
            counts = sum((Counter(table.get(au, {})) for table in tables), Counter())
            coded = counts.total() - counts[NOT_CODED]
            names = ("0", *(letter_from_intensity(level) for level in range(1, 6)))
            cells = [f"{name} {_per_cent(counts[code], coded)}" for code, name in enumerate(names)]
            lines.append(f"  {au}  {'  '.join(cells)}   9 {_per_cent(counts[NOT_CODED], counts.total())}")
        return lines


def shortened(messages: list[str], where: str, most: int = 8) -> list[str]:
    """The first messages, and how many more there are and where."""
    rest = len(messages) - most
    return messages if rest <= 0 else [*messages[:most], f"… and {rest} more ({where})"]


def _per_cent(part: int, whole: int) -> str:
    return f"{100 * part / whole:4.1f}" if whole else "   -"
