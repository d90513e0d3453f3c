"""PM2: paired real and synthetic faces towards unlabelled corpora (Lu et al., arXiv 2403.10737)."""

from aukit.pm2.losses import classifier_discrepancy, moment_distance, paired_moment_distance

__all__ = ["classifier_discrepancy", "moment_distance", "paired_moment_distance"]
