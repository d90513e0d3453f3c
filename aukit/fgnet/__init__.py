"""FG-Net: action unit detection from a StyleGAN2 generator's features (Yin et al., WACV 2024)."""

from aukit.fgnet.heatmaps import HEATMAP_AUS, au_heatmaps
from aukit.fgnet.inversion import InversionModule, Inverter
from aukit.fgnet.module import FGNetModule
from aukit.fgnet.networks import (
    FGNet,
    GradualStyleEncoder,
    PyramidInterpreter,
    StyleGAN2Generator,
    heatmap_scores,
)
from aukit.fgnet.pretraining_gan import StyleGAN2Module

__all__ = [
    "HEATMAP_AUS",
    "FGNet",
    "FGNetModule",
    "GradualStyleEncoder",
    "InversionModule",
    "Inverter",
    "PyramidInterpreter",
    "StyleGAN2Generator",
    "StyleGAN2Module",
    "au_heatmaps",
    "heatmap_scores",
]
