import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aukit.errors import ConfigError, CorpusError
from aukit.utils.jobs import WHOLE, Shard, claim, concatenate_parquet, disk_errors, run_jobs


@given(st.integers(0, 60), st.integers(1, 12))
def test_shards_are_disjoint_and_complete(n_jobs: int, count: int) -> None:
    shares = [Shard.parse(f"{i}/{count}").of(range(n_jobs)) for i in range(count)]
    assert sorted(job for share in shares for job in share) == list(range(n_jobs))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_no_shard_is_everything() -> None:
    assert Shard.parse(None) == WHOLE
    assert list(WHOLE.of(range(3))) == [0, 1, 2]


@pytest.mark.parametrize("text", ["2/2", "3/2", "1", "-1/2", "a/b", "0/0", "", "1/2/3"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(ConfigError, match="expected i/n"):
        Shard.parse(text)


def test_a_folder_belongs_to_one_description(tmp_path: Path) -> None:
    for _ in range(2):
        claim(tmp_path / "a", "WHAT.json", {"seed": 1})
    with pytest.raises(CorpusError, match=r"WHAT\.json: was begun with other settings"):
        claim(tmp_path / "a", "WHAT.json", {"seed": 2})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("mine")
    with pytest.raises(CorpusError, match="is not empty"):
        claim(tmp_path / "b", "WHAT.json", {"seed": 1})


def _touch(folder: Path, job: int) -> None:
    if job == 3:
        raise CorpusError("three")
    time.sleep(0.01)
    (folder / str(job)).touch()


@pytest.mark.parametrize("workers", [0, 2])
def test_jobs_are_done(tmp_path: Path, workers: int) -> None:
    run_jobs(partial(_touch, tmp_path), [0, 1, 2], 5, "title", "job", workers, False)
    assert {p.name for p in tmp_path.iterdir()} == {"0", "1", "2"}


def test_an_error_of_a_job_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="three"):
        run_jobs(partial(_touch, tmp_path), [0, 3, 1], 5, "title", "job", 0, False)
    assert {p.name for p in tmp_path.iterdir()} == {"0"}


def test_a_full_disk_is_named() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    message = r"my/place: cannot be written \(No space left on device\).*repeat"
    with (
        pytest.raises(CorpusError, match=message),
        disk_errors(Path("my/place")),
        full.open("wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_parts_become_one_table(tmp_path: Path) -> None:
    parts = []
    for k in range(3):
        parts.append(tmp_path / f"{k}.parquet")
        pd.DataFrame({"a": [k, k + 10], "b": [f"x{k}", "y"]}).to_parquet(parts[-1], index=False)
    concatenate_parquet(parts, tmp_path / "all.parquet")
    assert pd.read_parquet(tmp_path / "all.parquet")["a"].tolist() == [0, 10, 1, 11, 2, 12]
