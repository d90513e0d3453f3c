"""Releases in whose label files row i belongs to decoded frame i, so that no lost row may pass unnoticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aukit.datasets.label_files import LabelFile, Labels, labels_by_row
from aukit.datasets.recordings import Recording
from aukit.datasets.release import Release
from aukit.errors import CorpusError


class ReleaseByRow(Release):
    """A release in whose label files row i belongs to decoded frame i.

    A row that is lost would move all labels behind it to other frames. Therefore the frame numbers in the
    files are held against what they must be: each one more than the last, and counted from the same number,
    0 or 1, in the whole release. Where most files have numbers of their own, such as those of the recordings
    that a corpus was cut from, a recording counts only if it has as many label rows as frames.

    Example:
        >>> from aukit.datasets.disfa import DISFA
        >>> corpus: ReleaseByRow = DISFA("DISFA")  # doctest: +SKIP
        >>> corpus.first_frame  # doctest: +SKIP
        1
    """

    @cached_property
    def first_frame(self) -> int | None:
        """Number of the first frame in most label files, 0 or 1; None where most have numbers of their own.

        One file of each recording of the release is read, whether it is asked for or not.
        """
        firsts: Counter[int] = Counter()
        for files in self.index.labels.values():
            kinds = [kind for kind in self.label_columns if kind in files]
            try:
                firsts.update(
                    int(self._read_file(kind, self.label_path(files[kind])).frames[0]) for kind in kinds[-1:]
                )
            except CorpusError:
                continue  # told when the recording is read
        if 2 * (firsts[0] + firsts[1]) <= firsts.total():
            return None
        # Of two that are as frequent, 0: rows at the beginning can be lost, but not gained.
        return 1 if firsts[1] > firsts[0] else 0

    def _stamps(self) -> dict[str, str]:
        return {**super()._stamps(), "first frame": str(self.first_frame)}

    def _labels(self, recording: Recording, files: Mapping[str, LabelFile]) -> Labels:
        """Labels by row.

        Raises:
            CorpusError: Frame numbers have gaps, differ between the files, or begin elsewhere than in others.
        """
        paths = self._label_paths(recording, files)
        firsts = {kind: int(file.frames[0]) for kind, file in files.items()}
        first = self.first_frame
        if first not in firsts.values():
            first, _ = Counter(firsts.values()).most_common(1)[0]
        for kind, other in firsts.items():
            if other != first:
                raise CorpusError(
                    f"{paths[kind]}: counts frames from {other}, other files of {recording} from {first}: "
                    "they disagree; copy them again"
                )
        if self.first_frame is None:
            _require_same_numbers(paths, files)
        else:
            for kind, file in files.items():
                _require_no_gaps(paths[kind], file.frames)
            if first != self.first_frame:
                raise CorpusError(
                    f"{min(paths.values())}: row 1 is frame {first}, but most label files of this release "
                    f"count frames from {self.first_frame}, and row i belongs to frame i of the video; rows "
                    f"are missing or too many in all files of {recording}: copy them again"
                )
        return labels_by_row(files, self.label_columns)

    def _doubt(self, labels: Labels, frames: npt.NDArray[np.int64]) -> str | None:
        places = int(frames[-1]) + 1 if len(frames) else 0
        if self.first_frame is None and len(labels.positions) != places:
            return "frame numbers that count neither from 0 nor from 1, and not as many label rows as frames"
        return None


def _require_no_gaps(path: Path, frames: npt.NDArray[np.int64]) -> None:
    expected = frames[0] + np.arange(len(frames))
    if (gaps := frames != expected).any():
        row = int(np.argmax(gaps))
        raise CorpusError(
            f"{path}: row {row + 1} is frame {frames[row]}, expected {expected[row]}; frames must be counted "
            "without gaps, since row i belongs to frame i of the video. Copy the file again"
        )


def _require_same_numbers(paths: Mapping[str, Path], files: Mapping[str, LabelFile]) -> None:
    longest = max((file.frames for file in files.values()), key=len)
    for kind, file in files.items():
        differ = file.frames != longest[: len(file.frames)]
        differ[1:] |= np.diff(file.frames) <= 0
        if differ.any():
            row = int(np.argmax(differ))
            raise CorpusError(
                f"{paths[kind]}: row {row + 1} is frame {file.frames[row]}, which is not after the frame "
                f"before or not frame {longest[row]} as in another file of the recording; copy them again"
            )
