"""Two processes of a plain Lightning trainer see what one sees, each frame once, and log the same scores."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributed import plain_script

HERE = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_plain_trainer_divides_the_batches_as_ours_does(tmp_path):
    plain_script.run(tmp_path, devices=1)
    words = [sys.executable, plain_script.__file__, str(tmp_path)]
    options = {"capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run(words, cwd=HERE, env={**os.environ, "PYTHONPATH": str(HERE)}, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    alone, first, second = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("1-0", "2-0", "2-1"))

    assert len(alone["train"]) == len(first["train"]) == 2 * 4  # epochs of 35 // 8 batches
    assert [a + b for a, b in zip(first["train"], second["train"], strict=True)] == alone["train"]
    for stage in ("test", "predict"):
        rows = [row for each in (first, second) for batch in each[stage] for row in batch]
        assert sorted(rows) == sorted(row for batch in alone[stage] for row in batch)
        assert len(set(rows)) == len(rows)
    assert first["scores"] == second["scores"]
    assert first["scores"] == pytest.approx(alone["scores"], abs=1e-6)
    assert 0 < alone["scores"]["test/f1"] < 1
