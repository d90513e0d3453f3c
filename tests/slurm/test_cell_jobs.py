"""Trainings of a table as jobs: what is missing is submitted, and the table once more behind it."""

from pathlib import Path

import pytest
import yaml

from aukit.errors import TrainingError
from aukit.reproduce.cell_jobs import CellJobs, GoesOnLater
from aukit.training import RunConfig, execute, resolve
from aukit.training.launchers import Jobs, Site
from tests.distributed.test_ddp import EXPERIMENT
from tests.slurm.test_launchers import queue, slurm  # noqa: F401 - a fixture


def config(seed: int) -> RunConfig:
    content = {**EXPERIMENT, "trainer": {**EXPERIMENT["trainer"], "max_epochs": 1}}
    return resolve({**content, "experiment": "tiny", "seed": seed})


@pytest.fixture
def cells(slurm, monkeypatch):  # noqa: F811
    monkeypatch.setenv("SLURM_JOB_ID", "0")
    queue(slurm)
    return CellJobs(Jobs(slurm / "jobs", Site(gpus=2, nodes=2)), ["reproduce", "fgnet", "--step"])


def test_what_is_missing_is_submitted_and_the_table_behind_it(cells, slurm, monkeypatch):  # noqa: F811
    configs, runs = {name: config(seed) for seed, name in enumerate("abc")}, slurm / "runs"
    done = execute(configs["a"], runs)
    with pytest.raises(GoesOnLater):
        cells.run_all(configs, runs, 1, "trainings")
    assert cells.jobs.newest() == {"trainings/b": "1", "trainings/c": "2", "table": "3"}
    assert "--ntasks-per-node=2\n" in (slurm / "submitted-1").read_text()
    table = (slurm / "submitted-3").read_text()
    assert "--dependency=afterok:1:2\n" in table
    assert "--ntasks-per-node=1\n" in table
    assert "--nodes=1\n" in table

    # Put back after it has submitted all of that, it leaves it to the next one.
    with pytest.raises(GoesOnLater):
        cells.run_all(configs, runs, 1, "trainings")
    assert (slurm / "number").read_text().strip() == "3"

    # What the job does is the run that the table looks for.
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    words = (slurm / "submitted-1").read_text().split("aukit.cli ")[1].split()
    assert words[0] == "fit"
    monkeypatch.delenv("SLURM_JOB_ID")
    from aukit.cli import main

    assert main(words) == 0
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    queue(slurm, "1|COMPLETED|None", "2|RUNNING|None", "3|RUNNING|None")
    with pytest.raises(GoesOnLater):
        cells.run_all(configs, runs, 1, "trainings")
    assert cells.jobs.newest() == {"trainings/b": "1", "trainings/c": "2", "table": "4"}
    assert "--dependency=afterok:2\n" in (slurm / "submitted-4").read_text()

    execute(configs["c"], runs)
    records = cells.run_all(configs, runs, 1, "trainings")
    assert list(records) == ["a", "b", "c"]
    assert records["a"] == done
    assert (slurm / "number").read_text().strip() == "4"


def test_a_job_that_makes_another_run_than_the_table_wants_is_no_endless_chain(cells, slurm):  # noqa: F811
    configs = {"a": config(0)}
    with pytest.raises(GoesOnLater):
        cells.run_all(configs, Path("runs"), 1, "trainings")
    (slurm / "jobs/jobs.tsv").write_text("1\ttrainings/a\n")
    (slurm / "jobs/trainings-a-1.out").write_text("done\n")
    queue(slurm, "1|COMPLETED|None")
    with pytest.raises(TrainingError, match="its job has ended well, and no run of this configuration"):
        cells.run_all(configs, Path("runs"), 1, "trainings")


def test_a_training_with_other_settings_is_a_job_of_its_own(cells, slurm):  # noqa: F811
    for seed in (0, 1):
        with pytest.raises(GoesOnLater):
            cells.run_all({"a": config(seed)}, Path("runs"), 1, "trainings")
        (slurm / "jobs/jobs.tsv").write_text("1\ttrainings/a\n")
        queue(slurm, "1|COMPLETED|None")
        assert yaml.safe_load((slurm / "jobs/trainings-a.yaml").read_text())["seed"] == seed


def test_a_training_that_two_tables_share_is_one_job(slurm, monkeypatch):  # noqa: F811
    """The second table waits for the first one's job; where that has failed it submits its own."""
    monkeypatch.setenv("SLURM_JOB_ID", "0")
    queue(slurm)
    first, second = (
        CellJobs(Jobs(slurm / "works" / name, Site()), ["reproduce", name, "--step"])
        for name in ("one", "two")
    )
    theirs = {"a": config(0), "b": config(1)}
    grouped = {**config(1), "logging": {"wandb": False, "group": "two"}}  # the same run, in another group
    ours = {"mine": resolve(grouped), "c": config(2)}
    with pytest.raises(GoesOnLater):
        first.run_all(theirs, slurm / "runs", 1, "trainings")
    assert first.jobs.newest() == {"trainings/a": "1", "trainings/b": "2", "table": "3"}
    queue(slurm, "1|COMPLETED|None", "2|RUNNING|None", "3|PENDING|Dependency")
    with pytest.raises(GoesOnLater):
        second.run_all(ours, slurm / "runs", 1, "cells")
    assert second.jobs.newest() == {"cells/mine": "2", "cells/c": "4", "table": "5"}
    assert "--dependency=afterok:2:4\n" in (slurm / "submitted-5").read_text()
    assert second.jobs.states()["cells/mine"] == "RUNNING"

    # What the first one's job has trained is the second one's run.
    done = execute(theirs["b"], slurm / "runs")
    queue(slurm, "2|COMPLETED|None", "4|RUNNING|None", "5|RUNNING|None")
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    with pytest.raises(GoesOnLater):
        second.run_all(ours, slurm / "runs", 1, "cells")
    assert "--dependency=afterok:4\n" in (slurm / "submitted-6").read_text()
    assert second.run_all({"mine": ours["mine"]}, slurm / "runs", 1, "cells") == {"mine": done}

    queue(slurm, "1|FAILED|NonZeroExitCode", "6|RUNNING|None")
    monkeypatch.setenv("SLURM_JOB_ID", "6")
    with pytest.raises(GoesOnLater):
        second.run_all({"a": theirs["a"]}, slurm / "runs", 1, "cells")
    assert second.jobs.newest()["cells/a"] == "7"
