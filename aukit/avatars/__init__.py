"""Parametric faces with FACS controls: geometry, appearance, renderer (arrays in, arrays out)."""

from aukit.avatars.appearance import Appearance, Avatar
from aukit.avatars.background import clutter, plain_background, wall
from aukit.avatars.camera import Camera
from aukit.avatars.face_model import FaceMesh, FaceModel, face_model
from aukit.avatars.light import Light
from aukit.avatars.regions import face_regions
from aukit.avatars.renderer import Rendering, render

__all__ = [
    "Appearance",
    "Avatar",
    "Camera",
    "FaceMesh",
    "FaceModel",
    "Light",
    "Rendering",
    "clutter",
    "face_model",
    "face_regions",
    "plain_background",
    "render",
    "wall",
]
