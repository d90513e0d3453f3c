"""Independent checks of a generator during training: a separately trained reader, and an image grid."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aukit.models.niinuma2021.synthesis.networks import ExpressionGenerator, compose, initialize
from aukit.models.niinuma2021.synthesis.synthetic_set import to_images, to_tensor

__all__ = ["FrameReader", "expression_grid", "lattice", "train_reader"]


class FrameReader(nn.Module):
    """A small network that reads AU intensities / 5 off a face, trained on real faces only."""

    def __init__(self, n_aus: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for before, after, stride in ((3, 16, 2), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 96, 2)):
            convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1)
            self.features.extend([convolution, nn.ReLU(inplace=True)])
        initialize(self.features, std=None)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, n_aus))

    def forward(self, images: Tensor) -> Tensor:
        """Intensities / 5 ``[B,A]`` of images ``[B,3,S,S]`` in [−1,1]; resized to 64² first."""
        images = images.to(next(self.parameters()).dtype)
        if images.shape[-1] != 64:
            images = F.interpolate(images, (64, 64), mode="bilinear", antialias=True, align_corners=False)
        out: Tensor = self.head(self.features(images))
        return out


def train_reader(
    images: npt.NDArray[np.uint8],
    vectors: npt.NDArray[np.float32],
    steps: int,
    device: str | torch.device = "cpu",
    batch_size: int = 32,
) -> FrameReader:
    """Train a `FrameReader` on real frames and freeze it: a function of its arguments alone.

    Args:
        images: uint8 ``[N,S,S,3]`` real training frames.
        vectors: ``[N,A]`` their intensities / 5.
        steps: Adam steps with a falling learning rate; mean squared error.
        device: Where to train.
        batch_size: Frames per step.

    Cost: about 35 ms per step of 32 frames at 64² on one thread.
    """
    device = torch.device(device)
    rng = np.random.default_rng(77)
    forked = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with forked, torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(77)
        reader = FrameReader(vectors.shape[1]).to(device).train()
        optimizer = torch.optim.Adam(reader.parameters(), lr=1.5e-3)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 1.5e-3 * (1 - step / steps)
            rows = rng.integers(len(images), size=batch_size)
            batch = to_tensor(images[rows] if rng.random() < 0.5 else images[rows][:, :, ::-1]).to(device)
            loss = F.mse_loss(reader(batch), torch.from_numpy(vectors[rows]).to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return reader.eval().requires_grad_(False)


def lattice(images: Tensor, period: int = 4) -> Tensor:
    """How much images ``[B,3,S,S]`` repeat themselves every few pixels: 1 if no more than anything else.

    The power at the frequencies of that period and its fractions over the mean power two and three bins away,
    under a Hann window, so that the images' borders do not count. A generator that draws a grid of dots has
    it far above 1.
    """
    grey = images.float().mean(1)
    side = grey.shape[-1]
    window = torch.hann_window(side, device=grey.device)
    grey = (grey - grey.mean((1, 2), keepdim=True)) * window[:, None] * window
    power = torch.fft.fft2(grey).abs().square().mean(0)
    peaks, around = [], []
    at = [index * side // period for index in range(period)]
    for y, x in itertools.product(at, at):
        if (y, x) != (0, 0):
            near = torch.roll(power, (3 - y, 3 - x), (0, 1))[:7, :7]
            peaks.append(near[3, 3])
            around.append((near.sum() - near[2:5, 2:5].sum()) / 40)
    return torch.stack(peaks).mean() / torch.stack(around).mean()


def expression_grid(generator: ExpressionGenerator, faces: Tensor, n_aus: int) -> npt.NDArray[np.uint8]:
    """Faces as rows; columns: the face itself, then each action unit alone at full intensity.

    Args:
        generator: The generator, in the mode (training or evaluation) to show.
        faces: ``[N,3,S,S]`` in [−1,1].
        n_aus: Length of the target vector.

    Returns:
        uint8 ``[2·N·S, (1+n_aus)·S, 3]``: for each face a row of images and a row of attention maps (white =
        kept).
    """
    count, size = len(faces), faces.shape[-1]
    targets = torch.eye(n_aus, device=faces.device, dtype=faces.dtype).repeat(count, 1)
    inputs = faces.repeat_interleave(n_aus, dim=0)
    with torch.no_grad():
        colour, attention = generator(inputs, targets)
        fakes = compose(inputs, colour, attention)
    masks = (2 * attention - 1).expand(-1, 3, -1, -1)
    rows = []
    for left, tiles in ((faces, fakes), (torch.ones_like(faces), masks)):
        tiles = tiles.unflatten(0, (count, n_aus))
        rows.append(torch.cat([left[:, None], tiles], dim=1))
    grid = torch.stack(rows, dim=1)  # [N, image or mask, 1 + A, 3, S, S]
    flat = to_images(grid.flatten(0, 2)).reshape(count * 2, 1 + n_aus, size, size, 3)
    return flat.transpose(0, 2, 1, 3, 4).reshape(count * 2 * size, (1 + n_aus) * size, 3)
