"""Check of a FERA 2017 release: label files by recording, frames by view."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aukit.datasets.fera2017 import AUS, FERA2017, VIEWS, Index, Recording, read_occurrence, scan
from aukit.datasets.files import SIDECAR_FOLDER, inside
from aukit.datasets.folds import LISTED, LISTED_FRAMES
from aukit.datasets.genders import gender_table
from aukit.datasets.label_files import read_intensity
from aukit.datasets.release import exclusion_counts
from aukit.datasets.verify import CheckReport, PartitionReport, count_codes, relative_text
from aukit.errors import CorpusError

# Published counts: people (women/men) and videos over all views; the label rows of Train are BP4D's.
PUBLISHED: dict[str, dict[str, Any]] = {
    "train": {"people": 41, "female": 23, "male": 18, "videos": 2952, "label_rows": 146_847},
    "valid": {"people": 20, "female": 7, "male": 13, "videos": 1431},
    "test": {"people": 30, "female": None, "male": None, "videos": 1080},
}


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
        problems.append(relative_text(str(error), root))
    rates = {f"AU{au:02d}": sum(counts) / sum(LISTED_FRAMES["bp4d"]) for au, counts in LISTED["bp4d"].items()}
    return CheckReport(
        "fera2017",
        standin,
        views,
        partitions,
        dict(variants),
        problems,
        notes,
        {"partitions": PUBLISHED},
        {"BP4D": rates},
    )


def _check_labels(
    root: Path, index: Index, recordings: list[Recording], variants: Counter[str], problems: list[str]
) -> PartitionReport:
    genders = gender_table(root, "fera2017", None)
    people = {r.subject: genders.get(r.person, r.gender) for r in recordings}
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
                file = read_occurrence(inside(root, occurrence))
                variants[file.variant] += 1
                rows = len(file.frames)
                for column, au in enumerate(AUS.occurrence):
                    count_codes(report.occurrence_codes, au, file.codes[:, column])
            for au in AUS.intensity:
                if intensity := index.intensity.get((recording, au)):
                    file = read_intensity(inside(root, intensity))
                    variants[file.variant] += 1
                    rows = max(rows, len(file.frames))
                    count_codes(report.intensity_codes, au, file.codes[:, 0])
        except CorpusError as error:
            problems.append(relative_text(str(error), root))
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
        message = relative_text(str(error), root)
        if message not in problems:
            problems.append(message)
        return
    report.rows = len(table)
    coded = np.isfinite(np.hstack([table.occurrences(AUS.occurrence), table.intensities(AUS.intensity)]))
    report.labelled_frames = int(coded.any(axis=1).sum())
    report.exclusions = exclusion_counts(corpus.exclusions)
    notes.extend(corpus.notes)


def _folder_style(kind: str, folder: str) -> str:
    """Folder name without people or recordings in it, so that one line stands for all folders of a kind."""
    first = PurePosixPath(folder).parts[:1]
    return f"{first[0]}/{'…/' if len(PurePosixPath(folder).parts) > 1 else ''}" if first else "./"
