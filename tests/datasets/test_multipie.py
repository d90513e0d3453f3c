"""Multi-PIE: what names and folders say, what contradicts itself; the stand-in in both trees."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aukit.cli import main
from aukit.datamodules import MultiPIEDataModule
from aukit.datasets import MultiPIE, verify_release
from aukit.datasets.multipie import CAMERAS, EXPRESSIONS, PUBLISHED
from aukit.errors import ConfigError, CorpusError
from aukit.facs import VISIBLE_INDEX
from aukit.simulation import MultiPIESimulationConfig, MultiPIEStandin, Standin
from aukit.simulation.corpora.multipie import POSED
from tests.releases import picture
from tests.standins import file_contents, opened_while_reading, written


def put(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(10 * number)).save(root / name)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "pie"
    put(
        root,
        "data/session01/highres/001/001_01.png",
        "data/session01/highres/001/001_02_crop.jpg",
        "data/session02/highres/007/007_02.png",
        *(
            f"data/session0{session}/multiview/001/0{recording}/{camera}/"
            f"001_0{session}_0{recording}_{camera.replace('_', '')}_{flash:02d}.png"
            for session, recording in ((1, 1), (4, 3))
            for camera in ("05_1", "19_0")
            for flash in (0, 7, 19)
        ),
    )
    (root / "subject_list.txt").write_text("001 1960 Female 1 0 0 1\n7 1981 Male 0 1 0 0\n\n")
    return root


def test_photographs_with_what_was_posed_and_by_whom(release: Path) -> None:
    corpus = MultiPIE(release)
    frame = corpus.table.frame
    assert frame["subject"].tolist() == ["001", "001", "007"]
    assert frame["task"].tolist() == ["s1r1", "s1r2", "s2r2"]
    assert frame["expression"].tolist() == ["neutral", "smile", "surprise"]
    assert frame["session"].tolist() == ["1", "1", "2"]
    assert frame["gender"].tolist() == ["female", "female", "male"]
    assert set(frame["view"]) == {0}
    assert set(frame["person"]) == {"MultiPIE/001", "MultiPIE/007"}
    assert corpus.table.intensity_aus == corpus.table.occurrence_aus == ()
    assert [image[0, 0, 0] for video in corpus.videos for _, image in corpus.decode(video)] == [
        picture(10 * number)[0, 0, 0] for number in range(3)
    ]
    assert MultiPIE(release, expressions=["smile"]).table.frame["path"].tolist() == [
        "data/session01/highres/001/001_02_crop.jpg"
    ]


def test_cameras_and_flashes_of_the_other_tree(release: Path) -> None:
    frontal = MultiPIE(release, "multiview").table.frame
    assert frontal["flash"].tolist() == ["0", "7", "19"] * 2
    assert frontal["expression"].tolist() == ["neutral"] * 3 + ["scream"] * 3
    assert set(frontal["view"]) == {1 + CAMERAS.index("05_1")}
    both = MultiPIE(release, "multiview", ["05_1", "19_0"], [7]).table.frame
    assert both["camera"].tolist() == ["19_0", "05_1"] * 2  # by view
    assert set(both["frame"]) == {7}


def test_the_check_counts_names_that_it_does_not_know(release: Path) -> None:
    put(release, "data/session01/highres/001/portrait.png", "data/session01/highres/001/002.jpg")
    report = verify_release(MultiPIE(release), PUBLISHED)
    assert report.ok
    assert any(note.startswith("2 files not recognised by their names") for note in report.notes)
    assert "MultiPIE: 2 people, published 337" in report.findings


def _list(text: str) -> Callable[[Path], object]:
    return lambda root: (root / "subject_list.txt").write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda root: put(root, "data/session01/highres/001/002_01.png"),
            r"002_01\.png: lies in a folder of",
        ),
        (
            lambda root: put(root, "data/session01/multiview/001/01/05_1/001_02_01_051_07.png"),
            "another session, person, recording or camera than its name says",
        ),
        (
            lambda root: put(root, "data/session01/multiview/001/01/05_1/001_01_01_190_07.png"),
            "another session, person, recording or camera",
        ),
        (
            lambda root: put(root, "data/session01/multiview/001/01/05_1/001_01_02_051_07.png"),
            "another session, person, recording or camera",
        ),
        (lambda root: put(root, "data/session01/highres/001/001_03.png"), "no recording 3 of session 1"),
        (
            lambda root: put(root, "old/session01/highres/001/001_01.jpg"),
            "the same file twice: data/session01",
        ),
        (
            lambda root: (root / "data/session01/highres/001/001_02.png").symlink_to("gone"),
            r"001_02\.png: is a link to nothing",
        ),
        (_list("001 1960 Female 0 0 1 1\n"), r"by subject_list\.txt this person did not come to session 1"),
        (_list("001 1960 Male\n001 1960 Male 1 1 1 1\n"), "line 2: 001 came to other sessions"),
        (
            _list("001 1960 Woman 1 0 0 1\n"),
            r"subject_list\.txt, line 1: '001 1960 Woman 1 0 0 1', expected id",
        ),
        (_list("001 1960 Male 1\n\n001 1960 Female 1\n"), "line 3: 001 is both female and male"),
        (lambda root: (root / "subject_list.txt").write_bytes(b"\0" * 9), "cannot be read.*zero byte"),
    ],
)
def test_damage_is_told_with_file_place_and_remedy(
    release: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(release)
    for tree in ("highres", "multiview"):
        try:
            MultiPIE(release, tree)  # type: ignore[arg-type]
        except CorpusError as error:
            found = str(error)
    with pytest.raises(CorpusError, match=message):
        raise CorpusError(found)


def test_what_is_not_there_is_told(release: Path) -> None:
    with pytest.raises(CorpusError, match=r"flashes 20: Multi-PIE has 0, 1"):
        MultiPIE(release, "multiview", flashes=[20])
    with pytest.raises(CorpusError, match=r"cameras '05_2': Multi-PIE has 24_0"):
        MultiPIE(release, "multiview", ["05_2"])
    with pytest.raises(
        CorpusError, match=r"no image of the photographs.*, disgust called like session01/highres"
    ):
        MultiPIE(release, expressions=["disgust"])
    for path in sorted(release.rglob("highres"), reverse=True):
        path.rename(path.with_name("hires"))
    with pytest.raises(CorpusError, match=r"there are 12 files of multiview"):
        MultiPIE(release)


def test_what_others_have_and_the_list_names_is_missed(release: Path) -> None:
    put(release, "data/session01/multiview/002/01/05_1/002_01_01_051_07.png")
    photographs, images = MultiPIE(release), MultiPIE(release, "multiview")
    absent = "1 times a person of subject_list.txt has no image of a session that it names: "
    assert f"{absent}001 session 4" in photographs.notes
    assert f"{absent}007 session 2" in images.notes
    fewer = "1 times a person has fewer images of a recording than others: 002 s1r1 05_1 (1 of 3)"
    assert fewer in images.notes
    notes = MultiPIE(release, "multiview", persons=["MultiPIE/001"]).notes
    assert not [note for note in notes if "times a person" in note]


def test_another_list_of_people_is_another_corpus(release: Path) -> None:
    before = MultiPIE(release).fingerprint()
    (release / "subject_list.txt").write_text("001 1960 Male 1 0 0 1\n7 1981 Male 0 1 0 0\n")
    assert MultiPIE(release).fingerprint() != before


def test_other_people_are_another_corpus(release: Path) -> None:
    one, both = ["MultiPIE/001"], ["MultiPIE/001", "MultiPIE/007"]
    assert len({MultiPIE(release, persons=persons).fingerprint() for persons in (None, one, both)}) == 3


def test_a_damaged_photograph_is_counted(release: Path) -> None:
    path = release / "data/session01/highres/001/001_01.png"
    path.write_bytes(path.read_bytes()[:60])
    report = verify_release(MultiPIE(release), deep=True)
    assert report.partitions["MultiPIE"].exclusions == {"the frame cannot be decoded": 1}


TINY = replace(MultiPIESimulationConfig.smoke(), profile="tiny", people=2, size=48)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return written(tmp_path_factory, MultiPIEStandin, TINY)


def test_the_standin_has_both_trees_and_neutral_faces(standin: Standin) -> None:
    photographs, side = MultiPIE(standin.root), MultiPIE(standin.root, "multiview", ["19_0"])
    assert verify_release(MultiPIE(standin.root), PUBLISHED).ok
    assert len(photographs.table) == len(side.table) == len(TINY.recordings())
    assert set(photographs.table.frame["gender"]) == {"female", "male"}
    landmarks = [corpus.sidecar_landmarks(corpus.videos[0])[0] for corpus in (photographs, side)]
    nose = [(points[30, 0] - points[[0, 16], 0].mean()) / np.ptp(points[:, 0]) for points in landmarks]
    assert abs(nose[0]) < abs(nose[1])  # turned away from the second camera
    for recording in TINY.recordings():
        posed = EXPRESSIONS[int(recording.task[1]), int(recording.task[3])]
        activations = np.load(standin.truth(recording, 0))["activations"][0].max(axis=-1)
        assert (activations.max() == 0) == (posed == "neutral")
        assert all(activations[VISIBLE_INDEX[au]] > 0 for au in POSED[posed])


def test_an_interrupted_writer_goes_on_and_ends_with_the_same_bytes(standin: Standin) -> None:
    whole = file_contents(standin.root)
    standin.root.joinpath(f"{standin.stem(TINY.recordings()[0], 0)}.png").unlink()
    MultiPIEStandin(standin.root, standin.truth_root, TINY).write(workers=0, progress=False)
    assert file_contents(standin.root) == whole


def test_the_sealed_truth_is_never_opened(standin: Standin) -> None:
    opened = opened_while_reading(MultiPIE, standin)
    assert list(standin.truth_root.rglob("*.npz"))
    assert not [name for name in opened if str(standin.truth_root) in name]


def test_people_come_to_several_sessions() -> None:
    config = MultiPIESimulationConfig.standin()
    counts = [len(config.sessions(subject)) for subject in config.subjects()]
    assert len(counts) == 337
    assert min(counts) == 1
    assert max(counts) == 4
    assert all(0 <= config.flash(recording) < 20 for recording in config.recordings()[:40])


def test_a_store_of_neutral_faces_that_nobody_trains_on(
    tmp_path: Path, standin: Standin, capsys: pytest.CaptureFixture[str]
) -> None:
    out, root = str(tmp_path / "stores"), str(standin.root)
    words = ["--root", root, "--out", out, "--workers", "0", "--size", "32", "--expressions", "neutral"]
    assert main(["prepare", "multipie", *words]) == 0
    assert "the corpus codes no action units" in capsys.readouterr().out
    data = MultiPIEDataModule(
        root,
        cache=out,
        registration="frontal3d",
        size=32,
        expressions=["neutral"],
        prepare_workers=0,
        aus=(6,),
    )
    data.prepare_data()
    data.setup()
    assert set(data.store.table.frame["expression"]) == {"neutral"}
    assert next(iter(data.predict_dataloader()))["image"].shape[1:] == (3, 32, 32)
    with pytest.raises(ConfigError, match="nothing to train on"):
        data.train_batches()
