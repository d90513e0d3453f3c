"""BP4D+: the offset of its frame numbers, columns that are asked for, four folds; the stand-in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aukit.datamodules import BP4DPlusDataModule
from aukit.datasets import BP4DPlus, verify_release
from aukit.datasets.bp4dplus import PUBLISHED, SPLITS
from aukit.errors import ConfigError, CorpusError
from aukit.simulation import BP4DPlusSimulationConfig, BP4DPlusStandin, Standin
from tests.releases import named_occurrence, picture, write_lines
from tests.standins import opened_while_reading, written

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)


def sequence(root: Path, subject: str, task: str, first: int, shift: int, digits: int = 3) -> None:
    """5 images, label rows whose numbers are larger by `shift`; AU a is present in row i if a + i is even."""
    folder = root / "2D+3D" / subject / task
    folder.mkdir(parents=True)
    for number in range(first, first + 5):
        Image.fromarray(picture(number)).save(folder / f"{number:0{digits}d}.jpg")
    codes = {au: [int(au % 2 == i % 2) for i in range(5)] for au in (*AUS, 9)}
    path = root / "AUCoding/AU_OCC" / f"{subject}_{task}.csv"
    named_occurrence(path, range(first + shift, first + shift + 5), codes)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "plus"
    sequence(root, "F004", "T1", 0, 1)
    sequence(root, "M058", "T8", 97, 1, digits=4)
    return root


def test_a_label_row_belongs_to_the_image_before(release: Path) -> None:
    corpus = BP4DPlus(release)
    frame = corpus.table.select(subject="F004").frame
    assert frame["position"].tolist() == [0, 1, 2, 3, 4]
    assert frame["frame"].tolist() == [1, 2, 3, 4, 5]
    assert frame["AU01_c"].tolist() == [0, 1, 0, 1, 0]
    assert frame["AU02_c"].tolist() == [1, 0, 1, 0, 1]
    assert not corpus.exclusions
    assert corpus.table.frame.groupby("subject")["partition"].first().tolist() == ["P1", "P4"]
    assert set(corpus.table.frame["person"]) == {"BP4DPlus/F004", "BP4DPlus/M058"}
    expected = "in 2 of 2 sequences with frame_offset -1, in 0 with 0"
    assert any(note.endswith(expected) for note in corpus.notes)
    assert corpus.notes[0] == "label row f belongs to image f - 1"


def test_a_wrong_offset_is_told(release: Path) -> None:
    corpus = BP4DPlus(release, frame_offset=0)
    assert any(
        note.endswith("say --frame-offset -1 (data.frame_offset in an experiment)") for note in corpus.notes
    )
    assert {e.reason for e in corpus.exclusions} == {"image without label row", "label row without image"}
    with pytest.raises(
        CorpusError, match="frame_offset 1: a label row f belongs to image f - 1 or to image f"
    ):
        BP4DPlus(release, frame_offset=1)


def test_what_is_asked_for_is_read(release: Path) -> None:
    for subject, task, first in (("F004", "T1", 1), ("M058", "T8", 98)):
        path = release / f"AUCoding/AU_INT/AU06/{subject}_{task}_AU06.csv"
        write_lines(path, [f"{first + i},{i}" for i in range(5)])
    plain = BP4DPlus(release)
    assert plain.table.intensity_aus == ()
    assert "AU06 is not among the labels that are read; its files are left out" in plain.notes
    corpus = BP4DPlus(release, aus=(9, 12, 20), intensity_aus=(6,))
    table = corpus.table
    assert table.occurrence_aus == (9, 12, 20)
    assert table.intensities((6,))[:5, 0].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(table.occurrences((20,))).all()
    assert "F004 T1: no occurrence column of AU 20" in corpus.notes
    with pytest.raises(CorpusError, match="no AU 99 is known"):
        BP4DPlus(release, aus=(99,))


def test_people_of_bp4d_plus_alone(release: Path) -> None:
    sequence(release, "F083", "T1", 0, 1)
    with pytest.raises(CorpusError, match="people F001 to F082 and M001 to M058, not F083"):
        BP4DPlus(release)
    everybody = sorted(subject for people in SPLITS.values() for subject in people)
    assert everybody == [f"F{n:03d}" for n in range(1, 83)] + [f"M{n:03d}" for n in range(1, 59)]


TINY = replace(BP4DPlusSimulationConfig.smoke(), profile="tiny", tasks=1, frames=4, size=48)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return written(tmp_path_factory, BP4DPlusStandin, TINY)


def test_the_standin_is_read_with_the_usual_offset(standin: Standin) -> None:
    report = verify_release(BP4DPlus(standin.root), PUBLISHED)
    assert report.ok
    assert set(report.partitions) == set(SPLITS)
    corpus = BP4DPlus(standin.root)
    assert [e.reason for e in corpus.exclusions] == ["label row without image"]
    assert any("in 4 of 4 sequences with frame_offset -1" in note for note in corpus.notes)
    opened = opened_while_reading(BP4DPlus, standin)
    assert not [name for name in opened if str(standin.truth_root) in name]


def test_four_folds_test_everybody_once(tmp_path: Path, standin: Standin) -> None:
    arguments: dict[str, Any] = {"cache": str(tmp_path), "registration": "similarity", "size": 32}
    tested = []
    for fold in range(4):
        data = BP4DPlusDataModule(str(standin.root), fold=fold, prepare_workers=0, **arguments)
        data.prepare_data()
        data.setup()
        people = data.store.table.frame["person"].to_numpy()
        tested += sorted(set(people[data.test_rows]))
        assert not set(people[data.test_rows]) & (set(people[data.train_rows]) | set(people[data.val_rows]))
    assert sorted(tested) == [f"BP4DPlus/{subject}" for subject in TINY.subjects()]
    with pytest.raises(ConfigError, match=r"data\.fold=4: there are the folds 0 to 3"):
        BP4DPlusDataModule(fold=4)
