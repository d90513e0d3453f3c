"""From a release to its prepared store: which landmarks, which registration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit.registration import FaceAlignmentLandmarks, LandmarkSource, SidecarLandmarks, build_registration
from aukit.store.build import prepare
from aukit.store.store import PreparedStore

if TYPE_CHECKING:
    from aukit.datasets.avatar_pairs import AvatarPairs
    from aukit.datasets.release import Release


def landmark_source(corpus: Release | AvatarPairs, weights_dir: str | Path | None = None) -> LandmarkSource:
    """The corpus' own landmark sidecar if it has one, else face-alignment's 3D landmarks."""
    return SidecarLandmarks(corpus) if corpus.has_sidecar else FaceAlignmentLandmarks(weights_dir)


def prepare_release(
    corpus: Release | AvatarPairs,
    cache: str | Path,
    registration: str,
    size: int,
    weights_dir: str | Path | None = None,
    workers: int = 2,
    **settings: Any,
) -> PreparedStore:
    """Build the prepared store of a release, or open it; see `aukit.store.prepare`.

    Args:
        corpus: reader of the release, of a stand-in with the same layout, or of avatar pairs.
        cache: folder of prepared stores.
        registration: "ffhq", "similarity", "frontal3d" or "none".
        size: side of the crops in pixels.
        weights_dir: folder of face-alignment's weights, for releases without a landmark sidecar.
        workers: processes.
        settings: further arguments of the registration, such as `transform_size` of "ffhq".
    """
    source = landmark_source(corpus, weights_dir)
    return prepare(corpus, build_registration(registration, size, **settings), source, cache, workers=workers)
