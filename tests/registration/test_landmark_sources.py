import hashlib
import sys
import types

import numpy as np
import pytest

from aukit.errors import CorpusError, WeightsError
from aukit.registration import FaceAlignmentLandmarks, SidecarLandmarks
from aukit.registration import landmark_sources as videos


class Corpus:
    has_sidecar = True
    reads = 0

    def sidecar_landmarks(self, video):
        self.reads += 1
        return np.arange(5 * 68 * 3, dtype=np.float64).reshape(5, 68, 3)


def test_sidecar_gives_rows_by_position_and_nan_beyond_the_end():
    corpus = Corpus()
    video = SidecarLandmarks(corpus)
    video.check()
    images = np.zeros((3, 4, 4, 3), np.uint8)
    marks = video.landmarks("a.mp4", images, np.array([4, 0, 7]))
    assert marks.dtype == np.float32
    np.testing.assert_array_equal(marks[:2], corpus.sidecar_landmarks("a.mp4")[[4, 0]])
    assert np.isnan(marks[2]).all()
    video.landmarks("a.mp4", images, np.array([1, 2, 3]))
    assert corpus.reads == 2  # once by the video, once above


def test_a_corpus_without_sidecar_is_refused_before_any_work():
    corpus = Corpus()
    corpus.has_sidecar = False
    with pytest.raises(CorpusError, match="face-alignment"):
        SidecarLandmarks(corpus).check()


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Stand-ins for the weight files, under names that carry their own hashes."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    names = []
    for stem, end in (("s3fd", "pth"), ("3DFAN4", "pth.tar"), ("depth", "pth.tar")):
        content = stem.encode()
        name = f"{stem}-{hashlib.sha256(content).hexdigest()[:10]}.{end}"
        (tmp_path / name).write_bytes(content)
        names.append(name)
    monkeypatch.setattr(videos, "FACE_ALIGNMENT_FILES", tuple(names))
    return tmp_path


def test_missing_weights_are_all_named_with_the_place(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    with pytest.raises(WeightsError) as error:
        FaceAlignmentLandmarks(tmp_path).check()
    for text in (*videos.FACE_ALIGNMENT_FILES, str(tmp_path), "checkpoints"):
        assert text in str(error.value)
    with pytest.raises(WeightsError):
        FaceAlignmentLandmarks(tmp_path).landmarks("a", np.zeros((1, 8, 8, 3), np.uint8), np.array([0]))


def test_damaged_weights_are_refused(weights):
    FaceAlignmentLandmarks(weights).check()
    (weights / videos.FACE_ALIGNMENT_FILES[2]).write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"depth-.*SHA-256"):
        FaceAlignmentLandmarks(weights).check()


def test_weights_may_lie_in_the_hub_folder(weights):
    folder = weights / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for name in videos.FACE_ALIGNMENT_FILES:
        (weights / name).rename(folder / name)
    FaceAlignmentLandmarks().check()


def test_the_largest_face_counts_and_nothing_is_fetched(weights, monkeypatch):
    asked = []

    class Detector:
        def detect_from_image(self, image):
            return [] if image.max() == 0 else [np.array([0, 0, 2, 2, 0.9]), np.array([1, 1, 9, 9, 0.8])]

    class FaceAlignment:
        def __init__(self, kind, **options):
            asked.append(options)
            self.files = [
                api.load_file_from_url(f"https://example.org/{n}") for n in videos.FACE_ALIGNMENT_FILES[1:]
            ]
            self.face_detector = Detector()

        def get_landmarks_from_image(self, image, detected_faces):
            return [np.full((68, 3), face[2]) for face in detected_faces]

    def fetch(url):
        raise AssertionError("would download")

    api = types.SimpleNamespace(
        FaceAlignment=FaceAlignment, LandmarksType=types.SimpleNamespace(THREE_D=3), load_file_from_url=fetch
    )
    monkeypatch.setitem(sys.modules, "face_alignment", types.SimpleNamespace(api=api))
    monkeypatch.setitem(sys.modules, "face_alignment.api", api)
    images = np.zeros((2, 12, 12, 3), np.uint8)
    images[1] = 9
    video = FaceAlignmentLandmarks(weights, device="cpu")
    marks = video.landmarks("a", images, np.arange(2))
    assert np.isnan(marks[0]).all()
    assert (marks[1] == 9).all()
    assert asked[0]["compile"] is False
    assert asked[0]["face_detector_kwargs"]["path_to_detector"].startswith(str(weights))
    assert api.load_file_from_url is fetch
