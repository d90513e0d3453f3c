from pathlib import Path

import numpy as np
import pytest

from aukit.errors import CorpusError
from aukit.facs import VISIBLE_INDEX
from aukit.simulation.pairs.tracker_files import read_tracker
from aukit.simulation.pairs.tracker_formats import (
    ARKIT_NEEDED,
    MAX_OUT_OF_RANGE,
    MIN_CONFIDENCE,
    MIN_FACE_SCORE,
)
from tests.simulation.pairs.trackers import (
    OPENFACE,
    PYFEAT,
    SHAPES,
    SIDED,
    SINGLE,
    arkit,
    openface,
    pyfeat,
    table,
    video,
)


def test_openface_intensities_move_both_sides_alike(tmp_path: Path) -> None:
    file = openface(tmp_path / "a.csv", [{"AU12_r": 2.5, "AU45_r": 5}, {"AU04_r": 1}])
    track = read_tracker(file, video(2))
    assert track.activations.shape == (2, len(VISIBLE_INDEX), 2)
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[12]], 0.5)
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[43]], 1.0)  # a blink closes the eyes
    np.testing.assert_allclose(track.activations[1, VISIBLE_INDEX[4]], 0.2)
    assert track.activations.sum() == pytest.approx(2 * (0.5 + 1 + 0.2))
    assert (track.excluded, track.interpolated, track.clipped) == ({}, 0, 0)


def test_pyfeat_probabilities_are_activations_and_faces_below_its_threshold_are_lost(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"AU12": 0.9, "AU11": 0.5, "AU43": 0.2}, {"AU28": 1.0}]
    rows += [{"AU12": 1, "FaceScore": MIN_FACE_SCORE - 0.01}] * 6 + [{"FaceScore": ""}]
    track = read_tracker(pyfeat(tmp_path / "a.csv", rows), video(9))
    assert track.excluded == {f"no face was found (FaceScore below {MIN_FACE_SCORE})": 7}
    for au, level in ((12, 0.9), (11, 0.5), (43, 0.2)):
        np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[au]], level, rtol=1e-6)
    np.testing.assert_allclose(track.activations[1, VISIBLE_INDEX[28]], 1)
    assert track.activations.sum() == pytest.approx(2 * (0.9 + 0.5 + 0.2 + 1))


def test_pyfeat_2_has_more_action_units_and_blinks_close_the_eyes(tmp_path: Path) -> None:
    rows = [{"AU43": 0.1, "AU45": 0.7, "AU16": 0.3, "AU18": 0.4, "AU27": 0.5}]
    track = read_tracker(pyfeat(tmp_path / "a.csv", rows, ("AU16", "AU18", "AU27", "AU45")), video(1))
    shown = [track.activations[0, VISIBLE_INDEX[au], 1] for au in (43, 16, 18, 27)]
    np.testing.assert_allclose(shown, [0.7, 0.3, 0.4, 0.5], rtol=1e-6)


def test_mediapipe_has_the_blendshapes_of_arkit(tmp_path: Path) -> None:
    names = ["_neutral", *(name[0].lower() + name[1:] for name in SHAPES if name != "TongueOut")]
    assert len(names) == 52
    rows = [{"frame": i, "timestamp_ms": 40 * i, "mouthSmileLeft": 0.1 * i} for i in range(3)]
    track = read_tracker(arkit(tmp_path / "a.csv", rows, names, ("frame", "timestamp_ms")), video(3))
    np.testing.assert_allclose(track.activations[:, VISIBLE_INDEX[12], 0], [0, 0.1, 0.2], atol=1e-6)
    assert track.activations[:, VISIBLE_INDEX[12], 1].max() == 0


def test_arkit_keeps_left_and_right(tmp_path: Path) -> None:
    file = arkit(tmp_path / "a.csv", [{"MouthSmileLeft": 0.8, "MouthSmileRight": 0.3}])
    track = read_tracker(file, video(1))
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[12]], [0.8, 0.3])
    assert track.activations.sum() == pytest.approx(1.1)


@pytest.mark.parametrize(("left", "right"), [("Left", "Right"), ("_L", "_R")])
def test_arkit_own_names(tmp_path: Path, left: str, right: str) -> None:
    names = [f"{name}{side}" for name in SIDED for side in (left, right)] + SINGLE
    names = [name[0].lower() + name[1:] for name in names]
    row: dict[str, object] = {f"eyeBlink{right}": 1, "browInnerUp": 0.5}
    track = read_tracker(arkit(tmp_path / "a.csv", [row], names), video(1))
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[43]], [0, 1])
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[1]], 0.5)


def test_arkit_jaw_and_lips(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"JawOpen": 0.175},
        {"JawOpen": 1},
        {"JawOpen": 0.5, "MouthClose": 0.5},
        {"MouthRollLower": 1},
    ]
    moved = read_tracker(arkit(tmp_path / "a.csv", rows), video(4)).activations[..., 0]
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[26]], [0.5, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[27]], [0, 0.65, 0.15, 0], atol=1e-6)
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[25]], [0.175, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[28]], [0, 0, 0, 0.5], atol=1e-6)


def test_every_mapped_blendshape_moves_something_and_all_of_them_exist(tmp_path: Path) -> None:
    by_key = {name.lower(): name for name in SHAPES}
    assert len(SHAPES) == 52
    assert set(ARKIT_NEEDED) <= set(by_key)
    rows: list[dict[str, object]] = [{by_key[key]: 1, "JawOpen": 1} for key in ARKIT_NEEDED]
    rest = read_tracker(arkit(tmp_path / "r.csv", [{"JawOpen": 1}, {}]), video(2)).activations
    moved = read_tracker(arkit(tmp_path / "a.csv", rows), video(len(rows))).activations
    for key, frame in zip(ARKIT_NEEDED, moved, strict=True):
        assert not np.array_equal(frame, rest[1] if key == "jawopen" else rest[0]), key


def test_frames_are_lost_where_the_tracker_says_so(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"confidence": MIN_CONFIDENCE}, *[{"confidence": 0.72}] * 6]
    rows += [{"confidence": 0.2, "success": 0}] * 7
    track = read_tracker(openface(tmp_path / "a.csv", rows), video(14))
    assert track.excluded == {
        "the tracker failed (success = 0)": 7,
        f"the tracker was not sure (confidence below {MIN_CONFIDENCE})": 6,
    }
    file = arkit(tmp_path / "b.csv", [{}] * 2)
    file.write_text(file.read_text() + "12:34:56:07.123,0\n" * 7 + "12:34:56:07.123,61\n" * 2)
    assert read_tracker(file, video(11)).excluded == {
        "the tracker failed (BlendshapeCount below 51)": 7,
        "NaN in the tracker's file": 2,
    }


def test_a_few_values_out_of_range_are_clipped_and_counted(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"AU12_r": 5.3, "AU01_r": -0.2}, {"AU12_r": 5}]
    track = read_tracker(openface(tmp_path / "a.csv", rows), video(2))
    assert (track.clipped, track.activations.max(), track.activations.min()) == (2, 1, 0)
    track = read_tracker(arkit(tmp_path / "b.csv", [{"JawOpen": 1.2, "CheekPuff": 7}]), video(1))
    assert (track.clipped, track.activations.max()) == (1, 1)
    bound = int(MAX_OUT_OF_RANGE * 100 * len(PYFEAT))
    rows = [{"AU12": 1.01}] * bound + [{}] * (100 - bound)
    assert read_tracker(pyfeat(tmp_path / "c.csv", rows), video(100)).clipped == bound
    rows[-1] = {"AU12": 1.01}
    with pytest.raises(CorpusError, match=f"{bound + 1} of 2000 values"):
        read_tracker(pyfeat(tmp_path / "c.csv", rows), video(100))


@pytest.mark.parametrize(
    ("write", "names", "level", "cause"),
    [
        (arkit, SHAPES, 40, "per cent"),
        (arkit, SHAPES, 3.5, "as OpenFace has them"),
        (arkit, SHAPES, -0.4, "standardised"),
        (openface, OPENFACE, 80, "per cent"),
        (pyfeat, PYFEAT, 4, "as OpenFace has them"),
        (openface, OPENFACE, 170, "degrees"),
    ],
)
def test_another_unit_is_an_error_that_names_it(
    tmp_path: Path, write, names: list[str], level: float, cause: str
) -> None:
    rows: list[dict[str, object]] = [dict.fromkeys(names[::3], level), *[{}] * 9]
    with pytest.raises(CorpusError, match=rf"a\.csv, line 2, column .*: {level:g} is not in 0 to.*{cause}"):
        read_tracker(write(tmp_path / "a.csv", rows), video(10))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["frame", "au_1_intensity", "au_2_intensity", "au_7"], "LibreFace"),
        (["face_id", "action_units", "emotion"], "OpenFace 3"),
        (["frame", "success", "AU01_r", "AU02_r", "AU03_r"], "OpenFace 3"),
        (["face", "confidence", *OPENFACE], "FaceLandmarkImg"),
        (["Frame", "Occ_au_1", "Int_au_6"], "PyAFAR"),
        (["time", "heart rate"], r"line 1: 2 columns \(time, heart rate …\), those of no tracker"),
        (["frame", *OPENFACE], "is no OpenFace file: the columns success are missing"),
        (["frame", "input", *PYFEAT], "is no py-feat file: the columns facescore are missing"),
        (SHAPES[:-3], "is no ARKit file: the columns browinnerup are missing"),
    ],
)
def test_files_of_other_tools_are_named_and_so_are_missing_columns(
    tmp_path: Path, names: list[str], message: str
) -> None:
    with pytest.raises(CorpusError, match=rf"a\.csv.*{message}"):
        read_tracker(table(tmp_path / "a.csv", names, [{}] * 3), video(3))
