"""Checks of BP4D and DISFA, whose partitions are the parts of the usual three folds, and of GFT."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from aukit.datasets.bp4d import BP4D
from aukit.datasets.disfa import DISFA
from aukit.datasets.folds import FOLD_SPLITS, LISTED, LISTED_FRAMES, fold_split_of
from aukit.datasets.frame_table import FrameTable
from aukit.datasets.gft import GFT, GROUPS, LISTED_RATES, partition_of
from aukit.datasets.label_files import NOT_CODED
from aukit.datasets.release import Exclusion, exclusion_counts
from aukit.datasets.verify import CheckReport, PartitionReport, count_codes, relative_text
from aukit.errors import CorpusError

# ME-GraphAU's lists hold every labelled frame.
_LABEL_ROWS = {"bp4d": (50_631, 50_182, 46_034), "disfa": (43_604, 43_605, 43_605)}
_THRESHOLD_OF_LISTS = 2
_PEOPLE: dict[str, dict[str, int | None]] = {
    "bp4d": {"people": 41, "female": 23, "male": 18},
    "disfa": {"people": 27, "female": 12, "male": 15},
    "gft": {"people": 96, "female": None, "male": None},
}


def check_bp4d(root: str | Path) -> CheckReport:
    """Read all label files of a BP4D release or stand-in and compare them with its images' names.

    Unlike the reader it goes on at a damaged file and lists it. Seconds to a minute for a whole release; no
    frame is decoded.

    Raises:
        CorpusError: The root is missing, holds no BP4D images at all, or someone else's.
    """
    corpus = BP4D(root)
    published = _published("bp4d")
    for part in published:
        women = sum(subject.startswith("F") for subject in FOLD_SPLITS["bp4d"][part])
        published[part] |= {"female": women, "male": published[part]["people"] - women}
        published[part]["videos"] = 8 * published[part]["people"]
    return _check(corpus, 0, published, _rates("bp4d"))


def check_disfa(
    root: str | Path, camera: Literal["left", "right"] = "left", threshold: int = 2
) -> CheckReport:
    """Read all label files of a DISFA release or stand-in and count the frames of one camera's videos.

    Unlike the reader it goes on at a damaged file and lists it. Seconds to a minute for a whole release; no
    frame is decoded.

    Raises:
        CorpusError: The root is missing or holds no DISFA video of that camera at all.
    """
    corpus = DISFA(root, camera, threshold)
    published = _published("disfa")
    for part in published:
        published[part]["videos"] = published[part]["people"]
    view = {"left": 1, "right": 2}[camera]
    return _check(corpus, view, published, _rates("disfa") if threshold == _THRESHOLD_OF_LISTS else {})


def check_gft(root: str | Path, columns: str | Path | None = None) -> CheckReport:
    """Read all label files of a GFT release or stand-in and count the frames of its videos.

    Unlike the reader it goes on at a damaged file and lists it. The published frames are those of Patch-MCD's
    lists, which lack invalid ones. Seconds to a minute for a whole release; no frame is decoded.

    Args:
        root: Folder of the release.
        columns: The column map; None for ``gft_columns.yaml`` in the root.

    Raises:
        CorpusError: The root or the column map is missing, or no file is called as the map says.
    """
    published: dict[str, dict[str, Any]] = {
        name: {"people": 3 * len(groups), "videos": 3 * len(groups), "label_rows": 3 * 1_800 * len(groups)}
        for name, groups in GROUPS.items()
    }
    rates = {
        f"list {name}": {f"AU{au:02d}": rate for au, rate in table.items()}
        for name, table in LISTED_RATES.items()
    }
    return _check(GFT(root, columns), 0, published, rates)


def _check(
    corpus: BP4D | DISFA | GFT, view: int, published: dict[str, Any], rates: dict[str, dict[str, float]]
) -> CheckReport:
    reports = {part: PartitionReport() for part in published}
    excluded: dict[str, list[Exclusion]] = {part: [] for part in published}
    problems: list[str] = []
    for person, videos in corpus.people.items():
        subject = person.split("/")[1]
        part = partition_of(subject) if isinstance(corpus, GFT) else fold_split_of(corpus.name, subject)
        assert part is not None
        report, gender = reports[part], None
        for video in videos:
            try:
                table, left_out = corpus.read(video)
            except CorpusError as error:
                problems.append(relative_text(str(error), corpus.root))
                continue
            excluded[part] += left_out
            report.recordings += 1
            report.videos_per_view[view] = report.videos_per_view.get(view, 0) + 1
            report.unlabelled_recordings += table is None
            report.label_rows += sum(e.reason.startswith("label row") for e in left_out)
            if table is not None:
                gender = table.frame["gender"].iloc[0]
                _add(report, table)
        report.people += 1
        known = {"female": "female", "male": "male"}.get(str(gender), "gender_unknown")
        setattr(report, known, getattr(report, known) + 1)
    for part, report in reports.items():
        report.exclusions = exclusion_counts(excluded[part])
    try:
        standin = corpus.standin
    except CorpusError as error:
        standin = None
        problems.append(relative_text(str(error), corpus.root))
    notes = [*corpus.settings, *corpus.tolerated] if problems else corpus.notes
    variants = dict(corpus.folder_styles)
    for spelling in corpus.spellings.values():
        variants[spelling] = variants.get(spelling, 0) + 1
    found = {part: report for part, report in reports.items() if report.people}
    return CheckReport(
        corpus.name,
        standin,
        (view,),
        found,
        variants,
        problems,
        notes,
        {**_PEOPLE[corpus.name], "partitions": published},
        rates,
    )


def _add(report: PartitionReport, table: FrameTable) -> None:
    report.rows += len(table)
    report.label_rows += len(table)
    labels = table.frame.filter(regex=r"^AU\d\d_[cr]$").to_numpy()
    report.labelled_frames += int(np.isfinite(labels).any(axis=1).sum())
    for codes, aus, values in (
        (report.occurrence_codes, table.occurrence_aus, table.occurrences(table.occurrence_aus)),
        (report.intensity_codes, table.intensity_aus, table.intensities(table.intensity_aus)),
    ):
        for column, au in enumerate(aus):
            count_codes(codes, au, np.nan_to_num(values[:, column], nan=NOT_CODED))


def _published(corpus: str) -> dict[str, dict[str, Any]]:
    rows = zip(FOLD_SPLITS[corpus].items(), _LABEL_ROWS[corpus], strict=True)
    return {part: {"people": len(subjects), "label_rows": n} for (part, subjects), n in rows}


def _rates(corpus: str) -> dict[str, dict[str, float]]:
    frames = LISTED_FRAMES[corpus]
    return {
        f"list {part}": {f"AU{au:02d}": n[i] / frames[i] for au, n in LISTED[corpus].items()}
        for i, part in enumerate(FOLD_SPLITS[corpus])
    }
