"""Stages of a table: named, timed, and remembered over interruptions."""

import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aukit.utils.files import write_atomic
from aukit.utils.outside import read_json

_MOST_BYTES = 2**20


class Stages:
    """Print each stage's name and time; the sums are kept in a file, so that a resumed table reports all.

    Args:
        path: JSON file of stage name → seconds spent so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = _noted(path)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what runs inside; the time counts also when it fails or is interrupted."""
        print(f"· {name}", flush=True)
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 1)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, json.dumps(self.seconds, indent=1).encode())
            print(f"  {name}: {spent:.1f} s", flush=True)

    def summary(self) -> str:
        """One line: every stage's seconds, their sum and the largest memory of a process."""
        stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        together = f"together {sum(self.seconds.values()) / 60:.1f} min"
        return f"{stages}; {together}; largest process {peak_memory_gb():.1f} GB"


def _noted(path: Path) -> dict[str, float]:
    """Seconds of earlier attempts; none where the file is not there or damaged, since only they are lost."""
    try:
        noted = read_json(path, _MOST_BYTES)
        return {str(name): float(seconds) for name, seconds in noted.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}


def peak_memory_gb() -> float:
    """Largest resident memory of this process or of any finished child, in GB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(own, children) * 1024 / 1e9
