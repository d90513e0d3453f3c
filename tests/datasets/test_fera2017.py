import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from aukit.datasets import FERA2017, FrameTable, verify_release
from aukit.datasets.fera2017 import PUBLISHED as FERA2017_PUBLISHED
from aukit.datasets.video import encode_video
from aukit.errors import CorpusError
from aukit.simulation import Standin

FIRST = "FERA17_TR_F001_T1"


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def replace_code(path: Path, line: int, code: str) -> None:
    def change(lines: list[str]) -> list[str]:
        cells = lines[line - 1].split(",")
        return [*lines[: line - 1], ",".join([*cells[:-1], code]), *lines[line:]]

    edit(path, change)


def test_people_are_global_and_ids_of_partitions_do_not_mix(standin: Standin) -> None:
    table = FERA2017(standin.root).table
    assert set(table.persons) >= {"BP4D/F001", "FERA2017-valid/M001", "FERA2017-test/F001"}
    genders = table.frame.groupby("person")["gender"].first()
    assert genders["BP4D/F001"] == "female"
    assert genders["BP4D/M001"] == "male"
    assert table.frame["view"].eq(6).all()


def test_row_i_of_a_label_file_belongs_to_decoded_frame_i(standin: Standin) -> None:
    corpus = FERA2017(standin.root, partitions=("train",))
    video = corpus.videos[0]
    rows = corpus.table.select(video=video)
    decoded = list(corpus.decode(video))
    assert [position for position, _ in decoded] == rows.frame["position"].tolist()
    assert decoded[0][1].shape == (96, 96, 3)
    assert decoded[0][1].dtype == np.uint8
    intensity = np.loadtxt(standin.root / "Train_Int" / f"{FIRST}_AU12_Int.csv", delimiter=",")
    expected = np.where(intensity[:, 1] == 9, np.nan, intensity[:, 1])
    np.testing.assert_array_equal(rows.intensities((12,))[:, 0], expected)
    np.testing.assert_array_equal(rows.frame["frame"], intensity[:, 0])
    occurrence = np.loadtxt(standin.root / "Train_Occ" / f"{FIRST}.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(
        np.nan_to_num(rows.occurrences((17,))[:, 0], nan=9),
        occurrence[:, 1 + [1, 4, 6, 7, 10, 12, 14, 15, 17].index(17)],
    )


def test_code_9_becomes_nan_never_0(copied: Path) -> None:
    replace_code(copied / "Train_Int" / f"{FIRST}_AU12_Int.csv", 3, "9")
    table = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"]).table
    assert np.isnan(table.intensities((12,))[2, 0])


def test_a_video_that_ends_early_costs_listed_rows_only(standin: Standin) -> None:
    corpus = FERA2017(standin.root)
    short = [e for e in corpus.exclusions if "ends early" in e.reason]
    assert len(short) == 3  # one per partition
    assert all(e.position == 11 for e in short)
    assert len(corpus.table) == 18 * 12 - 3


def test_fewer_label_rows_than_frames_are_counted_exclusions(copied: Path) -> None:
    edit(copied / "Train_Int" / f"{FIRST}_AU06_Int.csv", lambda lines: lines[:9])
    corpus = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"])
    assert [e.position for e in corpus.exclusions] == [9, 10, 11]
    assert {e.reason for e in corpus.exclusions} == {"frame without label row"}
    assert corpus.table.frame["position"][:9].tolist() == list(range(9))
    assert len(corpus.table) == 9 + 12


@pytest.mark.parametrize("code", ["7", "-1", "x", "1.5", ""])
def test_an_unknown_code_is_an_error_with_file_and_line(copied: Path, code: str) -> None:
    path = copied / "Train_Int" / f"{FIRST}_AU12_Int.csv"
    replace_code(path, 5, code)
    with pytest.raises(CorpusError, match=rf"{path.name}, line 5"):
        _ = FERA2017(copied, partitions=("train",)).table


def test_an_unknown_occurrence_code_is_an_error_with_file_and_line(copied: Path) -> None:
    replace_code(copied / "Train_Occ" / f"{FIRST}.csv", 4, "2")
    with pytest.raises(CorpusError, match=rf"{FIRST}.csv, line 4.*'2'"):
        _ = FERA2017(copied, partitions=("train",)).table


def test_a_ragged_line_and_an_empty_file_are_errors(copied: Path) -> None:
    path = copied / "Train_Int" / f"{FIRST}_AU12_Int.csv"
    edit(path, lambda lines: [*lines[:2], lines[2] + ",0", *lines[3:]])
    with pytest.raises(CorpusError, match="line 3: 3 columns"):
        _ = FERA2017(copied, partitions=("train",)).table
    path.write_text("")
    with pytest.raises(CorpusError, match="empty"):
        _ = FERA2017(copied, partitions=("train",)).table


def test_label_files_that_name_different_frames_are_an_error(copied: Path) -> None:
    path = copied / "Train_Int" / f"{FIRST}_AU12_Int.csv"
    edit(path, lambda lines: [*lines[1:], lines[0]])
    with pytest.raises(CorpusError, match=r"F001 T1.*disagree"):
        _ = FERA2017(copied, partitions=("train",)).table


def test_missing_root_and_empty_folder_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such folder.*aukit standin fera2017"):
        FERA2017(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"no FERA 2017 release.*aukit standin fera2017"):
        FERA2017(tmp_path)


def test_views_and_partitions_that_are_not_there_are_named(standin: Standin) -> None:
    with pytest.raises(CorpusError, match=r"views \[3\].*train view 6"):
        FERA2017(standin.root, views=(3,))
    with pytest.raises(CorpusError, match="dev"):
        FERA2017(standin.root, partitions=("dev",))


def test_only_needed_views_are_opened(copied: Path) -> None:
    (copied / "FERA17_Train_MV" / f"{FIRST}_1.mp4").write_bytes(b"not a video")
    corpus = FERA2017(copied, partitions=("train",))
    assert len(corpus.table) == 8 * 12 - 1


def test_a_video_that_cannot_be_opened_is_listed(copied: Path) -> None:
    (copied / "FERA17_Train_MV" / f"{FIRST}_6.mp4").write_bytes(b"not a video")
    corpus = FERA2017(copied, partitions=("train",))
    assert [(Path(e.video).stem, e.position) for e in corpus.exclusions if e.position is None] == [
        (f"{FIRST}_6", None)
    ]
    with pytest.raises(CorpusError, match="cannot be opened"):
        list(corpus.decode(f"FERA17_Train_MV/{FIRST}_6.mp4"))


def test_a_video_cut_in_its_middle_gives_the_frames_it_still_has(copied: Path) -> None:
    path = copied / "FERA17_Train_MV" / f"{FIRST}_6.mp4"
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    corpus = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"])
    rows = corpus.table.select(task="T1")
    assert 0 < len(rows) < 12
    assert len([e for e in corpus.exclusions if e.video.endswith(path.name)]) == 12 - len(rows)
    decoded = dict(corpus.decode(f"FERA17_Train_MV/{FIRST}_6.mp4"))
    assert list(decoded) == rows.frame["position"].tolist()
    assert [p for p, frame in decoded.items() if frame is None] == list(decoded)[-1:]  # it is cut itself


def test_a_person_without_gender_is_counted_not_guessed(copied: Path) -> None:
    for path in list(copied.rglob("FERA17_TE_F001_*")):
        path.rename(path.with_name(path.name.replace("_F001_", "_X001_")))
    corpus = FERA2017(copied, partitions=("test",))
    person = corpus.table.select(person="FERA2017-test/X001")
    assert len(person) > 0
    assert person.frame["gender"].isna().all()
    assert any("1 people without known gender: FERA2017-test/X001" in note for note in corpus.notes)


def test_test_labels_may_be_held_back(copied: Path) -> None:
    shutil.rmtree(copied / "Test_Occ")
    shutil.rmtree(copied / "Test_Int")
    corpus = FERA2017(copied, partitions=("valid", "test"))
    held = corpus.table.select(partition="test")
    assert len(held) == 6 * 12 - 1
    assert np.isnan(held.intensities((1, 4, 6, 10, 12, 14, 17))).all()
    assert any("keep Test labels back" in note for note in corpus.notes)


def test_labels_of_train_may_not_be_missing_silently(copied: Path) -> None:
    for path in copied.rglob(f"{FIRST}*.csv"):
        path.unlink()
    corpus = FERA2017(copied, partitions=("train",))
    assert [e.reason for e in corpus.exclusions if e.position is None] == ["no label file"]
    (copied / "Train_Int" / "FERA17_TR_F001_T2_AU17_Int.csv").unlink()
    corpus = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"])
    assert np.isnan(corpus.table.intensities((17,))).all()
    assert np.isfinite(corpus.table.intensities((12,))).any()
    assert any("no intensity file of AU 17" in note for note in corpus.notes)


def test_other_folder_names_and_headers_are_read_alike(standin: Standin, tmp_path: Path) -> None:
    for path in standin.root.rglob("FERA17_*.*"):
        folder = {".mp4": "ims", ".csv": "occ", ".npy": "Landmarks"}[path.suffix]
        target = tmp_path / "x" / ("int" if "_Int" in path.name else folder) / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for path in (tmp_path / "x" / "occ").iterdir():
        edit(path, lambda lines: [",".join(f"c{i}" for i in range(11)), *lines[1:]])
    for path in (tmp_path / "x" / "int").iterdir():
        edit(path, lambda lines: ["frame,code", *lines])
    other, ours = FERA2017(tmp_path / "x").table, FERA2017(standin.root).table
    aus = (1, 4, 6, 10, 12, 14, 17)
    np.testing.assert_array_equal(other.intensities(aus), ours.intensities(aus))
    np.testing.assert_array_equal(other.occurrences((15, 23)), ours.occurrences((15, 23)))


def test_occurrence_without_header_keeps_its_first_row(copied: Path) -> None:
    before = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"]).table
    edit(copied / "Train_Occ" / f"{FIRST}.csv", lambda lines: lines[1:])
    after = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"]).table
    np.testing.assert_array_equal(before.occurrences((12,)), after.occurrences((12,)))


def test_occurrence_columns_follow_a_header_that_names_them(copied: Path) -> None:
    before = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"]).table
    edit(
        copied / "Train_Occ" / f"{FIRST}.csv",
        lambda lines: [",".join([line.split(",")[0], *line.split(",")[:0:-1]]) for line in lines],
    )
    after = FERA2017(copied, partitions=("train",), persons=["BP4D/F001"]).table
    np.testing.assert_array_equal(before.occurrences((1, 23)), after.occurrences((1, 23)))


def test_a_count_of_rows_before_the_frame_numbers_is_none(copied: Path) -> None:
    """As pandas writes it: rows that were lost before would not be missed."""
    path = copied / "Train_Occ" / f"{FIRST}.csv"
    edit(path, lambda lines: [f",{lines[0]}", *(f"{i},{line}" for i, line in enumerate(lines[1:]))])
    with pytest.raises(CorpusError, match=rf"{FIRST}\.csv, line 1: the column 'frame' is number 2"):
        _ = FERA2017(copied, partitions=("train",)).table


def test_an_action_unit_with_two_columns_is_an_error(copied: Path) -> None:
    edit(
        copied / "Train_Occ" / f"{FIRST}.csv",
        lambda lines: [f"{lines[0]},AU12", *(f"{s},1" for s in lines[1:])],
    )
    with pytest.raises(CorpusError, match=rf"{FIRST}\.csv, line 1: AU 12 has two columns"):
        _ = FERA2017(copied, partitions=("train",)).table


def test_the_same_file_twice_is_an_error(copied: Path) -> None:
    (copied / "copy").mkdir()
    shutil.copy(copied / "Train_Occ" / f"{FIRST}.csv", copied / "copy" / f"{FIRST}.csv")
    with pytest.raises(CorpusError, match="twice"):
        FERA2017(copied)


def test_links_and_names_that_leave_the_root_are_refused(copied: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("frame,1\n")
    inside = copied / "Train_Occ" / f"{FIRST}.csv"
    corpus = FERA2017(copied)
    for name in ("../outside.csv", str(outside)):
        with pytest.raises(CorpusError, match="out of the corpus root"):
            list(corpus.decode(name))
    inside.unlink()
    inside.symlink_to(outside)
    with pytest.raises(CorpusError, match="out of the corpus root"):
        FERA2017(copied)
    inside.unlink()
    (copied / "more").symlink_to(tmp_path)
    with pytest.raises(CorpusError, match="out of the corpus root"):
        FERA2017(copied)


def test_sidecar_landmarks_are_checked(copied: Path) -> None:
    corpus = FERA2017(copied, partitions=("train",))
    assert corpus.has_sidecar
    video = corpus.videos[0]
    assert corpus.sidecar_landmarks(video).shape == (12, 68, 3)
    path = copied / "Landmarks" / f"{Path(video).stem}.npy"
    np.save(path, np.zeros((12, 5)))
    with pytest.raises(CorpusError, match=r"\(12, 5\)"):
        corpus.sidecar_landmarks(video)
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(CorpusError, match="cannot be read"):
        corpus.sidecar_landmarks(video)
    path.unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        corpus.sidecar_landmarks(video)


def test_the_fingerprint_follows_the_files_not_the_place(standin: Standin, copied: Path) -> None:
    assert FERA2017(copied).fingerprint() == FERA2017(standin.root).fingerprint()
    before = FERA2017(copied).fingerprint()
    replace_code(copied / "Test_Int" / "FERA17_TE_F001_T1_AU12_Int.csv", 2, "9")
    assert FERA2017(copied).fingerprint() != before


def test_the_reader_travels_to_other_processes(standin: Standin) -> None:
    corpus = pickle.loads(pickle.dumps(FERA2017(standin.root)))
    assert len(list(corpus.decode(corpus.videos[0]))) == 12


def test_a_damaged_standin_description_is_an_error(copied: Path) -> None:
    (copied / "STANDIN.json").write_text("[")
    with pytest.raises(CorpusError, match=r"STANDIN.json"):
        _ = FERA2017(copied).standin
    (copied / "STANDIN.json").unlink()
    assert FERA2017(copied).standin is None


def test_check_counts_what_is_there_and_tells_no_path(standin: Standin) -> None:
    report = verify_release(FERA2017(standin.root), FERA2017_PUBLISHED)
    assert report.ok
    train = report.partitions["train"]
    assert (train.people, train.female, train.male, train.recordings) == (4, 2, 2, 8)
    assert train.label_rows == 96
    assert train.rows == 95
    assert sum(train.intensity_codes["AU12"].values()) == 96
    assert train.exclusions == {"label row without frame (the video ends early)": 1}
    for text in (report.text(), report.to_json()):
        assert str(standin.root) not in text
    shared = json.loads(report.to_json())
    assert shared["published"]["partitions"]["train"]["people"] == 41
    assert abs(shared["published"]["rates"]["BP4D"]["12"] - 0.5616) < 1e-4


def test_check_goes_on_at_damaged_files_and_lists_them(copied: Path) -> None:
    replace_code(copied / "Train_Int" / f"{FIRST}_AU12_Int.csv", 5, "7")
    replace_code(copied / "Valid_Int" / "FERA17_VA_M001_T2_AU01_Int.csv", 6, "8")
    report = verify_release(FERA2017(copied), FERA2017_PUBLISHED)
    assert not report.ok
    assert len(report.problems) == 2
    assert "line 5" in report.problems[0]
    assert str(copied) not in report.to_json()
    assert report.partitions["test"].rows == 71


def test_video_frames_survive_encoding(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    frames = [np.stack([np.roll(np.tile(ramp, (48, 1)), 8 * i, axis=1)] * 3, axis=-1) for i in range(5)]
    encode_video(tmp_path / "a.mp4", frames, fps=10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        decoded = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(decoded) == 5
    for ours, theirs in zip(frames, decoded, strict=True):
        assert np.abs(ours.astype(int) - theirs).mean() < 6


def test_video_by_video_is_the_whole_table(standin: Standin) -> None:
    corpus = FERA2017(standin.root)
    parts = [corpus.read(video) for video in corpus.videos]
    joined = FrameTable(pd.concat([table.frame for table, _ in parts if table is not None]))
    assert joined.fingerprint() == corpus.table.fingerprint()
    assert [e for _, excluded in parts for e in excluded] == corpus.exclusions
    assert [s for videos in corpus.people.values() for s in videos] == corpus.videos
    assert sorted(corpus.people) == corpus.table.persons
    with pytest.raises(CorpusError, match="has no video none"):
        corpus.read("none.mp4")


def test_a_user_s_table_says_who_is_a_woman(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = FERA2017(copied).fingerprint()
    table = copied.parent / "table.csv"
    table.write_text("person,gender\nFERA2017-test/F001,male\n")
    monkeypatch.setenv("AUKIT_FERA2017_GENDERS", str(table))
    assert FERA2017(copied).fingerprint() == before  # the people of a stand-in are its own
    (copied / "STANDIN.json").unlink()
    genders = FERA2017(copied).table.frame.groupby("person")["gender"].first()
    assert (genders["FERA2017-test/F001"], genders["BP4D/F001"]) == ("male", "female")
    held = verify_release(FERA2017(copied), FERA2017_PUBLISHED).partitions["test"]
    assert (held.female, held.male) == (1, 2)
    table.write_text("person,gender\nF001,male\n")
    with pytest.raises(CorpusError, match=r"table.csv, line 2: person 'F001'; write the global id"):
        FERA2017(copied)


def test_landmarks_of_another_length_are_an_error_and_shift_nothing(copied: Path) -> None:
    path = copied / "Landmarks" / f"{FIRST}_6.npy"
    np.save(path, np.load(path)[1:])
    corpus = FERA2017(copied, partitions=("train",))
    with pytest.raises(CorpusError, match=rf"{FIRST}_6.npy: 11 rows, but .*{FIRST}_6.mp4 has 12 frames"):
        corpus.sidecar_landmarks(f"FERA17_Train_MV/{FIRST}_6.mp4")
