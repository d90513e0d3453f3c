"""The experiment on FG-Net's own lists, from files to predictions."""

import pandas as pd
import pytest

from aukit.training import execute, load_config
from tests.releases import BP4D_AUS, fgnet_lists

DISFA_AUS = (1, 2, 4, 6, 9, 12, 25, 26)


@pytest.mark.parametrize(
    ("overrides", "aus", "tested"),
    [
        (["corpus=bp4d_lists", "fold=1"], BP4D_AUS, {"F003"}),
        (
            [
                "corpus=disfa_lists",
                "list=train_100.csv",
                "data.selection=oracle",
            ],
            DISFA_AUS,
            {"SN001"},
        ),
    ],
    ids=["bp4d", "disfa"],
)
def test_a_training_on_the_lists(tmp_path, overrides, aus, tested):
    root = fgnet_lists(tmp_path / "data", size=32)
    places = [f"data.root={root}", f"data.cache={tmp_path / 'stores'}", "data.prepare_workers=0"]
    record = execute(load_config("fgnet", "smoke", [*places, *overrides]), tmp_path / "runs")
    assert record.config["data"]["init_args"]["root"] == str(root)
    table = pd.read_parquet(record.predictions)
    assert set(table["subject"]) == tested
    assert {f"AU{au:02d}_score" for au in aus} <= set(table)
    assert len(table) == 2
