"""One cluster for all tests of a module; skipped, with the reason, where SLURM is not installed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing_tools, running_cluster

#: Set where a missing SLURM is a failure and no reason to skip.
REQUIRED = "AUKIT_TEST_SLURM"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if missing := missing_tools():
        said = f"{', '.join(missing)}: not installed (Debian: slurm-wlm, munge)"
        pytest.fail(said) if os.environ.get(REQUIRED) else pytest.skip(said)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short path: sockets lie in it
    try:
        with running_cluster(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
