"""Baselines of action unit detection: an image network with a linear head, on the systems' own data."""

from aukit.models.baselines.module import MultilabelModule

__all__ = ["MultilabelModule"]
