"""What an inversion can do on avatars it was not trained on: errors, expression in the codes, a picture.

    python benchmarks/inversion_report.py --weights mini --faces DIR --picture PNG [--store STORE]

prints the figures of the weights' card as Markdown. ``DIR`` holds the faces that the weights were trained
on (`aukit.simulation.write_avatar_faces`); its held-out avatars are judged. Judging reads the avatars'
activations; training does not. ``STORE`` is a prepared store of a corpus in three folds (crops as of the
faces): a probe is fitted to the people who train fold 0 and read on those who test it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from aukit.datamodules.corpus import held_out_people
from aukit.datasets.folds import fold_splits
from aukit.metrics import kernel_distance
from aukit.metrics.features import FIXED_FEATURES, FixedFeatures
from aukit.models.fgnet.inversion import Inverter, effective_dimensions, gradient_distance, mouth
from aukit.models.weights import MINI_NETWORK
from aukit.store.store import PreparedStore
from aukit.utils.files import atomic_path

__all__ = ["inversion_report", "people_probe", "probe", "reconstruction_picture"]

#: Action units that are read from the codes: those of BP4D, and open lips and jaw.
PROBED = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24, 25, 26)
_RIDGE = 30.0
_BATCH = 64


@torch.no_grad()
def inversion_report(
    network: Inverter,
    known: npt.NDArray[np.uint8],
    known_activations: npt.NDArray[np.float32],
    fresh: npt.NDArray[np.uint8],
    fresh_activations: npt.NDArray[np.float32],
) -> dict[str, Any]:
    """Judge an inversion.

    Args:
        network: In evaluation mode.
        known: Faces uint8 [N,S,S,3] that give the mean face and fit the probe.
        known_activations: [N,A] of these.
        fresh: Faces [M,S,S,3] of other people.
        fresh_activations: [M,A] of these.

    Returns:
        ``l1``, ``gradient`` and ``mouth``: errors on fresh faces as shares of the mean face's; ``auc``: [A]
        by `probe` on the codes, 0.5 = nothing; ``pixels_auc``: of the same probe on the faces' own pixels at
        16²; ``kernel_distance`` of reconstructions to the faces, and of the mean face, on `FIXED_FEATURES`;
        ``code_norm`` and ``code_dimensions``.
    """
    codes, drawn, target = _run(network, fresh)
    known_codes, _, known_target = _run(network, known)
    mean = known_target.mean(0).expand_as(target)
    normalised = network.g_all.style[0](codes).flatten(1)
    errors = {
        name: (float(measure(drawn, target)) / float(measure(mean, target)))
        for name, measure in (
            ("l1", lambda x, y: (x - y).abs().mean()),
            ("gradient", lambda x, y: gradient_distance(x, y).mean()),
            ("mouth", lambda x, y: (mouth(x) - mouth(y)).abs().mean()),
        )
    }
    extractor = FixedFeatures()
    features = [extractor(2 * faces - 1) for faces in (target, drawn, mean + 0.01 * torch.randn_like(mean))]
    small = [F.interpolate(faces, (16, 16), mode="area").flatten(1) for faces in (known_target, target)]
    known_normalised = network.g_all.style[0](known_codes).flatten(1)
    return {
        **errors,
        "auc": probe(known_normalised, known_activations, normalised, fresh_activations),
        "pixels_auc": probe(small[0], known_activations, small[1], fresh_activations),
        "kernel_distance": kernel_distance(features[1], features[0]),
        "kernel_distance_of_mean": kernel_distance(features[2], features[0]),
        "code_norm": float(codes.square().mean().sqrt()),
        "code_dimensions": float(effective_dimensions(normalised)),
    }


@torch.no_grad()
def people_probe(
    network: Inverter, store: PreparedStore, every: int = 4
) -> dict[str, npt.NDArray[np.float64]]:
    """`probe` of codes and pixels on a corpus' people: ``codes`` and ``pixels``, [A] each.

    Args:
        network: In evaluation mode.
        store: Prepared crops of a corpus in three folds.
        every: Take one frame in this many.
    """
    aus = store.table.occurrence_aus
    labels = store.table.occurrences(aus)
    rows = np.flatnonzero(~np.isnan(labels).any(axis=1))[::every]
    trained, tested = fold_splits(0)
    partitions = store.table.frame["partition"].to_numpy(dtype=str)[rows]
    known, fresh = np.isin(partitions, trained), partitions == tested
    codes, _, target = _run(network, np.asarray(store.images[rows]))
    seen = {
        "codes": network.g_all.style[0](codes).flatten(1),
        "pixels": F.interpolate(target, (16, 16), mode="area").flatten(1),
    }
    return {
        name: probe(x[known], labels[rows][known], x[fresh], labels[rows][fresh]) for name, x in seen.items()
    }


def probe(
    known: Tensor,
    known_activations: npt.NDArray[np.float32],
    fresh: Tensor,
    activations: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """How well a ridge regression reads each action unit: area under the ROC curve on other people, ``[A]``.

    Args:
        known: ``[N,D]`` features that it is fitted to.
        known_activations: [N,A] their activations.
        fresh: ``[M,D]`` features of other people.
        activations: [M,A] theirs; an action unit is present from 0.2 on.
    """
    mean, spread = known.mean(0), known.std(0) + 1e-6
    x = ((known - mean) / spread).double()
    y = torch.from_numpy(known_activations).double()
    weights = torch.linalg.solve(
        x.T @ x + _RIDGE * torch.eye(x.shape[1], dtype=x.dtype), x.T @ (y - y.mean(0))
    )
    scores = (((fresh - mean) / spread).double() @ weights).numpy()
    present = activations > 0.2
    return np.array([_auc(score, label) for score, label in zip(scores.T, present.T, strict=True)])


def _auc(scores: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]) -> float:
    positives, negatives = int(present.sum()), int((~present).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = pd.Series(scores).rank().to_numpy()
    return float((ranks[present].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@torch.no_grad()
def reconstruction_picture(
    network: Inverter, faces: npt.NDArray[np.uint8], zoom: int = 4
) -> npt.NDArray[np.uint8]:
    """Faces above their reconstructions: uint8 [2·S·zoom, N·S·zoom, 3], S the generator's size."""
    _, drawn, target = _run(network, faces)
    rows = torch.cat([torch.cat(list(row), dim=-1) for row in (target, drawn)], dim=-2)
    pixels = (rows * 255).round().byte().permute(1, 2, 0).numpy()
    return np.asarray(pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))


def _run(network: Inverter, faces: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, reconstructions and faces at the generator's size, in [0,1]."""
    size = network.g_all.size
    batches = []
    for start in range(0, len(faces), _BATCH):
        some = np.array(faces[start : start + _BATCH])
        images = torch.from_numpy(some).permute(0, 3, 1, 2).float() / 255
        codes = network.codes(images)
        reduced = F.interpolate(images, size=(size, size), mode="area")
        batches.append((codes, network.draw(codes).clamp(0, 1), reduced))
    codes, drawn, target = (torch.cat(each) for each in zip(*batches, strict=True))
    return codes, drawn, target


def _card(report: Mapping[str, Any]) -> str:
    lines = ["| measure, held-out avatars | value |", "|---|---:|"]
    for key, text in (
        ("l1", "L1, share of the mean face's"),
        ("gradient", "gradient L1, likewise"),
        ("mouth", "L1 in the mouth's rectangle, likewise"),
        ("kernel_distance", f"kernel distance of reconstructions to faces ({FIXED_FEATURES})"),
        ("kernel_distance_of_mean", "kernel distance of the mean face"),
        ("code_norm", "norm of the codes (root mean square)"),
        ("code_dimensions", "effective dimensions of the codes"),
    ):
        lines.append(f"| {text} | {report[key]:.3f} |")
    lines += ["", f"| AUC of a linear probe | mean | {' | '.join(f'AU{au}' for au in PROBED)} |"]
    lines.append("|---|---:|" + "---:|" * len(PROBED))
    for key, text in (("auc", "codes"), ("pixels_auc", "pixels at 16²")):
        values = report[key]
        lines.append(f"| {text} | {np.nanmean(values):.3f} | {' | '.join(f'{v:.2f}' for v in values)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures of shipped or other weights of the small network."""
    from aukit.simulation.images.pretraining_faces import FACES, open_avatar_faces

    parser = argparse.ArgumentParser(description="Judge an inversion on held-out avatars.")
    parser.add_argument("--weights", default="mini")
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--holdout-fraction", type=float, default=0.1, help="as in training")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--store", type=Path, help="prepared store of a corpus, to probe its people")
    arguments = parser.parse_args(argv)
    network = Inverter(**MINI_NETWORK, weights=[arguments.weights]).eval()
    images, identities, _ = open_avatar_faces(arguments.faces)
    columns = [f"AU{au:02d}" for au in PROBED]
    activations = pd.read_parquet(arguments.faces / FACES, columns=columns).to_numpy(np.float32)
    held = np.isin(identities, held_out_people(identities.tolist(), arguments.holdout_fraction))
    known, fresh = np.flatnonzero(~held), np.flatnonzero(held)
    print(
        _card(inversion_report(network, images[known], activations[known], images[fresh], activations[fresh]))
    )
    if arguments.store:
        read = people_probe(network, PreparedStore.open(arguments.store))
        print("\nPeople of", arguments.store.name, *(f"{k}: {np.nanmean(v):.3f}" for k, v in read.items()))
    if arguments.picture:
        # Of each held-out avatar the image with the widest open mouth, and its neighbour.
        mouths = activations[fresh][:, [PROBED.index(25), PROBED.index(26)]].sum(1)
        shown = [
            row
            for person in dict.fromkeys(identities[fresh])
            for row in fresh[identities[fresh] == person][_widest(mouths[identities[fresh] == person])]
        ]
        with atomic_path(arguments.picture) as temporary:
            Image.fromarray(reconstruction_picture(network, images[shown[:12]])).save(temporary)


def _widest(mouths: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    return np.array([mouths.argmax(), mouths.argmin()])


if __name__ == "__main__":
    main()
