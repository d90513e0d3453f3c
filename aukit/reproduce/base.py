"""What all tables share: found finished or made in stages, a hash of what decides them, the plan's frame."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from omegaconf import OmegaConf

import aukit
from aukit.errors import ConfigError
from aukit.reproduce import data_origin as sources
from aukit.reproduce.options import Setting, free_bytes
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import Table
from aukit.reproduce.timing import Stages

EXPERIMENTS = Path(aukit.__file__).parents[1] / "experiments"


class Reproduction(ABC):
    """A published table as a chain of stages; every stage finds what is done and makes what is missing.

    A subclass names its corpora and experiments, and says what the stages are (`make`) and what they would
    cost (`plan`). ``experiments/tables/<name>.yaml`` holds its cells; the section ``profiles`` there the
    sizes, each with ``hours`` and ``hours_from`` for the plan.

    Args:
        setting: Source and size.

    Attributes:
        spec: The YAML file of the table.
        size: Its section of this size.
        folder: Where the table is written.
    """

    name: ClassVar[str]
    """Word of the command line, and stem of the YAML file."""

    corpora: ClassVar[tuple[str, ...]]
    """What it is made of; the user's releases of them, or stand-ins."""

    experiments: ClassVar[tuple[str, ...]]
    """Experiment files that its cells are runs of, below ``experiments/``."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        spec = OmegaConf.to_container(OmegaConf.load(self._spec_file))
        assert isinstance(spec, dict)
        self.spec: dict[str, Any] = {str(key): value for key, value in spec.items()}
        self.size: dict[str, Any] = self.spec["profiles"][setting.profile]
        self.folder = setting.logs / "tables" / self.name / setting.name

    @classmethod
    def for_target(cls, target: str | None) -> type[Reproduction]:
        """This table towards another target corpus, where it has a choice of them.

        Raises:
            ConfigError: It has none.
        """
        if target is not None:
            raise ConfigError(f"--target {target}: the table {cls.name} has no choice of targets")
        return cls

    @abstractmethod
    def make(self, stages: Stages) -> Table | Report:
        """Make what is missing, stage by stage; `run` adds seconds and signature to the provenance."""

    @abstractmethod
    def plan(self) -> str:
        """Cells, hours and disk, without running anything."""

    def run(self) -> str:
        """Make what is missing and return the table as text; at once when it is complete."""
        stored = self.folder / "table.json"
        signature = self.signature()
        if stored.exists() and json.loads(stored.read_text())["provenance"]["signature"] == signature:
            return (self.folder / "table.txt").read_text()
        stages = Stages(self.folder / "stages.json")
        table = self.make(stages)
        table.provenance["signature"] = self.signature()
        table.provenance["seconds"] = stages.seconds
        table.write(self.folder)
        print(stages.summary(), flush=True)
        return table.to_text()

    def config(self, experiment: str, *overrides: str) -> dict[str, Any]:
        """A run's configuration: the experiment in this size with these words."""
        from aukit.training import load_config

        return load_config(EXPERIMENTS / f"{experiment}.yaml", self.setting.profile, overrides)

    def signature(self) -> str | None:
        """Hash of what decides the table, cheap to compute; None while a corpus is not there yet."""
        if not all(sources.is_there(corpus, self.setting) for corpus in self.corpora):
            return None
        words = f"{aukit.__version__} {self.setting.name} {self.decisive_words()}"
        digest = hashlib.sha256(words.encode())
        files = [EXPERIMENTS / "base.yaml", EXPERIMENTS / "profiles" / f"{self.setting.profile}.yaml"]
        files += [EXPERIMENTS / f"{name}.yaml" for name in self.experiments]
        for file in [self._spec_file, *files]:
            digest.update(file.read_bytes())
        for corpus in self.corpora:
            digest.update(sources.release(corpus, self.setting).fingerprint().encode())
        return digest.hexdigest()[:16]

    def decisive_words(self) -> str:
        """What else decides the table, such as weights that the user names."""
        return ""

    def title(self) -> str:
        """Title with source and size, where the numbers are not of licensed corpora."""
        title = str(self.spec["title"])
        if self.setting.source == "standin":
            title += f" (ours on a rendered stand-in, size {self.setting.profile})"
        return title

    def plan_head(self) -> str:
        """First line of the plan."""
        return f"{self.spec['title']}: {self.setting.source} corpus, size {self.setting.profile}"

    def plan_tail(self, disk: float) -> list[str]:
        """Last lines of the plan: hours and disk (bytes)."""
        logs = self.setting.logs
        return [
            f"about {self.size['hours']:g} h ({self.size['hours_from']})",
            f"about {disk / 1e9:.1f} GB of disk below {logs}; {free_bytes(logs) / 1e9:.0f} GB are free",
        ]

    @property
    def _spec_file(self) -> Path:
        return EXPERIMENTS / "tables" / f"{self.name}.yaml"
