"""Training of the networks that find and read faces; they are used in `aukit.registration.landmarks`."""

from aukit.models.landmarks.losses import finding_losses, reading_losses
from aukit.models.landmarks.module import FaceFinderModule, FaceReaderModule

__all__ = ["FaceFinderModule", "FaceReaderModule", "finding_losses", "reading_losses"]
