"""Tables of tools against the codes of human coders: what `aukit score` does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.frame_table import GENDERS, FrameTable
from aukit.datasets.release import Release
from aukit.detect.inputs import table_names
from aukit.detect.tools import TOOLS, image_folders, read_tool
from aukit.errors import ConfigError, CorpusError, shown
from aukit.metrics import (
    fairness_intervals,
    group_icc_intervals,
    grouped_confusion_counts,
    grouped_icc_sums,
)
from aukit.utils.files import file_sha256, replaces_its_kind, write_atomic
from aukit.utils.text import aligned, number

RULE = (
    "present, fixed before scoring: intensity 1 and more; of probabilities above 0.5 (of aukit 0.5 too);"
    " else what the tool decides"
)


def check_place(folder: Path) -> None:
    """See that scores replace nothing but earlier ones.

    Raises:
        ConfigError: Another file has one of their names.
    """
    replaces_its_kind(folder / "scores.csv", b"au,tool,")
    replaces_its_kind(folder / "scores.json", b'{\n "rule": ')


@dataclass
class Coverage:
    """What of a corpus the tables of a tool are about.

    Attributes:
        tool: Its name.
        place: Folder of the tables.
        files: SHA-256 of each by its name.
        coded: Coded frames of the corpus.
        seen: Those in which the tool had a face.
        without_file: Those of videos for which there is no table.
        other_rows: Rows of the tables that are about no coded frame, or about a further face of one.
        problems: Why tables could not be used, and of how many frames.
    """

    tool: str
    place: str
    files: dict[str, str] = field(default_factory=dict)
    coded: int = 0
    seen: int = 0
    without_file: int = 0
    other_rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Scores:
    """Scores of tools on the frames that all of them saw.

    Attributes:
        table: A row per action unit and tool, and means over the action units that all tools read: frames,
            positives, F1 with its interval, by gender and their gap, ICC(3,1) with its interval and gap; NaN
            where there is no support. The mean ICC is over those whose intensity all tools read.
        corpus: What it is, and how its codes were read.
        coverage: Of each tool.
        scored: Frames that all tools saw.
        people: Number of people in them.
        means: Which action units the means are over.

    Example:
        >>> scores = score_detections(release, {"results": "aukit"})  # doctest: +SKIP
        >>> print(scores.text())  # doctest: +SKIP
    """

    table: pd.DataFrame
    corpus: list[str]
    coverage: list[Coverage]
    scored: int
    people: int
    means: str

    def text(self) -> str:
        """For a terminal."""
        head = ["", "tool", "present/frames", "F1", "95 %", *GENDERS, "gap", "ICC", "95 %", "gap"]
        rows = [head]
        for row in self.table.to_dict("records"):
            rows.append(
                [
                    row["au"],
                    row["tool"],
                    "" if pd.isna(row["frames"]) else f"{row['positives']:,.0f}/{row['frames']:,.0f}",
                    number(row["f1"]),
                    _range(row["f1_low"], row["f1_high"]),
                    *(number(row[f"f1_{gender}"]) for gender in GENDERS),
                    number(row["f1_gap"]),
                    number(row["icc"]),
                    _range(row["icc_low"], row["icc_high"]),
                    number(row["icc_gap"]),
                ]
            )
        lines = aligned(rows, bars={3, 8})
        notes = [
            f"{self.scored:,} frames of {self.people} people, seen by every tool; 95 %: over people",
            RULE,
            self.means,
            *self.corpus,
        ]
        for each in self.coverage:
            notes.append(
                f"{each.tool}: saw {each.seen:,} of {each.coded:,} coded frames; {each.without_file:,} in "
                f"videos without a table; {each.other_rows:,} further rows; {len(each.files)} tables in "
                f"{each.place}"
            )
            notes += [f"  {count:,} frames: {shown(why, 300)}" for why, count in each.problems.items()]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], "", *notes])

    def write(self, folder: Path) -> None:
        """Write ``scores.csv`` and ``scores.json``, which has the hash of every table too.

        Raises:
            ConfigError: See `check_place`.
        """
        check_place(folder)
        content = {
            "rule": RULE,
            "means": self.means,
            "corpus": self.corpus,
            "frames": self.scored,
            "people": self.people,
            "tools": [vars(each) for each in self.coverage],
        }
        write_atomic(folder / "scores.csv", self.table.to_csv(index=False).encode())
        write_atomic(folder / "scores.json", f"{json.dumps(content, indent=1)}\n".encode())


def score_detections(release: Release, detections: Mapping[str, str]) -> Scores:
    """Score tables of action units against a corpus' codes.

    A video's table is found by its name: that of the video or its folder of images (``SN001.csv``), after as
    many of the folders above as it takes (``p1-left.csv``), or `Release.title` (``F001_T1.csv`` of BP4D). A
    table of `aukit detect` about a folder of such folders serves all videos whose images it names. Rows
    belong to frames by the image's name, the frame's number or the time, as the readers of trackers do it.
    Frames that one of the tools did not see are left out for all, so that all are scored on the same frames.

    Args:
        release: The corpus.
        detections: Folder of the tables → tool, one of `TOOLS`.

    Raises:
        ConfigError: A tool is unknown, a folder is not there, or no frame is left.
        CorpusError: The corpus cannot be read.
    """
    table = release.table
    read = [_read(release, table, Path(place), name) for place, name in detections.items()]
    common = np.logical_and.reduce([seen for _, _, seen, _ in read])
    coverage = [each for *_, each in read]
    if not common.any():
        why = "; ".join(f"{each.tool}: {each.seen} of {each.coded}" for each in coverage)
        first = next((reason for each in coverage for reason in each.problems), "")
        raise ConfigError(f"no coded frame that every tool saw ({why}){first and f', for instance {first}'}")
    people = table.frame["person"].to_numpy(dtype=object)[common].astype(str)
    genders = table.gender_codes()[common]
    frames = table.frame[common]
    shared = [au for au in table.occurrence_aus if all(au in present for _, present, _, _ in read)]
    # A mean over the intensities that each tool happens to have would compare different action units.
    coded = [au for au in shared if f"AU{au:02d}_r" in frames.columns]
    graded = [au for au in coded if all(au in levels for levels, *_ in read)]
    rows: list[dict[str, Any]] = []
    for levels, present, _, each in read:
        aus = [au for au in table.occurrence_aus if au in present]
        rows += _rows(each.tool, frames, aus, shared, graded, levels, present, common, people, genders)
    order = {f"AU{au:02d}": au for au in table.occurrence_aus}
    rows.sort(key=lambda row: order.get(row["au"], 99))
    origin = (
        "licensed or your own" if release.standin is None else "a rendered stand-in: nothing about real faces"
    )
    corpus = [f"{release.corpus_title}: {origin}", *release.settings]
    means = f"mean over what every tool reads: F1 of {_listed(shared)}; ICC of {_listed(graded)}"
    return Scores(pd.DataFrame(rows), corpus, coverage, int(common.sum()), len(set(people)), means)


Columns = dict[int, npt.NDArray[np.float64]]


def _read(
    release: Release, table: FrameTable, place: Path, name: str
) -> tuple[Columns, Columns, npt.NDArray[np.bool_], Coverage]:
    """What a tool says of every row of the corpus' table."""
    if name not in TOOLS:
        raise ConfigError(f"tool {name!r} is unknown; known are {', '.join(TOOLS)}")
    if not place.is_dir():
        raise ConfigError(f"{place}: no such folder; name the folder of the tables of {name}")
    sources = _sources(release, place, name)
    coverage = Coverage(name, str(place), coded=len(table))
    levels: Columns = {}
    present: Columns = {}
    seen = np.zeros(len(table), dtype=bool)
    others: dict[tuple[Path, str | None], int] = {}
    for video, rows in table.frame.groupby("video", sort=False):
        at = table.rows(video=str(video))
        if str(video) not in sources:
            coverage.without_file += len(at)
            continue
        path, folder = sources[str(video)]
        try:
            frames = release.tracker_rows(str(video), rows["position"].to_numpy())
            reading = read_tool(path, TOOLS[name], frames, folder)
        except CorpusError as error:
            coverage.problems[str(error)] += len(at)
            continue
        file = path.relative_to(place).as_posix()
        coverage.files[file] = coverage.files.get(file) or file_sha256(path)
        others[path, folder] = others.get((path, folder), reading.rows) - reading.used
        seen[at] = reading.seen
        for target, source in ((levels, reading.levels), (present, reading.present)):
            for au, values in source.items():
                target.setdefault(au, np.full(len(table), np.nan))[at] = values
    coverage.seen, coverage.other_rows = int(seen.sum()), sum(others.values())
    return levels, present, seen, coverage


def _files(place: Path) -> dict[str, Path]:
    """Tables anywhere below a folder, by their names without ending, in small letters."""
    found: dict[str, Path] = {}
    for path in sorted([*place.rglob("*.csv"), *place.rglob("*.parquet")]):
        before = found.setdefault(path.stem.casefold(), path)
        if before != path:
            raise ConfigError(f"{path}: {before} has the same name; keep one of them in {place}")
    return found


def _sources(release: Release, place: Path, tool: str) -> dict[str, tuple[Path, str | None]]:
    """The table about each video, and the folder of its images in it where it is about several.

    A name that fits two videos, such as that of a task, stands for none.
    """
    files = _files(place)
    named = Counter(name for video in release.videos for name in _names(release, video))
    found: dict[str, tuple[Path, str | None]] = {}
    for video in release.videos:
        names = [name for name in _names(release, video) if named[name] == 1 and name in files]
        if names:
            found[video] = files[names[0]], None
    used = {path for path, _ in found.values()}
    places: dict[PurePosixPath, list[str]] = {}  # of several people's images, the same one
    for video in release.videos:
        places.setdefault(_place(release, video), []).append(video)
    for path in files.values() if tool == "aukit" else ():
        for folder in image_folders(path) if path not in used else ():
            # The table is called like the folder that was named, which may lie above the corpus or in it.
            about = PurePosixPath(path.stem, folder)
            fitting = [place for place in places if _same_end(place, about)]
            for video in places[fitting[0]] if len(fitting) == 1 else ():
                found.setdefault(video, (path, folder))
    return found


def _place(release: Release, video: str) -> PurePosixPath:
    """Where a video's images lie below the corpus' root; of those in the root itself, what that is called."""
    root = release.images_root
    inside = release.video_path(video).relative_to(root)
    return PurePosixPath(inside if inside.parts else root.resolve().name)


def _names(release: Release, video: str) -> list[str]:
    """What the table of a video may be called, in small letters: by the corpus, or by `aukit detect`."""
    names = (release.title(video), *table_names(release.video_path(video)))
    return list(dict.fromkeys(name.casefold() for name in names))


def _same_end(path: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether the shorter of two paths is the end of the longer one."""
    length = min(len(path.parts), len(other.parts))
    return length > 0 and path.parts[-length:] == other.parts[-length:]


def _rows(
    tool: str,
    frames: pd.DataFrame,
    aus: Sequence[int],
    shared: Sequence[int],
    graded: Sequence[int],
    levels: Columns,
    present: Columns,
    common: npt.NDArray[np.bool_],
    people: npt.NDArray[Any],
    genders: npt.NDArray[np.int64],
) -> list[dict[str, Any]]:
    """Rows of one tool: action units, then the mean over the shared ones, of the ICC over the graded ones."""
    if not aus:
        return []

    def scores(some: Sequence[int], rated: Collection[int]) -> list[dict[str, Any]]:
        codes = frames[[f"AU{au:02d}_c" for au in some]].to_numpy(np.float64)
        decided = np.stack([present[au][common] for au in some], axis=1)
        f1 = fairness_intervals(grouped_confusion_counts(decided, codes, people, genders, GENDERS))
        told = np.full_like(codes, np.nan)
        said = np.full_like(codes, np.nan)
        for place, au in enumerate(some):
            if au in rated and f"AU{au:02d}_r" in frames.columns:
                told[:, place] = frames[f"AU{au:02d}_r"]
                said[:, place] = levels[au][common]
        icc = group_icc_intervals(grouped_icc_sums(said, told, people, genders, GENDERS))
        both = ~(np.isnan(codes) | np.isnan(decided))
        support = [(int(column.sum()), int(codes[column, i].sum())) for i, column in enumerate(both.T)]
        return [
            {
                "au": f"AU{some[i]:02d}" if i < len(some) else "mean",
                "tool": tool,
                "frames": support[i][0] if i < len(some) else np.nan,
                "positives": support[i][1] if i < len(some) else np.nan,
                "f1": f1["overall_f1"].estimate[i],
                "f1_low": f1["overall_f1"].low[i],
                "f1_high": f1["overall_f1"].high[i],
                **{f"f1_{gender}": f1["f1"].estimate[g, i] for g, gender in enumerate(GENDERS)},
                "f1_gap": f1["f1_gap"].estimate[i],
                "icc": icc["overall_icc"].estimate[i],
                "icc_low": icc["overall_icc"].low[i],
                "icc_high": icc["overall_icc"].high[i],
                "icc_gap": icc["icc_gap"].estimate[i],
            }
            for i in range(len(some) + 1)
        ]

    mean = scores(shared, graded)[-1:] if shared else []
    return [*scores(aus, levels)[:-1], *mean]


def _listed(aus: Sequence[int]) -> str:
    return f"AUs {', '.join(map(str, aus))}" if aus else "none"


def _range(low: float, high: float) -> str:
    return "–" if np.isnan(low) else f"[{number(low)}, {number(high)}]"
