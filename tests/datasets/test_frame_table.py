from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.datasets import FrameTable
from aukit.errors import CorpusError


def rows(n: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "corpus": "fera2017",
            "partition": ["train"] * (n // 2) + ["test"] * (n - n // 2),
            "person": [f"BP4D/F{i:03d}" for i in range(n)],
            "subject": [f"F{i:03d}" for i in range(n)],
            "gender": ["female"] * (n - 1) + [None],
            "task": "T1",
            "view": 6,
            "frame": np.arange(n) + 2440,
            "video": "a.mp4",
            "position": np.arange(n),
            "pair_id": None,
            "AU12_r": [0, 1, 5, np.nan, 3, 2],
            "AU04_r": [0.0] * n,
            "AU12_c": [0, 1, 1, np.nan, 1, 1],
        }
    )


def test_types_and_column_order_are_fixed_whatever_comes_in() -> None:
    table = FrameTable(rows().iloc[:, ::-1].astype({"view": float}))
    assert list(table.frame.columns[:4]) == ["corpus", "partition", "person", "subject"]
    assert list(table.frame.columns[-3:]) == ["AU12_c", "AU04_r", "AU12_r"]
    assert table.frame["view"].dtype == np.int64
    assert table.frame["AU12_r"].dtype == np.float32
    assert table.fingerprint() == FrameTable(rows()).fingerprint()


def test_labels_come_in_the_order_asked_for_with_nan_for_missing() -> None:
    table = FrameTable(rows())
    labels = table.intensities((12, 4))
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels[:, 0], [0, 1, 5, np.nan, 3, 2])
    np.testing.assert_array_equal(table.occurrences((12,))[:, 0], [0, 1, 1, np.nan, 1, 1])
    with pytest.raises(CorpusError, match="AU26_r"):
        table.intensities((26,))


def test_rows_and_select_agree() -> None:
    table = FrameTable(rows())
    assert table.rows(partition="test", view=(6, 7)).tolist() == [3, 4, 5]
    chosen = table.select(partition="test")
    assert chosen.persons == ["BP4D/F003", "BP4D/F004", "BP4D/F005"]
    assert len(table.select(partition="train", person=["BP4D/F001", "BP4D/F005"])) == 1
    assert len(table.select(person="nobody")) == 0
    with pytest.raises(CorpusError, match="colour"):
        table.rows(colour="red")


def test_parquet_gives_the_same_table_back(tmp_path: Path) -> None:
    table = FrameTable(rows())
    table.write_parquet(tmp_path / "t.parquet")
    again = FrameTable.read_parquet(tmp_path / "t.parquet")
    assert again.fingerprint() == table.fingerprint()
    pd.testing.assert_frame_equal(again.frame, table.frame)
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_the_fingerprint_sees_every_cell() -> None:
    changed = rows()
    changed.loc[2, "AU12_r"] = 4
    renamed = rows()
    renamed.loc[2, "person"] = "BP4D/M001"
    prints = {
        FrameTable(f).fingerprint()
        for f in (rows(), changed, renamed, rows().rename(columns={"AU04_r": "AU05_r"}))
    }
    assert len(prints) == 4


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("AU12_r", 6.0, "AU12_r.*row 2.*6"),
        ("AU12_r", 1.5, "AU12_r.*row 2"),
        ("AU12_c", 2.0, "AU12_c.*row 2"),
        ("AU12_r", np.inf, "AU12_r.*row 2"),
        ("gender", "f", "gender.*row 2"),
        ("person", "F001", "person.*row 2"),
        ("person", "", "person.*row 2"),
        ("frame", -1, "frame.*row 2"),
        ("position", 1, "position.*row 2"),
    ],
)
def test_a_bad_cell_is_named_by_column_and_row(column: str, value: object, named: str) -> None:
    frame = rows()
    frame[column] = frame[column].astype(object)
    frame.at[2, column] = value
    with pytest.raises(CorpusError, match=named):
        FrameTable(frame)


def test_missing_and_unknown_columns_are_named() -> None:
    with pytest.raises(CorpusError, match="task"):
        FrameTable(rows().drop(columns="task"))
    for name in ("AU1_r", "AU_12", "row", "two words"):
        with pytest.raises(CorpusError, match=name):
            FrameTable(rows().assign(**{name: 0}))


def test_other_words_are_attributes_that_stay_with_their_rows(tmp_path: Path) -> None:
    table = FrameTable(rows().assign(light=["dim", "", None, *["bright"] * (len(rows()) - 3)]))
    assert table.attributes == ("light",)
    assert table.frame["light"].isna().tolist()[:4] == [False, True, True, False]
    table.write_parquet(tmp_path / "t.parquet")
    again = FrameTable.read_parquet(tmp_path / "t.parquet").take([3, 0])
    assert again.frame["light"].tolist() == ["bright", "dim"]
    assert FrameTable(rows()).fingerprint() != table.fingerprint()


def test_another_parquet_file_is_refused(tmp_path: Path) -> None:
    rows().to_parquet(tmp_path / "other.parquet")
    with pytest.raises(CorpusError, match="not a FrameTable"):
        FrameTable.read_parquet(tmp_path / "other.parquet")
    (tmp_path / "no.parquet").write_text("no")
    with pytest.raises(CorpusError, match="Parquet"):
        FrameTable.read_parquet(tmp_path / "no.parquet")
