"""`aukit corpora check`: is a release read rightly? Label files read, videos counted, findings named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from aukit.datasets.check_report import CheckReport, PartitionReport, Published
from aukit.datasets.findings import findings
from aukit.datasets.label_files import NOT_CODED
from aukit.datasets.reader import NOT_DECODED, Exclusion, exclusion_counts
from aukit.datasets.recordings import Recording
from aukit.datasets.release import Release
from aukit.errors import CorpusError

_MOST_NAMES = 3


def verify_release(
    release: Release, published: Published | None = None, deep: bool = False, progress: bool = False
) -> CheckReport:
    """Read all label files of a release or stand-in, count the frames of its videos, and compare.

    Unlike the reader it goes on at a damaged file and lists it. Seconds to a minute for a whole release;
    decoding takes as long as reading all of its pictures.

    Args:
        release: Reader of the release.
        published: What the counts are compared with; None where nothing is published.
        deep: Whether to decode every frame, without which none is called usable.
        progress: Whether to show a progress bar.
    """
    problems: list[str] = []
    recordings: dict[Recording, list[tuple[str, int]]] = {}
    for video, (recording, view) in release.counted.items():
        recordings.setdefault(recording, []).append((video, view))
    reports = {
        name: PartitionReport()
        for name in (published.partitions if published else ())
        if release.partitions is None or name in release.partitions
    }
    excluded: dict[str, list[Exclusion]] = {}
    people: dict[str, dict[str, str | None]] = {}
    bar = tqdm(
        recordings.items(), "checking", unit="recording", disable=None if progress else True, leave=False
    )
    for recording, videos in bar:
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
                    excluded.setdefault(partition, []).extend(_count_frames(report, release, video, deep))
        except CorpusError as error:
            problems.append(_without_roots(str(error), release))
    for recording, exclusion in release.orphans.items():
        reports.setdefault(recording.partition, PartitionReport())
        excluded.setdefault(recording.partition, []).append(exclusion)
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
    if release.orphans:
        first = min(map(str, release.orphans))
        notes.append(f"{len(release.orphans)} recordings have labels and no video, the first: {first}")
    if release.unrecognised:
        examples = ", ".join(release.unrecognised[:_MOST_NAMES])
        notes.append(f"{len(release.unrecognised)} files not recognised by their names, e.g. {examples}")
    try:
        standin = release.standin
    except CorpusError as error:
        standin = None
        problems.append(_without_roots(str(error), release))
    if published and not release.occurs_as_published:
        published = replace(published, rates={})
    return CheckReport(
        release.name,
        standin,
        tuple(views),
        deep,
        reports,
        dict(Counter(release.index.styles) + Counter(release.spellings.values())),
        problems,
        findings(reports, published, compared=standin is None and release.persons is None),
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


def _count_frames(report: PartitionReport, release: Release, video: str, deep: bool) -> list[Exclusion]:
    """Count the labelled frames of a video, if asked only those that can be decoded; what is left out."""
    table, excluded = release.read(video)
    if deep and table is not None:
        whole = {position for position, frame in release.decode(video) if frame is not None}
        decoded = table.frame["position"].isin(whole).to_numpy()
        lost = table.frame["position"][~decoded]
        excluded += [Exclusion(video, int(position), NOT_DECODED) for position in lost]
        table = table.take(decoded.nonzero()[0]) if decoded.any() else None
    labels = release.labels(release.recordings[video][0])
    report.read_label_rows += 0 if labels is None else len(labels.positions)
    if table is not None:
        codes = table.frame.filter(regex=r"^AU\d\d_[cr]$")
        report.rows += len(table)
        report.labelled_frames += int(np.isfinite(codes.to_numpy()).any(axis=1).sum())
        if not release.views_share_labels:
            _count_codes(report, {str(name): values.to_numpy() for name, values in codes.items()})
    return excluded


def _count_codes(report: PartitionReport, columns: Mapping[str, npt.NDArray[np.float32]]) -> None:
    for name, values in columns.items():
        codes = report.occurrence_codes if name.endswith("_c") else report.intensity_codes
        counts = codes.setdefault(name[:4], {})
        for code, number in zip(
            *np.unique(np.nan_to_num(values, nan=NOT_CODED), return_counts=True), strict=True
        ):
            counts[int(code)] = counts.get(int(code), 0) + int(number)


def _without_roots(message: str, release: Release) -> str:
    """The message without the paths of the roots: the report can be shared."""
    # The longest first: one root may lie in another.
    for root in sorted({*release.roots.values()}, key=lambda root: len(str(root)), reverse=True):
        message = message.replace(f"{root}/", "").replace(f"{root.resolve()}/", "")
        message = message.replace(str(root), "<root>")
    return message
