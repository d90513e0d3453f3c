import pytest

from tests.models.fgnet.faces import Faces


@pytest.fixture
def data(tmp_path):
    """A corpus of drawn faces, set up."""
    data = Faces(cache=str(tmp_path / "stores"), people=8, frames=12, batch_size=8)
    data.prepare_data()
    data.setup()
    return data
