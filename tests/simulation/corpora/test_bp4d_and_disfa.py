"""The stand-ins of BP4D and DISFA, tiny: official layout, quirks, people, labels, sealed truth."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aukit.cli import main
from aukit.datamodules import BP4DDataModule
from aukit.datasets import BP4D, DISFA, verify_release
from aukit.datasets.bp4d import PUBLISHED as BP4D_PUBLISHED
from aukit.datasets.disfa import PUBLISHED as DISFA_PUBLISHED
from aukit.datasets.folds import FOLD_SPLITS
from aukit.errors import CorpusError
from aukit.facs import VISIBLE_INDEX
from aukit.simulation import (
    BP4DSimulationConfig,
    BP4DStandin,
    DISFASimulationConfig,
    DISFAStandin,
    FERA2017SimulationConfig,
    Standin,
)
from aukit.simulation.behaviour.intensity_curves import exact_levels
from aukit.simulation.behaviour.person import sample_motion
from aukit.simulation.corpora import bp4d as bp4d_standin
from aukit.simulation.corpora import fera2017 as fera2017_standin
from aukit.simulation.corpora.bp4d import LOWER_FACE
from aukit.simulation.corpora.disfa import recording_of
from aukit.simulation.corpora.recorder import Recorder
from tests.standins import file_contents, opened_while_reading, written

TINY_BP4D = replace(BP4DSimulationConfig.smoke(), profile="tiny", people=4, frames=8, size=48)
TINY_DISFA = replace(DISFASimulationConfig.smoke(), profile="tiny", people=4, frames=6, size=48)
DISFA_COLUMNS = TINY_DISFA.simulated_aus
DISFA_AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)


@pytest.fixture(scope="module")
def bp4d(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return written(tmp_path_factory, BP4DStandin, TINY_BP4D)


@pytest.fixture(scope="module")
def disfa(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return written(tmp_path_factory, DISFAStandin, TINY_DISFA)


def test_bp4d_in_its_official_layout(bp4d: Standin) -> None:
    names = set(file_contents(bp4d.root))
    numbers = sorted(p.stem for p in (bp4d.root / "Sequences(2D+3D)/F001/T1").iterdir())
    assert len(numbers) == 8
    assert {len(n) for n in numbers} == {4}
    assert int(numbers[0]) > 1
    assert "AUCoding/AU_INT/AU06/F001_T1_AU06.csv" in names
    women, men = (
        (bp4d.root / f"AUCoding/AU_OCC/{name}_T1.csv").read_text().splitlines()[0].split(",")
        for name in ("F001", "M001")
    )
    assert women == [str(i) for i in range(100)]
    assert men == ["1", "1", "2", "4", "6", "7", "10", "12", "14", "15", "17", "23", "24"]
    assert verify_release(BP4D(bp4d.root), BP4D_PUBLISHED).ok


def test_bp4d_has_the_quirks_of_the_release(bp4d: Standin) -> None:
    corpus = BP4D(bp4d.root)
    assert [e.reason for e in corpus.exclusions] == ["image without label row"] * 2 + [
        "label row without image"
    ]
    assert "2 labelled frames are coded as occluded (column 99) and kept" in corpus.notes
    covered = corpus.table.select(subject="F003", task="T1")
    assert np.isnan(covered.occurrences(LOWER_FACE)[2:4]).all()
    shown = [image for _, image in corpus.decode("Sequences(2D+3D)/F003/T1") if image is not None]
    dark = [(image < 60).all(axis=-1).sum() for image in shown]
    assert min(dark[2:4]) > 1.5 * max(dark[:2] + dark[4:])
    first = corpus.videos[0]
    landmarks = corpus.sidecar_landmarks(first)
    rows = corpus.table.select(video=first).frame["position"].to_numpy()
    assert np.isnan(landmarks[rows[4]]).all()  # out of the picture
    assert len(BP4D(bp4d.root, leave_out_occluded=True).table) == len(corpus.table) - 2


def test_bp4d_s_people_are_those_of_fera_2017_train(bp4d: Standin) -> None:
    recorder = Recorder(replace(FERA2017SimulationConfig.smoke(), frames=8), "BP4D/F001", "female")
    truth = np.load(bp4d.truth_root / "F001_T1.npz")
    np.testing.assert_array_equal(truth["identity"], recorder.person.avatar.identity)
    ours = bp4d_standin.recording_of("F001", "T1")
    theirs = fera2017_standin.recording_of("train", "F001", "T1")
    assert ours.person == theirs.person
    # The same performance, before another wall.
    intensity = TINY_BP4D.true_intensities(ours)
    np.testing.assert_array_equal(intensity, recorder.config.true_intensities(theirs))
    np.testing.assert_array_equal(intensity.astype(np.float32), truth["intensity"])
    scenes = [c.own_rng("scene", ours.person, "T1").random() for c in (TINY_BP4D, recorder.config)]
    assert scenes[0] != scenes[1]


def test_disfa_in_its_official_layout(disfa: Standin) -> None:
    names = set(file_contents(disfa.root))
    assert {
        "Videos_LeftCamera/LeftVideoSN001_comp.avi",
        "Videos_RightCamera/RightVideoSN001_comp.avi",
    } < names
    assert (disfa.root / "ActionUnit_Labels/SN001/SN001_au1.txt").read_text().startswith("1,")
    report = verify_release(DISFA(disfa.root), DISFA_PUBLISHED)
    assert report.ok
    assert report.standin is not None
    people = DISFA(disfa.root).table.frame.groupby("person")["gender"].first()
    assert people.tolist().count("female") == 3
    for camera in ("left", "right"):
        corpus = DISFA(disfa.root, camera)
        frames = {len(list(corpus.decode(video))) for video in corpus.videos}
        assert frames == {5, 6}
        for video in corpus.videos:
            assert len(corpus.sidecar_landmarks(video)) == len(list(corpus.decode(video)))


def test_disfa_has_the_quirks_of_the_release(disfa: Standin) -> None:
    corpus = DISFA(disfa.root)
    assert sorted(e.reason for e in corpus.exclusions) == [
        "frame without label row",
        "label row without frame (the video ends early)",
    ]
    assert any("no label file of AU 26" in note for note in corpus.notes)
    assert np.isnan(corpus.sidecar_landmarks(corpus.videos[0])[3]).all()
    levels = corpus.table.intensities(DISFA_AUS)
    assert np.isfinite(levels[:, :-1]).all()  # every frame is coded


def test_the_cameras_see_the_same_from_two_sides(disfa: Standin) -> None:
    left, right = (np.load(disfa.truth_root / f"{side}VideoSN001_comp.npz") for side in ("Left", "Right"))
    np.testing.assert_array_equal(left["activations"], right["activations"])
    np.testing.assert_allclose(right["pose"] - left["pose"], np.tile([10.0, 0, 0], (6, 1)), atol=1e-5)


@pytest.fixture(scope="module")
def disfa_truth() -> np.ndarray:
    """True intensities [R, T, A] of all people in twenty worlds."""
    recordings = [recording_of(subject) for split in FOLD_SPLITS["disfa"].values() for subject in split]
    worlds = [replace(DISFASimulationConfig.mini(), frames=40, seed=seed) for seed in range(20)]
    return np.stack([config.true_intensities(r) for config in worlds for r in recordings])


def test_disfa_s_rates_are_those_of_the_published_lists(disfa_truth: np.ndarray) -> None:
    present = exact_levels(disfa_truth) >= 2
    published = {1: 0.0498, 4: 0.1503, 12: 0.1289, 25: 0.2780, 26: 0.0885}  # of 130,311 frames
    for au, rate in published.items():
        per_recording = present[:, :, DISFA_COLUMNS.index(au)].mean(axis=1)
        error = per_recording.std() / np.sqrt(len(per_recording))
        assert abs(per_recording.mean() - rate) < 4 * error, au
        assert error < 0.25 * rate
    flat = disfa_truth.reshape(-1, len(DISFA_COLUMNS))
    assert np.corrcoef(flat[:, DISFA_COLUMNS.index(25)], flat[:, DISFA_COLUMNS.index(26)])[0, 1] > 0.2


def test_nothing_but_its_own_curve_moves_what_disfa_codes() -> None:
    """Somebody who would speak keeps the lips closed: they are coded."""

    def would_speak(subject: str) -> bool:
        rng = TINY_DISFA.rng("motion", f"DISFA/{subject}", "S1")
        return bool(sample_motion(rng, 6, TINY_DISFA.fps).activations[:, VISIBLE_INDEX[25]].any())

    recording = next(
        recording_of(s) for split in FOLD_SPLITS["disfa"].values() for s in split if would_speak(s)
    )
    recorder = Recorder(TINY_DISFA, recording.person, recording.gender)
    plan = recorder.plan(recording, 1, np.zeros((6, len(DISFA_COLUMNS))))
    assert (plan.activations[:, [VISIBLE_INDEX[au] for au in DISFA_AUS]] == 0).all()


def test_a_second_annotator_differs_and_disfa_s_leave_nothing_uncoded() -> None:
    config = DISFASimulationConfig.mini()
    recordings = [recording_of(s) for s in FOLD_SPLITS["disfa"]["P1"]]
    first, second = (
        np.concatenate([config.codes(r, config.true_intensities(r), annotator) for r in recordings])
        for annotator in ("first", "other")
    )
    assert (first != second).any()
    assert (first < 9).all()


@pytest.mark.parametrize("which", ["bp4d", "disfa"])
def test_descriptions_say_recipe_version_and_seed_and_how_far_annotators_agree(
    which: str, request: pytest.FixtureRequest
) -> None:
    standin: Standin = request.getfixturevalue(which)
    described = json.loads((standin.root / "STANDIN.json").read_text())
    assert set(described) == {"recipe", "version", "seed"}
    assert described["recipe"]["name"] == f"{which}-people"
    agreement = json.loads((standin.root / "inter_rater_agreement.json").read_text())
    assert set(agreement["partitions"]) == {"P1", "P2", "P3"}
    assert set(agreement["partitions"]["P1"]) == {"icc", "mean", "f1", "mean_f1", "frames"}
    assert len(agreement["partitions"]["P1"]["f1"]) == {"bp4d": 12, "disfa": 8}[which]


@pytest.mark.parametrize("which", ["bp4d", "disfa"])
def test_sealed_truth_lies_outside_and_is_never_opened(which: str, request: pytest.FixtureRequest) -> None:
    standin: Standin = request.getfixturevalue(which)
    assert len(list(standin.truth_root.glob("*.npz"))) == 8
    opened = opened_while_reading({"bp4d": BP4D, "disfa": DISFA}[which], standin)
    assert not [name for name in opened if str(standin.truth_root) in name]


def test_interrupted_writers_go_on_and_end_with_the_same_bytes(bp4d: Standin, disfa: Standin) -> None:
    for standin, victim, again in (
        (
            bp4d,
            next((bp4d.root / "Sequences(2D+3D)/M001/T2").iterdir()),
            lambda: BP4DStandin(bp4d.root, bp4d.truth_root, TINY_BP4D).write(workers=0, progress=False),
        ),
        (
            disfa,
            disfa.root / "Videos_RightCamera/RightVideoSN003_comp.avi",
            lambda: DISFAStandin(disfa.root, disfa.truth_root, TINY_DISFA).write(workers=0, progress=False),
        ),
    ):
        whole = file_contents(standin.root)
        victim.rename(victim.with_name(f".{victim.stem}.part{victim.suffix}"))  # half written
        again()
        assert file_contents(standin.root) == whole


def test_another_recipe_or_a_licensed_release_is_left_alone(bp4d: Standin, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="begun with other settings"):
        BP4DStandin(bp4d.root, bp4d.truth_root, replace(TINY_BP4D, seed=1)).write(workers=0)
    with pytest.raises(CorpusError, match="begun with other settings"):
        DISFAStandin(bp4d.root, bp4d.truth_root, TINY_DISFA).write(workers=0)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("mine")
    with pytest.raises(CorpusError, match="not empty"):
        DISFAStandin(tmp_path / "a", tmp_path / "t", TINY_DISFA).write(workers=0)
    with pytest.raises(CorpusError, match="must not contain each other"):
        DISFAStandin(tmp_path / "b", tmp_path / "b" / "t", TINY_DISFA).write(workers=0)


@pytest.mark.parametrize("config", [BP4DSimulationConfig, DISFASimulationConfig])
def test_sizes(config: type[BP4DSimulationConfig] | type[DISFASimulationConfig]) -> None:
    splits = FOLD_SPLITS[config.corpus].values()
    for made in (config.smoke(), config.mini(), config.standin()):
        subjects = made.subjects()
        assert len(subjects) == made.people
        assert all(any(s in split for s in subjects) for split in splits)
    assert config.mini().subjects() == sorted(s for split in splits for s in split)
    assert config.mini().people == {"bp4d": 41, "disfa": 27}[config.corpus]


def test_twelve_women_and_fifteen_men_in_disfa() -> None:
    genders = [recording_of(s).gender for s in DISFASimulationConfig.mini().subjects()]
    assert (genders.count("female"), genders.count("male")) == (12, 15)
    assert {recording_of(s).gender for s in DISFASimulationConfig.smoke().subjects()} == {"female", "male"}


def test_from_the_command_line_to_batches(
    tmp_path: Path, bp4d: Standin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = replace(TINY_DISFA, people=3, frames=2, size=32, cameras=("right",))
    monkeypatch.setattr(
        DISFASimulationConfig, "smoke", classmethod(lambda cls, seed=0: replace(small, seed=seed))
    )
    root = str(tmp_path / "disfa")
    assert main(["standin", "disfa", "--root", root, "--profile", "smoke", "--workers", "0"]) == 0
    assert (tmp_path / "disfa-truth").is_dir()
    assert main(["corpora", "check", "disfa", "--root", root, "--camera", "right", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    words = ["prepare", "bp4d", "--root", str(bp4d.root), "--out", str(tmp_path), "--workers", "0"]
    assert main([*words, "--registration", "ffhq", "--size", "32"]) == 0
    assert "crops of 32 x 32 (ffhq)" in capsys.readouterr().out
    data = BP4DDataModule(str(bp4d.root), cache=str(tmp_path), size=32, fold=2, selection="oracle")
    data.prepare_data()
    data.setup()
    assert set(data.store.table.frame["subject"].iloc[data.test_rows]) <= set(FOLD_SPLITS["bp4d"]["P3"])
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].float().std() > 20
    # The landmarks lie in the crop: eyes above the mouth, left of it what is left.
    points = batch["landmarks"].numpy()
    assert (points[:, 36:48, 1].mean(axis=1) < points[:, 48:68, 1].mean(axis=1)).all()
    assert ((points[:, 27:, :2] > 0) & (points[:, 27:, :2] < 32)).mean() > 0.99
