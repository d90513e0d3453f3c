"""`aukit corpora check`: is a release read rightly? One screen, no frame and no path in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.datasets.label_files import NOT_CODED
from aukit.datasets.reader import Exclusion, exclusion_counts
from aukit.datasets.recordings import Recording
from aukit.datasets.release import Release
from aukit.errors import CorpusError
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

    Example:
        >>> from aukit.datasets.bp4d import PUBLISHED
        >>> PUBLISHED.partitions["P1"].people, round(PUBLISHED.rates["list P1"][12], 3)
        (14, 0.559)
    """

    partitions: dict[str, Counts]
    rates: dict[str, dict[int, float]]
    total: Counts | None = None


@dataclass
class PartitionReport:
    """What was found of one partition; where views share label files, rows and codes count once.

    The keys of the code counts are the codes; 9 also stands for an AU without file or column.
    """

    people: int = 0
    female: int = 0
    male: int = 0
    gender_unknown: int = 0
    recordings: int = 0
    unlabelled_recordings: int = 0
    label_rows: int = 0
    videos_per_view: dict[int, int] = field(default_factory=dict)
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
        partitions: One report per partition found.
        variants: Tolerated spellings of folders and files, with the number of files of each.
        problems: Files that could not be read; the reader would stop at these.
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
    partitions: dict[str, PartitionReport]
    variants: dict[str, int]
    problems: list[str]
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
        lines = [f"{self.corpus}: {'read without errors' if self.ok else 'HAS PROBLEMS'} ({origin})", ""]
        lines += [*self._people_lines(), "", *self._rate_lines(), "", *self._level_lines()]
        lines += ["", "files and layout variants:"]
        lines += [f"  {count:6d}  {name}" for name, count in sorted(self.variants.items())]
        for name, report in self.partitions.items():
            lines += [f"excluded in {name}: {count}x {reason}" for reason, count in report.exclusions.items()]
        lines += [f"note: {n}" for n in _shortened(self.notes)]
        lines += [f"PROBLEM: {p}" for p in _shortened(self.problems)]
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
        row(f"usable frames, view {','.join(map(str, self.views))}", [r.rows for _, r in reports])
        row("  with a code", [r.labelled_frames for _, r in reports])
        return lines

    def _rate_lines(self) -> list[str]:
        tables = [report.occurrence_codes for report in self.partitions.values()]
        columns = self.published.rates if self.published else {}
        title = "occurrence: share of coded rows"
        lines = [f"{title:34s}" + "".join(f"{name:>20s}" for name in self.partitions)]
        lines[0] += "".join(f"{name:>10s}" for name in columns)
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
                f"  {au:32s}" + "".join(f"{c:>20s}" for c in cells) + "".join(f"{r:>10s}" for r in rates)
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


def verify_release(release: Release, published: Published | None = None) -> CheckReport:
    """Read all label files of a release or stand-in, and count the frames of its videos.

    Unlike the reader it goes on at a damaged file and lists it. Seconds to a minute for a whole release; no
    frame is decoded.

    Args:
        release: Reader of the release.
        published: What the counts are compared with; None where nothing is published.
    """
    problems: list[str] = []
    recordings: dict[Recording, list[tuple[str, int]]] = {}
    for video, (recording, view) in release.counted.items():
        recordings.setdefault(recording, []).append((video, view))
    reports = {name: PartitionReport() for name in (published.partitions if published else ())}
    excluded: dict[str, list[Exclusion]] = {}
    people: dict[str, dict[str, str | None]] = {}
    for recording, videos in recordings.items():
        partition = recording.partition
        people.setdefault(partition, {})[recording.person] = release.gender(recording)
        report = reports.setdefault(partition, PartitionReport())
        report.recordings += 1
        for _, view in videos:
            report.videos_per_view[view] = report.videos_per_view.get(view, 0) + 1
        try:
            _count_labels(report, release, recording)
            for video, _ in videos:
                if video in release.recordings:
                    excluded.setdefault(partition, []).extend(_count_frames(report, release, video))
        except CorpusError as error:
            problems.append(_without_root(str(error), release.root))
    views = sorted({view for _, view in release.recordings.values()})
    shown = ",".join(map(str, views))
    notes = list(release.notes_so_far)
    for name, report in reports.items():
        genders = list(people.get(name, {}).values())
        report.people, report.gender_unknown = len(genders), genders.count(None)
        report.female, report.male = genders.count("female"), genders.count("male")
        report.videos_per_view = dict(sorted(report.videos_per_view.items()))
        report.exclusions = exclusion_counts(excluded.get(name, []))
        if report.recordings and not set(views) & set(report.videos_per_view):
            notes.append(f"{name}: no video of view {shown}")
    filmed = {recording for recording, _ in release.index.videos}
    if orphans := [recording for recording in release.index.labels if recording not in filmed]:
        notes.append(
            f"{len(orphans)} labelled recordings without any video, the first: {min(map(str, orphans))}"
        )
    try:
        standin = release.standin
    except CorpusError as error:
        standin = None
        problems.append(_without_root(str(error), release.root))
    if published and not release.occurs_as_published:
        published = replace(published, rates={})
    return CheckReport(
        release.name,
        standin,
        tuple(views),
        {name: report for name, report in reports.items() if report.people},
        dict(Counter(release.index.styles) + Counter(release.spellings.values())),
        problems,
        notes,
        published,
    )


def _count_labels(report: PartitionReport, release: Release, recording: Recording) -> None:
    labels = release.labels(recording)
    rows = 0 if labels is None else len(labels.positions)
    report.label_rows += rows
    report.unlabelled_recordings += rows == 0
    if labels is not None and release.views_share_labels:
        _count_codes(report, labels.columns)


def _count_frames(report: PartitionReport, release: Release, video: str) -> list[Exclusion]:
    """Count the usable frames of a video; returns what is left out."""
    table, excluded = release.read(video)
    if table is not None:
        labels = table.frame.filter(regex=r"^AU\d\d_[cr]$")
        report.rows += len(table)
        report.labelled_frames += int(np.isfinite(labels.to_numpy()).any(axis=1).sum())
        if not release.views_share_labels:
            _count_codes(report, {str(name): values.to_numpy() for name, values in labels.items()})
    return excluded


def _count_codes(report: PartitionReport, columns: Mapping[str, npt.NDArray[np.float32]]) -> None:
    for name, values in columns.items():
        codes = report.occurrence_codes if name.endswith("_c") else report.intensity_codes
        counts = codes.setdefault(name[:4], {})
        for code, number in zip(
            *np.unique(np.nan_to_num(values, nan=NOT_CODED), return_counts=True), strict=True
        ):
            counts[int(code)] = counts.get(int(code), 0) + int(number)


def _without_root(message: str, root: Path) -> str:
    """The message without the root's path: the report can be shared."""
    return message.replace(f"{root}/", "").replace(f"{root.resolve()}/", "").replace(str(root), "<root>")


def _shortened(messages: list[str], most: int = 8) -> list[str]:
    rest = len(messages) - most
    return messages if rest <= 0 else [*messages[:most], f"… and {rest} more (see --json)"]


def _per_cent(part: int, whole: int) -> str:
    return f"{100 * part / whole:4.1f}" if whole else "   -"
