"""A rendered stand-in for tests, written once per process."""

import pytest

from aukit.simulation import FERA2017SimulationConfig, FERA2017Standin

_written: dict[str, FERA2017Standin] = {}


def smoke_fera2017(tmp_path_factory: pytest.TempPathFactory) -> FERA2017Standin:
    """FERA 2017's layout with 9 people, 18 videos of 12 frames; do not change it, copy it."""
    if "fera2017" not in _written:
        folder = tmp_path_factory.mktemp("standins")
        standin = FERA2017Standin(
            folder / "fera2017", folder / "fera2017-truth", FERA2017SimulationConfig.smoke()
        )
        standin.write(workers=0, progress=False)
        _written["fera2017"] = standin
    return _written["fera2017"]
