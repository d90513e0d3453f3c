"""What a table runs on (source) and how large (size): stand-in or licensed corpus, smoke to paper."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from aukit.corpora.companions import STANDIN_FILE
from aukit.errors import ConfigError

PROFILES = ("smoke", "mini", "standin", "paper")


@dataclass(frozen=True)
class Setting:
    """Source and size of a table.

    Attributes:
        profile: Size: ``smoke``, ``mini``, ``standin`` or ``paper``.
        licensed_root: Root that the user names, or None for a stand-in of our own.
        logs: Folder that everything is written into.
        seed: Seed of the whole chain: the stand-in's people, the data order, every training.
        jobs: Trainings run side by side.
    """

    profile: str
    licensed_root: Path | None
    logs: Path
    seed: int
    jobs: int

    @property
    def source(self) -> str:
        """``standin`` or ``licensed``; a stand-in stays one where it is given as the release."""
        root = self.licensed_root
        return "standin" if root is None or (root / STANDIN_FILE).exists() else "licensed"

    @property
    def name(self) -> str:
        """Folder name of the table: ``<source>-<size>``, with the seed where it is not 0."""
        return f"{self.source}-{self.profile}" + (f"-seed{self.seed}" if self.seed else "")


def choose_setting(
    variable: str, profile: str | None, logs: Path, seed: int = 0, jobs: int | None = None
) -> Setting:
    """Decide source and size from the environment and the words of the command.

    Args:
        variable: Environment variable that names the licensed release, such as ``AUKIT_FERA2017_ROOT``.
        profile: Size, or None for the default: ``paper`` for a licensed release, else ``mini``.
        logs: Output folder.
        seed: Seed of the whole chain.
        jobs: Trainings side by side; None for one on a GPU and up to four on a CPU.

    Raises:
        ConfigError: The root does not exist or the profile is unknown.
    """
    root = os.environ.get(variable)
    if root and not Path(root).is_dir():
        raise ConfigError(
            f"{variable}={root}: no such folder; name the root of the licensed release or unset it"
        )
    profile = profile or ("paper" if root else "mini")
    if profile not in PROFILES:
        raise ConfigError(f"--profile {profile}: unknown; choose one of {', '.join(PROFILES)}")
    if jobs is None:
        jobs = 1 if has_gpu() else max(1, min(4, os.cpu_count() or 1))
    return Setting(profile, Path(root) if root else None, logs, seed, jobs)


def check_affordable(setting: Setting, yes: bool) -> None:
    """Refuse the paper's size without a GPU unless the user insists.

    Raises:
        ConfigError: There is no GPU and `yes` is False.
    """
    if setting.profile == "paper" and not yes and not has_gpu():
        raise ConfigError(
            "the paper's size without a GPU takes weeks: look at --plan, choose --profile mini, or add --yes"
        )


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def free_bytes(folder: Path) -> int:
    """Free disk space where `folder` is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
