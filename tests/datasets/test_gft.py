"""GFT: what the column map names is read, what it does not name is not; the stand-in in its layout."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from aukit.cli import main
from aukit.datamodules import GFTDataModule
from aukit.datasets import GFT, verify_release
from aukit.datasets.gft import GROUPS, LISTED_RATES, partition_of, subjects
from aukit.datasets.gft import PUBLISHED as GFT_PUBLISHED
from aukit.datasets.video import encode_video
from aukit.errors import CorpusError
from aukit.simulation import GFTSimulationConfig, GFTStandin, Standin
from aukit.simulation.behaviour.intensity_curves import exact_levels
from aukit.simulation.corpora.gft import recording_of
from aukit.training.run_config import build_datamodule
from tests.releases import edit, picture, write_lines
from tests.standins import file_contents, opened_while_reading, written

MAP: dict[str, Any] = {
    "videos": "{person}.mp4",
    "labels": "{person}_codes.csv",
    "frame": "Frame",
    "first_frame": 1,
    "occurrence": {12: "AU12", 1: "AU1"},
    "missing": [999, None],
}
PEOPLE = ("001A", "005B", "008C")  # train, valid, test


def write_map(root: Path, **changes: Any) -> Path:
    """The map with other values; None removes a key."""
    content = {key: value for key, value in {**MAP, **changes}.items() if value is not None}
    root.mkdir(parents=True, exist_ok=True)
    (root / "gft_columns.yaml").write_text(yaml.safe_dump(content))
    return root


def person(root: Path, subject: str, frames: int = 4) -> None:
    """In frame i (from 1) AU 1 is i % 2 and AU 12 is coded until the last frame; AU 14 is there, unnamed."""
    encode_video(root / "any" / f"{subject}.mp4", [picture(20 * i, (32, 48)) for i in range(frames)], fps=30)
    rows = [f"{i},{i % 2},{999 if i == frames else 1},1," for i in range(1, frames + 1)]
    write_lines(root / "codes" / f"{subject}_codes.csv", ["Frame,AU1,AU12,AU14,note", *rows])


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = write_map(tmp_path / "gft")
    for subject in PEOPLE:
        person(root, subject)
    return root


def test_what_the_map_names_is_read_and_au_14_is_not(release: Path) -> None:
    corpus = GFT(release)
    table = corpus.table
    assert table.occurrence_aus == (1, 12)
    assert table.intensity_aus == ()
    frame = table.select(subject="001A").frame
    assert frame["frame"].tolist() == [1, 2, 3, 4]
    assert frame["position"].tolist() == [0, 1, 2, 3]
    assert frame["AU01_c"].tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(frame["AU12_c"], [1, 1, 1, np.nan])
    assert table.frame.groupby("subject")["partition"].first().tolist() == ["train", "valid", "test"]
    assert set(table.frame["person"]) == {f"GFT/{subject}" for subject in PEOPLE}
    assert "occurrence of AU 1 12; '999', '' means not coded" in corpus.settings[0]
    assert not corpus.exclusions
    positions = [position for position, _ in corpus.decode(corpus.videos[0])]
    assert positions == [0, 1, 2, 3]


def test_without_a_map_the_reader_says_which_keys_it_needs(release: Path) -> None:
    (release / "gft_columns.yaml").unlink()
    with pytest.raises(CorpusError, match=r"videos, labels, frame, first_frame, occurrence, missing"):
        GFT(release)
    write_map(release, occurrence=None, missing=None)
    with pytest.raises(CorpusError, match=r"the keys occurrence, missing are missing; nothing is guessed"):
        GFT(release)
    assert main(["corpora", "check", "gft", "--root", str(release)]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown keys colour"),
        ({"videos": "video.mp4"}, r"videos is 'video.mp4'; expected the name of a file"),
        ({"labels": "../{person}.csv"}, "expected the name of a file without folders"),
        ({"occurrence": ["AU1"]}, r"expected a column for each action unit"),
        ({"occurrence": {"AU1": "AU1"}}, "which are no visible action units"),
        ({"occurrence": {12: "AU12", 1: "AU12"}}, "occurrence and frame name the column 'AU12' twice"),
        ({"occurrence": {12: "Frame", 1: "AU1"}}, "name the column 'Frame' twice"),
        ({"first_frame": "one"}, "expected a whole number"),
        ({"missing": 9}, "expected a list of codes"),
        ({"missing": [1]}, "which are codes of intensity"),
        ({"missing": [9, 5.0]}, r"missing has \['5.0'\], which are codes of intensity"),
        ({"intensity": {12: "AU12"}}, "intensity and intensity_labels belong together"),
    ],
)
def test_wrong_maps_are_refused(release: Path, changes: dict[str, Any], message: str) -> None:
    write_map(release, **changes)
    with pytest.raises(CorpusError, match=message):
        GFT(release)


def test_a_column_that_is_named_by_its_name_and_by_its_number_is_refused(release: Path) -> None:
    for changes in ({"occurrence": {12: 2, 1: "AU12"}}, {"frame": 0, "occurrence": {12: "Frame"}}):
        write_map(release, **changes)
        with pytest.raises(
            CorpusError, match=r"001A_codes\.csv, line 1: .*'(AU12|Frame)' \(number [02]\) twice"
        ):
            _ = GFT(release).table


def test_codes_are_known_however_they_are_spelt(release: Path) -> None:
    path = release / "codes" / "001A_codes.csv"
    edit(path, lambda lines: [lines[0], "1,1.0,NaN,1,", "2,0.,-9.0,1,", "3,01,nan,1,", "4,0,1,1,"])
    for missing in ([float("nan"), -9, 999], ["NaN", "-9.0", 999.0]):
        frame = GFT(write_map(release, missing=missing)).table.select(subject="001A").frame
        assert frame["AU01_c"].tolist() == [1, 0, 1, 0]
        np.testing.assert_array_equal(frame["AU12_c"], [np.nan, np.nan, np.nan, 1])


def test_damaged_maps_are_refused(release: Path) -> None:
    for text, message in (("[1, 2", "cannot be read as YAML"), ("5", "no mapping"), ("#" * 70_000, "larger")):
        (release / "gft_columns.yaml").write_text(text)
        with pytest.raises(CorpusError, match=message):
            GFT(release)


def test_columns_by_number_other_first_frames_and_intensities(release: Path, tmp_path: Path) -> None:
    for subject in PEOPLE:
        path = release / "codes" / f"{subject}_codes.csv"
        edit(path, lambda lines: [line.replace("999", "-1") for line in lines[1:]])
        rows = [f"{i};{i}".replace(";", ",") for i in range(1, 5)]
        write_lines(release / "levels" / f"{subject}.csv", rows)
    other = tmp_path / "map.yaml"
    content = {
        **MAP,
        "frame": 0,
        "occurrence": {1: 1, 12: 2},
        "missing": [-1],
        "intensity_labels": "{person}.csv",
        "intensity": {6: 1},
    }
    other.write_text(yaml.safe_dump(content))
    (release / "gft_columns.yaml").unlink()
    corpus = GFT(release, other)
    table = corpus.table
    assert not any("counted from" in note for note in corpus.notes)
    assert table.select(subject="005B").intensities((6,))[:, 0].tolist() == [1, 2, 3, 4]
    assert np.isnan(table.occurrences((12,))[3::4]).all()
    other.write_text(yaml.safe_dump({**content, "first_frame": 0}))
    corpus = GFT(release, other)
    assert corpus.table.select(subject="005B").frame["position"].tolist() == [1, 2, 3]
    assert sorted({e.reason for e in corpus.exclusions}) == [
        "frame without label row",
        "label row without frame (the video ends early)",
    ]
    assert any(
        note.startswith("label rows of 3 of 3 videos have no first frame and one behind the last")
        and "counted from 1 and not from 0" in note
        for note in corpus.notes
    )


def _codes(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    return lambda root: edit(root / "codes" / "001A_codes.csv", change)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            _codes(lambda ls: [*ls[:2], "2,7,1,1,"]),
            r"001A_codes\.csv, line 3: unknown code '7'.*\['999', ''\]",
        ),
        (_codes(lambda ls: [*ls[:2], "2,1"]), r"line 3: 2 columns, expected 5"),
        (_codes(lambda ls: [*ls[:2], "two,1,1,1,"]), r"line 3: 'two' is no frame number"),
        (_codes(lambda ls: [*ls, "2.000,1,1,1,"]), r"line 6: '2\.000' may be frame 2000.*or frame 2;"),
        (_codes(lambda ls: [*ls, ls[1]]), "frame 1 has two rows"),
        (_codes(lambda ls: [ls[0].replace("AU12", "AU13"), *ls[1:]]), "0 columns are called 'AU12'"),
        (
            _codes(lambda ls: [ls[0], "0,1,1,1,"]),
            r"has frame 0.*counted from 1; correct the key 'first_frame'",
        ),
        (lambda root: write_map(root, frame=9), "has 5 columns, none of number 9"),
        (lambda root: person(root / "twice", "001A"), "the same file twice"),
        (lambda root: person(root, "033A"), "GFT has the people 001A, 001B, 001C to 032C, not 033A"),
        (lambda root: write_map(root, videos="v{person}.avi"), r"called like v\{person\}\.avi"),
    ],
)
def test_damage_is_told_with_file_place_and_remedy(
    release: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(release)
    with pytest.raises(CorpusError, match=message):
        _ = GFT(release).table


def test_missing_files_are_counted_and_the_check_goes_on(release: Path) -> None:
    (release / "codes" / "001A_codes.csv").unlink()
    (release / "any" / "005B.mp4").write_bytes(b"no video")
    reasons = {e.reason for e in GFT(release).exclusions}
    assert reasons == {"no label file", "the video cannot be opened"}
    _codes_of_008c = release / "codes" / "008C_codes.csv"
    edit(_codes_of_008c, lambda lines: [*lines, "x"])
    report = verify_release(GFT(release), GFT_PUBLISHED)
    assert not report.ok
    assert len(report.problems) == 1
    assert str(release) not in report.to_json()
    assert report.partitions["train"].unlabelled_recordings == 1


def test_genders_come_from_the_user_s_table(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "3 people without known gender" in GFT(release).notes[-1]
    table = release.parent / "genders.csv"
    table.write_text("person,gender\n001A,f\nGFT/005B,m\n008C,\n")
    monkeypatch.setenv("AUKIT_GFT_GENDERS", str(table))
    corpus = GFT(release)
    assert corpus.table.gender_codes()[::4].tolist() == [0, 1, -1]
    assert corpus.notes[-1] == "1 people without known gender: GFT/008C"


def test_the_published_partition_keeps_groups_together() -> None:
    assert {name: len(subjects(name)) for name in GROUPS} == {"train": 60, "valid": 18, "test": 18}
    assert sorted(g for groups in GROUPS.values() for g in groups) == list(range(1, 33))
    assert [partition_of(s) for s in ("008A", "005C", "001B", "033A", "001D")] == [
        "test", "valid", "train", None, None,
    ]  # fmt: skip


TINY = replace(GFTSimulationConfig.smoke(), profile="tiny", groups=3, frames=6, size=48)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return written(tmp_path_factory, GFTStandin, TINY)


def test_the_standin_is_read_through_its_map_and_has_quirks(standin: Standin) -> None:
    corpus = GFT(standin.root)
    assert verify_release(GFT(standin.root), GFT_PUBLISHED).ok
    assert corpus.table.occurrence_aus == (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
    reasons = sorted(e.reason for e in corpus.exclusions)
    assert reasons == ["frame without label row", "label row without frame (the video ends early)"]
    uncoded = np.isnan(corpus.table.occurrences(corpus.table.occurrence_aus)).all(axis=1)
    assert uncoded.sum() == 3
    for video in corpus.videos:
        assert len(corpus.sidecar_landmarks(video)) == len(list(corpus.decode(video)))
    assert np.isnan(corpus.sidecar_landmarks(corpus.videos[0])[3]).all()  # out of the picture
    people = corpus.table.frame.groupby("subject").agg({"partition": "first", "gender": "first"})
    assert people.groupby("partition")["gender"].nunique().tolist() == [2, 2, 2]
    assert people["partition"].value_counts().to_dict() == {"train": 3, "valid": 3, "test": 3}
    described = json.loads((standin.root / "STANDIN.json").read_text())
    assert described["recipe"]["name"] == "gft-people"


def test_three_of_a_group_sit_in_one_light_before_walls_of_their_own(standin: Standin) -> None:
    def light(subject: str) -> float:
        return float(TINY.light_rng(recording_of(subject), np.random.default_rng(0)).random())

    assert light("001A") == light("001C") != light("002A")
    scenes = {float(TINY.own_rng("scene", f"GFT/001{seat}", "conversation").random()) for seat in "ABC"}
    assert len(scenes) == 3


def test_rates_are_those_of_the_published_lists() -> None:
    worlds = [replace(GFTSimulationConfig.mini(), seed=seed) for seed in range(8)]
    recordings = [recording_of(subject) for name in GROUPS for subject in subjects(name)]
    truth = np.stack([config.true_intensities(r) for config in worlds for r in recordings])
    present = exact_levels(truth) >= 1
    for au in (2, 6, 7, 12, 17):
        rate = np.mean([LISTED_RATES[name][au] for name in LISTED_RATES])
        per_recording = present[:, :, TINY.simulated_aus.index(au)].mean(axis=1)
        error = per_recording.std() / np.sqrt(len(per_recording))
        assert abs(per_recording.mean() - rate) < 4 * error + 0.005, au


def test_sizes() -> None:
    for config in (GFTSimulationConfig.smoke(), GFTSimulationConfig.mini(), GFTSimulationConfig.standin()):
        chosen = config.subjects()
        assert len(chosen) == 3 * config.groups
        assert {partition_of(s) for s in chosen} == {"train", "valid", "test"}
    everybody = sorted(s for name in GROUPS for s in subjects(name))
    assert GFTSimulationConfig.mini().subjects() == everybody
    genders = [recording_of(s).gender for s in everybody]
    assert (genders.count("female"), genders.count("male")) == (39, 57)
    groups = [{recording_of(f"{g:03d}{seat}").gender for seat in "ABC"} for g in range(1, 33)]
    assert all(len(group) == 2 for group in groups)


def test_an_interrupted_writer_goes_on_and_ends_with_the_same_bytes(standin: Standin) -> None:
    whole = file_contents(standin.root)
    (standin.root / "videos" / "005A.mp4").rename(standin.root / "videos" / ".005A.part.mp4")  # half written
    GFTStandin(standin.root, standin.truth_root, TINY).write(workers=0, progress=False)
    assert file_contents(standin.root) == whole


def test_the_sealed_truth_is_never_opened(standin: Standin) -> None:
    opened = opened_while_reading(GFT, standin)
    assert len(list(standin.truth_root.glob("*.npz"))) == 9
    assert not [name for name in opened if str(standin.truth_root) in name]


def test_from_the_command_line_to_batches(
    tmp_path: Path, standin: Standin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        GFTSimulationConfig, "smoke", classmethod(lambda cls, seed=0: replace(TINY, seed=seed))
    )
    root = str(standin.root)
    (standin.root / "videos" / "001A.mp4").unlink()  # to see that the command does its part
    words = ["--root", root, "--truth", str(standin.truth_root), "--profile", "smoke", "--workers", "0"]
    assert main(["standin", "gft", *words]) == 0
    assert (standin.root / "videos" / "001A.mp4").is_file()
    assert main(["corpora", "check", "gft", "--root", root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    out = str(tmp_path / "stores")
    words = ["--root", root, "--out", out, "--workers", "0", "--registration", "similarity", "--size", "32"]
    assert main(["prepare", "gft", *words]) == 0
    assert "note: the column map names occurrence" in capsys.readouterr().out
    arguments = {"root": root, "cache": out, "registration": "similarity", "size": 32, "prepare_workers": 0}
    data: Any = build_datamodule(
        {
            "data": {"class_path": "aukit.datamodules.GFTDataModule", "init_args": arguments},
            "model": {"class_path": "tests.fake_training.TinyModule"},
        }
    )
    assert isinstance(data, GFTDataModule)
    data.prepare_data()
    data.setup()
    partitions = data.store.table.frame["partition"].to_numpy()
    assert [set(partitions[rows]) for rows in (data.train_rows, data.val_rows, data.test_rows)] == [
        {"train"}, {"valid"}, {"test"},
    ]  # fmt: skip
    assert next(iter(data.test_dataloader()))["occurrences"].shape[1] == 10
