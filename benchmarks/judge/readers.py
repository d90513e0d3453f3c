"""Can a small network read what renders are meant to show: action units, and gender with and without hair?

    python benchmarks/judge/readers.py aus --basis procedural
    python benchmarks/judge/readers.py gender --basis procedural

It renders its own sets of avatars in one acquisition (the light of `bp4d`, a plain background), trains a
network of at most 1 M parameters on some identities and scores others. `aus`: 20,000 training renders of
1,000 identities within 15 degrees of yaw, all action units drawn together as in random renders; prints
ICC(3,1) per action unit on 100 further identities. `gender`: four neutral renders each of 800 and of 300
identities; prints how often the mean of a person's four is right, on renders as they are and, with a
network of its own, on renders without hair, beard and make-up.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from aukit.facs import VISIBLE_AUS
from aukit.metrics import intraclass_correlation
from aukit.simulation import Avatar, Camera, render
from aukit.simulation.corpora.acquisition import ACQUISITIONS
from aukit.utils.processes import worker_pool

SIZE = 96
ACQUISITION = ACQUISITIONS["bp4d"]
IDENTITY_SPLIT = "readers"
HIDING = (27, 28, 43)
"""Action units that hide others, and are seldom for that: a wide open mouth, sucked lips, shut eyes."""


def _layer(before: int, after: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


class Block(nn.Module):
    """Residual block of two convolutions that halves the resolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(*_layer(before, after, 3, 2), *_layer(after, after, 3, 1)[:2])
        self.skip = nn.Sequential(*_layer(before, after, 1, 2)[:2])

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, after, H / 2, W / 2] of [B, before, H, W]."""
        return F.relu(self.skip(x) + self.branch(x))


class Reader(nn.Module):
    """A strided layer and three residual blocks; 0.4 M parameters for 25 outputs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*_layer(3, 24, 5, 2), Block(24, 32), Block(32, 64), Block(64, 128))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(128 * (SIZE // 16) ** 2, outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, outputs] of uint8 images [B, 3, 96, 96]."""
        images = (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.head(self.features(images))
        return logits


def any_mixture(rng: np.random.Generator) -> np.ndarray:
    """Activations [A] in [0, 1]: each action unit acts now and then, whatever the others do."""
    chance = np.where(np.isin(VISIBLE_AUS, HIDING), 0.1, 0.2)
    return np.where(rng.random(len(chance)) < chance, rng.random(len(chance)), 0.0).astype(np.float32)


def film(
    name: str, basis: str, frames: int, yaw: float, plain: bool, expressive: bool
) -> tuple[np.ndarray, ...]:
    """Renders of one identity: uint8 [n, 3, S, S], activations [n, A], and whether he is male."""
    avatar = Avatar.sample(IDENTITY_SPLIT, name, 0, basis=basis)
    if plain:
        appearance = replace(
            avatar.appearance, style="bald", cover="none", eyewear="none", stubble=0.0, moustache=0.0
        )
        avatar = replace(
            avatar, appearance=replace(appearance, lips=0.6, lashes=0.5, brow_density=0.7, brow_width=2.6)
        )
    rng = np.random.default_rng([11, *name.encode()])
    values = np.stack([any_mixture(rng) for _ in range(frames)]) * np.float32(expressive)
    pose = [torch.from_numpy(rng.uniform(-limit, limit, frames).astype(np.float32)) for limit in (yaw, 8, 5)]
    camera = Camera(yaw=pose[0], pitch=pose[1], roll=pose[2], zoom=1.45, shift_y=-0.08)
    images = render(avatar, torch.from_numpy(values), camera, ACQUISITION.light(rng), size=SIZE).image
    return (images.clamp(0, 1) * 255 + 0.5).byte().numpy(), values, np.full(frames, avatar.gender == "male")


def film_all(names: list[str], workers: int, **how: object) -> tuple[Tensor, Tensor, Tensor]:
    """The renders of all identities one after the other."""
    with worker_pool(workers) as processes:
        futures = [processes.submit(film, name, **how) for name in names]  # type: ignore[arg-type]
        renders = [future.result() for future in tqdm(futures, desc="renders", mininterval=10)]
    images, values, male = (torch.from_numpy(np.concatenate(each)) for each in zip(*renders, strict=True))
    return images, values, male


def fit(images: Tensor, targets: Tensor, passes: int) -> Reader:
    """Train on uint8 images and targets [n, outputs] in [0, 1]; mirrored and shifted at random.

    Cross-entropy has its minimum at the expected target as squares have, and learns what is rare much sooner.
    """
    torch.manual_seed(0)
    net = Reader(targets.shape[1]).to(memory_format=torch.channels_last).train()
    steps = passes * len(images) // 64
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in tqdm(range(steps), desc="training", mininterval=10):
        rows = torch.randint(len(images), (64,))
        batch = images[rows]
        if torch.rand(()) < 0.5:
            batch = batch.flip(-1)
        batch = batch.roll(torch.randint(-3, 4, (2,)).tolist(), (2, 3))
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(batch), targets[rows]).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.inference_mode()
def read(net: Reader, images: Tensor) -> Tensor:
    """Mean of the probabilities of images and of their mirror images."""
    batches = images.split(256)
    return torch.cat([(net(batch).sigmoid() + net(batch.flip(-1)).sigmoid()) / 2 for batch in batches])


def read_aus(basis: str, workers: int, identities: int, frames: int, passes: int) -> None:
    """Print how well held-out identities' action units are read."""
    names = [f"p{k}" for k in range(identities + 100)]
    how = {"basis": basis, "frames": frames, "yaw": 15.0, "plain": False, "expressive": True}
    images, values, _ = film_all(names, workers, **how)
    split = identities * frames
    net = fit(images[:split], values[:split], passes)
    print(f"{sum(p.numel() for p in net.parameters()):,} parameters, {split:,} renders, {passes} passes")
    icc = intraclass_correlation(read(net, images[split:]) * 5, values[split:] * 5).numpy()
    for au, value in zip(VISIBLE_AUS, icc, strict=True):
        print(f"AU{au:<3} {value:.3f}")
    print(f"mean {icc.mean():.3f}  least {icc.min():.3f}")


def read_gender(basis: str, workers: int, identities: int, passes: int) -> None:
    """Print how often held-out identities' gender is read."""
    names = [f"p{k}" for k in range(identities + 300)]
    for plain in (False, True):
        how = {"basis": basis, "frames": 4, "yaw": 15.0, "plain": plain, "expressive": False}
        images, _, male = film_all(names, workers, **how)
        split = identities * 4
        net = fit(images[:split], male[:split, None].float(), passes)
        right = (read(net, images[split:])[:, 0].reshape(-1, 4).mean(1) > 0.5) == male[split::4]
        name = "without hair, beard, make-up" if plain else "as they are"
        print(f"{name}: {right.float().mean():.3f} of {len(right)}")


def main() -> None:
    """Render, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=("aus", "gender"))
    parser.add_argument("--basis", default="procedural")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--identities", type=int)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--passes", type=int, default=24)
    arguments = parser.parse_args()
    if arguments.task == "aus":
        read_aus(
            arguments.basis,
            arguments.workers,
            arguments.identities or 1000,
            arguments.frames,
            arguments.passes,
        )
    else:
        read_gender(arguments.basis, arguments.workers, arguments.identities or 800, arguments.passes)


if __name__ == "__main__":
    main()
