import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aukit.cli import main
from aukit.detect import Detector, read_detections
from aukit.detect.detector import euler_angles
from aukit.facs import VISIBLE_AUS

angles = st.floats(-1.3, 1.3)


def turned(x: float, y: float, z: float) -> np.ndarray:
    """Rx · Ry · Rz about axes to the right, down and away from the camera."""
    cx, cy, cz = np.cos([x, y, z])
    sx, sy, sz = np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


@given(angles, angles, angles)
def test_angles_are_openface_s(x, y, z):
    towards = np.diag([1.0, 1.0, -1.0])
    np.testing.assert_allclose(euler_angles(towards @ turned(x, y, z) @ towards), [x, y, z], atol=1e-5)


def test_a_portrait_by_python_and_by_the_command(tmp_path):
    image = skimage.data.astronaut()
    (face,) = Detector().photograph(image)
    assert face.box[2] > 60
    assert (face.levels >= 0).all()
    assert (face.levels <= 5).all()
    Image.fromarray(image).save(tmp_path / "portrait.png")
    assert main(["detect", str(tmp_path / "portrait.png"), "--out", str(tmp_path / "out")]) == 0
    rows = read_detections(tmp_path / "out" / "photographs.csv")
    assert len(rows) == 1
    assert rows["success"].tolist() == [1]
    np.testing.assert_allclose(rows["x_30"][0], face.landmarks[30, 0], atol=0.1)
    for au in VISIBLE_AUS:
        assert rows[f"AU{au:02d}_r"][0] == pytest.approx(float(face.levels[VISIBLE_AUS.index(au)]), abs=0.01)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64, 3), np.float32),  # in [0, 1], as many libraries give it
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((0, 64, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_of_bytes_is_refused(image):
    detector = Detector()
    with pytest.raises(ValueError, match=r"an image must be uint8 \[H, W, 3\], .* got"):
        detector.photograph(image)
    with pytest.raises(ValueError, match=r"an image must be uint8 \[H, W, 3\], .* got"):
        detector.video()([image])
