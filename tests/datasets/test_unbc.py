"""UNBC-McMaster: text files per frame, pain, tracked points; the stand-in in its layout."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aukit.cli import main
from aukit.datamodules import UNBCDataModule
from aukit.datasets import UNBC, verify_release
from aukit.datasets.unbc import PUBLISHED, SUBJECTS
from aukit.errors import ConfigError, CorpusError
from aukit.simulation import Standin, UNBCSimulationConfig, UNBCStandin
from tests.releases import picture, write_lines
from tests.standins import file_contents, opened_while_reading, written

AUS = (4, 6, 7, 9, 10, 12, 20, 25, 26, 43)
PEOPLE = {"042-ll042": "ll042t1aaaff", "095-tv095": "tv095t2aeunaff"}
FIRST = "042-ll042/ll042t1aaaff/ll042t1aaaff"


def code(au: int, level: int) -> str:
    return f"  {au:.7e}   {level:.7e}   1.0000000e+00   9.0000000e+00"


def sequence(root: Path, subject: str, name: str, frames: int = 4) -> None:
    """In frame i (from 1) AU 4 has level i - 1 and AU 43 is shown in even frames; frame 1 is neutral."""
    for number in range(1, frames + 1):
        image = root / "Images" / subject / name / f"{name}{number:03d}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(20 * number)).save(image)
        codes = [code(4, number - 1)] if number > 1 else []
        codes += [code(43, 1)] if number % 2 == 0 else []
        where = Path(subject) / name
        write_lines(root / "Frame_Labels/FACS" / where / f"{name}{number:03d}_facs.txt", codes)
        pain = number - 1 + (number % 2 == 0)
        write_lines(root / "Frame_Labels/PSPI" / where / f"{name}{number:03d}_facs.txt", [f"{pain:.7e}"])
        points = [f"{point + number:.7e} {point:.7e}" for point in range(66)]
        write_lines(root / "AAM_landmarks" / where / f"{name}{number:03d}_aam.txt", points)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for subject, name in PEOPLE.items():
        sequence(tmp_path / "unbc", subject, name)
    return tmp_path / "unbc"


def test_codes_pain_and_points_of_each_frame(release: Path) -> None:
    corpus = UNBC(release)
    table = corpus.table
    assert table.intensity_aus == table.occurrence_aus == AUS
    frame = table.select(subject="042-ll042").frame
    assert frame["frame"].tolist() == frame["position"].tolist() == [1, 2, 3, 4]
    assert frame["task"].tolist() == ["ll042t1aaaff"] * 4
    assert frame["AU04_r"].tolist() == [0, 1, 2, 3]
    assert frame["AU43_r"].tolist() == frame["AU43_c"].tolist() == [0, 1, 0, 1]
    assert (frame["AU12_r"] == 0).all()  # an AU without line is not shown
    assert frame["pspi"].tolist() == ["0", "2", "2", "4"]
    assert set(table.frame["person"]) == {f"UNBC/{subject}" for subject in PEOPLE}
    assert not corpus.exclusions
    levels = [int(image[0, 0, 0]) for _, image in corpus.decode(corpus.videos[0]) if image is not None]
    assert levels == [int(picture(20 * number)[0, 0, 0]) for number in range(1, 5)]
    points = corpus.release_landmarks(corpus.videos[0])
    assert points.shape == (5, 66, 2)
    assert np.isnan(points[0]).all()
    assert points[3, 10].tolist() == [13, 10]


def test_a_person_without_a_usable_frame_keeps_a_fold(release: Path, tmp_path: Path) -> None:
    for subject, name in (("043-jh043", "jh043t1aaaff"), ("096-bg096", "bg096t1aaaff")):
        sequence(release, subject, name)
    for image in (release / "Images").rglob("*.png"):
        Image.fromarray(picture(20, (24, 24))).save(image)
    for image in (release / "Images/042-ll042").rglob("*.png"):
        image.write_bytes(b"no image")
    shutil.rmtree(release / "Images/095-tv095")  # a person of whom there are labels alone
    options: dict[str, Any] = {"cache": str(tmp_path), "registration": "none", "holdout_fraction": 0}
    for fold, subject in enumerate(["042-ll042", "043-jh043", "095-tv095", "096-bg096"]):
        data = UNBCDataModule(str(release), fold=fold, size=24, prepare_workers=0, **options)
        if subject in PEOPLE:
            with pytest.raises(ConfigError, match=rf"nobody to test has a usable frame \(UNBC/{subject}\)"):
                data.setup()
        else:
            data.setup()
            assert set(data.store.table.frame["subject"].to_numpy()[data.test_rows]) == {subject}


def test_the_threshold_says_what_is_present(release: Path) -> None:
    frame = UNBC(release, threshold=2).table.select(subject="042-ll042").frame
    assert frame["AU04_c"].tolist() == [0, 0, 1, 1]
    assert frame["AU43_c"].tolist() == [0, 1, 0, 1]
    with pytest.raises(CorpusError, match="threshold 6: intensities go from 1 to 5"):
        UNBC(release, threshold=6)


def test_a_frame_without_codes_is_no_neutral_one(release: Path) -> None:
    facs = release / "Frame_Labels/FACS"
    (facs / f"{FIRST}002_facs.txt").unlink()
    (release / "Images" / f"{FIRST}003.png").unlink()
    corpus = UNBC(release)
    assert corpus.table.select(subject="042-ll042").frame["frame"].tolist() == [1, 4]
    assert {(e.position, e.reason) for e in corpus.exclusions} == {
        (2, "image without label row"),
        (3, "label row without image"),
    }
    assert any("PSPI: 0 rows missing, 1 beyond" in note for note in corpus.notes)


def test_other_spellings_are_read(release: Path) -> None:
    for path in sorted((release / "Frame_Labels/PSPI").rglob("*.txt")):
        path.rename(path.with_name(path.name.replace("_facs", "_pspi")))
    moved = release / "Frame_Labels/FACS"
    moved.rename(release / "Frame_Labels/FACS codes")
    for path in sorted((release / "Images/095-tv095").rglob("*.png")):
        path.rename(path.with_name(f"{int(path.stem[-3:])}.png"))
    (release / f"Images/{FIRST}001 (1).png").write_bytes(b"a second copy")
    (release / f"Images/{'/'.join(FIRST.split('/')[:2])}/._ll042t1aaaff002.png").write_bytes(b"")
    corpus = UNBC(release)
    assert len(corpus.table) == 8
    assert corpus.table.frame["pspi"].tolist() == ["0", "2", "2", "4"] * 2
    report = verify_release(UNBC(release), PUBLISHED)
    assert report.ok
    assert {"sequences with image names of 1 digits", "sequences with image names of 3 digits"} <= set(
        report.variants
    )


def test_without_pain_there_is_no_attribute(release: Path) -> None:
    for path in sorted((release / "Frame_Labels/PSPI").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (release / "Frame_Labels/PSPI").rmdir()
    corpus = UNBC(release)
    assert corpus.table.attributes == ()
    assert not any("PSPI" in note for note in corpus.notes)


def test_codes_that_contradict_the_pain_are_counted(release: Path) -> None:
    (release / "Frame_Labels/FACS" / f"{FIRST}004_facs.txt").write_text("")  # as a broken copy leaves it
    notes = UNBC(release).notes
    expected = "1 frames of 1 sequences have another PSPI than that of their AUs, the first: 042-ll042"
    assert any(note.startswith(expected) and "frame 4;" in note for note in notes)


def test_codes_of_other_aus_are_counted(release: Path) -> None:
    path = release / "Frame_Labels/FACS" / f"{FIRST}001_facs.txt"
    path.write_text(f"{code(1, 2)}\n")
    corpus = UNBC(release)
    assert any(note.startswith("1 codes of AUs that are not read") for note in corpus.notes)
    assert corpus.table.intensities(AUS)[0].tolist() == [0] * 10


def _facs(text: str) -> Callable[[Path], object]:
    return lambda root: (root / "Frame_Labels/FACS" / f"{FIRST}002_facs.txt").write_text(text)


def _pain(text: str) -> Callable[[Path], object]:
    return lambda root: (root / "Frame_Labels/PSPI" / f"{FIRST}002_facs.txt").write_text(text)


def _files_of_another(tree: str) -> Callable[[Path], object]:
    """A further sequence in whose folder the files of the first one lie."""

    def damage(root: Path) -> None:
        sequence(root, "042-ll042", "ll042t1bbaff")
        folder = root / tree / "042-ll042"
        shutil.rmtree(folder / "ll042t1bbaff")
        shutil.copytree(folder / "ll042t1aaaff", folder / "ll042t1bbaff")

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_facs("4 7 0 0\n"), r"002_facs\.txt, line 1: AU 4 has the unknown intensity 7; known are 0 to 5"),
        (_facs("\n4 1.5 0 0\n"), r"line 2: AU 4 has the unknown intensity 1\.5"),
        (_facs("3 1 0 0\n"), r"line 1: no AU 3 is known"),
        (_facs("1e999 1 0 0\n"), r"line 1: no AU inf is known"),
        (_facs("4 1 0 0\n4 1 0 0\n"), r"line 2: AU 4 has two lines"),
        (_facs("4 1 0\n"), r"line 1: 3 numbers, expected AU, intensity, onset and offset"),
        (_facs("4 one 0 0\n"), r"line 1: 'one' is no number"),
        (_facs("4,1,0,0\n"), r"line 1: 1 numbers"),
        (_facs("4 1 0 0\0\n"), r"cannot be read \(line 1 has a zero byte"),
        (_pain(""), r"002_facs\.txt: holds 0 numbers, expected one"),
        (_pain("17\n"), r"line 1: PSPI 17, expected a whole number from 0 to 16"),
        (_files_of_another("Frame_Labels/FACS"), r"ll042t1bbaff/ll042t1aaaff001_facs\.txt: .* ll042t1aaaff;"),
        (_files_of_another("Frame_Labels/PSPI"), r"ll042t1bbaff/ll042t1aaaff001_facs\.txt: .* ll042t1aaaff;"),
        (_files_of_another("Images"), r"ll042t1bbaff/ll042t1aaaff001\.png: .* ll042t1aaaff;"),
        (lambda root: sequence(root, "042-xx042", "xx042t1"), "has the 25 people 042-ll042.*, not 042-xx042"),
        (lambda root: sequence(root / "copy", *next(iter(PEOPLE.items()))), "the same file twice"),
        (
            lambda root: (root / f"Images/{FIRST}02.png").write_bytes(b""),
            r"ll042t1aaaff002\.png and ll042t1aaaff02\.png are the same frame",
        ),
    ],
)
def test_damage_is_told_with_file_place_and_remedy(
    release: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(release)
    with pytest.raises(CorpusError, match=message):
        _ = UNBC(release).table


def test_damaged_points_are_named(release: Path) -> None:
    corpus = UNBC(release)
    path = release / "AAM_landmarks" / f"{FIRST}002_aam.txt"
    path.write_text("1 2\n" * 65)
    with pytest.raises(CorpusError, match=r"002_aam\.txt: 65 lines, expected 66 lines of x and y"):
        corpus.release_landmarks(corpus.videos[0])
    path.write_text("1 2\n" * 65 + "1 2 3\n")
    with pytest.raises(CorpusError, match="line 66 has not two numbers"):
        corpus.release_landmarks(corpus.videos[0])


def test_a_repaired_file_changes_the_fingerprint(release: Path) -> None:
    before = UNBC(release).fingerprint()
    assert UNBC(release).fingerprint() == before
    _pain("3.0000000e+00 \n")(release)
    assert UNBC(release).fingerprint() != before


def test_the_check_goes_on_and_compares_with_what_is_published(release: Path) -> None:
    _facs("x")(release)
    report = verify_release(UNBC(release), PUBLISHED)
    assert len(report.problems) == 1
    assert str(release) not in report.to_json()
    assert report.partitions["UNBC"].people == 2
    assert "UNBC: 2 people, published 25" in report.findings
    assert len(SUBJECTS) == len(set(SUBJECTS)) == 25


TINY = replace(UNBCSimulationConfig.smoke(), profile="tiny", people=3, sequences=1, frames=6, size=48, seed=6)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return written(tmp_path_factory, UNBCStandin, TINY)


def test_the_standin_has_the_layout_and_the_quirks(standin: Standin) -> None:
    corpus = UNBC(standin.root)
    assert verify_release(UNBC(standin.root), PUBLISHED).ok
    assert sorted(e.reason for e in corpus.exclusions) == [
        "image without label row",
        "label row without image",
    ]
    files = file_contents(standin.root)
    sizes = {len(content) for name, content in files.items() if "/FACS/" in name}
    assert 0 in sizes  # neutral frames
    assert len(sizes) > 1
    first = corpus.videos[0]
    assert np.isnan(corpus.sidecar_landmarks(first)[4]).all()  # out of the picture
    tracked, points = corpus.sidecar_landmarks(first), corpus.release_landmarks(first)
    np.testing.assert_allclose(points[1, 60:], tracked[1, [61, 62, 63, 65, 66, 67], :2], atol=1e-3)
    assert not any("another PSPI" in note for note in corpus.notes)
    assert set(corpus.table.frame["gender"]) == {"female", "male"}
    assert json.loads((standin.root / "STANDIN.json").read_text())["recipe"]["name"] == "unbc-people"


def test_eyes_are_open_or_closed() -> None:
    config = UNBCSimulationConfig.mini()
    eyes = config.simulated_aus.index(43)
    truth = {recording: config.true_intensities(recording) for recording in config.recordings()}
    assert set(np.concatenate([each[:, eyes] for each in truth.values()])) == {0.0, 5.0}
    codes = [config.codes(recording, each)[:, eyes] for recording, each in truth.items()]
    assert set(np.concatenate(codes)) == {0, 1}
    assert len(config.subjects()) == 25


def test_an_interrupted_writer_goes_on_and_ends_with_the_same_bytes(standin: Standin) -> None:
    whole = file_contents(standin.root)
    next((standin.root / "Images").rglob("*.png")).unlink()
    UNBCStandin(standin.root, standin.truth_root, TINY).write(workers=0, progress=False)
    assert file_contents(standin.root) == whole


def test_the_sealed_truth_is_never_opened(standin: Standin) -> None:
    opened = opened_while_reading(UNBC, standin)
    assert len(list(standin.truth_root.glob("*.npz"))) == 3
    assert not [name for name in opened if str(standin.truth_root) in name]


def test_from_the_command_line_to_one_person_left_out(
    tmp_path: Path, standin: Standin, capsys: pytest.CaptureFixture[str]
) -> None:
    out, root = str(tmp_path / "stores"), str(standin.root)
    words = ["--root", root, "--out", out, "--workers", "0", "--registration", "similarity", "--size", "32"]
    assert main(["prepare", "unbc", *words]) == 0
    assert "an AU counts as present from intensity 1 on" in capsys.readouterr().out
    arguments: dict[str, Any] = {"cache": out, "registration": "similarity", "size": 32, "prepare_workers": 0}
    tested = []
    for fold in range(3):
        data = UNBCDataModule(root, fold=fold, **arguments)
        data.prepare_data()
        data.setup()
        people = data.store.table.frame["person"].to_numpy()
        tested.append(set(people[data.test_rows]))
        used = set(people[data.train_rows]) | set(people[data.val_rows])
        assert len(used) == 2
        assert not used & tested[-1]
    assert set.union(*tested) == {f"UNBC/{subject}" for subject in TINY.subjects()}
    assert next(iter(data.test_dataloader()))["occurrences"].shape[1] == 10
    data = UNBCDataModule(root, fold=3, **arguments)
    data.prepare_data()
    with pytest.raises(ConfigError, match=r"data\.fold=3: there are 3 people, counted from 0"):
        data.setup()
