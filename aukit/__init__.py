"""aukit: a PyTorch Lightning experiment suite for facial action unit research."""

__version__ = "0.1.0"
