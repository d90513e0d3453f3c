"""FG-Net: action unit detection from a StyleGAN2 generator's features (Yin et al., WACV 2024)."""

from aukit.models.fgnet.heatmaps import HEATMAP_AUS, au_heatmaps
from aukit.models.fgnet.inversion import InversionModule, Inverter
from aukit.models.fgnet.module import FGNetModule
from aukit.models.fgnet.networks import (
    FGNet,
    GradualStyleEncoder,
    PyramidInterpreter,
    StyleGAN2Generator,
    heatmap_scores,
)
from aukit.models.fgnet.parts import EncoderInterface, HeadInterface
from aukit.models.fgnet.pretraining_gan import StyleGAN2Module

__all__ = [
    "HEATMAP_AUS",
    "EncoderInterface",
    "FGNet",
    "FGNetModule",
    "GradualStyleEncoder",
    "HeadInterface",
    "InversionModule",
    "Inverter",
    "PyramidInterpreter",
    "StyleGAN2Generator",
    "StyleGAN2Module",
    "au_heatmaps",
    "heatmap_scores",
]
