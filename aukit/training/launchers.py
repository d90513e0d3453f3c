"""Commands as jobs of SLURM: what a site gives them, their scripts, and a folder that remembers them."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from aukit.errors import ConfigError, TrainingError, shown
from aukit.utils import slurm
from aukit.utils.experiments import experiments_folder
from aukit.utils.files import write_atomic

_TIME = re.compile(r"(\d+-)?\d{1,3}(:\d\d){0,2}")
_ENDED = {
    *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("BOOT_FAIL", "DEADLINE", "PREEMPTED", "REVOKED"),
}
_SECONDS = 5.0  # between two looks at the queue


@dataclass(frozen=True)
class Site:
    """What a job is given: a file of `experiments/slurm/`, or one of the user's own.

    Attributes:
        time: limit of a job, as ``minutes``, ``H:MM:SS`` or ``D-HH:MM:SS``.
        partition: partition of the cluster; None for its default, as of the next two.
        account: account that is charged.
        qos: quality of service.
        nodes: machines of a job.
        gpus: GPUs of each machine, with a process for each; 0 for one process without.
        cores: cores of each process.
        memory: memory of each machine, such as ``64G``; None for the cluster's default.
        notice: seconds before the limit at which the job is told to save and go on later; 0 for not.
        options: further options of sbatch.
        setup: lines of the shell that come before the command.

    Raises:
        ConfigError: a value cannot be.

    Example:
        >>> Site(gpus=2, time="1-00:00:00").processes
        2
    """

    time: str = "4:00:00"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    nodes: int = 1
    gpus: int = 1
    cores: int = 8
    memory: str | None = None
    notice: int = 180
    options: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not _TIME.fullmatch(self.time):
            raise ConfigError(f"time={shown(self.time)}: write minutes, H:MM:SS or D-HH:MM:SS")
        for name, least in (("nodes", 1), ("gpus", 0), ("cores", 1), ("notice", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)}: give {least} or more")

    @property
    def processes(self) -> int:
        """Processes on each machine."""
        return max(1, self.gpus)

    def alone(self) -> Site:
        """The same for one process, with a GPU where jobs have some."""
        return replace(self, nodes=1, gpus=min(1, self.gpus))

    def sbatch(self) -> list[str]:
        """Options of sbatch."""
        wanted = {
            "time": self.time,
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "nodes": self.nodes,
            "ntasks-per-node": self.processes,
            "gpus-per-node": self.gpus or None,
            "cpus-per-task": self.cores,
            "mem": self.memory,
            "signal": f"USR1@{self.notice}" if self.notice else None,
        }
        return [*(f"--{name}={value}" for name, value in wanted.items() if value is not None), *self.options]


def jobs_of(given: argparse.Namespace, folder: Path) -> Jobs:
    """The jobs of a work, as the options of a command say.

    Args:
        given: `site`, `time`, `partition` and `gpus_per_cell`, each None where it is not given.
        folder: Folder of the work.

    Raises:
        ConfigError: as `read_site`.
    """
    chosen = {"time": given.time, "partition": given.partition, "gpus": given.gpus_per_cell}
    return Jobs(folder, read_site(given.site, **chosen))


def read_site(name: str | Path | None = None, **given: Any) -> Site:
    """Options of a site from a file, those given on the command line in their place.

    Args:
        name: a file, or the name of one in `experiments/slurm/`; None for ``default``.
        given: values by their names; None where the file's stays.

    Raises:
        ConfigError: there is no such file, or it has an unknown key or a value that cannot be.
    """
    name = name or "default"
    path, folder = Path(name), experiments_folder() / "slurm"
    if not path.is_file():
        path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise ConfigError(f"--site {shown(name)}: no such file; give one, or a name: {known}")
    try:
        site: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Site), OmegaConf.load(path)))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (OmegaConfBaseException, YAMLError, ValueError, TypeError) as error:
        keys = ", ".join(Site.__dataclass_fields__)
        said = str(error).partition("\n")[0]
        raise ConfigError(f"{path}: {said}\nthe keys are {keys}") from error
    assert isinstance(site, Site)
    return replace(site, **{key: value for key, value in given.items() if value is not None})


class Jobs:
    """The jobs of one work, in a folder that remembers them: any process may submit some, or look at them.

    Args:
        folder: Folder of the work: `jobs.tsv` with a line for each job, and script and output of each.
        site: What each job is given.
    """

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder, self.site = folder, site

    def submit(
        self,
        name: str,
        words: Sequence[str],
        after: Sequence[str] = (),
        shards: int = 0,
        site: Site | None = None,
    ) -> str:
        """Submit a command of `aukit` as a job.

        It is told before its limit, and when a node fails SLURM starts it again.

        Args:
            name: Name of the job, the same at each attempt.
            words: Words behind `aukit`.
            after: Numbers of jobs that must have succeeded before; if one fails, this one is cancelled.
            shards: Size of the array that shares the work by ``--shard i/n``; 0 for one job.
            site: What it is given, where that is not what the others are.

        Returns:
            The job's number.

        Raises:
            ConfigError: SLURM refuses it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.place(name)
        output = place.with_name(f"{place.name}-{'%A_%a' if shards else '%j'}.out")
        named = [f"--job-name={name}", f"--output={output}"]
        options = [*map(shlex.quote, named), "--open-mode=append", "--requeue"]
        site = site or self.site
        options += site.sbatch()
        if after:
            options += [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"]
        command = shlex.join([sys.executable, "-m", "aukit.cli", *words])
        if shards:
            options.append(f"--array=0-{shards - 1}")
            command += f' --shard "$SLURM_ARRAY_TASK_ID/{shards}"'
        # One that comes before Python hears signals is lost and does not kill; SIGTERM follows at the limit.
        quiet = """sh -c 'trap "" USR1; exec "$@"' aukit"""
        text = "\n".join(
            [
                "#!/bin/bash",
                *(f"#SBATCH {option}" for option in options),
                *site.setup,
                f"srun --kill-on-bad-exit=1 --cpus-per-task={site.cores} {quiet} {command}",
                "",
            ]
        )
        script = place.with_name(f"{place.name}.sh")
        write_atomic(script, text.encode())
        job = slurm.submit(script)
        self.adopt(name, job)
        return job

    def adopt(self, name: str, job: str) -> None:
        """Remember a job, also one that another work has submitted, as the newest of its name."""
        if self.newest().get(name) != job:
            with (self.folder / "jobs.tsv").open("a") as file:
                file.write(f"{job}\t{name}\n")

    def newest(self) -> dict[str, str]:
        """Name → number of the last job of that name, in the order of their submission."""
        try:
            lines = (self.folder / "jobs.tsv").read_text().splitlines()
        except FileNotFoundError:
            return {}
        found: dict[str, str] = {}
        for job, name in sorted((line.split("\t") for line in lines), key=lambda each: int(each[0])):
            found.pop(name, None)
            found[name] = job
        return found

    def states(self) -> dict[str, str]:
        """Name → state of the newest job, in SLURM's words; jobs that SLURM has forgotten are left out."""
        newest = self.newest()
        return self._states(newest) if newest else {}

    def _states(self, newest: Mapping[str, str]) -> dict[str, str]:
        ids = ",".join(newest.values())
        try:
            rows = slurm.ask(
                *("squeue", "--noheader", "--array", "--states=all", "--format=%F|%T|%r", f"--jobs={ids}")
            )
        except ConfigError as error:
            if "Invalid job id" not in str(error):
                raise
            return {}
        found: dict[str, list[tuple[str, str]]] = {}
        for row in rows.splitlines():
            job, state, reason = row.split("|", 2)
            found.setdefault(job, []).append((state, reason))
        return {name: _summary(found[job]) for name, job in newest.items() if job in found}

    def state_of(self, job: str) -> str | None:
        """State of any job by its number, in SLURM's words; None where SLURM has forgotten it."""
        return self._states({"": job}).get("")

    def are_alive(self) -> bool:
        """Whether a job waits or runs."""
        return any(is_alive(state) for state in self.states().values())

    def follow(self, done: Callable[[Mapping[str, str]], bool]) -> None:
        """Print what changes until the work is done; whoever stops it stops no job.

        Args:
            done: Whether the work is done, by the states of its jobs and what it looks at itself.

        Raises:
            TrainingError: No job is left, and the work is not done; the message names what failed.
        """
        print(f"{self.folder}: Ctrl-C stops no job; the same command shows them again", flush=True)
        before: dict[str, str] = {}
        while True:
            newest = self.newest()
            states = self._states(newest) if newest else {}
            for name, state in states.items():
                if before.get(newest[name]) != state:
                    print(
                        f"{time.strftime('%H:%M:%S')} {newest[name]:>8} {name}: {state.lower()}", flush=True
                    )
            before = {newest[name]: state for name, state in states.items()}
            if done(states):
                return
            # Jobs may submit others before they end.
            if not any(map(is_alive, states.values())) and newest == self.newest():
                raise TrainingError(self._failed(states))
            time.sleep(_SECONDS)

    def output(self, name: str) -> list[Path]:
        """What the newest job of a name has printed, of an array by each element, the last to print last."""
        files = self.folder.glob(f"{self.place(name).name}-{self.newest()[name]}*.out")
        return sorted(files, key=lambda file: file.stat().st_mtime)

    def place(self, name: str) -> Path:
        """Files of a name's jobs, without their ends."""
        return self.folder.resolve() / re.sub(r"[^\w.-]+", "-", name)

    def _failed(self, states: Mapping[str, str]) -> str:
        failed = [name for name, state in states.items() if not state.startswith(("COMPLETED", "CANCELLED"))]
        failed = failed or [name for name, state in states.items() if not state.startswith("COMPLETED")]
        if not failed:
            return f"{self.folder}: no job is left; repeat the command to go on"
        what = f"{failed[0]}: {states[failed[0]].lower()}"
        for file in self.output(failed[0])[-1:]:
            said = file.read_text(errors="replace").splitlines()
            what += f": {shown(' '.join(said[-1:]), 300)} ({file})"
        return f"{what}\nmend it and repeat the command: what is done stays"


def is_alive(state: str) -> bool:
    """Whether a job in this state waits or runs."""
    return state.partition(" ")[0].rstrip(",") not in _ENDED


def _summary(rows: Sequence[tuple[str, str]]) -> str:
    """State of a job, or of an array by what is left of it."""
    state, reason = next((row for row in rows if is_alive(row[0])), rows[0])
    if not is_alive(state):
        state, reason = next((row for row in rows if row[0] != "COMPLETED"), rows[0])
    if state == "PENDING":
        state += f" ({reason})"
    count = sum(row[0] == "COMPLETED" for row in rows)
    return f"{state}, {count} of {len(rows)} done" if len(rows) > 1 else state
