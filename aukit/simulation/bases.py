"""The face bases by name, and the process's one face model of each."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from aukit.errors import ConfigError
from aukit.simulation.face.face_model import FaceModel
from aukit.simulation.face.procedural import ProceduralFaceModel
from aukit.simulation.ict.model import ICTFaceModel

BASES = ("procedural", "ict")
"""Face bases by name."""
ICT_VARIABLE = "AUKIT_ICT_BASIS"
"""Environment variable that names the imported basis file."""


def face_model(basis: str = "procedural") -> FaceModel:
    """The process's one face model of a basis.

    Args:
        basis: "procedural" (formulas, in the package; 1 s) or "ict" (the file named by `AUKIT_ICT_BASIS`,
            written by ``aukit avatars import-ict``; 3 s).

    Raises:
        ConfigError: Another name, or no basis file where one is needed.
    """
    if basis == "procedural":
        return _procedural()
    if basis == "ict":
        file = os.environ.get(ICT_VARIABLE, "")
        if not file:
            raise ConfigError(
                f"face basis 'ict' needs {ICT_VARIABLE}=FILE in the environment; "
                "'aukit avatars import-ict CLONE --out FILE' makes the file"
            )
        return _ict(file)
    raise ConfigError(f"face basis {basis!r} is unknown; there are {', '.join(BASES)}")


@lru_cache(maxsize=1)
def _procedural() -> FaceModel:
    return ProceduralFaceModel()


@lru_cache(maxsize=1)
def _ict(file: str) -> FaceModel:
    return ICTFaceModel(Path(file))
