"""What the distance of § 4.4 rests on: our own features, or those of the reference Inception if given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aukit.errors import ConfigError
from aukit.utils.files import file_sha256

if TYPE_CHECKING:
    from torch import nn

INCEPTION_VARIABLE = "AUKIT_INCEPTION_WEIGHTS"
"""Names the file of the reference Inception."""

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"


def inception_file() -> Path | None:
    """The file that the variable names; None where it is not set.

    Raises:
        ConfigError: There is no such file, or it is not the one from which FID is computed.
    """
    value = os.environ.get(INCEPTION_VARIABLE)
    if not value:
        return None
    path = Path(value)
    if not path.is_file():
        raise ConfigError(f"{INCEPTION_VARIABLE}={value}: no such file; name {INCEPTION_FILE} or unset it")
    expected = INCEPTION_FILE.rpartition("-")[2].partition(".")[0]
    if not (found := file_sha256(path)).startswith(expected):
        raise ConfigError(
            f"{INCEPTION_VARIABLE}={value}: is not {INCEPTION_FILE}: its SHA-256 begins with"
            f" {found[:8]}; another network's distance is no FID"
        )
    return path


def extractor(inception: Path | None) -> nn.Module:
    """Images in [−1,1] → features; of the reference Inception where its file is given."""
    if inception is None:
        from aukit.metrics.features import FixedFeatures

        return FixedFeatures()
    from aukit.metrics.inception import Inception
    from aukit.models.weights.files import read_checkpoint, state_entries

    state = read_checkpoint(inception, f"put {INCEPTION_FILE} there")
    return Inception(state_entries(inception, "", state))
