"""What stands beside a corpus that we wrote: the description of its making, and landmark sidecars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aukit.errors import CorpusError

STANDIN_FILE = "STANDIN.json"
SIDECAR_FOLDER = "Landmarks"

_MAX_JSON_BYTES = 2**20
_MAX_LANDMARK_BYTES = 512 * 2**20


def read_description(path: Path) -> dict[str, Any]:
    """Recipe, version and seed of a rendered corpus.

    Raises:
        CorpusError: The file is damaged or has no version.
    """
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ValueError("larger than 1 MiB")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "version" not in content:
            raise ValueError("no version in it")
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"{path}: is no description of a rendered corpus ({error}); write the corpus again"
        ) from error
    return content


def read_landmarks(path: Path) -> npt.NDArray[np.float32]:
    """Landmarks [T, 68, 3] of a video in pixels of the full frame; NaN rows = no face found.

    Raises:
        CorpusError: The file is missing or damaged.
    """
    try:
        if path.stat().st_size > _MAX_LANDMARK_BYTES:
            raise ValueError("larger than any recording's landmarks")
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorpusError(f"{path}: cannot be read as landmarks ({error}); write it again") from error
    if points.ndim != 3 or points.shape[1:] != (68, 3) or not np.issubdtype(points.dtype, np.floating):
        raise CorpusError(
            f"{path}: {points.dtype} {points.shape}, expected floats [T, 68, 3]; write it again"
        )
    return np.ascontiguousarray(points, dtype=np.float32)
