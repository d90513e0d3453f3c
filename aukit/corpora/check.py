"""`aukit corpora check`: is a release read rightly? One screen, no frame and no path in it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aukit.corpora import fera2017_labels as labels
from aukit.corpora.fera2017 import FERA2017, SIDECAR_FOLDER, exclusion_counts
from aukit.corpora.fera2017_layout import VIEWS, Index, Sequence, inside, scan
from aukit.errors import CorpusError
from aukit.facs import letter_from_intensity

# Published counts: people (women/men) and videos over all views; the BP4D lists hold 146,847 frames, and of
# the 146,423 frames of the FG-Net lists these are positive.
PUBLISHED: dict[str, dict[str, Any]] = {
    "train": {"people": 41, "female": 23, "male": 18, "videos": 2952},
    "valid": {"people": 20, "female": 7, "male": 13, "videos": 1431},
    "test": {"people": 30, "female": None, "male": None, "videos": 1080},
}
BP4D_LABELLED_FRAMES = 146_847
BP4D_FRAMES = 146_423
BP4D_POSITIVES = {
    1: 30_846, 2: 24_932, 4: 29_663, 6: 67_492, 7: 80_433, 10: 86_944, 12: 82_229, 14: 68_255, 15: 24_798,
    17: 50_333, 23: 24_192, 24: 22_181,
}  # fmt: skip


@dataclass
class PartitionReport:
    """What was found of one partition; counts of label rows are per recording (the views share them)."""

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
    """

    corpus: str
    standin: dict[str, Any] | None
    views: tuple[int, ...]
    partitions: dict[str, PartitionReport]
    variants: dict[str, int]
    problems: list[str]
    notes: list[str]

    @property
    def ok(self) -> bool:
        """True if every file could be read."""
        return not self.problems

    def to_json(self) -> str:
        """The whole report as JSON, beside the published counts."""
        published = {
            "partitions": PUBLISHED,
            "bp4d_labelled_frames": BP4D_LABELLED_FRAMES,
            "bp4d_rates": {f"AU{au:02d}": round(n / BP4D_FRAMES, 4) for au, n in BP4D_POSITIVES.items()},
        }
        return json.dumps({**asdict(self), "ok": self.ok, "published": published}, indent=2)

    def text(self) -> str:
        """The report for a terminal, about 40 lines."""
        source = f"stand-in, recipe version {self.standin['version']}" if self.standin else "no stand-in"
        lines = [f"{self.corpus}: {'read without errors' if self.ok else 'HAS PROBLEMS'} ({source})", ""]
        lines += _people_lines(self.partitions, self.views)
        for title, kind in (
            ("occurrence: share of coded rows", "occurrence"),
            ("intensity codes", "intensity"),
        ):
            lines += ["", *_code_lines(title, kind, self.partitions)]
        lines += ["", "files and layout variants:"]
        lines += [f"  {count:6d}  {name}" for name, count in sorted(self.variants.items())]
        for name, report in self.partitions.items():
            lines += [f"excluded in {name}: {count}x {reason}" for reason, count in report.exclusions.items()]
        lines += [f"note: {n}" for n in _shortened(self.notes)]
        lines += [f"PROBLEM: {p}" for p in _shortened(self.problems)]
        return "\n".join(lines)


def check_fera2017(root: str | Path, views: tuple[int, ...] = (6,)) -> CheckReport:
    """Read all label files and count the frames of the given views of a FERA 2017 release or stand-in.

    Unlike the reader it goes on at a damaged file and lists it. Seconds to a minute for a whole release; no
    frame is decoded.

    Raises:
        CorpusError: The root is missing or holds no FERA 2017 video at all.
    """
    root = Path(root)
    index = scan(root)
    variants: Counter[str] = Counter(
        {f"{kind} files in {_folder_style(kind, folder)}": n for (kind, folder), n in index.folders.items()}
    )
    if (root / SIDECAR_FOLDER).is_dir():
        variants[f"landmark sidecars in {SIDECAR_FOLDER}/"] = sum(
            1 for _ in (root / SIDECAR_FOLDER).glob("*.npy")
        )
    problems: list[str] = []
    notes: list[str] = []
    partitions: dict[str, PartitionReport] = {}
    for name in ("train", "valid", "test"):
        recordings = sorted({r for r, _ in index.videos if r.partition == name})
        if recordings:
            partitions[name] = _check_labels(root, index, recordings, variants, problems)
            for view in VIEWS:
                count = sum(1 for r, v in index.videos if r.partition == name and v == view)
                if count:
                    partitions[name].videos_per_view[view] = count
            _check_frames(root, name, views, partitions[name], problems, notes)
    used = {recording for recording, _ in index.videos}
    labelled = {*index.occurrence, *(recording for recording, _ in index.intensity)}
    if orphans := sorted(labelled - used):
        first = orphans[0]
        notes.append(
            f"{len(orphans)} labelled recordings without any video, the first: "
            f"{first.partition} {first.subject} {first.task}"
        )
    try:
        standin = FERA2017(root, tuple(partitions), tuple({v for _, v in index.videos})).standin
    except CorpusError as error:
        standin = None
        problems.append(_relative(str(error), root))
    return CheckReport("fera2017", standin, views, partitions, dict(variants), problems, notes)


def _check_labels(
    root: Path, index: Index, recordings: list[Sequence], variants: Counter[str], problems: list[str]
) -> PartitionReport:
    people = {r.subject: r.gender for r in recordings}
    report = PartitionReport(
        people=len(people),
        female=sum(g == "female" for g in people.values()),
        male=sum(g == "male" for g in people.values()),
        gender_unknown=sum(g is None for g in people.values()),
        recordings=len(recordings),
    )
    for recording in recordings:
        rows = 0
        try:
            if occurrence := index.occurrence.get(recording):
                file = labels.read_occurrence(inside(root, occurrence))
                variants[file.variant] += 1
                rows = len(file.frames)
                for column, au in enumerate(labels.AUS.occurrence):
                    _count(report.occurrence_codes, au, file.codes[:, column])
            for au in labels.AUS.intensity:
                if intensity := index.intensity.get((recording, au)):
                    file = labels.read_intensity(inside(root, intensity))
                    variants[file.variant] += 1
                    rows = max(rows, len(file.frames))
                    _count(report.intensity_codes, au, file.codes[:, 0])
        except CorpusError as error:
            problems.append(_relative(str(error), root))
        report.label_rows += rows
        report.unlabelled_recordings += rows == 0
    return report


def _check_frames(
    root: Path,
    name: str,
    views: tuple[int, ...],
    report: PartitionReport,
    problems: list[str],
    notes: list[str],
) -> None:
    if not set(views) & set(report.videos_per_view):
        notes.append(f"{name}: no video of the views {list(views)}")
        return
    try:
        corpus = FERA2017(root, (name,), views)
        table = corpus.table
    except CorpusError as error:
        message = _relative(str(error), root)
        if message not in problems:
            problems.append(message)
        return
    report.rows = len(table)
    coded = np.isfinite(
        np.hstack([table.occurrences(labels.AUS.occurrence), table.intensities(labels.AUS.intensity)])
    )
    report.labelled_frames = int(coded.any(axis=1).sum())
    report.exclusions = exclusion_counts(corpus.exclusions)
    notes.extend(corpus.notes)


def _count(codes: dict[str, dict[int, int]], au: int, values: Any) -> None:
    counts = codes.setdefault(f"AU{au:02d}", {})
    for value, number in zip(*np.unique(values, return_counts=True), strict=True):
        counts[int(value)] = counts.get(int(value), 0) + int(number)


def _folder_style(kind: str, folder: str) -> str:
    """Folder name without people or recordings in it, so that one line stands for all folders of a kind."""
    first = PurePosixPath(folder).parts[:1]
    return f"{first[0]}/{'…/' if len(PurePosixPath(folder).parts) > 1 else ''}" if first else "./"


def _relative(message: str, root: Path) -> str:
    """The report can be shared: where the release lies on this machine is nobody's business."""
    return message.replace(f"{root}/", "").replace(f"{root.resolve()}/", "").replace(str(root), "<root>")


def _shortened(messages: list[str], most: int = 8) -> list[str]:
    rest = len(messages) - most
    return messages if rest <= 0 else [*messages[:most], f"… and {rest} more (see --json)"]


def _people_lines(partitions: dict[str, PartitionReport], views: tuple[int, ...]) -> list[str]:
    shown = ",".join(map(str, views))
    lines = [f"{'':28s}" + "".join(f"{name:>20s}" for name in partitions)]

    def row(title: str, values: list[str]) -> None:
        lines.append(f"{title:28s}" + "".join(f"{v:>20s}" for v in values))

    def beside(found: int, published: int | None) -> str:
        return f"{found} ({'?' if published is None else published})"

    reports = list(partitions.items())
    for key in ("people", "female", "male"):
        row(f"{key} (published)", [beside(getattr(r, key), PUBLISHED[n][key]) for n, r in reports])
    row("people, gender unknown", [str(r.gender_unknown) for _, r in reports])
    row(
        "videos (published)",
        [beside(sum(r.videos_per_view.values()), PUBLISHED[n]["videos"]) for n, r in reports],
    )
    row("recordings", [str(r.recordings) for _, r in reports])
    row("recordings without labels", [str(r.unlabelled_recordings) for _, r in reports])
    row("label rows", [str(r.label_rows) for _, r in reports])
    row(f"usable frames, view {shown}", [str(r.rows) for _, r in reports])
    row("  with a code", [str(r.labelled_frames) for _, r in reports])
    lines.append(f"published for BP4D (train): {BP4D_LABELLED_FRAMES} labelled frames per view")
    return lines


def _code_lines(title: str, kind: str, partitions: dict[str, PartitionReport]) -> list[str]:
    tables = {name: getattr(report, f"{kind}_codes") for name, report in partitions.items()}
    names = sorted({au for table in tables.values() for au in table})
    if kind == "intensity":
        lines = [f"{title}: per cent of rows coded 0, A to E; of all rows 9"]
        for name, table in tables.items():
            for au in names:
                counts = table.get(au, {})
                coded = sum(n for code, n in counts.items() if code != labels.NOT_CODED)
                cells = [
                    f"{'0' if c == 0 else letter_from_intensity(c)} {_per_cent(counts.get(c, 0), coded)}"
                    for c in range(6)
                ]
                lines.append(
                    f"  {name:6s}{au}  {'  '.join(cells)}   "
                    f"9 {_per_cent(counts.get(9, 0), sum(counts.values()))}"
                )
        return lines
    lines = [f"{title:28s}" + "".join(f"{name:>20s}" for name in partitions) + f"{'BP4D':>10s}"]
    for au in names:
        cells = []
        for table in tables.values():
            counts = table.get(au, {})
            coded = counts.get(0, 0) + counts.get(1, 0)
            share = f"{counts.get(1, 0) / coded:.3f}" if coded else "-"
            cells.append(f"{share} ({counts.get(9, 0)} x 9)")
        published = BP4D_POSITIVES.get(int(au[2:]))
        rate = f"{published / BP4D_FRAMES:.3f}" if published else "-"
        lines.append(f"  {au:26s}" + "".join(f"{c:>20s}" for c in cells) + f"{rate:>10s}")
    return lines


def _per_cent(part: int, whole: int) -> str:
    return f"{100 * part / whole:4.1f}" if whole else "   -"
