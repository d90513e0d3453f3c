"""Niinuma et al. (WACV 2021): expressions synthesised, balanced training sets, intensity."""

from aukit.models.niinuma2021.intensity import (
    EstimatorBank,
    IntensityDataModule,
    IntensityEstimator,
    IntensityModule,
    IntensityTrunk,
    au0_normalize,
    decode,
    mean_texture_normalize,
)
from aukit.models.niinuma2021.synthesis import (
    ExpressionDiscriminator,
    ExpressionGenerator,
    Pool,
    SynthesisDataModule,
    SynthesizerModule,
    compose,
    real_resampling,
    rotate,
    semantic_resampling,
    synthesize,
)

__all__ = [
    "EstimatorBank",
    "ExpressionDiscriminator",
    "ExpressionGenerator",
    "IntensityDataModule",
    "IntensityEstimator",
    "IntensityModule",
    "IntensityTrunk",
    "Pool",
    "SynthesisDataModule",
    "SynthesizerModule",
    "au0_normalize",
    "compose",
    "decode",
    "mean_texture_normalize",
    "real_resampling",
    "rotate",
    "semantic_resampling",
    "synthesize",
]
