"""Registration: landmarks, 2D crops, dense 3D meshes and frontalisation."""

from aukit.registration.base import Registered, Registration
from aukit.registration.canonical import CanonicalFace, canonical_face, frontal_template
from aukit.registration.crops import FFHQ, AsIs, RegistrationName, Similarity, build_registration
from aukit.registration.dense import DenseFit, DenseFitter, fit_dense_mesh
from aukit.registration.ffhq import FFHQPlan, FFHQQuad, ffhq_crop, ffhq_matrix, ffhq_plan, ffhq_quad
from aukit.registration.frontal3d import Frontal3D
from aukit.registration.landmark_sources import (
    AukitLandmarks,
    FaceAlignmentLandmarks,
    LandmarkSource,
    NoLandmarks,
    SidecarLandmarks,
)
from aukit.registration.landmarks.detector import FaceTrack, FoundFace, LandmarkDetector
from aukit.registration.prnet.frontal import PRNet
from aukit.registration.procrustes import frontalize, umeyama
from aukit.registration.rotated import FaceTurner
from aukit.registration.similarity import similarity_align

__all__ = [
    "FFHQ",
    "AsIs",
    "AukitLandmarks",
    "CanonicalFace",
    "DenseFit",
    "DenseFitter",
    "FFHQPlan",
    "FFHQQuad",
    "FaceAlignmentLandmarks",
    "FaceTrack",
    "FaceTurner",
    "FoundFace",
    "Frontal3D",
    "LandmarkDetector",
    "LandmarkSource",
    "NoLandmarks",
    "PRNet",
    "Registered",
    "Registration",
    "RegistrationName",
    "SidecarLandmarks",
    "Similarity",
    "build_registration",
    "canonical_face",
    "ffhq_crop",
    "ffhq_matrix",
    "ffhq_plan",
    "ffhq_quad",
    "fit_dense_mesh",
    "frontal_template",
    "frontalize",
    "similarity_align",
    "umeyama",
]
