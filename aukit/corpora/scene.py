"""The recording room and its camera: light, background and sensor of a stand-in corpus; blind to the face."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from aukit.avatars.light import Light, direction


def studio_light(rng: np.random.Generator) -> Light:
    """Even laboratory light: a key within about 25° of the camera's side, much fill; drawn per recording."""
    warmth = float(rng.normal(0, 0.04))
    fill = float(rng.uniform(0.2, 0.4))
    ambient = float(rng.uniform(0.4, 0.65))
    return Light(
        key=direction(
            float(np.clip(rng.normal(-12, 16), -45, 45)), float(np.clip(rng.normal(30, 8), 10, 50))
        ),
        key_colour=(1 + warmth, 1.0, 1 - warmth),
        fill=direction(float(rng.uniform(25, 55)), float(rng.uniform(-10, 20))),
        fill_colour=(fill, fill, fill * (1 + warmth)),
        sky=(ambient, ambient, ambient * (1 - warmth)),
        ground=(0.5 * ambient, 0.48 * ambient, 0.45 * ambient),
        exposure=float(np.exp(rng.normal(0, 0.08))),
        hardness=float(rng.uniform(0.4, 0.8)),
    )


def background(rng: np.random.Generator, size: int) -> Tensor:
    """A wall: one colour, unevenly lit, with faint structure at every scale. Float [3, S, S] in [0, 1]."""
    colour = np.clip(rng.uniform(0.25, 0.75) + rng.normal(0, 0.03, 3), 0.05, 0.95)
    image = torch.from_numpy(colour.astype(np.float32)).view(1, 3, 1, 1).expand(1, 3, size, size).clone()
    for cells, strength in ((2, 0.06), (5, 0.03), (16, 0.01)):
        noise = rng.normal(0.0, strength, (1, 1, cells, cells)).astype(np.float32)
        image += F.interpolate(torch.from_numpy(noise), (size, size), mode="bicubic", align_corners=True)
    return image[0].clamp(0.0, 1.0)


class Sensor:
    """Camera of one recording: fixed blur, colour cast and tone curve; noise per frame.

    Args:
        rng: Source of all randomness, the noise included.
        size: Width and height of the frames in pixels.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._rng = rng
        self._size = size
        # Softness of lens and focus: 0.4 to 0.65 pixels at 192, growing with the resolution.
        self._blur = float(rng.uniform(0.4, 0.65)) * (size / 192) ** 0.5
        cast = 1 + rng.normal(0, 0.03, 3)
        gain, gamma = np.exp(rng.normal(0, 0.06)), np.exp(rng.normal(0, 0.05))
        curve = np.linspace(0.0, 1.0, 256)[:, None] ** gamma * gain * cast * 255.0
        self._curve = curve.astype(np.float32)[None]
        strength = rng.uniform(0.004, 0.012) * 255.0
        field = rng.standard_normal((2 * size, 2 * size, 3), dtype=np.float32)
        self._noise = field * np.float32(strength)

    def __call__(self, images: Tensor) -> npt.NDArray[np.uint8]:
        """Frames as the camera records them.

        Args:
            images: Float [T, 3, S, S] in [0, 1].

        Returns:
            uint8 [T, S, S, 3].
        """
        size = self._size
        result = np.empty((len(images), size, size, 3), dtype=np.uint8)
        for out, image in zip(result, (images * 255.0).permute(0, 2, 3, 1).contiguous().numpy(), strict=True):
            soft = cv2.GaussianBlur(image, (0, 0), self._blur)
            toned = cv2.LUT(cv2.convertScaleAbs(soft), self._curve)
            # A window at a random place of one large noise field: as good as new noise and far cheaper.
            y, x = self._rng.integers(0, size, 2)
            noisy = cv2.add(toned, np.ascontiguousarray(self._noise[y : y + size, x : x + size]))
            cv2.convertScaleAbs(np.maximum(noisy, 0.0, out=noisy), dst=out)
        return result


def to_pixels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    """[B, 3, S, S] in [0, 1] → uint8 [B, S, S, 3], as a camera without faults records them."""
    pixels: npt.NDArray[np.uint8] = (
        (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    )
    return pixels
