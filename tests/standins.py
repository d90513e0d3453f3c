"""A rendered stand-in for tests, written once per process."""

from pathlib import Path
from typing import NamedTuple

import pytest

from aukit.simulation import FERA2017SimulationConfig, write_fera2017_standin


class Standin(NamedTuple):
    root: Path
    truth: Path


_written: dict[str, Standin] = {}


def smoke_fera2017(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    """FERA 2017's layout with 9 people, 18 videos of 12 frames; do not change it, copy it."""
    if "fera2017" not in _written:
        folder = tmp_path_factory.mktemp("standins")
        standin = Standin(folder / "fera2017", folder / "fera2017-truth")
        write_fera2017_standin(
            standin.root, FERA2017SimulationConfig.smoke(), standin.truth, workers=0, progress=False
        )
        _written["fera2017"] = standin
    return _written["fera2017"]
