"""A small training of every system for two processes: a module and its data, with and without noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aukit.models.baselines import MultilabelModule
from aukit.models.components.backbones import Backbone
from aukit.models.components.pca_pretraining import PCAModule
from aukit.models.fgnet import FGNetModule, InversionModule, Inverter, StyleGAN2Module
from aukit.models.landmarks import FaceFinderModule, FaceReaderModule
from aukit.models.niinuma2021.intensity import IntensityDataModule, IntensityModule
from aukit.models.niinuma2021.synthesis import SynthesisDataModule, SynthesizerModule
from aukit.models.pm2 import METHODS, PM2Module
from aukit.registration.landmarks.networks import FaceFinder, FaceReader
from tests.fake_training import FakeDataModule
from tests.fakes import AUS
from tests.labelled_faces import MadeFaces
from tests.models.fgnet.faces import Faces
from tests.models.fgnet.networks import SMALL as FGNET
from tests.models.fgnet.unlabelled import Unlabelled
from tests.models.niinuma2021.intensity.test_module import TRUNK, balanced
from tests.models.niinuma2021.synthesis.test_module import MINI, TINY
from tests.models.pm2.pairs import SMALL as PM2
from tests.models.pm2.pairs import FakePairs

System = Callable[[Path, float], tuple[Any, Any]]
"""Folder, dropout rate and strength of augmentation (0: none) → module and data."""


class HalfCoded(FakeDataModule):
    """A third of the labels is not coded, differently often on the two halves of a batch."""

    def setup(self, stage=None):
        super().setup(stage)
        table = self.store.table
        columns = [c for c in table.frame.columns if c.startswith("AU")]
        hidden = np.random.default_rng(0).random((len(table.frame), len(columns))) < 0.35
        table.frame[columns] = table.frame[columns].astype(float).mask(hidden)


def fgnet(folder: Path, noise: float) -> tuple[Any, Any]:
    data = Faces(cache=str(folder / "stores"), batch_size=4, steps_per_epoch=3)
    return FGNetModule(aus=AUS, **{**FGNET, "sigma": 2.5, "dropout": noise, "lr": 1e-3}), data


def baseline(folder: Path, noise: float) -> tuple[Any, Any]:
    small = {"channels": [4, 4, 8, 8], "stem_width": 4, "drop_path_rate": noise}
    data = HalfCoded(cache=str(folder / "stores"), batch_size=4, steps_per_epoch=3, side=32)
    return MultilabelModule(aus=AUS, backbone="resnet10t", options=small, lr=1e-3, class_weights="f1"), data


def intensity(folder: Path, noise: float) -> tuple[Any, Any]:
    corpus = FakeDataModule(cache=str(folder / "stores"), people=8, frames=20)
    corpus.prepare_data()
    corpus.setup()
    balanced(corpus, folder / "set")
    options = {"batch_size": 6, "steps_per_epoch": 3, "flip": noise > 0, "jitter": noise}
    module = IntensityModule(**{**TRUNK, "dropout": noise, "other_heads": 0.5})
    return module, IntensityDataModule(corpus, str(folder / "set"), **options)


def synthesis(folder: Path, noise: float) -> tuple[Any, Any]:
    corpus = FakeDataModule(cache=str(folder / "stores"))
    data = SynthesisDataModule(corpus, batch_size=4, steps_per_epoch=6, val_pairs=8, warmup_share=0.4)
    shares = {"head_start_share": 0.2, "warmup_share": 0.4}
    return SynthesizerModule(**{**TINY, **MINI, **shares}), data


def pm2(method: str) -> System:
    def build(folder: Path, noise: float) -> tuple[Any, Any]:
        data = FakePairs(cache=str(folder / "stores"))
        return PM2Module(**{**PM2, "method": method, "lr": 1e-3, "generator_steps": 2}), data

    return build


def pretrain_gan(folder: Path, noise: float) -> tuple[Any, Any]:
    small = {"size": 16, "style_dim": 8, "n_mlp": 1, "channel_multiplier": 0.0625, "max_channels": 8}
    rates = {"r1_every": 2, "path_every": 3, "average_images": 8, "augment_target": 0.6, "augment_images": 40}
    return StyleGAN2Module(**small, **rates), Unlabelled(batch_size=4, steps_per_epoch=5, augment=noise > 0)


def pretrain_backbone(folder: Path, noise: float) -> tuple[Any, Any]:
    options = {"channels": [4, 4, 8, 8], "stem_width": 4}
    network = Backbone("resnet10t", options=options)
    return PCAModule(network, components=4), Unlabelled(batch_size=4, steps_per_epoch=3, augment=noise > 0)


def pretrain_inversion(folder: Path, noise: float) -> tuple[Any, Any]:
    keys = ("image_size", "style_dim", "n_mlp", "channel_multiplier", "max_channels")
    sizes = {key: FGNET[key] for key in (*keys, "encoder_widths", "encoder_units")}
    inverter = Inverter(**sizes, size=16)
    data = Unlabelled(batch_size=4, steps_per_epoch=3, augment=noise > 0)
    return InversionModule(inverter, components=4, least_dimensions=0.0), data


def face_reader(folder: Path, noise: float) -> tuple[Any, Any]:
    network = FaceReader(widths=[4, 4, 8, 8, 8], blocks=1, squeezed=4)
    if not noise:
        network.look[-1].p = 0.0
    return FaceReaderModule(network, warmup_steps=2), MadeFaces(
        batch_size=4, steps_per_epoch=3, augment=noise > 0
    )


def face_finder(folder: Path, noise: float) -> tuple[Any, Any]:
    network = FaceFinder(widths=[4, 4, 8, 8, 8], blocks=1)
    data = MadeFaces("find", 96, augment=noise > 0, batch_size=4, steps_per_epoch=3)
    return FaceFinderModule(network, warmup_steps=2), data


SYSTEMS: dict[str, System] = {
    "fgnet": fgnet,
    "baseline": baseline,
    "intensity": intensity,
    "synthesis": synthesis,
    "pretrain_gan": pretrain_gan,
    "pretrain_backbone": pretrain_backbone,
    "pretrain_inversion": pretrain_inversion,
    "face_reader": face_reader,
    "face_finder": face_finder,
    **{f"pm2_{method}": pm2(method) for method in METHODS},
}


def build(name: str, folder: Path, noise: float) -> tuple[Any, Any]:
    """A system, its weights drawn anew from seed 0."""
    torch.manual_seed(0)
    return SYSTEMS[name](folder, noise)
