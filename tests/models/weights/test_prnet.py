"""PRNet's weights under three owners' names, held against TensorFlow's arithmetic written out in numpy."""

import shutil
import zipfile

import numpy as np
import pytest
import torch

from aukit.cli import main
from aukit.errors import WeightsError
from aukit.models.weights.files import read_tensors
from aukit.models.weights.prnet import import_prnet
from aukit.registration.prnet.file import PRNetFile
from aukit.registration.prnet.uv import read_uv_data
from tests.prnet_files import (
    DECODER,
    ENCODER,
    collected_port,
    in_order,
    plain_port,
    tensorflow_arrays,
    write_npz,
    write_uv_data,
)


@pytest.fixture(scope="module")
def arrays():
    return tensorflow_arrays()


@pytest.fixture(scope="module")
def uv_data(tmp_path_factory):
    return write_uv_data(tmp_path_factory.mktemp("prnet") / "uv-data")


@pytest.fixture(scope="module")
def imported(arrays, uv_data, tmp_path_factory):
    """The file made of the npz, by the command."""
    folder = tmp_path_factory.mktemp("imported")
    file, out = write_npz(folder / "prnet.npz", arrays), folder / "prnet.safetensors"
    words = ["weights", "import", "prnet", str(file), "--uv-data", str(uv_data), "--out", str(out)]
    assert main(words) == 0
    return out


# ------------------------------------------------------------------- TensorFlow's arithmetic, [H,W,C]


def same_padding(size, kernel, stride):
    """Pixels before and behind: as many as ⌈size/stride⌉ outputs need, the odd one behind."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv2d(x, weights, stride=1):
    kernel = weights.shape[0]
    pads = [same_padding(size, kernel, stride) for size in x.shape[:2]]
    x = np.pad(x, (*pads, (0, 0)))
    height, width = ((size - kernel) // stride + 1 for size in x.shape[:2])
    out = np.zeros((height, width, weights.shape[3]))
    for i in range(kernel):
        for j in range(kernel):
            out += x[i : i + height * stride : stride, j : j + width * stride : stride] @ weights[i, j]
    return out


def conv2d_transpose(x, weights, stride=1):
    """The gradient of `conv2d` with regard to its input of stride times the size, which is its definition."""
    kernel = weights.shape[0]
    sizes = [stride * size for size in x.shape[:2]]
    pads = [same_padding(size, kernel, stride) for size in sizes]
    out = np.zeros((*(size + sum(pad) for size, pad in zip(sizes, pads, strict=True)), weights.shape[2]))
    height, width = x.shape[:2]
    for i in range(kernel):
        for j in range(kernel):
            part = out[i : i + height * stride : stride, j : j + width * stride : stride]
            part += x @ weights[i, j].T
    (top, _), (left, _) = pads
    return out[top : top + sizes[0], left : left + sizes[1]]


class Published:
    """The layers of resfcn256, by the names of its variables."""

    def __init__(self, arrays):
        self.arrays = {name.removeprefix("resfcn256/"): value.astype(float) for name, value in arrays.items()}

    def norm(self, x, name):
        gamma, beta, mean, variance = (
            self.arrays[f"{name}/BatchNorm/{entry}"]
            for entry in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (x - mean) / np.sqrt(variance + 0.001) * gamma + beta

    def conv(self, x, name, stride=1):
        return np.maximum(self.norm(conv2d(x, self.arrays[f"{name}/weights"], stride), name), 0)

    def block(self, x, name, stride):
        short = conv2d(x, self.arrays[f"{name}/shortcut/weights"], stride) if stride == 2 else x
        x = self.conv(self.conv(x, f"{name}/Conv"), f"{name}/Conv_1", stride)
        x = conv2d(x, self.arrays[f"{name}/Conv_2/weights"]) + short
        return np.maximum(self.norm(x, name), 0)

    def transposed(self, x, name, stride):
        return self.norm(conv2d_transpose(x, self.arrays[f"{name}/weights"], stride), name)

    def __call__(self, x):
        x = self.conv(x, "Conv")
        for index in range(10):
            x = self.block(x, f"resBlock_{index}" if index else "resBlock", 1 + (index % 2 == 0))
        for index in range(17):
            name = f"Conv2d_transpose_{index}" if index else "Conv2d_transpose"
            x = self.transposed(x, name, 1 + (index in (1, 4, 7, 10, 12)))
            x = np.maximum(x, 0) if index < 16 else 1 / (1 + np.exp(-x))
        return x


def maps_of(network, x):
    """A network's output of [H,W,C], as [H,W,C]."""
    with torch.inference_mode():
        return network(torch.from_numpy(x).float().permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()


def test_the_network_computes_what_tensorflow_s_operations_give(arrays, imported):
    """Fully convolutional, so that a small crop passes every layer; 13,353,618 parameters."""
    network = PRNetFile(imported).network()
    assert sum(value.numel() for value in network.parameters()) == 13_353_618
    crop = np.random.default_rng(1).uniform(0, 1, (64, 64, 3))
    expected, found = Published(arrays)(crop), maps_of(network, crop)
    assert expected.std((0, 1)).min() > 0.02
    assert 0.001 < expected.min() < expected.max() < 0.999
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_single_layers_pad_as_tensorflow_does(arrays, imported, place):
    """Of a stride-1, a stride-2 and an odd side; where padding is put matters at the borders."""
    network, published = PRNetFile(imported).network(), Published(arrays)
    rng = np.random.default_rng(place)
    small = rng.uniform(0, 1, (7, 9, 3))
    np.testing.assert_allclose(
        maps_of(network.first, small), published.conv(small, "Conv"), rtol=1e-5, atol=1e-5
    )
    name = f"resBlock_{place}" if place else "resBlock"
    x = rng.uniform(0, 1, (6, 8, ENCODER[place]))
    found = maps_of(network.encoder[place], x)
    expected = published.block(x, name, 1 + (place != 1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    name = f"Conv2d_transpose_{place}" if place else "Conv2d_transpose"
    x = rng.uniform(0, 1, (3, 5, DECODER[place]))
    expected = np.maximum(published.transposed(x, name, 1 + (place == 1)), 0)
    np.testing.assert_allclose(maps_of(network.decoder[place], x), expected, rtol=1e-5, atol=1e-5)


def test_a_crop_of_256_gives_a_map_of_256(imported):
    with torch.inference_mode():
        maps = PRNetFile(imported).network()(torch.rand(1, 3, 256, 256))
    assert maps.shape == (1, 3, 256, 256)
    assert 0 <= maps.min() < maps.max() <= 1


@pytest.mark.parametrize(("port", "wrapped"), [(plain_port, ""), (collected_port, "state_dict")])
def test_ports_give_the_same_file_as_the_npz(arrays, imported, uv_data, tmp_path, port, wrapped):
    state = in_order(port(), arrays).state_dict()
    torch.save(
        {wrapped: {f"module.{k}": v for k, v in state.items()}} if wrapped else state, tmp_path / "p.pt"
    )
    metadata = import_prnet(tmp_path / "p.pt", uv_data, tmp_path / "out.safetensors")
    _, of_npz = read_tensors(imported, "")
    assert metadata["sha256"] == of_npz["sha256"]
    assert "research use only" in metadata["licence"]


def test_the_port_s_own_paddings_give_the_same_maps(arrays, imported):
    crop = np.random.default_rng(2).uniform(0, 1, (32, 64, 3))
    port = in_order(plain_port(), arrays)
    np.testing.assert_allclose(maps_of(port, crop), maps_of(PRNetFile(imported).network(), crop), atol=1e-5)


def test_variables_of_the_optimizer_are_left_out(arrays, imported, uv_data, tmp_path):
    more = {"resfcn256/Conv/weights/Adam": np.ones(3, np.float32), "beta1_power": np.float32(0.5)}
    file = write_npz(tmp_path / "all.npz", {**{f"{k}:0": v for k, v in arrays.items()}, **more})
    metadata = import_prnet(file, uv_data, tmp_path / "out.safetensors")
    assert metadata["sha256"] == read_tensors(imported, "")[1]["sha256"]


KERNEL, MEAN = "resfcn256/resBlock_3/Conv_1/weights", "resfcn256/Conv/BatchNorm/moving_mean"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({KERNEL: None}, f"lacks 1 entries, the first is {KERNEL}"),
        (
            {"resfcn256/Conv/biases": np.ones(16, np.float32)},
            "1 unknown entries, the first is resfcn256/Conv/b",
        ),
        ({KERNEL: np.ones((4, 4, 32, 31), np.float32)}, rf"{KERNEL} .*\[4, 4, 32, 32\], found .*32, 31\]"),
        ({KERNEL: np.ones((4, 4, 32, 33), np.float32)}, f"{KERNEL} .*shape .4, 4, 32, 32."),
        ({MEAN: np.zeros(16, np.int32)}, rf"{MEAN} should be float32 of shape \[16\], found int32"),
        ({MEAN: np.array([object()])}, "damaged or no npz of plain arrays"),
        ({MEAN: np.full(16, np.nan, np.float32)}, f"{MEAN} has values that are not finite"),
    ],
)
def test_an_odd_npz_is_refused_by_name(arrays, uv_data, tmp_path, change, message):
    changed = {key: value for key, value in {**arrays, **change}.items() if value is not None}
    file = write_npz(tmp_path / "odd.npz", changed)
    with pytest.raises(WeightsError, match=message) as error:
        import_prnet(file, uv_data, tmp_path / "out.safetensors")
    assert str(file) in str(error.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_damaged_and_foreign_files_are_refused(arrays, uv_data, tmp_path):
    out = tmp_path / "out.safetensors"
    whole = write_npz(tmp_path / "whole.npz", arrays)
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "flipped.npz").write_bytes(content)
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("notes.npy", b"nothing")
    torch.save({"layer.weight": torch.ones(2)}, tmp_path / "foreign.pt")
    state = in_order(plain_port(), arrays).state_dict()
    torch.save({**state, "down_conv_2.main.4.weight": torch.ones(16, 16, 3, 3)}, tmp_path / "other.pt")
    for name, message in [
        ("flipped.npz", "damaged"),
        ("cut.npz", "cut.npz"),
        ("other.npz", "lacks 245 entries"),
        ("nowhere.npz", "no such file"),
        ("foreign.pt", "layer.weight, are neither those of pytorch-prnet nor of pytorchcv"),
        (
            "other.pt",
            r"down_conv_2.main.4.weight should be float32 of shape \[16, 16, 4, 4\], found .*3, 3\]",
        ),
    ]:
        with pytest.raises(WeightsError, match=message):
            import_prnet(tmp_path / name, uv_data, out)
    with pytest.raises(WeightsError, match="SHA-256 is"):
        import_prnet(whole, uv_data, out, sha256="0" * 64)


def test_odd_uv_data_is_refused_by_name(uv_data, tmp_path):
    folder = tmp_path / "uv-data"
    for name, content, message in [
        ("face_ind.txt", None, "no such file"),
        ("face_ind.txt", "7\n5\n6\n", "ascending"),
        ("face_ind.txt", "one\ntwo\n", "no text of numbers"),
        ("uv_kpt_ind.txt", "1 2 3\n4 5 6\n", r"shape \[2, 68\]; found \[2, 3\]"),
        ("uv_kpt_ind.txt", "\n".join([" ".join(["0"] * 68)] * 2), "no pixels of face_ind.txt"),
        ("canonical_vertices.npy", "", "no array of NumPy"),
        ("face_ind.txt", "0\n1\n2\n", "no pixels of face_ind.txt"),
    ]:
        shutil.copytree(uv_data, folder, dirs_exist_ok=True)
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_text(content)
        with pytest.raises(WeightsError, match=message) as error:
            read_uv_data(folder)
        assert str(folder) in str(error.value)
    shutil.copytree(uv_data, folder, dirs_exist_ok=True)
    np.save(folder / "canonical_vertices.npy", np.ones((9, 3)))
    with pytest.raises(WeightsError, match=r"canonical_vertices.npy: .*found \[9, 3\]"):
        read_uv_data(folder)


def test_the_command_asks_for_the_uv_data(capsys, tmp_path):
    words = ["weights", "import", "prnet", "prnet.npz", "--out", str(tmp_path / "out.safetensors")]
    assert main(words) == 2
    assert "--uv-data Data/uv-data" in capsys.readouterr().err
