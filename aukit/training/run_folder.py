"""The folder of a run: its name, what lies in it, who may write there."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from aukit.errors import StoreError
from aukit.training import record as records
from aukit.training.loggers import is_rank_zero
from aukit.training.run_config import RunConfig
from aukit.training.run_identity import identity
from aukit.training.start_files import start_files
from aukit.utils.files import write_atomic
from aukit.utils.outside import read_json

_START_FILES = "start_files.json"
_MOST_BYTES = 2**20
_SECONDS = 1.0  # between two looks at a lock that another process holds


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it makes: `<runs_root>/<experiment>-<12 digits of the identity>`.

    Attributes:
        path: the folder.
        identity: the run's identity.
        start_files: files that the run starts from → their content (SHA-256), as far as it is known.
        missing: those that are not there now; a run that has a checkpoint does not need them.

    Example:
        >>> run = RunFolder(Path("lightning_logs/runs/fgnet-bp4d-0123456789ab"), "0123456789ab")
        >>> run.is_done, run.predictions.name
        (False, 'predictions.parquet')
    """

    path: Path
    identity: str
    start_files: Mapping[str, str | None] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: RunConfig, data_fingerprint: str, runs_root: str | Path) -> RunFolder:
        """The folder of a configuration; nothing is created.

        Where a file that the run starts from is gone, the run is found that noted its content.

        Raises:
            StoreError: it is gone, and runs from different contents of it are there, or a note is damaged.
        """
        prefix, contents = config.experiment.replace("/", "-"), start_files(config)
        missing = tuple(name for name, content in contents.items() if content is None)

        def folder(known: Mapping[str, str | None]) -> RunFolder:
            digest = identity(config, data_fingerprint, known)
            return cls(Path(runs_root) / f"{prefix}-{digest[:12]}", digest, known, missing)

        found = {}
        for note in sorted(Path(runs_root).glob(f"{prefix}-*/{_START_FILES}")) if missing else ():
            noted = _noted(note)
            run = folder({**contents, **{name: noted.get(name) for name in missing}})
            if run.path == note.parent:
                found[run.path] = run
        if len(found) > 1:
            raise StoreError(
                f"{missing[0]}: no such file, and {len(found)} runs started from different contents of it:"
                f" {', '.join(path.name for path in found)}. Put the file back, or give --checkpoint"
            )
        return next(iter(found.values()), None) or folder(contents)

    @property
    def is_done(self) -> bool:
        """Whether the run is finished."""
        return (self.path / records.NAME).is_file()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints; it is there from the first step of a training on."""
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        """Predictions of the test frames."""
        return self.path / "predictions.parquet"

    def to_resume(self) -> Path | None:
        """The checkpoint with a whole state; None where there is none."""
        last = self.checkpoints / "last.ckpt"
        return last if last.exists() else None

    def save_config(self, config: RunConfig) -> None:
        """Save configuration and start files of the first attempt; later ones have the same identity."""
        for name, content in (
            ("config.yaml", yaml.safe_dump(dict(config), sort_keys=False)),
            (_START_FILES, json.dumps(self.start_files, indent=1)),
        ):
            if is_rank_zero() and not (self.path / name).exists():
                write_atomic(self.path / name, content.encode())

    @contextmanager
    def only_writer(self, several: bool = False) -> Iterator[bool]:
        """Hold the folder's lock on rank 0; the operating system gives it back when the process is killed.

        Where another process holds it, this one waits, and then takes the run over: finished, or to go on
        with it. A new folder is removed again if it ends without a step of a training.

        Args:
            several: Whether others were started beside this process, which would not know that it waits.

        Yields:
            Whether the run was finished meanwhile.

        Raises:
            StoreError: Another process works on the run, and there are several of this one.
        """
        if not is_rank_zero():
            yield False
            return
        is_new = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            what = f"{self.path}: another process is working on this run"
            if several:
                raise StoreError(f"{what}; repeat the command when it has ended") from error
            print(f"{what}; waiting for it", file=sys.stderr, flush=True)
            while not lock.is_locked:
                self.path.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # one that ends without a step removes the folder
                    lock.acquire(poll_interval=_SECONDS)
        try:
            yield self.is_done
        finally:
            if is_new and not (self.is_done or self.checkpoints.exists()):
                shutil.rmtree(self.path, ignore_errors=True)
            lock.release()


def _noted(path: Path) -> dict[str, str | None]:
    """Start files that a run noted, with their contents."""
    try:
        noted = read_json(path, _MOST_BYTES)
        if not isinstance(noted, dict):
            raise ValueError("holds no object")
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); remove this run's folder") from error
    return noted
