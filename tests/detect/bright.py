"""A detector of bright squares and videos of them, for tests of what stands around a detector."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from aukit.datasets.video import Image, encode_video
from aukit.detect.face import INTENSITY, Face
from aukit.facs import VISIBLE_AUS

POINTS = np.stack(np.meshgrid(np.linspace(0, 1, 17), np.linspace(0, 1, 4)), -1).reshape(68, 2)
"""Where landmarks lie in a square."""


class BrightSquares:
    """Takes every square brighter than 200 for a face; all its action units are as strong as it is red."""

    name, version, aus, measure = "bright squares", "1", VISIBLE_AUS, INTENSITY

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.seen = 0

    def photograph(self, image: Image) -> list[Face]:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        self.seen += 1
        _, _, boxes, _ = cv2.connectedComponentsWithStats((image[..., 1] > 200).astype(np.uint8))
        boxes = sorted((box for box in boxes[1:].tolist() if box[4] >= 25), key=lambda box: -box[4])
        return [self._face(image, box[:4], number) for number, box in enumerate(boxes)]

    def video(self) -> "BrightSquares":
        return self

    def __call__(self, frames: Sequence[Image | None]) -> list[list[Face]]:
        return [[] if frame is None else self.photograph(frame) for frame in frames]

    def _face(self, image: Image, box: list[int], number: int) -> Face:
        left, top, width, height = box
        level = image[top + height // 2, left + width // 2, 0] / 255 * 5
        points = np.zeros((68, 3), np.float32)
        points[:, :2] = POINTS * (width - 1, height - 1) + (left, top)
        return Face(
            np.array(box, np.float32),
            0.9,
            points,
            np.ones(68, np.float32),
            np.array([0.1, -0.2, 0.3], np.float32),
            np.full(len(self.aus), level, np.float32),
            number,
        )


def scene(*squares: tuple[int, int, int], red: int = 255, size: tuple[int, int] = (96, 128)) -> Image:
    """A dark picture with bright squares (left, top, side)."""
    image = np.full((*size, 3), 30, np.uint8)
    for left, top, side in squares:
        image[top : top + side, left : left + side] = (red, 255, 255)
    return image


def video(path: Path, frames: int = 12, empty: Sequence[int] = (), fps: int = 25) -> Path:
    """A square that moves to the right by four pixels a frame; none in the frames of `empty`."""
    pictures = [scene() if i in empty else scene((4 * i, 20, 40)) for i in range(frames)]
    encode_video(path, pictures, fps, crf=5)
    return path


def sound(path: Path) -> Path:
    """A file of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
