import shutil
from pathlib import Path

import pytest

from tests.standins import Standin, smoke_fera2017


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return smoke_fera2017(tmp_path_factory)


@pytest.fixture
def copied(standin: Standin, tmp_path: Path) -> Path:
    """A copy of the stand-in that a test may damage."""
    return Path(shutil.copytree(standin.root, tmp_path / "fera2017"))
