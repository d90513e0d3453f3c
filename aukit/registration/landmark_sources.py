"""Where landmarks come from: our own networks, face-alignment's, files beside the corpus, or nowhere."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from aukit.errors import CorpusError, WeightsError
from aukit.registration.landmark_weights import FACE_ALIGNMENT_FILES, face_alignment_folders, find_files
from aukit.registration.landmarks.detector import VIDEO_SIDES, LandmarkDetector, weights_version


class LandmarkSource(Protocol):
    """Gives landmarks for frames of a corpus.

    Attributes:
        name: goes into a store's fingerprint.

    Example:
        >>> class Zeros:
        ...     name = "zeros"
        ...
        ...     def check(self) -> None: ...
        ...
        ...     def landmarks(self, video, images, positions):
        ...         return np.zeros((len(images), 68, 3), np.float32)
        >>> source: LandmarkSource = Zeros()
    """

    name: str

    def check(self) -> None:
        """Raises a clear error if the video cannot work; called before any work begins."""
        ...

    def landmarks(
        self, video: str, images: NDArray[np.uint8], positions: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Landmarks [B,68,3] in frame pixels, z larger = nearer; NaN rows where no face was found.

        Args:
            video: the video, as the corpus names it.
            images: uint8 [B,H,W,3].
            positions: integer [B], 0-based indices of the frames in the video.
        """
        ...


class SidecarCorpus(Protocol):
    """A corpus with landmark files beside its videos."""

    @property
    def has_sidecar(self) -> bool:
        """Whether those files are there."""
        ...

    def sidecar_landmarks(self, video: str) -> NDArray[np.float32]:
        """Landmarks [T,68,3] of all frames of a video."""
        ...


class SidecarLandmarks:
    """Landmarks delivered with a corpus, one file per video.

    Example:
        >>> from aukit.datasets import BP4D
        >>> source = SidecarLandmarks(BP4D("standins/bp4d"))  # doctest: +SKIP
        >>> source.check()  # doctest: +SKIP
    """

    name = "sidecar"

    def __init__(self, corpus: SidecarCorpus) -> None:
        self._corpus = corpus
        self._video: str | None = None
        self._landmarks = np.empty((0, 68, 3), np.float32)

    def check(self) -> None:
        """Raises ``CorpusError`` if the corpus has no landmark files."""
        if not self._corpus.has_sidecar:
            raise CorpusError(
                "the corpus has no landmarks beside it (official releases have none): put them into its"
                " folder Landmarks, or let aukit or face-alignment find them"
            )

    def landmarks(
        self, video: str, images: NDArray[np.uint8], positions: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Rows of the video's sidecar; NaN for frames beyond its end. ``images`` are not used."""
        if video != self._video:
            self._landmarks = np.asarray(self._corpus.sidecar_landmarks(video), np.float32)
            self._video = video
        where = np.asarray(positions, np.int64)
        result = np.full((len(where), 68, 3), np.nan, np.float32)
        known = (where >= 0) & (where < len(self._landmarks))
        result[known] = self._landmarks[where[known]]
        return result


class NoLandmarks:
    """None: of frames that are crops already, for models that look at nothing but images.

    Example:
        >>> source = NoLandmarks()
        >>> source.landmarks("video", np.zeros((2, 8, 8, 3), np.uint8), np.arange(2)).shape
        (2, 68, 3)
    """

    name = "none"

    def check(self) -> None:
        """Nothing is needed."""

    def landmarks(
        self, video: str, images: NDArray[np.uint8], positions: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """NaN for every frame, which does not say that it shows no face."""
        return np.full((len(images), 68, 3), np.nan, np.float32)


class FaceAlignmentLandmarks:
    """3D landmarks by the face-alignment networks (Bulat and Tzimiropoulos, ICCV 2017).

    Nothing is downloaded: the three files of `aukit.registration.landmark_weights` must lie in
    ``weights_dir`` or in torch hub's ``checkpoints`` folder. Of several faces the largest counts.

    Cost: roughly 0.1 s per frame on a GPU and 1-2 s on a CPU core.

    Args:
        weights_dir: folder with the weight files.
        device: where to compute; a GPU when there is one by default.

    Example:
        >>> source = FaceAlignmentLandmarks("weights")
        >>> source.check()  # doctest: +SKIP
        >>> source.landmarks("video", frames, np.arange(len(frames)))  # doctest: +SKIP
    """

    name = "face-alignment"

    def __init__(self, weights_dir: str | Path | None = None, device: str | None = None) -> None:
        self._folders = face_alignment_folders(weights_dir)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._network: Any = None
        self._files: dict[str, Path] = {}

    def check(self) -> None:
        """Finds the weight files and compares each with its SHA-256.

        Raises:
            WeightsError: files are missing or damaged; each is named with its size, SHA-256 and address,
                and the folder to put it in.
        """
        self._files = self._files or find_files(self._folders)

    def landmarks(
        self, video: str, images: NDArray[np.uint8], positions: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Detects the largest face of each frame and its landmarks; NaN rows where there is no face."""
        network = self._load()
        result = np.full((len(images), 68, 3), np.nan, np.float32)
        for row, image in enumerate(images):
            boxes = network.face_detector.detect_from_image(image.copy())
            if len(boxes):
                largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
                result[row] = network.get_landmarks_from_image(image, detected_faces=[largest])[0]
        return result

    def _load(self) -> Any:
        if self._network is None:
            self.check()
            try:
                from face_alignment import api
            except ImportError as error:
                raise WeightsError(
                    f"face-alignment cannot be imported ({error}); install face-alignment>=1.5"
                ) from None
            files = self._files

            def local(url: str, *_: Any, **__: Any) -> str:
                name = url.rsplit("/", 1)[-1]
                if name not in files:
                    raise WeightsError(
                        f"this version of face-alignment asks for {name}; version 1.5 is supported"
                    )
                return str(files[name])

            # The library fetches what it does not find: its loader is replaced while it builds its networks.
            # It unpickles the depth file (weights_only=False), which is why the hashes are compared before.
            fetch = api.load_file_from_url
            api.load_file_from_url = local
            try:
                self._network = api.FaceAlignment(
                    api.LandmarksType.THREE_D,
                    device=self._device,
                    flip_input=False,
                    compile=False,
                    face_detector="sfd",
                    face_detector_kwargs={"path_to_detector": str(files[FACE_ALIGNMENT_FILES[0].name])},
                )
            finally:
                api.load_file_from_url = fetch
        return self._network


class AukitLandmarks:
    """3D landmarks by the networks of the package; of several faces in a frame the largest counts.

    Every frame is searched anew, so that its landmarks depend on no other frame, whoever reads which.

    Cost: about 30 ms per frame and CPU core.

    Args:
        device: Where to compute.

    Example:
        >>> source = AukitLandmarks()
        >>> source.landmarks("video", frames, np.arange(len(frames)))  # doctest: +SKIP
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._detector: LandmarkDetector | None = None
        self.name = f"aukit-{weights_version()}"

    def check(self) -> None:
        """Nothing is needed but the package."""

    def landmarks(
        self, video: str, images: NDArray[np.uint8], positions: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Landmarks of the largest face of each frame; NaN rows where there is no face."""
        self._detector = self._detector or LandmarkDetector(self._device)
        result = np.full((len(images), 68, 3), np.nan, np.float32)
        for row, image in enumerate(images):
            if faces := self._detector.photograph(image, VIDEO_SIDES):
                result[row] = faces[0].landmarks
        return result
