"""The corpora of a table: a licensed release that the user names, or the stand-in that is rendered for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aukit import datasets, simulation
from aukit.reproduce.options import Setting
from aukit.simulation.corpora.config import VERSION, SimulationConfig

if TYPE_CHECKING:
    from aukit.datasets.release import Release

CEILING_FILE = "standin_ceiling.json"


def recipe(corpus: str, setting: Setting) -> Any:
    """Stand-in that this size uses in place of the corpus; the paper's size uses the ``standin`` one."""
    kinds = {
        "fera2017": "FERA2017SimulationConfig",
        "bp4d": "BP4DSimulationConfig",
        "disfa": "DISFASimulationConfig",
        "gft": "GFTSimulationConfig",
    }
    profile = "standin" if setting.profile == "paper" else setting.profile
    made: SimulationConfig = getattr(getattr(simulation, kinds[corpus]), profile)(seed=setting.seed)
    return made


def root(corpus: str, setting: Setting) -> Path:
    """Root of the licensed release, or of the stand-in."""
    if corpus in setting.roots:
        return setting.roots[corpus]
    profile = "standin" if setting.profile == "paper" else setting.profile
    return setting.logs / "standins" / f"{corpus}-{profile}-v{VERSION}-seed{setting.seed}"


def make(corpus: str, setting: Setting) -> None:
    """Render the stand-in, or complete it; nothing to do where a release is given."""
    if corpus not in setting.roots:
        place = root(corpus, setting)
        write = getattr(simulation, f"write_{corpus}_standin")
        write(place, recipe(corpus, setting), place.with_name(f"{place.name}-truth"))


def release(corpus: str, setting: Setting) -> Release:
    """Reader of the release or of its stand-in."""
    readers: dict[str, Any] = {
        "fera2017": datasets.FERA2017,
        "bp4d": datasets.BP4D,
        "disfa": datasets.DISFA,
        "gft": datasets.GFT,
    }
    reader: Release = readers[corpus](root(corpus, setting))
    return reader


def is_there(corpus: str, setting: Setting) -> bool:
    """Whether there is something to read: a release, or a stand-in with its labels."""
    return corpus in setting.roots or (root(corpus, setting) / CEILING_FILE).exists()


def ceiling(corpus: str, setting: Setting, partition: str) -> dict[str, Any] | None:
    """Agreement of two simulated coders on a partition; None on a licensed release or where nobody is."""
    if setting.source != "standin":
        return None
    content = json.loads((root(corpus, setting) / CEILING_FILE).read_text())
    found: dict[str, Any] | None = content["partitions"].get(partition)
    return found
