"""FFHQ crops: what the side of the first resampling, the fill beyond the frame and JPEG change. About 3 min.

    python benchmarks/ffhq_crop.py

Frames of rendered people, 1024 px, whose faces fill them so that every crop reaches beyond the frame; and the
same with a wide margin of their border's colours. The baseline is the crop of 256 px by the cropper of
FG-Net's authors: resampled at 4096 px first, zeros beyond the frame. Differences are means of absolute values
over pixels and channels, in grey levels of 255.
"""

import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aukit.datasets import BP4D
from aukit.registration import ffhq_crop, ffhq_plan, ffhq_quad
from aukit.registration.ffhq import PadMode
from aukit.simulation import BP4DSimulationConfig, BP4DStandin

SIZE = 256
Frame = tuple[NDArray[np.uint8], NDArray[np.float32]]


def frames(folder: Path) -> list[Frame]:
    """Frames of every person of a small stand-in with the 68 landmarks of its tracker."""
    config = replace(BP4DSimulationConfig.smoke(), size=1024, frames=2, tasks=1)
    BP4DStandin(folder / "bp4d", folder / "truth", config).write(progress=False)
    corpus = BP4D(folder / "bp4d")
    found: list[Frame] = []
    for video in corpus.videos:
        marks = corpus.sidecar_landmarks(video)
        found += [
            (image, marks[place]) for place, image in corpus.decode(video) if np.isfinite(marks[place]).all()
        ]
    return found


def with_margin(frame: Frame) -> Frame:
    """The frame with half its size of its border's colours on each side: the crop needs no padding."""
    image, marks = frame
    margin = len(image) // 2
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), "edge")
    return wide, marks + np.array([margin, margin, 0], np.float32)


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """The image written as JPEG and read again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def report(name: str, given: list[Frame]) -> None:
    """Mean differences to the baseline, and milliseconds per crop."""
    padded = sum(
        ffhq_plan(ffhq_quad(marks), *image.shape[:2], SIZE).pad is not None for image, marks in given
    )
    print(f"{name}: {len(given)} frames, {padded} of them padded")
    baseline, seconds = cut(given, 4096, True, "constant")
    print(f"  4096 px, constant  baseline    {seconds * 1e3:6.0f} ms")
    ways: list[tuple[int, bool, PadMode]] = [(1024, True, "constant"), (256, True, "constant")]
    ways += [(1024, True, "reflect"), (1024, False, "constant")]
    for side, padding, mode in ways:
        crops, seconds = cut(given, side, padding, mode)
        fill = mode if padding else "black"
        print(f"  {side:4} px, {fill:<8} {difference(baseline, crops):6.2f} of 255 {seconds * 1e3:6.0f} ms")
    for quality in (95, 75):
        lossy = [jpeg(crop, quality) for crop in baseline]
        print(f"  baseline as JPEG {quality} {difference(baseline, lossy):5.2f} of 255")


def cut(given: list[Frame], side: int, padding: bool, mode: PadMode) -> tuple[list[NDArray[np.uint8]], float]:
    """Crops of all frames, and seconds per crop."""
    began = time.perf_counter()
    crops = [ffhq_crop(image, marks, SIZE, side, padding, mode) for image, marks in given]
    return crops, (time.perf_counter() - began) / len(given)


def difference(a: list[NDArray[np.uint8]], b: list[NDArray[np.uint8]]) -> float:
    """Mean absolute difference of two lists of images."""
    return float(np.mean([np.abs(x.astype(int) - y).mean() for x, y in zip(a, b, strict=True)]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        given = frames(Path(folder))
    report("inside the frame", [with_margin(frame) for frame in given])
    report("beyond its border", given)
