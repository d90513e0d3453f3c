"""Faces of photographs and videos: found, followed and read, with the weights of the package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aukit.registration.canonical import canonical_face
from aukit.registration.landmarks.crops import Square, cut, face_square, from_crop
from aukit.registration.landmarks.finding import peaks
from aukit.registration.landmarks.networks import READER_SIZE, STRIDE, FaceFinder, FaceReader
from aukit.registration.landmarks.points import LANDMARKS
from aukit.registration.procrustes import umeyama

Image = npt.NDArray[np.uint8]
Network = TypeVar("Network", bound=nn.Module)

WEIGHTS = Path(__file__).parent
READER, FINDER = "reader.safetensors", "finder.safetensors"
LOOKED_AT = (160, 320, 640)
"""Longer sides, in pixels, at which a photograph is searched."""
VIDEO_SIDES = (160, 320)
"""Those of frames of a video: faces from about 4 % of the frame's longer side up to all of it."""
LEAST_FOUND, LEAST_GUESSED, LEAST_PRESENT = 0.4, 0.002, 0.5
"""Least confidence of what the finder proposes, the reader looks at again (a square that is off makes it
unsure), and of what is a face."""
SURE = 0.05
"""Mean expected distance of the landmarks, over the square's side, from which on a reading is doubted.

What is no face is often called one, but the landmarks that are seen in it are never sure."""
SEARCH_EVERY = 12
"""Frames between searches for new faces while all known ones are seen."""
DAMPING = 0.7
"""Share of the square by this frame's landmarks in the square of the next: without it squares drift
outwards."""
LOST_FOR = 45
"""Frames after which a face that comes back is a new one."""


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A face in an image.

    Attributes:
        landmarks: float32 [68, 3] in pixels of the image, pixel centres at integers, z towards the viewer.
        dense: float32 [256, 3], places all over the facial mask, see `aukit.registration.landmarks.points`.
        spread: float32 [68], expected distance of each landmark in pixels.
        confidence: That this is a face, in [0, 1], less the more its landmarks are unsure.
        movements: float32 [A], how far each AU of `aukit.facs.VISIBLE_AUS` acts, in [0, 1].
        square: In which it was read.
        identity: Number of the face in its video; 0 in photographs.

    Example:
        >>> faces = LandmarkDetector().photograph(image)  # doctest: +SKIP
        >>> faces[0].landmarks.shape  # doctest: +SKIP
        (68, 3)
    """

    landmarks: npt.NDArray[np.float32]
    dense: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    confidence: float
    movements: npt.NDArray[np.float32]
    square: Square
    identity: int = 0

    @cached_property
    def rotation(self) -> npt.NDArray[np.float64]:
        """Rotation [3, 3] of the head, acting on columns; axes right, down and towards the viewer."""
        canonical = torch.from_numpy(canonical_face().landmarks)
        matrix = umeyama(canonical, torch.from_numpy(self.landmarks).double())[:, :3].numpy()
        rotation: npt.NDArray[np.float64] = matrix / max(float(np.cbrt(np.linalg.det(matrix))), 1e-9)
        return rotation

    @property
    def roll(self) -> float:
        """Radians that the face is turned clockwise in the image."""
        return float(np.arctan2(self.rotation[1, 0], self.rotation[0, 0]))

    def next_square(self) -> Square:
        """Where to read this face in the next frame."""
        new, old = face_square(self.landmarks, self.roll), self.square
        side = old.side + DAMPING * (new.side - old.side)
        return Square(new.x, new.y, side, new.roll)


class LandmarkDetector:
    """Finds faces and reads landmarks and action units, on the CPU or a GPU, with the package's own weights.

    Args:
        device: Where the networks compute.
        weights: Folder with ``reader.safetensors`` and ``finder.safetensors``.

    Attributes:
        licence: Terms of the weights.

    Raises:
        FileNotFoundError: A file of weights is missing from the installation.

    Example:
        >>> detector = LandmarkDetector()  # doctest: +SKIP
        >>> [face.confidence for face in detector.photograph(image)]  # doctest: +SKIP
        [0.99]
    """

    def __init__(self, device: str | torch.device = "cpu", weights: str | Path = WEIGHTS) -> None:
        self.device = torch.device(device)
        folder = Path(weights)
        self.version = weights_version(folder)
        with safe_open(folder / READER, "pt") as opened:
            self.licence: str = (opened.metadata() or {}).get("licence", "")
        self.reader = load_network(FaceReader, folder / READER).to(self.device)
        self.finder = load_network(FaceFinder, folder / FINDER).to(self.device)

    def find(self, image: Image, sides: Sequence[int]) -> list[Square]:
        """Squares in which faces may be, the surest first, in an image shrunk to some longer sides."""
        return _apart([candidate for side in sides for candidate in self._find(image, side)])

    @torch.inference_mode()
    def _find(self, image: Image, side: int) -> list[tuple[Square, float]]:
        height, width = image.shape[:2]
        scale = min(1.0, side / max(height, width))
        small = image
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        down, right = (-length % (4 * STRIDE) for length in small.shape[:2])
        padded = np.pad(small, ((0, down), (0, right), (0, 0)))
        maps = self.finder(self._tensor([padded]))
        factor = width / small.shape[1]
        return [
            (Square((x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5, size * factor), sure)
            for x, y, size, sure in peaks(maps[0], maps[1], LEAST_FOUND)[0].tolist()
        ]

    @torch.inference_mode()
    def read(self, image: Image, squares: Sequence[Square]) -> list[FoundFace]:
        """What is in some squares of an image, a face or not: one pass of the reader."""
        if not squares:
            return []
        reading = self.reader(self._tensor([cut(image, square, READER_SIZE) for square in squares]))
        points, spread = reading.points.cpu().numpy(), reading.spread.exp().cpu().numpy()
        presence, movements = reading.presence.sigmoid().tolist(), reading.movements.cpu().numpy()
        faces = []
        for index, square in enumerate(squares):
            pixels = from_crop(points[index], square, READER_SIZE)
            doubt = float(spread[index].mean()) / 2 / SURE
            faces.append(
                FoundFace(
                    pixels[:LANDMARKS],
                    pixels[LANDMARKS:],
                    spread[index] * np.float32(square.side / 2),
                    presence[index] * min(1.0, doubt**-6),
                    movements[index],
                    square,
                )
            )
        return faces

    def photograph(self, image: Image, sides: Sequence[int] = LOOKED_AT) -> list[FoundFace]:
        """All faces of one image uint8 [H, W, 3] RGB, largest first.

        Args:
            image: The image.
            sides: Longer sides, in pixels, at which it is searched; those of more than twice its own are not.

        Raises:
            ValueError: The image is of another type or shape.
        """
        _require_rgb(image)
        longest = max(image.shape[:2])
        sides = [side for side in sides if side < 2 * longest] or [min(sides)]
        return self.refined(image, self.find(image, sides))

    def video(self) -> FaceTrack:
        """A reader of the frames of one video, in their order."""
        return FaceTrack(self)

    def refined(self, image: Image, squares: Sequence[Square]) -> list[FoundFace]:
        """Faces in some squares, largest first: read, turned and centred by what was read, and read again."""
        first = self.read(image, squares)
        again = [face_square(face.landmarks, face.roll) for face in first if face.confidence > LEAST_GUESSED]
        return separate([face for face in self.read(image, again) if face.confidence >= LEAST_PRESENT])

    def _tensor(self, images: list[Image]) -> Tensor:
        batch = torch.from_numpy(np.stack(images)).to(self.device)
        return batch.permute(0, 3, 1, 2).contiguous().float() / 255


class FaceTrack:
    """Follows the faces of one video; each keeps its number.

    Args:
        detector: What finds and reads.

    Example:
        >>> track = LandmarkDetector().video()
        >>> track([np.zeros((90, 160, 3), np.uint8), None])  # no face, no picture
        [[], []]
    """

    def __init__(self, detector: LandmarkDetector) -> None:
        self._detector = detector
        self._seen: dict[int, tuple[FoundFace, int]] = {}
        self._since_search = SEARCH_EVERY
        self._next = 0
        self._frame = -1

    def __call__(self, frames: Sequence[Image | None]) -> list[list[FoundFace]]:
        """Faces of the next frames, largest first; a frame that is None has none.

        Raises:
            ValueError: A frame is not uint8 [H, W, 3].
        """
        return [self._one(frame) for frame in frames]

    def _one(self, image: Image | None) -> list[FoundFace]:
        self._frame += 1
        if image is None:
            return []
        _require_rgb(image)
        known = [face for face, when in self._seen.values() if when == self._frame - 1]
        read = self._detector.read(image, [face.next_square() for face in known])
        followed = [replace(face, identity=before.identity) for before, face in zip(known, read, strict=True)]
        faces = separate([face for face in followed if face.confidence >= LEAST_PRESENT])
        self._since_search += 1
        if not faces or len(faces) < len(known) or self._since_search >= SEARCH_EVERY:
            self._since_search = 0
            for face in self._new(image, faces):
                faces.append(replace(face, identity=self._number(face, faces)))
        for face in faces:
            self._seen[face.identity] = face, self._frame
        self._seen = {key: seen for key, seen in self._seen.items() if self._frame - seen[1] <= LOST_FOR}
        return sorted(faces, key=lambda face: -face.square.side)

    def _new(self, image: Image, known: Sequence[FoundFace]) -> list[FoundFace]:
        """Faces that are not among the known ones."""
        old = [face.square for face in known]
        new = [square for square in self._detector.find(image, VIDEO_SIDES) if not _among(square, old)]
        return [face for face in self._detector.refined(image, new) if not _among(face.square, old)]

    def _number(self, face: FoundFace, taken: Sequence[FoundFace]) -> int:
        """That of a face that was lost near here, or a new one."""
        numbers = {other.identity for other in taken}
        for key, (lost, _) in self._seen.items():
            if key not in numbers and _among(face.square, [lost.square]):
                return key
        self._next += 1
        return self._next - 1


def _require_rgb(image: Image) -> None:
    """See that an image is what the networks take: one with values in [0, 1] would be read as black."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"an image must be uint8 [H, W, 3], RGB from 0 to 255, got {image.dtype} {list(image.shape)};"
            " convert it first"
        )


def separate(faces: Sequence[FoundFace]) -> list[FoundFace]:
    """Of faces in the same place the surest; largest first."""
    kept: list[FoundFace] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        if not _among(face.square, [other.square for other in kept]):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.square.side)


def _apart(found: Sequence[tuple[Square, float]]) -> list[Square]:
    """Of squares in the same place the surest."""
    kept: list[Square] = []
    for square, _ in sorted(found, key=lambda pair: -pair[1]):
        if not _among(square, kept):
            kept.append(square)
    return kept


def _among(square: Square, others: Sequence[Square]) -> bool:
    """Whether a square is about one of others."""
    return any(
        np.hypot(square.x - other.x, square.y - other.y) < 0.4 * max(square.side, other.side)
        and max(square.side, other.side) < 2.5 * min(square.side, other.side)
        for other in others
    )


def weights_version(weights: str | Path = WEIGHTS) -> str:
    """Digest of the weights of a folder, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in (READER, FINDER):
        digest.update((Path(weights) / name).read_bytes())
    return digest.hexdigest()[:16]


def load_network(kind: type[Network], file: Path) -> Network:
    """A network of the package's weights, ready to infer: batch norms are folded into their convolutions.

    Raises:
        FileNotFoundError: There is no such file.
    """
    with safe_open(file, "pt") as opened:
        options = json.loads((opened.metadata() or {}).get("network", "{}"))
        state = {key: opened.get_tensor(key).float() for key in opened.keys()}  # noqa: SIM118
    network = kind(**options)
    network.load_state_dict(state, strict=True)
    _fold(network.eval().requires_grad_(False))
    return network


def _fold(network: nn.Module) -> None:
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            convolution, norm = module[index], module[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(convolution, norm)
                module[index + 1] = nn.Identity()
