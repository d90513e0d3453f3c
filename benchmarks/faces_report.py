"""How well the shipped networks read rendered faces of people that they were not trained on, group by group.

    aukit avatars labelled --identities 256 --frames 4 --first 90000 --basis procedural ict --out faces
    python benchmarks/faces_report.py faces [--json FILE] [--sheet FILE]

Landmarks: mean distance in the image over the square root of the area of the landmarks' upright box, in
percent, in exact crops and in crops moved as a detector moves them. Action units: ICC(3,1) between reading
and seen movement. Groups: yaw, skin tone, gender, age, maker, basis. Neutral: what is read where nothing
acts. The sheet shows faces from the best to the worst read, a row for each range of yaw.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from aukit.datamodules import BatchSpec
from aukit.datamodules import face_views as views
from aukit.datamodules.labelled_faces import CropsDataset
from aukit.datasets.images import write_jpeg
from aukit.facs import VISIBLE_AUS
from aukit.metrics import intraclass_correlation
from aukit.registration import LandmarkDetector
from aukit.registration.landmarks.crops import cut, face_square
from aukit.registration.landmarks.points import LANDMARKS
from aukit.simulation import LabelledFaces, open_labelled_faces

BATCH = 64
SHOWN, TILE = 8, 168
"""Faces of a row of the sheet, and their width in pixels."""


def main() -> None:
    """Read all faces, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", type=Path, help="folder that aukit avatars labelled wrote")
    parser.add_argument("--weights", type=Path, help="folder with other weights than the package's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="JPEG of faces with their landmarks")
    given = parser.parse_args()
    faces = open_labelled_faces(given.faces)
    detector = LandmarkDetector() if given.weights is None else LandmarkDetector(weights=given.weights)
    readings = [_read(detector, faces, moved) for moved in (False, True)]
    rows = faces.rows
    yaw = rows["yaw"].abs().to_numpy()
    groups: dict[str, Any] = {
        "all": np.ones(len(rows), bool),
        "yaw to 30": yaw < 30,
        "yaw 30 to 60": (yaw >= 30) & (yaw < 60),
        "yaw from 60": yaw >= 60,
        **{f"skin {name}": _between(rows["skin_tone"], *span) for name, span in TONES.items()},
        **{f"age {name}": _between(rows["age"], *span) for name, span in AGES.items()},
        **{
            f"{column} {value}": (rows[column] == value).to_numpy()
            for column in ("gender", "maker", "basis")
            for value in sorted(rows[column].unique())
        },
    }
    result: dict[str, Any] = {"weights": detector.version, "faces": len(rows), "groups": {}}
    print(f"{'':16} {'faces':>6} {'NME %':>6} {'moved':>6} {'ICC':>6}")
    near = yaw <= 40
    for name, members in groups.items():
        seen = members & near
        icc = (
            np.nan
            if not seen.any()
            else float(np.nanmean(_agreement(readings[0].movements, faces.movements, seen)))
        )
        errors = [float(reading.errors[members].mean()) for reading in readings]
        result["groups"][name] = {
            "faces": int(members.sum()),
            "nme": errors[0],
            "nme_moved": errors[1],
            "icc": icc,
        }
        print(f"{name:16} {members.sum():6} {errors[0]:6.2f} {errors[1]:6.2f} {icc:6.2f}")
    each = _agreement(readings[0].movements, faces.movements, near)
    result["icc"] = {au: float(value) for au, value in zip(VISIBLE_AUS, each, strict=True)}
    print("ICC at yaw to 40:", ", ".join(f"AU{au} {value:.2f}" for au, value in result["icc"].items()))
    neutral = (faces.movements.max(1) < 0.02) & near
    for name in ("gender female", "gender male", *(f"skin {tone}" for tone in TONES)):
        mean = 5 * readings[0].movements[neutral & groups[name]].mean()
        result["groups"][name]["neutral"] = float(mean)
        print(f"neutral, {name}: mean intensity read {mean:.2f} of 5")
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))
    if given.sheet:
        rows_of = [groups[name] for name in ("yaw to 30", "yaw 30 to 60", "yaw from 60")]
        write_jpeg(given.sheet, np.vstack([_row(faces, readings[0], members) for members in rows_of]))


TONES = {"light": (0.0, 0.33), "medium": (0.33, 0.66), "dark": (0.66, 1.01)}
AGES = {"below 30": (0, 30), "30 to 50": (30, 50), "from 50": (50, 200)}


def _between(values: Any, low: float, high: float) -> Any:
    return ((values >= low) & (values < high)).to_numpy()


def _agreement(read: Any, truth: Any, members: Any) -> Any:
    return intraclass_correlation(read[members], truth[members])


class _MovedCrops(CropsDataset):
    """Crops moved, sized and turned at random, else untouched."""

    def square(self, row: int) -> Any:
        rng = np.random.default_rng([row, 11])
        return views.jittered(rng, face_square(self.faces.points[row]))


class _Readings(NamedTuple):
    """Of N faces.

    Attributes:
        errors: [N], of the landmarks in percent.
        movements: [N, A].
        points: [N, 68, 2], landmarks from -1 to 1 across the crop.
    """

    errors: npt.NDArray[np.float32]
    movements: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]


def _read(detector: LandmarkDetector, faces: Any, moved: bool) -> _Readings:
    dataset = (_MovedCrops if moved else CropsDataset)(faces, 112, augment=False)
    errors, movements, points = [], [], []
    for start in range(0, len(dataset), BATCH):
        batch = dataset[BatchSpec(np.arange(start, min(start + BATCH, len(dataset))))]
        with torch.inference_mode():
            reading = detector.reader(batch["image"].float() / 255)
        truth = batch["points"][:, :LANDMARKS, :2]
        extent = (truth.amax(1) - truth.amin(1)).prod(-1).sqrt()
        apart = (reading.points[:, :LANDMARKS, :2] - truth).norm(dim=-1).mean(-1)
        errors.append((100 * apart / extent).numpy())
        movements.append(reading.movements.numpy())
        points.append(reading.points[:, :LANDMARKS, :2].numpy())
    return _Readings(np.concatenate(errors), np.concatenate(movements), np.concatenate(points))


def _row(faces: LabelledFaces, readings: _Readings, members: Any) -> Any:
    """Faces of a group from the best to the worst read: landmarks as read, and the AU that acts most."""
    ranked = np.flatnonzero(members)[np.argsort(readings.errors[members])]
    cells = []
    for row in ranked[np.linspace(0, len(ranked) - 1, SHOWN).astype(int)]:
        square = face_square(faces.points[row])
        cell = cut(np.ascontiguousarray(faces.images[row][..., :3]), square, TILE)
        for x, y in (readings.points[row] + 1) * TILE / 2 - 0.5:
            cv2.circle(
                cell, (round(16 * float(x)), round(16 * float(y))), 20, (90, 255, 110), -1, cv2.LINE_AA, 4
            )
        most = int(faces.movements[row].argmax())
        read, seen = 5 * readings.movements[row][most], 5 * faces.movements[row][most]
        texts = f"NME {readings.errors[row]:.1f} %", f"AU{VISIBLE_AUS[most]} {read:.1f}, rendered {seen:.1f}"
        paper = np.full((34, TILE, 3), 24, np.uint8)
        for line, text in enumerate(texts):
            cv2.putText(
                paper, text, (4, 13 + 15 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (235,) * 3, 1, cv2.LINE_AA
            )
        cells.append(np.vstack([cell, paper]))
    return np.hstack(cells)


if __name__ == "__main__":
    main()
