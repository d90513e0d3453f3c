"""A command as a user starts it in a shell, with all processes that descend from it, and ways to stop it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_MARK = "AUKIT_TEST_KILLS"
#: A shell's background jobs ignore SIGINT, and hand that down.
_RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from aukit.cli import main
sys.exit(main())
"""

#: Seconds within which a command and all its processes are gone after it was asked to end.
PATIENCE = 30.0


@dataclass
class Command:
    """A running command in a process group of its own, as a shell makes one; a block that is left ends it.

    Args:
        words: What stands behind ``aukit``.
        folder: Where it is started.
    """

    words: str
    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        self.said = self.folder.with_name(f"{self.folder.name}.log")
        environment = {**os.environ, _MARK: self.mark, "TMPDIR": str(temporary), "WANDB_MODE": "offline"}
        with self.said.open("ab") as output:
            self._from = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, *self.words.split()],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait(self, seconds: float) -> int | None:
        """The exit status; None if it goes on for longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def output(self) -> str:
        """What it has printed so far."""
        with self.said.open("rb") as file:
            file.seek(self._from)
            return file.read().decode(errors="replace")

    def stop(self, how: str) -> str:
        """Stop it; what was wrong with the way in which it ended, or an empty text.

        Args:
            how: One of `WAYS`.
        """
        if how == "worker":
            os.kill(max(self.workers()), signal.SIGKILL)
        elif how == "main":
            self.process.kill()
        else:
            number = {"group": signal.SIGKILL, "ctrl-c": signal.SIGINT, "term": signal.SIGTERM}[how]
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
        status = self.wait(PATIENCE)
        if status is None:
            return f"{how}: goes on for more than {PATIENCE:g} s"
        return "" if status == 0 else self._manners(how, status)

    def _manners(self, how: str, status: int) -> str:
        wanted = {"ctrl-c": 130, "term": 143, "worker": 2}.get(how, -signal.SIGKILL)
        if status != wanted:
            return f"{how}: exit status {status} instead of {wanted}\n{self.output()[-3000:]}"
        if how in ("ctrl-c", "term", "worker") and "Traceback" in self.output():
            return f"{how}: a traceback\n{self.output()[-3000:]}"
        return ""

    def workers(self) -> list[int]:
        """Its Python processes besides the first; not the one that counts semaphores."""
        return [pid for pid in self.alive() if pid != self.process.pid and "spawn_main" in _words(pid)]

    def alive(self) -> list[int]:
        """All processes that descend from it and are there now."""
        return [pid for pid in _processes() if _carries(pid, self.mark)]

    def survivors(self) -> list[str]:
        """What its processes that outlive the first one are."""
        until = time.monotonic() + PATIENCE
        while (alive := self.alive()) and time.monotonic() < until:
            time.sleep(0.05)
        return [f"survivor: {_words(pid)}" for pid in alive]

    def end(self) -> None:
        """End everything, whatever it takes."""
        for pid in {self.process.pid, *self.alive()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


WAYS = ("group", "main", "worker", "ctrl-c", "term")
"""Kill the whole process group, only the first process, only a worker; interrupt or terminate the group."""


def _processes() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if re.fullmatch(r"\d+", path.name))


def _carries(pid: int, mark: str) -> bool:
    try:
        if f"{_MARK}={mark}".encode() not in Path(f"/proc/{pid}/environ").read_bytes():
            return False
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
