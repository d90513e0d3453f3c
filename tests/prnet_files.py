"""Files as owners of PRNet have them, with random weights and a face of our own."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from aukit.mesh import rasterize
from aukit.registration import canonical_face

SIDE = 256
ENCODER = (16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512)
DECODER = (512, 512, 256, 256, 256, 128, 128, 128, 64, 64, 64, 32, 32, 16, 16, 3, 3, 3)
FACE_SCALE = 62.0  # pixels of the map per eye distance
FACE_OFFSET = np.array([127.5, 100.0])


def tensorflow_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Variables by the names that tf.contrib.layers gives them; outputs stay in a range where each counts."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}

    def kernel(name: str, height: int, before: int, after: int, transposed: bool = False) -> None:
        shape = (height, height, after, before) if transposed else (height, height, before, after)
        values = rng.normal(0, (1.5 / (height * height * before)) ** 0.5, shape)
        arrays[f"resfcn256/{name}/weights"] = values.astype(np.float32)

    def norm(name: str, channels: int) -> None:
        draws = {
            "gamma": rng.uniform(0.7, 1.3, channels),
            "beta": rng.normal(0, 0.2, channels),
            "moving_mean": rng.normal(0, 0.2, channels),
            "moving_variance": rng.uniform(0.1, 2, channels),
        }
        for entry, values in draws.items():
            arrays[f"resfcn256/{name}/BatchNorm/{entry}"] = values.astype(np.float32)

    kernel("Conv", 4, 3, 16)
    norm("Conv", 16)
    for index, (before, after) in enumerate(pairwise(ENCODER)):
        scope = f"resBlock_{index}" if index else "resBlock"
        if before != after:
            kernel(f"{scope}/shortcut", 1, before, after)
        for place, (height, a, b) in enumerate([(1, before, after // 2), (4, after // 2, after // 2)]):
            kernel(f"{scope}/Conv_{place}" if place else f"{scope}/Conv", height, a, b)
            norm(f"{scope}/Conv_{place}" if place else f"{scope}/Conv", b)
        kernel(f"{scope}/Conv_2", 1, after // 2, after)
        norm(scope, after)
    for index, (before, after) in enumerate(pairwise(DECODER)):
        scope = f"Conv2d_transpose_{index}" if index else "Conv2d_transpose"
        kernel(scope, 4, before, after, transposed=True)
        norm(scope, after)
    return arrays


def plain_port() -> nn.Module:
    """A network with the structure, and so the names and paddings, of liguohao96's pytorch-prnet."""

    def norm(channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, eps=0.001)

    def padded(before: int, after: int, stride: int) -> list[nn.Module]:
        if stride == 2:
            return [nn.Conv2d(before, after, 4, 2, 1, bias=False)]
        return [nn.ConstantPad2d((1, 2, 1, 2), 0), nn.Conv2d(before, after, 4, bias=False)]

    def same(before: int, after: int, last: nn.Module | None = None) -> list[nn.Module]:
        transposed = nn.ConvTranspose2d(before, after, 4, 1, 3, bias=False)
        return [nn.ConstantPad2d((2, 1, 2, 1), 0), transposed, norm(after), last or nn.ReLU()]

    class Down(nn.Module):
        def __init__(self, before: int, after: int) -> None:
            super().__init__()
            stride = 1 if before == after else 2
            if stride == 2:
                self.shortcut = nn.Conv2d(before, after, 1, 2, bias=False)
            half = after // 2
            self.main = nn.Sequential(
                *(nn.Conv2d(before, half, 1, bias=False), norm(half), nn.ReLU()),
                *(*padded(half, half, stride), norm(half), nn.ReLU()),
                nn.Conv2d(half, after, 1, bias=False),
            )
            self.activate = nn.Sequential(norm(after), nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            short = self.shortcut(x) if hasattr(self, "shortcut") else x
            return self.activate(self.main(x) + short)

    class Up(nn.Module):
        def __init__(self, before: int, after: int, more: int) -> None:
            super().__init__()
            first = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)
            rest = [layer for _ in range(more) for layer in same(after, after)]
            self.main = nn.Sequential(first, norm(after), nn.ReLU(), *rest)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.main(x)

    network = nn.Sequential()
    network.add_module("input_conv", nn.Sequential(*padded(3, 16, 1), norm(16), nn.ReLU()))
    for index, (before, after) in enumerate(pairwise(ENCODER), start=1):
        network.add_module(f"down_conv_{index}", Down(before, after))
    network.add_module("center_conv", nn.Sequential(*same(512, 512)))
    for name, before, after, more in [
        ("up_conv_5", 512, 256, 2),
        ("up_conv_4", 256, 128, 2),
        ("up_conv_3", 128, 64, 2),
        ("up_conv_2", 64, 32, 1),
        ("up_conv_1", 32, 16, 1),
    ]:
        network.add_module(name, Up(before, after, more))
    ends = [*same(16, 3), *same(3, 3), *same(3, 3, nn.Sigmoid())]
    network.add_module("output_conv", nn.Sequential(*ends))
    return network.eval()


def collected_port() -> nn.Module:
    """Modules that give the names of pytorchcv's prnet, in the order of their use; of no use themselves."""

    def unit(before: int, after: int, kernel: int = 4, transposed: bool = False) -> nn.Module:
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        convolution = kind(before, after, kernel, bias=False)
        return nn.ModuleDict({"conv": convolution, "bn": nn.BatchNorm2d(after)})

    encoder, decoder = nn.ModuleDict(), nn.ModuleDict()
    for stage, channels in enumerate([32, 64, 128, 256, 512], start=1):
        units = nn.ModuleDict()
        for place in (1, 2):
            before = channels if place == 2 else channels // 2
            half = channels // 2
            parts = {} if place == 2 else {"identity_conv": nn.Conv2d(before, channels, 1, bias=False)}
            body = {"conv1": unit(before, half, 1), "conv2": unit(half, half)}
            parts["body"] = nn.ModuleDict({**body, "conv3": nn.Conv2d(half, channels, 1, bias=False)})
            parts["norm_activ"] = nn.ModuleDict({"bn": nn.BatchNorm2d(channels)})
            units[f"unit{place}"] = nn.ModuleDict(parts)
        encoder[f"stage{stage}"] = units
    before = 512
    for stage, (channels, length) in enumerate(
        [(512, 1), (256, 3), (128, 3), (64, 3), (32, 2), (16, 2)], start=1
    ):
        units = nn.ModuleDict()
        for place in range(1, length + 1):
            units[f"unit{place}"] = unit(before, channels, transposed=True)
            before = channels
        decoder[f"stage{stage}"] = units
    features = nn.ModuleDict({"init_block": unit(3, 16), "encoder": encoder, "decoder": decoder})
    ends = {f"conv{place}": unit(16 if place == 1 else 3, 3, transposed=True) for place in (1, 2, 3)}
    return nn.ModuleDict({"features": features, "output": nn.ModuleDict(ends)})


def in_order(network: nn.Module, arrays: dict[str, np.ndarray]) -> nn.Module:
    """The port with the arrays, both in the order of their layers; kernels as PyTorch has them."""
    own = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
    values = [torch.from_numpy(np.moveaxis(v, (3, 2), (0, 1)) if v.ndim == 4 else v) for v in arrays.values()]
    network.load_state_dict(dict(zip(own, values, strict=True)), strict=False)
    return network


# ----------------------------------------------------------------------------------------- UV data


def uv_grid() -> tuple[np.ndarray, np.ndarray]:
    """Our mean face drawn on a map's grid: its flat pixels [P], and its points [P,3] there, in eye distances.

    Depth comes from the mesh, columns and rows are the frontal view itself.
    """
    face = canonical_face()
    vertices = face.vertices * FACE_SCALE
    vertices[:, :2] += FACE_OFFSET
    corners = torch.from_numpy(vertices).float()[None]
    ids, weights, _ = rasterize(corners, torch.from_numpy(face.triangles), SIDE)
    pixels = np.flatnonzero(ids[0].numpy() >= 0)
    triangles = face.triangles[ids[0].numpy().ravel()[pixels]]
    depth = (face.vertices[triangles][..., 2] * weights[0].numpy().reshape(-1, 3)[pixels]).sum(-1)
    rows, columns = np.divmod(pixels, SIDE)
    plane = (np.stack([columns, rows], -1) - FACE_OFFSET) / FACE_SCALE
    return pixels, np.concatenate([plane, depth[:, None]], -1)


def write_uv_data(folder: Path) -> Path:
    """The three files of Data/uv-data."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels, points = uv_grid()
    np.savetxt(folder / "face_ind.txt", pixels, fmt="%d")
    # PRNet's is in pixels of its own; unit and origin are arbitrary.
    np.save(folder / "canonical_vertices.npy", points * 75.9 + np.array([0.0, 258.0, 90.0]))
    marks = canonical_face().landmarks[:, :2] * FACE_SCALE + FACE_OFFSET
    places = np.stack(np.divmod(pixels, SIDE)[::-1], -1)
    nearest = places[np.linalg.norm(marks[:, None] - places, axis=-1).argmin(1)]
    np.savetxt(folder / "uv_kpt_ind.txt", nearest.T)
    return folder


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path
