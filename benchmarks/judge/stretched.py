"""How far MediaPipe's face mesh follows a picture: pictures are stretched at mouth and eyes and judged again.

A check of the judge in `face_mesh.py`, in the same environment, on renders or photographs of frontal faces.
The motion is in the pixels beyond doubt, so whatever the judge does not follow is its own damping:

    aukit avatars render --maker avatars --count 40 --size 256 --max-yaw 15 --seed 9 --out faces
    judge/bin/python benchmarks/judge/stretched.py faces/*.png
    judge/bin/python benchmarks/judge/stretched.py photograph.png

Mouths become a quarter wider and narrower, corners are lifted and lowered by a quarter of the mouth's
half-width, eyes are opened and closed by half; where they are, the judge says itself.  `reach`: how far
beyond the mouth or the lids the skin is drawn along, in half-widths.  Printed is the share of the motion that
the judge sees, the mean over the pictures.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from face_mesh import detect, distances

Field = Callable[[np.ndarray], np.ndarray]
REACHES = (0.4, 0.8, 1.5, 3.0)
QUARTER, HALF = 0.25, 0.5


def mouth(points: np.ndarray, amount: float, reach: float, lift: bool) -> Field:
    """Displacement of places [..., 2]: the corners go aside (or up) by `amount` half-widths of the mouth."""
    left, right = points[48], points[54]
    middle, half = (left + right) / 2, float(np.linalg.norm(right - left)) / 2
    across = (right - left) / (2 * half)
    down = np.array([-across[1], across[0]])

    def field(places: np.ndarray) -> np.ndarray:
        u, v = (places - middle) @ across / half, (places - middle) @ down / half
        beyond = np.exp(-((np.maximum(np.abs(u) - 1, 0) / reach) ** 2) - (v / reach) ** 2)
        inside = np.minimum(np.abs(u), 1.0)
        if lift:
            return -amount * half * (inside**1.6 * beyond)[..., None] * down
        return amount * half * (np.sign(u) * inside * beyond)[..., None] * across

    return field


def eyes(points: np.ndarray, amount: float, reach: float) -> Field:
    """Displacement of places [..., 2]: lids move from the middle of the eye by a share of their distance."""
    across = (points[45] - points[36]) / np.linalg.norm(points[45] - points[36])
    down = np.array([-across[1], across[0]])
    outlines = [points[36:42], points[42:48]]

    def field(places: np.ndarray) -> np.ndarray:
        total = np.zeros(places.shape)
        for outline in outlines:
            middle, half = outline.mean(0), float(np.linalg.norm(outline[3] - outline[0])) / 2
            opening = float(np.linalg.norm(outline[[1, 2]] - outline[[5, 4]], axis=1).mean()) / 2
            u, v = (places - middle) @ across / half, (places - middle) @ down
            lid = opening * np.sqrt(np.clip(1 - np.minimum(np.abs(u), 1) ** 2, 0.05, 1))
            beyond = np.maximum(np.abs(v) - lid, 0) / (reach * half)
            aside = np.exp(-(np.maximum(np.abs(u) - 0.6, 0) ** 2) / 0.3)
            moved = np.sign(v) * np.minimum(np.abs(v), lid) * np.exp(-(beyond**2)) * aside
            total += amount * moved[..., None] * down
        return total

    return field


KINDS: tuple[tuple[str, Callable[[np.ndarray, float, float], Field], float], ...] = (
    ("mouth width", lambda points, amount, reach: mouth(points, amount, reach, lift=False), QUARTER),
    ("corner lift", lambda points, amount, reach: mouth(points, amount, reach, lift=True), QUARTER),
    ("eye opening", eyes, HALF),
)
"""A distance, what changes it, and by how much."""


def stretch(image: np.ndarray, field: Field) -> np.ndarray:
    """The picture with every place carried along; the way back is found by iteration."""
    places = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float64) for n in image.shape[1::-1])), -1)
    source = places.copy()
    for _ in range(40):
        source = 0.5 * source + 0.5 * (places - field(source))
    x, y = source.astype(np.float32).transpose(2, 0, 1)
    return cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def judged(pictures: list[np.ndarray], coarse: bool) -> np.ndarray:
    """The judge's 51 points of pictures in memory [N, 51, 2]."""
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(pictures):
            cv2.imwrite(f"{folder}/{number:06d}.png", picture)
        return detect(Path(folder), list(range(len(pictures))), coarse)


def change(what: str, before: np.ndarray, after: np.ndarray, eyes_apart: np.ndarray) -> np.ndarray:
    """By how much a distance has grown from some points [N, 51, 2] to others [N]."""
    return distances(after, eyes_apart)[what] - distances(before, eyes_apart)[what]


def main() -> None:
    """Judge the pictures as they are and stretched, and print how much of it the judge sees."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--coarse", action="store_true")
    arguments = parser.parse_args()
    files = arguments.pictures
    pictures = [cv2.imread(file) for file in files]
    unread = [file for file, picture in zip(files, pictures, strict=True) if picture is None]
    if unread:
        raise SystemExit(f"{unread[0]}: no picture that OpenCV reads ({len(unread)} of {len(files)})")
    rest = judged(pictures, arguments.coarse)
    found = np.isfinite(rest[:, 0, 0])
    if not found.any():
        raise SystemExit("the judge finds no face in any of the pictures")
    pictures, rest = [p for p, f in zip(pictures, found, strict=True) if f], rest[found]
    # `mouth` and `eyes` count as the 68 do: the 17 of the jaw's outline are not judged.
    own = np.concatenate([np.full((len(rest), 17, 2), np.nan), rest], 1)
    apart = np.linalg.norm(own[:, 45] - own[:, 36], axis=-1)
    print(f"{len(rest)} faces in {len(files)} pictures")
    for what, make, amount in KINDS:
        for reach in REACHES:
            shares = []
            for signed in (amount, -amount):
                fields = [make(points, signed, reach) for points in own]
                stretched = [stretch(p, f) for p, f in zip(pictures, fields, strict=True)]
                seen = judged(stretched, arguments.coarse)
                moved = np.stack([points + f(points) for points, f in zip(own, fields, strict=True)])[:, 17:]
                shares.append(np.nanmean(change(what, rest, seen, apart) / change(what, rest, moved, apart)))
            print(f"{what:12} reach {reach:3.1f}: more {shares[0]:.2f}, less {shares[1]:.2f}")


if __name__ == "__main__":
    main()
