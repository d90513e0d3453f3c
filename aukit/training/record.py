"""The record of a finished run: what it measured and was made of. Tables are made from records alone."""

from __future__ import annotations

import json
import math
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from aukit import __version__
from aukit.errors import StoreError
from aukit.utils.files import write_atomic

NAME = "record.json"

#: Raised when the meaning of a run or the layout of its folder changes; enters every run's identity.
SCHEMA = 2

_PACKAGES = ("torch", "lightning", "torchmetrics", "timm", "numpy")


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        identity: hash of resolved configuration, data and schema.
        experiment: name of the experiment file, without suffix.
        config: resolved configuration.
        metrics: the last value of everything that was logged, test metrics included; values that are not
            finite are None in the file, NaN in memory.
        data_fingerprint: hash of the data that went in.
        git_commit: commit of the code, "-dirty" appended if files differed; None outside a repository.
        seconds: wall-clock time of training and test, over all attempts.
        peak_memory_bytes: largest resident memory of the process.
        peak_device_memory_bytes: largest memory allocated on the GPU; None without one.
        versions: Python and packages.
        checkpoint: path of the tested checkpoint; None where released weights were scored (`start_files`).
        predictions: path of the Parquet file with one row per test frame; None if the module writes none.
        start_files: files that the training started from, as configured → their content (SHA-256).
        test_frames_per_second: test frames over the time of the test, loading included; None without one.
        world_size: number of processes that trained, or that scored released weights.
        notes: whatever a reader of the numbers must know: the stand-in's recipe, the selection rule.
        schema: version of the run folder's layout.

    Example:
        >>> record = Record.read("lightning_logs/runs/fgnet-bp4d-0123456789ab")  # doctest: +SKIP
        >>> record.metrics["test/f1"], record.config["data"]["init_args"]["fold"]  # doctest: +SKIP
        (0.61, 0)
    """

    identity: str
    experiment: str
    config: dict[str, Any]
    metrics: dict[str, float]
    data_fingerprint: str
    git_commit: str | None
    seconds: float
    peak_memory_bytes: int
    peak_device_memory_bytes: int | None
    versions: dict[str, str]
    checkpoint: str | None
    predictions: str | None
    start_files: dict[str, str | None] = field(default_factory=dict)
    test_frames_per_second: float | None = None
    world_size: int = 1
    notes: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        # The same NaN everywhere, by which a record equals the one that is read.
        metrics = {key: value if math.isfinite(value) else math.nan for key, value in self.metrics.items()}
        object.__setattr__(self, "metrics", metrics)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        if self.checkpoint is None:
            return Path(str(self.predictions)).parent
        return Path(self.checkpoint).parents[1]

    def write(self, folder: Path) -> None:
        """Write `record.json` into the run's folder, in one step; paths in it are relative to the folder."""
        content = asdict(self)
        metrics = self.metrics.items()
        content["metrics"] = {key: None if math.isnan(value) else value for key, value in metrics}
        for key in ("checkpoint", "predictions"):
            if content[key] is not None:
                content[key] = Path(content[key]).relative_to(folder).as_posix()
        write_atomic(folder / NAME, json.dumps(content, indent=1).encode())

    @classmethod
    def read(cls, folder: str | Path) -> Record:
        """Read the record of the run in `folder`.

        Raises:
            StoreError: there is none, it is not readable, or another version of aukit made it.
        """
        folder = Path(folder)
        try:
            content = json.loads((folder / NAME).read_text())
            if (schema := content.get("schema", 1)) != SCHEMA:
                raise StoreError(
                    f"{folder}: this run was made by another version of aukit (schema {schema}, this version"
                    f" reads {SCHEMA}); remove the folder and run the command again"
                )
            content["metrics"] = {
                key: math.nan if value is None else float(value) for key, value in content["metrics"].items()
            }
            for key in ("checkpoint", "predictions"):
                if content[key] is not None:
                    content[key] = str(folder / content[key])
            return cls(**content)
        except FileNotFoundError as error:
            raise StoreError(
                f"{folder}: no finished run here ({NAME} is missing); let `aukit fit -c FILE`, with the same"
                " profile and values, end first"
            ) from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"{folder / NAME}: not readable ({error}); delete it and run the command again"
            ) from error


def git_commit() -> str | None:
    """Commit of the repository that this package lies in; None if it lies in none."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return None
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that decide numbers."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "aukit": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
