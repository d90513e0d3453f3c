"""DISFA+: label files whose lines name images, trials, DISFA's people; the stand-in in its layout."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from aukit.cli import main
from aukit.datamodules import DISFADataModule, DISFAPlusDataModule
from aukit.datamodules.corpus import same_people
from aukit.datasets import DISFA, DISFAPlus, verify_release
from aukit.datasets.disfaplus import PUBLISHED, SUBJECTS
from aukit.datasets.folds import fold_split_of
from aukit.datasets.person_ids import digests
from aukit.errors import ConfigError, CorpusError
from aukit.simulation import DISFAPlusSimulationConfig, DISFAPlusStandin, DISFASimulationConfig, Standin
from aukit.simulation.corpora import disfa as disfa_standin
from aukit.training.trained_on import TrainedOn
from tests.releases import DISFA_AUS, disfa_person, edit, picture, write_lines
from tests.standins import file_contents, opened_while_reading, written

POSED, DESCRIBED = "A1_AU1_TrailNo_1", "Y_HappyDescribed_TrailNo_1"
HEADER = ["# Action unit 1, posed", "Image  Intensity"]
FIRST = f"SN001/{POSED}"


def trial(
    root: Path, subject: str, name: str, numbers: tuple[int, ...] = (0, 1, 2, 3, 4), images: str = "Images"
) -> None:
    """In the image of number i AU a has the intensity (i + a) % 6."""
    folder = root / images / subject / name
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(picture(20 * number)).save(folder / f"{number:03d}.jpg")
    write_lines(folder / "TimeStamp.txt", [f"{number:03d}.jpg 0.{number:02d}" for number in numbers])
    for au in DISFA_AUS:
        lines = [f"{number:03d}.jpg     {(number + au) % 6}" for number in numbers]
        write_lines(root / "Labels" / subject / name / f"AU{au}.txt", [*HEADER, *lines])


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two people, two trials of the first; the release's landmarks, which are not read."""
    root = tmp_path / "disfaplus"
    trial(root, "SN001", POSED)
    trial(root, "SN001", DESCRIBED, (0, 1, 2))
    trial(root, "SN013", POSED, (0, 2, 7, 100))  # with gaps
    for subject in ("SN001", "SN013"):
        points = root / "FaceLandmarks" / subject / f"{POSED}_FaceCropped.mat"
        points.parent.mkdir(parents=True)
        savemat(points, {"FaceImg_CropResize": {"LndPntCropped": np.zeros((49, 2)), "imgID": 0}})
    return root


def labels(root: Path, au: int = 1) -> Path:
    return root / "Labels" / FIRST / f"AU{au}.txt"


def test_lines_belong_to_the_images_that_they_name(release: Path) -> None:
    corpus = DISFAPlus(release)
    table = corpus.table
    assert table.intensity_aus == table.occurrence_aus == DISFA_AUS
    assert not corpus.exclusions
    assert corpus.unrecognised == []
    trials = table.frame.groupby(["subject", "task"], sort=False)["frame"].apply(list).to_dict()
    assert trials == {
        ("SN001", POSED): [0, 1, 2, 3, 4],
        ("SN001", DESCRIBED): [0, 1, 2],
        ("SN013", POSED): [0, 2, 7, 100],
    }
    assert (table.frame["position"] == table.frame["frame"]).all()
    for au in DISFA_AUS:
        levels = (table.frame["frame"] + au) % 6
        assert (table.frame[f"AU{au:02d}_r"] == levels).all()
        assert (table.frame[f"AU{au:02d}_c"] == (levels >= 2)).all()
    gaps = next(video for video in corpus.videos if "SN013" in video)
    shown = [(at, int(image[0, 0, 0])) for at, image in corpus.decode(gaps) if image is not None]
    assert shown == [(number, int(picture(20 * number)[0, 0, 0])) for number in (0, 2, 7, 100)]
    assert corpus.notes[0] == "an AU counts as present from intensity 2 on"


def test_the_order_of_lines_means_nothing(release: Path) -> None:
    whole = DISFAPlus(release).table
    for path, turn in zip(sorted((release / "Labels").rglob("*.txt")), range(1000), strict=False):
        edit(path, lambda lines, turn=turn: [*lines[:2], *np.roll(lines[2:], turn)[::-1]])
    corpus = DISFAPlus(release)
    pd.testing.assert_frame_equal(corpus.table.frame, whole.frame)
    assert not [note for note in corpus.notes if "label files of unequal" in note]


@pytest.mark.parametrize("header", [[], ["#"], ["AU 1", "", "# 2", "frame code of AU 1"]])
def test_any_number_of_lines_may_stand_before_the_first_image(release: Path, header: list[str]) -> None:
    whole = DISFAPlus(release).table
    edit(labels(release), lambda lines: [*header, "", *lines[2:], " "])
    pd.testing.assert_frame_equal(DISFAPlus(release).table.frame, whole.frame)
    variants = verify_release(DISFAPlus(release), PUBLISHED).variants
    assert variants[f"label files with {len(list(filter(None, header)))} lines of header"] == 1


def test_the_threshold_says_what_is_present(release: Path) -> None:
    frame = DISFAPlus(release, threshold=5).table.frame
    assert (frame["AU12_c"] == (frame["AU12_r"] == 5)).all()
    with pytest.raises(CorpusError, match="threshold 0: intensities go from 1 to 5"):
        DISFAPlus(release, threshold=0)


def test_archives_may_nest_folders_of_people(release: Path) -> None:
    whole = DISFAPlus(release).table
    for top in ("Images", "Labels", "FaceLandmarks"):
        (release / top / "SN001").rename(release / top / "inner")
        (release / top / "SN001" / "SN001").parent.mkdir()
        (release / top / "inner").rename(release / top / "SN001" / "SN001")
        (release / "unpacked" / top).mkdir(parents=True)
        (release / top / "SN013").rename(release / "unpacked" / top / "sn013 2")
    (release / "Images/SN013 (1)").mkdir()
    again = DISFAPlus(release)
    pd.testing.assert_frame_equal(again.table.frame.drop(columns="video"), whole.frame.drop(columns="video"))
    assert again.unrecognised == []


def test_images_and_labels_may_have_roots_of_their_own(release: Path) -> None:
    apart = DISFAPlus(release, images_root=release / "Images", labels_root=release / "Labels")
    assert apart.videos[0] == FIRST
    pd.testing.assert_frame_equal(
        apart.table.frame.drop(columns="video"), DISFAPlus(release).table.frame.drop(columns="video")
    )


def test_what_is_missing_is_counted_or_noted(release: Path) -> None:
    (release / "Images" / FIRST / "003.jpg").unlink()
    labels(release, 26).unlink()
    edit(labels(release, 12), lambda lines: lines[:-1])
    for path in (release / "Labels" / FIRST).iterdir():
        edit(path, lambda lines: [line for line in lines if not line.startswith("001")])
    corpus = DISFAPlus(release)
    frame = corpus.table.select(subject="SN001").frame
    frame = frame[frame["task"] == POSED]
    assert frame["frame"].tolist() == [0, 2, 4]
    assert frame["AU01_r"].tolist() == [1, 3, 5]
    assert frame["AU12_r"].isna().tolist() == frame["AU12_c"].isna().tolist() == [False, False, True]
    assert frame["AU26_r"].isna().all()
    assert {(e.position, e.reason) for e in corpus.exclusions} == {
        (1, "image without label row"),
        (3, "label row without image"),
    }
    assert f"SN001 {POSED}: no label file of AU 26" in corpus.notes
    assert any("AU12: 1 rows missing, 0 beyond" in note for note in corpus.notes)


def test_trials_without_labels_or_images_are_counted(release: Path) -> None:
    for path in (release / "Labels/SN001" / DESCRIBED).iterdir():
        path.unlink()
    for path in (release / "Images/SN013" / POSED).iterdir():
        path.unlink()
    reasons = {exclusion.reason for exclusion in DISFAPlus(release).exclusions}
    assert reasons == {"no label file", "labels without images"}
    report = verify_release(DISFAPlus(release), PUBLISHED)
    assert report.ok
    assert report.partitions["DISFAPlus"].unlabelled_recordings == 1


def _lines(*lines: str, au: int = 1) -> Callable[[Path], object]:
    return lambda root: write_lines(labels(root, au), [*HEADER, *lines])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            _lines("000.jpg 6"),
            r"AU1\.txt, line 3: unknown code '6'; known are \[0, 1, 2, 3, 4, 5\]\. Correct",
        ),
        (_lines("000.jpg 9"), r"line 3: unknown code '9'"),
        (_lines("000.jpg x"), r"line 3: 'x' is not a whole number"),
        (_lines("000.jpg 1.5"), r"line 3: '1\.5' is not a whole number"),
        (_lines("000.jpg 1", "001.jpg -1"), r"line 4: '-1' is not a whole number"),
        (_lines("000.jpg 1", "", "000.jpg 1"), r"line 5: 000\.jpg has a line already, line 3; copy"),
        (_lines("000.jpg 1", "0.jpg 2"), r"line 4: 0\.jpg has a line already, line 3"),
        (_lines("000.jpg 1 2", "001.jpg 1"), r"line 3: 3 columns, expected 2; correct"),
        (_lines("000.jpg 1", "001.jpg"), r"line 4: 1 columns, expected 2: the file was cut short"),
        (_lines("000.jpg,1"), r"line 3: '000\.jpg,1' is no name of an image such as 000\.jpg; correct"),
        (_lines("000.jpg 1", "# 001.jpg 1"), r"line 4: '#' is no name of an image"),
        (_lines("OOO.jpg 1"), r"line 3: 'OOO\.jpg' is no name"),
        (_lines("000 1"), r"line 3: '000' is no name"),
        (_lines("00000123456.jpg 1"), r"'00000123456\.jpg' is no name"),
        (_lines(), r"AU1\.txt: holds no row; copy it again"),
        (_lines("000.jpg 1", "\0"), r"AU1\.txt: cannot be read \(line 4 has a zero byte"),
        (lambda root: labels(root).write_bytes(b""), r"AU1\.txt: holds no row"),
        (
            _lines(*(f"{number:03d}.jpg 0" for number in range(1, 6))),
            r"AU1\.txt: numbers its rows from 1, AU2\.txt as many rows from 0: they disagree on the frames",
        ),
        (lambda root: trial(root, "SN002", POSED), r"nine people SN001, .*, SN027, not SN002; keep other"),
        (lambda root: trial(root, "SN001", POSED, images="Aligned"), r"the same file twice"),
        (
            lambda root: write_lines(root / "Labels/SN001 2" / POSED / "AU01.txt", ["000.jpg 1"]),
            r"the same file twice: Labels/SN001/\S+/AU1\.txt and Labels/SN001 2/\S+/AU01\.txt",
        ),
        (
            lambda root: (root / "Images" / FIRST / "3.jpg").write_bytes(b""),
            r"003\.jpg and 3\.jpg are the same frame",
        ),
    ],
)
def test_damage_is_told_with_file_place_and_remedy(
    release: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(release)
    with pytest.raises(CorpusError, match=message):
        _ = DISFAPlus(release).table


def test_a_repaired_file_changes_the_fingerprint(release: Path) -> None:
    before = DISFAPlus(release).fingerprint()
    (release / "Images" / FIRST / "TimeStamp.txt").write_text("another")
    assert DISFAPlus(release).fingerprint() == before
    edit(labels(release), lambda lines: [*lines[:-1], "004.jpg     0"])
    assert DISFAPlus(release).fingerprint() != before
    assert DISFAPlus(release, threshold=1).fingerprint() != before


def test_the_check_goes_on_and_compares_with_what_is_published(release: Path) -> None:
    _lines("000.jpg 7")(release)
    report = verify_release(DISFAPlus(release), PUBLISHED)
    assert len(report.problems) == 1
    assert str(release) not in report.to_json()
    assert report.partitions["DISFAPlus"].people == 2
    assert "DISFAPlus: 2 people, published 9" in report.findings
    assert all(fold_split_of("disfa", subject) for subject in SUBJECTS)
    assert len(SUBJECTS) == len(set(SUBJECTS)) == 9


def test_people_and_their_genders_are_disfa_s(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disfa_person(tmp_path / "disfa", "SN001")
    (tmp_path / "of_disfa.csv").write_text("person,gender\nSN001,f\nDISFA/SN013,m\n")
    (tmp_path / "own.csv").write_text("person,gender\nSN001,m\n")

    def people(reader: type[DISFA] | type[DISFAPlus], root: Path) -> dict[str, str]:
        return reader(root).table.frame.groupby("person")["gender"].first().fillna("?").to_dict()

    assert people(DISFAPlus, release) == {"DISFA/SN001": "?", "DISFA/SN013": "?"}
    monkeypatch.setenv("AUKIT_DISFA_GENDERS", str(tmp_path / "of_disfa.csv"))
    assert people(DISFA, tmp_path / "disfa") == {"DISFA/SN001": "female"}
    assert people(DISFAPlus, release) == {"DISFA/SN001": "female", "DISFA/SN013": "male"}
    monkeypatch.setenv("AUKIT_DISFAPLUS_GENDERS", str(tmp_path / "own.csv"))
    assert people(DISFAPlus, release) == {"DISFA/SN001": "male", "DISFA/SN013": "?"}
    assert people(DISFA, tmp_path / "disfa") == {"DISFA/SN001": "female"}


TINY = replace(
    DISFAPlusSimulationConfig.smoke(), profile="tiny", people=3, trials=2, frames=6, size=48, seed=6
)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return written(tmp_path_factory, DISFAPlusStandin, TINY)


def test_the_standin_has_the_layout_and_the_quirks(standin: Standin) -> None:
    corpus = DISFAPlus(standin.root)
    assert verify_release(DISFAPlus(standin.root), PUBLISHED).ok
    assert [exclusion.reason for exclusion in corpus.exclusions] == ["label row without image"]
    assert corpus.recordings.keys() == {
        f"Images/{subject}/{task}" for subject in TINY.subjects() for task in TINY.tasks()
    }
    files = file_contents(standin.root)
    assert files[f"Labels/{FIRST}/AU1.txt"].splitlines()[2].startswith(b"000.jpg     ")
    assert f"Images/{FIRST}/TimeStamp.txt" in files
    assert np.isnan(corpus.sidecar_landmarks(f"Images/{FIRST}")[3]).all()  # out of the picture
    last = TINY.subjects()[-1]
    assert f"{last} {POSED}: no label file of AU 26" in corpus.notes
    assert any("AU01: 1 rows missing, 0 beyond" in note for note in corpus.notes)
    assert set(corpus.table.frame["gender"]) == {"female", "male"}
    assert json.loads((standin.root / "STANDIN.json").read_text())["recipe"]["name"] == "disfaplus-people"
    agreement = json.loads((standin.root / "inter_rater_agreement.json").read_text())
    assert len(agreement["partitions"]["DISFAPlus"]["icc"]) == 12


def test_a_trial_shows_what_it_is_called_after() -> None:
    config = DISFAPlusSimulationConfig.mini()
    assert config.subjects() == list(SUBJECTS)
    shown = {recording: config.true_intensities(recording) for recording in config.recordings()}
    peaks = {recording: curve.max(axis=0) for recording, curve in shown.items()}
    aus = np.array(config.simulated_aus)
    for recording, peak in peaks.items():
        if recording.task.startswith("A1_AU1_"):
            assert aus[peak > 0].tolist() == [1]
        assert (shown[recording][0] < 0.2).all()  # neutral at both ends
        assert (shown[recording][-1] < 0.2).all()
        assert peak.max() > 2
    smoke = DISFAPlusSimulationConfig.smoke()
    first = [smoke.true_intensities(recording).max(axis=0) > 0 for recording in smoke.recordings()]
    assert aus[np.any(first, axis=0)].tolist() == list(DISFA_AUS)


def test_people_are_those_of_disfa_s_standin() -> None:
    plus, disfa = DISFAPlusSimulationConfig.mini(), DISFASimulationConfig.mini()
    of_disfa = {recording.person: recording.gender for recording in disfa.recordings()}
    assert {r.person: r.gender for r in plus.recordings()}.items() <= of_disfa.items()
    assert disfa_standin.recording_of("SN001").person == "DISFA/SN001"


def test_an_interrupted_writer_goes_on_and_ends_with_the_same_bytes(standin: Standin) -> None:
    whole = file_contents(standin.root)
    next((standin.root / "Images").rglob("*.jpg")).unlink()
    DISFAPlusStandin(standin.root, standin.truth_root, TINY).write(workers=0, progress=False)
    assert file_contents(standin.root) == whole


def test_the_sealed_truth_is_never_opened(standin: Standin) -> None:
    opened = opened_while_reading(DISFAPlus, standin)
    assert len(list(standin.truth_root.glob("*.npz"))) == 6
    assert not [name for name in opened if str(standin.truth_root) in name]


ARGUMENTS: dict[str, Any] = {"registration": "similarity", "size": 32, "prepare_workers": 0}


def test_from_the_command_line_to_one_person_left_out(
    tmp_path: Path, standin: Standin, capsys: pytest.CaptureFixture[str]
) -> None:
    out, root = str(tmp_path / "stores"), str(standin.root)
    assert main(["corpora", "check", "disfaplus", "--root", root, "--deep"]) == 0
    words = ["--root", root, "--out", out, "--workers", "0", "--registration", "similarity", "--size", "32"]
    assert main(["prepare", "disfaplus", *words]) == 0
    assert "an AU counts as present from intensity 2 on" in capsys.readouterr().out
    tested = []
    for fold in range(3):
        data = DISFAPlusDataModule(root, cache=out, fold=fold, batch_size=4, **ARGUMENTS)
        data.prepare_data()
        data.setup()
        people = data.store.table.frame["person"].to_numpy()
        tested.append(set(people[data.test_rows]))
        assert not (set(people[data.train_rows]) | set(people[data.val_rows])) & tested[-1]
    assert tested == [{f"DISFA/{subject}"} for subject in TINY.subjects()]
    batch = next(iter(data.test_dataloader()))
    assert batch["occurrences"].shape[1] == batch["intensities"].shape[1] == 12
    assert torch.isfinite(batch["image"]).all()
    data = DISFAPlusDataModule(root, cache=out, fold=3, **ARGUMENTS)
    data.prepare_data()
    with pytest.raises(ConfigError, match=r"data\.fold=3: there are 3 people, counted from 0"):
        data.setup()
    with pytest.raises(ConfigError, match=r"data\.fold=-1: people are counted from 0"):
        DISFAPlusDataModule(root, fold=-1)


def test_whom_disfa_has_taught_is_not_tested_unasked(release: Path, tmp_path: Path) -> None:
    """A model of DISFA's fold 1 has learnt SN001 (P1) and SN003 (P3), and has not seen SN013 (P2)."""
    for path in (release / "Images").rglob("*.jpg"):
        Image.fromarray(picture(20, (24, 24))).save(path)
    for subject in ("SN001", "SN003", "SN013"):
        folder = tmp_path / f"disfa/{subject}/left"
        folder.mkdir(parents=True)
        for number in range(5):
            Image.fromarray(picture(number, (24, 24))).save(folder / f"{number}.jpg")
        for au in DISFA_AUS:
            path = tmp_path / f"disfa/labels/{subject}/{subject}_au{au}.txt"
            write_lines(path, [f"{number},{number}" for number in range(5)])
    options: dict[str, Any] = {"cache": str(tmp_path), "registration": "none", "size": 24}
    options |= {"holdout_fraction": 0, "prepare_workers": 0}
    taught = DISFADataModule(str(tmp_path / "disfa"), fold=1, **options)
    taught.setup()
    assert set(taught.trained_people) == {"DISFA/SN001", "DISFA/SN003"}
    digested = frozenset(digests(name for names in taught.trained_people.values() for name in names))
    model = TrainedOn(tmp_path / "model.ckpt", DISFA_AUS, "disfa", people=digested)
    for fold, seen in enumerate((True, False)):
        data = DISFAPlusDataModule(str(release), fold=fold, **options)
        data.setup()
        assert bool(same_people(data.tested_people, taught.trained_people)) == seen
        if seen:
            with pytest.raises(ConfigError, match=r"trained on 1 of the 1 people .* such as DISFA/SN001"):
                model.check_people(data)
        else:
            model.check_people(data)


def test_detections_are_scored_against_its_codes(
    tmp_path: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tables of a tool that says what coders say, one for each trial."""
    frame = DISFAPlus(release).table.frame
    for video, rows in frame.groupby("video"):
        subject, task = Path(str(video)).parts[-2:]
        columns = {f"AU{au:02d}_r": rows[f"AU{au:02d}_r"].to_numpy() for au in DISFA_AUS}
        made = {"frame": np.arange(1, len(rows) + 1), "confidence": 1.0, "success": 1, **columns}
        (tmp_path / "tables").mkdir(exist_ok=True)
        pd.DataFrame(made).to_csv(tmp_path / "tables" / f"{subject}_{task}.csv", index=False)
    words = ["--corpus", "disfaplus", "--root", str(release), "--out", str(tmp_path / "scores")]
    assert main(["score", f"{tmp_path / 'tables'}=openface", *words]) == 0
    scores = pd.read_csv(tmp_path / "scores/scores.csv").set_index("au")
    assert scores.loc["AU12", "icc"] == pytest.approx(1)
    assert scores.loc["AU12", "frames"] == len(frame) == 12
