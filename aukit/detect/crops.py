"""Registered faces of photographs and videos, and where each came from: what `aukit register` does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aukit.datasets.images import write_png
from aukit.detect.drawings import Seen, Source, frames_with_faces, picture_names
from aukit.detect.face import INTENSITY, FaceDetector
from aukit.detect.files import read_files
from aukit.detect.inputs import CROPS, text_of
from aukit.detect.summary import Summary, many
from aukit.detect.table import TableFormat
from aukit.errors import ConfigError
from aukit.registration import Registration
from aukit.utils.files import atomic_folder

LIST = "crops.csv"
"""Name of the table in a folder of crops."""


class Crops:
    """Crops of every face of a table: ``clip.crops/000001-0.png`` is face 0 of frame 1; see `Drawing`.

    ``crops.csv`` has a row per face: ``crop``, empty where it could not be registered; ``input`` (of
    images), ``frame``, ``timestamp``, ``face_id`` and ``box_x`` … as in the table; ``x_0`` … ``z_67``, its
    landmarks in pixels of the crop; ``reason``. The folder is replaced as a whole.

    Args:
        registration: How faces are cut out.
    """

    kind, of_any_model = CROPS, True

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self.settings: object = {
            "registration": registration.name,
            "size": registration.size,
            "settings": registration.settings,
        }

    def place(self, source: Source, table: Path) -> Path:
        """See `Drawing.place`."""
        return table.with_name(f"{table.stem}{self.kind}")

    def draw(self, source: Source, table: Path, hidden: bool | None) -> None:
        """See `Drawing.draw`.

        Raises:
            ConfigError: A folder of that name is there, and is not of this command, or has crops of
                photographs that are not there now.
        """
        folder = self.place(source, table)
        if folder.exists() and not (folder / LIST).is_file():
            raise ConfigError(f"{folder}: is there already, and holds no {LIST}; name another --out")
        if gone := _cannot_be_cut_again(folder / LIST, source):
            raise ConfigError(
                f"{folder}: {many(len(gone), 'photograph')} in it cannot be cut anew, since not there"
                f" ({gone[0]}); bring back what is missing or name another --out"
            )
        names = {} if isinstance(source, Path) else picture_names(source, table)
        rows: list[dict[str, Any]] = []
        with atomic_folder(folder) as building:
            for seen in frames_with_faces(source, table, (), INTENSITY, self.kind, hidden):
                rows += self._cut(seen, building, names.get(seen.name, f"{seen.frame:06d}"))
            columns = None if rows else ["crop", "frame", "timestamp", "face_id", "reason"]
            pd.DataFrame(rows, columns=columns).to_csv(building / LIST, index=False)

    def _cut(self, seen: Seen, folder: Path, name: str) -> list[dict[str, Any]]:
        if not seen.faces:
            return []
        landmarks = np.stack([face.landmarks for face in seen.faces])
        images = np.broadcast_to(seen.image, (len(seen.faces), *seen.image.shape))
        crops, marks, ok = self._registration(images, landmarks)
        rows = []
        for number, face in enumerate(seen.faces):
            crop = f"{name}-{face.identity}.png" if ok[number] else ""
            if crop:
                write_png(folder / crop, crops[number])
            box = np.round(face.box.astype(np.float64), 2).tolist()
            points = np.round(marks[number].astype(np.float64), 3)
            rows.append(
                {
                    "crop": crop,
                    **({"input": seen.name} if seen.name else {}),
                    "frame": seen.frame,
                    "timestamp": seen.seconds,
                    "face_id": face.identity,
                    **dict(zip(("box_x", "box_y", "box_width", "box_height"), box, strict=True)),
                    **{
                        f"{axis}_{point}": points[point, place]
                        for place, axis in enumerate("xyz")
                        for point in range(68)
                    },
                    "reason": "" if crop else "cannot be registered",
                }
            )
        return rows


def _cannot_be_cut_again(path: Path, source: Source) -> list[str]:
    """Images that have crops and are not there any more, as photographs of an earlier command may be."""
    if isinstance(source, Path) or not path.is_file():
        return []
    crops = pd.read_csv(path, dtype=str, keep_default_na=False)
    if "input" not in crops:  # no face at all
        return []
    cut = set(crops["input"][crops["crop"] != ""])
    return [text_of(image) for name, image in source.items() if name in cut and not image.is_file()]


def register_files(
    inputs: str | Path | Iterable[str | Path],
    out: str | Path,
    detector: FaceDetector,
    registration: Registration,
    *,
    table_format: TableFormat = "csv",
    largest: bool = False,
    progress: bool = False,
) -> Summary:
    """Find faces as `detect_files` does, and cut each out as a registration says.

    Beside the table of each input lies a folder of crops with a table of where each came from, see `Crops`.
    What is done is kept: tables by image and video, folders of crops as a whole. A table that is there, of
    the same files, is taken as it stands, by whatever model and calibrated or not.

    Args:
        inputs: As of `detect_files`.
        out: Folder of tables and crops.
        detector: What finds faces.
        registration: How they are cut out, see `aukit.registration.build_registration`.
        table_format: Of the tables of faces; those of crops are CSV.
        largest: Whether only the largest face of each image counts.
        progress: Whether to show a bar on a terminal.

    Returns:
        Counts, and which files failed.

    Raises:
        ConfigError: An input is not there, something of another would be overwritten, or a table of another
            model or with other options is not of these files as they are now.
        OSError: A file cannot be written.

    Example:
        >>> from aukit.registration import build_registration
        >>> frontal = build_registration("frontal3d", 224)
        >>> register_files(["clip.mp4"], "results", Detector(), frontal).crops  # doctest: +SKIP
        300
    """
    summary = read_files(inputs, out, detector, [Crops(registration)], table_format, largest, progress)
    for table in summary.tables:
        path = table.with_name(f"{table.stem}{CROPS}") / LIST
        if path.is_file():  # a video that failed while it was cut has none
            cut = pd.read_csv(path, usecols=["crop"])["crop"]
            summary.crops += int(cut.notna().sum())
            summary.uncut += int(cut.isna().sum())
    return summary
