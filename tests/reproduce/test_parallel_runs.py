"""Which process makes a run: started ones share the cores, this one has all of them."""

import os
from functools import partial
from pathlib import Path

import pytest

from aukit.reproduce.parallel_runs import run_all
from tests.trainers import configuration

NAMES = ("first", "second", "third", "fourth")


class StartedError(Exception):
    """A process was started."""


def refuse(workers, *_, **__):
    raise StartedError(workers)


def note(place: Path, record) -> None:
    """The process in which a run ended."""
    place.write_text(str(os.getpid()))


def run_together(folder: Path, count: int, jobs: int, different: int = 4) -> list[int]:
    """Run so many of `NAMES` side by side, the first ones different; the process of each."""
    configs = {}
    for number, name in enumerate(NAMES[:count]):
        seed = min(number, different - 1)
        data = {"cache": str(folder / "stores"), "seed": seed}
        configs[name] = configuration(
            {"class_path": "tests.fake_training.TinyModule"},
            {"class_path": "tests.fake_training.FakeDataModule", "init_args": data},
        )
    after = {name: partial(note, folder / name) for name in configs}
    records = run_all(configs, folder / "runs", jobs, "trainings", after)
    assert list(records) == list(configs)
    assert len({record.identity for record in records.values()}) == min(count, different)
    return [int((folder / name).read_text()) for name in configs]


def test_processes_are_started_for_what_is_not_finished_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("aukit.utils.processes.ProcessPoolExecutor", refuse)
    here = os.getpid()
    assert run_together(tmp_path, 1, jobs=1) == [here]
    assert run_together(tmp_path, 2, jobs=2) == 2 * [here]  # one is left: it has all cores
    assert run_together(tmp_path, 2, jobs=8) == 2 * [here]  # all are done
    with pytest.raises(StartedError, match="2"):
        run_together(tmp_path, 4, jobs=8)


def test_no_process_waits_for_the_run_of_another_one(tmp_path, monkeypatch):
    """Of equal configurations one is trained; what is to be done behind it is done for each."""
    monkeypatch.setattr("aukit.utils.processes.ProcessPoolExecutor", refuse)
    assert run_together(tmp_path, 3, jobs=3, different=1) == 3 * [os.getpid()]
    assert len(list((tmp_path / "runs").iterdir())) == 1
    with pytest.raises(StartedError, match="2"):
        run_together(tmp_path, 4, jobs=8, different=3)
