"""FaceModel: parameters of identity and expression to vertices and landmarks, whatever the face basis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aukit.simulation.camera import Camera


class FaceMesh(NamedTuple):
    """Heads in millimetres (x right, y down, z towards the viewer, origin between the pupils).

    Attributes:
        vertices: float32 [B, N, 3].
        landmarks: float32 [B, 68, 3], bound to the skin; see `aukit.simulation.face.landmarks`.

    Example:
        >>> from aukit.simulation import face_model
        >>> mesh = face_model().mean_mesh()
        >>> mesh.vertices.ndim, tuple(mesh.landmarks.shape)
        (3, (1, 68, 3))
    """

    vertices: Tensor
    landmarks: Tensor


class FaceModel(ABC):
    """A parametric head with FACS controls.

    Attributes:
        aus: Action units that can be set, equal to `aukit.facs.VISIBLE_AUS`.
        identity_size: K, number of identity coefficients (in standard deviations).
        triangles: int64 [T, 3]; (p1 - p0) x (p2 - p0) points out of the skin.
        uv: float32 [N, 2] in [0, 1], v down: places on the texture atlas, which all bases share.
        materials: int64 [T], `aukit.simulation.materials.Material` of each triangle (SKIN to CLOTH).
        face_region: bool [N], the facial mask from hairline to jaw in front of the ears, without eyeballs,
            mouth interior, ears, neck and back of the head.
        eye_vertices: int64 [2, E], vertices of the person's left and right eyeball; the first is the
            cornea's apex.
        seam: int64 [S, 2], pairs of vertices that share a place on the skin but not on the atlas.
        casters: int64 [C, 3], triangles (coarser than the skin's) that cast shadows.

    Example:
        >>> import torch
        >>> from aukit.simulation import face_model
        >>> model = face_model("procedural")
        >>> smile = model.activations({12: 0.8, (2, "left"): 1.0})
        >>> mesh = model(torch.zeros(1, model.identity_size), smile)
        >>> mesh.vertices.shape[1] == len(model.uv)
        True
    """

    aus: tuple[int, ...]
    identity_size: int
    triangles: Tensor
    uv: Tensor
    materials: Tensor
    face_region: Tensor
    eye_vertices: Tensor
    seam: NDArray[np.int64]
    casters: Tensor

    @abstractmethod
    def sample_identity(self, rng: np.random.Generator, gender: str, age: float) -> NDArray[np.float32]:
        """Draw the identity coefficients [K] of one person.

        Args:
            rng: Source of randomness.
            gender: "female" or "male".
            age: Years.

        Raises:
            ValueError: On another gender.
        """

    @abstractmethod
    def __call__(self, identity: Tensor, activations: Tensor, gaze: Tensor | None = None) -> FaceMesh:
        """Meshes of given people with given expressions.

        Args:
            identity: float [B, K] in standard deviations.
            activations: float [B, A, 2] (person's left, right) or [B, A] (both alike) in [0, 1],
                columns as in `aus`.
            gaze: float [B, 2], where the eyes look, in degrees (right, up) in the head's own frame; None
                for ahead.

        Returns:
            Meshes in mm.

        Raises:
            ValueError: On other shapes.
        """

    @abstractmethod
    def eye_centres(self, vertices: Tensor) -> Tensor:
        """Centres of the eyeballs (left, right) in meshes of this model whose eyes look ahead. [B, 2, 3]."""

    @abstractmethod
    def on_skin(self, points: Tensor, values: Tensor) -> Tensor:
        """Values at places of the skin that are given by vertices of the procedural mean head.

        Hair is built on `aukit.simulation.face.topology.mean_topology` and attached to heads of every basis.

        Args:
            points: int64 [M], skin vertices of the mean head.
            values: [B, N, C] per vertex of this model.

        Returns:
            [B, M, C].
        """

    def turn_eyes(self, vertices: Tensor, gaze: Tensor) -> Tensor:
        """Rotate both eyeballs in place.

        Args:
            vertices: [B, N, 3], eyes ahead.
            gaze: [B, 2] as in a call.

        Returns:
            Their rotation. [B, 3, 3].
        """
        rotation = Camera(yaw=gaze[:, 0], pitch=gaze[:, 1]).rotation(len(gaze))
        centres = self.eye_centres(vertices)
        for side in (0, 1):
            ball, centre = self.eye_vertices[side], centres[:, side, None]
            vertices[:, ball] = (vertices[:, ball] - centre) @ rotation.transpose(1, 2) + centre
        return rotation

    def activations(self, values: dict[int | tuple[int, str], float]) -> Tensor:
        """Activations of one face from a dictionary.

        Args:
            values: AU number (both sides) or (AU number, "left" | "right") to activation in [0, 1].

        Returns:
            float32 [1, A, 2].
        """
        result = torch.zeros(1, len(self.aus), 2)
        for key, value in values.items():
            au, side = key if isinstance(key, tuple) else (key, None)
            columns = slice(None) if side is None else {"left": 0, "right": 1}[side]
            result[0, self.aus.index(au), columns] = value
        return result

    def mean_mesh(self) -> FaceMesh:
        """The mean head, neutral, with a batch of 1."""
        return self(torch.zeros(1, self.identity_size), torch.zeros(1, len(self.aus), 2))

    def checked(self, identity: Tensor, activations: Tensor) -> tuple[Tensor, Tensor]:
        """The arguments of a call as float32 [B, K] and [B, A, 2] in [0, 1].

        Raises:
            ValueError: On shapes that do not fit.
        """
        if activations.ndim == 2:
            activations = activations[..., None].expand(-1, -1, 2)
        if identity.ndim != 2 or identity.shape[1] != self.identity_size:
            raise ValueError(f"identity must be [B, {self.identity_size}], not {tuple(identity.shape)}")
        if activations.shape != (len(identity), len(self.aus), 2):
            raise ValueError(
                f"activations must be [{len(identity)}, {len(self.aus)}, 2] or [.., {len(self.aus)}], "
                f"not {tuple(activations.shape)}"
            )
        return identity.float(), activations.float().clamp(0.0, 1.0)
