"""PM2: paired real and synthetic faces towards unlabelled corpora (Lu et al., arXiv 2403.10737)."""

from aukit.models.pm2.gradients import gradient_norms
from aukit.models.pm2.losses import classifier_discrepancy, moment_distance, paired_moment_distance
from aukit.models.pm2.methods import METHODS
from aukit.models.pm2.module import PM2Module

__all__ = [
    "METHODS",
    "PM2Module",
    "classifier_discrepancy",
    "gradient_norms",
    "moment_distance",
    "paired_moment_distance",
]
