from pathlib import Path

import numpy as np
import pytest

from aukit.errors import CorpusError
from aukit.facs import VISIBLE_INDEX
from aukit.simulation.pairs.tracker_files import (
    ARKIT_NEEDED,
    MAX_GAP,
    OPENFACE_AUS,
    read_arkit,
    read_openface,
    read_tracker,
)

OPENFACE = [f"AU{au:02d}_r" for au in OPENFACE_AUS]
# The 52 blendshapes in the spelling of Live Link Face: 18 pairs and 16 single ones.
SIDED = (
    "EyeBlink", "EyeLookDown", "EyeLookIn", "EyeLookOut", "EyeLookUp", "EyeSquint", "EyeWide", "MouthSmile",
    "MouthFrown", "MouthDimple", "MouthStretch", "MouthPress", "MouthLowerDown", "MouthUpperUp", "BrowDown",
    "BrowOuterUp", "CheekSquint", "NoseSneer",
)  # fmt: skip
SINGLE = [
    "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight",
    "MouthLeft", "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "BrowInnerUp",
    "CheekPuff", "TongueOut",
]  # fmt: skip
SHAPES = [f"{name}{side}" for name in SIDED for side in ("Left", "Right")] + SINGLE


def openface(
    path: Path,
    rows: list[dict[str, object]],
    drop: tuple[str, ...] = (),
    space: str = " ",
) -> Path:
    """A file as FeatureExtraction writes it: names after the first have a space before them."""
    names = ["frame", "face_id", "timestamp", "confidence", "success", *OPENFACE, "AU28_c", "AU45_c"]
    names = [n for n in names if n not in drop]
    lines = [f",{space}".join(names)]
    for number, row in enumerate(rows, start=1):
        values = {"frame": number, "timestamp": number / 25, "confidence": 0.98, "success": 1, **row}
        lines.append(", ".join(str(values.get(n, 0)) for n in names))
    path.write_text("\n".join(lines) + "\n")
    return path


def arkit(path: Path, rows: list[dict[str, object]], names: list[str] = SHAPES) -> Path:
    header = ["Timecode", "BlendshapeCount", *names, "HeadYaw", "HeadPitch", "HeadRoll"]
    lines = [",".join(header)]
    for row in rows:
        values = {"Timecode": "12:34:56:07.123", "BlendshapeCount": 61, **row}
        lines.append(",".join(str(values.get(n, 0)) for n in header))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_openface_intensities_move_both_sides_alike(tmp_path: Path) -> None:
    file = openface(tmp_path / "a.csv", [{"AU12_r": 2.5, "AU45_r": 5}, {"AU04_r": 1}])
    track = read_openface(file)
    assert track.activations.shape == (2, len(VISIBLE_INDEX), 2)
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[12]], 0.5)
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[43]], 1.0)  # a blink closes the eyes
    np.testing.assert_allclose(track.activations[1, VISIBLE_INDEX[4]], 0.2)
    assert track.activations.sum() == pytest.approx(2 * (0.5 + 1 + 0.2))
    assert (track.excluded, track.interpolated, track.clipped) == ({}, 0, 0)
    np.testing.assert_array_equal(read_tracker(file).activations, track.activations)


def test_openface_missing_columns_are_named(tmp_path: Path) -> None:
    file = openface(tmp_path / "a.csv", [{}], drop=("AU06_r", "success"))
    with pytest.raises(
        CorpusError, match=r"a\.csv: is no OpenFace file: the columns success, au06_r are missing"
    ):
        read_openface(file)


def test_frames_without_result_are_bridged_or_counted_never_lost(tmp_path: Path) -> None:
    short, long = MAX_GAP, MAX_GAP + 1
    rows: list[dict[str, object]] = [{"success": 0}, {"AU12_r": 1}]
    rows += (
        [{"AU12_r": "nan"}] * short + [{"AU12_r": 4}] + [{"success": 0, "AU12_r": 5}] * long + [{"AU12_r": 2}]
    )
    track = read_openface(openface(tmp_path / "a.csv", rows))
    assert len(track.reasons) == len(rows)
    assert track.interpolated == short
    assert track.excluded == {"the tracker failed (success = 0)": 1 + long}
    assert track.usable.sum() + sum(track.excluded.values()) == len(rows)
    smile = track.activations[:, VISIBLE_INDEX[12], 0]
    np.testing.assert_allclose(smile[1 : short + 3], np.linspace(0.2, 0.8, short + 2), atol=1e-6)
    assert (smile[~track.usable] == 0).all()


def test_a_long_gap_of_nan_and_missing_rows_have_their_own_reasons(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{}, *[{"AU01_r": "nan"}] * 6, {}]
    rows += [{"frame": 15 + i} for i in range(2)]
    track = read_openface(openface(tmp_path / "a.csv", rows))
    assert len(track.reasons) == 16
    assert track.excluded == {"NaN in the tracker's file": 6, "no row in the tracker's file": 6}


def test_openface_values_out_of_range_are_clipped_and_counted(tmp_path: Path) -> None:
    track = read_openface(openface(tmp_path / "a.csv", [{"AU12_r": 5.3, "AU01_r": -0.2}, {"AU12_r": 5}]))
    assert track.clipped == 2
    assert track.activations.max() == 1
    assert track.activations.min() == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{}, {"AU12_r": "much"}], r"line 3, column AU12_r: 'much' is no number"),
        ([{}, {"frame": 1}], r"line 3: frame 1 after frame 1; one face per video"),
        ([{"frame": 0}], r"line 2, column frame: 0 is no frame number"),
        ([{"frame": 1e12}], r"line 2, column frame"),
        ([], r"holds no frame"),
    ],
)
def test_a_damaged_file_says_where(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_openface(openface(tmp_path / "a.csv", rows))


def test_what_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x01" * 50)
    for name in ("a.csv", "none.csv"):
        with pytest.raises(CorpusError, match="cannot be read as CSV"):
            read_tracker(tmp_path / name)


def test_arkit_keeps_left_and_right(tmp_path: Path) -> None:
    track = read_tracker(arkit(tmp_path / "a.csv", [{"MouthSmileLeft": 0.8, "MouthSmileRight": 0.3}]))
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[12]], [0.8, 0.3])
    assert track.activations.sum() == pytest.approx(1.1)


@pytest.mark.parametrize(("left", "right"), [("Left", "Right"), ("_L", "_R")])
def test_arkit_own_names(tmp_path: Path, left: str, right: str) -> None:
    names = [f"{name}{side}" for name in SIDED for side in (left, right)] + SINGLE
    names = [name[0].lower() + name[1:] for name in names]
    row: dict[str, object] = {f"eyeBlink{right}": 1, "browInnerUp": 0.5}
    track = read_arkit(arkit(tmp_path / "a.csv", [row], names))
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[43]], [0, 1])
    np.testing.assert_allclose(track.activations[0, VISIBLE_INDEX[1]], 0.5)


def test_arkit_jaw_and_lips(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"JawOpen": 0.175},
        {"JawOpen": 1},
        {"JawOpen": 0.5, "MouthClose": 0.5},
        {"MouthRollLower": 1},
    ]
    moved = read_arkit(arkit(tmp_path / "a.csv", rows)).activations[..., 0]
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[26]], [0.5, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[27]], [0, 0.65, 0.15, 0], atol=1e-6)
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[25]], [0.175, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(moved[:, VISIBLE_INDEX[28]], [0, 0, 0, 0.5], atol=1e-6)


def test_every_mapped_blendshape_moves_something_and_all_of_them_exist(tmp_path: Path) -> None:
    by_key = {name.lower(): name for name in SHAPES}
    assert len(SHAPES) == 52
    assert set(ARKIT_NEEDED) <= set(by_key)
    rows: list[dict[str, object]] = [{by_key[key]: 1, "JawOpen": 1} for key in ARKIT_NEEDED]
    rest = read_arkit(arkit(tmp_path / "r.csv", [{"JawOpen": 1}, {}])).activations
    moved = read_arkit(arkit(tmp_path / "a.csv", rows)).activations
    for key, frame in zip(ARKIT_NEEDED, moved, strict=True):
        assert not np.array_equal(frame, rest[1] if key == "jawopen" else rest[0]), key


def test_arkit_without_face_or_columns(tmp_path: Path) -> None:
    file = arkit(tmp_path / "a.csv", [{}] * 2)
    file.write_text(file.read_text() + "12:34:56:08.123,0\n" * 7 + "12:34:57:08.123,61\n" * 2)
    track = read_arkit(file)
    assert track.excluded == {
        "the tracker failed (BlendshapeCount = 0)": 7,
        "NaN in the tracker's file": 2,
    }
    names = [n for n in SHAPES if n != "MouthSmileLeft"]
    with pytest.raises(
        CorpusError, match=r"b\.csv: is no ARKit file: the columns mouthsmileleft are missing"
    ):
        read_arkit(arkit(tmp_path / "b.csv", [{}], names))


def test_arkit_weights_out_of_range_are_clipped_and_counted(tmp_path: Path) -> None:
    track = read_arkit(arkit(tmp_path / "a.csv", [{"JawOpen": 1.2, "CheekPuff": 7}]))
    assert track.clipped == 1
    assert track.activations.max() == 1
