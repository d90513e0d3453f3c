"""Landmarks beside a release: arrays of NumPy and MATLAB, tables of OpenFace and of our own."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from aukit.datasets import BP4D, DISFA
from aukit.detect import detect_files
from aukit.errors import CorpusError
from aukit.registration import canonical_face
from aukit.store.build import prepare_release
from tests.datasets.numbered import write
from tests.detect.bright import BrightSquares
from tests.releases import bp4d_sequence, disfa

FOCAL, CENTRE, FAR = 1500.0, (16.0, 12.0), 12_000.0


def faces(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [T, 68, 3] in millimetres as OpenFace has them, and in pixels, z towards the viewer."""
    face = canonical_face().landmarks
    face = 150 * (face - face.mean(0)) / np.ptp(face[:, 0])
    space = np.repeat(face[None], frames, 0) + np.arange(frames)[:, None, None]
    space = space * [1, 1, -1] + [0, 0, FAR]
    pixels = FOCAL * space[..., :2] / space[..., 2:] + CENTRE
    depth = -(FOCAL / FAR) * (space[..., 2] - space[..., 2].mean(1, keepdims=True))
    return space, np.concatenate([pixels, depth[..., None]], -1)


def openface(
    path: Path, frames: Sequence[int], success: Sequence[int] = (), axes: str = "xyXYZ"
) -> np.ndarray:
    """Write a table about frames, counted from 1, and return the pixels of all of them."""
    space, pixels = faces(max(frames))
    columns: dict[str, object] = {"frame": frames, " face_id": 0, " timestamp": np.array(frames) / 20}
    columns |= {" confidence": 0.98, " success": success or 1, " gaze_0_x": 0.1, " eye_lmk_x_0": 3.0}
    for axis in axes:
        values = pixels[..., "xy".index(axis)] if axis in "xy" else space[..., "XYZ".index(axis)]
        for point in range(68):
            columns[f" {axis}_{point}"] = values[np.array(frames) - 1, point]
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)
    return pixels


VIDEO = "Videos_LeftCamera/LeftVideoSN001_comp.avi"


@pytest.fixture
def corpus(tmp_path: Path) -> DISFA:
    return DISFA(disfa(tmp_path / "disfa"), persons=["DISFA/SN001"])


@pytest.fixture
def beside(corpus: DISFA) -> Path:
    (corpus.root / "Landmarks").mkdir()
    return corpus.root / "Landmarks/LeftVideoSN001_comp"


def frames_of(corpus: DISFA) -> int:
    return len(corpus.table)


def test_a_table_of_openface_in_pixels_with_depth(corpus: DISFA, beside: Path) -> None:
    count = frames_of(corpus)
    pixels = openface(beside.with_suffix(".csv"), range(1, count + 1))
    assert corpus.has_sidecar
    found = corpus.sidecar_landmarks(VIDEO)
    assert found.shape == (count, 68, 3)
    np.testing.assert_allclose(found[..., :2], pixels[..., :2], atol=1e-3)
    # A face that is far away is seen as by parallel rays; near ones differ by its depth over the distance.
    np.testing.assert_allclose(found[..., 2], pixels[..., 2], atol=0.02 * np.ptp(pixels[..., 2]))
    assert found[0, 30, 2] > found[0, 0, 2]  # the tip of the nose is nearer than the jaw


def test_frames_without_a_row_or_without_success_are_counted(
    corpus: DISFA, beside: Path, tmp_path: Path
) -> None:
    count = frames_of(corpus)
    kept = [frame for frame in range(1, count + 1) if frame != 2]
    pixels = openface(beside.with_suffix(".csv"), kept, [int(frame != 4) for frame in kept])
    found = corpus.sidecar_landmarks(VIDEO)
    lost = np.isnan(found).any((1, 2))
    assert np.flatnonzero(lost).tolist() == [1, 3]
    np.testing.assert_allclose(found[~lost, :, :2], pixels[~lost, :, :2], atol=1e-3)
    corpus = DISFA(corpus.root, persons=corpus.persons)
    store = prepare_release(corpus, tmp_path / "stores", "similarity", 16, workers=0)
    assert store.manifest["landmarks"] == "sidecar"
    reasons = store.exclusions.set_index("position")["reason"]
    assert reasons[[1, 3]].tolist() == ["no face landmarks"] * 2
    assert len(store) == count - 2


def test_without_depth_it_is_missing(corpus: DISFA, beside: Path) -> None:
    pixels = openface(beside.with_suffix(".csv"), range(1, frames_of(corpus) + 1), axes="xy")
    found = corpus.sidecar_landmarks(VIDEO)
    np.testing.assert_allclose(found[..., :2], pixels[..., :2], atol=1e-3)
    assert np.isnan(found[..., 2]).all()


def test_a_table_of_aukit_detect(corpus: DISFA, beside: Path) -> None:
    detector = BrightSquares()
    detect_files([corpus.video_path(VIDEO)], beside.parent, detector, largest=True)
    found = corpus.sidecar_landmarks(VIDEO)
    assert np.isnan(found).all()  # the frames of this release are grey
    assert found.shape == (frames_of(corpus), 68, 3)


def test_a_table_of_oblong_pixels_is_of_the_frames_as_they_are_stored(corpus: DISFA, beside: Path) -> None:
    """`aukit detect` looks at a video as players show it; a corpus has its own pixels."""
    write(corpus.video_path(VIDEO), 5, "mpeg4", aspect=Fraction(64, 45))
    corpus, detector = DISFA(corpus.root, persons=corpus.persons), BrightSquares()
    expected = [detector.photograph(image)[:1] for _, image in corpus.decode(VIDEO) if image is not None]
    detect_files([corpus.video_path(VIDEO)], beside.parent, detector, largest=True)
    found = corpus.sidecar_landmarks(VIDEO)
    assert [bool(faces) for faces in expected] == [False, True, True, True, True]
    for points, faces in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(points[:, :2], faces[0].landmarks[:, :2], atol=1.2)


def test_images_are_found_by_the_number_of_the_row(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001", "T1", 98, frames=4)
    pixels = openface(tmp_path / "Landmarks/F001_T1.csv", range(1, 5))
    corpus = BP4D(tmp_path)
    found = corpus.sidecar_landmarks(corpus.videos[0])
    np.testing.assert_allclose(found[98:102, :, :2], pixels[..., :2], atol=1e-3)
    assert np.isnan(found[:98]).all()


def test_an_array_is_of_images_whose_order_by_name_is_that_by_number(tmp_path: Path) -> None:
    bp4d_sequence(tmp_path, "F001", "T1", 997, digits=3)
    (tmp_path / "Landmarks").mkdir()
    pixels = faces(4)[1]
    np.save(tmp_path / "Landmarks/F001_T1.npy", pixels)
    corpus = BP4D(tmp_path)
    with pytest.raises(CorpusError, match=r"F001_T1\.npy.*1000\.jpg before 997\.jpg.*a column input"):
        corpus.sidecar_landmarks(corpus.videos[0])
    folder = corpus.video_path(corpus.videos[0])
    for image in folder.iterdir():
        image.rename(folder / image.name.zfill(8))
    np.testing.assert_allclose(BP4D(tmp_path).sidecar_landmarks(corpus.videos[0])[997:], pixels, rtol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("axes", [2, 3])
def test_an_array_of_matlab(corpus: DISFA, beside: Path, axes: int, turned: bool) -> None:
    points = faces(frames_of(corpus))[1][..., :axes]
    savemat(beside.with_suffix(".mat"), {"pts": points.transpose(1, 2, 0) if turned else points, "n": 3})
    found = corpus.sidecar_landmarks(VIDEO)
    np.testing.assert_allclose(found[..., :axes], points, rtol=1e-5)
    assert np.isnan(found[..., 2]).all() == (axes == 2)


def test_the_fingerprint_knows_them(corpus: DISFA, beside: Path) -> None:
    before = corpus.fingerprint()
    openface(beside.with_suffix(".csv"), range(1, frames_of(corpus) + 1))
    with_table = DISFA(corpus.root, persons=["DISFA/SN001"]).fingerprint()
    openface(beside.with_suffix(".csv"), range(1, frames_of(corpus)))
    assert len({before, with_table, DISFA(corpus.root, persons=["DISFA/SN001"]).fingerprint()}) == 3


def damaged(path: Path, change: str) -> None:
    table = pd.read_csv(path, skipinitialspace=True)
    if change == "no success":
        table = table.drop(columns="success")
    elif change == "no landmarks":
        table = table.drop(columns=[f"x_{point}" for point in range(68)])
    elif change == "two faces":
        table = pd.concat([table.iloc[:1], table.iloc[:-1]])
    elif change == "too long":
        table = pd.concat([table, table.assign(frame=table["frame"] + len(table))])
    elif change == "text":
        table["x_3"] = table["x_3"].astype(object)
        table.loc[2, "x_3"] = "left"
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no success", "has no column success"),
        ("no landmarks", r"has no column x_0 \(68 are missing\)"),
        ("two faces", r"line 3.*frame"),
        ("too long", "rows for"),
        ("text", "line 4, column x_3"),
    ],
)
def test_damaged_tables_are_refused(corpus: DISFA, beside: Path, change: str, words: str) -> None:
    path = beside.with_suffix(".csv")
    openface(path, range(1, frames_of(corpus) + 1))
    damaged(path, change)
    with pytest.raises(CorpusError, match=words) as error:
        corpus.sidecar_landmarks(VIDEO)
    assert "LeftVideoSN001_comp.csv" in str(error.value)


def test_damaged_arrays_and_two_files_are_refused(corpus: DISFA, beside: Path) -> None:
    path = beside.with_suffix(".mat")
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(CorpusError, match=r"comp\.mat: "):
        corpus.sidecar_landmarks(VIDEO)
    savemat(path, {"a": np.zeros((4, 68, 3)), "b": np.zeros((4, 68, 2))})
    with pytest.raises(CorpusError, match="holds 2 arrays of 68 points"):
        corpus.sidecar_landmarks(VIDEO)
    savemat(path, {"a": np.zeros((frames_of(corpus) + 1, 68, 3))})
    with pytest.raises(CorpusError, match="rows, but"):
        corpus.sidecar_landmarks(VIDEO)
    np.save(beside.with_suffix(".npy"), np.zeros((4, 68, 3), np.float32))
    with pytest.raises(CorpusError, match=r"comp\.npy and .*comp\.mat are about the same video"):
        corpus.sidecar_landmarks(VIDEO)
