"""What every registration takes and gives, and which landmarks it accepts."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from aukit.registration.canonical import CanonicalFace
from aukit.registration.dense import rigid_misfit

#: Smallest face that is registered: rms distance of its landmarks from their mean, in pixels.
LEAST_RADIUS = 4.0
#: Largest rms distance from the rigidly posed mean face, over the rms radius of the landmarks. Trackers with
#: 3-4 % error reach 0.34 on strong expressions; points that are no face lie above 0.9.
LARGEST_MISFIT = 0.5
#: Least area that eyes and mouth span in a plane, over the squared rms radius of the landmarks: 1.6 of a face
#: from the front, 0 in profile, -0.35 at 100 degrees; a mirror image has it negative.
LEAST_AREA = -0.5


class Registered(NamedTuple):
    """Registered frames.

    Attributes:
        crops: uint8 [B,S,S,3]; all zero where not ok.
        landmarks: float32 [B,68,3] in crop pixels (z in the same scale); NaN where not ok.
        ok: bool [B]; False for landmarks that are NaN or no face, and for a face outside the frame.

    Example:
        >>> from aukit.registration import build_registration
        >>> frames = np.zeros((2, 120, 160, 3), np.uint8)
        >>> registered = build_registration("similarity", 64)(frames, np.full((2, 68, 3), np.nan))
        >>> registered.crops.shape, registered.ok.tolist()
        ((2, 64, 64, 3), [False, False])
    """

    crops: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    ok: NDArray[np.bool_]


class Registration(Protocol):
    """Cuts faces out of frames in one defined way.

    Attributes:
        name: as given to ``build_registration``.
        size: side of the crops in pixels.
        settings: everything else that the crops depend on; plain types, goes into a store's fingerprint.

    Example:
        >>> from aukit.registration import build_registration
        >>> registration: Registration = build_registration("frontal3d", 64)
        >>> registration.name, registration.size
        ('frontal3d', 64)
    """

    name: str
    size: int
    settings: dict[str, Any]

    def __call__(self, images: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Registered:
        """Registers frames uint8 [B,H,W,3] with landmarks [B,68,3] in their pixels; bad ones never raise."""
        ...


def check_frames(images: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """The landmarks as a float32 array.

    Raises:
        ValueError: frames and landmarks are not uint8 [B,H,W,3] and [B,68,3].
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"images must be uint8 [B,H,W,3], got {images.dtype} {images.shape}")
    if landmarks.shape != (len(images), 68, 3):
        raise ValueError(f"landmarks must be [{len(images)},68,3], got {landmarks.shape}")
    return np.asarray(landmarks, np.float32)


def usable(
    landmarks: NDArray[np.float32], height: int, width: int, face: CanonicalFace | None = None
) -> NDArray[np.bool_]:
    """Which landmarks [B,68,3] look like a face whose middle lies in the frame; bool [B].

    x and y must be finite. Where there is depth (finite, not the same everywhere) the landmarks must also fit
    the rigid ``face`` (the canonical one by default) roughly; where there is none they must not be a mirror
    image, as points are whose x and y are exchanged, or whose left and right.
    """
    plane = landmarks[..., :2].astype(np.float64)
    finite = np.abs(plane).max((1, 2)) < 1e6  # False for NaN
    plane = np.where(finite[:, None, None], plane, 0.0)
    middle = plane.mean(1)
    radius = np.sqrt(np.square(plane - middle[:, None]).sum(-1).mean(-1))
    inside = (middle >= 0).all(-1) & (middle[:, 0] < width) & (middle[:, 1] < height)
    fine: NDArray[np.bool_] = np.array(finite & inside & (radius >= LEAST_RADIUS))
    depth = landmarks[..., 2]
    with_depth = np.flatnonzero(np.isfinite(depth).all(axis=1))
    judged = with_depth[fine[with_depth] & (np.ptp(depth[with_depth], axis=1) > 0)]
    flat = np.setdiff1d(np.flatnonzero(fine), judged)
    fine[flat] = _area(plane[flat]) >= LEAST_AREA * np.square(radius[flat])
    if len(judged):
        fine[judged] = rigid_misfit(torch.from_numpy(landmarks[judged]), face).numpy() <= LARGEST_MISFIT
    return fine


def _area(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area [B] between eyes and mouth of landmarks [B,68,2]: positive where they turn as a face's do."""
    right, left, mouth = plane[:, 36:42].mean(1), plane[:, 42:48].mean(1), plane[:, 48:68].mean(1)
    across, down = left - right, mouth - (left + right) / 2
    area: NDArray[np.float64] = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    return area
