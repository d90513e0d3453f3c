"""`aukit corpora check`: what is far from the published counts, or lies there unread, is said and counted."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from aukit.cli import main
from aukit.datasets import BP4D, DISFA, FERA2017, Counts, Published, verify_release
from aukit.datasets.bp4d import PUBLISHED as BP4D_PUBLISHED
from aukit.datasets.files import AGREEMENT_FILE
from tests.releases import bp4d, disfa_person, fera2017, fera2017_recording, write_lines


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return bp4d(tmp_path / "bp4d")


# What the fake release holds: two sequences of P1, two of P2 and one of P3, of four frames each.
FAKE = Published(
    {
        "P1": Counts(1, 1, 0, videos=2, label_rows=8),
        "P2": Counts(2, 1, 1, videos=2, label_rows=8),
        "P3": Counts(1, 0, 1, videos=1, label_rows=4),
    },
    {},
    Counts(4, 2, 2),
)


def findings(root: Path, published: Published = FAKE, **options: object) -> list[str]:
    return verify_release(BP4D(root, **options), published).findings


def test_a_release_as_published_has_no_findings(root: Path) -> None:
    assert findings(root) == []


@pytest.mark.parametrize(
    ("part", "counts", "message"),
    [
        ("P1", Counts(2), "P1: 1 people, published 2"),
        ("P1", Counts(1, videos=3), "P1: 2 videos, published 3"),
        ("P2", Counts(2, label_rows=9), "P2: 8 label rows, published 9"),
        ("P2", Counts(2, 2, 0), "P2: 1 women and 1 men, published 2 and 0"),
    ],
)
def test_counts_that_differ_are_findings(root: Path, part: str, counts: Counts, message: str) -> None:
    assert findings(root, replace(FAKE, partitions=FAKE.partitions | {part: counts})) == [message]


def test_genders_of_the_whole_corpus_are_compared_where_parts_have_none(root: Path) -> None:
    published = Published({"P1": Counts(1), "P2": Counts(2), "P3": Counts(1)}, {}, Counts(4, 3, 1))
    assert findings(root, published) == ["all: 2 women and 2 men, published 3 and 1"]


def test_a_part_without_people_is_shown_and_a_finding(root: Path) -> None:
    shutil.rmtree(root / "Sequences(2D+3D)/M009")
    report = verify_release(BP4D(root), BP4D_PUBLISHED)
    assert report.partitions["P3"].people == 0
    assert "0 (13)" in report.text().splitlines()[3]
    assert "P3: 0 people, published 13" in report.findings
    assert report.partitions["P3"].exclusions == {"labels without images": 1}


def test_parts_and_people_that_are_not_asked_for_are_no_findings(root: Path, tmp_path: Path) -> None:
    assert findings(root, BP4D_PUBLISHED, persons=["BP4D/F001"]) == []
    published = Published({"train": Counts(3), "test": Counts(30)}, {})
    corpus = FERA2017(fera2017(tmp_path / "fera"), partitions=("train",))
    report = verify_release(corpus, published)
    assert list(report.partitions) == ["train"]
    assert report.findings == []


def test_rates_far_from_the_published_ones_are_findings_where_there_are_enough_rows(tmp_path: Path) -> None:
    fera2017_recording(tmp_path, "F001", frames=1000)  # each AU is present in every other frame
    corpus = FERA2017(tmp_path)

    def rates(**rates: float) -> list[str]:
        named = {int(name[2:]): rate for name, rate in rates.items()}
        published = Published({"train": Counts(1)}, {"list": named}, rates_of={"train": "list"})
        return verify_release(corpus, published).findings

    assert rates(AU1=0.48, AU12=0.46, AU23=0.5) == []  # within 0.02, or within a tenth
    (finding,) = rates(AU1=0.4, AU12=0.56, AU23=0.5)
    assert finding.endswith("(in brackets): AU 1 0.500 (0.400), AU 12 0.500 (0.560)")
    fera2017_recording(tmp_path / "few", "F001", frames=6)
    corpus = FERA2017(tmp_path / "few")
    assert rates(AU1=0.1) == []


def test_few_usable_frames_are_a_finding_of_stand_ins_too(root: Path) -> None:
    (root / "STANDIN.json").write_text(json.dumps({"recipe": {}, "version": 1, "seed": 0}))
    (root / AGREEMENT_FILE).write_text("{}")
    assert findings(root, BP4D_PUBLISHED) == []
    (root / "Sequences(2D+3D)/F001/T1/2441.jpg").unlink()
    assert findings(root, BP4D_PUBLISHED) == ["P1: only 7 of 8 label rows have a frame"]


def test_labels_without_video_are_counted_exclusions(tmp_path: Path) -> None:
    for subject in ("SN001", "SN002", "SN006"):
        disfa_person(tmp_path, subject)
    (tmp_path / "Videos_LeftCamera/LeftVideoSN001_comp.avi").unlink()
    for path in tmp_path.rglob("*VideoSN006_comp.avi"):
        path.unlink()
    corpus = DISFA(tmp_path)
    assert [(e.video, e.position, e.reason) for e in corpus.exclusions] == [
        ("ActionUnit_Labels/SN001/SN001_au1.txt", None, "labels without a video of the left camera"),
        ("ActionUnit_Labels/SN006/SN006_au1.txt", None, "labels without a video"),
    ]
    report = verify_release(corpus)
    assert report.partitions["P2"].exclusions == {"labels without a video": 1}
    assert "2 recordings have labels and no video, the first: SN001" in report.notes
    assert DISFA(tmp_path, persons=["DISFA/SN002"]).exclusions == []


def test_files_that_are_called_like_nothing_are_noted(root: Path) -> None:
    for name in ("F001_T1 (1).csv", "F001_T1_AU6.csv.bak", "F003.mp4.part", "readme.txt", "notes.pdf"):
        (root / "AUCoding" / name).write_text("x")
    corpus = BP4D(root)
    assert corpus.unrecognised == [
        "AUCoding/F001_T1 (1).csv", "AUCoding/F001_T1_AU6.csv.bak", "AUCoding/F003.mp4.part",
    ]  # fmt: skip
    notes = verify_release(corpus).notes
    assert any(note.startswith("3 files not recognised by their names, e.g. AUCoding/F001") for note in notes)
    assert verify_release(BP4D(root, labels_root=root / "AUCoding")).ok


def test_the_command_exits_1_for_findings_and_2_for_files_that_cannot_be_read(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["corpora", "check", "bp4d", "--root", str(root)]
    assert main(words) == 1
    printed = capsys.readouterr().out
    assert "FINDING: P1: 1 people, published 14" in printed
    assert "bp4d: read without errors, " in printed
    assert main([*words, "--json"]) == 1
    assert "P1: 1 people, published 14" in json.loads(capsys.readouterr().out)["findings"]
    (root / "STANDIN.json").write_text(json.dumps({"recipe": {}, "version": 1, "seed": 0}))
    (root / AGREEMENT_FILE).write_text("{}")
    assert main(words) == 0
    write_lines(root / "AUCoding/AU_OCC/F001_T1.csv", ["a,b", "1,2"])
    assert main(words) == 2
