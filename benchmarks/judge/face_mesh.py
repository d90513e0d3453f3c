"""An outside judge of rendered faces: does MediaPipe's face mesh find them, and where are their landmarks?

It reads a folder that `aukit avatars render` wrote and prints one line per figure. MediaPipe 0.10.21, the
last wheel with its models inside, pins old versions of its dependencies, so it runs in an environment of its
own:

    python -m venv judge && judge/bin/pip install mediapipe==0.10.21 'pandas<2.3' 'pyarrow<19'
    aukit avatars render --maker people --count 500 --size 256 --max-yaw 40 --seed 9 --out faces
    judge/bin/python benchmarks/judge/face_mesh.py faces

Errors are distances in the image between the judge's 51 inner points and ours, over our distance of the outer
eye corners in the image. No offset is fitted to the judge, although the two mark-ups agree only
roughly about what they mean.

The mesh has a second stage that refines eyes and lips (`refine_landmarks`); it judges by default, and
``--coarse`` leaves it out: without it the mesh damps what eyes and lips do, in photographs too
(`stretched.py`).
"""

import argparse
import json
from pathlib import Path

import cv2
import mediapipe
import numpy as np
import pandas as pd

#: Points of the face mesh at the landmarks 17 to 67 of the 68.
MESH = [
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
]
GROUPS = {"brows": slice(0, 10), "nose": slice(10, 19), "eyes": slice(19, 31), "lips": slice(31, 51)}


def detect(folder: Path, numbers: list[int], coarse: bool = False) -> np.ndarray:
    """The judge's 51 points [N, 51, 2] in pixels, NaN where it finds no face."""
    found = np.full((len(numbers), len(MESH), 2), np.nan)
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True,
        max_num_faces=1,
        refine_landmarks=not coarse,
        min_detection_confidence=0.3,
    ) as mesh:
        for k, number in enumerate(numbers):
            image = cv2.cvtColor(cv2.imread(str(folder / f"{number:06d}.png")), cv2.COLOR_BGR2RGB)
            result = mesh.process(image).multi_face_landmarks
            if result:
                points = np.array([(p.x, p.y) for p in result[0].landmark])[MESH]
                found[k] = (
                    points * [image.shape[1], image.shape[0]] - 0.5
                )  # pixel centres lie on whole numbers
    return found


def distances(points: np.ndarray, eyes: np.ndarray) -> dict[str, np.ndarray]:
    """What expressions move, from 51 points [N, 51, 2], over the distance of the outer eye corners [N]."""

    def gap(a: int, b: int) -> np.ndarray:
        return np.linalg.norm(points[:, a - 17] - points[:, b - 17], axis=-1) / eyes

    across = points[:, 45 - 17] - points[:, 36 - 17]
    down = np.stack([-across[:, 1], across[:, 0]], -1) / np.linalg.norm(across, axis=-1, keepdims=True)
    height = (points @ down[..., None])[..., 0] / eyes[:, None]
    mean = {name: height[:, part].mean(1) for name, part in GROUPS.items()}
    return {
        "lip gap": gap(62, 66),
        "mouth width": gap(48, 54),
        "corner lift": (height[:, 51 - 17] + height[:, 57 - 17] - height[:, 48 - 17] - height[:, 54 - 17])
        / 2,
        "eye opening": (gap(37, 41) + gap(38, 40) + gap(43, 47) + gap(44, 46)) / 4,
        "brow height": mean["eyes"] - mean["brows"],
    }


def judge(folder: Path, coarse: bool = False) -> dict[str, float]:
    """All figures of a folder of renders."""
    table = pd.read_parquet(folder / "samples.parquet")
    numbers = [n for n in range(len(table)) if (folder / f"{n:06d}.png").exists()]
    yaw = table["yaw"].to_numpy()[numbers]
    own = np.stack([np.load(folder / f"{n:06d}.npy", allow_pickle=False) for n in numbers])[:, 17:, :2]
    theirs = detect(folder, numbers, coarse)
    eyes = np.linalg.norm(own[:, 45 - 17] - own[:, 36 - 17], axis=-1)
    found = np.isfinite(theirs[:, 0, 0])
    wide, frontal = np.abs(yaw) <= 40, np.abs(yaw) <= 30
    error = np.linalg.norm(theirs - own, axis=-1) / eyes[:, None]
    seen = frontal & found
    figures: dict[str, float] = {
        "renders within 40 degrees": int(wide.sum()),
        "found": float(found[wide].mean()),
        "renders within 30 degrees": int(frontal.sum()),
        "error": float(error[seen].mean()),
        "error, 95th percentile of renders": float(np.percentile(error[seen].mean(1), 95)),
    }
    for name, part in GROUPS.items():
        figures[f"error of {name}"] = float(error[seen][:, part].mean())
    ours, judged = distances(own[seen], eyes[seen]), distances(theirs[seen], eyes[seen])
    for name in ours:
        figures[f"r of {name}"] = float(np.corrcoef(ours[name], judged[name])[0, 1])
    return figures


def main() -> None:
    """Judge the folders that are named and print their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--coarse", action="store_true", help="without the stage that refines eyes and lips")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    figures = {str(folder): judge(folder, arguments.coarse) for folder in arguments.folders}
    for folder, values in figures.items():
        print(folder)
        for name, value in values.items():
            print(f"  {name:36} {value:.3f}" if isinstance(value, float) else f"  {name:36} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
