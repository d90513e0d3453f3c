import pytest

from aukit.avatars import Avatar, FaceModel, face_model


@pytest.fixture(scope="session")
def model() -> FaceModel:
    return face_model()


@pytest.fixture(scope="session")
def avatar() -> Avatar:
    return Avatar.sample("tests", "someone", 3, gender="female", age=27)
