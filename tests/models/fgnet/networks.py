"""A small FG-Net: 32² images, heat maps of 16², 90,000 parameters."""

import torch

from aukit.models.fgnet import FGNet

SMALL = {
    "image_size": 32,
    "size": 32,
    "style_dim": 16,
    "n_mlp": 2,
    "channel_multiplier": 1 / 64,
    "max_channels": 16,
    "encoder_widths": (8, 8, 8, 16, 16),
    "encoder_units": (1, 1, 1, 1),
    "points": 4,
    "heatmap_size": 16,
    "kernel_size": 3,
}


def small_network(seed: int = 0, **changes) -> FGNet:
    torch.manual_seed(seed)
    network = FGNet(**{**SMALL, **changes}).eval()
    network.latent_avg.normal_()
    for layer in [network.g_all.conv1, *network.g_all.convs]:
        layer.noise.weight.data.fill_(0.1)
    return network
