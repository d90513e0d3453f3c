"""The job of SLURM that this process belongs to, asked and told by SLURM's own commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from aukit.errors import ConfigError


def in_job(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process belongs to a job."""
    return "SLURM_JOB_ID" in environment


def ask(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """What one of SLURM's commands prints.

    Args:
        words: The command.
        environment: Its environment; None for that of this process.

    Raises:
        ConfigError: It is not there, refuses or gives no answer within two minutes; the message is its own.
    """
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, env=environment
        )
    except FileNotFoundError as error:
        raise ConfigError(
            f"{words[0]}: not found; this is no machine of a SLURM cluster, or its module is not loaded"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{words[0]}: SLURM gives no answer; ask its administrators") from error
    if done.returncode:
        raise ConfigError(f"{' '.join(words[:2])}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout


def submit(script: Path) -> str:
    """Submit a script as a job of its own, also from inside another one; the job's number.

    Raises:
        ConfigError: SLURM refuses it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    if "SLURM_CONF" in os.environ:
        kept["SLURM_CONF"] = os.environ["SLURM_CONF"]
    return ask("sbatch", "--parsable", str(script), environment=kept).strip().partition(";")[0]


def describe(job: str) -> dict[str, str]:
    """What SLURM says of a job that has not long ended: `JobState`, `Restarts`, `Reason` and so on."""
    text = ask("scontrol", "--oneliner", "show", "job", job)
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def requeue_own(announce: Callable[[], object], environment: Mapping[str, str] = os.environ) -> bool:
    """Put this process' job back into the queue: SLURM ends it and starts it again, under the same number.

    Nothing is done where another process has done it, or where the job was cancelled: it is on its way out
    then, as at its time limit, but for no reason.

    Args:
        announce: Called before SLURM is asked, which may end this process before it has answered.
        environment: Environment variables.

    Returns:
        Whether the job is in the queue, or on its way there.

    Raises:
        ConfigError: SLURM refuses, as it does for jobs that are interactive or of ``--no-requeue``.
    """
    job = _own(environment)
    now = describe(job)
    if now["Restarts"] != environment.get("SLURM_RESTART_COUNT", "0"):
        return True
    if now["JobState"] != "RUNNING" and now["Reason"] != "TimeLimit":
        return False
    announce()
    ask("scontrol", "requeue", job)
    return True


def _own(environment: Mapping[str, str]) -> str:
    """Name of this process' job. One element of an array has the number of the whole array as its own."""
    if (array := environment.get("SLURM_ARRAY_JOB_ID")) is None:
        return environment["SLURM_JOB_ID"]
    return f"{array}_{environment['SLURM_ARRAY_TASK_ID']}"
