"""Prepared stores, datamodules, samplers and transforms.

Names are imported when they are first used: the processes that build a store need no Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aukit.data.avatar_pairs import AvatarPairsDataModule
    from aukit.data.balanced import BalancedSet
    from aukit.data.cross_corpus import CrossCorpusDataModule
    from aukit.data.datamodule import CorpusDataModule, held_out_people
    from aukit.data.dataset import StoreDataset, images_to_tensor
    from aukit.data.faces import AvatarFacesDataModule
    from aukit.data.fera2017 import FERA2017DataModule
    from aukit.data.folds import BP4DDataModule, DISFADataModule, FGNetListsDataModule
    from aukit.data.gft import GFTDataModule
    from aukit.data.paired import PairedDataModule
    from aukit.data.preparation import prepare
    from aukit.data.releases import prepare_release
    from aukit.data.samplers import (
        BalancedBatches,
        BatchSpec,
        EvaluationBatches,
        ShuffledBatches,
        StepSampler,
    )
    from aukit.data.step_datamodule import BatchDataset, StepDataModule
    from aukit.data.store import PreparedStore
    from aukit.data.transforms import FLIP_68, Augmentation, flip_images, flip_landmarks

__all__ = [
    "FLIP_68",
    "Augmentation",
    "AvatarFacesDataModule",
    "AvatarPairsDataModule",
    "BP4DDataModule",
    "BalancedBatches",
    "BalancedSet",
    "BatchDataset",
    "BatchSpec",
    "CorpusDataModule",
    "CrossCorpusDataModule",
    "DISFADataModule",
    "EvaluationBatches",
    "FERA2017DataModule",
    "FGNetListsDataModule",
    "GFTDataModule",
    "PairedDataModule",
    "PreparedStore",
    "ShuffledBatches",
    "StepDataModule",
    "StepSampler",
    "StoreDataset",
    "flip_images",
    "flip_landmarks",
    "held_out_people",
    "images_to_tensor",
    "prepare",
    "prepare_release",
]

_HOMES = {
    "avatar_pairs": ("AvatarPairsDataModule",),
    "balanced": ("BalancedSet",),
    "cross_corpus": ("CrossCorpusDataModule",),
    "datamodule": ("CorpusDataModule", "held_out_people"),
    "dataset": ("StoreDataset", "images_to_tensor"),
    "faces": ("AvatarFacesDataModule",),
    "fera2017": ("FERA2017DataModule",),
    "folds": ("BP4DDataModule", "DISFADataModule", "FGNetListsDataModule"),
    "gft": ("GFTDataModule",),
    "paired": ("PairedDataModule",),
    "preparation": ("prepare",),
    "releases": ("prepare_release",),
    "samplers": ("BalancedBatches", "BatchSpec", "EvaluationBatches", "ShuffledBatches", "StepSampler"),
    "step_datamodule": ("BatchDataset", "StepDataModule"),
    "store": ("PreparedStore",),
    "transforms": ("FLIP_68", "Augmentation", "flip_images", "flip_landmarks"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
