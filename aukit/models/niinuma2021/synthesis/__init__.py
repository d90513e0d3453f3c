"""Expression synthesis and semantic resampling (Niinuma et al., WACV 2021)."""

from aukit.models.niinuma2021.synthesis.data import (
    PairBatches,
    PairDataset,
    PairSampling,
    SynthesisDataModule,
)
from aukit.models.niinuma2021.synthesis.module import SynthesizerModule
from aukit.models.niinuma2021.synthesis.networks import ExpressionDiscriminator, ExpressionGenerator, compose
from aukit.models.niinuma2021.synthesis.resampling import Pool, real_resampling, semantic_resampling
from aukit.models.niinuma2021.synthesis.rotated_set import rotate
from aukit.models.niinuma2021.synthesis.synthetic_set import synthesize

__all__ = [
    "ExpressionDiscriminator",
    "ExpressionGenerator",
    "PairBatches",
    "PairDataset",
    "PairSampling",
    "Pool",
    "SynthesisDataModule",
    "SynthesizerModule",
    "compose",
    "real_resampling",
    "rotate",
    "semantic_resampling",
    "synthesize",
]
