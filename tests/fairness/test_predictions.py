"""Tables of predictions: what files of runs and plain ones say, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.errors import ConfigError, CorpusError
from aukit.fairness.predictions import Kind, read_predictions
from tests.fairness.made import table, written


def test_a_plain_table(tmp_path: Path) -> None:
    frame = table()
    read = read_predictions([written(tmp_path / "a.csv", frame)])
    assert read.aus == (1, 12)
    assert read.people == [f"p{i}" for i in range(8)]
    np.testing.assert_allclose(read.scores, frame[["AU1_score", "AU12_score"]], rtol=1e-6)
    np.testing.assert_array_equal(read.present, frame[["AU1_label", "AU12_label"]])
    np.testing.assert_array_equal(read.probabilities, read.scores)
    assert np.isnan(read.levels).all()
    assert read.thresholds.tolist() == [0.5, 0.5]
    assert read.columns["gender"].tolist() == frame["gender"].tolist()


def test_a_last_row_of_zeros_is_a_row(tmp_path: Path) -> None:
    rows = {"person": [0, 1, 0], "AU04_label": [1, 0, 0], "AU04_score": [0.7, 0.4, 0.0]}
    pd.DataFrame(rows).to_parquet(tmp_path / "numbers.parquet")
    scores = read_predictions([tmp_path / "numbers.parquet"]).scores
    np.testing.assert_allclose(scores[:, 0], rows["AU04_score"])


def test_a_spreadsheet_with_decimal_commas(tmp_path: Path) -> None:
    frame = table()
    points = read_predictions([written(tmp_path / "a.csv", frame)])
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    commas = read_predictions([tmp_path / "b.csv"])
    np.testing.assert_array_equal(commas.scores, points.scores)
    np.testing.assert_array_equal(commas.present, points.present)


def test_a_file_of_a_run_says_what_it_holds(tmp_path: Path) -> None:
    frame = table()
    frame.attrs = {"label": "occurrence", "threshold": 0.0}
    frame["AU12_score"] -= 0.5
    read = read_predictions([written(tmp_path / "a.parquet", frame)])
    assert read.thresholds.tolist() == [0, 0]
    (tmp_path / "run").mkdir()
    (tmp_path / "a.parquet").rename(tmp_path / "run" / "predictions.parquet")
    assert read_predictions([tmp_path / "run"]).rule == read.rule
    assert np.isnan(read.probabilities).all()
    assert read.rule == "present: score above 0; scores are no probabilities"
    logits = read_predictions([tmp_path / "run"], Kind(logits=True))
    np.testing.assert_allclose(logits.probabilities, 1 / (1 + np.exp(-logits.scores)))
    frame = table()
    frame.attrs = {"label": "intensity"}
    frame["AU1_label"] *= 5
    read = read_predictions([written(tmp_path / "b.parquet", frame)])
    assert read.thresholds.tolist() == [1.5, 1.5]
    np.testing.assert_array_equal(read.levels, frame[["AU1_label", "AU12_label"]])
    assert set(np.unique(read.present[:, 0])[:2]) == {0, 1}
    assert not np.nansum(read.present[:, 1])  # its intensities are 0 and 1
    assert np.isnan(read.probabilities).all()


def test_a_score_that_equals_the_threshold_is_not_above_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("person,AU4_label,AU4_score\na,1,0.3\nb,0,0.30001\n")
    read = read_predictions([tmp_path / "a.csv"], Kind(threshold=0.3))
    assert read.decided(read.thresholds).tolist() == [[0], [1]]


def test_files_are_joined_and_a_frame_in_two_of_them_is_refused(tmp_path: Path) -> None:
    frame = table().assign(row=range(320))
    first = written(tmp_path / "a.csv", frame[:160])
    second = written(tmp_path / "b.csv", frame[160:])
    read = read_predictions([first, second])
    assert len(read.person) == 320
    again = written(tmp_path / "c.csv", frame[150:170])
    with pytest.raises(ConfigError, match=r"c\.csv, row 1: the frame of p3 is in .*a\.csv too"):
        read_predictions([first, again])
    renamed = frame[160:].rename(columns=lambda name: name.replace("AU1_", "AU2_"))
    other = written(tmp_path / "d.csv", renamed)
    with pytest.raises(ConfigError, match=r"d\.csv: AUs \(2, 12\).*a\.csv has AUs \(1, 12\)"):
        read_predictions([first, other])


HEAD = "person,AU04_label,AU04_score\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person,AU4_label\na,1\n", "lacks an action unit with columns such as AU12_label"),
        ("subject,AU4_label,AU4_score\na,1,0.5\n", "lacks a column person; it has subject"),
        (f"{HEAD}a,1,0.5\n,0,0.5\n", "row 2: names no person"),
        (f"{HEAD}a,1,0.5\nNA,0,0.5\n", r"row 2: names no person \(NA\)"),
        (f"{HEAD}a,1,0.5\na,9,0.5\n", "row 2, column AU04_label: 9 is none of 0, 1; .*--intensity"),
        (f"{HEAD}a,1,0.5\na,0,1.5\n", "row 2, column AU04_score: 1.5 is no probability; .*--threshold N"),
        (f"{HEAD}a,1,yes\n", "column AU04_score: line 2.*yes"),
        (f"{HEAD.replace(',', ';')}a;1;0,5\nb;1;0.5\n", "column AU04_score: line 2.*0,5"),
        (f"{HEAD}a,1,\na,,0.5\n", "no frame has both a label and a score"),
        (
            "person,AU4_label,AU04_label,AU4_score\na,1,1,0.5\n",
            "AU4_label and AU04_label are the same column",
        ),
        ("", "names no column"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_row(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message) as caught:
        read_predictions([path])
    assert str(path) in str(caught.value)


def test_intensities_are_refused_beyond_their_scale(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEAD}a,5,4.5\na,6,1\n")
    with pytest.raises(CorpusError, match="row 2, column AU04_label: 6 is none of 0, 1, 2, 3, 4, 5"):
        read_predictions([tmp_path / "a.csv"], Kind(intensity=True))


def test_a_file_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    file = written(run / "predictions.parquet", table())
    (tmp_path / "link.parquet").symlink_to(file)
    once = read_predictions([run])
    again = read_predictions([run, file, run / ".." / "run", tmp_path / "link.parquet"])
    assert len(again.person) == len(once.person)


@pytest.mark.parametrize("other", ["P3", "p3 "])
def test_a_person_has_one_spelling_in_all_files(tmp_path: Path, other: str) -> None:
    """Two people would make intervals and p values of twice as many."""
    one = written(tmp_path / "a.csv", table())
    two = written(tmp_path / "b.csv", table(seed=1).replace({"p3": other}))
    if other.strip() == "p3":
        assert len(read_predictions([one, two]).people) == 8
        return
    with pytest.raises(CorpusError, match=r"a\.csv, .*b\.csv: P3 and p3 are spellings of one person"):
        read_predictions([one, two])


def test_accents_are_compared_composed(tmp_path: Path) -> None:
    one = written(tmp_path / "a.csv", table().replace({"p3": "Jos\u00e9"}))
    two = written(tmp_path / "b.csv", table(seed=1).replace({"p3": "Jose\u0301"}))
    assert len(read_predictions([one, two]).people) == 8
