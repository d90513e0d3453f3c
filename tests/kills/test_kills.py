"""Six kills of short commands, and that the judge is not blind; `python -m tests.kills` has the long ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.kills.cases import CASES
from tests.kills.commands import WAYS
from tests.kills.tree import contents, differences, leftovers
from tests.kills.workshop import Workshop


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ways"),
    [("standin disfa", ("group", "worker", "term")), ("fit pretrain_gan", ("group", "main", "ctrl-c"))],
)
def test_a_command_that_is_stopped_goes_on_and_ends_bit_equal(
    name: str, ways: tuple[str, ...], tmp_path: Path
) -> None:
    case = next(case for case in CASES if case.name == name)
    verdict = Workshop(tmp_path).judge(case, ways, np.random.default_rng(0), 0)
    assert verdict.outcome == "equal", verdict.detail
    assert verdict.stops


def test_every_way_to_stop_a_command_is_tried() -> None:
    from tests.kills.__main__ import SHARES, draw

    assert set(SHARES) == set(WAYS)
    rng = np.random.default_rng(1)
    rows = [draw(case, 40, rng) for case in CASES for _ in range(10)]
    assert {way for row in rows for way in row} == set(WAYS)
    assert {len(row) for row in rows} == {1, 2, 3, 4, 40}


def _run(folder: Path, value: float, identity: str) -> Path:
    run = folder / f"runs/x-{identity[:12]}"
    (run / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": {"w": torch.tensor(value)}}, run / "checkpoints/last.ckpt")
    (run / "record.json").write_text(json.dumps({"identity": identity, "seconds": value, "f1": 0.5}))
    (run / "csv/version_0").mkdir(parents=True)
    (run / "csv/version_0/metrics.csv").write_text("epoch,step,loss\n0,1,0.25\n")
    return run


def test_the_judge_sees_numbers_and_not_times(tmp_path: Path) -> None:
    run = _run(tmp_path / "a", 1.0, "0" * 64)
    other = _run(tmp_path / "b", 1.0, "f" * 64)
    record = other / "record.json"
    record.write_text(record.read_text().replace("1.0", "2.0"))  # seconds
    whole = contents(tmp_path / "a")
    assert differences(whole, contents(tmp_path / "b")) == []
    record.write_text(record.read_text().replace("0.5", "0.6"))
    assert differences(whole, contents(tmp_path / "b")) == ["runs/x-#/record.json"]
    torch.save({"state_dict": {"w": torch.tensor(1.5)}}, run / "checkpoints/last.ckpt")
    assert differences(whole, contents(tmp_path / "a")) == ["runs/x-#/checkpoints/last.ckpt"]
    (run / "csv/version_0/metrics.csv").write_text("epoch,step,loss\n0,1,0.5\n")
    assert differences(whole, contents(tmp_path / "a"))[1:] == ["runs/x-#/log"]
    assert leftovers(tmp_path) == []
    (run / ".record.part.json").write_text("{")
    assert leftovers(tmp_path) == [f"a/{run.relative_to(tmp_path / 'a')}/.record.part.json"]
