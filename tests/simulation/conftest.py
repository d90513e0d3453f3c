import os

import pytest

from aukit.simulation import Avatar, FaceModel, face_model

needs_ict = pytest.mark.skipif(
    not os.environ.get("AUKIT_ICT_BASIS"),
    reason="AUKIT_ICT_BASIS names no basis file; 'aukit avatars import-ict' makes one",
)
BASES = ["procedural", pytest.param("ict", marks=needs_ict)]


@pytest.fixture(scope="session")
def model() -> FaceModel:
    return face_model()


@pytest.fixture(scope="session", params=BASES)
def any_model(request: pytest.FixtureRequest) -> FaceModel:
    """Each face basis in turn."""
    return face_model(request.param)


@pytest.fixture(scope="session")
def avatar() -> Avatar:
    return Avatar.sample("tests", "someone", 3, gender="female", age=27)
