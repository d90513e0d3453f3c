import hashlib
import re
import sys
import types

import numpy as np
import pytest

from aukit.cli import main
from aukit.errors import CorpusError, WeightsError
from aukit.registration import FaceAlignmentLandmarks, SidecarLandmarks, landmark_sources, landmark_weights
from aukit.registration.landmark_weights import WeightFile


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
    files = []
    for stem, end in (("s3fd", "pth"), ("3DFAN4", "pth.tar"), ("depth", "pth.tar")):
        content = stem.encode()
        digest = hashlib.sha256(content).hexdigest()
        name = f"{stem}-{digest[:10]}.{end}"
        (tmp_path / name).write_bytes(content)
        # The first is known by all its digits and its size, as s3fd is, the others by their names.
        whole = not files
        files.append(WeightFile(name, digest if whole else digest[:10], len(content) if whole else None))
    for module in (landmark_sources, landmark_weights):
        monkeypatch.setattr(module, "FACE_ALIGNMENT_FILES", tuple(files))
    return tmp_path


@pytest.fixture
def files(weights):
    return [file.name for file in landmark_weights.FACE_ALIGNMENT_FILES]


def test_missing_weights_are_all_named_with_the_place(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    with pytest.raises(WeightsError) as error:
        FaceAlignmentLandmarks(tmp_path).check()
    known = ("619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543", "89,843,225 bytes")
    for text in (*known, str(tmp_path), "checkpoints", "aukit weights check face-alignment"):
        assert text in str(error.value)
    for file in landmark_weights.FACE_ALIGNMENT_FILES:
        address = f"https://[a-z./-]*/{re.escape(file.name)}"  # from the library's own tables
        assert re.search(f"{re.escape(str(file))}\n    missing; {address}", str(error.value))
    with pytest.raises(WeightsError):
        FaceAlignmentLandmarks(tmp_path).landmarks("a", np.zeros((1, 8, 8, 3), np.uint8), np.array([0]))


@pytest.mark.parametrize(
    ("index", "content", "words"),
    [
        (2, b"something else", "has SHA-256 [0-9a-f]{64}"),
        (0, b"s3f", "has 3 bytes instead of 4"),
        (0, b"s3fe", "has SHA"),
    ],
)
def test_damaged_weights_are_refused(weights, files, capsys, index, content, words):
    FaceAlignmentLandmarks(weights).check()
    (weights / files[index]).write_bytes(content)
    with pytest.raises(
        WeightsError, match=rf"{files[index]}.*\n    damaged: {weights / files[index]} {words}"
    ):
        FaceAlignmentLandmarks(weights).check()
    assert main(["weights", "check", "face-alignment", "--dir", str(weights)]) == 2
    printed = capsys.readouterr()
    assert re.search(rf"{files[index]}: damaged \({words}", printed.out)
    assert "Nothing is downloaded" in printed.err


def test_one_command_checks_the_weights(weights, files, capsys):
    assert main(["weights", "check", "face-alignment", "--dir", str(weights)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: found, {weights / name}" for name in files]
    (weights / files[1]).unlink()
    assert main(["weights", "check", "face-alignment", "--dir", str(weights)]) == 2
    assert f"{files[1]}: missing" in capsys.readouterr().out.splitlines()
    assert main(["weights", "check", "face-alignment"]) == 2


def test_weights_may_lie_in_the_hub_folder(weights, files):
    folder = weights / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for name in files:
        (weights / name).rename(folder / name)
    FaceAlignmentLandmarks().check()


def test_the_largest_face_counts_and_nothing_is_fetched(weights, files, monkeypatch):
    asked = []

    class Detector:
        def detect_from_image(self, image):
            return [] if image.max() == 0 else [np.array([0, 0, 2, 2, 0.9]), np.array([1, 1, 9, 9, 0.8])]

    class FaceAlignment:
        def __init__(self, kind, **options):
            asked.append(options)
            self.files = [api.load_file_from_url(f"https://example.org/{name}") for name in files[1:]]
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
