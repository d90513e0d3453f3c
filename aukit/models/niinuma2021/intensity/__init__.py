"""AU intensity estimation from balanced training sets (Niinuma et al., WACV 2021)."""

from aukit.models.niinuma2021.intensity.data import IntensityDataModule
from aukit.models.niinuma2021.intensity.module import IntensityModule
from aukit.models.niinuma2021.intensity.networks import (
    EstimatorBank,
    IntensityEstimator,
    IntensityTrunk,
    decode,
)
from aukit.models.niinuma2021.intensity.normalize import (
    Normalizer,
    au0_normalize,
    lacking_neutral,
    mean_texture_normalize,
    person_means,
    person_neutrals,
)

__all__ = [
    "EstimatorBank",
    "IntensityDataModule",
    "IntensityEstimator",
    "IntensityModule",
    "IntensityTrunk",
    "Normalizer",
    "au0_normalize",
    "decode",
    "lacking_neutral",
    "mean_texture_normalize",
    "person_means",
    "person_neutrals",
]
