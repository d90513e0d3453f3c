"""Trials: a job of two nodes is told to end at two random moments, and ends bit-equal to one that never was.

``python -m tests.slurm --trials 10 --seed 0`` prints a line for each; the exit status is 1 if one differs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.slurm.cluster import Cluster, missing_tools, running_cluster
from tests.slurm.works import differences, newest_job, shown, write_experiment

_ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"}
_LONGEST = 1800.0  # seconds of a job


def main() -> int:
    """Run the trials; the number of those that differ decides the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if missing := missing_tools():
        print(f"{', '.join(missing)}: not installed (Debian: slurm-wlm, munge)")
        return 2
    rng, folder = np.random.default_rng(given.seed), Path(tempfile.mkdtemp(prefix="slurm-"))
    (folder / "cluster").mkdir()
    try:
        with running_cluster(folder / "cluster") as cluster:
            whole, seconds = _train(cluster, folder / "whole", [])
            print(f"undisturbed: {seconds:.0f} s", flush=True)
            failures = 0
            for trial in range(given.trials):
                moments = [float(moment) for moment in rng.uniform(0, seconds + 15, 2)]
                run, _ = _train(cluster, folder / f"trial{trial}", moments)
                found = ["did not end"] if run is None or whole is None else differences(run, whole)
                failures += bool(found)
                at = " and ".join(f"{moment:.1f}" for moment in moments)
                print(f"{trial}: told after {at} s: {', '.join(found) or 'equal'}", flush=True)
            print(f"{given.trials - failures} of {given.trials} equal")
            return int(failures > 0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _train(cluster: Cluster, folder: Path, moments: list[float]) -> tuple[Path | None, float]:
    """Train in a job that is told so many seconds after each of its starts; the run, and how long it took.

    SLURM tells the processes of a step: what comes before there are some is sent again.
    """
    folder.mkdir()
    write_experiment(folder, time="30")
    if moments:  # so that it still trains at the last of them
        (folder / "slowly").touch()
    with shown(cluster, folder, "fit -c tiny.yaml --runs runs"):
        while (job := newest_job(folder)) is None:
            time.sleep(0.2)
        for restarts, moment in enumerate(moments):
            cluster.wait(job, {"RUNNING"}, 300)
            time.sleep(moment)
            while (now := cluster.describe(job))["Restarts"] == str(restarts):
                if now["JobState"] in _ENDED:
                    break
                words = ["scancel", "--signal=USR1", job]
                subprocess.run(words, env=cluster.environment, capture_output=True, check=False, timeout=60)
                time.sleep(10)
        (folder / "slowly").unlink(missing_ok=True)
        began = time.monotonic()
        now = cluster.wait(job, _ENDED, _LONGEST)
        seconds = time.monotonic() - began
    if now["JobState"] != "COMPLETED":
        print("\n".join(path.read_text()[-2000:] for path in folder.glob("lightning_logs/slurm/*/*.out")))
        return None, seconds
    if now["Restarts"] != str(len(moments)):
        print(f"put back {now['Restarts']} times, not {len(moments)}: it had ended before")
    (run,) = (folder / "runs").iterdir()
    return run, seconds


if __name__ == "__main__":
    sys.exit(main())
