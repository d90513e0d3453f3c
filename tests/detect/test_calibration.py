"""Low intensities of a face in a video, taken for zero when asked."""

from pathlib import Path

import numpy as np
import pytest

from aukit.datasets.video import encode_video
from aukit.detect import detect_files, read_detections
from aukit.detect.face import PROBABILITY
from aukit.errors import ConfigError
from tests.detect.bright import BrightSquares, scene

REST, ACTS = 102, 204  # of 255, five levels: 2 and 4


def clip(path: Path, frames: int) -> Path:
    """Two faces, of which the larger one acts in the last fifth of the frames; none in the first frame."""
    pictures = [scene()]
    for frame in range(1, frames):
        picture = scene((5, 20, 50), red=ACTS if frame >= 0.8 * frames else REST)
        picture[20:50, 80:110] = (REST, 255, 255)
        pictures.append(picture)
    encode_video(path, pictures, 25, crf=1)
    return path


def levels(out: Path) -> dict[int, np.ndarray]:
    rows = read_detections(out / "clip.csv")
    rows = rows[rows["success"] == 1]
    assert ((rows["AU12_r"] >= 1).astype(int) == rows["AU12_c"]).all()
    return {number: each["AU12_r"].to_numpy() for number, each in rows.groupby("face_id")}


def test_what_a_face_rests_at_is_zero(tmp_path: Path) -> None:
    video = clip(tmp_path / "clip.mp4", 80)
    detect_files([video], tmp_path / "plain", BrightSquares())
    detect_files([video], tmp_path / "out", BrightSquares(), calibrate=True)
    plain, calibrated = levels(tmp_path / "plain"), levels(tmp_path / "out")
    for number in (0, 1):
        base = np.percentile(plain[number], 5)
        assert base == pytest.approx(2, abs=0.3)
        np.testing.assert_allclose(calibrated[number], np.maximum(plain[number] - base, 0), atol=2e-3)
    assert calibrated[0][-1] == pytest.approx(2, abs=0.3)
    rows = read_detections(tmp_path / "out/clip.csv")
    assert len(rows) == 1 + 2 * 79  # a row without a face stays
    assert rows["frame"].is_monotonic_increasing
    assert np.array_equal(rows["AU43_r"].dropna(), rows["AU45_r"].dropna())


def test_a_face_of_few_frames_stays_as_it_is(tmp_path: Path) -> None:
    video = clip(tmp_path / "clip.mp4", 50)  # 49 with a face
    detect_files([video], tmp_path / "plain", BrightSquares())
    detect_files([video], tmp_path / "out", BrightSquares(), calibrate=True)
    assert np.array_equal(levels(tmp_path / "plain")[0], levels(tmp_path / "out")[0])


def test_a_video_is_read_anew_for_it(tmp_path: Path) -> None:
    video = clip(tmp_path / "clip.mp4", 4)
    detect_files([video], tmp_path, BrightSquares())
    detector = BrightSquares()
    assert detect_files([video], tmp_path, detector, calibrate=True).reused == 0
    assert detect_files([video], tmp_path, detector, calibrate=True).reused == 1
    assert detector.seen == 4


def test_probabilities_are_not_calibrated(tmp_path: Path) -> None:
    detector = BrightSquares()
    detector.measure = PROBABILITY
    with pytest.raises(ConfigError, match="reads no intensities to calibrate"):
        detect_files([clip(tmp_path / "clip.mp4", 3)], tmp_path / "out", detector, calibrate=True)
