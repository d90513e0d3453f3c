import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aukit.datasets import FERA2017
from aukit.datasets.files import AGREEMENT_FILE
from aukit.errors import ConfigError, CorpusError
from aukit.reproduce.data_origin import TableCorpus
from aukit.reproduce.options import TableOptions
from aukit.simulation import (
    STANDIN_VERSION,
    FERA2017SimulationConfig,
    FERA2017Standin,
    Standin,
)
from aukit.simulation.corpora.config import Recording
from aukit.simulation.corpora.fera2017 import VIEW_POSES, recording_of
from aukit.simulation.corpora.recorder import Recorder
from aukit.utils.jobs import Shard
from tests.standins import file_contents, opened_while_reading

TINY = replace(
    FERA2017SimulationConfig.smoke(), profile="tiny", people=(1, 1, 1), tasks=(1, 1, 1), frames=4, size=48
)


def test_the_official_layout(standin: Standin) -> None:
    names = set(file_contents(standin.root))
    assert "FERA17_Train_MV/FERA17_TR_F001_T1_6.mp4" in names
    assert "Train_Occ/FERA17_TR_F001_T1.csv" in names
    assert "Valid_Int/FERA17_VA_M001_T2_AU17_Int.csv" in names
    assert "Landmarks/FERA17_TE_F001_T1_6.npy" in names
    header = (standin.root / "Train_Occ" / "FERA17_TR_F001_T1.csv").read_text().splitlines()[0]
    assert header.split(",")[1:] == ["1", "4", "6", "7", "10", "12", "14", "15", "17", "23"]


def test_standin_json_says_recipe_version_and_seed_only(standin: Standin) -> None:
    described = FERA2017(standin.root).standin
    assert described is not None
    assert set(described) == {"recipe", "version", "seed"}
    assert described["version"] == STANDIN_VERSION
    assert described["recipe"]["profile"] == "smoke"


def test_quirks_of_real_releases_are_there(standin: Standin) -> None:
    corpus = FERA2017(standin.root)
    train = {p.split("/")[1] for p in corpus.table.persons if p.startswith("BP4D/")}
    test = {p.split("/")[1] for p in corpus.table.persons if p.startswith("FERA2017-test/")}
    assert train & test  # ids re-used across partitions
    assert len([e for e in corpus.exclusions if e.position is not None]) == 3  # videos one frame short
    first = corpus.videos[0]
    assert np.isnan(corpus.sidecar_landmarks(first)[6]).all()
    shown = [image for _, image in corpus.decode(first)]
    # In that frame there is a wall and no face: far less contrast than with the person in the picture.
    assert shown[6].std() < 0.6 * shown[5].std()
    assert 6 in corpus.table.select(video=first).frame["position"].to_numpy()
    assert np.isnan(corpus.table.intensities((1, 4, 6, 10, 12, 14, 17))).any()  # code 9


def test_sealed_truth_lies_outside_and_is_never_opened(standin: Standin) -> None:
    assert not standin.truth_root.resolve().is_relative_to(standin.root.resolve())
    assert len(list(standin.truth_root.glob("*.npz"))) == 18
    opened = opened_while_reading(FERA2017, standin)
    assert not [name for name in opened if str(standin.truth_root) in name]


def test_the_reader_does_not_need_the_truth(standin: Standin, tmp_path: Path) -> None:
    root = Path(shutil.copytree(standin.root, tmp_path / "alone"))
    table = FERA2017(root).table
    assert table.fingerprint() == FERA2017(standin.root).table.fingerprint()


def test_labels_are_codes_not_parameters(standin: Standin) -> None:
    corpus = FERA2017(standin.root)
    aus = (1, 4, 6, 10, 12, 14, 17)
    wrong = 0
    for video in corpus.videos:
        truth = np.load(standin.truth_root / f"{Path(video).stem}.npz")
        columns = [truth["aus"].tolist().index(au) for au in aus]
        exact = np.clip(np.floor(truth["intensity"][:, columns] + 0.5), 0, 5)
        labels = corpus.table.select(video=video).intensities(aus)
        wrong += int((labels != exact[: len(labels)])[np.isfinite(labels)].sum())
    assert wrong > 30


def test_the_sidecar_follows_the_face_but_not_exactly(standin: Standin) -> None:
    corpus = FERA2017(standin.root)
    errors = []
    for video in corpus.videos:
        clean = np.load(standin.truth_root / f"{Path(video).stem}.npz")["landmarks"]
        tracked = corpus.sidecar_landmarks(video)
        box = np.sqrt(np.prod(np.ptp(clean[..., :2], axis=1), axis=-1))[: len(tracked), None]
        errors.append(np.linalg.norm((tracked - clean[: len(tracked)])[..., :2], axis=-1) / box)
    assert 0.028 < np.nanmean(np.concatenate(errors)) < 0.042


def test_the_agreement_of_annotators_is_written_beside_the_corpus(standin: Standin) -> None:
    agreement = json.loads((standin.root / AGREEMENT_FILE).read_text())
    assert set(agreement["partitions"]) == {"train", "valid", "test"}
    assert set(agreement["partitions"]["train"]["icc"]) == {
        "AU01",
        "AU04",
        "AU06",
        "AU10",
        "AU12",
        "AU14",
        "AU17",
    }
    assert agreement["version"] == STANDIN_VERSION


def test_an_interrupted_writer_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    FERA2017Standin(tmp_path / "a", tmp_path / "at", TINY).write(workers=0, progress=False)
    whole = file_contents(tmp_path / "a")
    victim = "FERA17_Valid_MV/FERA17_VA_F007_T1_6.mp4"
    (tmp_path / "a" / victim).unlink()
    (tmp_path / "a" / "FERA17_Valid_MV" / ".FERA17_VA_F007_T1_6.part.mp4").write_bytes(b"half")
    kept = tmp_path / "a" / "FERA17_Train_MV" / "FERA17_TR_F001_T1_6.mp4"
    before = kept.stat().st_mtime_ns
    FERA2017Standin(tmp_path / "a", tmp_path / "at", TINY).write(workers=0, progress=False)
    assert file_contents(tmp_path / "a") == whole
    assert kept.stat().st_mtime_ns == before


def test_processes_share_a_standin_and_the_last_one_writes_its_labels(tmp_path: Path) -> None:
    FERA2017Standin(tmp_path / "a", tmp_path / "at", TINY).write(workers=0, progress=False)
    shared = FERA2017Standin(tmp_path / "b", tmp_path / "bt", TINY)
    people = len({recording.person for recording in TINY.recordings()})
    assert people > 1
    said = shared.write(workers=0, progress=False, shard=Shard(1, 2))
    assert said.startswith(f"{people - people // 2} of {people} people are missing")
    assert not (tmp_path / "b" / AGREEMENT_FILE).exists()
    assert shared.write(workers=0, progress=False, shard=Shard(0, 2)) == ""
    assert file_contents(tmp_path / "b") == file_contents(tmp_path / "a")
    assert file_contents(tmp_path / "bt") == file_contents(tmp_path / "at")


def test_what_a_killed_writer_leaves_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "standins" / f"fera2017-smoke-v{STANDIN_VERSION}-seed0"
    corpus = TableCorpus("fera2017", TableOptions("smoke", {}, tmp_path))
    assert corpus.root == root
    named = TableCorpus("fera2017", TableOptions("smoke", {"fera2017": root}, tmp_path))
    standin = FERA2017Standin(root, tmp_path / "truth", corpus.simulation_config)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for stage in ("save", "write_labels"):  # before the first video, before the first label file
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FERA2017Standin, stage, killed)
            with pytest.raises(KeyboardInterrupt):
                standin.write(workers=0, progress=False)
        assert not corpus.is_there()
        with pytest.raises(CorpusError, match=r"an unfinished stand-in.*repeat the command.*it goes on"):
            named.release().fingerprint()


def test_another_recipe_does_not_mix_into_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "STANDIN.json").write_text(json.dumps(TINY.description()))
    with pytest.raises(CorpusError, match="begun with other settings"):
        FERA2017Standin(tmp_path / "a", tmp_path / "t", replace(TINY, seed=1)).write(workers=0)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("mine")
    with pytest.raises(CorpusError, match="not empty"):
        FERA2017Standin(tmp_path / "a", tmp_path / "t", TINY).write(workers=0)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("truth", ["a/truth", ".", "a"])
def test_truth_inside_or_around_the_corpus_is_refused(tmp_path: Path, truth: str) -> None:
    with pytest.raises(CorpusError, match="must not contain each other"):
        FERA2017Standin(tmp_path / "a", tmp_path / truth, TINY).write(workers=0)


def test_all_views_show_the_same_expression_from_the_stated_poses() -> None:
    recording = recording_of("train", "F001", "T1")
    recorder = Recorder(TINY, recording.person, recording.gender)
    intensity = TINY.true_intensities(recording)
    plans = {view: recorder.plan(recording, view, intensity) for view in range(1, 10)}
    for view, plan in plans.items():
        np.testing.assert_array_equal(plan.activations, plans[6].activations)
        pitch, yaw = VIEW_POSES[view]
        np.testing.assert_allclose(plan.pose - plans[6].pose, np.tile([yaw, pitch, 0.0], (4, 1)), atol=1e-9)
    left, right = (next(iter(recorder.frames(plans[v])))[1] for v in (5, 7))
    # At yaw −40° the nose's tip lies left of the eyes' middle, at +40° right of it.
    for points, sign in ((left, -1), (right, 1)):
        middle = (points[:, 36:48].mean(axis=1) - points[:, 30])[:, 0]
        assert (sign * middle < 0).all()


def test_recordings_differ_and_repeat() -> None:
    config = FERA2017SimulationConfig.smoke()
    first, second, *_ = config.recordings()
    intensity = config.true_intensities(first)
    assert not np.array_equal(intensity, config.true_intensities(second))
    np.testing.assert_array_equal(config.codes(first, intensity), config.codes(first, intensity))
    assert not np.array_equal(intensity, replace(config, seed=1).true_intensities(first))


def test_each_recording_is_simulated_for_its_pictures_and_for_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all views, and once for labels and agreement, which any of several shards may write."""
    simulated: list[str] = []
    original = FERA2017SimulationConfig.true_intensities

    def counted(self: FERA2017SimulationConfig, recording: Recording) -> Any:
        simulated.append(recording.person)
        return original(self, recording)

    monkeypatch.setattr(FERA2017SimulationConfig, "true_intensities", counted)
    FERA2017Standin(tmp_path / "a", tmp_path / "t", replace(TINY, views=(5, 6))).write(0, progress=False)
    assert sorted(simulated) == sorted(2 * [*set(simulated)])
    assert len(set(simulated)) == 3


def test_sizes_have_names(tmp_path: Path) -> None:
    assert FERA2017Standin.config_type.of_size("mini", seed=2) == FERA2017SimulationConfig.mini(seed=2)
    assert TINY.n_frames == 3 * 4
    with pytest.raises(ConfigError, match="smoke, mini, standin"):
        FERA2017SimulationConfig.of_size("paper")
