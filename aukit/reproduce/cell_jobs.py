"""A table as jobs of SLURM: its trainings one each, and between them what the table makes of them.

The job called `TABLE` makes the table until trainings are missing. It submits a job for each of them, and
itself once more, to begin when all have succeeded: nothing waits on a machine, and what a later training
is made of can depend on an earlier one. The last one prints the table.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock

from aukit.errors import TrainingError
from aukit.training.launchers import Jobs, is_alive, jobs_of
from aukit.utils.files import write_atomic

if TYPE_CHECKING:  # Lightning takes seconds to import; jobs are looked at without it
    from aukit.reproduce.parallel_runs import After
    from aukit.training import Record

TABLE = "table"

STEP = "--step"
"""Option of the command that is the table's job."""


def cell_jobs(arguments: argparse.Namespace, name: str, logs: Path) -> CellJobs:
    """Jobs of the tables that a command makes.

    Args:
        arguments: Of `aukit reproduce`.
        name: Folder name of the tables.
        logs: Folder that everything is written into.

    Raises:
        ConfigError: An option, or the file of the site, cannot be.
    """
    words = [word for word in arguments.words if word != STEP]
    return CellJobs(jobs_of(arguments, logs / "slurm" / name), [*words, STEP])


class GoesOnLater(Exception):  # noqa: N818 - no error, but an end on purpose
    """The trainings that are missing are submitted, and this job once more after them."""


@dataclass(frozen=True)
class CellJobs:
    """The trainings of a table as jobs.

    Attributes:
        jobs: The table's.
        words: Words of the command that is the table's job.
    """

    jobs: Jobs
    words: Sequence[str]

    def follow(self, finished: Callable[[], bool]) -> None:
        """Show how the jobs go until the table is finished; begin it where no job waits or runs.

        Raises:
            ConfigError: SLURM refuses a job.
            TrainingError: A job failed.
        """
        if finished():
            return
        if not self.jobs.are_alive():
            self.submit_table()
        self.jobs.follow(lambda states: not is_alive(states.get(TABLE, "COMPLETED")) and finished())

    def submit_table(self, after: Sequence[str] = ()) -> str:
        """Submit the table itself: one process, which looks for what is there."""
        return self.jobs.submit(TABLE, self.words, after, site=self.jobs.site.alone())

    def run_all(
        self,
        configs: Mapping[str, Mapping[str, Any]],
        runs: Path,
        jobs: int,
        desc: str,
        after: Mapping[str, After] | None = None,
    ) -> dict[str, Record]:
        """As `aukit.reproduce.parallel_runs.run_all`, where all are finished; else submit what is missing.

        Raises:
            GoesOnLater: Some are not.
            TrainingError: A job has ended well, and its training is not finished.
        """
        from aukit.reproduce import parallel_runs
        from aukit.training.run import open_run

        folders = {name: open_run(config, runs)[2] for name, config in configs.items()}
        missing = {name: folder.path for name, folder in folders.items() if not folder.is_done}
        if not missing:
            return parallel_runs.run_all(configs, runs, jobs, desc, after)
        own = int(os.environ.get("SLURM_JOB_ID", 0))
        if int(self.jobs.newest().get(TABLE, 0)) > own:  # submitted before this job was put back
            raise GoesOnLater
        states = self.jobs.states()
        before = []
        for each, run in missing.items():
            name = f"{desc}/{each}"
            before.append(self._submit(name, configs[each], run, states.get(name)))
        self.submit_table(before)
        raise GoesOnLater

    def _submit(self, name: str, config: Mapping[str, Any], run: Path, state: str | None) -> str:
        """A job that trains a configuration; the one that is there already, where it waits or runs.

        Another command, such as that of a second table, may have submitted it: the run is waited for then.
        """
        place = self.jobs.place(name)
        file = place.with_name(f"{place.name}.yaml")
        content = yaml.safe_dump(dict(config), sort_keys=False).encode()
        if state is not None and file.exists() and file.read_bytes() == content:
            if is_alive(state):
                return self.jobs.newest()[name]
            if state == "COMPLETED":
                raise TrainingError(
                    f"{file}: its job has ended well, and no run of this configuration is finished in"
                    f" {run.parent};"
                    f" see {self.jobs.output(name)[-1]}"
                )
        self.jobs.folder.mkdir(parents=True, exist_ok=True)
        note = self.jobs.folder.with_name("trainings") / run.name
        with FileLock(self.jobs.folder.with_name(".lock")):
            if note.exists() and is_alive(self.jobs.state_of(job := note.read_text()) or "COMPLETED"):
                self.jobs.adopt(name, job)
                return job
            write_atomic(file, content)
            job = self.jobs.submit(name, ["fit", "-c", str(file), "--runs", str(run.parent)])
            write_atomic(note, job.encode())
            return job
