import pytest
import torch

from aukit.errors import WeightsError
from aukit.models.weights import weights_path
from aukit.models.weights.files import content_hash, read_checkpoint, read_tensors, write_tensors

STATE = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.ones(1, dtype=torch.int64)}


def test_what_is_written_is_read_with_its_metadata(tmp_path):
    write_tensors(tmp_path / "w.safetensors", STATE, {"licence": "MIT"})
    tensors, metadata = read_tensors(tmp_path / "w.safetensors", "make it again")
    assert metadata == {"licence": "MIT"}
    assert content_hash(tensors) == content_hash(STATE)
    assert read_checkpoint(tmp_path / "w.safetensors", "").keys() == STATE.keys()


def test_the_hash_is_of_names_shapes_types_and_values():
    changes = ({"c": STATE["b"]}, {"b": STATE["b"].T}, {"b": STATE["b"].double()}, {"b": STATE["b"] + 1})
    hashes = {content_hash({**STATE, **change}) for change in changes}
    assert len(hashes | {content_hash(STATE)}) == 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pt", None, "no such file; put it there"),
        ("text.pt", b"nothing of the kind", "truncated or no PyTorch checkpoint"),
        ("list.pt", [torch.zeros(1)], "holds a list, not a dictionary"),
        ("module.pt", {"model": torch.nn.Linear(1, 1)}, "refused"),
        ("text.safetensors", b"nothing of the kind", "truncated or no safetensors file"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=f"{name}: {message}"):
        read_checkpoint(path, "put it there")


def test_a_name_that_is_not_shipped_says_what_is(tmp_path):
    with pytest.raises(WeightsError, match="no weights of that name come with the project"):
        weights_path("backbone", "nowhere")
    assert weights_path("fgnet", tmp_path / "own.safetensors") == tmp_path / "own.safetensors"
