"""A private SLURM cluster of two nodes on this machine, with ports, keys and spools of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")

CONFIGURATION = """\
ClusterName=aukit
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=5
SchedulerTimeSlice=5
InactiveLimit=0
KillWait=30
MinJobAge=3600
{nodes}
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""

NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 State=UNKNOWN"

#: Seconds within which the nodes are there.
PATIENCE = 60.0


def missing_tools() -> list[str]:
    """Programs of SLURM that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool, path=_path()) is None]


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        folder: Its configuration, logs and spools.
        environment: What the commands of SLURM need to find it.
    """

    folder: Path
    environment: Mapping[str, str]

    def ask(self, *words: str, cwd: Path | None = None) -> str:
        """What one of SLURM's commands prints."""
        done = subprocess.run(
            words, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def describe(self, job: str) -> dict[str, str]:
        """What SLURM says of a job."""
        words = self.ask("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, job: str, states: set[str], seconds: float) -> dict[str, str]:
        """Wait until a job is in one of these states; one that was put back starts without delay."""
        end = time.monotonic() + seconds
        while (now := self.describe(job))["JobState"] not in states:
            assert time.monotonic() < end, f"job {job} is {now['JobState']}, not {states}\n{now}"
            if now["JobState"] == "PENDING" and now["Restarts"] != "0":
                self.start_now(job)
            time.sleep(1)
        return now

    def start_now(self, job: str) -> None:
        """Lift the delay that SLURM puts on a job which goes back into the queue; it may have started."""
        words = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
        subprocess.run(words, env=self.environment, capture_output=True, check=False, timeout=60)


def _path() -> str:
    """Where programs are; daemons lie where not every user looks."""
    return f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster, and end it with everything that runs on it.

    Args:
        folder: An empty folder; its path must be short, since sockets lie in it.
    """
    host, ports = socket.gethostname(), _free_ports(3)
    nodes = [NODE.format(name=f"n{i}", host=host, port=ports[i]) for i in (1, 2)]
    (folder / "state").mkdir()
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder, host=host, user=getpass.getuser(), ports=ports, nodes="\n".join(nodes)
        )
    )
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    environment = {
        **kept,
        "PATH": _path(),
        "SLURM_CONF": str(configuration),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "WANDB_MODE": "offline",
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    munged = ["munged", "--foreground", "--force", f"--key-file={key}"]
    munged += [f"--{name}-file={folder}/munge.{name}" for name in ("log", "pid", "seed")]
    daemons = [
        [*munged, f"--socket={folder}/munge.socket"],
        ["slurmctld", "-D", "-i"],
        ["slurmd", "-D", "-N", "n1"],
        ["slurmd", "-D", "-N", "n2"],
    ]
    cluster = Cluster(folder, environment)
    with ExitStack() as stack:
        log = stack.enter_context((folder / "daemons.log").open("ab"))
        for words in daemons:
            daemon = subprocess.Popen(
                words, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            stack.callback(_end, daemon)
            _wait_for_socket(folder / "munge.socket", daemon)
        _wait_for_nodes(cluster)
        stack.callback(_cancel_all, cluster)
        yield cluster


def _wait_for_socket(socket_file: Path, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not socket_file.exists():
        assert daemon.poll() is None, "munged ended"
        assert time.monotonic() < end, "munged does not answer"
        time.sleep(0.1)


def _wait_for_nodes(cluster: Cluster) -> None:
    end, words = time.monotonic() + PATIENCE, ["sinfo", "--noheader", "--Node", "--format=%t"]
    while True:
        done = subprocess.run(words, env=cluster.environment, capture_output=True, text=True, timeout=60)
        if done.stdout.split() == ["idle", "idle"]:
            return
        logs = "\n".join(path.read_text()[-2000:] for path in sorted(cluster.folder.glob("*.log")))
        assert time.monotonic() < end, f"the nodes are not there: {done.stdout}{done.stderr}\n{logs}"
        time.sleep(0.5)


def _cancel_all(cluster: Cluster) -> None:
    """End all jobs, before the daemons that could."""
    words = ["scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}"]
    subprocess.run(words, env=cluster.environment, capture_output=True, check=False, timeout=60)
    words = ["scancel", f"--user={getpass.getuser()}"]
    subprocess.run(words, env=cluster.environment, capture_output=True, check=False, timeout=60)
    end = time.monotonic() + PATIENCE
    while cluster.ask("squeue", "--noheader").strip() and time.monotonic() < end:
        time.sleep(0.5)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
