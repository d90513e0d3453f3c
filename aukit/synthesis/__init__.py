"""Expression synthesis and semantic resampling (Niinuma et al., WACV 2021)."""

from aukit.synthesis.data import PairBatches, PairDataset, SynthesisDataModule
from aukit.synthesis.module import SynthesizerModule
from aukit.synthesis.networks import ExpressionDiscriminator, ExpressionGenerator, compose
from aukit.synthesis.resampling import real_resampling, semantic_resampling
from aukit.synthesis.synthetic_set import synthesize

__all__ = [
    "ExpressionDiscriminator",
    "ExpressionGenerator",
    "PairBatches",
    "PairDataset",
    "SynthesisDataModule",
    "SynthesizerModule",
    "compose",
    "real_resampling",
    "semantic_resampling",
    "synthesize",
]
