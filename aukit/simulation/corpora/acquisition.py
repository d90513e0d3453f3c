"""Acquisition: the room, light and camera of each stand-in corpus; independent of the face.

Corpora differ in how they were recorded, and a network that is trained on one of them learns that too.
`ACQUISITIONS` has an entry for each corpus, after what its authors publish about the recording (the numbers
are our choice), and ``street``, which is none of them: any light, any background, any camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from aukit.simulation.rendering.background import clutter, wall
from aukit.simulation.rendering.light import Light, direction

Range = tuple[float, float]


@dataclass(frozen=True)
class Acquisition:
    """How a corpus is recorded; each recording draws its own room, light and camera from these.

    Attributes:
        name: Key in `ACQUISITIONS`.
        azimuth: Mean and spread of the key light's direction in degrees, positive from the image's right.
        elevation: Likewise, positive from above.
        fill: Range of the fill light's strength, on the other side; the key's is 1.
        ambient: Range of the strength of the light from everywhere.
        hardness: Range of the weight of cast shadows, 0 for a wide soft light.
        warmth: Mean and spread of the light's red over blue.
        exposure: Spread of the logarithm of the brightness.
        backdrop: Range of the brightness of the wall behind the person; None for a cluttered place.
        tint: Red, green and blue of the wall over its brightness.
        blur: Range of the lens' softness in pixels of an image of 192 × 192.
        noise: Range of the sensor's noise, as a share of white.
        detail: Range of the camera's resolution over that of the image, at most 1.
        quality: Range of JPEG quality between camera and corpus; None for none.
        grey: Chance of a camera without colour.
        sunglasses: Chance of a person with sunglasses.
    """

    name: str
    azimuth: Range = (-12, 16)
    elevation: Range = (30, 8)
    fill: Range = (0.2, 0.4)
    ambient: Range = (0.4, 0.65)
    hardness: Range = (0.4, 0.8)
    warmth: Range = (0.0, 0.04)
    exposure: float = 0.08
    backdrop: Range | None = (0.25, 0.75)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: Range = (0.4, 0.65)
    noise: Range = (0.004, 0.012)
    detail: Range = (1.0, 1.0)
    quality: tuple[int, int] | None = None
    grey: float = 0.0
    sunglasses: float = 0.0

    def light(self, rng: np.random.Generator) -> Light:
        """The light of one recording."""
        azimuth = float(np.clip(rng.normal(*self.azimuth), -80, 80))
        elevation = float(np.clip(rng.normal(*self.elevation), -10, 70))
        warmth = float(rng.normal(*self.warmth))
        fill, ambient = float(rng.uniform(*self.fill)), float(rng.uniform(*self.ambient))
        other_side = -1.0 if azimuth > 0 else 1.0
        return Light(
            key=direction(azimuth, elevation),
            key_colour=(1 + warmth, 1.0, 1 - warmth),
            fill=direction(other_side * float(rng.uniform(25, 55)), float(rng.uniform(-10, 20))),
            fill_colour=(fill, fill, fill * (1 + warmth)),
            sky=(ambient, ambient, ambient * (1 - warmth)),
            ground=(0.5 * ambient, 0.48 * ambient, 0.45 * ambient),
            exposure=float(np.exp(rng.normal(0, self.exposure))),
            hardness=float(rng.uniform(*self.hardness)),
        )

    def background(self, rng: np.random.Generator, size: int) -> Tensor:
        """What stands behind the person in one recording: float32 [3, S, S], sRGB in [0, 1]."""
        if self.backdrop is None:
            return clutter(rng, size)
        colour = rng.uniform(*self.backdrop) * np.asarray(self.tint) + rng.normal(0, 0.03, 3)
        return wall(rng, size, np.clip(colour, 0.05, 0.95))

    def sensor(self, rng: np.random.Generator, size: int) -> Sensor:
        """The camera of one recording for images of `size` pixels."""
        return Sensor(self, rng, size)


ACQUISITIONS: dict[str, Acquisition] = {
    acquisition.name: acquisition
    for acquisition in (
        # One laboratory, even light; FERA 2017's videos and BP4D+'s are from there, too.
        Acquisition("bp4d"),
        # Seated before one grey-blue wall, lit from in front for two cameras.
        Acquisition("disfa", azimuth=(4, 7), elevation=(18, 6), fill=(0.3, 0.5), ambient=(0.55, 0.85),
             hardness=(0.2, 0.45), warmth=(-0.05, 0.03), backdrop=(0.35, 0.5), tint=(0.88, 1.0, 1.12),
             blur=(0.5, 0.75), noise=(0.006, 0.014)),
        # Three people at a table in a room lit from its ceiling; small faces in the video.
        Acquisition("gft", azimuth=(0, 26), elevation=(48, 8), fill=(0.1, 0.3), ambient=(0.5, 0.8),
             hardness=(0.35, 0.7), warmth=(0.07, 0.04), backdrop=None, blur=(0.45, 0.7), noise=(0.008, 0.018),
             detail=(0.65, 0.85)),
        # One of many flashes around the person, hardly any other light.
        Acquisition("multipie", azimuth=(0, 45), elevation=(18, 12), fill=(0.02, 0.12), ambient=(0.2, 0.4),
             hardness=(0.75, 1.0), exposure=0.12, backdrop=(0.3, 0.55), tint=(0.95, 1.0, 1.08)),
        # A clinic's window on one side and a camera of few pixels.
        Acquisition("unbc", azimuth=(38, 12), elevation=(25, 8), fill=(0.08, 0.2), ambient=(0.35, 0.6),
             hardness=(0.3, 0.6), warmth=(-0.02, 0.05), backdrop=(0.45, 0.8), tint=(1.04, 1.0, 0.94),
             blur=(0.5, 0.8), noise=(0.01, 0.022), detail=(0.5, 0.65), quality=(60, 85)),
        # Photographs from anywhere.
        Acquisition("street", azimuth=(0, 34), elevation=(30, 16), fill=(0.05, 0.4), ambient=(0.25, 0.8),
             hardness=(0.2, 1.0), warmth=(0.0, 0.09), exposure=0.15, backdrop=None, blur=(0.3, 0.9),
             noise=(0.002, 0.022), detail=(0.55, 1.0), quality=(45, 95), grey=0.08, sunglasses=0.1),
    )
}  # fmt: skip


class Sensor:
    """Camera of one recording: fixed blur, resolution, colour cast and tone curve; noise per frame.

    Args:
        acquisition: Whose camera.
        rng: Source of all randomness, the noise included.
        size: Width and height of the frames in pixels.
    """

    def __init__(self, acquisition: Acquisition, rng: np.random.Generator, size: int) -> None:
        self._rng = rng
        self._size = size
        # Softness of lens and focus, growing with the resolution.
        self._blur = float(rng.uniform(*acquisition.blur)) * (size / 192) ** 0.5
        cast = 1 + rng.normal(0, 0.03, 3)
        gain, gamma = np.exp(rng.normal(0, 0.06)), np.exp(rng.normal(0, 0.05))
        curve = np.linspace(0.0, 1.0, 256)[:, None] ** gamma * gain * cast * 255.0
        self._curve = curve.astype(np.float32)[None]
        strength = rng.uniform(*acquisition.noise) * 255.0
        self._own_size = max(round(float(rng.uniform(*acquisition.detail)) * size), 1)
        self._quality = (
            None if acquisition.quality is None else int(rng.integers(*acquisition.quality, endpoint=True))
        )
        self._grey = bool(rng.random() < acquisition.grey)
        side = 2 * self._own_size
        self._noise = rng.standard_normal((side, side, 3), dtype=np.float32) * np.float32(strength)

    def __call__(self, images: Tensor) -> npt.NDArray[np.uint8]:
        """Frames as the camera records them.

        Args:
            images: Float [T, 3, S, S] in [0, 1].

        Returns:
            uint8 [T, S, S, 3].
        """
        size, own = self._size, self._own_size
        result = np.empty((len(images), size, size, 3), dtype=np.uint8)
        for out, image in zip(result, (images * 255.0).permute(0, 2, 3, 1).contiguous().numpy(), strict=True):
            soft = cv2.GaussianBlur(image, (0, 0), self._blur)
            if own < size:
                soft = cv2.resize(soft, (own, own), interpolation=cv2.INTER_AREA)
            toned = cv2.LUT(cv2.convertScaleAbs(soft), self._curve)
            # A window at a random place of one large noise field: as good as new noise and far cheaper.
            y, x = self._rng.integers(0, own, 2)
            noisy = cv2.add(toned, np.ascontiguousarray(self._noise[y : y + own, x : x + own]))
            frame = cv2.convertScaleAbs(np.maximum(noisy, 0.0, out=noisy))
            if self._grey:
                frame = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            if own < size:
                frame = cv2.resize(frame, (size, size), interpolation=cv2.INTER_CUBIC)
            if self._quality is not None:
                code = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self._quality])[1]
                frame = cv2.imdecode(code, cv2.IMREAD_COLOR)
            out[:] = frame
        return result


def to_pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    """[B, 3, H, W] in [0, 1] → uint8 [B, H, W, 3], as an ideal camera records them."""
    pixels: npt.NDArray[np.uint8] = (
        (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    )
    return pixels
