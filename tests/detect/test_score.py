"""Made tables of four tools against a made corpus: rows find their frames, numbers follow from arithmetic."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aukit.cli import main
from aukit.datasets import BP4D, Table
from aukit.detect import detect_files, score_detections
from aukit.errors import ConfigError
from aukit.utils.files import file_sha256
from tests.detect.bright import BrightSquares, scene, video
from tests.releases import bp4d_sequence
from tests.simulation.pairs.trackers import openface, pyfeat, table

PEOPLE = {"f1": "female", "f2": "female", "f3": "female", "m1": "male", "m2": "male", "m3": "male"}
FRAMES = 12
LEVELS = {person: np.roll([0, 0, 0, 1, 2, 3, 4, 5, 5, 3, 2, 0], shift) for shift, person in enumerate(PEOPLE)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video per person and a list of their frames: AU 12 by intensity, AU 6 as AU 12."""
    root = tmp_path_factory.mktemp("corpus")
    rows = ["video,frame,person,gender,AU6_c,AU12_r"]
    for person, gender in PEOPLE.items():
        video(root / f"{person}.mp4", FRAMES)
        rows += [
            f"{person}.mp4,{i},{person},{gender},{int(n >= 2)},{n}" for i, n in enumerate(LEVELS[person])
        ]
    (root / "frames.csv").write_text("\n".join(rows) + "\n")
    return root


def release(corpus: Path) -> Table:
    return Table(corpus, corpus / "frames.csv", first_frame=0)


def made(folder: Path, tool: str, levels: dict[str, np.ndarray], lose: int = -1) -> Path:
    """Tables of a tool that says these levels of AU 6 and 12; without the row of one frame."""
    folder.mkdir(parents=True)
    for person, values in levels.items():
        path = folder / f"{person}.csv"
        if tool == "openface":
            openface(path, [{"AU06_r": v, "AU12_r": v} for v in values])
        elif tool == "pyfeat":
            pyfeat(path, [{"AU06": v / 5, "AU12": v / 5} for v in values])
        else:
            names = ["frame_idx", "frame_time_in_ms", "au_6", "au_6_intensity", "au_12_intensity"]
            rows = [
                {"frame_idx": i, "frame_time_in_ms": 40 * i, "au_6_intensity": v, "au_12_intensity": v}
                for i, v in enumerate(values)
            ]
            table(path, names, rows)
        if lose >= 0:
            lines = path.read_text().splitlines()
            del lines[1 + lose]
            path.write_text("\n".join(lines) + "\n")
    return folder


def cell(scores: object, au: str, name: str, tool: str | None = None) -> float:
    rows = scores.table[scores.table["au"] == au]
    rows = rows if tool is None else rows[rows["tool"] == tool]
    return float(rows[name].item())


@pytest.mark.parametrize("tool", ["openface", "libreface"])
def test_a_tool_that_says_what_coders_say(corpus: Path, tmp_path: Path, tool: str) -> None:
    scores = score_detections(release(corpus), {str(made(tmp_path / "a", tool, LEVELS)): tool})
    assert scores.scored == 6 * FRAMES
    assert cell(scores, "AU12", "icc") == pytest.approx(1)
    # Each person has one frame of intensity 1, which coders' codes do not call present and the rule does.
    assert cell(scores, "AU12", "f1") == pytest.approx(2 * 7 / (2 * 7 + 1))
    assert cell(scores, "AU12", "f1_gap") == pytest.approx(0)
    assert np.isnan(cell(scores, "AU06", "icc"))  # coded by presence alone
    assert cell(scores, "AU06", "positives") == 42
    assert cell(scores, "mean", "f1") == pytest.approx(cell(scores, "AU12", "f1"))


def test_probabilities_have_no_icc(corpus: Path, tmp_path: Path) -> None:
    scores = score_detections(release(corpus), {str(made(tmp_path / "a", "pyfeat", LEVELS)): "pyfeat"})
    assert np.isnan(cell(scores, "AU12", "icc"))
    above_half = 5  # of twelve frames: 3, 4, 5, 5 and 3 of five
    assert cell(scores, "AU12", "f1") == pytest.approx(2 * above_half / (2 * above_half + 2))


@pytest.mark.parametrize("tool", ["openface", "libreface", "pyfeat"])
def test_a_lost_row_moves_no_other(corpus: Path, tmp_path: Path, tool: str) -> None:
    whole = score_detections(release(corpus), {str(made(tmp_path / "a", tool, LEVELS)): tool})
    lost = score_detections(release(corpus), {str(made(tmp_path / "b", tool, LEVELS, lose=4)): tool})
    assert lost.scored == whole.scored - 6
    assert lost.coverage[0].seen == 6 * (FRAMES - 1)
    if tool != "pyfeat":
        assert cell(lost, "AU12", "icc") == pytest.approx(1)


def test_the_gap_between_women_and_men(corpus: Path, tmp_path: Path) -> None:
    blind = {person: v if PEOPLE[person] == "female" else 0 * v for person, v in LEVELS.items()}
    scores = score_detections(release(corpus), {str(made(tmp_path / "a", "openface", blind)): "openface"})
    assert cell(scores, "AU12", "f1_male") == 0
    assert cell(scores, "AU12", "f1_gap") == pytest.approx(14 / 15)


def test_tools_are_scored_on_the_frames_that_all_saw(corpus: Path, tmp_path: Path) -> None:
    few = {person: v for person, v in LEVELS.items() if person != "m3"}
    places = {
        str(made(tmp_path / "o", "openface", LEVELS)): "openface",
        str(made(tmp_path / "l", "libreface", few, lose=0)): "libreface",
    }
    scores = score_detections(release(corpus), places)
    assert scores.scored == 5 * (FRAMES - 1)
    assert scores.coverage[1].without_file == FRAMES
    both = [cell(scores, "AU12", "frames", tool) for tool in ("openface", "libreface")]
    assert both == [scores.scored] * 2


def test_the_mean_icc_is_over_the_same_action_units_for_all(tmp_path: Path) -> None:
    """OpenFace has an intensity of AU 7, at random, and LibreFace its presence alone."""
    (tmp_path / "o").mkdir()
    (tmp_path / "l").mkdir()
    rows = ["video,frame,person,gender,AU7_r,AU12_r"]
    for person, gender in PEOPLE.items():
        video(tmp_path / f"{person}.mp4", FRAMES)
        rows += [f"{person}.mp4,{i},{person},{gender},{n},{n}" for i, n in enumerate(LEVELS[person])]
        openface(tmp_path / f"o/{person}.csv", [{"AU07_r": n, "AU12_r": n} for n in LEVELS[person][::-1]])
        names = ["frame_idx", "frame_time_in_ms", "au_7", "au_12_intensity"]
        said = [
            {"frame_idx": i, "frame_time_in_ms": 40 * i, "au_7": int(n >= 2), "au_12_intensity": n}
            for i, n in enumerate(LEVELS[person])
        ]
        table(tmp_path / f"l/{person}.csv", names, said)
    (tmp_path / "frames.csv").write_text("\n".join(rows) + "\n")
    places = {str(tmp_path / "o"): "openface", str(tmp_path / "l"): "libreface"}
    scores = score_detections(release(tmp_path), places)
    for tool in ("openface", "libreface"):
        assert cell(scores, "mean", "icc", tool) == cell(scores, "AU12", "icc", tool)
    assert not np.isnan(cell(scores, "AU07", "icc", "openface"))
    assert "mean over what every tool reads: F1 of AUs 7, 12; ICC of AUs 12" in scores.text()


def test_a_row_that_says_nothing_saw_no_face(corpus: Path, tmp_path: Path) -> None:
    """LibreFace has no column that tells; its row of the fifth frame is empty."""
    for path in made(tmp_path / "l", "libreface", LEVELS).iterdir():
        lines = path.read_text().splitlines()
        lines[5] = ",".join([*lines[5].split(",")[:2], "", "", ""])
        path.write_text("\n".join(lines) + "\n")
    places = {str(made(tmp_path / "o", "openface", LEVELS)): "openface", str(tmp_path / "l"): "libreface"}
    scores = score_detections(release(corpus), places)
    assert [each.seen for each in scores.coverage] == [6 * FRAMES, 6 * (FRAMES - 1)]
    frames = [cell(scores, "AU12", "frames", tool) for tool in ("openface", "libreface")]
    assert frames == [scores.scored] * 2


def test_our_own_tables_and_the_command(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    detect_files([corpus / f"{person}.mp4" for person in PEOPLE], out, BrightSquares())
    words = f"score {out} --corpus table --root {corpus} --table {corpus}/frames.csv --out {tmp_path}/scores"
    # Frames of the list count from 0, and its first one says so.
    assert main(words.split()) == 0
    text = capsys.readouterr().out
    assert "aukit: saw 72 of 72 coded frames; 0 in videos without a table; 0 further rows; 6 tables" in text
    rows = pd.read_csv(tmp_path / "scores/scores.csv").set_index("au")
    assert rows.loc["AU12", "f1"] == pytest.approx(2 * 42 / (2 * 42 + 30))  # all present
    assert rows.loc["AU12", "icc"] == pytest.approx(0, abs=0.1)
    content = json.loads((tmp_path / "scores/scores.json").read_text())
    assert content["tools"][0]["files"]["f1.csv"] == file_sha256(out / "f1.csv")
    assert main(words.split()) == 0  # its own scores it replaces
    for name in ("scores.csv", "scores.json"):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / name).write_text("person,score\n")
        assert main([*words.split()[:-1], str(tmp_path / "mine")]) == 2
        assert f"{name}: is there already, and of another kind" in capsys.readouterr().err
        assert (tmp_path / "mine" / name).read_text() == "person,score\n"
        (tmp_path / "mine" / name).unlink()


def test_the_command_takes_what_belongs_to_the_corpus(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that counts from 1 and begins behind the first frame does not say itself how it counts."""
    rows = (corpus / "frames.csv").read_text().splitlines()
    named = [row.split(",", 2) for row in rows[1:]]
    lines = [f"{video},{int(frame) + 1},{rest}" for video, frame, rest in named if frame != "0"]
    (tmp_path / "frames.csv").write_text("\n".join([rows[0], *lines]) + "\n")
    tables = made(tmp_path / "a", "openface", LEVELS)
    words = f"score {tables}=openface --corpus table --root {corpus} --table {tmp_path}/frames.csv"
    assert main(words.split()) == 2
    assert "say which: --first-frame 0 or 1" in capsys.readouterr().err
    assert main([*words.split(), "--first-frame", "1", "--out", str(tmp_path / "scores")]) == 0
    scores = pd.read_csv(tmp_path / "scores/scores.csv").set_index("au")
    assert scores.loc["AU12", "icc"] == pytest.approx(1)
    for name, option, other in (("disfa", "--camera", "--views"), ("fera2017", "--views", "--camera")):
        with pytest.raises(SystemExit):
            main(["score", "--corpus", name, "--help"])
        text = capsys.readouterr().out
        assert option in text
        assert other not in text


def test_tables_of_videos_that_are_called_alike(tmp_path: Path) -> None:
    """Each is found by the name that `aukit detect` gave it, however much of the path that took."""
    root, out = tmp_path / "corpus", tmp_path / "results"
    rows = ["video,frame,person,gender,AU12_r"]
    names = ["p1/left.mp4", "p2/left.mp4", "p1/a/right.mp4", "p2/a/right.mp4", "p3/top.mp4", "p3/top.avi"]
    for person, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        video(root / name, 6)
        rows += [f"{name},{i},{person},{('female', 'male')[person % 2]},{i}" for i in range(6)]
    (root / "frames.csv").write_text("\n".join(rows) + "\n")
    detect_files([root], out, BrightSquares())
    assert {path.name for path in out.glob("*.csv")} == {
        "p1-left.csv", "p2-left.csv", "p1-a-right.csv", "p2-a-right.csv", "top.mp4.csv", "top.avi.csv"
    }  # fmt: skip
    (coverage,) = score_detections(release(root), {str(out): "aukit"}).coverage
    assert (coverage.seen, coverage.without_file, len(coverage.files)) == (36, 0, 6)


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    """BP4D's layout: two tasks of each of two people; the square is as red as the image's number says."""
    root = tmp_path / "BP4D"
    for number, (person, task) in enumerate((p, t) for p in ("F001", "M009") for t in ("T1", "T2")):
        bp4d_sequence(root, person, task, 1)
        for path in (root / "Sequences(2D+3D)" / person / task).iterdir():
            red = 25 * (int(path.stem) + number)
            Image.fromarray(scene((30, 20, 60), red=red)).save(path, quality=95)
    return root


@pytest.mark.parametrize(
    "named", ["", "Sequences(2D+3D)", "Sequences(2D+3D)/F001 Sequences(2D+3D)/M009", "Sequences(2D+3D)/*/*"]
)
def test_one_table_of_all_sequences_of_images(
    sequences: Path, tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sequences)
    out = tmp_path / "results"
    detect_files(named.split() or [sequences], out, BrightSquares())
    scores = score_detections(BP4D(sequences), {str(out): "aukit"})
    assert (scores.coverage[0].seen, scores.coverage[0].coded) == (16, 16)
    assert scores.coverage[0].other_rows == 0
    # What each frame was given: 0.49 per number, so that present is what has 3 and more.
    red = {(p, t): n for n, (p, t) in enumerate((p, t) for p in ("F001", "M009") for t in ("T1", "T2"))}
    codes = BP4D(sequences).table.frame
    said = [
        (f + red[p.split("/")[1], t]) * 25 / 51 >= 1 for f, p, t in codes[["frame", "person", "task"]].values
    ]
    coded = codes["AU12_c"].to_numpy() == 1
    f1 = 2 * (coded & said).sum() / (coded.sum() + np.sum(said))
    assert cell(scores, "AU12", "f1") == pytest.approx(f1)


def test_a_table_whose_name_fits_two_sequences_stands_for_none(sequences: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    detect_files([sequences / "Sequences(2D+3D)/F001/T1"], out, BrightSquares())
    assert (out / "T1.csv").is_file()
    with pytest.raises(ConfigError, match="no coded frame that every tool saw"):
        score_detections(BP4D(sequences), {str(out): "aukit"})


def test_a_table_of_images_about_a_video_and_of_a_video_about_images(
    corpus: Path, sequences: Path, tmp_path: Path
) -> None:
    """Images are no frames of a video file for certain; a video is one of images if it has as many frames."""
    (tmp_path / "f1").mkdir()
    for number in (1, 2):
        Image.fromarray(scene((30, 20, 60))).save(tmp_path / f"f1/{number}.png")
    detect_files([tmp_path / "f1"], tmp_path / "images", BrightSquares())
    with pytest.raises(ConfigError, match=r"f1.csv: is about images, and the codes about a video"):
        score_detections(release(corpus), {str(tmp_path / "images"): "aukit"})
    for frames, task in ((4, "T1"), (5, "T2")):
        video(tmp_path / f"F001_{task}.mp4", frames)
    detect_files(tmp_path.glob("*.mp4"), tmp_path / "videos", BrightSquares())
    (coverage,) = score_detections(BP4D(sequences), {str(tmp_path / "videos"): "aukit"}).coverage
    assert coverage.seen == 4
    (problem,) = coverage.problems
    assert "F001_T2.csv: is about a video of 5 frames, and the codes about 4 images" in problem


def test_a_table_of_a_shorter_copy_of_a_video_is_of_no_use(corpus: Path, tmp_path: Path) -> None:
    """A copy at another rate has other frames under the same numbers."""
    video(tmp_path / "f1.mp4", FRAMES - 3)
    detect_files([tmp_path / "f1.mp4", corpus / "f2.mp4"], tmp_path / "results", BrightSquares())
    (coverage,) = score_detections(release(corpus), {str(tmp_path / "results"): "aukit"}).coverage
    assert coverage.seen == FRAMES
    (problem,) = coverage.problems
    assert "f1.csv: is about a video of 9 frames, and the codes about 12 frames; run" in problem


@pytest.mark.parametrize("folder", [".", "wild/faces"])
def test_images_of_several_people_in_one_folder(tmp_path: Path, folder: str) -> None:
    root = tmp_path / "photos"
    (root / folder).mkdir(parents=True)
    rows = ["path,person,gender,AU12_r"]
    for i, red in enumerate((0, 51, 102, 153, 204, 255)):  # BrightSquares says 0 to 5
        name = f"{i}.png"
        Image.fromarray(scene((30, 20, 60), red=red)).save(root / folder / name)
        rows += [f"{folder}/{name},p{i % 3},{('female', 'male')[i % 3 == 0]},{i}"] if i < 5 else []
    (root / "frames.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "results"
    detect_files([root], out, BrightSquares())
    scores = score_detections(Table(root), {str(out): "aukit"})
    coverage = scores.coverage[0]
    assert (coverage.seen, coverage.coded, coverage.other_rows) == (5, 5, 1)
    assert list(coverage.files) == ["photos.csv"]
    assert cell(scores, "AU12", "icc") == pytest.approx(1, abs=0.02)


def test_what_cannot_be_scored_is_said(corpus: Path, tmp_path: Path) -> None:
    made(tmp_path / "a", "openface", LEVELS)
    for detections, message in (
        ({str(tmp_path / "a"): "pyfeat"}, "is no table of pyfeat"),
        ({str(tmp_path / "nowhere"): "aukit"}, "no such folder"),
        ({str(tmp_path / "a"): "other"}, "tool 'other' is unknown"),
    ):
        with pytest.raises(ConfigError, match=message):
            score_detections(release(corpus), detections)
    longer = {person: np.append(v, [0, 0]) for person, v in LEVELS.items()}
    with pytest.raises(ConfigError, match="14 rows for 12 frames"):
        score_detections(release(corpus), {str(made(tmp_path / "b", "openface", longer)): "openface"})
