"""How well the shipped networks read rendered faces of people that they were not trained on, group by group.

    aukit avatars labelled --identities 256 --frames 4 --first 90000 --basis procedural ict --out faces
    python benchmarks/faces_report.py faces [--json FILE]

Landmarks: mean distance in the image over the square root of the area of the landmarks' upright box, in
percent, in exact crops and in crops moved as a detector moves them. Action units: ICC(3,1) between reading
and seen movement. Groups: yaw, skin tone, gender, age, maker, basis. Neutral: what is read where nothing
acts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aukit.datamodules import BatchSpec
from aukit.datamodules import face_views as views
from aukit.datamodules.labelled_faces import CropsDataset
from aukit.facs import VISIBLE_AUS
from aukit.metrics import intraclass_correlation
from aukit.registration import LandmarkDetector
from aukit.registration.landmarks.crops import face_square
from aukit.registration.landmarks.points import LANDMARKS
from aukit.simulation import open_labelled_faces

BATCH = 64


def main() -> None:
    """Read all faces, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", type=Path, help="folder that aukit avatars labelled wrote")
    parser.add_argument("--weights", type=Path, help="folder with other weights than the package's")
    parser.add_argument("--json", type=Path, metavar="FILE")
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
            np.nan if not seen.any() else float(np.nanmean(_agreement(readings[0][1], faces.movements, seen)))
        )
        errors = [float(reading[0][members].mean()) for reading in readings]
        result["groups"][name] = {
            "faces": int(members.sum()),
            "nme": errors[0],
            "nme_moved": errors[1],
            "icc": icc,
        }
        print(f"{name:16} {members.sum():6} {errors[0]:6.2f} {errors[1]:6.2f} {icc:6.2f}")
    each = _agreement(readings[0][1], faces.movements, near)
    result["icc"] = {au: float(value) for au, value in zip(VISIBLE_AUS, each, strict=True)}
    print("ICC at yaw to 40:", ", ".join(f"AU{au} {value:.2f}" for au, value in result["icc"].items()))
    neutral = (faces.movements.max(1) < 0.02) & near
    for name in ("gender female", "gender male", *(f"skin {tone}" for tone in TONES)):
        mean = 5 * readings[0][1][neutral & groups[name]].mean()
        result["groups"][name]["neutral"] = float(mean)
        print(f"neutral, {name}: mean intensity read {mean:.2f} of 5")
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))


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


def _read(detector: LandmarkDetector, faces: Any, moved: bool) -> tuple[Any, Any]:
    """Error of the landmarks in percent [N] and movements [N, A]."""
    dataset = (_MovedCrops if moved else CropsDataset)(faces, 112, augment=False)
    errors, movements = [], []
    for start in range(0, len(dataset), BATCH):
        batch = dataset[BatchSpec(np.arange(start, min(start + BATCH, len(dataset))))]
        with torch.inference_mode():
            reading = detector.reader(batch["image"].float() / 255)
        truth = batch["points"][:, :LANDMARKS, :2]
        extent = (truth.amax(1) - truth.amin(1)).prod(-1).sqrt()
        apart = (reading.points[:, :LANDMARKS, :2] - truth).norm(dim=-1).mean(-1)
        errors.append((100 * apart / extent).numpy())
        movements.append(reading.movements.sigmoid().numpy())
    return np.concatenate(errors), np.concatenate(movements)


if __name__ == "__main__":
    main()
